/* ask.c - what the options of tender sim ask for, or why they do not go together */
#include <stdio.h>
#include <string.h>

#include "broker/sim/journal.h"
#include "parts.h"

int ask_trace(const char *path, const struct trace_ask *ask, struct trace *ret, struct td_error *err)
{
    char dir[TD_MAX_PATH_BYTES];

    if (!trace_is_journal(path, dir, sizeof(dir)))
        return trace_read(path, ask, ret, err);
    if (ask->gpus_field)
        return td_fail(err, TD_E_USAGE, "--gpus-from is for traces: a journal knows the GPUs of its jobs");
    return trace_read_journal(dir, ask, ret, err);
}

static const char *const published[] = {[PUBLISHED_FCFS] = "rl-fcfs", [PUBLISHED_SJF] = "rl-sjf", [PUBLISHED_F1] = "rl-f1"};

bool ask_published(const struct sim_options *o, enum published_order *ret)
{
    for (uint32_t i = 0; o->policy && i < TD_ARRAY_LEN(published); i++) {
        if (strcmp(o->policy, published[i]) == 0) {
            *ret = (enum published_order)i;
            return true;
        }
    }
    return false;
}

const char *ask_policy_name(const struct sim_options *o, const struct sim_cluster *c)
{
    bool own = c->own && !o->policy && !o->order && !td_str_empty(c->loaded.settings.backfill);

    return o->policy ? o->policy : own ? c->loaded.settings.backfill : "tender";
}

int ask_policy(const struct sim_options *o, const struct sim_cluster *c, struct sim_conf *ret, struct td_error *err)
{
    static const char *const known[] = {"fifo", "easy", "sjbf", "conservative", "tender"};
    const char *policy = ask_policy_name(o, c), *order = o->order ? o->order : "priority";
    enum published_order rules;

    *ret = (struct sim_conf){.policy = policy, .depth = c->own && !o->policy && !o->order ? c->loaded.settings.depth : 0};
    if (strcmp(order, "priority") != 0 && strcmp(order, "free") != 0)
        return td_fail(err, TD_E_USAGE, "--order is priority or free, not '%s'", order);
    ret->free_order = strcmp(order, "free") == 0;
    if (o->order && strcmp(policy, "tender") != 0)
        return td_fail(err, TD_E_USAGE, "--order is for --policy tender: %s keeps the order of the queue", policy);
    if (strncmp(policy, "depth=", 6) == 0 && !o->rl_backfill) {
        uint64_t depth;
        if (!td_parse_u64(policy + 6, &depth) || depth < 1 || depth > UINT32_MAX)
            return td_fail(err, TD_E_USAGE, "--policy depth=N: N is the number of jobs with a reservation, not '%s'", policy + 6);
        *ret = (struct sim_conf){.policy = "easy", .depth = (uint32_t)depth};
        return 0;
    }
    if (ask_published(o, &rules))
        return 0;
    if (o->rl_backfill)
        return td_fail(err, TD_E_USAGE, "--rl-backfill is for rl-fcfs, rl-sjf and rl-f1");
    for (size_t i = 0; i < TD_ARRAY_LEN(known); i++) {
        if (strcmp(policy, known[i]) == 0)
            return 0;
    }
    return td_fail(err, TD_E_USAGE, "there is no policy '%s' (fifo, easy, sjbf, conservative, depth=N, tender, rl-fcfs, rl-sjf, rl-f1)", policy);
}

int ask_estimates(const struct sim_options *o, enum trace_estimates *ret, struct td_error *err)
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

int ask_part(const struct sim_options *o, struct trace *t, struct td_error *err)
{
    const char *plus = o->part ? strchr(o->part, '+') : NULL;
    uint64_t first = 0, n = 0;
    char word[16];

    if (!o->part)
        return 0;
    snprintf(word, sizeof(word), "%.*s", plus ? (int)TD_MIN(plus - o->part, 15) : 0, o->part);
    if (!plus || !td_parse_u64(word, &first) || !td_parse_u64(plus + 1, &n) || !first || !n || first > UINT32_MAX || n > UINT32_MAX)
        return td_fail(err, TD_E_USAGE, "--part is FIRST+N, as 1982+1024, not '%s'", o->part);
    if (first - 1 + n > t->jobs.n)
        return td_fail(err, TD_E_INVALID_REQUEST, "--part %s: there are %u jobs", o->part, t->jobs.n);
    trace_part(t, (uint32_t)first - 1, (uint32_t)n);
    return 0;
}

int ask_together(const struct sim_options *o, const struct sim_cluster *c, struct td_error *err)
{
    struct sim_conf conf;
    enum published_order rules;
    bool nodes = o->conf || o->topology.n;
    int r = ask_policy(o, c, &conf, err);

    if (r < 0)
        return r;
    if (nodes && ask_published(o, &rules))
        return td_fail(err, TD_E_USAGE, "%s knows processors alone: it goes with --procs", o->policy);
    if (o->gpus_from && !nodes)
        return td_fail(err, TD_E_USAGE, "--gpus-from goes with --conf or --topology: equal processors have no GPUs");
    if (o->gpus_from > TRACE_FIELDS_MAX)
        return td_fail(err, TD_E_USAGE, "--gpus-from: a trace has at most %d fields", TRACE_FIELDS_MAX);
    return 0;
}

bool ask_is_of_a_run(const struct sim_options *o)
{
    bool machine = o->procs || o->conf || o->partition || o->qos || o->topology.n || o->gpus_from;
    bool how = o->policy || o->order || o->estimates || o->part || o->rl_backfill;

    return machine || how || o->swf || o->plot || o->metrics;
}
