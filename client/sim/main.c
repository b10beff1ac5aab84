/* main.c - tender-sim: what `tender sim` runs */
#include "parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "broker/sim/metrics.h"
#include "broker/sim/plot.h"
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

/* By the core, or by somebody else's rules. */
static int schedule(const struct sim_options *o, const struct sim_cluster *c, const struct trace *t, struct sim_result *ret,
                    struct td_error *err)
{
    struct bar bar = {t->jobs.n, UINT32_MAX};
    bool shown = !o->quiet && isatty(STDERR_FILENO);
    enum published_order order;
    struct sim_conf conf;
    int r = ask_policy(o, c, &conf, err);

    if (r == 0 && ask_published(o, &order)) {
        *ret = (struct sim_result){.jobs = td_alloc((t->jobs.n + 1) * sizeof(*ret->jobs))};
        published_run(t, order, o->rl_backfill, ret->jobs);
        return 0;
    }
    if (r < 0)
        return r;
    conf.cluster = c->nodes.n ? &c->loaded : NULL;
    conf.partition = o->partition;
    conf.qos = o->qos;
    struct sim_machine *m = machine_new(c, t->procs_max);
    r = sim_run(t, &conf, m, shown ? progress : NULL, &bar, ret, err);
    if (shown)
        fprintf(stderr, "\r\033[K");
    const char *words;
    uint32_t away = c->nodes.n ? sim_agents_turned_away(m, &words) : 0;
    if (away)
        say_warning("%u of %u nodes take no part: %s", away, c->nodes.n, words);
    m->ops->destroy(m);
    return r;
}

static void remarks(const struct sim_options *o, const struct trace *t)
{
    struct td_buf text = {0};

    trace_report(t, &text);
    if (text.len && !o->quiet)
        say_plain("%.*s", (int)text.len - 1, td_buf_str(&text));
    td_buf_release(&text);
}

/* Those that did not run are said and taken out. */
static int leave_out(const struct sim_options *o, struct trace *t, struct sim_result *r, struct td_error *err)
{
    if (r->refused && !o->quiet)
        say_plain("%u job%s left out: turned down, the first one with: %s", r->refused, r->refused == 1 ? "" : "s", r->why);
    if (r->never && !o->quiet)
        say_plain("%u job%s left out: would wait for ever (%s)", r->never, r->never == 1 ? "" : "s", r->reason ? r->reason : "?");
    sim_result_settle(t, r);
    if (t->jobs.n)
        return 0;
    const char *why = r->refused ? r->why : r->reason;
    return td_fail(err, TD_E_INVALID_REQUEST, "no job of the trace can run there%s%s", why ? ": " : "", why ? why : "");
}

static int write_files(const struct sim_options *o, const struct sim_cluster *c, const char *path, const struct trace *t,
                       const struct sim_result *result, struct td_error *err)
{
    const char *policy = ask_policy_name(o, c), *slash = strrchr(path, '/');
    char title[512];
    int r = o->swf ? trace_write(o->swf, t, result->jobs, policy, err) : 0;

    if (r < 0 || !o->plot)
        return r;
    snprintf(title, sizeof(title), "%s, %s: %u jobs on %u processors", slash ? slash + 1 : path, policy, t->jobs.n, t->procs_max);
    return sim_plot_write(o->plot, t, result->jobs, title, err);
}

static int run_on(const struct sim_options *o, const struct sim_cluster *c, const char *path, struct td_error *err)
{
    enum trace_estimates estimates = TRACE_USER;
    struct trace_ask ask = {.procs = c->procs, .gpus_field = o->gpus_from};
    struct trace t = {0};
    struct sim_result result = {0};
    int r = ask_estimates(o, &estimates, err);

    if (r == 0)
        r = ask_trace(path, &ask, &t, err);
    if (r < 0)
        return r;
    remarks(o, &t);
    trace_estimate(&t, estimates);
    r = ask_part(o, &t, err);
    if (r == 0)
        r = schedule(o, c, &t, &result, err);
    if (r == 0)
        r = leave_out(o, &t, &result, err);
    if (r == 0)
        print(o, &t, &result);
    if (r == 0)
        r = write_files(o, c, path, &t, &result, err);
    sim_result_release(&result);
    trace_release(&t);
    return r;
}

static int run(const struct sim_options *o, const char *path, struct td_error *err)
{
    struct sim_cluster c = {0};
    int r = ask_together(o, &c, err);

    if (r == 0)
        r = machine_make(o, path, &c, err);
    if (r == 0 && (o->partition || o->qos) && !c.own)
        r = td_fail(err, TD_E_USAGE, "--partition and --qos are of a cluster's configuration: they go with --conf, or a journal");
    if (r == 0)
        r = run_on(o, &c, path, err);
    machine_release(&c);
    return r;
}

static int run_one(const struct sim_options *o, const char *const *words, uint32_t n, struct td_error *err)
{
    if (n != 1)
        return td_fail(err, TD_E_USAGE, n ? "one trace at a time" : "which trace?");
    if (o->json)
        return td_fail(err, TD_E_USAGE, "--json is for --compare: the figures of a run are --metrics");
    return run(o, words[0], err);
}

static int run_compare(const struct sim_options *o, const char *const *words, uint32_t n, struct td_error *err)
{
    if (n != 2)
        return td_fail(err, TD_E_USAGE, "--compare wants two schedules, A and B");
    if (ask_is_of_a_run(o))
        return td_fail(err, TD_E_USAGE, "--compare schedules nothing: it goes with --json alone");
    return compare_run(o, words[0], words[1], err);
}

int main(int argc, char **argv)
{
    static const struct command cmd = {.name = "tender sim", .synopsis = sim_synopsis, .summary = "schedule a recorded workload on virtual time",
                                       .about = sim_about, .options = sim_option_rows, .usage_exit = 1};
    struct td_arena arena = {0};
    struct sim_options o = {0};
    struct option_parse p = {.cmd = &cmd, .target = &o, .arena = &arena};
    struct td_error err = {0};

    say_name = "tender sim";
    int r = option_parse(&p, argc, argv, &err);
    if (r == 0)
        r = o.compare ? run_compare(&o, p.words.v, p.words.n, &err) : run_one(&o, p.words.v, p.words.n, &err);
    if (r < 0)
        say_error("%s", err.text);
    option_parse_release(&p);
    td_arena_release(&arena);
    return r < 0 ? 1 : 0;
}
