/* submit.c - what a submission, or a step, needs before the core may see it
 *
 * The script and the environment are kept by content hash: the core holds only the hashes. Who the user is, and his
 * groups, is said by this host and not by the client (security: DESIGN 9). */
#include "broker/shell.h"

#include <string.h>

/* The blob goes into this wake's commit unless the journal has it already. */
static struct td_bin blob_keep(struct shell *s, const struct td_bin *data)
{
    if (!data->n)
        return (struct td_bin){0};
    struct td_stored_blob b = {.data = data->v, .len = data->n};
    td_hash(data->v, data->n, b.hash);
    if (!shell_blobs_get(&s->blobs, b.hash)) { /* what is cached is in the journal */
        bool queued = false;
        for (uint32_t i = s->new_blobs.n; i > 0 && s->new_blobs.n - i < 8 && !queued; i--)
            queued = memcmp(s->new_blobs.v[i - 1].hash, b.hash, 32) == 0;
        if (!queued && s->ops->has_blob(s->store, b.hash))
            shell_blobs_put(&s->blobs, b.hash, b.data, b.len);
        else if (!queued)
            td_vec_push(&s->new_blobs, b);
    }
    return (struct td_bin){td_arena_dup(&s->arena, b.hash, 32), 32};
}

const struct shell_blob *shell_blob_find(struct shell *s, const uint8_t hash[32])
{
    const struct shell_blob *b = shell_blobs_get(&s->blobs, hash);
    if (b)
        return b;
    struct td_buf data = {0};
    struct td_error err = {0};
    if (s->ops->blob(s->store, hash, &data, &err) == 0)
        b = shell_blobs_put(&s->blobs, hash, data.data, data.len);
    else
        shell_log(&s->log, "error %s", err.text);
    td_buf_release(&data);
    return b;
}

static void user_fill(struct shell *s, const struct shell_from *from, struct td_job_spec *spec)
{
    const struct shell_user *u = shell_user_get(&s->users, from->uid, from->gid);
    spec->user_name = td_arena_strdup(&s->arena, u->name);
    spec->group_name = td_arena_strdup(&s->arena, u->group);
    spec->groups.v = td_arena_dup(&s->arena, u->groups, u->ngroups * sizeof(*u->groups));
    spec->groups.n = u->ngroups;
    if (td_str_empty(spec->home) && u->home)
        spec->home = td_arena_strdup(&s->arena, u->home);
}

static bool only_blanks(const struct td_bin *b)
{
    for (uint32_t i = 0; i < b->n; i++)
        if (!strchr(" \t\r\n", b->v[i]) || b->v[i] == '\0')
            return false;
    return true;
}

#define ARGV_BYTES_MAX (1024u * 1024u) /* the node gets them twice in one frame, beside the environment */

/* What no node could start: said now, not when the job's turn has come. */
static int sizes_check(const struct td_strs *argv, const struct td_bin *env, const char *whose, struct td_error *err)
{
    size_t bytes = 0;
    for (uint32_t i = 0; i < argv->n; i++)
        bytes += strlen(argv->v[i]) + 1;
    if (bytes > ARGV_BYTES_MAX)
        return td_fail(err, TD_E_TOO_BIG, "the arguments of the %s are over %u bytes", whose, ARGV_BYTES_MAX);
    for (uint32_t i = 0; i < env->n;) {
        const char *entry = (const char *)env->v + i;
        size_t len = strnlen(entry, env->n - i);
        if (len > TD_MAX_EXPR_BYTES)
            return td_fail(err, TD_E_TOO_BIG, "environment variable %.*s is over %d bytes", (int)strnlen(entry, 40), entry,
                           TD_MAX_EXPR_BYTES);
        i += (uint32_t)len + 1;
    }
    return 0;
}

int shell_submit_prepare(struct shell *s, const struct shell_from *from, struct td_submit *m, struct td_error *err)
{
    if (!m->spec.session) {
        if (only_blanks(&m->script))
            return td_fail(err, TD_E_NO_SCRIPT, "%s", td_error_words(TD_E_NO_SCRIPT));
        if (m->script.n < 2 || m->script.v[0] != '#' || m->script.v[1] != '!')
            return td_fail(err, TD_E_NO_SHEBANG, "%s: its first line must begin with #! and name an interpreter",
                           td_error_words(TD_E_NO_SHEBANG));
    }
    int r = sizes_check(&m->spec.argv, &m->env, "script", err);
    if (r < 0)
        return r;
    user_fill(s, from, &m->spec);
    m->spec.script_hash = blob_keep(s, &m->script);
    m->spec.env_hash = blob_keep(s, &m->env);
    m->script = (struct td_bin){0};
    m->env = (struct td_bin){0};
    return 0;
}

int shell_step_prepare(struct shell *s, struct td_step_create *m, struct td_error *err)
{
    int r = sizes_check(&m->spec.argv, &m->env, "step", err);
    if (r < 0)
        return r;
    m->spec.env_hash = blob_keep(s, &m->env);
    m->env = (struct td_bin){0};
    return 0;
}

/* Names of users become numbers: the core knows no names. An empty one stays. */
int shell_user_to_number(struct shell *s, const char **name, struct td_error *err)
{
    uint32_t uid;
    char text[16];
    if (td_str_empty(*name))
        return 0;
    if (!shell_user_parse(*name, &uid))
        return td_fail(err, TD_E_INVALID_USER, "Invalid user: %s", *name);
    td_format(text, sizeof(text), "%u", uid);
    *name = td_arena_strdup(&s->arena, text);
    return 0;
}

/* Whom this host knows of the users that are to be accounted for. */
void shell_accounts_prepare(struct shell *s, struct td_change_accounts *m)
{
    for (uint32_t i = 0; i < m->ops.n; i++) {
        struct td_acct_op *op = (struct td_acct_op *)(uintptr_t)&m->ops.v[i];
        op->uids = (struct td_u32s){0};
        if (op->op != TD_ACCT_ADD || op->what != TD_ACCT_USER)
            continue;
        uint32_t *uids = td_arena_alloc(&s->arena, op->names.n * sizeof(*uids)), uid;
        for (uint32_t k = 0; k < op->names.n; k++)
            uids[k] = shell_user_named(op->names.v[k], &uid) ? uid + 1 : 0;
        op->uids = (struct td_u32s){uids, op->names.n};
    }
}

int shell_users_to_numbers(struct shell *s, struct td_job_filter *f, struct td_error *err)
{
    const char **out = td_arena_alloc(&s->arena, f->users.n * sizeof(*out));
    for (uint32_t i = 0; i < f->users.n; i++) {
        uint32_t uid;
        char text[16];
        if (!shell_user_parse(f->users.v[i], &uid))
            return td_fail(err, TD_E_INVALID_REQUEST, "Invalid user: %s", f->users.v[i]);
        td_format(text, sizeof(text), "%u", uid);
        out[i] = td_arena_strdup(&s->arena, text);
    }
    f->users.v = out;
    return 0;
}
