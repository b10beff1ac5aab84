/* bench_submit.c - fills the queue: COUNT held jobs of one connection, so that a queue of 10,000 takes seconds to make
 *
 * bench-submit COUNT   to the cluster of $SLURM_CONF */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "conf/conf.h"
#include "local/local.h"

int main(int argc, char **argv)
{
    struct td_conf_place place;
    struct td_error err = {0};
    struct td_call call;
    struct td_arena a = {0};
    struct td_frame f;
    struct td_job_need need = {.ntasks = 1};
    static const uint8_t script[] = "#!/bin/sh\ntrue\n";
    struct td_submit m = {.spec = {.name = "fill", .needs = {&need, 1}, .work_dir = "/tmp", .hold = true, .std_out = "/dev/null"},
                          .script = {script, sizeof(script) - 1}};
    char key[64];

    if (argc != 2) {
        fprintf(stderr, "usage: bench-submit COUNT\n");
        return 2;
    }
    if (td_conf_find(getenv("SLURM_CONF"), getenv("HOME"), NULL, getuid(), &place, &err) < 0 ||
        td_call_open(place.socket, 30000, &call, &err) < 0) {
        fprintf(stderr, "bench-submit: %s\n", err.text);
        return 1;
    }
    for (long i = 0; i < strtol(argv[1], NULL, 10); i++) {
        snprintf(key, sizeof(key), "fill-%d-%ld", (int)getpid(), i);
        m.client_key = key;
        if (td_call(&call, TD_MSG_SUBMIT, &m, &a, &f, &err) < 0) {
            fprintf(stderr, "bench-submit: job %ld: %s\n", i, err.text);
            return 1;
        }
        td_arena_reset(&a);
    }
    td_call_close(&call);
    td_arena_release(&a);
    return 0;
}
