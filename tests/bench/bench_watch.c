/* bench_watch.c - what it costs to tell: from a commit to its watchers, and many watchers of a busy queue
 *
 * bench-watch latency WATCHERS ROUNDS   one hold or release a round; per watcher the time from the broker's answer to him who
 *                                       asked (both leave after the same commit) and from the question: p50 p90 p99 max, ms
 * bench-watch load WATCHERS SECONDS     2,000 events a second to that many; prints how many came to the first, and the bytes
 * To the cluster of $SLURM_CONF; the questions go to the broker, the watchers are the front's. One process reads for
 * all watchers: it stamps what comes before it looks into it. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "conf/conf.h"
#include "local/local.h"

#define JOBS 100u          /* whose states change */
#define EVERY_US 50000     /* all of them so often: 2,000 events a second */
#define SETTLE_MS 300      /* nothing comes for so long: all has come */

struct watcher {
    struct td_stream s;
    int64_t at_us; /* of its first bytes in this round */
    uint64_t notes, bytes;
};

static struct td_call broker;
static struct td_job_sel jobs[JOBS];
static struct watcher *watchers;
static uint32_t nwatchers;
static int ep;
static sem_t go, done;
static _Atomic int64_t asked_us, answered_us;
static atomic_bool over;
static uint64_t emitted;

static int64_t now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void die(const char *what, const struct td_error *err)
{
    fprintf(stderr, "bench-watch: %s: %s\n", what, err && err->text[0] ? err->text : strerror(errno));
    exit(1);
}

static void call(uint32_t id, const void *body, struct td_arena *a, struct td_frame *ret)
{
    struct td_error err = {0};

    if (td_call(&broker, id, body, a, ret, &err) < 0)
        die(td_msg_name(id), &err);
}

static void change(uint32_t n, bool hold)
{
    struct td_job_op m = {.op = hold ? TD_OP_HOLD : TD_OP_RELEASE, .ids = {jobs, n}};
    struct td_arena a = {0};
    struct td_frame f;

    call(TD_MSG_JOB_OP, &m, &a, &f);
    td_arena_release(&a);
}

/* Jobs that can never run at once, so that nothing but what is asked for happens. */
static void fill(void)
{
    static const uint8_t script[] = "#!/bin/sh\ntrue\n";
    struct td_job_need need = {.ntasks = 1};
    struct td_submit m = {.spec = {.name = "watched", .needs = {&need, 1}, .work_dir = "/tmp", .hold = true, .std_out = "/dev/null",
                                   .begin_ms = 4102444800000},
                          .script = {script, sizeof(script) - 1}};
    char key[64];

    for (uint32_t i = 0; i < JOBS; i++) {
        struct td_arena a = {0};
        struct td_frame f;
        snprintf(key, sizeof(key), "watched-%d-%u", (int)getpid(), i);
        m.client_key = key;
        call(TD_MSG_SUBMIT, &m, &a, &f);
        jobs[i].job = ((const struct td_submitted *)f.body)->job;
        td_arena_release(&a);
    }
}

static void clear(void)
{
    struct td_cancel m = {.filter = {.ids = {jobs, JOBS}}};
    struct td_arena a = {0};
    struct td_frame f;

    call(TD_MSG_CANCEL, &m, &a, &f);
    td_arena_release(&a);
}

static void watch(const char *front)
{
    const struct td_subscribe m = {.from_now = true};
    struct td_error err = {0};

    ep = epoll_create1(EPOLL_CLOEXEC);
    watchers = calloc(nwatchers + 1, sizeof(*watchers));
    for (uint32_t i = 0; i < nwatchers; i++) {
        int fd = td_local_connect(front, &err);
        if (fd < 0)
            die("watcher", &err);
        fcntl(fd, F_SETFL, O_NONBLOCK);
        td_stream_init(&watchers[i].s, fd, 1 << 20);
        td_stream_put(&watchers[i].s, TD_MSG_SUBSCRIBE, 1, &m);
        td_stream_flush(&watchers[i].s);
        struct epoll_event e = {.events = EPOLLIN, .data.u32 = i};
        if (epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e) < 0)
            die("epoll", NULL);
    }
}

static uint32_t look_into(struct watcher *w)
{
    const uint8_t *data;
    struct td_error err = {0};
    uint32_t found = 0;
    size_t len;

    while (td_stream_next(&w->s, &data, &len, &err) > 0) {
        struct td_arena a = {0};
        struct td_frame f;
        if (td_wire_get_frame(&a, data, len, &f, &err) < 0 || f.id != TD_MSG_EVENTS)
            die("a frame", &err);
        found += ((const struct td_events *)f.body)->notes.n;
        td_arena_release(&a);
    }
    w->notes += found;
    return found;
}

/* What has come, stamped; looked into only by who asks. Returns whether anything came. */
static bool take(int timeout_ms)
{
    struct epoll_event v[256];
    struct td_error err = {0};
    int n = epoll_wait(ep, v, 256, timeout_ms);
    int64_t at = now_us();

    for (int i = 0; i < n; i++) {
        struct watcher *w = &watchers[v[i].data.u32];
        if (w->at_us == 0)
            w->at_us = i % 16 ? at : (at = now_us());
        if (td_stream_read(&w->s, &err) < 0)
            die("a watcher was cut off", &err);
    }
    return n > 0;
}

static void *ask(void *rounds)
{
    for (long i = 0; i < *(long *)rounds; i++) {
        sem_wait(&go);
        asked_us = now_us();
        change(1, i % 2);
        answered_us = now_us();
        sem_post(&done);
    }
    return NULL;
}

static int by_time(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return x < y ? -1 : x > y;
}

static void print(const char *what, int64_t *v, size_t n)
{
    qsort(v, n, sizeof(*v), by_time);
    printf("%s %.2f %.2f %.2f %.2f\n", what, (double)v[n / 2] / 1000, (double)v[n * 9 / 10] / 1000, (double)v[n * 99 / 100] / 1000,
           (double)v[n - 1] / 1000);
}

static void settle(void)
{
    int64_t last = now_us();

    while (now_us() - last < SETTLE_MS * 1000) {
        take(50);
        for (uint32_t i = 0; i < nwatchers; i++)
            if (look_into(&watchers[i]))
                last = now_us();
    }
    for (uint32_t i = 0; i < nwatchers; i++) {
        look_into(&watchers[i]);
        watchers[i].at_us = 0;
    }
}

static void latency(long rounds)
{
    size_t n = 0, most = (size_t)rounds * nwatchers;
    int64_t *after = calloc(most, sizeof(*after)), *whole = calloc(most, sizeof(*whole));
    pthread_t asker;

    pthread_create(&asker, NULL, ask, &rounds);
    settle();
    for (long r = 0; r < rounds; r++) {
        for (uint32_t i = 0; i < nwatchers; i++)
            watchers[i].at_us = 0;
        sem_post(&go);
        for (uint32_t left = nwatchers; left;) {
            take(1000);
            left = 0;
            for (uint32_t i = 0; i < nwatchers; i++)
                left += watchers[i].at_us == 0;
        }
        sem_wait(&done);
        for (uint32_t i = 0; i < nwatchers; i++) {
            if (!look_into(&watchers[i]))
                continue; /* the word of once a second that nothing happened: its event comes with the next round's look */
            after[n] = watchers[i].at_us - answered_us;
            whole[n++] = watchers[i].at_us - asked_us;
        }
        while (take(2))
            for (uint32_t i = 0; i < nwatchers; i++)
                look_into(&watchers[i]);
    }
    pthread_join(asker, NULL);
    if (n < most / 2)
        die("too few events were seen", NULL);
    print("after", after, n);
    print("whole", whole, n);
    free(after);
    free(whole);
}

static void *busy(void *seconds)
{
    int64_t at = now_us(), end = at + *(long *)seconds * 1000000;

    for (bool hold = false; at < end; hold = !hold, at += EVERY_US) {
        int64_t left = at - now_us();
        if (left > 0)
            nanosleep(&(struct timespec){.tv_nsec = left * 1000}, NULL);
        change(JOBS, hold);
        emitted += JOBS;
    }
    over = true;
    return NULL;
}

static void load(long seconds)
{
    int64_t began;
    uint64_t bytes = 0;
    pthread_t asker;

    settle();
    for (uint32_t i = 0; i < nwatchers; i++)
        watchers[i].notes = 0;
    began = now_us();
    pthread_create(&asker, NULL, busy, &seconds);
    for (int idle = 0; !over || idle < 5;) {
        idle = take(50) ? 0 : idle + 1;
        for (uint32_t i = 0; i < nwatchers; i++) {
            struct watcher *w = &watchers[i];
            if (i == 0)
                look_into(w);
            else if (w->s.in.len) { /* read and thrown away */
                w->bytes += w->s.in.len - w->s.in_taken;
                w->s.in.len = w->s.in_taken = 0;
            }
        }
        if (now_us() - began > (seconds + 30) * 1000000)
            die("the events of the load never ended", NULL);
    }
    pthread_join(asker, NULL);
    for (uint32_t i = 0; i < nwatchers; i++)
        bytes += watchers[i].bytes;
    printf("%llu %llu %llu\n", (unsigned long long)emitted, nwatchers ? (unsigned long long)watchers[0].notes : 0ull,
           (unsigned long long)bytes);
}

int main(int argc, char **argv)
{
    struct td_conf_place place;
    struct td_error err = {0};
    struct rlimit files;
    bool is_load = argc == 4 && strcmp(argv[1], "load") == 0;

    if (!is_load && (argc != 4 || strcmp(argv[1], "latency") != 0)) {
        fprintf(stderr, "usage: bench-watch latency WATCHERS ROUNDS | load WATCHERS SECONDS\n");
        return 2;
    }
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    nwatchers = (uint32_t)strtoul(argv[2], NULL, 10);
    sem_init(&go, 0, 0);
    sem_init(&done, 0, 0);
    if (td_conf_find(getenv("SLURM_CONF"), getenv("HOME"), NULL, getuid(), &place, &err) < 0 ||
        td_call_open(place.socket, 30000, &broker, &err) < 0)
        die("no broker", &err);
    fill();
    watch(place.front);
    if (is_load)
        load(strtol(argv[3], NULL, 10));
    else
        latency(strtol(argv[3], NULL, 10));
    clear();
    return 0;
}
