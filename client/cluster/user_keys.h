/* user_keys.h - the keys of users who come from other hosts: registered, listed, revoked */
#ifndef TD_CLIENT_USER_KEYS_H
#define TD_CLIENT_USER_KEYS_H

#include "connect.h"

int user_key_register(struct client *c, const char *key, const char *user, const char *note, struct td_error *err); /* user NULL: who asks */
int user_key_revoke(struct client *c, const char *key, const char *user, struct td_error *err);                     /* key NULL: all of his */
int user_keys_list(struct client *c, bool json, struct td_error *err);

#endif
