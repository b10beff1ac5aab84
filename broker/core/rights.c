/* rights.c - who may do what, and who may see what: the one place that knows
 *
 * A user's level is the higher one of what the settings say and of what accounting says. The right a message needs is a column of its row; a job is its owner's and
 * operators'; what PrivateData hides is hidden from everybody below Operator, whoever asks: broker,
 * front and every kind of read come here.
 * Knows nothing of: how an identity was proved. */
#include "broker/core/state.h"

static bool has_uid(const struct td_u32s *l, uint32_t uid)
{
    for (uint32_t i = 0; i < l->n; i++) {
        if (l->v[i] == uid)
            return true;
    }
    return false;
}

static enum td_admin_level level_of(const struct td_settings *s, uint32_t uid)
{
    if (uid == 0 || has_uid(&s->admins, uid))
        return TD_LEVEL_ADMINISTRATOR;
    return has_uid(&s->operators, uid) ? TD_LEVEL_OPERATOR : TD_LEVEL_NONE;
}

enum td_admin_level td_core_admin_level(const struct td_core *c, uint32_t uid)
{
    const struct core_acct_user *u = core_acct_user_of(&c->acct, uid);
    enum td_admin_level said = u ? (enum td_admin_level)u->is->conf.admin_level : TD_LEVEL_NONE;
    return TD_MAX(level_of(&c->settings, uid), said);
}

bool td_core_is_admin(const struct td_core *c, uint32_t uid)
{
    return td_core_admin_level(c, uid) >= TD_LEVEL_ADMINISTRATOR;
}

bool td_core_is_operator(const struct td_core *c, uint32_t uid)
{
    return td_core_admin_level(c, uid) >= TD_LEVEL_OPERATOR;
}

bool td_core_hides(const struct td_core *c, enum td_private what, uint32_t uid)
{
    return (c->settings.private_data & what) && !td_core_is_operator(c, uid);
}

bool td_core_sees_job_of(const struct td_core *c, uint32_t owner, uint32_t uid)
{
    return owner == uid || !td_core_hides(c, TD_PRIVATE_JOBS, uid);
}

bool core_job_is_mine(const struct td_core *c, const struct core_job *j, uint32_t uid)
{
    return j->uid == uid || td_core_is_operator(c, uid);
}

/* To whom it is hidden, it is as one that does not exist: whatever asks for a job by its number on
 * somebody's behalf asks here, so that no words, code or event tells the two apart. */
struct core_job *core_job_shown(const struct td_core *c, uint32_t id, uint32_t uid)
{
    struct core_job *j = core_job_find(c, id);
    return j && td_core_sees_job_of(c, j->uid, uid) ? j : NULL;
}

struct core_array *core_array_shown(const struct td_core *c, uint32_t id, uint32_t uid)
{
    struct core_array *a = core_array_find(c, id);
    const struct core_job *j = !a ? NULL : a->record ? a->record : a->jobs.n ? a->jobs.v[0] : NULL;
    return j && td_core_sees_job_of(c, j->uid, uid) ? a : NULL;
}

bool core_right_ok(const struct td_core *c, enum td_right right, uint32_t uid)
{
    switch (right) {
    case TD_RIGHT_ANYONE:
    case TD_RIGHT_USER:
        return true;
    case TD_RIGHT_OPERATOR:
        return td_core_is_operator(c, uid);
    case TD_RIGHT_ADMIN:
        return td_core_is_admin(c, uid);
    case TD_RIGHT_WORKER:
    case TD_RIGHT_BROKER:
    case TD_RIGHT_LOCAL:
    case TD_RIGHT_FRONT:
        return false;
    }
    return false;
}
