/* test_store_kill.c - SIGKILL at each system call of a writer that changes a file, from its first to its last
 *
 * The writer makes a journal, appends, snapshots, compacts, purges and closes. Killed before any one of its calls, what it
 * left opens, verifies, and has every batch it had acknowledged, whole, and no half of another. */
#include "store_place.h"

#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define PER_BATCH 7u
#define BATCHES 4u
/* Sanitized processes start slowly: there every fifth call has to do. */
#if defined(__SANITIZE_ADDRESS__)
#define CALLS_STEP 5u
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define CALLS_STEP 5u
#endif
#endif
#ifndef CALLS_STEP
#define CALLS_STEP 1u
#endif

static const char script[] = "#!/bin/sh\n# batch 0\n";

static int put_batch(struct td_store *s, uint32_t no, struct td_error *err)
{
    struct td_buf body = {0};
    const struct td_ev_task_split split = {.array_job = 1, .task = no, .job = no};
    const struct td_job_info info = {.job = no};
    size_t event = 0;
    td_wire_put_record(&body, &td_rec_ev_task_split, &split);
    event = body.len;
    td_wire_put_record(&body, &td_rec_job_info, &info);
    struct td_stored_event evs[PER_BATCH];
    for (uint32_t i = 0; i < PER_BATCH; i++)
        evs[i] = (struct td_stored_event){.seq = (uint64_t)no * PER_BATCH + i + 1, .time_ms = 1000, .id = TD_EV_TASK_SPLIT, .body = body.data,
                                          .len = (uint32_t)event};
    char text[sizeof(script)];
    memcpy(text, script, sizeof(text));
    text[sizeof(text) - 3] = (char)('0' + no);
    struct td_stored_blob blob = {.data = (const uint8_t *)text, .len = sizeof(text) - 1};
    td_hash(text, blob.len, blob.hash);
    const struct td_history_row row = {.job = no + 1, .end_ms = 1000 + no, .info = body.data + event, .len = (uint32_t)(body.len - event)};
    const struct td_store_batch b = {
        .events = evs, .nevents = PER_BATCH, .blobs = &blob, .nblobs = 1, .history = &row, .nhistory = 1, .now_ms = 1000};
    int r = ops->append(s, &b, err);
    td_buf_release(&body);
    return r;
}

static int put_snapshot(struct td_store *s, uint64_t seq, struct td_error *err)
{
    const struct td_snap_head head = {.seq = seq, .epoch = 1, .next_job = 7};
    struct td_buf body = {0};
    td_wire_put_record(&body, &td_rec_snap_head, &head);
    const struct td_stored_record rec = {TD_SNAP_HEAD, body.data, (uint32_t)body.len};
    int r = ops->snapshot_begin(s, seq, err);
    if (r == 0)
        r = ops->snapshot_put(s, &rec, 1, err);
    if (r == 0)
        r = ops->snapshot_end(s, 1000, 1, err);
    td_buf_release(&body);
    return r;
}

static void writer(const char *dir, volatile uint32_t *acked)
{
    struct td_store *s = NULL;
    struct td_error err;
    uint32_t n;
    bool more = true;
    int r = ops->open(dir, false, &s, &err);
    for (uint32_t i = 0; r == 0 && i < BATCHES; i++) {
        r = put_batch(s, i, &err);
        if (r == 0)
            *acked = i + 1;
        if (r == 0 && i % 3 == 1)
            r = put_snapshot(s, (i + 1) * PER_BATCH, &err);
    }
    struct td_compaction c = {.keep = PER_BATCH, .rows = 5};
    while (r == 0 && more)
        r = ops->compact(s, &c, &more, &err);
    if (r == 0)
        r = ops->purge(s, 1001, 1, &n, &err);
    ops->close(&s);
    _exit(r == 0 ? 0 : 1);
}

static bool changes_a_file(uint64_t nr)
{
    static const uint64_t calls[] = {
        SYS_write, SYS_pwrite64, SYS_fsync, SYS_fdatasync, SYS_ftruncate, SYS_unlinkat, SYS_renameat2, SYS_fallocate,
#ifdef SYS_rename /* newer machines have the ...at calls only */
        SYS_rename, SYS_unlink,
#endif
    };
    for (size_t i = 0; i < TD_ARRAY_LEN(calls); i++)
        if (nr == calls[i])
            return true;
    return false;
}

/* Kills the writer before its nth such call; false: it came to its end before. */
static bool run_and_kill(const char *dir, uint32_t nth, volatile uint32_t *acked)
{
    int status;
    uint32_t n = 0;
    pid_t pid = fork();
    if (pid == 0) {
        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
            _exit(77);
        raise(SIGSTOP);
        writer(dir, acked);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
        skip(); /* nobody may be traced here (container) */
    assert_int_equal(ptrace(PTRACE_SETOPTIONS, pid, NULL, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL), 0);
    for (;;) {
        struct __ptrace_syscall_info info = {0};
        assert_int_equal(ptrace(PTRACE_SYSCALL, pid, NULL, NULL), 0);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        if (WIFEXITED(status)) {
            assert_int_equal(WEXITSTATUS(status), 0);
            return false;
        }
        assert_true(WIFSTOPPED(status));
        if (ptrace(PTRACE_GET_SYSCALL_INFO, pid, (void *)sizeof(info), &info) < 0) {
            kill(pid, SIGKILL);
            waitpid(pid, &status, 0);
            skip(); /* a kernel before 5.3 */
        }
        if (info.op == PTRACE_SYSCALL_INFO_ENTRY && changes_a_file(info.entry.nr) && ++n == nth)
            break;
    }
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    return true;
}

static bool last_event(void *ctx, const struct td_stored_event *ev)
{
    *(uint64_t *)ctx = ev->seq;
    return true;
}

static bool last_job(void *ctx, const struct td_history_row *h)
{
    *(uint32_t *)ctx = h->job;
    return true;
}

static void look(struct place *p, uint32_t nth, uint32_t acked)
{
    struct td_buf report = {0};
    const struct td_history_query all = {0};
    uint64_t last = 0;
    uint32_t job = 0;
    if (ops->open(p->dir, false, &p->s, &p->err) < 0)
        fail_msg("killed before call %u: %s", nth, p->err.text);
    if (ops->verify(p->s, &report, &p->err) < 0)
        fail_msg("killed before call %u: %s", nth, p->err.text);
    assert_int_equal(ops->read(p->s, 0, last_event, &last, &p->err), 0);
    assert_int_equal(ops->history(p->s, &all, last_job, &job, &p->err), 0);
    if (last < (uint64_t)acked * PER_BATCH || last > (uint64_t)(acked + 1) * PER_BATCH || last % PER_BATCH || job != last / PER_BATCH)
        fail_msg("killed before call %u, %u batches acknowledged: last event %llu, last job %u", nth, acked, (unsigned long long)last, job);
    assert_int_equal(put_batch(p->s, (uint32_t)(last / PER_BATCH), &p->err), 0); /* and it goes on */
    ops->close(&p->s);
    td_buf_release(&report);
}

static void killed_before_any_call_nothing_acknowledged_is_lost(void **state)
{
    (void)state;
    volatile uint32_t *acked = mmap(NULL, sizeof(*acked), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(acked != MAP_FAILED);
    bool killed = true;
    uint32_t nth;
    for (nth = 1; killed; nth += CALLS_STEP) {
        struct place p = {.dir = "/tmp/td-kill-XXXXXX"};
        char cmd[128];
        assert_non_null(mkdtemp(p.dir));
        *acked = 0;
        killed = run_and_kill(p.dir, nth, acked);
        look(&p, nth, *acked);
        snprintf(cmd, sizeof(cmd), "rm -rf '%s'", p.dir);
        assert_int_equal(system(cmd), 0);
    }
    assert_int_equal(*acked, BATCHES);
    assert_true(nth > 50); /* it did look at something */
    munmap((void *)acked, sizeof(*acked));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(killed_before_any_call_nothing_acknowledged_is_lost)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
