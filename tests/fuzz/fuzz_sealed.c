/* fuzz_sealed.c - the door of step stdio: any bytes instead of a relay's, and a relay's bytes with one of them changed
 *
 * What must hold: who has not the key gets no frame out; of what was altered, cut off or left out, only the frames before it
 * come, each as it was put in; a refusal has a code and words; memory stays with the bytes that came. */
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "local/seal.h"
#include "local/sealed.h"
#include "must.h"

static const uint8_t key[TD_SEAL_KEY_BYTES] = "thirty-two bytes that both know";

/* Noise on a connection. */
static void try_noise(const uint8_t *data, size_t len)
{
    int fds[2];
    struct td_sealed s;
    const uint8_t *frame;
    size_t n;
    struct td_error err = {0};
    int r = 1;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) < 0)
        return;
    td_sealed_init(&s, fds[0], key, false);
    MUST(send(fds[1], data, len, MSG_NOSIGNAL) <= (ssize_t)len);
    while (r > 0 && (r = td_sealed_read(&s, &err)) > 0) {
        r = td_sealed_next(&s, &frame, &n, &err);
        MUST(r <= 0);
        if (r == 0)
            r = 1;
    }
    MUST(r == 0 || (err.code == -r && err.text[0]));
    MUST(s.in.cap <= 2 * len + 4096 + 65536 && s.plain.len == 0);
    close(fds[1]);
    td_sealed_release(&s);
}

/* Takes all of `wire`; how many frames came, each compared with what was put in. */
static uint32_t take_all(struct td_seal *to, const uint8_t *wire, size_t len, const uint8_t *put, const size_t *sizes, bool *ret_end)
{
    struct td_buf plain = {0};
    struct td_error err = {0};
    size_t at = 0, from = 0;
    uint32_t frames = 0;

    *ret_end = false;
    for (;;) {
        size_t used = 0;
        td_buf_reset(&plain);
        int r = td_seal_take(to, wire + at, len - at, &used, &plain, &err);
        if (r < 0) {
            MUST(err.code == -r && err.text[0]);
            break;
        }
        MUST(used <= len - at);
        at += used;
        if (r == TD_SEAL_FRAME) {
            MUST(plain.len == sizes[frames] && memcmp(plain.data, put + from, plain.len) == 0);
            from += sizes[frames++];
        } else if (r == TD_SEAL_END) {
            *ret_end = true;
            break;
        } else if (r == TD_SEAL_MORE) {
            break;
        }
    }
    td_buf_release(&plain);
    return frames;
}

/* data: where and how to alter, how long the frames are, then their bytes. */
static void try_altered(const uint8_t *data, size_t len)
{
    static const uint8_t nonces[2][TD_SEAL_NONCE_BYTES] = {"one", "another"};
    struct td_seal *from = td_seal_new(key, true, nonces[0]), *to = td_seal_new(key, false, nonces[1]);
    struct td_buf wire = {0}, back = {0}, none = {0};
    struct td_error err = {0};
    size_t sizes[16] = {0}, at = 8, used = 0;
    uint32_t n = 0;
    bool end;

    td_seal_hello(from, &wire);
    td_seal_hello(to, &back);
    MUST(td_seal_take(from, back.data, back.len, &used, &none, &err) == TD_SEAL_GREETED);
    while (n < 15 && at < len) {
        sizes[n] = TD_MIN((size_t)data[3] + 1, len - at);
        td_seal_put(from, data + at, sizes[n], false, &wire);
        at += sizes[n++];
    }
    td_seal_put(from, NULL, 0, true, &wire);
    size_t where = ((size_t)data[0] << 8 | data[1]) % wire.len;
    size_t keep = data[4] & 1 ? where : wire.len; /* cut off, or altered */
    bool whole = keep == wire.len && data[2] == 0;
    wire.data[where] ^= keep == wire.len ? data[2] : 0;
    uint32_t came = take_all(to, wire.data, keep, data + 8, sizes, &end);
    MUST(whole ? came == n && end : came <= n && !end);
    td_seal_destroy(&from);
    td_seal_destroy(&to);
    td_buf_release(&wire);
    td_buf_release(&back);
    td_buf_release(&none);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    try_noise(data, len);
    if (len >= 8)
        try_altered(data, len);
    return 0;
}
