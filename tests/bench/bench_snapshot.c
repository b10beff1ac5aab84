/* bench_snapshot.c - how long the broker's loop stands still for a snapshot, and for the compaction after it
 *
 * bench-snapshot [JOBS]   waiting jobs, each a record of its own; in a folder under $TMPDIR or /tmp. Prints the longest
 *                         step of each kind: between two steps the loop looks at its doors */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "broker/shell.h"

static void die(const struct td_error *err)
{
    fprintf(stderr, "bench-snapshot: %s\n", err->text);
    exit(1);
}

/* Of our own, whoever else is on the machine. */
static int64_t cpu_us(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

static void submit(struct shell *s, uint32_t i)
{
    char script[128], name[32];
    const struct td_job_need need = {.ntasks = 1, .cpus_per_task = 1 + i % 4};
    snprintf(script, sizeof(script), "#!/bin/sh\n# %u\nexec train.sh\n", i % 1000);
    snprintf(name, sizeof(name), "train-%u", i);
    const struct td_submit m = {
        .spec = {.name = name, .needs = {&need, 1}, .work_dir = "/home/user/projects/resnet50/experiments", .limit_s = 600 + i % 50 * 60},
        .script = {(const uint8_t *)script, (uint32_t)strlen(script)},
        .env = {(const uint8_t *)"A=b", 3},
    };
    const struct shell_from from = {.peer = 99};
    struct td_buf frame = {0};
    td_wire_put_frame(&frame, TD_MSG_SUBMIT, i + 1, &m);
    shell_take_frame(s, &from, frame.data, frame.len);
    td_buf_release(&frame);
}

int main(int argc, char **argv)
{
    const uint32_t jobs = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 100000;
    const char *tmp = getenv("TMPDIR");
    char dir[256];
    struct td_error err = {0};
    struct shell *s = td_alloc(sizeof(*s));

    td_format(dir, sizeof(dir), "%s/td-bench-XXXXXX", tmp ? tmp : "/tmp");
    if (!mkdtemp(dir))
        return 1;
    s->ops = &td_store_sqlite;
    s->state_dir = td_strdup(dir);
    s->signal_fd = s->epoll_fd = s->listen_fd = -1;
    s->next_handle = SHELL_HANDLE_FIRST;
    s->log.fd = 2;
    if (shell_conf_load(s, &s->conf, &err) < 0 || s->ops->open(dir, false, &s->store, &err) < 0 || shell_core_rebuild(s, &err) < 0)
        die(&err);
    s->conf->low_space_mb = 0;
    s->conf->keep_events = 0; /* all that is behind goes: the most a compaction has to do */
    s->conf->snapshot_events = UINT32_MAX;
    shell_clock_start(&s->clock, shell_boot_us(), shell_wall_us(), td_core_time(s->core));
    if (shell_reign_begin(s, &err) < 0)
        die(&err);
    for (uint32_t i = 0; i < jobs; i++) {
        submit(s, i);
        if ((i % 500 == 499 || i + 1 == jobs) && shell_wake_end(s, &err) < 0)
            die(&err);
        if (i % 500 == 499)
            shell_rates_release(&s->rates); /* nobody asks so often: RequestRate */
    }
    struct td_core_sizes sizes;
    td_core_get_sizes(s->core, &sizes);
    TD_ASSERT(sizes.jobs == jobs); /* none was refused */
    for (int round = 0; round < 2; round++) { /* the second drops the records of the first */
        s->conf->snapshot_events = 1;
        static const char *const states[] = {"begin", "take", "compact"};
        int64_t longest[3] = {0}, most[3] = {0}, whole = shell_boot_us();
        uint32_t wakes = 0;
        do {
            if (s->snap.state == SHELL_SNAP_TAKING)
                poll(&(struct pollfd){.fd = s->snap.fd, .events = POLLIN}, 1, 1000);
            int state = (int)s->snap.state;
            int64_t from = shell_boot_us(), cpu = cpu_us();
            shell_snapshot_step(s);
            longest[state] = TD_MAX(longest[state], shell_boot_us() - from);
            most[state] = TD_MAX(most[state], cpu_us() - cpu);
            wakes++;
            s->conf->snapshot_events = UINT32_MAX;
        } while (s->snap.state != SHELL_SNAP_IDLE);
        printf("snapshot of %u jobs: %lld ms in all, in %u steps; the longest", jobs, (long long)(shell_boot_us() - whole) / 1000, wakes);
        for (int i = 0; i < 3; i++)
            printf(" %s %.1f ms (%.1f of CPU)", states[i], (double)longest[i] / 1000, (double)most[i] / 1000);
        int64_t from = shell_boot_us();
        uint64_t digest = td_core_digest(s->core);
        printf("; digest %.1f ms (%llx)\n", (double)(shell_boot_us() - from) / 1000, (unsigned long long)digest);
        s->conf->snapshot_events = UINT32_MAX;
        submit(s, jobs + (uint32_t)round);
        if (shell_wake_end(s, &err) < 0)
            die(&err);
    }
    shell_release(s);
    td_free(s);
    char cmd[300];
    td_format(cmd, sizeof(cmd), "rm -rf '%s'", dir);
    return system(cmd) == 0 ? 0 : 1;
}
