/* users.c - names and groups of users, asked of the system and remembered for a minute
 *
 * A number without a name is its own name; a user unknown to this host is in his connection's group only. The answers
 * of the system may come over a network, so each user is asked for at most once a minute. */
#include "broker/shell.h"

#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>

#define REMEMBER_US 60000000
#define USERS_MAX 4096

static const char *number_text(struct td_arena *a, uint32_t n)
{
    char text[16];
    td_format(text, sizeof(text), "%u", n);
    return td_arena_strdup(a, text);
}

static void read_groups(struct shell_user *u)
{
    gid_t list[TD_MAX_GROUPS];
    int n = TD_MAX_GROUPS;
    if (!u->home || getgrouplist(u->name, u->gid, list, &n) < 0) {
        list[0] = u->gid;
        n = 1;
    }
    uint32_t *groups = td_arena_alloc(&u->arena, (size_t)n * sizeof(*groups));
    for (int i = 0; i < n; i++)
        groups[i] = list[i];
    u->groups = groups;
    u->ngroups = (uint32_t)n;
}

static void read_user(struct shell_user *u)
{
    char space[16384];
    struct passwd pw, *found_pw = NULL;
    struct group gr, *found_gr = NULL;
    td_arena_reset(&u->arena);
    u->home = NULL;
    if (getpwuid_r(u->uid, &pw, space, sizeof(space), &found_pw) == 0 && found_pw) {
        u->name = td_arena_strdup(&u->arena, pw.pw_name);
        u->home = td_arena_strdup(&u->arena, pw.pw_dir);
    } else {
        u->name = number_text(&u->arena, u->uid);
    }
    if (getgrgid_r(u->gid, &gr, space, sizeof(space), &found_gr) == 0 && found_gr)
        u->group = td_arena_strdup(&u->arena, gr.gr_name);
    else
        u->group = number_text(&u->arena, u->gid);
    read_groups(u);
    u->read_us = shell_boot_us();
}

const struct shell_user *shell_user_get(struct shell_users *us, uint32_t uid, uint32_t gid)
{
    uint64_t key = (uint64_t)uid << 32 | gid;
    struct shell_user *u = td_map_get(&us->by_id, key);
    if (!u) {
        if (us->all.n >= USERS_MAX)
            shell_users_release(us);
        u = td_alloc(sizeof(*u));
        u->uid = uid;
        u->gid = gid;
        td_map_put(&us->by_id, key, u);
        td_vec_push(&us->all, u);
        read_user(u);
    } else if (shell_boot_us() - u->read_us > REMEMBER_US) {
        read_user(u);
    }
    return u;
}

bool shell_user_named(const char *name, uint32_t *ret_uid)
{
    char space[16384];
    struct passwd pw, *found = NULL;
    if (getpwnam_r(name, &pw, space, sizeof(space), &found) != 0 || !found)
        return false;
    *ret_uid = pw.pw_uid;
    return true;
}

bool shell_user_parse(const char *text, uint32_t *ret_uid)
{
    uint64_t n;
    if (shell_user_named(text, ret_uid))
        return true;
    if (!td_parse_u64(text, &n) || n >= UINT32_MAX)
        return false;
    *ret_uid = (uint32_t)n;
    return true;
}

void shell_users_release(struct shell_users *us)
{
    for (uint32_t i = 0; i < us->all.n; i++) {
        td_arena_release(&us->all.v[i]->arena);
        td_free(us->all.v[i]);
    }
    td_vec_release(&us->all);
    td_map_release(&us->by_id);
}
