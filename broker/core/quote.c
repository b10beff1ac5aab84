/* quote.c - other forms of a request, each tried by a dry pass of the planner: sbatch --quote, tender explain
 *
 * A form is the request with one thing changed: a shorter limit, fewer devices, its tasks on more nodes, another partition.
 * Each passes the checks of a submission, or is refused in their words. Nothing is guessed: what is told was foretold by a
 * pass with that form in the queue (predict.c). Bounded by QUOTE_FORMS, PASSES_MAX and, as a pass
 * costs with nodes and waiting jobs, PASS_UNITS. */
#include <string.h>

#include "broker/core/state.h"

#define MINUTE_S 60u
#define PARTITIONS_TRIED 4u
#define HALVINGS 3u
#define PASSES_MAX 16u
#define PASS_UNITS 4000000u /* nodes times waiting jobs, of all passes of one request: some 0.1 s for a million */

struct forms {
    struct td_core *c;
    const struct core_quote *q;
    struct td_quote_form *v;
    uint32_t n, tried, tries_max;
    int64_t gaps[2];
    bool only_sooner; /* of those tried now, as of the question */
    bool cut;
};

static const char *duration(struct td_core *c, uint32_t seconds)
{
    struct td_buf b = {0};
    if (seconds == TD_INFINITE)
        td_buf_puts(&b, "UNLIMITED");
    else
        td_duration_print(seconds, &b);
    const char *text = td_arena_strdup(&c->wake, td_buf_str(&b));
    td_buf_release(&b);
    return text;
}

static const char *blocked_words(struct td_core *c, const struct core_partition *p, uint32_t why, const struct core_tally *t,
                                 uint32_t limit_s)
{
    switch (why) {
    case TD_REASON_PARTITION_TIME_LIMIT:
        return core_text(&c->wake, "the time limit %s is over the MaxTime %s of partition %s", duration(c, limit_s),
                         duration(c, p->conf.max_s), p->name);
    case TD_REASON_PARTITION_NODE_LIMIT:
        return core_text(&c->wake, "partition %s takes jobs of %u to %u nodes, this one wants %u to %u", p->name,
                         TD_MAX(p->conf.nodes_min, 1u), p->conf.nodes_max ? p->conf.nodes_max : p->nodes.n, t->nodes_min,
                         t->nodes_max);
    default:
        return core_text(&c->wake, "partition %s is %s", p->name, why == TD_REASON_PARTITION_DOWN ? "down" : "inactive");
    }
}

/* It would be queued, and wait for another reason than room: of its partitions' first. */
static bool is_blocked(struct forms *f, const struct td_ev_job_submitted *ev, struct td_quote_form *ret)
{
    struct td_core *c = f->c;
    struct core_tally t;
    char *list = td_arena_strdup(&c->wake, ev->spec.needs.v[0].partition);
    core_need_tally(ev->spec.needs.v, &t);
    for (char *s = list; s;) {
        char *comma = strchr(s, ',');
        if (comma)
            *comma = '\0';
        const struct core_partition *p = core_partition_find(c, s);
        uint32_t why = p ? core_partition_blocked(p, &t, ev->limit_s) : TD_REASON_PARTITION_INACTIVE;
        if (why == TD_REASON_NONE) {
            *ret = (struct td_quote_form){.form = ret->form, .change = ret->change};
            return false;
        }
        if (p && !ret->code) {
            ret->code = why == TD_REASON_PARTITION_TIME_LIMIT ? TD_E_TIME_LIMIT
                        : why == TD_REASON_PARTITION_NODE_LIMIT ? TD_E_NODE_CONFIG
                                                                : TD_E_PARTITION_DOWN;
            ret->text = blocked_words(c, p, why, &t, ev->limit_s);
        }
        s = comma ? comma + 1 : NULL;
    }
    return true;
}

static bool may_try(struct forms *f)
{
    bool room = f->n < TD_MAX_QUOTE_FORMS;
    f->cut |= room && f->tried >= f->tries_max;
    return room && f->tried < f->tries_max;
}

static bool is_sooner(const struct forms *f, const struct td_quote_form *form)
{
    int64_t as_is = f->v[0].start_ms;
    return !form->code && form->start_ms && (!as_is || form->start_ms + MINUTE_S * 1000 <= as_is);
}

static void try(struct forms *f, const char *name, const char *change, const struct td_job_spec *spec, struct td_job_need need)
{
    struct td_core *c = f->c;
    struct td_ev_job_submitted ev = {.job = f->q->ev->job, .priority = f->q->ev->priority};
    struct td_job_need settled;
    struct td_error err = {0};
    struct td_quote_form form = {.form = name, .change = change};
    struct td_job_spec as = *spec;
    if (!may_try(f))
        return;
    as.needs = (struct td_job_need_list){&need, 1};
    int r = core_submit_check(c, f->q->in, &as, &ev, &settled, &err);
    if (r < 0) {
        form.code = (uint32_t)err.code;
        form.text = td_arena_strdup(&c->wake, err.text);
    } else {
        ev.spec = as;
        ev.spec.needs = (struct td_job_need_list){&settled, 1};
        if (!is_blocked(f, &ev, &form)) {
            core_predict(c, &(struct core_wish){.ev = &ev, .in_front = f->q->in_front, .depth = f->q->depth}, &form, NULL);
            f->tried++;
        }
    }
    if (f->only_sooner && !is_sooner(f, &form))
        return;
    f->v[f->n++] = form;
}

/* --- the forms ---------------------------------------------------------------------------------------------------------- */

static void try_limit(struct forms *f, uint32_t limit_s)
{
    struct td_job_spec spec = *f->q->spec;
    if (limit_s < MINUTE_S || limit_s >= f->q->ev->limit_s)
        return;
    spec.limit_s = limit_s;
    spec.limit_min_s = spec.limit_min_s < limit_s ? spec.limit_min_s : 0;
    try(f, "shorter limit", core_text(&f->c->wake, "--time=%s", duration(f->c, limit_s)), &spec, spec.needs.v[0]);
}

/* A shorter one would start at last when somebody lets go: as long as it may be then, before the next begins. */
static void try_longer(struct forms *f)
{
    uint32_t n = f->n;
    for (uint32_t i = 1; i < n; i++) {
        const struct td_quote_form *is = &f->v[i];
        for (uint32_t k = 0; k < 2 && !is->code && is_sooner(f, is) && is->start_ms > f->c->now_ms; k++) {
            int64_t room_s = f->gaps[k] == TD_FOREVER ? 0 : (f->gaps[k] - is->start_ms) / 1000 / MINUTE_S * MINUTE_S;
            if (room_s <= (int64_t)is->limit_s)
                continue;
            try_limit(f, (uint32_t)TD_MIN(room_s, (int64_t)TD_INFINITE - 1));
            return;
        }
    }
}

/* Of those that start together the longest is told. */
static void drop_shorter(struct forms *f)
{
    uint32_t n = 1;
    for (uint32_t i = 1; i < f->n; i++) {
        bool worse = false;
        for (uint32_t k = 1; k < f->n && !worse; k++)
            worse = f->v[k].start_ms == f->v[i].start_ms && f->v[k].limit_s > f->v[i].limit_s;
        if (!worse)
            f->v[n++] = f->v[i];
    }
    f->n = n;
}

/* Into the time before somebody else begins: from now on, or when somebody lets go, which is found by halving. */
static void try_gaps(struct forms *f)
{
    uint32_t before = f->n;
    f->only_sooner = true;
    for (uint32_t i = 0; i < 2 && f->v[0].start_ms != f->c->now_ms; i++) {
        int64_t room_s = f->gaps[i] == TD_FOREVER ? 0 : (f->gaps[i] - f->c->now_ms) / 1000 / MINUTE_S * MINUTE_S;
        try_limit(f, (uint32_t)TD_MIN(room_s, (int64_t)TD_INFINITE - 1));
        for (uint32_t k = 0; k < HALVINGS && f->n == before && i == 0; k++) {
            room_s = room_s / 2 / MINUTE_S * MINUTE_S;
            try_limit(f, (uint32_t)TD_MIN(room_s, (int64_t)TD_INFINITE - 1));
        }
    }
    try_longer(f);
    drop_shorter(f);
    f->only_sooner = f->q->only_sooner;
}

/* And what the partition takes, or half of it. */
static void try_limits(struct forms *f)
{
    const struct td_ev_job_submitted *ev = f->q->ev;
    const struct core_partition *p = core_partition_find(f->c, ev->spec.needs.v[0].partition);
    try_gaps(f);
    if (p && p->conf.max_s && p->conf.max_s < ev->limit_s)
        try_limit(f, p->conf.max_s);
    if (ev->limit_s != TD_INFINITE)
        try_limit(f, ev->limit_s / 2 / MINUTE_S * MINUTE_S);
    if (f->q->only_sooner)
        drop_shorter(f);
}

enum devices_of { OF_NODE, OF_JOB, OF_TASK };

static struct td_gres_need_list *devices(struct td_job_need *need, enum devices_of of)
{
    return of == OF_NODE ? &need->gres : of == OF_JOB ? &need->gres_job : &need->gres_task;
}

/* The first kind of which there are several; the list is copied. */
static struct td_gres_need *own_devices(struct td_core *c, struct td_job_need *need, enum devices_of *ret_of)
{
    for (enum devices_of of = OF_NODE; of <= OF_TASK; of++) {
        struct td_gres_need_list *l = devices(need, of);
        for (uint32_t i = 0; i < l->n; i++) {
            if (l->v[i].count < 2)
                continue;
            struct td_gres_need *v = td_arena_dup(&c->wake, l->v, l->n * sizeof(*v));
            l->v = v;
            *ret_of = of;
            return &v[i];
        }
    }
    return NULL;
}

/* As an option would say it; what is counted for the job or its tasks are GPUs. */
static const char *devices_text(struct td_core *c, const struct td_gres_need *g, enum devices_of of)
{
    const char *type = td_str_empty(g->type) ? "" : g->type, *colon = *type ? ":" : "";
    if (of == OF_NODE)
        return core_text(&c->wake, "--gres=%s%s%s:%llu", g->name, colon, type, (unsigned long long)g->count);
    return core_text(&c->wake, "--gpus%s=%s%s%llu", of == OF_TASK ? "-per-task" : "", type, colon, (unsigned long long)g->count);
}

static void try_fewer(struct forms *f)
{
    struct td_job_need need = f->q->spec->needs.v[0];
    enum devices_of of = OF_NODE;
    struct td_gres_need *g = own_devices(f->c, &need, &of);
    if (!g)
        return;
    for (g->count /= 2;; g->count = 1) {
        try(f, "fewer devices", devices_text(f->c, g, of), f->q->spec, need);
        if (g->count == 1)
            return;
        g = own_devices(f->c, &need, &of); /* the form just tried keeps its own */
    }
}

/* Twice as many, with the same tasks and, where they can be halved, the same devices in all. */
static void try_nodes(struct forms *f)
{
    struct td_job_need need = f->q->spec->needs.v[0];
    struct core_tally t;
    enum devices_of of = OF_TASK;
    core_need_tally(&f->q->ev->spec.needs.v[0], &t);
    uint32_t nodes = t.nodes_min * 2;
    if (t.tasks < nodes || nodes > TD_MAX_NODES_PER_JOB)
        return;
    struct td_gres_need *g = own_devices(f->c, &need, &of);
    bool halved = g && of == OF_NODE && g->count % 2 == 0;
    if (halved)
        g->count /= 2;
    need.nodes_min = need.nodes_max = nodes;
    need.ntasks = t.tasks;
    need.ntasks_per_node = 0;
    try(f, "more nodes",
        core_text(&f->c->wake, "--nodes=%u --ntasks=%u%s%s", nodes, t.tasks, halved ? " " : "",
                  halved ? devices_text(f->c, g, of) : ""),
        f->q->spec, need);
}

static bool is_listed(const char *list, const char *name)
{
    size_t n = strlen(name);
    for (const char *s = list; s; s = strchr(s, ',') ? strchr(s, ',') + 1 : NULL) {
        if (strncmp(s, name, n) == 0 && (s[n] == ',' || s[n] == '\0'))
            return true;
    }
    return false;
}

static void try_partitions(struct forms *f)
{
    struct td_core *c = f->c;
    uint32_t uid = f->q->in->uid, tried = 0;
    if (td_core_hides(c, TD_PRIVATE_PARTITIONS, uid))
        return;
    for (uint32_t i = 0; i < c->partitions.n && tried < PARTITIONS_TRIED; i++) {
        const struct core_partition *p = c->partitions.v[i];
        struct td_job_need need = f->q->spec->needs.v[0];
        if (p->gone || is_listed(f->q->ev->spec.needs.v[0].partition, p->name) ||
            (p->conf.hidden && !td_core_is_operator(c, uid)))
            continue;
        need.partition = p->name;
        try(f, "other partition", core_text(&c->wake, "--partition=%s", p->name), f->q->spec, need);
        tried++;
    }
}

static uint32_t passes_max(const struct td_core *c, const struct core_quote *q)
{
    uint64_t deep = TD_MIN(td_queue_length(c->queue), q->depth ? q->depth : CORE_DRY_DEPTH) + 1;
    bool twice = core_plan_params(c).policy == TD_POLICY_TENDER;
    uint64_t n = PASS_UNITS / (((uint64_t)c->nodes.n + 1) * deep * (twice ? 2 : 1));
    return (uint32_t)TD_MAX(TD_MIN(n, (uint64_t)PASSES_MAX), UINT64_C(2));
}

struct td_quote_form_list core_quote(struct td_core *c, const struct core_quote *q, bool *ret_cut)
{
    struct forms f = {.c = c, .q = q, .v = td_arena_alloc(&c->wake, TD_MAX_QUOTE_FORMS * sizeof(*f.v))};
    struct td_quote_form *as_is = &f.v[f.n++];
    f.tries_max = passes_max(c, q);
    f.gaps[0] = f.gaps[1] = TD_FOREVER;
    f.only_sooner = q->only_sooner;
    *as_is = (struct td_quote_form){.form = "as asked"};
    if (!is_blocked(&f, q->ev, as_is)) {
        core_predict(c, &(struct core_wish){.ev = q->ev, .in_front = q->in_front, .depth = q->depth}, as_is, f.gaps);
        f.tried++;
    }
    try_limits(&f);
    try_fewer(&f);
    try_nodes(&f);
    try_partitions(&f);
    core_dry_over(c);
    *ret_cut = f.cut;
    return (struct td_quote_form_list){f.v, f.n};
}
