/* metrics.c - figures of a schedule */
#include "metrics.h"

#include <stdio.h>
#include <stdlib.h>

#define BOUND_S 10

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return x < y ? -1 : x > y;
}

void sim_sort(int64_t *v, uint32_t n)
{
    qsort(v, n, sizeof(*v), by_value);
}

double sim_percentile(const int64_t *v, uint32_t n, uint32_t percent)
{
    uint64_t rank = ((uint64_t)n * percent + 99) / 100;

    return n ? (double)v[rank ? rank - 1 : 0] : 0;
}

double sim_slowdown(uint32_t run_s, int64_t wait_s)
{
    double s = ((double)wait_s + run_s) / (double)TD_MAX(run_s, (uint32_t)BOUND_S);

    return TD_MAX(s, 1.0);
}

static void promises(const struct trace *t, const struct sim_job *jobs, int64_t *work, struct sim_metrics *m)
{
    uint32_t n = 0, hit = 0, given = 0;

    for (uint32_t i = 0; i < t->jobs.n; i++) {
        const struct sim_job *s = &jobs[i];
        if (s->by_s < 0)
            continue;
        m->promises_given++;
        m->promises_kept += s->start_s <= s->by_s;
        m->promises_excused += s->start_s > s->by_s && s->excused;
        work[n++] = s->by_s - s->start_s;
    }
    sim_sort(work, n);
    m->promise_slack = sim_percentile(work, n, 50);
    n = 0;
    for (uint32_t i = 0; i < t->jobs.n; i++) {
        const struct sim_job *s = &jobs[i];
        if (s->likely_to_s < 0)
            continue;
        given++;
        hit += s->start_s >= s->likely_from_s && s->start_s <= s->likely_to_s;
        work[n++] = s->likely_to_s - s->likely_from_s;
    }
    sim_sort(work, n);
    m->likely_coverage = given ? (double)hit / given : -1;
    m->likely_width = sim_percentile(work, n, 50);
}

void sim_metrics_make(const struct trace *t, const struct sim_job *jobs, struct sim_metrics *ret)
{
    uint32_t n = t->jobs.n;
    int64_t *waits = td_alloc((n + 1) * sizeof(*waits)), last = 0;
    double bsld = 0, wait = 0, flow = 0, work = 0;
    struct sim_metrics m = {.jobs = n};

    for (uint32_t i = 0; i < n; i++) {
        const struct trace_job *j = &t->jobs.v[i];
        waits[i] = jobs[i].start_s - j->submit_s;
        double s = sim_slowdown(j->run_s, waits[i]);
        bsld += s;
        m.max_bsld = TD_MAX(m.max_bsld, s);
        wait += (double)waits[i];
        flow += (double)waits[i] + j->run_s;
        work += (double)j->procs * j->run_s;
        last = TD_MAX(last, jobs[i].end_s);
    }
    if (n) {
        m.avebsld = bsld / n;
        m.mean_wait = wait / n;
        m.mean_flow = flow / n;
        m.makespan = (double)(last - t->jobs.v[0].submit_s);
        m.utilisation = m.makespan > 0 ? work / (m.makespan * t->procs_max) : 0;
    }
    sim_sort(waits, n);
    m.p95_wait = sim_percentile(waits, n, 95);
    m.p99_wait = sim_percentile(waits, n, 99);
    m.max_wait = n ? (double)waits[n - 1] : 0;
    promises(t, jobs, waits, &m);
    td_free(waits);
    *ret = m;
}

static void figure(struct td_buf *out, const char *name, double v)
{
    char text[64];

    snprintf(text, sizeof(text), v == (double)(int64_t)v && v < 1e15 ? "%.0f" : "%.6f", v);
    td_buf_putf(out, "%s\"%s\":%s", out->len && td_buf_str(out)[out->len - 1] != '{' ? "," : "", name, text);
}

void sim_metrics_print(const struct sim_metrics *m, struct td_buf *out)
{
    struct td_buf b = {0};

    td_buf_putc(&b, '{');
    figure(&b, "jobs", m->jobs);
    figure(&b, "avebsld", m->avebsld);
    figure(&b, "max_bsld", m->max_bsld);
    figure(&b, "mean_wait", m->mean_wait);
    figure(&b, "p95_wait", m->p95_wait);
    figure(&b, "p99_wait", m->p99_wait);
    figure(&b, "max_wait", m->max_wait);
    figure(&b, "mean_flow", m->mean_flow);
    figure(&b, "utilisation", m->utilisation);
    figure(&b, "makespan", m->makespan);
    figure(&b, "promises_given", m->promises_given);
    figure(&b, "promises_kept", m->promises_kept);
    figure(&b, "promises_excused", m->promises_excused);
    figure(&b, "promise_slack", m->promise_slack);
    if (m->likely_coverage < 0) {
        td_buf_puts(&b, ",\"likely_coverage\":null,\"likely_width\":null");
    } else {
        figure(&b, "likely_coverage", m->likely_coverage);
        figure(&b, "likely_width", m->likely_width);
    }
    td_buf_puts(&b, "}\n");
    td_buf_puts(out, td_buf_str(&b));
    td_buf_release(&b);
}
