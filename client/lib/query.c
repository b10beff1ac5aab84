/* query.c - libtender's lists: rows of the commands' queries, as plain structures
 *
 * A list owns an arena with all its rows and words, and knows nothing of the handle it came from. */
#include <string.h>

#include "lib/lib.h"
#include "option.h"
#include "render/job.h"
#include "render/node.h"

struct tender_jobs {
    struct td_arena arena;
    struct tender_job *v;
    size_t n;
    uint32_t stale_ms;
};
struct tender_nodes {
    struct td_arena arena;
    struct tender_node *v;
    size_t n;
    uint32_t stale_ms;
};

static const char *keep(struct td_arena *a, const char *s)
{
    return td_str_empty(s) ? "" : td_arena_strdup(a, s);
}

static const char *keep_buf(struct td_arena *a, struct td_buf *b)
{
    const char *s = td_arena_strdup(a, td_buf_str(b));

    td_buf_reset(b);
    return s;
}

/* --- jobs ------------------------------------------------------------------------------------------------------------ */

static int ids_of(struct td_arena *a, const char *text, struct td_job_sel_list *ret, struct td_error *err)
{
    struct td_strs words = str_list(a, lib_text(text));
    struct td_job_sel *v = td_arena_alloc(a, (words.n + 1) * sizeof(*v));

    if (words.n > TD_MAX_IDS_PER_REQUEST)
        return td_fail(err, TD_E_TOO_BIG, "more than %d job ids", TD_MAX_IDS_PER_REQUEST);
    for (uint32_t i = 0; i < words.n; i++)
        if (client_sel_parse(a, words.v[i], &v[i], err) < 0)
            return -err->code;
    *ret = (struct td_job_sel_list){v, words.n};
    return 0;
}

static void fill_job(struct td_arena *a, const struct td_job_info *j, struct td_buf *b, struct tender_job *ret)
{
    *ret = (struct tender_job){
        .job = j->job,
        .array_job = j->array_job,
        .array_task = j->array_job ? j->array_task : TENDER_NO_TASK,
        .name = keep(a, j->spec.name),
        .account = keep(a, j->spec.account),
        .qos = keep(a, j->spec.qos),
        .partition = keep(a, j->partition),
        .state = lib_text(td_job_state_word(j->state, j->outcome)),
        .reason = lib_text(td_reason_word(j->reason)),
        .nodes = keep(a, j->nodelist),
        .work_dir = keep(a, j->spec.work_dir),
        .uid = j->uid,
        .nnodes = j->nodes,
        .cpus = j->cpus,
        .tasks = j->tasks,
        .limit_s = j->limit_s,
        .priority = j->priority,
        .submit_ms = j->submit_ms,
        .start_ms = j->start_ms,
        .end_ms = j->end_ms,
        .exit_code = j->exit_code,
        .signal = j->signal,
    };
    job_put_id(b, j);
    ret->id = keep_buf(a, b);
    job_put_user(b, j);
    ret->user = keep_buf(a, b);
    job_put_file(b, j, JOB_STDOUT, true);
    ret->std_out = keep_buf(a, b);
}

static int ask_jobs(struct tender *t, const struct tender_job_query *q, struct client_jobs *ret, struct td_error *err)
{
    struct td_arena a = {0};
    struct td_query_jobs m = {.history = q->history, .all = true};
    int r = ids_of(&a, q->ids, &m.filter.ids, err);

    m.filter.users = str_list(&a, lib_text(q->users));
    m.filter.partitions = str_list(&a, lib_text(q->partitions));
    m.filter.names = str_list(&a, lib_text(q->names));
    m.filter.states = str_list(&a, lib_text(q->states));
    if (r == 0)
        r = lib_ready(t, err);
    if (r == 0)
        r = lib_done(t, client_jobs(&t->client, &m, ret, err), err);
    td_arena_release(&a);
    return r;
}

int tender_jobs(struct tender *t, const struct tender_job_query *q, struct tender_jobs **ret, struct tender_error *err)
{
    static const struct tender_job_query any;
    struct client_jobs jobs = {0};
    struct td_error why = {0};
    struct td_buf b = {0};
    int r = ask_jobs(t, q ? q : &any, &jobs, &why);

    if (r == 0) {
        struct tender_jobs *l = td_alloc(sizeof(*l));
        l->n = jobs.rows.n;
        l->stale_ms = jobs.stale_ms;
        l->v = td_arena_alloc(&l->arena, (l->n + 1) * sizeof(*l->v));
        for (uint32_t i = 0; i < jobs.rows.n; i++)
            fill_job(&l->arena, jobs.rows.v[i], &b, &l->v[i]);
        *ret = l;
    }
    td_buf_release(&b);
    td_vec_release(&jobs.rows);
    return r < 0 ? lib_fail(err, &why) : 0;
}

size_t tender_jobs_count(const struct tender_jobs *l)
{
    return l->n;
}

const struct tender_job *tender_jobs_get(const struct tender_jobs *l, size_t i)
{
    return i < l->n ? &l->v[i] : NULL;
}

uint32_t tender_jobs_stale_ms(const struct tender_jobs *l)
{
    return l->stale_ms;
}

void tender_jobs_free(struct tender_jobs *l)
{
    if (l)
        td_arena_release(&l->arena);
    td_free(l);
}

/* --- nodes ----------------------------------------------------------------------------------------------------------- */

static void fill_node(struct td_arena *a, const struct td_node_info *n, struct td_buf *b, struct tender_node *ret)
{
    *ret = (struct tender_node){
        .name = keep(a, n->name),
        .reason = keep(a, n->reason),
        .features = keep(a, n->features),
        .gres = keep(a, n->gres),
        .gres_used = keep(a, n->gres_used),
        .cpus = n->cpus,
        .cpus_held = n->cpus_alloc,
        .jobs = n->jobs,
        .memory_mb = n->memory_mb,
        .memory_held_mb = n->memory_alloc_mb,
    };
    node_put_state(b, n);
    ret->state = keep_buf(a, b);
    for (uint32_t i = 0; i < n->partitions.n; i++)
        td_buf_putf(b, "%s%s", i ? "," : "", n->partitions.v[i]);
    ret->partitions = keep_buf(a, b);
}

int tender_nodes(struct tender *t, const char *names, struct tender_nodes **ret, struct tender_error *err)
{
    struct client_nodes nodes = {0};
    struct td_error why = {0};
    struct td_buf b = {0};
    int r = lib_ready(t, &why);

    if (r == 0)
        r = lib_done(t, client_nodes(&t->client, names, &nodes, &why), &why);
    if (r == 0) {
        struct tender_nodes *l = td_alloc(sizeof(*l));
        l->n = nodes.rows.n;
        l->stale_ms = nodes.stale_ms;
        l->v = td_arena_alloc(&l->arena, (l->n + 1) * sizeof(*l->v));
        for (uint32_t i = 0; i < nodes.rows.n; i++)
            fill_node(&l->arena, &nodes.rows.v[i], &b, &l->v[i]);
        *ret = l;
    }
    td_buf_release(&b);
    td_vec_release(&nodes.rows);
    return r < 0 ? lib_fail(err, &why) : 0;
}

size_t tender_nodes_count(const struct tender_nodes *l)
{
    return l->n;
}

const struct tender_node *tender_nodes_get(const struct tender_nodes *l, size_t i)
{
    return i < l->n ? &l->v[i] : NULL;
}

uint32_t tender_nodes_stale_ms(const struct tender_nodes *l)
{
    return l->stale_ms;
}

void tender_nodes_free(struct tender_nodes *l)
{
    if (l)
        td_arena_release(&l->arena);
    td_free(l);
}
