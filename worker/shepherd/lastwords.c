/* lastwords.c - what an attempt's own error file says when the attempt was ended: by whom and when
 *
 * Owns: struct last_words. The descriptor is the one the job's user opened (launch.c hands it over), so nothing is
 * opened or written with other rights than the job's. A file system that hangs must not stop the loop, so each line is
 * written by a thread of its own; GONE waits for it, but not for long. */
#include "worker/shepherd/shepherd.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "wire/wire.h"
#include "worker/log.h"

#define WAIT_MS 1000 /* a file that takes longer hangs: its line comes late or never, the job ends */
#define STACK_BYTES (64 * 1024)

struct last_words {
    int fd;
    uint32_t job, attempt;
    char text[TD_MAX_NAME_BYTES + 160];
    atomic_bool said;
    atomic_uint holders; /* the attempt and the thread */
};

static void let_go(struct last_words *w)
{
    if (atomic_fetch_sub(&w->holders, 1) == 1)
        td_free(w);
}

static void *write_line(void *arg)
{
    struct last_words *w = arg;
    size_t n = strlen(w->text);
    ssize_t put = write(w->fd, w->text, n);
    if (put != (ssize_t)n)
        td_log("warn", "job=%u.%u: its error file does not take the line that says it was ended: %s", w->job, w->attempt,
               put < 0 ? strerror(errno) : "no space");
    close(w->fd);
    atomic_store(&w->said, true);
    let_go(w);
    return NULL;
}

static void node_of(const struct attempt *a, char *out, size_t cap)
{
    struct td_arena arena = {0};
    struct td_placement p = {0};
    struct td_error err;
    bool ok = td_wire_get_record(&arena, &td_rec_placement, a->place.data, a->place.len, &p, &err) == 0;
    td_format(out, cap, "%s", ok && p.node ? p.node : "?");
    td_arena_release(&arena);
}

static void compose(const struct attempt *a, struct last_words *w)
{
    char node[TD_MAX_NAME_BYTES + 1], at[32];
    struct tm tm;
    time_t now = time(NULL);
    node_of(a, node, sizeof(node));
    localtime_r(&now, &tm);
    strftime(at, sizeof(at), "%Y-%m-%dT%H:%M:%S", &tm);
    td_format(w->text, sizeof(w->text), "slurmstepd: error: *** JOB %u ON %s CANCELLED AT %s%s ***\n", a->job, node, at,
              a->timed_out ? " DUE TO TIME LIMIT" : a->cut_off ? " DUE TO NODE FAILURE" : "");
}

void last_words_say(struct attempt *a)
{
    pthread_attr_t attr;
    pthread_t id;
    if (a->err_fd < 0)
        return; /* no file: a device, a pipe, or too many are open */
    struct last_words *w = td_alloc(sizeof(*w));
    w->fd = a->err_fd;
    w->job = a->job;
    w->attempt = a->attempt;
    atomic_store(&w->holders, 2);
    compose(a, w);
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, STACK_BYTES);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    int r = pthread_create(&id, &attr, write_line, w);
    pthread_attr_destroy(&attr);
    if (r) {
        td_log("warn", "job=%u.%u: no thread to tell its error file that it was ended: %s", a->job, a->attempt, strerror(r));
        td_free(w);
        return;
    }
    a->err_fd = -1;
    a->words = w;
}

bool last_words_wait(const struct shepherd *sh, struct attempt *a)
{
    if (!a->words || atomic_load(&a->words->said))
        return false;
    if (a->words_until_ms == 0)
        a->words_until_ms = sh->now_ms + WAIT_MS;
    return sh->now_ms < a->words_until_ms;
}

void last_words_forget(struct attempt *a)
{
    if (a->err_fd >= 0)
        close(a->err_fd);
    a->err_fd = -1;
    if (a->words)
        let_go(a->words);
    a->words = NULL;
}
