/* charged.c - the association that a job is charged to, and the QOS it may have
 *
 * Without accounting there is none, and any name of an account or a QOS is as good as another. With it, whoever names no
 * account gets his default one, whoever names no QOS that of his association. A user whom accounting does not know runs
 * uncharged, unless AccountingStorageEnforce says otherwise. */
#include <string.h>

#include "broker/core/state.h"

static int not_there(const struct td_core *c, struct td_job_spec *spec, const char *user, struct td_error *err)
{
    if (!(c->settings.enforce & (TD_ENFORCE_ASSOCIATIONS | TD_ENFORCE_LIMITS | TD_ENFORCE_QOS | TD_ENFORCE_SAFE)))
        return 0;
    if (td_str_empty(spec->account))
        return td_fail(err, TD_E_INVALID_ACCOUNT, "%s: user %s is in no account (AccountingStorageEnforce)",
                       td_error_words(TD_E_INVALID_ACCOUNT), user);
    return td_fail(err, TD_E_INVALID_ACCOUNT, "%s: user %s is not in account %s (AccountingStorageEnforce)",
                   td_error_words(TD_E_INVALID_ACCOUNT), user, spec->account);
}

/* In the first of its partitions, where he has an association there, else in the account. */
static const struct core_assoc *find(const struct td_core *c, const char *account, const char *user,
                                     const struct td_job_spec *spec)
{
    const char *partitions = spec->needs.n ? spec->needs.v[0].partition : NULL;
    const struct core_partition *first = core_partition_default(c);
    const struct core_assoc *s = NULL;
    if (td_str_empty(partitions) && first)
        partitions = first->name;
    if (!td_str_empty(partitions)) {
        td_autofree char *name = td_strndup(partitions, strcspn(partitions, ","));
        s = core_assoc_find(&c->acct, account, user, name);
    }
    return s ? s : core_assoc_find(&c->acct, account, user, NULL);
}

static int settle_qos(struct td_core *c, const struct td_assoc_conf *conf, struct td_job_spec *spec, struct td_error *err)
{
    if (td_str_empty(spec->qos)) {
        spec->qos = !td_str_empty(conf->def_qos)                                    ? conf->def_qos
                    : conf->qos.n == 1 || !core_acct_has_name(&conf->qos, "normal") ? NULL
                                                                                    : "normal";
        if (!spec->qos && conf->qos.n)
            spec->qos = conf->qos.v[0];
        return 0;
    }
    spec->qos = core_acct_lower(&c->wake, spec->qos);
    bool known = core_qos_find(&c->acct, spec->qos) != NULL, may = core_acct_has_name(&conf->qos, spec->qos);
    if (known && (may || !(c->settings.enforce & (TD_ENFORCE_QOS | TD_ENFORCE_LIMITS))))
        return 0;
    return td_fail(err, TD_E_INVALID_QOS, "%s: %s%s", td_error_words(TD_E_INVALID_QOS), spec->qos,
                   known ? " is not among those of this association" : "");
}

int core_assoc_settle(struct td_core *c, struct td_job_spec *spec, uint32_t *ret_assoc, struct td_error *err)
{
    const char *user = core_acct_lower(&c->wake, spec->user_name);
    const struct core_acct_user *u = core_acct_user_find(&c->acct, user);
    struct td_assoc_conf conf;
    *ret_assoc = 0;
    if (!core_acct_on(&c->acct))
        return 0;
    if (td_str_empty(spec->account))
        spec->account = u ? u->is->conf.def_account : NULL;
    else
        spec->account = core_acct_lower(&c->wake, spec->account);
    const struct core_assoc *s = td_str_empty(spec->account) ? NULL : find(c, spec->account, user, spec);
    if (!s)
        return not_there(c, spec, user, err);
    core_assoc_effective(s, &conf);
    *ret_assoc = s->is->id;
    return settle_qos(c, &conf, spec, err);
}
