/* seal.c - see seal.h
 *
 * On the wire, each way: 8 bytes of name and version, 32 of nonce; then secretstream's header, 24; then frames: 4 bytes of
 * length (big-endian, of what is sealed), which are authenticated with it, and the sealed bytes. */
#include "local/seal.h"

#include <sodium.h>
#include <string.h>

#include "local/length.h"

#define NAME "TDSEAL\0\1"
#define NAME_BYTES 8u
#define HEADER_BYTES crypto_secretstream_xchacha20poly1305_HEADERBYTES
#define ADDED crypto_secretstream_xchacha20poly1305_ABYTES

_Static_assert(crypto_secretstream_xchacha20poly1305_KEYBYTES == TD_SEAL_KEY_BYTES, "a shared key makes a stream's");

enum seal_state { SEAL_HELLO, SEAL_HEADER, SEAL_OPEN, SEAL_OVER };
struct td_seal {
    enum seal_state state; /* of what comes */
    bool dialer, header_sent;
    uint8_t key[TD_SEAL_KEY_BYTES];
    uint8_t nonce[TD_SEAL_NONCE_BYTES];
    uint8_t rx_key[TD_SEAL_KEY_BYTES];
    uint8_t header[crypto_secretstream_xchacha20poly1305_HEADERBYTES]; /* ours */
    crypto_secretstream_xchacha20poly1305_state tx, rx;
};

struct td_seal *td_seal_new(const uint8_t key[TD_SEAL_KEY_BYTES], bool dialer, const uint8_t *nonce)
{
    struct td_seal *s = td_alloc(sizeof(*s));
    s->dialer = dialer;
    memcpy(s->key, key, sizeof(s->key));
    if (nonce)
        memcpy(s->nonce, nonce, sizeof(s->nonce));
    else
        randombytes_buf(s->nonce, sizeof(s->nonce));
    return s;
}

void td_seal_destroy(struct td_seal **p)
{
    if (!*p)
        return;
    sodium_memzero(*p, sizeof(**p));
    td_free(*p);
    *p = NULL;
}

void td_seal_hello(const struct td_seal *s, struct td_buf *out)
{
    td_buf_put(out, NAME, NAME_BYTES);
    td_buf_put(out, s->nonce, sizeof(s->nonce));
}

bool td_seal_ready(const struct td_seal *s)
{
    return s->state != SEAL_HELLO;
}

/* The key of one direction: the dialer's nonce always first, so that both ends make the same. */
static void direction_key(const struct td_seal *s, const uint8_t *theirs, bool from_dialer, uint8_t out[TD_SEAL_KEY_BYTES])
{
    crypto_generichash_state h;
    crypto_generichash_init(&h, s->key, sizeof(s->key), TD_SEAL_KEY_BYTES);
    const char *label = from_dialer ? "tender stdio, from the dialer  " : "tender stdio, from the listener";
    crypto_generichash_update(&h, (const uint8_t *)label, strlen(label));
    crypto_generichash_update(&h, s->dialer ? s->nonce : theirs, TD_SEAL_NONCE_BYTES);
    crypto_generichash_update(&h, s->dialer ? theirs : s->nonce, TD_SEAL_NONCE_BYTES);
    crypto_generichash_final(&h, out, TD_SEAL_KEY_BYTES);
}

static int take_hello(struct td_seal *s, const uint8_t *data, size_t len, size_t *ret_used, struct td_error *err)
{
    uint8_t tx_key[TD_SEAL_KEY_BYTES];
    size_t n = TD_MIN(len, (size_t)NAME_BYTES);
    if (memcmp(data, NAME, n) != 0) {
        s->state = SEAL_OVER;
        return td_fail(err, TD_E_BAD_FRAME, "the other end does not speak the protocol of a step's stdio");
    }
    if (len < TD_SEAL_HELLO_BYTES)
        return TD_SEAL_MORE;
    const uint8_t *theirs = data + NAME_BYTES;
    if (memcmp(theirs, s->nonce, sizeof(s->nonce)) == 0) { /* our own words come back to us */
        s->state = SEAL_OVER;
        return td_fail(err, TD_E_BAD_FRAME, "the other end plays back what it was sent");
    }
    direction_key(s, theirs, s->dialer, tx_key);
    direction_key(s, theirs, !s->dialer, s->rx_key);
    crypto_secretstream_xchacha20poly1305_init_push(&s->tx, s->header, tx_key);
    sodium_memzero(tx_key, sizeof(tx_key));
    sodium_memzero(s->key, sizeof(s->key));
    s->state = SEAL_HEADER;
    *ret_used = TD_SEAL_HELLO_BYTES;
    return TD_SEAL_GREETED;
}

static int take_header(struct td_seal *s, const uint8_t *data, size_t len, size_t *ret_used, struct td_error *err)
{
    if (len < HEADER_BYTES)
        return TD_SEAL_MORE;
    if (crypto_secretstream_xchacha20poly1305_init_pull(&s->rx, data, s->rx_key) != 0) {
        s->state = SEAL_OVER;
        return td_fail(err, TD_E_BAD_FRAME, "the head of a sealed stream is none");
    }
    sodium_memzero(s->rx_key, sizeof(s->rx_key));
    s->state = SEAL_OPEN;
    *ret_used = HEADER_BYTES;
    return TD_SEAL_GREETED;
}

static int take_frame(struct td_seal *s, const uint8_t *data, size_t len, size_t *ret_used, struct td_buf *plain,
                      struct td_error *err)
{
    if (len < LENGTH_BYTES)
        return TD_SEAL_MORE;
    size_t n = (size_t)data[0] << 24 | (size_t)data[1] << 16 | (size_t)data[2] << 8 | data[3];
    if (n < ADDED || n > TD_MAX_FRAME_BYTES + ADDED) {
        s->state = SEAL_OVER;
        return td_fail(err, TD_E_TOO_BIG, "a sealed frame of %lu bytes, at most %u are taken", n,
                       (unsigned)(TD_MAX_FRAME_BYTES + ADDED));
    }
    if (len - LENGTH_BYTES < n)
        return TD_SEAL_MORE;
    unsigned char tag = 0;
    size_t start = plain->len;
    td_buf_pad(plain, '\0', n - ADDED);
    if (crypto_secretstream_xchacha20poly1305_pull(&s->rx, plain->data ? plain->data + start : NULL, NULL, &tag, data + LENGTH_BYTES, n,
                                                   data, LENGTH_BYTES) != 0) {
        plain->len = start;
        s->state = SEAL_OVER;
        return td_fail(err, TD_E_BAD_FRAME, "a sealed frame was altered, or sealed under another key");
    }
    *ret_used = LENGTH_BYTES + n;
    if (tag != crypto_secretstream_xchacha20poly1305_TAG_FINAL)
        return TD_SEAL_FRAME;
    s->state = SEAL_OVER;
    return n == ADDED ? TD_SEAL_END : td_fail(err, TD_E_BAD_FRAME, "a last frame that is not empty");
}

int td_seal_take(struct td_seal *s, const uint8_t *data, size_t len, size_t *ret_used, struct td_buf *plain,
                 struct td_error *err)
{
    *ret_used = 0;
    if (len == 0)
        return TD_SEAL_MORE;
    switch (s->state) {
    case SEAL_HELLO:
        return take_hello(s, data, len, ret_used, err);
    case SEAL_HEADER:
        return take_header(s, data, len, ret_used, err);
    case SEAL_OPEN:
        return take_frame(s, data, len, ret_used, plain, err);
    case SEAL_OVER:
        break;
    }
    return td_fail(err, TD_E_BAD_FRAME, "bytes behind the end of a sealed stream");
}

void td_seal_put(struct td_seal *s, const uint8_t *plain, size_t n, bool last, struct td_buf *out)
{
    TD_ASSERT(td_seal_ready(s) && n <= TD_MAX_FRAME_BYTES && (!last || n == 0));
    if (!s->header_sent)
        td_buf_put(out, s->header, sizeof(s->header));
    s->header_sent = true;
    size_t start = out->len;
    td_buf_pad(out, '\0', LENGTH_BYTES + n + ADDED);
    uint8_t *at = out->data + start;
    length_write(at, n + ADDED);
    crypto_secretstream_xchacha20poly1305_push(
        &s->tx, at + LENGTH_BYTES, NULL, plain, n, at, LENGTH_BYTES,
        last ? crypto_secretstream_xchacha20poly1305_TAG_FINAL : crypto_secretstream_xchacha20poly1305_TAG_MESSAGE);
}
