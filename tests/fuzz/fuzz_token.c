/* fuzz_token.c - the door of enrolment: any text as a join token, and any bytes in a well-formed one
 *
 * What must hold: a refusal is BAD_TOKEN with words and leaves the result untouched; what is taken, printed and read again,
 * is the same. */
#include <string.h>

#include "must.h"
#include "wire/token.h"
#include "wire/wire.h"

static void try_text(const char *text)
{
    struct td_join_token t, back;
    struct td_error err = {0};
    struct td_buf out = {0};

    memset(&t, 0x55, sizeof(t));
    back = t;
    int r = td_join_token_parse(text, &t, &err);
    if (r < 0) {
        MUST(r == -TD_E_BAD_TOKEN && err.code == TD_E_BAD_TOKEN && err.text[0]);
        MUST(memcmp(&t, &back, sizeof(t)) == 0);
        return;
    }
    MUST(strlen(t.server_key) == TD_KEY_Z85 - 1 && *t.router && *t.pub);
    MUST(td_join_token_print(&t, &out) == 0);
    MUST(td_join_token_parse(td_buf_str(&out), &back, &err) == 0);
    MUST(strcmp(t.router, back.router) == 0 && strcmp(t.pub, back.pub) == 0 && strcmp(t.server_key, back.server_key) == 0 &&
         memcmp(t.secret, back.secret, sizeof(t.secret)) == 0);
    td_buf_release(&out);
}

/* Behind a checksum that fits, so that the rest is reached. */
static void try_bytes(const uint8_t *data, size_t len)
{
    static const char digits[] = "abcdefghijklmnopqrstuvwxyz234567";
    struct td_buf raw = {0}, text = {0};
    uint8_t check[32];
    uint32_t bits = 0, have = 0;

    td_buf_putc(&raw, 1);
    td_buf_put(&raw, data, TD_MIN(len, (size_t)400));
    td_hash(raw.data, raw.len, check);
    td_buf_put(&raw, check, 4);
    for (size_t i = 0; i < raw.len; i++) {
        bits = bits << 8 | raw.data[i];
        for (have += 8; have >= 5; have -= 5)
            td_buf_putc(&text, digits[bits >> (have - 5) & 31]);
    }
    if (have)
        td_buf_putc(&text, digits[bits << (5 - have) & 31]);
    try_text(td_buf_str(&text));
    td_buf_release(&raw);
    td_buf_release(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    char *text = td_strndup((const char *)data, len);

    try_text(text);
    td_free(text);
    try_bytes(data, len);
    return 0;
}
