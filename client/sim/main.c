/* main.c - tender-sim: what `tender sim` runs */
#include "sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "broker/sim/metrics.h"
#include "broker/sim/run.h"
#include "say.h"

struct bar {
    uint32_t of, percent;
};

static void progress(void *ctx, uint32_t ended)
{
    struct bar *b = ctx;
    uint32_t percent = (uint32_t)((uint64_t)ended * 100 / b->of);

    if (percent == b->percent)
        return;
    b->percent = percent;
    fprintf(stderr, "\r%3u %% [%-50.*s] %u of %u jobs", percent, (int)(percent / 2), "##################################################", ended, b->of);
}

static int policy_of(const struct sim_options *o, struct sim_conf *ret, struct td_error *err)
{
    static const char *const known[] = {"fifo", "easy", "sjbf", "conservative", "tender"};
    const char *policy = o->policy ? o->policy : "tender", *order = o->order ? o->order : "priority";

    *ret = (struct sim_conf){.policy = policy, .depth = 0};
    if (strcmp(order, "priority") != 0 && strcmp(order, "free") != 0)
        return td_fail(err, TD_E_USAGE, "--order is priority or free, not '%s'", order);
    if (o->order && strcmp(policy, "tender") != 0)
        return td_fail(err, TD_E_USAGE, "--order is for --policy tender: %s keeps the order of the queue", policy);
    if (strncmp(policy, "depth=", 6) == 0) {
        uint64_t depth;
        if (!td_parse_u64(policy + 6, &depth) || depth < 1 || depth > UINT32_MAX)
            return td_fail(err, TD_E_USAGE, "--policy depth=N: N is the number of jobs with a reservation, not '%s'", policy + 6);
        *ret = (struct sim_conf){.policy = "easy", .depth = (uint32_t)depth};
        return 0;
    }
    for (size_t i = 0; i < TD_ARRAY_LEN(known); i++) {
        if (strcmp(policy, known[i]) == 0)
            return 0;
    }
    return td_fail(err, TD_E_USAGE, "there is no policy '%s' (fifo, easy, sjbf, conservative, depth=N, tender)", policy);
}

static int estimates_of(const struct sim_options *o, enum trace_estimates *ret, struct td_error *err)
{
    static const char *const words[] = {"user", "exact", "double"};

    for (uint32_t i = 0; i < TD_ARRAY_LEN(words); i++) {
        if (strcmp(o->estimates ? o->estimates : "user", words[i]) == 0) {
            *ret = (enum trace_estimates)i;
            return 0;
        }
    }
    return td_fail(err, TD_E_USAGE, "--estimates is user, exact or double, not '%s'", o->estimates);
}

static void print(const struct sim_options *o, const struct trace *t, const struct sim_result *r)
{
    struct sim_metrics m;
    struct td_buf out = {0};

    sim_metrics_make(t, r->jobs, &m);
    if (o->metrics) {
        sim_metrics_print(&m, &out);
    } else {
        char text[512];
        snprintf(text, sizeof(text), "%u jobs on %u processors: mean wait %.0f s, 99 of 100 within %.0f s, longest %.0f s\n"
                 "mean bounded slowdown %.2f, use %.1f %%, from first submission to last end %.0f s\n",
                 m.jobs, t->procs_max, m.mean_wait, m.p99_wait, m.max_wait, m.avebsld, m.utilisation * 100, m.makespan);
        td_buf_puts(&out, text);
    }
    say_out(&out);
    td_buf_release(&out);
}

static int run(const struct sim_options *o, const char *path, struct td_error *err)
{
    struct sim_conf conf;
    enum trace_estimates estimates = TRACE_USER;
    struct trace t = {0};
    struct sim_result result = {0};
    int r = policy_of(o, &conf, err);

    if (r == 0)
        r = estimates_of(o, &estimates, err);
    if (r == 0)
        r = trace_read(path, o->procs, &t, err);
    if (r < 0)
        return r;
    if (!o->quiet) {
        struct td_buf remarks = {0};
        trace_report(&t, &remarks);
        if (remarks.len)
            say_plain("%.*s", (int)remarks.len - 1, td_buf_str(&remarks));
        td_buf_release(&remarks);
    }
    trace_estimate(&t, estimates);
    struct bar bar = {t.jobs.n, UINT32_MAX};
    bool shown = !o->quiet && isatty(STDERR_FILENO);
    struct sim_machine *m = sim_plain_new(t.procs_max);
    r = sim_run(&t, &conf, m, shown ? progress : NULL, &bar, &result, err);
    m->ops->destroy(m);
    if (shown)
        fprintf(stderr, "\r\033[K");
    if (r == 0)
        print(o, &t, &result);
    if (r == 0 && o->swf)
        r = trace_write(o->swf, &t, result.jobs, conf.policy, err);
    sim_result_release(&result);
    trace_release(&t);
    return r;
}

int main(int argc, char **argv)
{
    static const struct command cmd = {.name = "tender sim", .synopsis = "TRACE [OPTIONS]", .summary = "schedule a recorded workload on virtual time",
                                       .options = sim_option_rows, .usage_exit = 1};
    struct td_arena arena = {0};
    struct sim_options o = {0};
    struct option_parse p = {.cmd = &cmd, .target = &o, .arena = &arena};
    struct td_error err = {0};

    say_name = "tender sim";
    int r = option_parse(&p, argc, argv, &err);
    if (r == 0 && p.words.n != 1)
        r = td_fail(&err, TD_E_USAGE, p.words.n ? "one trace at a time" : "which trace?");
    if (r == 0)
        r = run(&o, p.words.v[0], &err);
    if (r < 0)
        say_error("%s", err.text);
    option_parse_release(&p);
    td_arena_release(&arena);
    return r < 0 ? 1 : 0;
}
