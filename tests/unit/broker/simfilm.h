/* simfilm.h - traces out of text, for the tests of the simulator */
#ifndef TD_SIMFILM_H
#define TD_SIMFILM_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "broker/sim/metrics.h"
#include "broker/sim/run.h"

/* path: 64 bytes; the caller unlinks it. */
static inline void write_text(char *path, const char *text)
{
    strcpy(path, "/tmp/tender-sim-XXXXXX");
    int fd = mkstemp(path);
    FILE *f = fdopen(fd, "w");

    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static inline int read_text(const char *text, uint32_t procs, struct trace *t, struct td_error *err)
{
    char path[64];

    write_text(path, text);
    int r = trace_read(path, &(struct trace_ask){.procs = procs}, t, err);
    unlink(path);
    return r;
}

static inline void simulate(const struct trace *t, const char *policy, bool free_order, struct sim_result *ret)
{
    struct sim_conf conf = {.policy = policy, .free_order = free_order};
    struct td_error err = {0};
    struct sim_machine *m = sim_plain_new(t->procs_max);

    if (sim_run(t, &conf, m, NULL, NULL, ret, &err) < 0)
        fail_msg("%s: %s", policy, err.text);
    m->ops->destroy(m);
}

static inline void random_trace(struct trace *t, uint64_t seed, uint32_t n, uint32_t procs)
{
    struct td_rng rng = {seed};
    int64_t at = 0;

    *t = (struct trace){.procs_max = procs};
    for (uint32_t i = 0; i < n; i++) {
        struct trace_job j = {.id = i + 1, .procs = 1 + td_rng_below(&rng, td_rng_below(&rng, 4) ? procs / 4 : procs), .user = 1 + td_rng_below(&rng, 5)};
        at += td_rng_below(&rng, 3) ? td_rng_below(&rng, 40) : 0;
        j.submit_s = at;
        j.limit_s = 1 + td_rng_below(&rng, 300);
        j.run_s = 1 + td_rng_below(&rng, td_rng_below(&rng, 3) ? j.limit_s : 20);
        j.run_s = TD_MIN(j.run_s, j.limit_s);
        td_vec_push(&t->jobs, j);
    }
}

static inline void never_more_than_there_is(const struct trace *t, const struct sim_result *r, const char *policy)
{
    for (uint32_t i = 0; i < t->jobs.n; i++) {
        uint64_t used = 0;
        int64_t at = r->jobs[i].start_s;
        assert_true(at >= t->jobs.v[i].submit_s);
        for (uint32_t k = 0; k < t->jobs.n; k++)
            if (r->jobs[k].start_s <= at && r->jobs[k].end_s > at)
                used += t->jobs.v[k].procs;
        if (used > t->procs_max)
            fail_msg("%s: %llu processors in use at %lld", policy, (unsigned long long)used, (long long)at);
    }
}

/* --- what lies beside the repository: ../shared/data or $TENDER_SHARED/data ----------------------------------------- */

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

static inline bool shared_path(const char *name, char *path, size_t cap)
{
    const char *shared = getenv("TENDER_SHARED");

    snprintf(path, cap, "%s/data/%s", shared ? shared : TD_SOURCE_DIR "/../shared", name);
    if (access(path, R_OK) == 0)
        return true;
    print_message("skipped: %s is not here\n", path);
    return false;
}

#endif
