/* test_shell_recover.c - the shell without its doors: commits that fail, rebuilding, rights, and the inspector's proofs */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "broker/journal/inspect.h"
#include "broker/journal/sqlite.h"
#include "broker/shell.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define KEY "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk"

static void begin(struct shell *s)
{
    struct td_error err = {0};
    if (s->ops->open(s->state_dir, false, &s->store, &err) < 0 || shell_core_rebuild(s, &err) < 0)
        fail_msg("%s", err.text);
    shell_clock_start(&s->clock, shell_boot_us(), shell_wall_us(), td_core_time(s->core));
    if (shell_reign_begin(s, &err) < 0)
        fail_msg("%s", err.text);
}

static int setup(void **state)
{
    struct shell *s = td_alloc(sizeof(*s));
    struct td_error err = {0};
    char dir[] = "/tmp/td-shell-XXXXXX";
    assert_non_null(mkdtemp(dir));
    s->ops = &td_store_sqlite;
    s->state_dir = td_strdup(dir);
    s->signal_fd = s->epoll_fd = s->listen_fd = -1;
    s->next_handle = SHELL_HANDLE_FIRST;
    static char log[64]; /* borrowed by the log */
    snprintf(log, sizeof(log), "%s/log", dir);
    assert_int_equal(shell_log_open(&s->log, log, &err), 0);
    assert_int_equal(shell_conf_load(s, &s->conf, &err), 0);
    s->conf->input_log = true;
    s->conf->settings.request_rate = 0; /* faster than any user */
    s->conf->low_space_mb = 0;
    begin(s);
    *state = s;
    return 0;
}

static int teardown(void **state)
{
    struct shell *s = *state;
    char cmd[128];
    snprintf(cmd, sizeof(cmd), "rm -rf '%s'", s->state_dir);
    shell_release(s);
    td_free(s);
    assert_int_equal(system(cmd), 0);
    return 0;
}

static void give(struct shell *s, const struct shell_from *from, uint32_t id, const void *body)
{
    struct td_buf frame = {0};
    td_wire_put_frame(&frame, id, 1, body);
    shell_take_frame(s, from, frame.data, frame.len);
    td_buf_release(&frame);
}

static void wake(struct shell *s)
{
    struct td_error err = {0};
    if (shell_wake_end(s, &err) < 0)
        fail_msg("%s", err.text);
}

static void submit(struct shell *s, uint32_t uid, const char *script)
{
    static const struct td_job_need need = {.ntasks = 1};
    const struct shell_from from = {.peer = 99, .uid = uid, .gid = uid};
    const struct td_submit m = {
        .spec = {.name = "t", .needs = {&need, 1}, .work_dir = "/tmp", .limit_s = 60, .user_name = "somebody else"},
        .script = {(const uint8_t *)script, (uint32_t)strlen(script)},
        .env = {(const uint8_t *)"A=b", 3},
    };
    give(s, &from, TD_MSG_SUBMIT, &m);
}

static uint32_t jobs(struct shell *s)
{
    struct td_core_sizes z;
    td_core_get_sizes(s->core, &z);
    return z.jobs;
}

static void restart(struct shell *s)
{
    td_core_destroy(&s->core);
    s->ops->close(&s->store);
    shell_inputlog_drop(s);
    begin(s);
}

static void verify_says(struct shell *s, const char *good, const char *bad)
{
    struct td_buf report = {0};
    struct td_error err = {0};
    int r = td_journal_verify(s->state_dir, &report, &err);
    if ((r == 0) != (bad == NULL) || (good && !strstr(td_buf_str(&report), good)) || (bad && !strstr(err.text, bad)))
        fail_msg("verify: %d\n%s%s", r, td_buf_str(&report), err.text);
    if (strstr(err.text, "`tender journal verify`")) /* that is what was run */
        fail_msg("%s", err.text);
    td_buf_release(&report);
}

static void damage(struct shell *s, const char *sql)
{
    char path[128];
    sqlite3 *db = NULL;
    snprintf(path, sizeof(path), "%s/journal.db", s->state_dir);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(td_store_sums(db), SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK || sqlite3_changes(db) < 1)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    sqlite3_close(db);
}

/* As a broker with a bug would: with sums that fit. */
static void forge(struct shell *s, const char *sql)
{
    damage(s, sql);
    damage(s, "UPDATE snapshots SET sum=td_sum(seq,time_ms,digest);"
              "UPDATE snapshot_records SET sum=td_sum(snapshot,no,kind,data);"
              "UPDATE events SET sum=td_sum(seq,time_ms,id,body)");
}

#define TRUE "#!/bin/sh\ntrue\n"

static void what_was_committed_is_there_again(void **state)
{
    struct shell *s = *state;
    struct td_error err = {0};
    for (int i = 0; i < 5; i++) {
        submit(s, 1000, TRUE);
        wake(s);
    }
    uint64_t digest = td_core_digest(s->core), seq = td_core_seq(s->core);
    assert_int_equal(shell_core_rebuild(s, &err), 0);
    assert_true(td_core_digest(s->core) == digest);
    assert_true(td_core_seq(s->core) == seq);

    restart(s);
    assert_int_equal(jobs(s), 5);
    assert_int_equal(shell_snapshot(s, &err), 0);
    digest = td_core_digest(s->core);
    assert_int_equal(shell_core_rebuild(s, &err), 0); /* now from the snapshot */
    assert_true(td_core_digest(s->core) == digest);
    assert_int_equal(s->next_job, 6);
    verify_says(s, "1 snapshot digests equal", NULL);
}

static void who_submits_is_said_by_the_kernel(void **state)
{
    struct shell *s = *state;
    struct td_job_info info;
    struct td_arena a = {0};
    submit(s, 0, TRUE);
    wake(s);
    assert_true(td_core_job_row(s->core, 1, &a, &info));
    assert_int_equal(info.uid, 0);
    assert_string_equal(info.spec.user_name, "root");
    assert_true(info.spec.groups.n >= 1);
    assert_int_equal(info.spec.script_hash.n, 32);
    assert_true(s->ops->has_blob(s->store, info.spec.script_hash.v));
    td_arena_release(&a);
}

static void scripts_that_are_none_leave_nothing(void **state)
{
    struct shell *s = *state;
    uint64_t seq = td_core_seq(s->core);
    uint8_t hash[32];
    submit(s, 0, "");
    submit(s, 0, " \n\t");
    submit(s, 0, "true\n");
    wake(s);
    assert_true(td_core_seq(s->core) == seq);
    assert_int_equal(td_core_counters(s->core)->rejected, 3);
    td_hash("true\n", 5, hash);
    assert_false(s->ops->has_blob(s->store, hash));
}

static void rights_are_checked_before_anything(void **state)
{
    struct shell *s = *state;
    const struct shell_from user = {.peer = 99, .uid = 4711, .gid = 4711};
    const struct shell_from stranger = {.peer = SHELL_BUS_PEER | 1, .key = KEY};
    const struct td_update_node update = {.nodes = "n1", .state = "DRAIN", .reason = "x"};
    const struct td_shutdown stop = {0};
    const struct td_hello hello = {.version = 1, .node = "n1"};
    const struct td_submit sub = {.script = {(const uint8_t *)TRUE, 15}};
    const struct td_submitted answer = {.job = 1};
    uint64_t seq = td_core_seq(s->core);

    give(s, &user, TD_MSG_UPDATE_NODE, &update);    /* an operator's */
    give(s, &user, TD_MSG_SHUTDOWN, &stop);         /* an administrator's */
    give(s, &user, TD_MSG_HELLO, &hello);           /* a worker's */
    give(s, &stranger, TD_MSG_HELLO, &hello);       /* an enrolled worker's */
    give(s, &stranger, TD_MSG_SUBMIT, &sub);        /* a user's, by the local socket */
    give(s, &stranger, TD_MSG_UPDATE_NODE, &update);
    give(s, &user, TD_MSG_SUBMITTED, &answer);      /* nobody's */
    assert_int_equal(td_core_counters(s->core)->rejected, 7);
    assert_int_equal(s->asked.n, 0);
    assert_false(s->stop);
    assert_true(td_core_seq(s->core) == seq);
    wake(s); /* which tells of them: four kinds of a user, three of the stranger */
    assert_int_equal(td_core_counters(s->core)->denied, 7);
    assert_true(td_core_seq(s->core) == seq + 7);
    for (int i = 0; i < 100; i++) {
        give(s, &user, TD_MSG_SHUTDOWN, &stop);
        give(s, &stranger, TD_MSG_HELLO, &hello);
    }
    wake(s); /* more of the kind, in the same minute */
    assert_int_equal(td_core_counters(s->core)->denied, 207);
    assert_true(td_core_seq(s->core) == seq + 7);

    const struct shell_from root = {.peer = 99};
    give(s, &root, TD_MSG_SHUTDOWN, &stop);
    assert_true(s->stop);
}

static void a_token_is_good_for_what_it_was_made_for(void **state)
{
    struct shell *s = *state;
    const struct shell_from worker = {.peer = SHELL_BUS_PEER | 1, .key = KEY};
    uint8_t secret[32] = {7}, hash[32];
    struct td_enrol m = {.version = 1, .node = "n1", .secret = {secret, 32}};

    give(s, &worker, TD_MSG_ENROL, &m);
    wake(s);
    assert_null(td_core_key_node(s->core, KEY)); /* nobody made that token */

    td_hash(secret, 32, hash);
    const struct td_ev_token_made made = {.token = {hash, 32}, .names = "n[1-2]", .uses = 1};
    shell_input(s, &(struct td_input){.kind = TD_IN_ENROL, .id = TD_EV_TOKEN_MADE, .body = &made});
    m.node = "n3";
    give(s, &worker, TD_MSG_ENROL, &m);
    assert_null(td_core_key_node(s->core, KEY));
    m.node = "n1";
    m.version = 99;
    give(s, &worker, TD_MSG_ENROL, &m);
    assert_null(td_core_key_node(s->core, KEY));
    m.version = 1;
    give(s, &worker, TD_MSG_ENROL, &m);
    assert_string_equal(td_core_key_node(s->core, KEY), "n1");
    wake(s);

    const struct shell_from second = {.peer = SHELL_BUS_PEER | 2, .key = "2" KEY};
    m.node = "n2";
    give(s, &second, TD_MSG_ENROL, &m); /* used up */
    assert_null(td_core_key_node(s->core, "2" KEY));
    wake(s);
    restart(s);
    assert_string_equal(td_core_key_node(s->core, KEY), "n1");
}

static void a_failed_commit_never_happened(void **state)
{
    struct shell *s = *state;
    struct td_error err = {0};
    struct rlimit was, tight;
    submit(s, 1000, TRUE);
    wake(s);
    uint64_t digest = td_core_digest(s->core), epoch = td_core_epoch(s->core);

    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
    tight = was;
    tight.rlim_cur = 8192;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
    submit(s, 1000, TRUE);
    assert_int_equal(jobs(s), 2); /* applied, not committed */
    wake(s);
    bool down = s->down;
    uint64_t then = td_core_digest(s->core);
    submit(s, 1000, TRUE); /* refused at once */
    wake(s);
    assert_int_equal(shell_try_up(s, &err), 0);
    bool still = s->down;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
    assert_true(down);
    assert_true(still);
    assert_true(then == digest);
    assert_int_equal(s->cause.code, TD_E_NO_SPACE);
    assert_int_equal(jobs(s), 1);
    assert_int_equal(td_core_counters(s->core)->commit_failures, 1);

    assert_int_equal(shell_try_up(s, &err), 0);
    assert_false(s->down);
    assert_true(td_core_epoch(s->core) > epoch); /* workers can tell */
    submit(s, 1000, TRUE);
    wake(s);
    assert_int_equal(jobs(s), 2);
    verify_says(s, "wakes of the last reign given again", NULL);
}

/* How often the journal holds the words. */
static unsigned journal_has(struct shell *s, const char *words)
{
    struct td_error err = {0};
    char *text = NULL;
    size_t size = 0;
    unsigned n = 0;
    FILE *f = open_memstream(&text, &size);
    assert_int_equal(td_journal_dump(s->state_dir, 0, TD_SEE_ALL, f, &err), 0);
    fclose(f);
    for (const char *at = strstr(text, words); at; at = strstr(at + 1, words))
        n++;
    free(text);
    return n;
}

static void fail_commits(bool on)
{
    static struct rlimit was;
    struct rlimit tight;
    signal(SIGXFSZ, SIG_IGN);
    if (on)
        assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
    tight = was;
    tight.rlim_cur = on ? 8192 : was.rlim_cur;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
}

/* A core without a clock set back takes both clocks for one: jobs with a begin time would start by so much too early. */
static void a_new_reign_is_told_of_a_clock_set_back(void **state)
{
    struct shell *s = *state;
    struct td_error err = {0};
    s->clock.now_us += 100 * 1000000LL; /* as if the wall clock had been set back */
    submit(s, 1000, TRUE);
    wake(s);
    fail_commits(true);
    submit(s, 1000, TRUE);
    wake(s);
    fail_commits(false);
    assert_true(s->down);
    assert_int_equal(shell_try_up(s, &err), 0);
    assert_false(s->down);
    assert_int_equal(journal_has(s, "\"type\":\"EPOCH_BEGAN\""), 2);
    assert_int_equal(journal_has(s, "\"type\":\"CLOCK_STEPPED\",\"delta_ms\":-"), 2);
    assert_int_equal(journal_has(s, "\"type\":\"CLOCK_STEPPED\""), 2); /* and none that says "together" */
}

/* A step that was only in the commit that failed never happened for the journal: the next reign hears of it. */
static void a_step_whose_commit_failed_is_told_again(void **state)
{
    struct shell *s = *state;
    struct td_error err = {0};
    fail_commits(true);
    s->clock.now_us -= 3600 * 1000000LL; /* as if the wall clock had been set ahead */
    submit(s, 1000, TRUE);
    wake(s);
    fail_commits(false);
    assert_true(s->down);
    assert_int_equal(journal_has(s, "\"type\":\"CLOCK_STEPPED\""), 0);
    assert_int_equal(shell_try_up(s, &err), 0);
    assert_int_equal(journal_has(s, "\"type\":\"CLOCK_STEPPED\",\"delta_ms\":3"), 1);
}

static void a_deposed_broker_stops(void **state)
{
    struct shell *s = *state;
    struct td_error err = {0};
    damage(s, "UPDATE meta SET value=value+1 WHERE key='epoch'");
    submit(s, 1000, TRUE);
    assert_int_equal(shell_wake_end(s, &err), -TD_E_DEPOSED);
    assert_non_null(strstr(err.text, "another broker leads"));
}

static void verify_proves_state_and_decisions(void **state)
{
    struct shell *s = *state;
    struct td_error err = {0};
    for (int i = 0; i < 3; i++) {
        submit(s, 1000, TRUE);
        wake(s);
    }
    assert_int_equal(shell_snapshot(s, &err), 0);
    submit(s, 1000, TRUE);
    wake(s);
    verify_says(s, "wakes of the last reign given again", NULL);

    forge(s, "UPDATE snapshots SET digest=digest+1");
    verify_says(s, NULL, "has not the digest stored with the snapshot");
    forge(s, "UPDATE snapshots SET digest=digest-1");

    /* one that decodes and cannot have happened: the same submission again */
    forge(s, "UPDATE events SET id=20, body=(SELECT body FROM events WHERE id=20 ORDER BY seq LIMIT 1) "
              "WHERE seq=(SELECT max(seq) FROM events)");
    verify_says(s, NULL, "cannot have happened");
}

static void a_digest_of_another_version_is_not_compared(void **state)
{
    struct shell *s = *state;
    struct td_error err = {0};
    submit(s, 1000, TRUE);
    wake(s);
    assert_int_equal(shell_snapshot(s, &err), 0);
    forge(s, "UPDATE snapshots SET digest=digest+1");
    assert_int_equal(shell_core_rebuild(s, &err), -TD_E_JOURNAL);
    assert_non_null(strstr(err.text, "tender journal verify"));
    /* the version is the last field of the snapshot's first record */
    forge(s, "UPDATE snapshot_records SET data=CAST(substr(data,1,length(data)-1)||x'01' AS BLOB) WHERE kind=1");
    assert_int_equal(shell_core_rebuild(s, &err), 0);
    assert_int_equal(jobs(s), 1);
    verify_says(s, "made by another version", NULL);
}

/* Both would decode, and be applied. */
static void what_is_damaged_is_not_applied(void **state)
{
    struct shell *s = *state;
    struct td_error err = {0};
    char want[64];
    submit(s, 1000, TRUE);
    wake(s);
    uint64_t seq = td_core_seq(s->core);
    damage(s, "UPDATE events SET time_ms=time_ms+1 WHERE seq=(SELECT max(seq) FROM events)");
    assert_int_equal(shell_core_rebuild(s, &err), -TD_E_JOURNAL);
    snprintf(want, sizeof(want), "event %llu is damaged", (unsigned long long)seq);
    assert_non_null(strstr(err.text, want));
    assert_non_null(strstr(err.text, "`tender journal verify`"));
    assert_non_null(strstr(err.text, "copy of journal.db"));
    verify_says(s, NULL, want);
    damage(s, "UPDATE events SET time_ms=time_ms-1 WHERE seq=(SELECT max(seq) FROM events)");
    assert_int_equal(shell_core_rebuild(s, &err), 0);

}

/* With an older snapshot, or from nothing, as long as the events are there. */
static void a_damaged_snapshot_is_gone_around(void **state)
{
    struct shell *s = *state;
    struct td_error err = {0};
    uint64_t at[2];
    for (int i = 0; i < 2; i++) {
        submit(s, 1000, TRUE);
        wake(s);
        at[i] = td_core_seq(s->core);
        assert_int_equal(shell_snapshot(s, &err), 0);
    }
    submit(s, 1000, TRUE);
    wake(s);
    const uint64_t digest = td_core_digest(s->core);
    static const struct {
        const char *damage;
        int from; /* snapshot, -1: nothing, -2: there is no way */
    } steps[] = {
        {"UPDATE snapshots SET time_ms=time_ms WHERE 1", 1},
        {"UPDATE snapshot_records SET kind=kind+1 WHERE no=2 AND snapshot=(SELECT max(seq) FROM snapshots)", 0},
        {"UPDATE snapshots SET time_ms=time_ms+1 WHERE seq=(SELECT max(seq) FROM snapshots)", 0},
        {"UPDATE snapshot_records SET data=x'80' WHERE no=1", -1},
        {"DELETE FROM events WHERE seq=1", -2},
    };
    for (size_t i = 0; i < TD_ARRAY_LEN(steps); i++) {
        damage(s, steps[i].damage);
        int r = shell_core_rebuild(s, &err);
        if (steps[i].from == -2) {
            assert_int_equal(r, -TD_E_JOURNAL);
            assert_non_null(strstr(err.text, "the head of the snapshot of event"));
            assert_non_null(strstr(err.text, "`tender journal verify`"));
            break;
        }
        if (r < 0)
            fail_msg("step %zu: %s", i, err.text);
        assert_true(td_core_digest(s->core) == digest);
        assert_true(s->reign_snapshot == (steps[i].from < 0 ? 0 : at[steps[i].from]));
        assert_int_equal(s->next_job, 4);
    }
}

static void verify_finds_events_that_the_inputs_do_not_make(void **state)
{
    struct shell *s = *state;
    submit(s, 1000, TRUE);
    wake(s);
    forge(s, "UPDATE events SET time_ms=time_ms+1 WHERE seq=(SELECT max(seq) FROM events)");
    verify_says(s, "invariants hold", "the inputs given again make");
}

static void verify_finds_inputs_that_decide_otherwise(void **state)
{
    struct shell *s = *state;
    submit(s, 1000, TRUE);
    wake(s);
    submit(s, 1000, TRUE);
    wake(s);
    verify_says(s, "wakes of the last reign given again", NULL);
    damage(s, "DELETE FROM inputs WHERE wake=(SELECT max(wake)-1 FROM inputs)");
    verify_says(s, NULL, "its inputs given again are after");
}

static bool script_kept(struct shell *s, const char *script)
{
    uint8_t hash[32];
    td_hash(script, strlen(script), hash);
    return s->ops->has_blob(s->store, hash);
}

/* A script in the journal that no job needs. */
static void script_left(struct shell *s, const char *script)
{
    struct td_stored_blob blob = {.data = (const uint8_t *)script, .len = (uint32_t)strlen(script)};
    struct td_error err = {0};
    td_hash(script, blob.len, blob.hash);
    const struct td_store_batch b = {.blobs = &blob, .nblobs = 1};
    assert_int_equal(s->ops->append(s->store, &b, &err), 0);
}

/* One that a compaction dropped, while it was in the cache, is written again. */
static void a_cached_script_is_in_the_journal(void **state)
{
    struct shell *s = *state;
    struct td_error err = {0};
    uint8_t hash[32];
    script_left(s, TRUE);
    td_hash(TRUE, strlen(TRUE), hash);
    assert_non_null(shell_blob_find(s, hash));
    assert_int_equal(shell_snapshot(s, &err), 0);
    assert_false(script_kept(s, TRUE));
    submit(s, 1000, TRUE);
    wake(s);
    assert_true(script_kept(s, TRUE));
}

static void snapshot_due(struct shell *s)
{
    s->conf->snapshot_events = 1;
    shell_snapshot_step(s);
    s->conf->snapshot_events = UINT32_MAX;
    assert_int_equal(s->snap.state, SHELL_SNAP_TAKING);
}

/* Work goes on while a child encodes: what it saw is the snapshot, what came later is behind it. */
static void a_snapshot_is_taken_between_wakes(void **state)
{
    struct shell *s = *state;
    struct td_error err = {0};
    s->conf->input_log = false;
    s->conf->keep_events = 0;
    script_left(s, "#!/bin/sh\n# asked for again\n");
    script_left(s, "#!/bin/sh\n# nobody's\n");
    for (int i = 0; i < 40; i++)
        submit(s, 1000, TRUE);
    wake(s);
    const uint64_t seq = td_core_seq(s->core);
    snapshot_due(s);
    submit(s, 1000, "#!/bin/sh\n# asked for again\n");
    submit(s, 1000, "#!/bin/sh\n# new\n");
    wake(s);
    while (s->snap.state != SHELL_SNAP_IDLE)
        shell_snapshot_step(s);
    assert_true(s->newest_snapshot == seq);
    assert_true(script_kept(s, TRUE));
    assert_true(script_kept(s, "#!/bin/sh\n# asked for again\n"));
    assert_true(script_kept(s, "#!/bin/sh\n# new\n"));
    assert_false(script_kept(s, "#!/bin/sh\n# nobody's\n"));
    const uint64_t digest = td_core_digest(s->core);
    assert_int_equal(shell_core_rebuild(s, &err), 0);
    assert_true(td_core_digest(s->core) == digest);
    assert_true(s->reign_snapshot == seq);
    assert_int_equal(jobs(s), 42);
    verify_says(s, "1 snapshot digests equal", NULL);
}

static void a_snapshot_whose_child_dies_is_tried_again(void **state)
{
    struct shell *s = *state;
    struct td_error err = {0};
    for (int i = 0; i < 2000; i++) /* more than its pipe holds: it cannot be done before it is killed */
        submit(s, 1000, TRUE);
    wake(s);
    const uint64_t before = s->newest_snapshot;
    snapshot_due(s);
    shell_snapshot_step(s);
    kill(s->snap.child, SIGKILL);
    while (s->snap.state == SHELL_SNAP_TAKING)
        shell_snapshot_step(s);
    assert_int_equal(s->snap.state, SHELL_SNAP_IDLE);
    assert_int_equal(s->snap.child, 0);
    assert_true(s->newest_snapshot == before);
    assert_true(s->last_snapshot == td_core_seq(s->core)); /* not again at once */
    verify_says(s, "invariants hold", NULL);
    submit(s, 1000, TRUE);
    wake(s);
    snapshot_due(s);
    while (s->snap.state != SHELL_SNAP_IDLE)
        shell_snapshot_step(s);
    assert_true(s->newest_snapshot == td_core_seq(s->core));
    assert_int_equal(shell_core_rebuild(s, &err), 0);
    assert_int_equal(jobs(s), 2001);
}

static void a_failed_commit_gives_up_the_snapshot(void **state)
{
    struct shell *s = *state;
    struct td_error err = {0};
    const struct td_error cause = {.code = TD_E_NO_SPACE, .text = "no space"};
    submit(s, 1000, TRUE);
    wake(s);
    snapshot_due(s);
    assert_int_equal(shell_down(s, &cause, &err), 0);
    assert_int_equal(s->snap.state, SHELL_SNAP_IDLE);
    assert_int_equal(s->snap.child, 0);
    shell_snapshot_step(s); /* not while down */
    assert_int_equal(s->snap.state, SHELL_SNAP_IDLE);
    assert_int_equal(shell_try_up(s, &err), 0);
    snapshot_due(s);
    assert_int_equal(shell_snapshot(s, &err), 0); /* the stop does not wait for a child */
    assert_int_equal(s->snap.child, 0);
    assert_true(s->newest_snapshot == td_core_seq(s->core));
    verify_says(s, "snapshot digests equal", NULL);
}

static bool count_row(void *ctx, const struct td_history_row *h)
{
    assert_false(h->damaged);
    ++*(uint32_t *)ctx;
    return true;
}
static uint32_t history_rows(struct shell *s)
{
    const struct td_history_query all = {0};
    struct td_error err = {0};
    uint32_t n = 0;
    assert_int_equal(s->ops->history(s->store, &all, count_row, &n, &err), 0);
    return n;
}

/* 1200 jobs that ended in the hour before last, one that ended now. */
static void old_history_is_purged_in_batches(void **state)
{
    struct shell *s = *state;
    struct td_error err = {0};
    const int64_t now = shell_now_ms(s);
    uint64_t digest = td_core_digest(s->core), seq = td_core_seq(s->core);
    static struct td_history_row rows[1201];
    const struct td_job_info info = {.job = 1000};
    struct td_buf body = {0};
    td_wire_put_record(&body, &td_rec_job_info, &info);
    for (uint32_t i = 0; i < TD_ARRAY_LEN(rows); i++)
        rows[i] = (struct td_history_row){.job = 1000 + i, .end_ms = i < 1200 ? now - 7200000 : now, .info = body.data,
                                          .len = (uint32_t)body.len};
    const struct td_store_batch b = {.history = rows, .nhistory = TD_ARRAY_LEN(rows)};
    assert_int_equal(s->ops->append(s->store, &b, &err), 0);
    td_buf_release(&body);
    s->conf->purge_jobs_h = 0; /* for ever */
    shell_purge_if_due(s);
    assert_int_equal(history_rows(s), 1201);
    s->conf->purge_jobs_h = 3;
    s->purge_at_us = 0;
    shell_purge_if_due(s);
    assert_int_equal(history_rows(s), 1201);
    shell_purge_if_due(s); /* nothing was old: not asked again for a while */
    s->conf->purge_jobs_h = 1;
    shell_purge_if_due(s);
    assert_int_equal(history_rows(s), 1201);
    s->purge_at_us = 0;
    shell_purge_if_due(s);
    assert_int_equal(history_rows(s), 701);
    shell_purge_if_due(s);
    assert_int_equal(history_rows(s), 201);
    shell_purge_if_due(s);
    assert_int_equal(history_rows(s), 1);
    shell_purge_if_due(s);
    assert_int_equal(history_rows(s), 1);
    assert_true(td_core_seq(s->core) == seq);
    assert_int_equal(shell_core_rebuild(s, &err), 0);
    assert_true(td_core_digest(s->core) == digest);
    verify_says(s, "history: 1 jobs", NULL);
}

static void dump_prints_a_line_for_each_event(void **state)
{
    struct shell *s = *state;
    struct td_error err = {0};
    char *text = NULL;
    size_t size = 0;
    submit(s, 1000, TRUE);
    wake(s);
    FILE *f = open_memstream(&text, &size);
    assert_int_equal(td_journal_dump(s->state_dir, 0, TD_SEE_ALL, f, &err), 0);
    fclose(f);
    uint64_t lines = 0;
    for (size_t i = 0; i < size; i++)
        lines += text[i] == '\n';
    assert_true(lines == td_core_seq(s->core));
    assert_non_null(strstr(text, "\"type\":\"JOB_SUBMITTED\",\"job\":1,"));
    assert_null(strstr(text, "script_hash")); /* above ALL */
    free(text);
    assert_true(td_journal_dump("/nonexistent", 0, TD_SEE_ALL, stdout, &err) < 0);
}

static ssize_t slow_write(void *cookie, const char *buf, size_t size)
{
    struct shell *s = cookie;
    char path[128];
    sqlite3 *db = NULL;
    sqlite3_stmt *st = NULL;
    (void)buf;
    snprintf(path, sizeof(path), "%s/journal.db", s->state_dir);
    submit(s, 1000, TRUE);
    wake(s);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, "PRAGMA wal_checkpoint(TRUNCATE)", -1, &st, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(st), SQLITE_ROW);
    assert_int_equal(sqlite3_column_int(st, 0), 0); /* no reader was in the way: the log is empty again */
    sqlite3_finalize(st);
    sqlite3_close(db);
    return (ssize_t)size;
}

static void a_dump_that_nobody_reads_holds_up_nothing(void **state)
{
    struct shell *s = *state;
    struct td_error err = {0};
    for (int i = 0; i < 4500; i++)
        submit(s, 1000, TRUE);
    wake(s);
    FILE *f = fopencookie(s, "w", (cookie_io_functions_t){.write = slow_write});
    assert_int_equal(setvbuf(f, NULL, _IOFBF, 1 << 22), 0);
    if (td_journal_dump(s->state_dir, 0, TD_SEE_ALL, f, &err) < 0)
        fail_msg("%s", err.text);
    fclose(f);
    assert_in_range(jobs(s), 4502, 4510);
}

static ssize_t compacting_write(void *cookie, const char *buf, size_t size)
{
    (void)buf;
    damage(cookie, "DELETE FROM events WHERE seq<=3000; UPDATE meta SET value=value WHERE key='epoch'");
    return (ssize_t)size;
}

static void a_dump_overtaken_by_a_compaction_says_so(void **state)
{
    struct shell *s = *state;
    struct td_error err = {0};
    for (int i = 0; i < 4500; i++)
        submit(s, 1000, TRUE);
    wake(s);
    FILE *f = fopencookie(s, "w", (cookie_io_functions_t){.write = compacting_write});
    assert_int_equal(setvbuf(f, NULL, _IOFBF, 1 << 22), 0);
    assert_int_equal(td_journal_dump(s->state_dir, 0, TD_SEE_ALL, f, &err), -TD_E_JOURNAL);
    assert_string_equal(err.text, "event 3001 follows event 2000: those between were compacted while the dump was written");
    fclose(f);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(what_was_committed_is_there_again),
        T(who_submits_is_said_by_the_kernel),
        T(scripts_that_are_none_leave_nothing),
        T(rights_are_checked_before_anything),
        T(a_token_is_good_for_what_it_was_made_for),
        T(a_failed_commit_never_happened),
        T(a_new_reign_is_told_of_a_clock_set_back),
        T(a_step_whose_commit_failed_is_told_again),
        T(a_deposed_broker_stops),
        T(verify_proves_state_and_decisions),
        T(a_digest_of_another_version_is_not_compared),
        T(what_is_damaged_is_not_applied),
        T(a_damaged_snapshot_is_gone_around),
        T(verify_finds_events_that_the_inputs_do_not_make),
        T(verify_finds_inputs_that_decide_otherwise),
        T(a_cached_script_is_in_the_journal),
        T(a_snapshot_is_taken_between_wakes),
        T(a_snapshot_whose_child_dies_is_tried_again),
        T(a_failed_commit_gives_up_the_snapshot),
        T(old_history_is_purged_in_batches),
        T(a_dump_that_nobody_reads_holds_up_nothing),
        T(a_dump_overtaken_by_a_compaction_says_so),
        T(dump_prints_a_line_for_each_event),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
