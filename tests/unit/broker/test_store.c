/* test_store.c - the SQLite store: what was committed is there, what failed left nothing, and each refusal in words */
#include "store_place.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

struct seen {
    uint64_t n, first, last, stop;
};
static bool see_event(void *ctx, const struct td_stored_event *ev)
{
    struct seen *k = ctx;
    if (!k->n++)
        k->first = ev->seq;
    k->last = ev->seq;
    assert_int_equal(ev->id, TD_EV_TASK_SPLIT);
    assert_int_equal(ev->time_ms, 1000 + (int64_t)ev->seq);
    assert_true(ev->len > 0);
    return k->n != k->stop;
}

static struct seen events_from(struct place *p, uint64_t seq)
{
    struct seen k = {0};
    assert_int_equal(ops->read(p->s, seq, see_event, &k, &p->err), 0);
    return k;
}

static void reopen(struct place *p)
{
    ops->close(&p->s);
    place_open(p);
}

static void events_come_back(void **state)
{
    struct place *p = *state;
    append_ok(p, 1, 3);
    append_ok(p, 4, 1);
    struct seen k = events_from(p, 0);
    assert_int_equal(k.n, 4);
    reopen(p);
    k = events_from(p, 3);
    assert_int_equal(k.n, 2);
    assert_int_equal(k.first, 3);
    assert_int_equal(k.last, 4);

    struct seen two = {.stop = 2};
    assert_int_equal(ops->read(p->s, 0, see_event, &two, &p->err), 0);
    assert_int_equal(two.n, 2);
}

static void each_open_is_a_reign(void **state)
{
    struct place *p = *state;
    assert_int_equal(ops->epoch(p->s), 1);
    reopen(p);
    assert_int_equal(ops->epoch(p->s), 2);
    assert_int_equal(ops->reign(p->s, &p->err), 0);
    assert_int_equal(ops->epoch(p->s), 3);
    append_ok(p, 1, 1);
}

static void a_second_broker_on_the_host_is_told(void **state)
{
    struct place *p = *state;
    struct td_store *other = NULL;
    assert_int_equal(ops->open(p->dir, false, &other, &p->err), -TD_E_BUSY);
    assert_null(other);
    char want[64];
    snprintf(want, sizeof(want), "(process %ld)", (long)getpid());
    assert_non_null(strstr(p->err.text, want));
}

/* The lock is a courtesy; the fence holds without it. */
static void a_deposed_broker_cannot_write(void **state)
{
    struct place *p = *state;
    char path[128];
    struct td_store *other = NULL;
    append_ok(p, 1, 2);
    snprintf(path, sizeof(path), "%s/journal.lock", p->dir);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(ops->open(p->dir, false, &other, &p->err), 0);

    assert_int_equal(append(p->s, 3, 1, &p->err), -TD_E_DEPOSED);
    assert_non_null(strstr(p->err.text, "epoch 2"));
    assert_int_equal(ops->reign(p->s, &p->err), -TD_E_DEPOSED);
    assert_int_equal(ops->snapshot_begin(p->s, 2, &p->err), -TD_E_DEPOSED);
    assert_int_equal(append(other, 3, 1, &p->err), 0);
    ops->close(&other);
    assert_int_equal(events_from(p, 0).last, 3);
}

static void readers_need_no_reign(void **state)
{
    struct place *p = *state;
    struct td_store *reader = NULL;
    append_ok(p, 1, 2);
    assert_int_equal(ops->open(p->dir, true, &reader, &p->err), 0);
    assert_int_equal(ops->epoch(reader), 1);
    struct seen k = {0};
    assert_int_equal(ops->read(reader, 0, see_event, &k, &p->err), 0);
    assert_int_equal(k.n, 2);
    append_ok(p, 3, 1); /* a reader does not hold up the writer */
    ops->close(&reader);

    struct td_store *none = NULL;
    assert_int_equal(ops->open("/nonexistent", true, &none, &p->err), -TD_E_JOURNAL);
    assert_non_null(strstr(p->err.text, "/nonexistent/journal.db"));
}

static void files_are_for_the_broker_alone(void **state)
{
    struct place *p = *state;
    append_ok(p, 1, 1);
    static const char *const names[] = {"journal.db", "journal.db-wal", "journal.db-shm", "journal.lock"};
    for (size_t i = 0; i < TD_ARRAY_LEN(names); i++) {
        char path[128];
        struct stat st;
        snprintf(path, sizeof(path), "%s/%s", p->dir, names[i]);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0600);
    }
    assert_true(ops->bytes(p->s) > 4096);
}

static void a_strange_file_is_not_taken(void **state)
{
    struct place *p = *state;
    char path[128];
    sqlite3 *db = NULL;
    ops->close(&p->s);
    snprintf(path, sizeof(path), "%s/journal.db", p->dir);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "PRAGMA user_version=99", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    assert_int_equal(ops->open(p->dir, false, &p->s, &p->err), -TD_E_VERSION);
    assert_non_null(strstr(p->err.text, "version 99"));

    FILE *f = fopen(path, "w");
    fputs("this is not a database, and long enough to have a header of one, were it one ......................", f);
    fclose(f);
    assert_int_equal(ops->open(p->dir, false, &p->s, &p->err), -TD_E_JOURNAL);
    assert_int_equal(unlink(path), 0);
    place_open(p);
}

static void blobs_by_hash(void **state)
{
    struct place *p = *state;
    const char *text = "#!/bin/sh\ntrue\n";
    struct td_stored_blob blob = {.data = (const uint8_t *)text, .len = (uint32_t)strlen(text)};
    struct td_stored_blob empty = {.data = NULL, .len = 0};
    td_hash(text, blob.len, blob.hash);
    td_hash("", 0, empty.hash);
    const struct td_stored_blob both[] = {blob, empty, blob};
    const struct td_store_batch b = {.blobs = both, .nblobs = 3};
    assert_false(ops->has_blob(p->s, blob.hash));
    assert_int_equal(ops->append(p->s, &b, &p->err), 0);
    assert_true(ops->has_blob(p->s, blob.hash));

    struct td_buf out = {0};
    assert_int_equal(ops->blob(p->s, blob.hash, &out, &p->err), 0);
    assert_string_equal(td_buf_str(&out), text);
    td_buf_reset(&out);
    assert_int_equal(ops->blob(p->s, empty.hash, &out, &p->err), 0);
    assert_int_equal(out.len, 0);
    const uint8_t unknown[32] = {1};
    assert_int_equal(ops->blob(p->s, unknown, &out, &p->err), -TD_E_JOURNAL);
    td_buf_release(&out);
}

static bool count_history(void *ctx, const struct td_history_row *h)
{
    uint64_t *sum = ctx;
    assert_string_equal(h->user, "ada");
    assert_string_equal(h->name, "");
    assert_int_equal(h->len, 4);
    *sum = *sum * 100 + h->job;
    return true;
}

static uint64_t history(struct place *p, struct td_history_query q)
{
    uint64_t sum = 0;
    assert_int_equal(ops->history(p->s, &q, count_history, &sum, &p->err), 0);
    return sum;
}

static void history_is_found_by_what_people_ask(void **state)
{
    struct place *p = *state;
    struct td_history_row rows[3] = {
        {.job = 11, .uid = 1000, .end_ms = 100, .user = "ada", .info = (const uint8_t *)"\x80\x80\x80\x80", .len = 4},
        {.job = 12, .array_job = 12, .uid = 1000, .end_ms = 200, .user = "ada", .info = (const uint8_t *)"abcd", .len = 4},
        {.job = 13, .array_job = 12, .uid = 1001, .end_ms = 300, .user = "ada", .info = (const uint8_t *)"abcd", .len = 4},
    };
    const struct td_store_batch b = {.history = rows, .nhistory = 3};
    assert_int_equal(ops->append(p->s, &b, &p->err), 0);

    uint32_t array = 12, ada = 1000, many[600];
    for (uint32_t i = 0; i < 600; i++)
        many[i] = 12 + i;
    assert_int_equal(history(p, (struct td_history_query){0}), 111213);
    assert_int_equal(history(p, (struct td_history_query){.jobs = &array, .njobs = 1}), 1213);
    assert_int_equal(history(p, (struct td_history_query){.jobs = many, .njobs = 600}), 1213);
    assert_int_equal(history(p, (struct td_history_query){.uids = &ada, .nuids = 1}), 1112);
    assert_int_equal(history(p, (struct td_history_query){.from_ms = 150, .to_ms = 250}), 12);
    assert_int_equal(history(p, (struct td_history_query){.max = 1}), 11);
    assert_int_equal(history(p, (struct td_history_query){.from_ms = 301}), 0);

    uint32_t n = 9;
    assert_int_equal(ops->purge(p->s, 100, 10, &n, &p->err), 0);
    assert_int_equal(n, 0);
    assert_int_equal(ops->purge(p->s, 1000, 2, &n, &p->err), 0);
    assert_int_equal(n, 2); /* the oldest first, and no more than asked for */
    assert_int_equal(history(p, (struct td_history_query){0}), 13);
    assert_int_equal(ops->purge(p->s, 1000, 2, &n, &p->err), 0);
    assert_int_equal(n, 1);
    assert_int_equal(history(p, (struct td_history_query){0}), 0);
}

static bool count_record(void *ctx, uint32_t kind, const uint8_t *data, uint32_t len)
{
    uint32_t *n = ctx;
    assert_int_equal(kind, TD_SNAP_HEAD);
    assert_true(len > 0 && data);
    ++*n;
    return true;
}
static bool count_record_of_any(void *ctx, uint32_t kind, const uint8_t *data, uint32_t len)
{
    (void)kind, (void)data, (void)len;
    ++*(uint32_t *)ctx;
    return true;
}
static bool count_snapshot(void *ctx, uint64_t seq, int64_t time_ms, uint64_t digest)
{
    uint64_t *sum = ctx;
    assert_int_equal(time_ms, 5000);
    assert_true(digest == 0xfedcba9876543210u);
    *sum = *sum * 100 + seq;
    return true;
}

static void newest_snapshot_is_the_one_read(void **state)
{
    struct place *p = *state;
    uint64_t seq, digest;
    int64_t time_ms;
    uint32_t n = 0;
    assert_int_equal(ops->snapshot_read(p->s, &seq, &time_ms, &digest, count_record, &n, &p->err), 0);
    assert_int_equal(seq, 0);
    append_ok(p, 1, 10);
    snapshot(p, 10);
    append_ok(p, 11, 10);
    snapshot(p, 20);
    assert_int_equal(ops->snapshot_begin(p->s, 20, &p->err), -TD_E_JOURNAL); /* never touched again */
    assert_non_null(strstr(p->err.text, "a snapshot of event 20 already"));
    reopen(p);
    assert_int_equal(ops->snapshot_read(p->s, &seq, &time_ms, &digest, count_record, &n, &p->err), 0);
    assert_int_equal(seq, 20);
    assert_int_equal(n, 1);
    assert_true(digest == 0xfedcba9876543210u);

    /* One that was not ended is not there, and its writer can go on. */
    const struct td_stored_record rec = {TD_SNAP_HEAD, (const uint8_t *)"", 0};
    append_ok(p, 21, 1);
    assert_int_equal(ops->snapshot_begin(p->s, 21, &p->err), 0);
    assert_int_equal(ops->snapshot_put(p->s, &rec, 1, &p->err), 0);
    append_ok(p, 22, 1);
    assert_int_equal(ops->snapshot_put(p->s, &rec, 1, &p->err), 0);
    reopen(p);
    assert_int_equal(ops->snapshot_read(p->s, &seq, &time_ms, &digest, count_record, &n, &p->err), 0);
    assert_int_equal(seq, 20);
    assert_int_equal(ops->snapshot_put(p->s, &rec, 1, &p->err), -TD_E_JOURNAL);
    assert_int_equal(ops->snapshot_end(p->s, 1, 1, &p->err), -TD_E_JOURNAL);
    assert_int_equal(events_from(p, 0).last, 22);
    assert_int_equal(ops->snapshot_begin(p->s, 21, &p->err), 0); /* and what it left is cleared */
    assert_int_equal(ops->snapshot_put(p->s, &rec, 1, &p->err), 0);
    assert_int_equal(ops->snapshot_end(p->s, 5000, 1, &p->err), 0);
    n = 0;
    assert_int_equal(ops->snapshot_read(p->s, &seq, &time_ms, &digest, count_record_of_any, &n, &p->err), 0);
    assert_int_equal(seq, 21);
    assert_int_equal(n, 1);
}

static bool count_input(void *ctx, uint64_t wake, int64_t now_ms, const uint8_t *data, uint32_t len)
{
    uint64_t *sum = ctx;
    (void)data;
    assert_true(len > 0);
    assert_int_equal(now_ms, 77);
    *sum = *sum * 10 + wake;
    return true;
}

static void put_input(struct place *p, uint64_t next_seq, bool with_event)
{
    const struct td_wake wake = {.now_ms = 77, .seed = 5};
    struct td_buf body = {0};
    td_wire_put_record(&body, &td_rec_wake, &wake);
    const struct td_stored_input in = {.now_ms = 77, .data = body.data, .len = (uint32_t)body.len};
    const struct td_store_batch b = {.inputs = &in, .ninputs = 1};
    assert_int_equal(ops->append(p->s, &b, &p->err), 0);
    if (with_event)
        append_ok(p, next_seq, 1);
    td_buf_release(&body);
}

/* In the smallest steps there are: between any two the journal is whole. */
static uint32_t compact(struct place *p, uint64_t keep, const uint8_t (*live)[32])
{
    struct td_compaction c = {.keep = keep, .live = live, .nlive = 1, .rows = 1};
    uint32_t steps = 0;
    for (bool more = true; more; steps++) {
        struct td_buf report = {0};
        assert_int_equal(ops->compact(p->s, &c, &more, &p->err), 0);
        if (ops->verify(p->s, &report, &p->err) < 0)
            fail_msg("after step %u: %s", steps, p->err.text);
        td_buf_release(&report);
    }
    return steps;
}

static void compaction_keeps_what_is_asked(void **state)
{
    struct place *p = *state;
    uint8_t live[1][32];
    struct td_stored_blob blobs[2] = {{.data = (const uint8_t *)"a", .len = 1}, {.data = (const uint8_t *)"b", .len = 1}};
    td_hash("a", 1, blobs[0].hash);
    td_hash("b", 1, blobs[1].hash);
    memcpy(live[0], blobs[1].hash, 32);
    const struct td_store_batch b = {.blobs = blobs, .nblobs = 2};
    assert_int_equal(ops->append(p->s, &b, &p->err), 0);

    put_input(p, 1, true);
    append_ok(p, 2, 9);
    snapshot(p, 10);
    put_input(p, 11, true);
    append_ok(p, 12, 9);
    snapshot(p, 20);
    append_ok(p, 21, 5);

    assert_in_range(compact(p, 10, (const uint8_t(*)[32])live), 10, 12);
    assert_int_equal(events_from(p, 0).first, 11);
    uint64_t sum = 0;
    assert_int_equal(ops->snapshots(p->s, count_snapshot, &sum, &p->err), 0);
    assert_int_equal(sum, 1020);
    sum = 0;
    assert_int_equal(ops->inputs(p->s, 0, count_input, &sum, &p->err), 0);
    assert_int_equal(sum, 2);
    assert_false(ops->has_blob(p->s, blobs[0].hash));
    assert_true(ops->has_blob(p->s, blobs[1].hash));
    struct td_buf report = {0};
    if (ops->verify(p->s, &report, &p->err) < 0)
        fail_msg("verify: %s", p->err.text);

    compact(p, 0, (const uint8_t(*)[32])live);
    assert_int_equal(events_from(p, 0).first, 21);
    sum = 0;
    assert_int_equal(ops->snapshots(p->s, count_snapshot, &sum, &p->err), 0);
    assert_int_equal(sum, 20);

    /* Nothing behind the newest snapshot at all: the sequence still goes on. */
    snapshot(p, 25);
    compact(p, 0, (const uint8_t(*)[32])live);
    assert_int_equal(events_from(p, 0).n, 0);
    reopen(p);
    append_ok(p, 26, 1);
    td_buf_release(&report);
}

static void verify_names_what_is_wrong(void **state)
{
    struct place *p = *state;
    static const struct {
        const char *damage, *repair, *words;
    } rows[] = {
        {"UPDATE events SET seq=1000 WHERE seq=10", "UPDATE events SET seq=10 WHERE seq=1000", "event 1000 follows event 9"},
        {"UPDATE events SET seq=50 WHERE seq=5", "UPDATE events SET seq=5 WHERE seq=50", "event 6 follows event 4"},
        {"UPDATE events SET body=x'81' WHERE seq=3", "UPDATE events SET body=x'80' WHERE seq=3", "event 3 (ev_task_split) does not decode"},
        {"UPDATE events SET id=9999 WHERE seq=3", "UPDATE events SET id=21 WHERE seq=3", "event 3 has the unknown number 9999"},
        {"UPDATE events SET time_ms=1 WHERE seq=3", "UPDATE events SET time_ms=1003 WHERE seq=3", "event 3 is older"},
        {"UPDATE blobs SET data='x'", "UPDATE blobs SET data='a'", "not what its hash says"},
        {"UPDATE snapshot_records SET data=x'c1'", "UPDATE snapshot_records SET data=x'80'", "snapshot record 1"},
        {"UPDATE snapshots SET seq=11", "UPDATE snapshots SET seq=10", "the snapshot of event 11 has no records"},
        {"INSERT INTO inputs(wake,time_ms,seq,data) VALUES(9,1,1,x'ff')", "DELETE FROM inputs", "input of wake 9"},
        {"INSERT INTO history(job,info) VALUES(9,x'ff')", "DELETE FROM history", "history row of job 9"},
    };
    struct td_stored_blob blob = {.data = (const uint8_t *)"a", .len = 1};
    td_hash("a", 1, blob.hash);
    const struct td_store_batch b = {.blobs = &blob, .nblobs = 1};
    assert_int_equal(ops->append(p->s, &b, &p->err), 0);
    append_ok(p, 1, 10);
    snapshot(p, 10);
    struct td_buf report = {0};
    for (size_t i = 0; i < TD_ARRAY_LEN(rows); i++) {
        forge(p, rows[i].damage);
        assert_int_equal(ops->verify(p->s, &report, &p->err), -TD_E_JOURNAL);
        if (!strstr(p->err.text, rows[i].words))
            fail_msg("row %zu says \"%s\"", i, p->err.text);
        forge(p, rows[i].repair);
        if (ops->verify(p->s, &report, &p->err) < 0)
            fail_msg("row %zu, repaired: %s", i, p->err.text);
    }
    assert_non_null(strstr(td_buf_str(&report), "events: 10, from 1 to 10"));
    td_buf_release(&report);
}

/* A file that may not grow (EFBIG), and then may again. */
static void full_disk_leaves_nothing_and_heals(void **state)
{
    struct place *p = *state;
    append_ok(p, 1, 1);
    signal(SIGXFSZ, SIG_IGN);
    struct rlimit was, tight;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
    tight = was;
    tight.rlim_cur = 256 * 1024;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
    uint64_t seq = 2;
    int r = 0;
    for (int i = 0; r == 0 && i < 1000; i++) {
        r = append(p->s, seq, 100, &p->err);
        if (r == 0)
            seq += 100;
    }
    int again = append(p->s, seq, 1000, &p->err);
    int reign = ops->reign(p->s, &p->err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
    assert_int_equal(r, -TD_E_NO_SPACE);
    assert_int_equal(again, -TD_E_NO_SPACE);
    assert_int_equal(reign, -TD_E_NO_SPACE);
    assert_non_null(strstr(p->err.text, "file size limit"));
    assert_int_equal(events_from(p, 0).last, seq - 1);

    assert_int_equal(ops->reign(p->s, &p->err), 0);
    append_ok(p, seq, 1000);
    reopen(p);
    assert_int_equal(events_from(p, 0).last, seq + 999);
}

static int on_a_small_disk(void)
{
    char dir[] = "/tmp/td-small-XXXXXX";
    if (unshare(CLONE_NEWNS) < 0)
        return 77;
    if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 || !mkdtemp(dir))
        return 77;
    if (mount("tmpfs", dir, "tmpfs", 0, "size=1m") < 0)
        return rmdir(dir) < 0 ? 78 : 77;
    struct place p = {0};
    strcpy(p.dir, dir);
    place_open(&p);
    uint64_t before = ops->free_bytes(p.s);
    uint64_t seq = 1;
    int r;
    while ((r = append(p.s, seq, 500, &p.err)) == 0)
        seq += 500;
    int ret = r == -TD_E_NO_SPACE && strstr(p.err.text, "no space left") ? 0 : 1;
    if (ops->free_bytes(p.s) >= before || events_from(&p, 0).last != seq - 1)
        ret = 2;
    if (mount("tmpfs", dir, "tmpfs", MS_REMOUNT, "size=8m") < 0)
        ret = 3;
    else if (append(p.s, seq, 500, &p.err) < 0 || events_from(&p, 0).last != seq + 499)
        ret = 4;
    ops->close(&p.s);
    umount(dir);
    rmdir(dir);
    return ret;
}

static void full_tmpfs_leaves_nothing_and_heals(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip(); /* a file system of one's own needs root; RLIMIT_FSIZE above shows the same path */
    pid_t pid = fork();
    if (pid == 0)
        _exit(on_a_small_disk());
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77)
        skip(); /* no mounts here (container) */
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* kill -9 between any two instructions of a writer: whole batches, and every one that was acknowledged. */
static void a_killed_writer_leaves_whole_batches(void **state)
{
    struct place *p = *state;
    ops->close(&p->s);
    uint64_t seq = 1;
    for (int round = 0; round < 5; round++) {
        int fds[2];
        assert_int_equal(pipe(fds), 0);
        pid_t pid = fork();
        if (pid == 0) {
            struct td_store *s = NULL;
            struct td_error err;
            if (ops->open(p->dir, false, &s, &err) < 0)
                _exit(1);
            for (uint64_t at = seq;; at += 7)
                if (append(s, at, 7, &err) < 0 || write(fds[1], &at, sizeof(at)) != sizeof(at))
                    _exit(2);
        }
        close(fds[1]);
        uint64_t acked = 0;
        for (int i = 0; i < 20 + round; i++)
            assert_int_equal(read(fds[0], &acked, sizeof(acked)), sizeof(acked));
        kill(pid, SIGKILL);
        int status;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status));
        close(fds[0]);

        place_open(p);
        struct seen k = events_from(p, 0);
        assert_true(k.last >= acked + 6);
        assert_int_equal(k.last % 7, 0);
        assert_int_equal(k.n, k.last);
        struct td_buf report = {0};
        assert_int_equal(ops->verify(p->s, &report, &p->err), 0);
        td_buf_release(&report);
        ops->close(&p->s);
        seq = k.last + 1;
    }
    place_open(p);
}

static void network_file_systems_are_known_by_number(void **state)
{
    (void)state;
    static const struct {
        uint64_t type;
        const char *name;
    } rows[] = {{0x6969, "nfs"}, {0xff534d42, "cifs"}, {0x01021997, "9p"}, {0x0bd00bd0, "lustre"},
                {0xef53, NULL}, {0x58465342, NULL}, {0x01021994, NULL}, {0x9123683e, NULL}, {0x794c7630, NULL}};
    for (size_t i = 0; i < TD_ARRAY_LEN(rows); i++) {
        const char *name = td_place_network_fs(rows[i].type);
        if (rows[i].name)
            assert_string_equal(name, rows[i].name);
        else
            assert_null(name);
    }
    assert_string_equal(td_place_network_mount("fuse.sshfs"), "fuse.sshfs");
    assert_null(td_place_network_mount("fuse.fuse-overlayfs"));
}

static void idle_moves_the_log(void **state)
{
    struct place *p = *state;
    for (uint64_t i = 0; i < 400; i++)
        append_ok(p, 1 + i, 1);
    assert_int_equal(ops->idle(p->s, true, &p->err), 0);
    assert_int_equal(ops->idle(p->s, true, &p->err), 0);
    append_ok(p, 401, 1);
    assert_int_equal(events_from(p, 0).n, 401);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(events_come_back),
        T(each_open_is_a_reign),
        T(a_second_broker_on_the_host_is_told),
        T(a_deposed_broker_cannot_write),
        T(readers_need_no_reign),
        T(files_are_for_the_broker_alone),
        T(a_strange_file_is_not_taken),
        T(blobs_by_hash),
        T(history_is_found_by_what_people_ask),
        T(newest_snapshot_is_the_one_read),
        T(compaction_keeps_what_is_asked),
        T(verify_names_what_is_wrong),
        T(full_disk_leaves_nothing_and_heals),
        cmocka_unit_test(full_tmpfs_leaves_nothing_and_heals),
        T(a_killed_writer_leaves_whole_batches),
        cmocka_unit_test(network_file_systems_are_known_by_number),
        T(idle_moves_the_log),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
