/* reads.c - queries, answered from the core after the commit of their wake
 *
 * An answer is of one journal number: it is made in one go and begun only when there is room (localdoor.c). Each row is
 * encoded once, straight from what the core shows, and only those of its fields that were asked for and that its asker may
 * see (a pick); rows are gathered to a frame's worth, and a frame leaves at once, so that its reader decodes it while the
 * next is made. Resuming row by row as the client reads would hold less memory, but mix rows of different moments; an
 * answer over ANSWER_BYTES is refused by name. Rows are decoded from nothing: they borrow from the core. */
#include "broker/shell.h"

#include <string.h>

typedef void read_fn(struct shell *s, const struct shell_read *r);

static void refuse(struct shell *s, const struct shell_read *r, int code, const char *text)
{
    struct td_error err = {.code = code};
    td_format(err.text, sizeof(err.text), "%s", text);
    shell_refuse(s, r->from.peer, r->request, &err);
}

/* --- answers of many rows --------------------------------------------------------------------------------------------- */

#define FRAME_ROWS_BYTES 65536u /* of rows, from which on a frame is sent */
#define BUFFER_KEPT_BYTES (1u << 20)

static const struct td_u32s no_paths;

struct answer {
    struct shell *s;
    const struct shell_read *r;
    uint32_t id;
    const struct td_pick *pick; /* of rows that do not differ by who asks */
    struct td_buf *rows;        /* encoded, of the frame that is being made */
    uint32_t n;
    size_t bytes;          /* of its frames so far */
    struct td_arena arena; /* of the rows */
    bool is_operator;
    int failed;
    /* jobs */
    const struct td_query_jobs *query;
    const struct td_pick *picks[TD_SEE_OWNER + 1];
    struct td_step_end_list ends; /* of steps: with the last frame */
};

/* The frame around the first `len` bytes of rows, which are `n` rows. */
static void frame_make(struct answer *a, struct td_buf *out, size_t len, uint32_t n, bool more)
{
    int64_t now_ms = a->s->clock.now_us / 1000;
    union {
        struct td_jobs jobs;
        struct td_nodes nodes;
        struct td_steps steps;
        struct td_partitions partitions;
        struct td_keys keys;
        struct td_user_keys user_keys;
        struct td_reservations reservations;
        struct td_accounts accounts;
        struct td_priorities priorities;
    } m;
    switch (a->id) {
    case TD_MSG_JOBS:
        m.jobs = (struct td_jobs){.more = more, .now_ms = now_ms, .seq = td_core_seq(a->s->core), .stale_ms = a->s->stale_ms};
        break;
    case TD_MSG_NODES:
        m.nodes = (struct td_nodes){.more = more, .now_ms = now_ms, .stale_ms = a->s->stale_ms};
        break;
    case TD_MSG_STEPS:
        m.steps = (struct td_steps){.more = more, .now_ms = now_ms, .ends = more ? (struct td_step_end_list){0} : a->ends};
        break;
    case TD_MSG_KEYS:
        m.keys = (struct td_keys){.more = more, .now_ms = now_ms};
        break;
    case TD_MSG_RESERVATIONS:
        m.reservations = (struct td_reservations){.more = more, .now_ms = now_ms};
        break;
    case TD_MSG_USER_KEYS:
        m.user_keys = (struct td_user_keys){.more = more, .now_ms = now_ms};
        break;
    case TD_MSG_PRIORITIES:
        m.priorities = (struct td_priorities){.more = more, .conf = td_core_settings(a->s->core)->priority, .stale_ms = a->s->stale_ms};
        break;
    case TD_MSG_ACCOUNTS:
        m.accounts = (struct td_accounts){.more = more, .now_ms = now_ms, .stale_ms = a->s->stale_ms,
                                          .cluster = td_core_settings(a->s->core)->cluster};
        break;
    default:
        TD_ASSERT(a->id == TD_MSG_PARTITIONS);
        m.partitions = (struct td_partitions){.more = more};
    }
    td_buf_reset(out);
    td_wire_put_frame_rows(out, a->id, a->r->request, &m, a->rows->data, len, n);
}

/* Sends the first `len` bytes of rows; those behind them stay. */
static bool frame_send(struct answer *a, size_t len, uint32_t n, bool more)
{
    struct td_buf *frame = &a->s->frame;
    frame_make(a, frame, len, n, more);
    a->bytes += frame->len;
    a->failed = a->bytes > TD_MAX_ANSWER_BYTES ? -TD_E_BUSY : shell_send_answer(a->s, a->r->from.peer, frame->data, frame->len);
    size_t left = a->rows->len - len;
    if (left)
        memmove(a->rows->data, a->rows->data + len, left);
    a->rows->len = left;
    a->n -= n;
    return a->failed == 0;
}

/* False: no more rows are wanted. A row that is large goes by itself, so that what a frame may be is for one row to fill. */
static bool answer_row(struct answer *a, const struct td_pick *pick, const void *row)
{
    size_t before = a->rows->len;
    if (a->failed == 0)
        a->failed = td_wire_put_picked(a->rows, pick, row);
    if (a->failed < 0)
        return false;
    if (a->n && a->rows->len - before > FRAME_ROWS_BYTES && !frame_send(a, before, a->n, true))
        return false;
    a->n++;
    return (a->n < TD_MAX_ROWS_PER_ANSWER && a->rows->len < FRAME_ROWS_BYTES) || frame_send(a, a->rows->len, a->n, true);
}

static void keep_small(struct td_buf *b)
{
    if (b->cap > BUFFER_KEPT_BYTES)
        td_buf_release(b);
}

static void answer_end(struct answer *a)
{
    if (a->failed == 0)
        frame_send(a, a->rows->len, a->n, false);
    keep_small(a->rows);
    keep_small(&a->s->frame);
    td_arena_release(&a->arena);
    if (a->failed == -TD_E_BUSY)
        refuse(a->s, a->r, TD_E_TOO_BIG, "the answer is over what may wait to be read (ANSWER_BYTES of one connection, or your share of ANSWERS_BYTES): "
               "ask for fewer rows");
    else if (a->failed == -TD_E_TOO_BIG)
        refuse(a->s, a->r, TD_E_TOO_BIG, "one row of the answer is over FRAME_BYTES");
}

static void answer_begin(struct answer *a, struct shell *s, const struct shell_read *r, uint32_t id)
{
    *a = (struct answer){.s = s, .r = r, .id = id, .rows = &s->rows};
    td_buf_reset(a->rows);
    a->is_operator = td_core_is_operator(s->core, r->from.uid);
}

/* What PrivateData keeps from this user as a whole is refused in words; jobs are left out one by one. */
static bool is_private(struct shell *s, const struct shell_read *r, enum td_private what)
{
    if (!td_core_hides(s->core, what, r->from.uid))
        return false;
    shell_denied(s, &r->from, r->id, td_error_words(TD_E_DENIED));
    refuse(s, r, TD_E_DENIED, td_error_words(TD_E_DENIED));
    return true;
}

/* Of rows that everybody may see in full. */
static void answer_begin_of(struct answer *a, struct shell *s, const struct shell_read *r, uint32_t id, const struct td_record *row)
{
    answer_begin(a, s, r, id);
    a->pick = td_pick_make(&a->arena, row, TD_SEE_NOBODY, &no_paths, &no_paths);
}

/* --- jobs --------------------------------------------------------------------------------------------------------------- */

#define OF(field) TD_PATH(TD_KEY_job_info_##field)
#define SPEC(field) TD_PATH2(TD_KEY_job_info_spec, TD_KEY_job_spec_##field)
#define NEED(field) TD_PATH3(TD_KEY_job_info_spec, TD_KEY_job_spec_needs, TD_KEY_job_need_##field)

/* Who names fields gets those. To others, a megabyte of arguments comes only when they ask for what is long: a listing of
 * many jobs would not fit into any answer. */
const struct td_pick *shell_job_pick(struct td_arena *a, const struct td_query_jobs *q, enum td_see see)
{
    static const uint32_t details[] = {OF(placements), SPEC(groups), SPEC(rlimits)};
    static const uint32_t longs[] = {SPEC(argv), SPEC(array), SPEC(dependency), NEED(req_nodes), NEED(exc_nodes)};
    uint32_t out[TD_ARRAY_LEN(details) + TD_ARRAY_LEN(longs)], n = 0;
    for (size_t i = 0; i < TD_ARRAY_LEN(details) && !q->detail; i++)
        out[n++] = details[i];
    for (size_t i = 0; i < TD_ARRAY_LEN(longs) && !q->long_fields; i++)
        out[n++] = longs[i];
    const struct td_u32s left_out = {out, q->fields.n ? 0 : n};
    return td_pick_make(a, &td_rec_job_info, see, &q->fields, &left_out);
}

/* Who names fields pays for a bound only where he looks at it. */
static bool shows_start(const struct td_query_jobs *q)
{
    bool found = q->fields.n == 0;
    for (uint32_t i = 0; i < q->fields.n && !found; i++)
        found = q->fields.v[i] == OF(start_ms);
    return found;
}

static bool put_job(struct answer *a, const struct td_job_info *row)
{
    if (!td_core_sees_job_of(a->s->core, row->uid, a->r->from.uid))
        return true; /* from the history; the core has left out its own */
    enum td_see see = a->is_operator || row->uid == a->r->from.uid ? TD_SEE_OWNER : TD_SEE_ALL;
    if (!a->picks[see])
        a->picks[see] = shell_job_pick(&a->arena, a->query, see);
    return answer_row(a, a->picks[see], row);
}

static bool visit_job(void *ctx, const struct td_job_info *row)
{
    return put_job(ctx, row);
}

static bool has_word(const struct td_strs *list, const char *word)
{
    for (uint32_t i = 0; i < list->n; i++)
        if (td_str_equal(list->v[i], word))
            return true;
    return list->n == 0;
}

static bool ids_match(const struct td_job_filter *f, const struct td_job_info *j)
{
    for (uint32_t i = 0; i < f->ids.n; i++) {
        const struct td_job_sel *sel = &f->ids.v[i];
        if (sel->job == j->job && !sel->tasks.n)
            return true;
        if (sel->job != j->array_job && sel->job != j->job)
            continue;
        if (!sel->tasks.n)
            return true;
        for (uint32_t k = 0; k < sel->tasks.n; k++) {
            const struct td_span *t = &sel->tasks.v[k];
            if (j->array_task >= t->first && j->array_task <= t->last && (j->array_task - t->first) % TD_MAX(t->step, 1u) == 0)
                return true;
        }
    }
    return f->ids.n == 0;
}

static bool states_match(const struct td_job_filter *f, const struct td_job_info *j)
{
    for (uint32_t i = 0; i < f->states.n; i++) {
        uint32_t state, outcome;
        if (td_str_casecmp(f->states.v[i], "all") == 0)
            return true;
        if (td_job_state_parse(f->states.v[i], &state, &outcome) && state == j->state && (!outcome || outcome == j->outcome))
            return true;
    }
    return f->states.n == 0;
}

static bool nodes_match(const struct td_job_filter *f, const struct td_job_info *j)
{
    if (td_str_empty(f->nodes))
        return true;
    struct td_hostlist l = {0};
    struct td_error ignored;
    bool found = false;
    if (td_hostlist_parse(j->nodelist ? j->nodelist : "", TD_MAX_NODES, &l, &ignored) == 0)
        for (uint32_t i = 0; i < l.names.n && !found; i++)
            found = td_hostlist_match(f->nodes, l.names.v[i]);
    td_hostlist_release(&l);
    return found;
}

/* A row of the history table: encoded as it was when the job ended. Jobs that the core still has come from there. */
static bool visit_history(void *ctx, const struct td_history_row *h)
{
    struct answer *a = ctx;
    bool known = false;
    td_core_job_owner(a->s->core, h->job, &known);
    if (known)
        return true;
    const struct td_job_filter *f = &a->query->filter;
    struct td_job_info info = {0};
    struct td_error err = {0};
    if (h->damaged) {
        shell_log(&a->s->log, "error job=%u history is damaged: `tender journal verify` says more", h->job);
        return true;
    }
    if (td_wire_get_record(&a->arena, &td_rec_job_info, h->info, h->len, &info, &err) < 0) {
        shell_log(&a->s->log, "error job=%u history does not decode: %s", h->job, err.text);
        return true;
    }
    const struct td_job_spec *spec = &info.spec;
    if (!ids_match(f, &info) || !states_match(f, &info) || !has_word(&f->partitions, info.partition) ||
        !has_word(&f->names, spec->name) || !has_word(&f->accounts, spec->account) || !has_word(&f->qos, spec->qos) ||
        !has_word(&f->wckeys, spec->wckey) || !has_word(&f->reservations, spec->reservation) || !nodes_match(f, &info))
        return true;
    return put_job(a, &info);
}

static int job_ids(struct shell *s, const struct td_job_filter *f, const uint32_t **ret)
{
    uint32_t *v = td_arena_alloc(&s->arena, f->ids.n * sizeof(*v));
    for (uint32_t i = 0; i < f->ids.n; i++)
        v[i] = f->ids.v[i].job;
    *ret = v;
    return 0;
}

static void read_jobs(struct shell *s, const struct shell_read *r)
{
    const struct td_query_jobs *q = r->body;
    uint32_t *uids = td_arena_alloc(&s->arena, q->filter.users.n * sizeof(*uids));
    for (uint32_t i = 0; i < q->filter.users.n; i++) {
        if (!shell_user_parse(q->filter.users.v[i], &uids[i])) {
            struct td_error err = {0};
            td_fail(&err, TD_E_INVALID_USER, "Invalid user: %s", q->filter.users.v[i]);
            shell_refuse(s, r->from.peer, r->request, &err);
            return;
        }
    }
    struct answer a;
    answer_begin(&a, s, r, TD_MSG_JOBS);
    a.query = q;
    struct td_error err = {0};
    int failed = 0;
    if (q->history) {
        struct td_history_query h = {.njobs = q->filter.ids.n, .uids = uids, .nuids = q->filter.users.n};
        job_ids(s, &q->filter, &h.jobs);
        failed = s->ops->history(s->store, &h, visit_history, &a, &err);
    }
    if (failed < 0) {
        td_arena_release(&a.arena);
        shell_refuse(s, r->from.peer, r->request, &err);
        return;
    }
    const struct td_job_query core = {
        .filter = &q->filter,
        .uids = uids,
        .nuids = q->filter.users.n,
        .detail = q->detail,
        .state_only = q->state_only,
        .expand = q->expand,
        .all = q->all,
        .bounds = shows_start(q),
        .asker_uid = r->from.uid,
        .asker_operator = a.is_operator,
    };
    if (!a.failed)
        td_core_jobs(s->core, &core, &a.arena, visit_job, &a);
    answer_end(&a);
}

/* --- the rest ------------------------------------------------------------------------------------------------------------ */

static bool visit_node(void *ctx, const struct td_node_info *row)
{
    struct answer *a = ctx;
    return answer_row(a, a->pick, row);
}

static void read_nodes(struct shell *s, const struct shell_read *r)
{
    const struct td_query_nodes *q = r->body;
    struct td_hostlist only = {0};
    struct td_error err = {0};
    if (is_private(s, r, TD_PRIVATE_NODES))
        return;
    if (!td_str_empty(q->nodes) && td_hostlist_parse(q->nodes, TD_MAX_NODES, &only, &err) < 0) {
        shell_refuse(s, r->from.peer, r->request, &err);
        return;
    }
    struct answer a;
    answer_begin_of(&a, s, r, TD_MSG_NODES, &td_rec_node_info);
    td_core_nodes(s->core, td_str_empty(q->nodes) ? NULL : &only, &a.arena, visit_node, &a);
    answer_end(&a);
    td_hostlist_release(&only);
}

static bool visit_step(void *ctx, const struct td_step_info *row)
{
    struct answer *a = ctx;
    return answer_row(a, a->pick, row);
}

static void read_steps(struct shell *s, const struct shell_read *r)
{
    struct answer a;
    const struct td_query_steps *m = r->body;
    answer_begin_of(&a, s, r, TD_MSG_STEPS, &td_rec_step_info);
    const struct td_step_query q = {
        .job = m->job, .batch = m->batch, .asker_uid = r->from.uid, .asker_operator = a.is_operator};
    td_core_steps(s->core, &q, &a.arena, visit_step, &a);
    if (q.job)
        a.ends.n = td_core_step_ends(s->core, &q, &a.arena, &a.ends.v);
    answer_end(&a);
}

static void read_partitions(struct shell *s, const struct shell_read *r)
{
    const struct td_query_partitions *q = r->body;
    const struct td_partition_info *rows = NULL;
    struct answer a;
    if (is_private(s, r, TD_PRIVATE_PARTITIONS))
        return;
    answer_begin_of(&a, s, r, TD_MSG_PARTITIONS, &td_rec_partition_info);
    uint32_t n = td_core_partitions(s->core, &a.arena, &rows), found = 0;
    for (uint32_t i = 0; i < n && !a.failed; i++) {
        if (!td_str_empty(q->name) && !td_str_equal(rows[i].conf.name, q->name))
            continue;
        answer_row(&a, a.pick, &rows[i]);
        found++;
    }
    if (found || td_str_empty(q->name)) {
        answer_end(&a);
        return;
    }
    td_arena_release(&a.arena);
    refuse(s, r, TD_E_INVALID_PARTITION, td_error_words(TD_E_INVALID_PARTITION));
}

static void read_rounds(struct shell *s, const struct shell_read *r)
{
    const struct td_query_rounds *q = r->body;
    const struct td_round_info *rows = NULL;
    if (is_private(s, r, TD_PRIVATE_JOBS) || is_private(s, r, TD_PRIVATE_NODES)) /* who wants what, and who has it */
        return;
    uint32_t n = td_core_rounds(s->core, q->last ? q->last : TD_MAX_ROUNDS_KEPT, &s->arena, &rows);
    struct td_rounds m = {.rows = {rows, n}};
    /* Rounds of many bids may not all go into one frame: the latest that do. */
    int sent = shell_send(s, r->from.peer, TD_MSG_ROUNDS, r->request, &m);
    while (sent == -TD_E_TOO_BIG && m.rows.n > 1) {
        uint32_t older = (m.rows.n + 1) / 2;
        m.rows.v += older;
        m.rows.n -= older;
        sent = shell_send(s, r->from.peer, TD_MSG_ROUNDS, r->request, &m);
    }
    if (sent == -TD_E_TOO_BIG || sent == -TD_E_BUSY)
        refuse(s, r, -sent, "the answer is too large: ask for fewer rounds");
}

static void read_tokens(struct shell *s, const struct shell_read *r)
{
    const struct td_token_info *rows = NULL;
    uint32_t n = td_core_tokens(s->core, s->clock.now_us / 1000, &s->arena, &rows);
    const struct td_tokens m = {.rows = {rows, n}};
    shell_reply(s, r->from.peer, r->request, TD_MSG_TOKENS, &m);
}

static bool visit_key(void *ctx, const struct td_key_info *row)
{
    struct answer *a = ctx;
    return answer_row(a, a->pick, row);
}

static void read_keys(struct shell *s, const struct shell_read *r)
{
    const struct td_query_keys *q = r->body;
    struct td_hostlist only = {0};
    struct td_error err = {0};
    struct answer a;
    if (!td_str_empty(q->nodes) && td_hostlist_parse(q->nodes, TD_MAX_NODES, &only, &err) < 0) {
        shell_refuse(s, r->from.peer, r->request, &err);
        return;
    }
    answer_begin_of(&a, s, r, TD_MSG_KEYS, &td_rec_key_info);
    td_core_keys(s->core, td_str_empty(q->nodes) ? NULL : &only, s->clock.now_us / 1000, &a.arena, visit_key, &a);
    answer_end(&a);
    td_hostlist_release(&only);
}

static bool visit_user_key(void *ctx, const struct td_user_key_info *row)
{
    struct answer *a = ctx;
    return answer_row(a, a->pick, row);
}

static void read_user_keys(struct shell *s, const struct shell_read *r)
{
    struct answer a;
    answer_begin_of(&a, s, r, TD_MSG_USER_KEYS, &td_rec_user_key_info);
    td_core_user_keys(s->core, r->from.uid, visit_user_key, &a);
    answer_end(&a);
}

static bool visit_reservation(void *ctx, const struct td_reservation_info *row)
{
    struct answer *a = ctx;
    return answer_row(a, a->pick, row);
}

static void read_reservations(struct shell *s, const struct shell_read *r)
{
    const struct td_query_reservations *q = r->body;
    struct answer a;
    answer_begin_of(&a, s, r, TD_MSG_RESERVATIONS, &td_rec_reservation_info);
    td_core_reservations(s->core, q->name, visit_reservation, &a);
    answer_end(&a);
}

static void read_licenses(struct shell *s, const struct shell_read *r)
{
    const struct td_license_info *rows = NULL;
    uint32_t n = td_core_licenses(s->core, &s->arena, &rows);
    const struct td_licenses m = {.rows = {rows, n}};
    shell_reply(s, r->from.peer, r->request, TD_MSG_LICENSES, &m);
}

static bool visit_account(void *ctx, const struct td_acct_row *row)
{
    struct answer *a = ctx;
    return answer_row(a, a->pick, row);
}

static void read_accounts(struct shell *s, const struct shell_read *r)
{
    struct answer a;
    answer_begin_of(&a, s, r, TD_MSG_ACCOUNTS, &td_rec_acct_row);
    td_core_accounts(s->core, r->body, visit_account, &a);
    answer_end(&a);
}

static bool visit_priority(void *ctx, const struct td_job_priority *row)
{
    struct answer *a = ctx;
    return answer_row(a, a->pick, row);
}

static void read_priorities(struct shell *s, const struct shell_read *r)
{
    struct answer a;
    answer_begin_of(&a, s, r, TD_MSG_PRIORITIES, &td_rec_job_priority);
    td_core_priorities(s->core, r->from.uid, visit_priority, &a);
    answer_end(&a);
}

struct script_find {
    struct td_arena *arena;
    struct td_job_info info;
    bool found;
};
static bool find_history(void *ctx, const struct td_history_row *h)
{
    struct script_find *f = ctx;
    struct td_error ignored;
    f->found = !h->damaged && td_wire_get_record(f->arena, &td_rec_job_info, h->info, h->len, &f->info, &ignored) == 0;
    return false;
}

static void read_script(struct shell *s, const struct shell_read *r)
{
    const struct td_query_script *q = r->body;
    struct script_find f = {.arena = &s->arena};
    struct td_error err = {0};
    f.found = td_core_job_row(s->core, q->job, &s->arena, &f.info);
    if (!f.found) {
        const struct td_history_query h = {.jobs = &q->job, .njobs = 1, .max = 1};
        s->ops->history(s->store, &h, find_history, &f, &err);
    }
    if (f.found && !td_core_sees_job_of(s->core, f.info.uid, r->from.uid))
        f.found = false;
    if (!f.found || (f.info.uid != r->from.uid && !td_core_is_operator(s->core, r->from.uid))) {
        int code = f.found ? TD_E_DENIED : TD_E_INVALID_JOB;
        if (f.found)
            shell_denied(s, &r->from, r->id, td_error_words(code));
        refuse(s, r, code, td_error_words(code));
        return;
    }
    const struct shell_blob *b = f.info.spec.script_hash.n == 32 ? shell_blob_find(s, f.info.spec.script_hash.v) : NULL;
    if (!b) {
        refuse(s, r, TD_E_INVALID_JOB, f.info.spec.session ? "this job has no batch script"
                                                           : "the script of this job is no longer kept");
        return;
    }
    const struct td_script m = {.script = {b->data, b->len}};
    shell_reply(s, r->from.peer, r->request, TD_MSG_SCRIPT, &m);
}

static const struct {
    uint32_t id;
    read_fn *fn;
} reads[] = {
    {TD_MSG_QUERY_JOBS, read_jobs},
    {TD_MSG_QUERY_NODES, read_nodes},
    {TD_MSG_QUERY_STEPS, read_steps},
    {TD_MSG_QUERY_PARTITIONS, read_partitions},
    {TD_MSG_QUERY_CONFIG, shell_read_config},
    {TD_MSG_QUERY_STATUS, shell_read_status},
    {TD_MSG_QUERY_ROUNDS, read_rounds},
    {TD_MSG_QUERY_SCRIPT, read_script},
    {TD_MSG_QUERY_TOKENS, read_tokens},
    {TD_MSG_QUERY_KEYS, read_keys},
    {TD_MSG_QUERY_USER_KEYS, read_user_keys},
    {TD_MSG_QUERY_RESERVATIONS, read_reservations},
    {TD_MSG_QUERY_LICENSES, read_licenses},
    {TD_MSG_QUERY_ACCOUNTS, read_accounts},
    {TD_MSG_QUERY_PRIORITIES, read_priorities},
};

bool shell_is_read(uint32_t id)
{
    for (size_t i = 0; i < TD_ARRAY_LEN(reads); i++)
        if (reads[i].id == id)
            return true;
    return false;
}

void shell_read_answer(struct shell *s, const struct shell_read *r)
{
    for (size_t i = 0; i < TD_ARRAY_LEN(reads); i++)
        if (reads[i].id == r->id)
            reads[i].fn(s, r);
}
