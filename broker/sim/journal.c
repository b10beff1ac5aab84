/* journal.c - from the history of jobs to a trace
 *
 * Owns: the numbers of job names. The store is opened to read, and beside a broker that runs. */
#include "journal.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "broker/journal/store.h"
#include "wire/wire.h"

static const struct td_store_ops *const ops = &td_store_sqlite;

bool trace_is_journal(const char *path, char *ret_dir, size_t cap)
{
    static const char *const inside[] = {"", "/state"};
    struct stat st;
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;

    if (strcmp(name, "journal.db") == 0) {
        td_format(ret_dir, cap, "%s", slash ? path : ".");
        if (slash && (size_t)(slash - path) < cap)
            ret_dir[TD_MAX(slash - path, 1)] = '\0';
        return true;
    }
    for (size_t i = 0; stat(path, &st) == 0 && S_ISDIR(st.st_mode) && i < TD_ARRAY_LEN(inside); i++) {
        char file[4096];
        td_format(file, sizeof(file), "%s%s/journal.db", path, inside[i]);
        td_format(ret_dir, cap, "%s%s", path, inside[i]);
        if (access(file, F_OK) == 0)
            return true;
    }
    return false;
}

struct reader {
    const char *dir;
    struct trace *t;
    struct td_arena arena;
    struct td_strmap names;
    uint32_t nnames, most;
    int64_t first_ms; /* submission */
    struct td_error *err;
    int r;
};

static uint32_t number_of(struct reader *h, const char *name)
{
    uintptr_t known = (uintptr_t)td_strmap_get(&h->names, name);

    if (!known) {
        known = ++h->nnames;
        td_strmap_put(&h->names, name, (void *)known);
    }
    return (uint32_t)known;
}

static uint64_t gpus_in(struct td_gres_need_list list)
{
    uint64_t n = 0;

    for (uint32_t i = 0; i < list.n; i++)
        n += td_str_equal(list.v[i].name, "gpu") ? list.v[i].count : 0;
    return n;
}

/* Of the job, of each node or of each task: ways to say the same. */
static uint32_t gpus_of(const struct td_job_info *j)
{
    uint64_t most = 0;

    for (uint32_t i = 0; i < j->spec.needs.n; i++) {
        const struct td_job_need *need = &j->spec.needs.v[i];
        most = TD_MAX(most, gpus_in(need->gres_job));
        most = TD_MAX(most, gpus_in(need->gres) * TD_MAX(j->nodes, 1u));
        most = TD_MAX(most, gpus_in(need->gres_task) * TD_MAX(j->tasks, 1u));
    }
    return (uint32_t)TD_MIN(most, (uint64_t)UINT32_MAX);
}

static uint32_t seconds(int64_t ms)
{
    return (uint32_t)TD_MIN((TD_MAX(ms, INT64_C(0)) + 500) / 1000, (int64_t)TRACE_LIMIT_S_MAX);
}

/* submit_s holds milliseconds until the first one is known. */
static void take(struct reader *h, const struct td_job_info *j)
{
    struct trace_job t = {.submit_s = j->submit_ms, .id = j->job, .procs = j->cpus, .user = j->uid, .gpus = gpus_of(j)};

    if (j->start_ms <= 0 || j->start_is_prediction || j->attempt == 0 || !j->cpus) {
        h->t->not_run++;
        return;
    }
    t.run_s = seconds(j->end_ms - j->start_ms);
    t.wait_s = seconds(j->start_ms - j->submit_ms);
    t.limit_s = TD_MAX(TD_MIN(j->limit_s ? j->limit_s : TD_INFINITE, TRACE_LIMIT_S_MAX), TD_MAX(t.run_s, 1u));
    t.mem_kb = (uint32_t)TD_MIN(j->mem_mb * 1024 / j->cpus, (uint64_t)UINT32_MAX);
    t.app = td_str_empty(j->spec.name) ? 0 : number_of(h, j->spec.name);
    h->first_ms = TD_MIN(h->first_ms, j->submit_ms);
    td_vec_push(&h->t->jobs, t);
}

static bool visit(void *ctx, const struct td_history_row *row)
{
    struct reader *h = ctx;
    struct td_job_info j;
    struct td_error why = {0};

    td_arena_reset(&h->arena);
    h->t->lines++;
    if (row->damaged || td_wire_get_record(&h->arena, &td_rec_job_info, row->info, row->len, &j, &why) < 0) {
        h->t->damaged++;
        return true;
    }
    if (h->t->jobs.n == h->most) {
        h->r = td_fail(h->err, TD_E_TOO_BIG, "%s: more than %u jobs, the most a simulation takes", h->dir, h->most);
        return false;
    }
    take(h, &j);
    return true;
}

static int read_history(struct reader *h)
{
    const struct td_history_query all = {0};
    struct td_store *s = NULL;
    int r = ops->open(h->dir, true, &s, h->err);

    if (r < 0)
        return r;
    r = ops->history(s, &all, visit, h, h->err);
    ops->close(&s);
    return r < 0 ? r : h->r;
}

int trace_read_journal(const char *dir, const struct trace_ask *ask, struct trace *ret, struct td_error *err)
{
    struct trace t = {0};
    struct reader h = {.dir = dir, .t = &t, .first_ms = INT64_MAX, .most = ask->jobs_max ? ask->jobs_max : TRACE_JOBS_MAX, .err = err};
    int r = read_history(&h);

    for (uint32_t i = 0; i < t.jobs.n; i++)
        t.jobs.v[i].submit_s = (t.jobs.v[i].submit_s - h.first_ms) / 1000;
    td_arena_release(&h.arena);
    td_strmap_release(&h.names);
    if (r == 0 && !t.jobs.n)
        r = td_fail(err, TD_E_INVALID_REQUEST, "%s: no job in its history has run", dir);
    if (r == 0 && !ask->procs)
        r = td_fail(err, TD_E_USAGE, "%s: on how large a machine?", dir);
    if (r < 0) {
        trace_release(&t);
        return r;
    }
    r = trace_finish(dir, ask->procs, &t, ret, err);
    if (r == 0)
        ret->unsorted = 0; /* the history is by end: no defect */
    return r;
}
