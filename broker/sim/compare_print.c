/* compare_print.c - a comparison as a table for people, and as JSON */
#include <stdarg.h>
#include <stdio.h>

#include "compare.h"

static void put(struct td_buf *out, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void put(struct td_buf *out, const char *fmt, ...)
{
    char text[256];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    td_buf_puts(out, text);
}

static uint32_t class_from(uint32_t most)
{
    return most == UINT32_MAX ? (1u << 31) + 1 : most / 2 + 1;
}

/* --- for people ---------------------------------------------------------------------------------------------------- */

static void figure(struct td_buf *out, const char *what, double a, double b, int digits)
{
    put(out, "%-24s %14.*f %14.*f", what, digits, a, digits, b);
    if (a > 0)
        put(out, " %+8.1f %%", (b - a) / a * 100);
    td_buf_putc(out, '\n');
}

static void table_head(struct td_buf *out, const char *what)
{
    put(out, "\n%-24s %9s %9s %9s %12s %12s %12s %12s\n", what, "jobs", "less", "more", "mean A, s", "mean B, s", "median A, s", "median B, s");
}

static void table_row(struct td_buf *out, const char *name, const struct compare_group *g)
{
    put(out, "%-24s %9u %9u %9u %12.0f %12.0f %12.0f %12.0f\n", name, g->jobs, g->less, g->more, g->mean[0], g->mean[1], g->median[0],
        g->median[1]);
}

static void people(struct td_buf *out, const struct compare_change *c, const char *how)
{
    if (!c->jobs)
        return;
    put(out, "\nmuch %s in B\n", how);
    for (uint32_t i = 0; i < c->nmost; i++) {
        const struct compare_job *j = &c->most[i];
        put(out, "  job %u of user %u, %u processor%s: %u s in A, %u s in B\n", j->id, j->user, j->procs, j->procs == 1 ? "" : "s", j->wait[0],
            j->wait[1]);
    }
}

static void left_out(const struct sim_compare *c, struct td_buf *out)
{
    const struct {
        uint32_t n;
        const char *what;
    } said[] = {{c->only[0], "only in A"},
                {c->only[1], "only in B"},
                {c->differ, "left out: of one number, but submitted, run or sized otherwise"},
                {c->unknown, "left out: no wait is given"}};

    for (size_t i = 0; i < TD_ARRAY_LEN(said); i++) {
        if (said[i].n)
            put(out, "%u %s\n", said[i].n, said[i].what);
    }
}

void sim_compare_print(const struct sim_compare *c, struct td_buf *out)
{
    const struct compare_side *a = &c->side[0], *b = &c->side[1];
    char name[64];

    put(out, "%u job%s in both\n", c->jobs, c->jobs == 1 ? "" : "s");
    left_out(c, out);
    if (!c->jobs)
        return;
    put(out, "%u wait less in B: %.0f s less in the mean, %.0f s in the median\n", c->less.jobs, c->less.mean, c->less.median);
    put(out, "%u wait more in B: %.0f s more in the mean, %.0f s in the median\n", c->more.jobs, c->more.mean, c->more.median);
    put(out, "%u wait as long\n\n%-24s %14s %14s\n", c->jobs - c->less.jobs - c->more.jobs, "", "A", "B");
    figure(out, "mean wait, s", a->mean_wait, b->mean_wait, 1);
    figure(out, "median wait, s", a->median_wait, b->median_wait, 0);
    figure(out, "99 of 100 within, s", a->p99_wait, b->p99_wait, 0);
    figure(out, "longest wait, s", a->max_wait, b->max_wait, 0);
    figure(out, "mean bounded slowdown", a->avebsld, b->avebsld, 2);
    table_head(out, "processors");
    for (uint32_t i = 0; i < c->sizes.n; i++) {
        uint32_t most = c->sizes.v[i].key, least = class_from(most);
        snprintf(name, sizeof(name), least < most ? "%u-%u" : "%u", least, most);
        table_row(out, name, &c->sizes.v[i]);
    }
    table_head(out, c->users.n > COMPARE_LISTED ? "user (most changed)" : "user");
    for (uint32_t i = 0; i < c->users.n && i < COMPARE_LISTED; i++) {
        snprintf(name, sizeof(name), c->users.v[i].key ? "%u" : "unknown", c->users.v[i].key);
        table_row(out, name, &c->users.v[i]);
    }
    people(out, &c->less, "sooner");
    people(out, &c->more, "later");
}

/* --- JSON ---------------------------------------------------------------------------------------------------------- */

static void json_group(struct td_buf *out, const struct compare_group *g)
{
    put(out, "\"jobs\":%u,\"less\":%u,\"more\":%u,\"mean_wait\":[%.3f,%.3f],\"median_wait\":[%.0f,%.0f]}", g->jobs, g->less, g->more, g->mean[0],
        g->mean[1], g->median[0], g->median[1]);
}

static void json_change(struct td_buf *out, const char *name, const struct compare_change *c)
{
    put(out, ",\"%s\":{\"jobs\":%u,\"mean\":%.3f,\"median\":%.0f,\"most\":[", name, c->jobs, c->mean, c->median);
    for (uint32_t i = 0; i < c->nmost; i++) {
        const struct compare_job *j = &c->most[i];
        put(out, "%s{\"job\":%u,\"user\":%u,\"procs\":%u,\"wait\":[%u,%u]}", i ? "," : "", j->id, j->user, j->procs, j->wait[0], j->wait[1]);
    }
    td_buf_puts(out, "]}");
}

void sim_compare_json(const struct sim_compare *c, struct td_buf *out)
{
    put(out, "{\"jobs\":%u,\"only\":[%u,%u],\"differ\":%u,\"unknown\":%u,\"sides\":[", c->jobs, c->only[0], c->only[1], c->differ, c->unknown);
    for (int s = 0; s < 2; s++) {
        const struct compare_side *x = &c->side[s];
        put(out, "%s{\"mean_wait\":%.3f,\"median_wait\":%.0f,\"p99_wait\":%.0f,\"max_wait\":%.0f,\"avebsld\":%.6f}", s ? "," : "", x->mean_wait,
            x->median_wait, x->p99_wait, x->max_wait, x->avebsld);
    }
    td_buf_putc(out, ']');
    json_change(out, "less", &c->less);
    json_change(out, "more", &c->more);
    td_buf_puts(out, ",\"sizes\":[");
    for (uint32_t i = 0; i < c->sizes.n; i++) {
        put(out, "%s{\"procs\":[%u,%u],", i ? "," : "", class_from(c->sizes.v[i].key), c->sizes.v[i].key);
        json_group(out, &c->sizes.v[i]);
    }
    td_buf_puts(out, "],\"users\":[");
    for (uint32_t i = 0; i < c->users.n; i++) {
        put(out, "%s{\"user\":%u,", i ? "," : "", c->users.v[i].key);
        json_group(out, &c->users.v[i]);
    }
    td_buf_puts(out, "]}\n");
}
