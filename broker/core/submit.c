/* submit.c - a submission: may it, can it ever, then JOB_SUBMITTED
 *
 * What is not supported is refused by name (law 8), what can never run is refused at once, what a
 * limit of the partition forbids waits with the reason, as Slurm does with EnforcePartLimits=NO. */
#include <string.h>

#include "broker/core/state.h"

static int not_supported(struct td_error *err, const char *what)
{
    return td_fail(err, TD_E_NOT_SUPPORTED, "%s is not supported yet", what);
}

static int check_supported(const struct td_job_spec *s, struct td_error *err)
{
    if (s->needs.n == 0)
        return td_fail(err, TD_E_INVALID_REQUEST, "the submission asks for nothing");
    if (s->needs.n > 1)
        return not_supported(err, "a heterogeneous job (several components)");
    const struct td_job_need *need = &s->needs.v[0];
    if (need->contiguous)
        return not_supported(err, "--contiguous");
    if (s->session && !td_str_empty(s->array))
        return td_fail(err, TD_E_INVALID_ARRAY,
                       "an allocation held by a session cannot be an array");
    return 0;
}

static int check_need(const struct td_core *c, const struct td_job_need *need, struct td_error *err)
{
    if (need->nodes_max && need->nodes_min > need->nodes_max)
        return td_fail(err, TD_E_NODE_CONFIG,
                       "Node count specification invalid: at least %u and at most %u",
                       need->nodes_min, need->nodes_max);
    if (need->ntasks && need->nodes_min > need->ntasks && need->nodes_max == 0)
        return td_fail(err, TD_E_NODE_CONFIG, "%u tasks cannot use %u nodes", need->ntasks,
                       need->nodes_min);
    uint64_t most = TD_MAX(need->nodes_min, need->nodes_max);
    if (need->nodes_min && need->ntasks_per_node && need->ntasks > most * need->ntasks_per_node)
        return td_fail(err, TD_E_NODE_CONFIG,
                       "%u tasks do not fit on %llu node%s with at most %u on each (--ntasks-per-node)",
                       need->ntasks, (unsigned long long)most, most == 1 ? "" : "s",
                       need->ntasks_per_node);
    struct td_hostlist l = {0};
    if (!td_str_empty(need->req_nodes)) {
        if (td_hostlist_parse(need->req_nodes, TD_MAX_NODES, &l, err) < 0)
            return -err->code;
        for (uint32_t i = 0; i < l.names.n; i++) {
            if (core_node_find(c, l.names.v[i]))
                continue;
            td_fail(err, TD_E_INVALID_NODE, "%s: %s", td_error_words(TD_E_INVALID_NODE),
                    l.names.v[i]);
            td_hostlist_release(&l);
            return -TD_E_INVALID_NODE;
        }
        struct core_tally t;
        core_need_tally(need, &t);
        uint32_t named = l.names.n;
        td_hostlist_release(&l);
        if (named > 1 && t.nodes_min < named && need->nodes_max && need->nodes_max < named)
            return td_fail(err, TD_E_NODE_CONFIG, "%u nodes are named and at most %u wanted", named,
                           need->nodes_max);
    }
    if (!td_str_empty(need->exc_nodes)) {
        if (td_hostlist_parse(need->exc_nodes, TD_MAX_NODES, &l, err) < 0)
            return -err->code;
        int r = 0;
        for (uint32_t i = 0; i < l.names.n && r == 0; i++) {
            if (!core_node_find(c, l.names.v[i]))
                r = td_fail(err, TD_E_INVALID_NODE, "%s: %s", td_error_words(TD_E_INVALID_NODE),
                            l.names.v[i]);
        }
        td_hostlist_release(&l);
        if (r < 0)
            return r;
    }
    return 0;
}

/* Beside -n, --ntasks-per-node is the most tasks on a node. On nodes of a fixed number it may be more than could ever come
 * together on one: Slurm's word for it, and it counts for nothing. */
static void settle_tasks(struct td_core *c, struct td_job_need *need, struct td_strs *warnings)
{
    bool fixed = need->nodes_min && (!need->nodes_max || need->nodes_max == need->nodes_min);
    if (!fixed || !need->ntasks || need->ntasks < need->nodes_min ||
        need->ntasks_per_node <= need->ntasks - (need->nodes_min - 1))
        return;
    const char **v = td_arena_alloc(&c->wake, sizeof(*v));
    v[0] = core_text(&c->wake,
                     "can't honor --ntasks-per-node set to %u which doesn't match the requested tasks %u with the "
                     "number of requested nodes %u. Ignoring --ntasks-per-node.",
                     need->ntasks_per_node, need->ntasks, need->nodes_min);
    *warnings = (struct td_strs){v, 1};
    need->ntasks_per_node = 0;
}

static bool in_list(const char *list, const char *word)
{
    if (td_str_empty(list) || td_str_casecmp(list, "ALL") == 0)
        return true;
    size_t n = strlen(word ? word : "");
    for (const char *s = list; n && s;) {
        const char *comma = strchr(s, ',');
        size_t len = comma ? (size_t)(comma - s) : strlen(s);
        if (len == n && memcmp(s, word, n) == 0)
            return true;
        s = comma ? comma + 1 : NULL;
    }
    return false;
}

static bool runs_jobs_of(const struct core_node *n, uint32_t uid)
{
    return !n->inv || !n->inv->runs_as || n->inv->runs_as - 1 == uid;
}

/* Workers that are not root run jobs as themselves. One that has not come yet may be root's. */
static int check_workers(const struct td_core *c, const struct core_partition *p, uint32_t uid,
                         struct td_error *err)
{
    const struct core_node *n = NULL;
    for (uint32_t i = 0; i < p->nodes.n; i++) {
        n = c->nodes.v[p->nodes.v[i]];
        if (runs_jobs_of(n, uid))
            return 0;
    }
    if (!n)
        return 0;
    return td_fail(err, TD_E_DENIED,
                   "the workers of partition %s are not root's: %s runs jobs of user %u only, not "
                   "of user %u; submit as that user, or let root start the workers (tender up)",
                   p->name, n->name, n->inv->runs_as - 1, uid);
}

static int check_access(const struct td_core *c, const struct core_partition *p, uint32_t uid,
                        const struct td_job_spec *s, struct td_error *err)
{
    if (p->state == PARTITION_INACTIVE || p->state == PARTITION_DRAIN)
        return td_fail(err, TD_E_PARTITION_DOWN, "%s: %s", td_error_words(TD_E_PARTITION_DOWN),
                       p->name);
    if (p->conf.root_only && uid != 0)
        return td_fail(err, TD_E_DENIED, "partition %s is for root only", p->name);
    if (p->conf.no_root && uid == 0)
        return td_fail(err, TD_E_INVALID_USER, "%s: partition %s takes no jobs of root (DisableRootJobs)",
                       td_error_words(TD_E_INVALID_USER), p->name);
    if (!in_list(p->conf.allow_groups, s->group_name) && !td_core_is_operator(c, uid))
        return td_fail(err, TD_E_DENIED, "partition %s is for the groups %s (AllowGroups)", p->name,
                       p->conf.allow_groups);
    if (!in_list(p->conf.allow_accounts, s->account))
        return td_fail(err, TD_E_INVALID_ACCOUNT,
                       "partition %s is for the accounts %s (AllowAccounts)", p->name,
                       p->conf.allow_accounts);
    if (!in_list(p->conf.allow_qos, s->qos))
        return td_fail(err, TD_E_INVALID_QOS, "partition %s is for the QOS %s (AllowQos)", p->name,
                       p->conf.allow_qos);
    return 0;
}

static int check_memory(const struct td_core *c, const struct core_partition *p,
                        const struct td_job_need *need, struct td_error *err)
{
    uint64_t node =
        p->conf.max_mem_mb_per_node ? p->conf.max_mem_mb_per_node : c->settings.max_mem_mb_per_node;
    uint64_t cpu =
        p->conf.max_mem_mb_per_cpu ? p->conf.max_mem_mb_per_cpu : c->settings.max_mem_mb_per_cpu;
    if (node && need->mem_mb_per_node > node)
        return td_fail(err, TD_E_NO_MEMORY, "%s: %llu MB on each node, MaxMemPerNode is %llu",
                       td_error_words(TD_E_NO_MEMORY), (unsigned long long)need->mem_mb_per_node,
                       (unsigned long long)node);
    if (cpu && need->mem_mb_per_cpu > cpu)
        return td_fail(err, TD_E_NO_MEMORY, "%s: %llu MB for each CPU, MaxMemPerCPU is %llu",
                       td_error_words(TD_E_NO_MEMORY), (unsigned long long)need->mem_mb_per_cpu,
                       (unsigned long long)cpu);
    return 0;
}

/* Resolves partition names (default where empty); *ret_resolved lives as long as the names given or
 * the partition. */
int core_submit_partition(struct td_core *c, const char *names, const struct td_job_need *need,
                          uint32_t uid, const struct td_job_spec *spec, const char **ret_resolved,
                          struct td_error *err)
{
    struct core_partition *only = core_partition_default(c);
    if (td_str_empty(names) && !only)
        return td_fail(err, TD_E_INVALID_PARTITION,
                       "no partition named, and there is no default partition");
    char *list = td_arena_strdup(&c->wake, td_str_empty(names) ? only->name : names);
    const char *resolved = td_arena_strdup(&c->wake, list);
    uint32_t able = 0, refusal = TD_REFUSAL_NONE;
    bool nodes_known = false;
    TD_VEC(struct core_partition *) tried = {0};
    int r = 0;

    for (char *s = list; s;) {
        char *comma = strchr(s, ',');
        if (comma)
            *comma = '\0';
        struct core_partition *p = core_partition_find(c, s);
        if (!p || p->gone)
            r = td_fail(err, TD_E_INVALID_PARTITION, "%s: %s",
                        td_error_words(TD_E_INVALID_PARTITION), s);
        if (r == 0)
            r = check_access(c, p, uid, spec, err);
        if (r == 0)
            r = check_workers(c, p, uid, err);
        if (r == 0)
            r = check_memory(c, p, need, err);
        if (r < 0)
            break;
        struct td_shape shape;
        core_spec_shape(c, spec, need, p, &c->wake, &shape);
        uint32_t why = TD_REFUSAL_NONE, shape_no = td_ledger_shape(c->ledger, &shape, p->no);
        struct core_tally t;
        core_need_tally(need, &t);
        if (td_ledger_ever(c->ledger, shape_no, &why) >= TD_MAX(t.nodes_min, 1u))
            able++;
        else
            refusal = why;
        td_ledger_drop_shape(c->ledger, shape_no);
        nodes_known |= p->nodes.n > 0;
        td_vec_push(&tried, p);
        s = comma ? comma + 1 : NULL;
    }
    if (r == 0 && able == 0 && (nodes_known || !c->settings.elastic))
        r = core_never(c, need, tried.v, tried.n, refusal, err);
    td_vec_release(&tried);
    if (r == 0)
        *ret_resolved = resolved;
    return r;
}

/* Each is there, and so many of it. */
static int check_licenses(const struct td_core *c, const char *text, struct td_error *err)
{
    struct td_license one;
    int r = 0;
    for (const char *at = text; (r = td_license_next(&at, &one, err)) > 0;) {
        struct td_license other;
        uint64_t total = 0, used, want = 0; /* one may be named twice */
        for (const char *all = text; td_license_next(&all, &other, err) > 0;)
            want += td_str_equal(one.name, other.name) ? other.count : 0;
        for (uint32_t i = 0; i < td_ledger_licences(c->ledger); i++) {
            uint64_t have;
            if (td_str_equal(td_ledger_licence(c->ledger, i, &have, &used), one.name))
                total = have;
        }
        if (want > total)
            return td_fail(err, TD_E_INVALID_LICENSE, total ? "%s: %s: there are %llu" : "%s: %s is not in Licenses of slurm.conf",
                           td_error_words(TD_E_INVALID_LICENSE), one.name, (unsigned long long)total);
    }
    return r;
}

static uint32_t default_limit(const struct core_partition *p)
{
    if (p->conf.default_s)
        return p->conf.default_s;
    return p->conf.max_s ? p->conf.max_s : TD_INFINITE;
}

static int check_limit(const struct td_core *c, const struct td_job_spec *s, const char *resolved,
                       uint32_t *ret, struct td_error *err)
{
    *ret = s->limit_s;
    if (*ret == 0) {
        struct td_arena a = {0};
        char *first = td_arena_strdup(&a, resolved);
        char *comma = strchr(first, ',');
        if (comma)
            *comma = '\0';
        *ret = default_limit(core_partition_find(c, first));
        td_arena_release(&a);
    }
    if (s->limit_min_s && s->limit_min_s > *ret)
        return td_fail(err, TD_E_TIME_LIMIT, "--time-min is over the time limit");
    return 0;
}

uint64_t core_priority_next(const struct td_core *c)
{
    return CORE_PRIORITY_FIRST - c->submitted % (CORE_PRIORITY_FIRST - 1);
}

static uint64_t priority_of(struct td_core *c, const struct td_job_spec *s, const struct td_ev_job_submitted *ev)
{
    if (core_is_multifactor(c))
        return core_priority_first(c, s, ev->assoc, s->needs.v[0].partition, ev->limit_s);
    int64_t p = (int64_t)core_priority_next(c) - s->nice;
    return p < 1 ? 1 : TD_MIN((uint64_t)p, (uint64_t)UINT32_MAX);
}

static int check_array(struct td_core *c, const struct td_job_spec *s,
                       struct td_ev_job_submitted *ev, uint64_t *ret_tasks, struct td_error *err)
{
    *ret_tasks = 1;
    if (td_str_empty(s->array))
        return 0;
    uint32_t most = c->settings.max_array ? c->settings.max_array : TD_MAX_ARRAY_TASKS;
    struct td_span *spans = td_alloc(TD_MAX_PATTERN_SPANS * sizeof(*spans));
    uint32_t n = 0;
    int r = td_array_parse(s->array, most, spans, TD_MAX_PATTERN_SPANS, &n, &ev->array_limit, err);
    if (r == 0) {
        ev->tasks = (struct td_span_list){td_arena_dup(&c->wake, spans, n * sizeof(*spans)), n};
        *ret_tasks = 0;
        for (uint32_t i = 0; i < n && r == 0; i++) {
            if (spans[i].last >= most)
                r = td_fail(err, TD_E_INVALID_ARRAY, "%s: index %u is not below MaxArraySize (%u)",
                            td_error_words(TD_E_INVALID_ARRAY), spans[i].last, most);
            *ret_tasks += (spans[i].last - spans[i].first) / TD_MAX(spans[i].step, 1u) + 1;
        }
        if (r == 0 && n == 0)
            r = td_fail(err, TD_E_INVALID_ARRAY, "%s: %s", td_error_words(TD_E_INVALID_ARRAY),
                        s->array);
    }
    td_free(spans);
    return r;
}

int core_submit_check(struct td_core *c, const struct td_input *in, const struct td_job_spec *s, struct td_ev_job_submitted *ev,
                      struct td_job_need *need, struct td_error *err)
{
    int r = check_supported(s, err);
    if (r < 0)
        return r;
    r = core_spec_sane(s, err);
    if (r < 0)
        return r;
    *need = s->needs.v[0];
    r = core_gpus_settle(need, err);
    if (r < 0)
        return r;
    core_gpus_spread(c, need->partition, need);
    r = check_need(c, need, err);
    if (r < 0)
        return r;
    r = core_deps_validate(c, NULL, s->dependency, in->uid, err);
    if (r == 0)
        r = core_reservation_check(c, s, in->uid, err);
    if (r == 0)
        r = check_licenses(c, s->licenses, err);
    if (r < 0)
        return r;
    if (s->nice < 0 && !td_core_is_operator(c, in->uid))
        return td_fail(err, TD_E_DENIED, "a negative nice value is for operators");
    uint64_t tasks;
    r = check_array(c, s, ev, &tasks, err);
    if (r < 0)
        return r;
    if (c->settings.max_jobs &&
        c->jobs.n + c->nwaiting_tasks - c->npending + tasks > c->settings.max_jobs)
        return td_fail(err, TD_E_TOO_MANY_JOBS, "%s: %u", td_error_words(TD_E_TOO_MANY_JOBS),
                       c->settings.max_jobs);
    if (c->next_job > UINT32_MAX - 2 * (uint32_t)TD_MAX_ARRAY_TASKS)
        return td_fail(err, TD_E_TOO_MANY_JOBS, "job ids are used up");
    const char *resolved = NULL;
    r = core_submit_partition(c, need->partition, need, in->uid, s, &resolved, err);
    if (r < 0)
        return r;
    need->partition = resolved;
    r = check_limit(c, s, resolved, &ev->limit_s, err);
    return r == 0 ? core_deadline_check(c, s, ev->limit_s, err) : r;
}

/* --test-only, --quote: nothing is queued, and no number is used up. */
static void foretell(struct td_core *c, const struct td_input *in, const struct td_submit *s, struct td_ev_job_submitted *ev,
                     const struct td_strs *warnings)
{
    static const char *const cut = "not every form was tried: so many nodes and waiting jobs make it too long a calculation";
    struct td_submitted would = {.job = c->next_job, .seq = c->seq, .warnings = *warnings, .now_ms = core_civil_ms(c, c->now_ms)};
    struct td_quote_form form = {0};
    bool is_cut = false;
    ev->job = c->next_job;
    ev->priority = priority_of(c, &ev->spec, ev); /* of the settled one: its partition is known there */
    if (s->quote) {
        would.forms = core_quote(c, &(struct core_quote){.in = in, .spec = &s->spec, .ev = ev}, &is_cut);
        form = would.forms.v[0];
    } else {
        core_predict(c, &(struct core_wish){.ev = ev, .as_next = true}, &form, NULL);
        core_dry_over(c);
    }
    would.start_ms = form.start_ms;
    would.nodes = form.nodes;
    would.partition = form.partition;
    would.cpus = form.cpus;
    would.likely_ms = form.likely_ms;
    would.likely_from_ms = form.likely_from_ms;
    would.likely_to_ms = form.likely_to_ms;
    if (is_cut && would.warnings.n == 0)
        would.warnings = (struct td_strs){(const char **)(uintptr_t)&cut, 1};
    core_reply(c, in, TD_MSG_SUBMITTED, &would);
}

void core_request_submit(struct td_core *c, const struct td_input *in, const struct td_submit *asked)
{
    struct td_submit is = *asked, *s = &is;
    s->spec.limit_s = core_limit_rounded(c, s->spec.limit_s);
    s->spec.limit_min_s = core_limit_rounded(c, s->spec.limit_min_s);
    if (c->low_space) {
        core_refuse_space(c, in);
        return;
    }
    const struct core_client_key *known =
        td_str_empty(s->client_key) ? NULL : core_client_keys_find(c, in->uid, s->client_key);
    if (known && c->now_ms - known->at_ms <= TD_MAX_CLIENT_KEYS_MS) {
        struct td_submitted again = {.job = known->job, .seq = known->seq};
        core_reply(c, in, TD_MSG_SUBMITTED, &again);
        return;
    }
    struct td_ev_job_submitted ev = {0};
    struct td_strs warnings = {0};
    struct td_job_need need;
    struct td_error err = {0};
    if (core_assoc_settle(c, &s->spec, &ev.assoc, &err) < 0 || core_submit_check(c, in, &s->spec, &ev, &need, &err) < 0) {
        core_refuse_error(c, in, &err);
        return;
    }
    settle_tasks(c, &need, &warnings);
    if (s->test_only) {
        ev.spec = s->spec;
        ev.spec.needs.v = &need;
        foretell(c, in, s, &ev, &warnings);
        return;
    }
    ev.job = c->next_job;
    ev.uid = in->uid;
    ev.gid = in->gid;
    ev.spec = s->spec;
    ev.spec.needs.v = &need;
    ev.client_key = s->client_key;
    ev.priority = priority_of(c, &ev.spec, &ev);
    core_emit(c, TD_EV_JOB_SUBMITTED, &ev);
    struct td_submitted yes = {.job = ev.job, .seq = c->seq, .warnings = warnings};
    core_reply(c, in, TD_MSG_SUBMITTED, &yes);
}
