/* main.c - sim-run [--verbose | --trace] FIRST [COUNT]: seeded runs; a failing seed prints itself and is kept as a golden line */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "world.h"

static void assert_words(const char *file, int line, const char *what)
{
    fprintf(stderr, "%s:%d: assertion failed: %s\n", file, line, what);
}

static uint64_t current;

static bool trace;

static uint64_t job_steps, cut_offs;

static int run_one(uint64_t seed, bool verbose, uint64_t *ret_steps)
{
    static struct sim s;
    int bad;

    current = seed;
    sim_run(&s, seed, verbose, trace);
    *ret_steps += s.steps;
    job_steps += s.job_steps;
    cut_offs += s.cut_offs;
    bad = sim_failed(&s);
    if (bad)
        printf("seed %" PRIu64 ": %s (at %.3f s, step %" PRIu64 ")\n", seed, s.failure, (double)(s.now - SIM_T0) / 1000.0, s.steps);
    sim_release(&s);
    return bad;
}

/* A file of seeds, one a line, # comments. */
static int run_golden(const char *path, uint64_t *ret_steps, uint64_t *ret_count)
{
    char line[128];
    int bad = 0;
    FILE *f = fopen(path, "r");

    if (!f) {
        fprintf(stderr, "sim-run: cannot read %s\n", path);
        return 1;
    }
    while (fgets(line, sizeof(line), f)) {
        if (line[0] == '#' || line[0] == '\n')
            continue;
        bad += run_one(strtoull(line, NULL, 10), false, ret_steps);
        (*ret_count)++;
    }
    fclose(f);
    return bad;
}

static void say_seed(const char *file, int line, const char *what)
{
    assert_words(file, line, what);
    fprintf(stderr, "seed %" PRIu64 ": the assertion above\n", current);
}

int main(int argc, char **argv)
{
    trace = argc > 1 && strcmp(argv[1], "--trace") == 0;
    bool verbose = trace || (argc > 1 && strcmp(argv[1], "--verbose") == 0);
    uint64_t steps = 0, count = 1, first, done = 0;
    int bad = 0;

    td_assert_hook = say_seed;
    argc -= verbose;
    argv += verbose;
    if (argc == 3 && strcmp(argv[1], "--golden") == 0) {
        bad = run_golden(argv[2], &steps, &done);
    } else if (argc == 2 || argc == 3) {
        first = strtoull(argv[1], NULL, 10);
        if (argc == 3)
            count = strtoull(argv[2], NULL, 10);
        for (uint64_t i = 0; i < count && bad < 10; i++, done++)
            bad += run_one(first + i, verbose, &steps);
    } else {
        fprintf(stderr, "usage: sim-run [--verbose | --trace] FIRST-SEED [COUNT] | --golden FILE\n");
        return 2;
    }
    printf("%" PRIu64 " runs, %" PRIu64 " steps (%" PRIu64 " steps of jobs started, %" PRIu64 " attempts cut off), %d failed\n", done, steps, job_steps, cut_offs, bad);
    return bad ? 1 : 0;
}
