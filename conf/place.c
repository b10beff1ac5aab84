/* place.c - where a command finds its cluster
 *
 * Runs in every short command, so it reads no more of slurm.conf than one key. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf/conf.h"
#include "conf/lex.h"

#define SYSTEM_CONF "/etc/slurm/slurm.conf"

static bool join(char *out, size_t cap, const char *a, const char *b)
{
    if (strlen(a) + strlen(b) >= cap)
        return false;
    td_format(out, cap, "%s%s", a, b);
    return true;
}

/* StateSaveLocation as slurm.conf has it, NULL if it has none. */
static int state_read(const char *conf, const char *dir, struct td_arena *a, const char **ret, struct td_error *err)
{
    struct lex l = {.arena = a, .dir = dir};
    int r = lex_file(&l, conf, "slurm.conf", false, err);

    *ret = NULL;
    for (uint32_t i = 0; i < l.lines.n && r > 0; i++)
        for (uint32_t k = 0; k < l.lines.v[i].nwords; k++) {
            const struct lex_word *w = &l.lines.v[i].words[k];
            if (!td_str_empty(w->value) && td_str_casecmp(w->key, "StateSaveLocation") == 0)
                *ret = w->value;
        }
    lex_release(&l);
    return r < 0 ? r : 0;
}

static int place_fill(const char *conf, struct td_conf_place *ret, struct td_error *err)
{
    struct td_arena a = {0};
    char whole[PATH_MAX], dir[PATH_MAX];
    const char *state = NULL;
    int r;

    if (!realpath(conf, whole))
        return td_fail(err, TD_E_CONF, "cannot read %s: %s", conf, strerror(errno));
    if (conf[0] == '/' && strlen(conf) < sizeof(whole))
        memcpy(whole, conf, strlen(conf) + 1); /* as written: its neighbours lie beside the name, not beside the target */
    memcpy(ret->conf, whole, sizeof(ret->conf));
    *strrchr(whole, '/') = '\0';
    if (!realpath(whole[0] ? whole : "/", dir))
        return td_fail(err, TD_E_CONF, "cannot read %s: %s", conf, strerror(errno));
    r = state_read(ret->conf, dir, &a, &state, err);
    if (r == 0) {
        bool fits = state ? join(ret->socket, sizeof(ret->socket), state, "/run/broker.sock") &&
                                join(ret->front, sizeof(ret->front), state, "/run/front.sock")
                          : join(ret->socket, sizeof(ret->socket), dir, "/state/run/broker.sock") &&
                                join(ret->front, sizeof(ret->front), dir, "/state/run/front.sock");
        if (!fits)
            r = td_fail(err, TD_E_TOO_BIG, "the state directory of %s has too long a name", conf);
    }
    td_arena_release(&a);
    return r;
}

/* The user's own cluster counts only if it is his, or root's: another user must not be able to plant one. */
static int try_own(const char *base, const char *below, uint32_t uid, struct td_conf_place *ret, struct td_error *err)
{
    char path[PATH_MAX];
    struct stat st;

    if (td_str_empty(base) || base[0] != '/' || !join(path, sizeof(path), base, below))
        return 0;
    if (stat(path, &st) < 0)
        return 0;
    if (uid != 0 && st.st_uid != uid && st.st_uid != 0)
        return td_fail(err, TD_E_CONF, "%s belongs to another user; name a slurm.conf with SLURM_CONF", path);
    int r = place_fill(path, ret, err);
    return r < 0 ? r : 1;
}

int td_conf_find(const char *slurm_conf_env, const char *home, const char *runtime_dir, uint32_t uid,
                 struct td_conf_place *ret, struct td_error *err)
{
    struct td_conf_place *found = td_alloc(sizeof(*found));
    struct td_error why = {0};
    int r;

    if (!td_str_empty(slurm_conf_env)) {
        r = place_fill(slurm_conf_env, found, &why);
        if (r < 0)
            r = td_fail(err, why.code, "SLURM_CONF: %s", why.text);
        else
            r = 1;
    } else {
        r = try_own(home, "/.local/state/tender/default/slurm.conf", uid, found, err);
        if (r == 0)
            r = try_own(runtime_dir, "/tender/default/slurm.conf", uid, found, err);
        if (r == 0 && access(SYSTEM_CONF, F_OK) == 0)
            r = place_fill(SYSTEM_CONF, found, err) < 0 ? -TD_E_CONF : 1;
        if (r == 0)
            r = td_fail(err, TD_E_CONF, "there is no cluster here: SLURM_CONF is not set, you have no default cluster, "
                                        "and there is no " SYSTEM_CONF "; start one with: tender up");
    }
    if (r > 0)
        *ret = *found;
    td_free(found);
    return r < 0 ? r : 0;
}
