/* token.c - join tokens: all a worker needs to join, as one word a person can paste
 *
 *   byte 0      version (1)
 *   1 + n       router endpoint: its length, its characters
 *   1 + n       publisher endpoint
 *   32          the broker's public key
 *   32          secret, exchanged for a right of the worker's own key
 *   4           first bytes of the BLAKE2b-256 of all before
 *
 * in base32 (RFC 4648, lower case, no padding). The checksum tells a mistyped token from one that is not valid here. */
#include "wire/token.h"

#include <string.h>

#include "wire/wire.h"

#define VERSION 1
#define CHECK_BYTES 4u
#define KEY_BYTES 32u
#define BYTES_MAX (1 + 2 * (1 + 127) + KEY_BYTES + 32 + CHECK_BYTES)
#define CHARS_MAX ((BYTES_MAX * 8 + 4) / 5)

static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz234567";

/* --- keys as text: Z85 (ZeroMQ RFC 32), five characters for four bytes ----------------------------------------------- */

static const char z85[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";

static void key_print(const uint8_t key[KEY_BYTES], char out[TD_KEY_Z85])
{
    for (size_t i = 0; i < KEY_BYTES / 4; i++) {
        uint32_t v = (uint32_t)key[4 * i] << 24 | (uint32_t)key[4 * i + 1] << 16 | (uint32_t)key[4 * i + 2] << 8 | key[4 * i + 3];

        for (size_t k = 5; k-- > 0; v /= 85)
            out[5 * i + k] = z85[v % 85];
    }
    out[TD_KEY_Z85 - 1] = '\0';
}

static bool key_parse(const char *text, uint8_t key[KEY_BYTES])
{
    if (strlen(text) != TD_KEY_Z85 - 1)
        return false;
    for (size_t i = 0; i < KEY_BYTES / 4; i++) {
        uint64_t v = 0;

        for (size_t k = 0; k < 5; k++) {
            const char *at = strchr(z85, text[5 * i + k]);
            if (!at)
                return false;
            v = v * 85 + (uint64_t)(at - z85);
        }
        if (v > UINT32_MAX)
            return false;
        for (size_t k = 0; k < 4; k++)
            key[4 * i + k] = (uint8_t)(v >> (24 - 8 * k));
    }
    return true;
}

/* --- base32 ---------------------------------------------------------------------------------------------------------- */

static void base32_print(const uint8_t *data, size_t n, struct td_buf *out)
{
    uint32_t bits = 0, have = 0;

    for (size_t i = 0; i < n; i++) {
        bits = bits << 8 | data[i];
        have += 8;
        while (have >= 5) {
            have -= 5;
            td_buf_putc(out, alphabet[bits >> have & 31]);
        }
    }
    if (have > 0)
        td_buf_putc(out, alphabet[bits << (5 - have) & 31]);
}

static int base32_digit(char c)
{
    const char *at;

    if (c >= 'A' && c <= 'Z')
        c = (char)(c - 'A' + 'a');
    at = c ? strchr(alphabet, c) : NULL;
    return at ? (int)(at - alphabet) : -1;
}

static int base32_parse(const char *text, size_t n, uint8_t *out, size_t *ret_n, struct td_error *err)
{
    uint32_t bits = 0, have = 0;
    size_t bytes = 0;

    for (size_t i = 0; i < n; i++) {
        int digit = base32_digit(text[i]);

        if (digit < 0)
            return td_fail(err, TD_E_BAD_TOKEN, "not a join token: character %lu of it ('%c') is no letter or digit 2-7",
                           i + 1, text[i] >= ' ' && text[i] < 127 ? text[i] : '?');
        bits = bits << 5 | (uint32_t)digit;
        have += 5;
        if (have >= 8) {
            have -= 8;
            out[bytes++] = (uint8_t)(bits >> have);
        }
    }
    if (have >= 5 || (bits & ((1u << have) - 1)))
        return td_fail(err, TD_E_BAD_TOKEN, "the join token is mistyped: its last characters are missing or wrong");
    *ret_n = bytes;
    return 0;
}

static void put_short(struct td_buf *b, const char *s)
{
    td_buf_putc(b, (char)strlen(s));
    td_buf_puts(b, s);
}

int td_join_token_print(const struct td_join_token *t, struct td_buf *out)
{
    struct td_buf b = {0};
    uint8_t key[KEY_BYTES], check[32];

    if (!key_parse(t->server_key, key) || !*t->router || !*t->pub)
        return -TD_E_BAD_TOKEN;
    td_buf_putc(&b, VERSION);
    put_short(&b, t->router);
    put_short(&b, t->pub);
    td_buf_put(&b, key, sizeof(key));
    td_buf_put(&b, t->secret, sizeof(t->secret));
    td_hash(b.data, b.len, check);
    td_buf_put(&b, check, CHECK_BYTES);
    base32_print(b.data, b.len, out);
    explicit_bzero(b.data, b.len);
    td_buf_release(&b);
    return 0;
}

/* Takes a short string off the front; false when it does not fit. */
static bool take_short(const uint8_t **at, const uint8_t *end, char *out, size_t cap)
{
    if (*at == end)
        return false;
    size_t n = *(*at)++;

    if (n == 0 || n >= cap || n > (size_t)(end - *at) || memchr(*at, 0, n))
        return false;
    memcpy(out, *at, n);
    out[n] = 0;
    *at += n;
    return true;
}

static int token_read(const uint8_t *data, size_t n, struct td_join_token *ret, struct td_error *err)
{
    struct td_join_token t = {0};
    uint8_t check[32];
    const uint8_t *at = data + 1, *end;

    if (n < 1 + CHECK_BYTES)
        return td_fail(err, TD_E_BAD_TOKEN, "the join token is too short: a part of it is missing");
    td_hash(data, n - CHECK_BYTES, check);
    if (memcmp(check, data + n - CHECK_BYTES, CHECK_BYTES) != 0)
        return td_fail(err, TD_E_BAD_TOKEN, "the join token is mistyped or cut off: its checksum does not fit");
    if (data[0] != VERSION)
        return td_fail(err, TD_E_BAD_TOKEN, "the join token is of version %u, this program knows %u", (unsigned)data[0],
                       (unsigned)VERSION);
    end = data + n - CHECK_BYTES;
    if (!take_short(&at, end, t.router, sizeof(t.router)) || !take_short(&at, end, t.pub, sizeof(t.pub)) ||
        (size_t)(end - at) != KEY_BYTES + sizeof(t.secret))
        return td_fail(err, TD_E_BAD_TOKEN, "the join token does not hold what a token holds");
    key_print(at, t.server_key);
    memcpy(t.secret, at + KEY_BYTES, sizeof(t.secret));
    *ret = t;
    explicit_bzero(&t, sizeof(t));
    return 0;
}

int td_join_token_parse(const char *text, struct td_join_token *ret, struct td_error *err)
{
    uint8_t data[BYTES_MAX + 1];
    size_t n, bytes = 0;

    text += strspn(text, " \t\r\n");
    n = strcspn(text, " \t\r\n");
    if (n == 0)
        return td_fail(err, TD_E_BAD_TOKEN, "the join token is empty");
    if (text[n + strspn(text + n, " \t\r\n")])
        return td_fail(err, TD_E_BAD_TOKEN, "not a join token: more than one word");
    if (n > CHARS_MAX)
        return td_fail(err, TD_E_BAD_TOKEN, "not a join token: %lu characters, at most %lu", n, (size_t)CHARS_MAX);

    int r = base32_parse(text, n, data, &bytes, err);
    if (r == 0)
        r = token_read(data, bytes, ret, err);
    explicit_bzero(data, sizeof(data));
    return r;
}
