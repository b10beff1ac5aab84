/* reads.c - queries, answered from the core after the commit of their wake
 *
 * An answer is of one journal number: its rows are encoded in one go into the connection's output, frame by frame, up to
 * ANSWER_BYTES; it is begun only when there is room (localdoor.c). Resuming row by row as the client reads would hold less memory, but mix rows of different moments; an
 * answer over the bound is refused by name. Rows are decoded from nothing: they borrow from the core. */
#include "broker/shell.h"

#include <string.h>

typedef void read_fn(struct shell *s, const struct shell_read *r);

static void refuse(struct shell *s, const struct shell_read *r, int code, const char *text)
{
    struct td_error err = {.code = code};
    td_format(err.text, sizeof(err.text), "%s", text);
    shell_refuse(s, r->from.peer, r->request, &err);
}

/* --- hiding what the asker may not see ------------------------------------------------------------------------------ */

static size_t field_size(const struct td_field *f)
{
    switch (f->type) {
    case TD_T_BOOL:
        return sizeof(bool);
    case TD_T_U32:
        return sizeof(uint32_t);
    case TD_T_U64:
        return sizeof(uint64_t);
    case TD_T_I64:
        return sizeof(int64_t);
    case TD_T_STR:
        return sizeof(const char *);
    case TD_T_BIN:
        return sizeof(struct td_bin);
    case TD_T_U32S:
        return sizeof(struct td_u32s);
    case TD_T_STRS:
        return sizeof(struct td_strs);
    case TD_T_REC:
        return f->sub->size;
    case TD_T_RECS:
        return sizeof(struct td_job_need_list); /* all lists look alike */
    }
    return 0;
}

/* On a copy of the record; lists inside are borrowed and hold nothing that is not for everybody. */
void shell_hide(const struct td_record *rec, void *body, enum td_see see)
{
    for (uint32_t i = 0; i < rec->n; i++) {
        const struct td_field *f = &rec->fields[i];
        void *at = (char *)body + f->offset;
        if (f->see > see)
            memset(at, 0, field_size(f));
        else if (f->type == TD_T_REC)
            shell_hide(f->sub, at, see);
    }
}

/* --- answers of many rows --------------------------------------------------------------------------------------------- */

/* Rows gathered to a frame's worth, then sent as one of several frames. */
struct answer {
    struct shell *s;
    const struct shell_read *r;
    uint32_t id;
    size_t row_size;
    uint8_t *rows; /* in s->rows */
    uint32_t n;
    struct td_arena arena; /* of the rows */
    bool is_operator;
    int failed;
    /* jobs */
    const struct td_query_jobs *query;
};

static int frame_put(struct answer *a, const uint8_t *rows, uint32_t n, bool more)
{
    if (a->id == TD_MSG_JOBS) {
        const struct td_jobs m = {
            .rows = {(const void *)rows, n}, .more = more, .now_ms = a->s->clock.now_us / 1000,
            .seq = td_core_seq(a->s->core), .stale_ms = a->s->stale_ms};
        return shell_send(a->s, a->r->from.peer, a->id, a->r->request, &m);
    }
    if (a->id == TD_MSG_PARTITIONS) {
        const struct td_partitions m = {.rows = {(const void *)rows, n}, .more = more};
        return shell_send(a->s, a->r->from.peer, a->id, a->r->request, &m);
    }
    if (a->id == TD_MSG_STEPS) {
        const struct td_steps m = {.rows = {(const void *)rows, n}, .more = more, .now_ms = a->s->clock.now_us / 1000};
        return shell_send(a->s, a->r->from.peer, a->id, a->r->request, &m);
    }
    const struct td_nodes m = {.rows = {(const void *)rows, n}, .more = more, .now_ms = a->s->clock.now_us / 1000,
                               .stale_ms = a->s->stale_ms};
    return shell_send(a->s, a->r->from.peer, a->id, a->r->request, &m);
}

/* Halves a frame that is too large, until it fits. */
static int frames_put(struct answer *a, const uint8_t *rows, uint32_t n, bool more)
{
    int r = frame_put(a, rows, n, more);
    if (r != -TD_E_TOO_BIG || n < 2)
        return r;
    uint32_t half = n / 2;
    r = frames_put(a, rows, half, true);
    return r < 0 ? r : frames_put(a, rows + half * a->row_size, n - half, more);
}

static bool answer_flush(struct answer *a, bool more)
{
    if (a->failed == 0 && (a->n || !more))
        a->failed = frames_put(a, a->rows, a->n, more);
    a->n = 0;
    return a->failed == 0;
}

static void *answer_row(struct answer *a, const void *row)
{
    void *at = a->rows + a->n++ * a->row_size;
    memcpy(at, row, a->row_size);
    return at;
}

static void answer_end(struct answer *a)
{
    answer_flush(a, false);
    td_arena_release(&a->arena);
    if (a->failed == -TD_E_BUSY)
        refuse(a->s, a->r, TD_E_TOO_BIG, "the answer is over what may wait to be read (ANSWER_BYTES of one connection, or your share of ANSWERS_BYTES): "
               "ask for fewer rows");
    else if (a->failed == -TD_E_TOO_BIG)
        refuse(a->s, a->r, TD_E_TOO_BIG, "one row of the answer is over FRAME_BYTES");
}

static void answer_begin(struct answer *a, struct shell *s, const struct shell_read *r, uint32_t id, size_t row_size)
{
    *a = (struct answer){.s = s, .r = r, .id = id, .row_size = row_size};
    if (!s->rows) /* kept: a frame's worth of rows is a megabyte, and most answers have one row */
        s->rows = td_alloc(TD_MAX(TD_MAX(sizeof(struct td_job_info), sizeof(struct td_node_info)),
                                  sizeof(struct td_partition_info)) * TD_MAX_ROWS_PER_ANSWER);
    a->rows = s->rows;
    a->is_operator = td_core_is_operator(s->core, r->from.uid);
}

/* --- jobs --------------------------------------------------------------------------------------------------------------- */

/* A megabyte of arguments is for those who ask for it: a listing of many jobs would not fit into any answer. */
static void leave_out_long(struct td_arena *a, struct td_job_spec *spec)
{
    spec->argv.n = 0;
    spec->array = NULL;
    spec->dependency = NULL;
    if (!spec->needs.n || (td_str_empty(spec->needs.v[0].req_nodes) && td_str_empty(spec->needs.v[0].exc_nodes)))
        return;
    struct td_job_need *needs = td_arena_dup(a, spec->needs.v, spec->needs.n * sizeof(*needs)); /* borrowed */
    for (uint32_t i = 0; i < spec->needs.n; i++)
        needs[i].req_nodes = needs[i].exc_nodes = NULL;
    spec->needs.v = needs;
}

void shell_job_trim(struct td_job_info *row, enum td_see see, bool detail, bool long_fields, struct td_arena *a)
{
    shell_hide(&td_rec_job_info, row, see);
    if (!detail) {
        row->spec.groups = (struct td_u32s){0};
        row->spec.rlimits.n = 0;
        row->placements.n = 0;
    }
    if (!long_fields)
        leave_out_long(a, &row->spec);
}

static bool put_job(struct answer *a, const struct td_job_info *row)
{
    struct td_job_info *copy = answer_row(a, row);
    bool owner = a->is_operator || row->uid == a->r->from.uid;
    shell_job_trim(copy, owner ? TD_SEE_OWNER : TD_SEE_ALL, a->query->detail, a->query->long_fields, &a->arena);
    return a->n < TD_MAX_ROWS_PER_ANSWER || answer_flush(a, true);
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
            td_fail(&err, TD_E_INVALID_REQUEST, "Invalid user: %s", q->filter.users.v[i]);
            shell_refuse(s, r->from.peer, r->request, &err);
            return;
        }
    }
    struct answer a;
    answer_begin(&a, s, r, TD_MSG_JOBS, sizeof(struct td_job_info));
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
    answer_row(a, row);
    return a->n < TD_MAX_ROWS_PER_ANSWER || answer_flush(a, true);
}

static void read_nodes(struct shell *s, const struct shell_read *r)
{
    const struct td_query_nodes *q = r->body;
    struct td_hostlist only = {0};
    struct td_error err = {0};
    if (!td_str_empty(q->nodes) && td_hostlist_parse(q->nodes, TD_MAX_NODES, &only, &err) < 0) {
        shell_refuse(s, r->from.peer, r->request, &err);
        return;
    }
    struct answer a;
    answer_begin(&a, s, r, TD_MSG_NODES, sizeof(struct td_node_info));
    td_core_nodes(s->core, td_str_empty(q->nodes) ? NULL : &only, &a.arena, visit_node, &a);
    answer_end(&a);
    td_hostlist_release(&only);
}

static bool visit_step(void *ctx, const struct td_step_info *row)
{
    struct answer *a = ctx;
    answer_row(a, row);
    return a->n < TD_MAX_ROWS_PER_ANSWER || answer_flush(a, true);
}

static void read_steps(struct shell *s, const struct shell_read *r)
{
    struct answer a;
    answer_begin(&a, s, r, TD_MSG_STEPS, sizeof(struct td_step_info));
    const struct td_step_query q = {
        .job = ((const struct td_query_steps *)r->body)->job, .asker_uid = r->from.uid, .asker_operator = a.is_operator};
    td_core_steps(s->core, &q, &a.arena, visit_step, &a);
    answer_end(&a);
}

static void read_partitions(struct shell *s, const struct shell_read *r)
{
    const struct td_query_partitions *q = r->body;
    const struct td_partition_info *rows = NULL;
    struct answer a;
    answer_begin(&a, s, r, TD_MSG_PARTITIONS, sizeof(*rows));
    uint32_t n = td_core_partitions(s->core, &a.arena, &rows), found = 0;
    for (uint32_t i = 0; i < n && !a.failed; i++) {
        if (!td_str_empty(q->name) && !td_str_equal(rows[i].conf.name, q->name))
            continue;
        answer_row(&a, &rows[i]);
        found++;
        if (a.n == TD_MAX_ROWS_PER_ANSWER)
            answer_flush(&a, true);
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
    if (!f.found || (f.info.uid != r->from.uid && !td_core_is_operator(s->core, r->from.uid))) {
        int code = f.found ? TD_E_DENIED : TD_E_INVALID_JOB;
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
