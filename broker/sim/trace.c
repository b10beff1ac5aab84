/* trace.c - the Standard Workload Format in and out
 *
 * Owns: the lines being read. Knows nothing of scheduling. */
#include "broker/sim/trace.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define LINE_BYTES 4096
#define FIELDS TRACE_FIELDS_MAX

enum field { JOB, SUBMIT, WAIT, RUN, USED, CPU, MEMORY, WANTED, LIMIT, WANTED_MEMORY, STATUS, USER, GROUP, APP };

static int64_t whole(double x)
{
    return x >= 9e15 ? INT64_C(9000000000000000) : x <= -9e15 ? -INT64_C(9000000000000000) : (int64_t)x;
}

/* How many numbers there are; what is neither number nor blank is an error (-1). */
static int numbers(const char *line, int64_t v[FIELDS])
{
    int n = 0;

    for (const char *s = line;;) {
        char *end;
        s += strspn(s, " \t\r\n");
        if (!*s)
            return n;
        double x = strtod(s, &end);
        if (end == s || (*end && !strchr(" \t\r\n", *end)) || x != x)
            return -1;
        if (n < FIELDS)
            v[n++] = whole(x);
        s = end;
    }
}

static void remark(struct trace *t, const char *line)
{
    uint64_t v;
    char word[32], value[32];

    if (sscanf(line, "; %31[A-Za-z]: %31[0-9]", word, value) != 2 || !td_parse_u64(value, &v) || v == 0 || v > UINT32_MAX)
        return;
    if (strcmp(word, "MaxProcs") == 0 || (strcmp(word, "MaxNodes") == 0 && !t->procs_max))
        t->procs_max = (uint32_t)v;
}

static uint32_t capped(int64_t v, uint32_t most)
{
    return v < 0 ? 0 : v > (int64_t)most ? most : (uint32_t)v;
}

static void take(struct trace *t, const struct trace_ask *ask, const int64_t v[FIELDS])
{
    struct trace_job j = {.submit_s = v[SUBMIT], .id = capped(v[JOB], UINT32_MAX)};
    int64_t procs = v[WANTED] > 0 ? v[WANTED] : v[USED];

    if (v[SUBMIT] < 0 || v[RUN] < 0) {
        t->negative++;
        return;
    }
    if (v[SUBMIT] > TRACE_SUBMIT_S_MAX) {
        t->too_late++;
        return;
    }
    if (procs <= 0) {
        t->no_procs++;
        return;
    }
    j.procs = capped(procs, UINT32_MAX);
    j.run_s = capped(v[RUN], TRACE_LIMIT_S_MAX);
    j.limit_s = capped(v[LIMIT], TRACE_LIMIT_S_MAX);
    t->clipped += v[LIMIT] > (int64_t)TRACE_LIMIT_S_MAX || v[RUN] > (int64_t)TRACE_LIMIT_S_MAX;
    if (v[LIMIT] <= 0)
        t->no_limit++;
    else
        t->raised += j.limit_s < j.run_s;
    j.limit_s = TD_MAX(TD_MAX(j.limit_s, j.run_s), 1u);
    j.user = capped(v[USER], UINT32_MAX - 1);
    j.app = capped(v[APP], UINT32_MAX - 1);
    j.wait_s = v[WAIT] < 0 ? TRACE_UNKNOWN : capped(v[WAIT], TRACE_UNKNOWN - 1);
    j.mem_kb = capped(v[WANTED_MEMORY], UINT32_MAX);
    if (ask->gpus_field)
        j.gpus = capped(v[ask->gpus_field - 1], UINT32_MAX);
    td_vec_push(&t->jobs, j);
}

static int by_submission(const void *a, const void *b)
{
    const struct trace_job *x = a, *y = b;

    return x->submit_s < y->submit_s ? -1 : x->submit_s > y->submit_s;
}

/* Merge sort of the C library (mergesort is not in it) would do; qsort of glibc is stable while memory lasts, which is
 * not promised. So ties are told by place. */
struct placed {
    struct trace_job job;
    uint32_t at;
};
static int by_place(const void *a, const void *b)
{
    const struct placed *x = a, *y = b;
    int r = by_submission(&x->job, &y->job);

    return r ? r : x->at < y->at ? -1 : 1;
}

static void sort(struct trace *t)
{
    for (uint32_t i = 1; i < t->jobs.n; i++)
        t->unsorted += t->jobs.v[i].submit_s < t->jobs.v[i - 1].submit_s;
    if (!t->unsorted)
        return;
    struct placed *v = td_alloc(t->jobs.n * sizeof(*v));
    for (uint32_t i = 0; i < t->jobs.n; i++)
        v[i] = (struct placed){t->jobs.v[i], i};
    qsort(v, t->jobs.n, sizeof(*v), by_place);
    for (uint32_t i = 0; i < t->jobs.n; i++)
        t->jobs.v[i] = v[i].job;
    td_free(v);
}

static int drop_too_large(const char *path, struct trace *t, uint32_t procs, struct td_error *err)
{
    uint32_t n = 0;

    if (!procs)
        procs = t->procs_max;
    if (!procs)
        return td_fail(err, TD_E_USAGE, "%s does not say how large its machine is (MaxProcs): give --procs N", path);
    for (uint32_t i = 0; i < t->jobs.n; i++) {
        if (t->jobs.v[i].procs <= procs)
            t->jobs.v[n++] = t->jobs.v[i];
    }
    t->too_large = t->jobs.n - n;
    t->jobs.n = n;
    t->procs_max = procs;
    if (!n)
        return td_fail(err, TD_E_INVALID_REQUEST, "%s: no job in it could run on %u processors", path, procs);
    return 0;
}

static int read_lines(const char *path, gzFile f, const struct trace_ask *ask, struct trace *t, struct td_error *err)
{
    char line[LINE_BYTES];
    uint32_t most = ask->jobs_max ? ask->jobs_max : TRACE_JOBS_MAX;

    while (gzgets(f, line, sizeof(line))) {
        int64_t v[FIELDS];
        size_t len = strlen(line);
        t->lines++;
        if (len + 1 == sizeof(line) && line[len - 1] != '\n')
            return td_fail(err, TD_E_INVALID_REQUEST, "%s: line %u is longer than %d bytes", path, t->lines, LINE_BYTES - 2);
        if (line[strspn(line, " \t")] == ';') {
            remark(t, line);
            continue;
        }
        for (int i = 0; i < FIELDS; i++)
            v[i] = -1;
        int n = numbers(line, v);
        if (n == 0)
            continue;
        if (n <= RUN || n <= USED)
            return td_fail(err, TD_E_INVALID_REQUEST, n < 0 ? "%s: line %u has something that is no number"
                                                           : "%s: line %u has fewer than 5 fields", path, t->lines);
        if (t->jobs.n == most)
            return td_fail(err, TD_E_TOO_BIG, "%s: more than %u jobs, the most a simulation takes", path, most);
        take(t, ask, v);
    }
    int code;
    const char *why = gzerror(f, &code);
    if (code != Z_OK && code != Z_STREAM_END)
        return td_fail(err, TD_E_IO, "cannot read %s: %s", path, code == Z_ERRNO ? strerror(errno) : why);
    return 0;
}

int trace_finish(const char *path, uint32_t procs, struct trace *t, struct trace *ret, struct td_error *err)
{
    int r = drop_too_large(path, t, procs, err);

    if (r < 0) {
        trace_release(t);
        return r;
    }
    sort(t);
    *ret = *t;
    return 0;
}

int trace_read(const char *path, const struct trace_ask *ask, struct trace *ret, struct td_error *err)
{
    struct trace t = {0};
    gzFile f = gzopen(path, "rb");

    if (!f)
        return td_fail(err, TD_E_IO, "cannot read %s: %s", path, strerror(errno));
    gzbuffer(f, 1u << 18);
    int r = read_lines(path, f, ask, &t, err);
    gzclose_r(f);
    if (r < 0) {
        trace_release(&t);
        return r;
    }
    return trace_finish(path, ask->procs, &t, ret, err);
}

void trace_release(struct trace *t)
{
    td_vec_release(&t->jobs);
}

void trace_part(struct trace *t, uint32_t from, uint32_t n)
{
    from = TD_MIN(from, t->jobs.n);
    n = TD_MIN(n, t->jobs.n - from);
    for (uint32_t i = 0; i < n; i++)
        t->jobs.v[i] = t->jobs.v[from + i];
    t->jobs.n = n;
}

void trace_estimate(struct trace *t, enum trace_estimates how)
{
    for (uint32_t i = 0; i < t->jobs.n && how != TRACE_USER; i++) {
        struct trace_job *j = &t->jobs.v[i];
        uint64_t run = how == TRACE_DOUBLE ? 2 * (uint64_t)j->run_s : j->run_s;
        j->limit_s = (uint32_t)TD_MAX(TD_MIN(run, (uint64_t)TRACE_LIMIT_S_MAX), (uint64_t)1);
    }
}

void trace_report(const struct trace *t, struct td_buf *out)
{
    const struct {
        uint32_t n;
        const char *what;
    } said[] = {
        {t->no_procs, "dropped: no number of processors"},
        {t->negative, "dropped: negative submission or run time"},
        {t->too_late, "dropped: submitted after more than 3000 years"},
        {t->too_large, "dropped: larger than the machine"},
        {t->not_run, "dropped: never started"},
        {t->damaged, "dropped: damaged in the journal (tender journal verify says more)"},
        {t->raised, "limit raised to the run time"},
        {t->no_limit, "without a limit: the run time is taken"},
        {t->clipped, "times cut to 1000000000 s"},
        {t->unsorted, "out of order: sorted"},
    };

    for (size_t i = 0; i < TD_ARRAY_LEN(said); i++) {
        if (said[i].n)
            td_buf_putf(out, "%u job%s %s\n", said[i].n, said[i].n == 1 ? "" : "s", said[i].what);
    }
}

int trace_write(const char *path, const struct trace *t, const struct sim_job *jobs, const char *how, struct td_error *err)
{
    size_t len = strlen(path);
    bool gz = len > 3 && strcmp(path + len - 3, ".gz") == 0;
    gzFile f = gzopen(path, gz ? "wb" : "wbT");

    if (!f)
        return td_fail(err, TD_E_IO, "cannot write %s: %s", path, strerror(errno));
    bool good = gzprintf(f, "; Version: 2.2\n; MaxProcs: %u\n; Note: schedule made by tender sim %s\n", t->procs_max, how) > 0;
    for (uint32_t i = 0; i < t->jobs.n && good; i++) {
        const struct trace_job *j = &t->jobs.v[i];
        const struct sim_job *s = &jobs[i];
        good = gzprintf(f, "%u %lld %lld %u %u -1 -1 %u %u -1 1 %lld -1 %lld -1 -1 -1 -1\n", j->id, (long long)j->submit_s,
                        (long long)(s->start_s < 0 ? -1 : s->start_s - j->submit_s), j->run_s, j->procs, j->procs, j->limit_s,
                        j->user ? (long long)j->user : -1LL, j->app ? (long long)j->app : -1LL) > 0;
    }
    if (gzclose_w(f) != Z_OK || !good)
        return td_fail(err, TD_E_IO, "cannot write %s: %s", path, strerror(errno));
    return 0;
}
