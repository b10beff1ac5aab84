/* user_keys.c - see user_keys.h */
#include "cluster/user_keys.h"

#include <pwd.h>

#include "cluster/cluster.h"
#include "say.h"

int user_key_register(struct client *c, const char *key, const char *user, const char *note, struct td_error *err)
{
    const struct td_register_user_key m = {.user = user, .key = key, .note = note};
    struct td_buf out = {0};
    void *body = NULL;
    int r = client_ask(c, TD_MSG_REGISTER_USER_KEY, &m, TD_MSG_DONE, &body, err);

    if (r == 0) {
        td_buf_putf(&out, "registered: whoever has the key is %s%s\n", user ? "user " : "you", user ? user : "");
        say_out(&out);
    }
    td_buf_release(&out);
    return r;
}

int user_key_revoke(struct client *c, const char *key, const char *user, struct td_error *err)
{
    const struct td_revoke_user_key m = {.user = user, .key = key};
    struct td_buf out = {0};
    void *body = NULL;
    int r = client_ask(c, TD_MSG_REVOKE_USER_KEY, &m, TD_MSG_DONE, &body, err);

    if (r == 0) {
        uint32_t n = ((const struct td_done *)body)->count;
        td_buf_putf(&out, "%u key%s of %s %s revoked, and what was connected by %s is ended\n", n, n == 1 ? "" : "s", user,
                    n == 1 ? "is" : "are", n == 1 ? "it" : "them");
        say_out(&out);
    }
    td_buf_release(&out);
    return r;
}

static void put_user(struct td_buf *out, uint32_t uid)
{
    const struct passwd *pw = getpwuid(uid);

    if (pw)
        td_buf_puts(out, pw->pw_name);
    else
        td_buf_putf(out, "%u", uid);
}

static void put_row(struct td_buf *out, const struct td_user_key_info *k)
{
    struct td_buf user = {0}, by = {0}, at = {0};

    put_user(&user, k->user);
    put_user(&by, k->uid);
    td_time_print(k->at_ms, client_zone_s(k->at_ms), &at);
    td_buf_putf(out, "%-16s %-20s %-16s %s  %s\n", td_buf_str(&user), td_buf_str(&at), td_buf_str(&by), k->key,
                td_str_empty(k->note) ? "-" : k->note);
    td_buf_release(&user);
    td_buf_release(&by);
    td_buf_release(&at);
}

int user_keys_list(struct client *c, bool json, struct td_error *err)
{
    const struct td_query_user_keys q = {0};
    struct td_buf out = {0};
    void *body = NULL;
    int r = client_ask(c, TD_MSG_QUERY_USER_KEYS, &q, TD_MSG_USER_KEYS, &body, err);

    if (r == 0 && !json)
        td_buf_putf(&out, "%-16s %-20s %-16s %-40s  %s\n", "USER", "SINCE", "BY", "KEY", "NOTE");
    while (r == 0) {
        const struct td_user_keys *m = body;
        for (uint32_t i = 0; i < m->rows.n; i++) {
            if (!json) {
                put_row(&out, &m->rows.v[i]);
                continue;
            }
            td_wire_json(&out, &td_rec_user_key_info, &m->rows.v[i], TD_SEE_OWNER);
            td_buf_putc(&out, '\n');
        }
        if (!m->more)
            break;
        r = client_more(c, TD_MSG_USER_KEYS, &body, err);
    }
    if (r == 0)
        say_out(&out);
    td_buf_release(&out);
    return r;
}
