/* token.h - join tokens: version, endpoints, server key, secret, in base32 (RFC 4648, no padding, lower case) */
#ifndef TD_TOKEN_H
#define TD_TOKEN_H

#include "types/types.h"

#define TD_KEY_Z85 41 /* a CURVE key as text: 40 characters and NUL */

struct td_join_token {
    char router[128];
    char pub[128];
    char server_key[TD_KEY_Z85];
    uint8_t secret[32];
};
int td_join_token_print(const struct td_join_token *t, struct td_buf *out);
int td_join_token_parse(const char *text, struct td_join_token *ret, struct td_error *err); /* BAD_TOKEN: says what is wrong with it */

#endif
