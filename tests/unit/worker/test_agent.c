/* Films of a worker's mind: what it says to broker and shepherd, on virtual time, when things come late, twice or never. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "worker/core/agent.h"

#define LEASE 3000u

struct film {
    struct td_agent *agent;
    int64_t now;
    uint32_t at; /* effects of the last step looked at so far */
};

static const uint8_t cpu_bits[] = {0xff};
static const uint8_t one_bit[8][1] = {{1}, {2}, {4}, {8}, {16}, {32}, {64}, {128}};

static struct td_inventory inventory(void)
{
    return (struct td_inventory){.hostname = "h", .cpus = {cpu_bits, 1}, .memory_mb = 1000, .sockets = 1, .cores_per_socket = 8};
}

static int setup(void **state)
{
    struct film *f = td_alloc(sizeof(*f));
    struct td_inventory inv = inventory();

    f->agent = td_agent_new(&(struct td_agent_conf){.node = "n1", .boot_id = "host", .instance = "i1", .seed = 7}, &inv);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct film *f = *state;

    td_agent_destroy(&f->agent);
    td_free(f);
    return 0;
}

/* --- inputs ------------------------------------------------------------------------------------------------------ */

static void step(struct film *f, enum td_agent_input_kind kind, uint32_t id, const void *body)
{
    f->at = 0;
    td_agent_step(f->agent, f->now, &(struct td_agent_input){.kind = kind, .id = id, .body = body});
}

#define BUS(f, ID, type, ...) step((f), TD_AGENT_BUS, TD_MSG_##ID, &(struct type){__VA_ARGS__})
#define SHEPHERD(f, ID, type, ...) step((f), TD_AGENT_SHEPHERD, TD_MSG_##ID, &(struct type){__VA_ARGS__})

static void tick(struct film *f)
{
    step(f, TD_AGENT_TICK, 0, NULL);
}

static void advance(struct film *f, int64_t ms)
{
    f->now += ms;
    tick(f);
}

/* To the next thing the agent wants to do by itself. */
static void advance_to_deadline(struct film *f)
{
    int64_t at = td_agent_deadline(f->agent);

    assert_true(at < INT64_MAX);
    f->now = TD_MAX(f->now, at);
    tick(f);
}

static void award(struct film *f, uint32_t job, uint32_t attempt, uint32_t cpu)
{
    struct td_award w = {.job = job, .attempt = attempt, .place = {.node = "n1", .tasks = 1, .cpus = {one_bit[cpu], 1}}};
    struct td_job_spec spec = {.name = "job"};
    const struct td_welcome *m = td_agent_welcome(f->agent);

    BUS(f, AWARD, td_award_batch, .epoch = m->epoch, .incarnation = m->incarnation, .awards = {&w, 1}, .specs = {&spec, 1});
}

static void kill(struct film *f, uint32_t job, uint32_t attempt)
{
    struct td_kill k = {.job = job, .attempt = attempt};

    BUS(f, KILL, td_kill_batch, .epoch = td_agent_welcome(f->agent)->epoch, .kills = {&k, 1});
}

static void status(struct film *f, uint64_t no, uint32_t kind, uint32_t job, uint32_t attempt)
{
    struct td_report r = {.no = no, .kind = kind, .job = job, .attempt = attempt, .step = TD_STEP_BATCH};

    SHEPHERD(f, SH_STATUS, td_sh_status, .reports = {&r, 1});
}

/* --- expectations ------------------------------------------------------------------------------------------------ */

/* The next effect that is no log line. */
static const struct td_agent_effect *next(struct film *f)
{
    uint32_t n;
    const struct td_agent_effect *e = td_agent_effects(f->agent, &n);

    while (f->at < n && e[f->at].kind == TD_AGENT_LOG)
        f->at++;
    return f->at < n ? &e[f->at++] : NULL;
}

static void expect_nothing(struct film *f)
{
    const struct td_agent_effect *e = next(f);

    if (e)
        fail_msg("unexpected effect %d: %s", e->kind, e->id ? td_msg_name(e->id) : "");
}

static const void *expect(struct film *f, enum td_agent_effect_kind kind, uint32_t id)
{
    const struct td_agent_effect *e = next(f);

    if (!e)
        fail_msg("nothing, not effect %d %s", kind, id ? td_msg_name(id) : "");
    if (e->kind != kind || e->id != id)
        fail_msg("effect %d %s, not %d %s", e->kind, e->id ? td_msg_name(e->id) : "", kind, id ? td_msg_name(id) : "");
    return e->body;
}

#define SENT(f, ID) expect((f), TD_AGENT_SEND, TD_MSG_##ID)
#define TOLD_SHEPHERD(f, ID) expect((f), TD_AGENT_TO_SHEPHERD, TD_MSG_##ID)

static const struct td_report *expect_report(struct film *f, uint32_t kind, uint32_t job, uint64_t no)
{
    const struct td_report_batch *m = SENT(f, REPORT);

    assert_int_equal(m->reports.n, 1);
    assert_string_equal(td_report_name(m->reports.v[0].kind), td_report_name(kind));
    assert_int_equal(m->reports.v[0].job, job);
    assert_int_equal(m->reports.v[0].no, no);
    assert_int_equal(m->incarnation, td_agent_welcome(f->agent)->incarnation);
    return &m->reports.v[0];
}

/* --- scenes ------------------------------------------------------------------------------------------------------ */

static void shepherd_speaks(struct film *f, const char *boot_id, const struct td_running *running, const struct td_placement *places, uint32_t n)
{
    SHEPHERD(f, SH_STATE, td_sh_state, .boot_id = boot_id, .running = {running, n}, .places = {places, n}, .next_no = 1);
}

static const char *const topics[] = {"o/normal/0/", "o/gpu/0/"};
static const char *const partitions[] = {"normal", "gpu"};

static void welcome(struct film *f, uint64_t epoch, uint32_t incarnation)
{
    BUS(f, WELCOME, td_welcome, .epoch = epoch, .incarnation = incarnation, .topics = {topics, 2}, .partitions = {partitions, 2},
        .lease_ms = LEASE, .kill_wait_s = 30, .core_is_unit = true);
}

static void registered(struct film *f)
{
    step(f, TD_AGENT_SHEPHERD_UP, 0, NULL);
    TOLD_SHEPHERD(f, SH_HELLO);
    expect_nothing(f);
    shepherd_speaks(f, "boot1", NULL, NULL, 0);
    const struct td_hello *m = SENT(f, HELLO);
    assert_string_equal(m->boot_id, "boot1");
    welcome(f, 5, 1);
    expect(f, TD_AGENT_SUBSCRIBE, 0);
    expect(f, TD_AGENT_SUBSCRIBE, 0);
    expect_nothing(f);
    assert_true(td_agent_registered(f->agent));
}

/* The job runs: awarded, launched, ACCEPTED as number `no`, that acknowledged. */
static void running_job(struct film *f, uint32_t job, uint32_t cpu, uint64_t no)
{
    award(f, job, 1, cpu);
    TOLD_SHEPHERD(f, SH_LAUNCH);
    status(f, no, TD_REPORT_ACCEPTED, job, 1);
    SENT(f, REPORT);
    BUS(f, REPORT_ACK, td_report_ack, .acked = no);
    TOLD_SHEPHERD(f, SH_ACK);
    expect_nothing(f);
}

/* --- registration ------------------------------------------------------------------------------------------------ */

static void says_nothing_until_the_shepherd_has_spoken(void **state)
{
    struct film *f = *state;

    tick(f);
    expect_nothing(f);
    assert_int_equal(td_agent_deadline(f->agent), INT64_MAX);
    assert_null(td_agent_welcome(f->agent));
    registered(f);
    assert_int_equal(td_agent_welcome(f->agent)->kill_wait_s, 30);
}

static void hello_names_what_runs_and_holds_it(void **state)
{
    struct film *f = *state;
    const struct td_running running[] = {{.job = 3, .attempt = 2}, {.job = 4, .attempt = 1, .exited = true}};
    const struct td_placement places[] = {{.cpus = {one_bit[0], 1}}, {.cpus = {one_bit[1], 1}}};

    step(f, TD_AGENT_SHEPHERD_UP, 0, NULL);
    shepherd_speaks(f, "boot1", running, places, 2);
    const struct td_hello *m = SENT(f, HELLO);
    assert_int_equal(m->running.n, 2);
    assert_int_equal(m->running.v[0].job, 3);
    assert_false(m->running.v[0].exited);
    assert_true(m->running.v[1].exited);
    assert_int_equal(m->version, TD_PROTOCOL_VERSION);
    assert_string_equal(m->instance, "i1");
    assert_int_equal(td_node_held(td_agent_node(f->agent)), 2);
    assert_int_equal(td_node_covers(td_agent_node(f->agent), &places[0]), TD_REFUSAL_CPUS);
}

static void hello_is_said_again_with_growing_patience(void **state)
{
    struct film *f = *state;
    int64_t last = 0, gap = 0;

    step(f, TD_AGENT_SHEPHERD_UP, 0, NULL);
    shepherd_speaks(f, "boot1", NULL, NULL, 0);
    SENT(f, HELLO);
    for (uint32_t i = 0; i < 3; i++) {
        advance_to_deadline(f);
        SENT(f, HELLO);
        assert_true(f->now - last > gap / 2);
        gap = f->now - last;
        last = f->now;
    }
    for (uint32_t i = 0; i < 10 && !td_agent_registered(f->agent); i++) { /* and in the end by a new connection */
        advance_to_deadline(f);
        const struct td_agent_effect *e = next(f);
        if (e && e->kind == TD_AGENT_RECONNECT) {
            SENT(f, HELLO);
            return;
        }
    }
    fail_msg("never reconnected");
}

static void a_claimed_name_is_tried_again_other_refusals_end(void **state)
{
    struct film *f = *state;

    step(f, TD_AGENT_SHEPHERD_UP, 0, NULL);
    shepherd_speaks(f, "boot1", NULL, NULL, 0);
    SENT(f, HELLO);
    BUS(f, REFUSED, td_refused, .code = TD_E_NODE_CLAIMED, .text = "n1 is taken");
    expect_nothing(f);
    int64_t before = f->now;
    advance_to_deadline(f);
    SENT(f, HELLO);
    assert_true(f->now - before >= 2000);
    BUS(f, REFUSED, td_refused, .code = TD_E_VERSION, .text = "too old");
    assert_string_equal(expect(f, TD_AGENT_EXIT, 0), "too old");
    advance(f, 100000);
    expect_nothing(f);
}

static void late_welcomes_change_nothing(void **state)
{
    struct film *f = *state;

    registered(f);
    welcome(f, 4, 9);
    expect_nothing(f);
    assert_int_equal(td_agent_welcome(f->agent)->epoch, 5);
    welcome(f, 5, 1); /* twice */
    expect_nothing(f);
    welcome(f, 5, 2); /* our HELLO came twice: the later number holds */
    expect_nothing(f);
    assert_int_equal(td_agent_welcome(f->agent)->incarnation, 2);
}

static void topics_follow_the_welcome(void **state)
{
    struct film *f = *state;
    const char *const other[] = {"o/gpu/0/", "o/long/0/"};

    registered(f);
    BUS(f, WELCOME, td_welcome, .epoch = 6, .incarnation = 1, .topics = {other, 2});
    const struct td_agent_effect *e = next(f);
    assert_int_equal(e->kind, TD_AGENT_UNSUBSCRIBE);
    assert_string_equal(e->topic, "o/normal/0/");
    e = next(f);
    assert_int_equal(e->kind, TD_AGENT_SUBSCRIBE);
    assert_string_equal(e->topic, "o/long/0/");
    expect_nothing(f);
}

static void welcome_names_attempts_that_must_not_live(void **state)
{
    struct film *f = *state;
    const struct td_running running = {.job = 3, .attempt = 1};
    const struct td_placement place = {.cpus = {one_bit[0], 1}};
    const struct td_attempt_ref kills[] = {{3, 1}, {8, 1}};

    step(f, TD_AGENT_SHEPHERD_UP, 0, NULL);
    shepherd_speaks(f, "boot1", &running, &place, 1);
    BUS(f, WELCOME, td_welcome, .epoch = 5, .incarnation = 1, .kill_wait_s = 9, .kills = {kills, 2});
    const struct td_sh_kill *k = TOLD_SHEPHERD(f, SH_KILL);
    assert_int_equal(k->kill.job, 3);
    assert_int_equal(k->kill_wait_s, 9);
    expect_report(f, TD_REPORT_GONE, 8, 0);
    expect_nothing(f);
}

/* --- leases and epochs ------------------------------------------------------------------------------------------- */

static void beats_three_times_a_lease(void **state)
{
    struct film *f = *state;

    registered(f);
    for (uint32_t i = 0; i < 5; i++) {
        advance_to_deadline(f);
        const struct td_heartbeat *m = SENT(f, HEARTBEAT);
        assert_int_equal(m->epoch, 5);
        assert_int_equal(f->now, (int64_t)(i + 1) * LEASE / 3);
        BUS(f, HEARTBEAT_ACK, td_heartbeat_ack, .epoch = 5);
        expect_nothing(f);
    }
}

/* NodeFence=kill: jobs may live so long after the last word that the broker is known to have heard, and no longer for anything
 * that it says by itself. */
static void the_fence_moves_with_what_is_answered(void **state)
{
    struct film *f = *state;
    struct td_probe probe = {.epoch = 5, .no = 1};

    f->now = 1000;
    step(f, TD_AGENT_SHEPHERD_UP, 0, NULL);
    TOLD_SHEPHERD(f, SH_HELLO);
    shepherd_speaks(f, "boot1", NULL, NULL, 0);
    assert_int_equal(((const struct td_hello *)SENT(f, HELLO))->at_ms, 1000);
    f->now = 1400;
    BUS(f, WELCOME, td_welcome, .epoch = 5, .incarnation = 1, .lease_ms = LEASE, .kill_wait_s = 30, .fence_ms = 20000, .at_ms = 1000);
    const struct td_sh_lease *m = TOLD_SHEPHERD(f, SH_LEASE);
    assert_int_equal(m->until_ms, 21000);
    assert_int_equal(m->kill_wait_s, 30);
    expect_nothing(f);

    advance_to_deadline(f);
    assert_int_equal(((const struct td_heartbeat *)SENT(f, HEARTBEAT))->at_ms, 2400);
    f->now = 2600;
    step(f, TD_AGENT_BUS, TD_MSG_PROBE, &probe);
    SENT(f, PROBE_ECHO);
    expect_nothing(f); /* it speaks, and may not hear */
    BUS(f, HEARTBEAT_ACK, td_heartbeat_ack, .epoch = 5, .at_ms = 2400);
    m = TOLD_SHEPHERD(f, SH_LEASE);
    assert_int_equal(m->until_ms, 22400);
    BUS(f, HEARTBEAT_ACK, td_heartbeat_ack, .epoch = 5, .at_ms = 1000); /* late */
    expect_nothing(f);
    BUS(f, HEARTBEAT_ACK, td_heartbeat_ack, .epoch = 5, .at_ms = 2601); /* of the future */
    expect_nothing(f);

    /* another shepherd is told before it is given anything; one that knows is not told */
    shepherd_speaks(f, "boot1", NULL, NULL, 0);
    m = TOLD_SHEPHERD(f, SH_LEASE);
    assert_int_equal(m->until_ms, 22400);
    SHEPHERD(f, SH_STATE, td_sh_state, .boot_id = "boot1", .next_no = 1, .fence_ms = 22400);
    expect_nothing(f);

    /* the fence is taken away */
    BUS(f, WELCOME, td_welcome, .epoch = 5, .incarnation = 1, .lease_ms = LEASE, .at_ms = 2500);
    m = TOLD_SHEPHERD(f, SH_LEASE);
    assert_int_equal(m->until_ms, 0);
    BUS(f, HEARTBEAT_ACK, td_heartbeat_ack, .epoch = 5, .at_ms = 2600);
    expect_nothing(f);
}

static void silence_reconnects_after_jitter(void **state)
{
    struct film *f = *state;

    registered(f);
    advance(f, LEASE - 1);
    SENT(f, HEARTBEAT);
    expect_nothing(f);
    advance(f, 1);
    expect_nothing(f);
    assert_false(td_agent_registered(f->agent));
    advance_to_deadline(f);
    expect(f, TD_AGENT_RECONNECT, 0);
    const struct td_hello *m = SENT(f, HELLO);
    assert_int_equal(m->incarnation, 1);
    welcome(f, 5, 2);
    expect(f, TD_AGENT_SUBSCRIBE, 0); /* new sockets: all of them again */
    expect(f, TD_AGENT_SUBSCRIBE, 0);
    assert_true(td_agent_registered(f->agent));
}

static void a_word_unread_is_no_silence(void **state)
{
    struct film *f = *state;

    registered(f);
    f->now += 10 * LEASE; /* the process was stopped; the shell reads first, then ticks */
    status(f, 1, TD_REPORT_SIGNALLED, 1, 1);
    SENT(f, REPORT);
    BUS(f, HEARTBEAT_ACK, td_heartbeat_ack, .epoch = 5);
    tick(f);
    SENT(f, HEARTBEAT);
    assert_true(td_agent_registered(f->agent));
}

static void another_epoch_says_hello_again(void **state)
{
    struct film *f = *state;

    registered(f);
    BUS(f, HEARTBEAT_ACK, td_heartbeat_ack, .epoch = 4, .acked = 99); /* late */
    expect_nothing(f);
    BUS(f, HEARTBEAT_ACK, td_heartbeat_ack, .epoch = 6, .acked = 0);
    SENT(f, HELLO);
    expect_nothing(f);
    welcome(f, 6, 1);
    expect_nothing(f); /* subscribed already */
    BUS(f, REFUSED, td_refused, .hello_again = true);
    SENT(f, HELLO);
    BUS(f, REFUSED, td_refused, .hello_again = true); /* about an older message: the HELLO is on its way */
    expect_nothing(f);
}

static void an_offer_of_a_new_reign_spreads_the_hellos(void **state)
{
    struct film *f = *state;

    registered(f);
    BUS(f, PROBE, td_probe, .epoch = 6, .no = 1);
    expect_nothing(f);
    assert_false(td_agent_registered(f->agent));
    advance_to_deadline(f);
    SENT(f, HELLO);
}

static void a_launch_that_cannot_be_is_declined(void **state)
{
    struct film *f = *state;
    const struct td_lot lots[] = {{.lot = 1, .shape = {.tasks_max = 1, .cpus_per_task = 1, .partition = "gpu"}, .count = 1}};
    struct td_report r = {.kind = TD_REPORT_DECLINED, .job = 4, .attempt = 1, .refusal = TD_REFUSAL_UNHEALTHY, .text = "disk full"};

    registered(f);
    award(f, 4, 1, 0);
    TOLD_SHEPHERD(f, SH_LAUNCH);
    step(f, TD_AGENT_LAUNCHES, 0, "disk full");
    expect_nothing(f);
    SHEPHERD(f, SH_STATUS, td_sh_status, .reports = {&r, 1});
    assert_string_equal(expect_report(f, TD_REPORT_DECLINED, 4, 0)->text, "disk full");
    assert_int_equal(td_node_held(td_agent_node(f->agent)), 0);
    award(f, 5, 1, 0);
    assert_string_equal(expect_report(f, TD_REPORT_DECLINED, 5, 0)->text, "disk full");
    BUS(f, OFFER, td_offer, .epoch = 5, .round = 1, .lots = {lots, 1});
    assert_int_equal(((const struct td_bid *)SENT(f, BID))->lots.v[0].refusal, TD_REFUSAL_UNHEALTHY);
    award(f, 4, 1, 0); /* the answer was lost */
    assert_int_equal(expect_report(f, TD_REPORT_DECLINED, 4, 0)->refusal, TD_REFUSAL_UNHEALTHY);
    step(f, TD_AGENT_LAUNCHES, 0, NULL);
    award(f, 4, 1, 0); /* and lost again: there is space by now */
    TOLD_SHEPHERD(f, SH_LAUNCH);
    expect_nothing(f);
}

static void other_sockets_know_no_topics(void **state)
{
    struct film *f = *state;

    registered(f);
    step(f, TD_AGENT_LINK_NEW, 0, NULL);
    advance_to_deadline(f);
    SENT(f, HELLO);
    welcome(f, 5, 1);
    expect(f, TD_AGENT_SUBSCRIBE, 0);
    expect(f, TD_AGENT_SUBSCRIBE, 0);
    assert_true(td_agent_registered(f->agent));
}

static void a_new_connection_is_a_doubt(void **state)
{
    struct film *f = *state;

    step(f, TD_AGENT_LINK_UP, 0, NULL);
    expect_nothing(f); /* what runs here is not known yet */
    registered(f);
    step(f, TD_AGENT_LINK_UP, 0, NULL);
    expect_nothing(f); /* all reach a new broker at once */
    assert_in_range(td_agent_deadline(f->agent), f->now, f->now + 99);
    advance_to_deadline(f);
    SENT(f, HELLO);
    step(f, TD_AGENT_LINK_UP, 0, NULL); /* that one may be lost */
    expect_nothing(f);
    assert_in_range(td_agent_deadline(f->agent), f->now, f->now + 99);
    advance_to_deadline(f);
    SENT(f, HELLO);
    BUS(f, REFUSED, td_refused, .code = TD_E_NODE_CLAIMED, .text = "claimed");
    assert_true(td_agent_deadline(f->agent) > f->now + 1000);
    step(f, TD_AGENT_LINK_UP, 0, NULL); /* who said so may be gone */
    assert_in_range(td_agent_deadline(f->agent), f->now, f->now + 99);
    advance_to_deadline(f);
    SENT(f, HELLO);
    welcome(f, 6, 1);
    assert_true(td_agent_registered(f->agent));
}

/* --- rounds ------------------------------------------------------------------------------------------------------ */

static void every_offer_is_answered(void **state)
{
    struct film *f = *state;
    const struct td_lot lots[] = {
        {.lot = 1, .shape = {.tasks_max = 1, .cpus_per_task = 3, .partition = "gpu"}, .count = 5},
        {.lot = 2, .shape = {.tasks_max = 1, .cpus_per_task = 9}, .count = 1},
        {.lot = 3, .shape = {.tasks_max = 1, .partition = "other"}, .count = 1},
    };

    registered(f);
    BUS(f, OFFER, td_offer, .epoch = 5, .round = 17, .lots = {lots, 3});
    const struct td_bid *b = SENT(f, BID);
    assert_int_equal(b->round, 17);
    assert_int_equal(b->incarnation, 1);
    assert_int_equal(b->lots.n, 3);
    assert_int_equal(b->lots.v[0].fits, 2);
    assert_int_equal(b->lots.v[1].refusal, TD_REFUSAL_TOO_SMALL);
    assert_int_equal(b->lots.v[2].refusal, TD_REFUSAL_PARTITION);
    assert_int_equal(b->node_version, td_node_version(td_agent_node(f->agent)));
    BUS(f, OFFER, td_offer, .epoch = 4, .round = 16, .lots = {lots, 3});
    expect_nothing(f);
    BUS(f, PROBE, td_probe, .epoch = 5, .no = 3);
    const struct td_probe_echo *echo = SENT(f, PROBE_ECHO);
    assert_int_equal(echo->no, 3);
    BUS(f, PROBE, td_probe, .epoch = 4, .no = 2);
    expect_nothing(f);
}

/* --- awards ------------------------------------------------------------------------------------------------------ */

static void a_job_from_award_to_gone(void **state)
{
    struct film *f = *state;

    registered(f);
    award(f, 1, 1, 0);
    const struct td_sh_launch *l = TOLD_SHEPHERD(f, SH_LAUNCH);
    assert_int_equal(l->award.job, 1);
    assert_string_equal(l->spec.name, "job");
    assert_int_equal(l->kill_wait_s, 30);
    expect_nothing(f);
    assert_int_equal(td_node_held(td_agent_node(f->agent)), 1);
    status(f, 1, TD_REPORT_ACCEPTED, 1, 1);
    expect_report(f, TD_REPORT_ACCEPTED, 1, 1);
    status(f, 2, TD_REPORT_EXITED, 1, 1);
    expect_report(f, TD_REPORT_EXITED, 1, 2);
    assert_int_equal(td_node_held(td_agent_node(f->agent)), 1); /* busy until GONE */
    status(f, 3, TD_REPORT_GONE, 1, 1);
    expect_report(f, TD_REPORT_GONE, 1, 3);
    assert_int_equal(td_node_held(td_agent_node(f->agent)), 0);
    BUS(f, REPORT_ACK, td_report_ack, .acked = 3);
    assert_int_equal(((const struct td_sh_ack *)TOLD_SHEPHERD(f, SH_ACK))->acked, 3);
    expect_nothing(f);
}

static void an_award_twice_is_one_launch(void **state)
{
    struct film *f = *state;

    registered(f);
    award(f, 1, 1, 0);
    TOLD_SHEPHERD(f, SH_LAUNCH);
    award(f, 1, 1, 0); /* before the shepherd has answered */
    expect_nothing(f);
    status(f, 1, TD_REPORT_ACCEPTED, 1, 1);
    expect_report(f, TD_REPORT_ACCEPTED, 1, 1);
    award(f, 1, 1, 0); /* the report was lost */
    expect_report(f, TD_REPORT_ACCEPTED, 1, 1);
    expect_nothing(f);
    BUS(f, REPORT_ACK, td_report_ack, .acked = 1);
    TOLD_SHEPHERD(f, SH_ACK);
    award(f, 1, 1, 0); /* the award was only late */
    expect_report(f, TD_REPORT_ACCEPTED, 1, 0);
    expect_nothing(f);
    status(f, 2, TD_REPORT_GONE, 1, 1);
    SENT(f, REPORT);
    award(f, 1, 1, 0);
    expect_report(f, TD_REPORT_GONE, 1, 2);
    BUS(f, REPORT_ACK, td_report_ack, .acked = 2);
    TOLD_SHEPHERD(f, SH_ACK);
    award(f, 1, 1, 0); /* even now */
    expect_report(f, TD_REPORT_GONE, 1, 0);
    expect_nothing(f);
    award(f, 1, 2, 0); /* another attempt is another matter */
    TOLD_SHEPHERD(f, SH_LAUNCH);
}

static void an_award_that_is_not_covered_is_declined(void **state)
{
    struct film *f = *state;

    registered(f);
    running_job(f, 1, 0, 1);
    award(f, 2, 1, 0);
    const struct td_report *r = expect_report(f, TD_REPORT_DECLINED, 2, 0);
    assert_int_equal(r->step, TD_STEP_BATCH);
    assert_int_equal(r->refusal, TD_REFUSAL_STALE);
    assert_string_equal(r->text, "not enough free CPUs");
    expect_nothing(f);
    assert_int_equal(td_node_held(td_agent_node(f->agent)), 1);
    advance(f, 999);
    expect_nothing(f); /* a decline is not repeated by itself */
    award(f, 2, 1, 1); /* and binds nothing */
    TOLD_SHEPHERD(f, SH_LAUNCH);
}

static void awards_of_other_registrations_are_ignored(void **state)
{
    struct film *f = *state;
    struct td_award w = {.job = 1, .attempt = 1, .place = {.cpus = {one_bit[0], 1}}};
    struct td_job_spec spec = {.name = "job"};

    registered(f);
    BUS(f, AWARD, td_award_batch, .epoch = 5, .incarnation = 2, .awards = {&w, 1}, .specs = {&spec, 1});
    expect_nothing(f);
    BUS(f, AWARD, td_award_batch, .epoch = 4, .incarnation = 1, .awards = {&w, 1}, .specs = {&spec, 1});
    expect_nothing(f);
    w.spec = 1; /* and one that names a spec that is not there is declined */
    BUS(f, AWARD, td_award_batch, .epoch = 5, .incarnation = 1, .awards = {&w, 1}, .specs = {&spec, 1});
    expect_report(f, TD_REPORT_DECLINED, 1, 0);
    assert_int_equal(td_node_held(td_agent_node(f->agent)), 0);
}

static void many_awards_are_many_launches_and_one_report(void **state)
{
    struct film *f = *state;
    struct td_award w[4];
    struct td_report r[4];
    struct td_job_spec specs[2] = {{.name = "a"}, {.name = "b"}};

    registered(f);
    for (uint32_t i = 0; i < 4; i++) {
        w[i] = (struct td_award){.job = i + 1, .attempt = 1, .spec = i / 2, .place = {.cpus = {one_bit[i], 1}}};
        r[i] = (struct td_report){.no = i + 1, .kind = TD_REPORT_ACCEPTED, .job = i + 1, .attempt = 1};
    }
    BUS(f, AWARD, td_award_batch, .epoch = 5, .incarnation = 1, .awards = {w, 4}, .specs = {specs, 2});
    for (uint32_t i = 0; i < 4; i++)
        assert_string_equal(((const struct td_sh_launch *)TOLD_SHEPHERD(f, SH_LAUNCH))->spec.name, i < 2 ? "a" : "b");
    expect_nothing(f);
    SHEPHERD(f, SH_STATUS, td_sh_status, .reports = {r, 4});
    assert_int_equal(((const struct td_report_batch *)SENT(f, REPORT))->reports.n, 4);
    expect_nothing(f);
}

/* --- reports ----------------------------------------------------------------------------------------------------- */

static void reports_are_repeated_until_acknowledged(void **state)
{
    struct film *f = *state;
    int64_t sent[5] = {0};

    registered(f);
    award(f, 1, 1, 0);
    status(f, 1, TD_REPORT_ACCEPTED, 1, 1);
    SENT(f, REPORT);
    for (uint32_t n = 1; n < 5;) {
        advance_to_deadline(f);
        for (const struct td_agent_effect *e = next(f); e; e = next(f))
            if (e->id == TD_MSG_REPORT) {
                sent[n++] = f->now;
                assert_int_equal(((const struct td_report_batch *)e->body)->reports.v[0].ago_ms, f->now);
            }
        BUS(f, HEARTBEAT_ACK, td_heartbeat_ack, .epoch = 5);
    }
    assert_int_equal(sent[1], 1000);
    assert_int_equal(sent[2], 3000);
    assert_int_equal(sent[3], 7000);
    assert_int_equal(sent[4], 15000);
    BUS(f, HEARTBEAT_ACK, td_heartbeat_ack, .epoch = 5, .acked = 1);
    TOLD_SHEPHERD(f, SH_ACK);
    for (uint32_t i = 0; i < 40; i++) {
        advance_to_deadline(f);
        SENT(f, HEARTBEAT);
        expect_nothing(f);
        BUS(f, HEARTBEAT_ACK, td_heartbeat_ack, .epoch = 5, .acked = 1);
    }
}

static void fresh_reports_do_not_put_off_old_ones(void **state)
{
    struct film *f = *state;

    registered(f);
    for (uint64_t no = 1; no <= 3; no++) {
        status(f, no, TD_REPORT_SIGNALLED, 1, 1);
        expect_report(f, TD_REPORT_SIGNALLED, 1, no);
        f->now += 400;
    }
    tick(f); /* 1200 ms after the first */
    SENT(f, HEARTBEAT);
    assert_int_equal(((const struct td_report_batch *)SENT(f, REPORT))->reports.n, 3);
}

static void reports_wait_for_the_registration(void **state)
{
    struct film *f = *state;

    registered(f);
    running_job(f, 1, 0, 1);
    BUS(f, REFUSED, td_refused, .hello_again = true);
    SENT(f, HELLO);
    status(f, 2, TD_REPORT_GONE, 1, 1);
    expect_nothing(f);
    BUS(f, REPORT_ACK, td_report_ack, .acked = 2); /* of an earlier life: not believed now */
    expect_nothing(f);
    advance_to_deadline(f);
    const struct td_hello *m = SENT(f, HELLO);
    assert_int_equal(m->running.n, 1); /* its GONE is not durable yet */
    assert_true(m->running.v[0].exited);
    welcome(f, 5, 2);
    expect_report(f, TD_REPORT_GONE, 1, 2);
    expect_nothing(f);
}

static void a_status_twice_is_one_report(void **state)
{
    struct film *f = *state;

    registered(f);
    award(f, 1, 1, 0);
    TOLD_SHEPHERD(f, SH_LAUNCH);
    status(f, 1, TD_REPORT_ACCEPTED, 1, 1);
    SENT(f, REPORT);
    status(f, 1, TD_REPORT_ACCEPTED, 1, 1);
    expect_nothing(f);
    BUS(f, REPORT_ACK, td_report_ack, .acked = 9); /* more than there ever was: not ours */
    expect_nothing(f);
    BUS(f, REPORT_ACK, td_report_ack, .acked = 1);
    TOLD_SHEPHERD(f, SH_ACK);
    status(f, 1, TD_REPORT_ACCEPTED, 1, 1); /* the shepherd had not heard */
    TOLD_SHEPHERD(f, SH_ACK);
    expect_nothing(f);
}

/* --- kills ------------------------------------------------------------------------------------------------------- */

static void a_kill_goes_to_the_shepherd_until_it_is_gone(void **state)
{
    struct film *f = *state;

    registered(f);
    running_job(f, 1, 0, 1);
    kill(f, 1, 1);
    TOLD_SHEPHERD(f, SH_KILL);
    expect_nothing(f);
    kill(f, 1, 1);
    TOLD_SHEPHERD(f, SH_KILL);
    status(f, 2, TD_REPORT_GONE, 1, 1);
    SENT(f, REPORT);
    kill(f, 1, 1); /* the report was lost */
    expect_report(f, TD_REPORT_GONE, 1, 2);
    expect_nothing(f);
}

static void a_kill_of_what_is_not_here_is_answered_and_remembered(void **state)
{
    struct film *f = *state;
    struct td_kill k = {.job = 1, .attempt = 1};

    registered(f);
    kill(f, 1, 1);
    expect_report(f, TD_REPORT_GONE, 1, 0);
    expect_nothing(f);
    award(f, 1, 1, 0); /* the award it overtook */
    expect_report(f, TD_REPORT_GONE, 1, 0);
    expect_nothing(f);
    assert_int_equal(td_node_held(td_agent_node(f->agent)), 0);
    BUS(f, KILL, td_kill_batch, .epoch = 4, .kills = {&k, 1});
    expect_nothing(f);
}

static void a_launch_that_the_shell_gave_up_frees_its_place(void **state)
{
    struct film *f = *state;

    registered(f);
    award(f, 1, 1, 0);
    TOLD_SHEPHERD(f, SH_LAUNCH);
    kill(f, 1, 1);
    TOLD_SHEPHERD(f, SH_KILL);
    status(f, 0, TD_REPORT_GONE, 1, 1); /* it waited for its script; the shepherd never had it */
    expect_report(f, TD_REPORT_GONE, 1, 0);
    assert_int_equal(td_node_held(td_agent_node(f->agent)), 0);
    award(f, 1, 1, 0);
    expect_report(f, TD_REPORT_GONE, 1, 0);
}

/* --- the shepherd ------------------------------------------------------------------------------------------------ */

static void without_its_shepherd_it_takes_nothing(void **state)
{
    struct film *f = *state;
    const struct td_lot lot = {.lot = 1, .shape = {.tasks_max = 1}, .count = 1};

    registered(f);
    running_job(f, 1, 0, 1);
    step(f, TD_AGENT_SHEPHERD_LOST, 0, NULL);
    expect_nothing(f);
    BUS(f, OFFER, td_offer, .epoch = 5, .round = 1, .lots = {&lot, 1});
    assert_int_equal(((const struct td_bid *)SENT(f, BID))->lots.v[0].refusal, TD_REFUSAL_UNHEALTHY);
    award(f, 2, 1, 1);
    assert_int_equal(expect_report(f, TD_REPORT_DECLINED, 2, 0)->refusal, TD_REFUSAL_UNHEALTHY);
    kill(f, 1, 1);
    expect_nothing(f); /* comes again */
    status(f, 2, TD_REPORT_SIGNALLED, 1, 1); /* read from the old connection to its end */
    SENT(f, REPORT);
    BUS(f, REPORT_ACK, td_report_ack, .acked = 2);
    expect_nothing(f); /* said with the next SH_HELLO */
    step(f, TD_AGENT_SHEPHERD_UP, 0, NULL);
    assert_int_equal(((const struct td_sh_hello *)TOLD_SHEPHERD(f, SH_HELLO))->acked, 2);
    const struct td_running running = {.job = 1, .attempt = 1};
    shepherd_speaks(f, "boot1", &running, NULL, 1);
    expect_nothing(f);
    assert_int_equal(td_node_held(td_agent_node(f->agent)), 1);
    BUS(f, OFFER, td_offer, .epoch = 5, .round = 2, .lots = {&lot, 1});
    assert_int_equal(((const struct td_bid *)SENT(f, BID))->lots.v[0].fits, 1);
}

static void a_launch_lost_on_the_way_is_repeated(void **state)
{
    struct film *f = *state;

    registered(f);
    award(f, 1, 1, 0);
    TOLD_SHEPHERD(f, SH_LAUNCH);
    running_job(f, 2, 1, 1);
    step(f, TD_AGENT_SHEPHERD_LOST, 0, NULL);
    step(f, TD_AGENT_SHEPHERD_UP, 0, NULL);
    shepherd_speaks(f, "boot1", NULL, NULL, 0); /* knows neither */
    const struct td_sh_launch *l = TOLD_SHEPHERD(f, SH_LAUNCH);
    assert_int_equal(l->award.job, 1);
    assert_string_equal(l->spec.name, "job");
    expect_report(f, TD_REPORT_GONE, 2, 0);
    expect_nothing(f);
    assert_int_equal(td_node_held(td_agent_node(f->agent)), 1);
}

static void another_boot_means_that_all_is_dead(void **state)
{
    struct film *f = *state;

    registered(f);
    running_job(f, 1, 0, 1);
    status(f, 2, TD_REPORT_EXITED, 1, 1);
    step(f, TD_AGENT_SHEPHERD_LOST, 0, NULL);
    step(f, TD_AGENT_SHEPHERD_UP, 0, NULL);
    shepherd_speaks(f, "boot2", NULL, NULL, 0);
    const struct td_hello *m = SENT(f, HELLO);
    assert_string_equal(m->boot_id, "boot2");
    assert_int_equal(m->running.n, 0);
    assert_int_equal(td_node_held(td_agent_node(f->agent)), 0);
    welcome(f, 5, 2);
    expect_nothing(f);
    running_job(f, 3, 0, 1); /* a new spool counts from the start */
}

static void an_end_of_an_earlier_boot_is_listed_and_reported(void **state)
{
    struct film *f = *state;
    const struct td_running ended = {.job = 1, .attempt = 1, .exited = true};
    const struct td_placement nothing = {0};

    registered(f);
    running_job(f, 1, 0, 1);
    step(f, TD_AGENT_SHEPHERD_LOST, 0, NULL);
    step(f, TD_AGENT_SHEPHERD_UP, 0, NULL);
    shepherd_speaks(f, "boot2", &ended, &nothing, 1);
    const struct td_hello *m = SENT(f, HELLO);
    assert_int_equal(m->running.n, 1);
    assert_true(m->running.v[0].exited);
    status(f, 2, TD_REPORT_EXITED, 1, 1);
    welcome(f, 5, 2);
    expect_report(f, TD_REPORT_EXITED, 1, 2);
    status(f, 3, TD_REPORT_GONE, 1, 1);
    expect_report(f, TD_REPORT_GONE, 1, 3);
    assert_int_equal(td_node_held(td_agent_node(f->agent)), 0);
}

/* --- leaving ----------------------------------------------------------------------------------------------------- */

static void a_drain_waits_for_what_is_held_and_for_its_reports(void **state)
{
    struct film *f = *state;
    const struct td_lot lot = {.lot = 1, .shape = {.tasks_max = 1}, .count = 1};

    registered(f);
    running_job(f, 1, 0, 1);
    step(f, TD_AGENT_DRAIN, 0, NULL);
    assert_true(((const struct td_drain *)SENT(f, DRAIN))->draining);
    expect_nothing(f);
    step(f, TD_AGENT_DRAIN, 0, NULL);
    expect_nothing(f);
    BUS(f, OFFER, td_offer, .epoch = 5, .round = 1, .lots = {&lot, 1});
    assert_int_equal(((const struct td_bid *)SENT(f, BID))->lots.v[0].refusal, TD_REFUSAL_DRAINING);
    award(f, 2, 1, 1); /* on its way already */
    assert_int_equal(expect_report(f, TD_REPORT_DECLINED, 2, 0)->refusal, TD_REFUSAL_DRAINING);
    status(f, 2, TD_REPORT_GONE, 1, 1);
    SENT(f, REPORT);
    expect_nothing(f);
    BUS(f, REPORT_ACK, td_report_ack, .acked = 2);
    TOLD_SHEPHERD(f, SH_ACK);
    SENT(f, BYE);
    expect(f, TD_AGENT_LEAVE, 0);
    expect_nothing(f);
    advance(f, 100000);
    expect_nothing(f);
}

static void a_drain_without_a_broker_leaves_the_reports_to_the_spool(void **state)
{
    struct film *f = *state;

    registered(f);
    running_job(f, 1, 0, 1);
    BUS(f, REFUSED, td_refused, .hello_again = true);
    step(f, TD_AGENT_DRAIN, 0, NULL);
    expect_nothing(f);
    status(f, 2, TD_REPORT_GONE, 1, 1);
    expect(f, TD_AGENT_LEAVE, 0);
    expect_nothing(f);
}

static void a_draining_worker_says_so_when_it_registers(void **state)
{
    struct film *f = *state;

    registered(f);
    running_job(f, 1, 0, 1);
    step(f, TD_AGENT_DRAIN, 0, NULL);
    BUS(f, REFUSED, td_refused, .hello_again = true);
    assert_true(((const struct td_hello *)SENT(f, HELLO))->draining);
    welcome(f, 5, 2);
    SENT(f, DRAIN);
    expect_nothing(f);
}

static void a_new_inventory_is_told(void **state)
{
    struct film *f = *state;
    struct td_inventory inv = inventory();

    registered(f);
    inv.memory_mb = 500;
    step(f, TD_AGENT_INVENTORY, 0, &inv);
    const struct td_hello *m = SENT(f, HELLO);
    assert_int_equal(m->inventory.memory_mb, 500);
}

/* The same inputs make the same mind: two agents, one film. */
static void is_deterministic(void **state)
{
    struct film *f = *state;
    struct film twin = {0};
    struct td_inventory inv = inventory();

    twin.agent = td_agent_new(&(struct td_agent_conf){.node = "n1", .boot_id = "host", .instance = "i1", .seed = 7}, &inv);
    registered(f);
    registered(&twin);
    for (uint32_t i = 0; i < 200; i++) {
        advance_to_deadline(f);
        advance_to_deadline(&twin);
        assert_int_equal(f->now, twin.now);
        for (const struct td_agent_effect *a = next(f); a; a = next(f)) {
            const struct td_agent_effect *b = next(&twin);
            assert_non_null(b);
            assert_int_equal(a->kind, b->kind);
            assert_int_equal(a->id, b->id);
        }
        expect_nothing(&twin);
    }
    td_agent_destroy(&twin.agent);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

/* --- steps ------------------------------------------------------------------------------------------------------- */

static void step_start(struct film *f, uint32_t job, uint32_t no)
{
    struct td_step_launch l = {.job = job, .attempt = 1, .step = no};
    const struct td_welcome *m = td_agent_welcome(f->agent);

    BUS(f, STEP_START, td_step_start, .epoch = m->epoch, .incarnation = m->incarnation, .steps = {&l, 1});
}

static void step_status(struct film *f, uint64_t no, uint32_t kind, uint32_t job, uint32_t step_no)
{
    struct td_report r = {.no = no, .kind = kind, .job = job, .attempt = 1, .step = step_no};

    SHEPHERD(f, SH_STATUS, td_sh_status, .reports = {&r, 1});
}

static void step_kill(struct film *f, uint32_t job, uint32_t no)
{
    struct td_kill k = {.job = job, .attempt = 1, .step = no + 1};

    BUS(f, KILL, td_kill_batch, .epoch = td_agent_welcome(f->agent)->epoch, .kills = {&k, 1});
}

static void holding(struct film *f, uint32_t job)
{
    registered(f);
    award(f, job, 1, 0);
    TOLD_SHEPHERD(f, SH_LAUNCH);
    status(f, 1, TD_REPORT_ACCEPTED, job, 1);
    expect_report(f, TD_REPORT_ACCEPTED, job, 1);
}

static void a_step_is_given_to_the_shepherd_once(void **state)
{
    struct film *f = *state;

    holding(f, 1);
    step_start(f, 1, 0);
    assert_int_equal(((const struct td_sh_step *)TOLD_SHEPHERD(f, SH_STEP))->launch.step, 0);
    step_start(f, 1, 0); /* not answered yet, nor started again */
    expect_nothing(f);
    step_status(f, 2, TD_REPORT_STARTED, 1, 0);
    expect_report(f, TD_REPORT_STARTED, 1, 2);
    step_start(f, 1, 0);
    assert_int_equal(expect_report(f, TD_REPORT_STARTED, 1, 2)->step, 0);
    step_status(f, 3, TD_REPORT_EXITED, 1, 0);
    expect_report(f, TD_REPORT_EXITED, 1, 3);
    expect_nothing(f);
    kill(f, 1, 1); /* its end was the step's, not the attempt's */
    TOLD_SHEPHERD(f, SH_KILL);
    expect_nothing(f);
}

static void a_step_without_its_allocation_is_declined(void **state)
{
    struct film *f = *state;

    registered(f);
    step_start(f, 5, 2);
    const struct td_report *r = expect_report(f, TD_REPORT_DECLINED, 5, 0);
    assert_int_equal(r->step, 2);
    assert_non_null(strstr(r->text, "not on this node"));
    expect_nothing(f);
}

static void a_kill_that_overtakes_a_step_is_remembered(void **state)
{
    struct film *f = *state;

    holding(f, 1);
    step_kill(f, 1, 4);
    assert_int_equal(expect_report(f, TD_REPORT_DECLINED, 1, 0)->step, 4);
    step_start(f, 1, 4);
    assert_int_equal(expect_report(f, TD_REPORT_DECLINED, 1, 0)->step, 4);
    expect_nothing(f);
    step_start(f, 1, 5);
    TOLD_SHEPHERD(f, SH_STEP);
    step_status(f, 2, TD_REPORT_STARTED, 1, 5);
    expect_report(f, TD_REPORT_STARTED, 1, 2);
    step_kill(f, 1, 5);
    assert_int_equal(((const struct td_sh_kill *)TOLD_SHEPHERD(f, SH_KILL))->kill.step, 6);
    expect_nothing(f);
}

/* What the shepherd holds is said in HELLO; a start that was lost on its way to it is made again when it is asked for. */
static void steps_come_with_the_shepherds_word(void **state)
{
    struct film *f = *state;
    static const uint32_t steps[] = {3};
    struct td_running running = {.job = 1, .attempt = 1, .steps = {steps, 1}, .with_steps = true};
    struct td_placement place = {.node = "n1", .tasks = 1, .cpus = {one_bit[0], 1}};

    holding(f, 1);
    step_start(f, 1, 4);
    TOLD_SHEPHERD(f, SH_STEP);
    step(f, TD_AGENT_SHEPHERD_LOST, 0, NULL);
    step(f, TD_AGENT_SHEPHERD_UP, 0, NULL);
    TOLD_SHEPHERD(f, SH_HELLO);
    shepherd_speaks(f, "boot1", &running, &place, 1);
    expect_nothing(f);
    step_start(f, 1, 4);
    TOLD_SHEPHERD(f, SH_STEP);
    step_start(f, 1, 3);
    assert_int_equal(expect_report(f, TD_REPORT_STARTED, 1, 0)->step, 3);
    expect_nothing(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(says_nothing_until_the_shepherd_has_spoken),
        T(hello_names_what_runs_and_holds_it),
        T(hello_is_said_again_with_growing_patience),
        T(a_claimed_name_is_tried_again_other_refusals_end),
        T(late_welcomes_change_nothing),
        T(topics_follow_the_welcome),
        T(welcome_names_attempts_that_must_not_live),
        T(beats_three_times_a_lease),
        T(the_fence_moves_with_what_is_answered),
        T(silence_reconnects_after_jitter),
        T(a_word_unread_is_no_silence),
        T(another_epoch_says_hello_again),
        T(an_offer_of_a_new_reign_spreads_the_hellos),
        T(other_sockets_know_no_topics),
        T(a_new_connection_is_a_doubt),
        T(a_launch_that_cannot_be_is_declined),
        T(every_offer_is_answered),
        T(a_job_from_award_to_gone),
        T(an_award_twice_is_one_launch),
        T(an_award_that_is_not_covered_is_declined),
        T(awards_of_other_registrations_are_ignored),
        T(many_awards_are_many_launches_and_one_report),
        T(reports_are_repeated_until_acknowledged),
        T(fresh_reports_do_not_put_off_old_ones),
        T(reports_wait_for_the_registration),
        T(a_status_twice_is_one_report),
        T(a_kill_goes_to_the_shepherd_until_it_is_gone),
        T(a_kill_of_what_is_not_here_is_answered_and_remembered),
        T(a_launch_that_the_shell_gave_up_frees_its_place),
        T(without_its_shepherd_it_takes_nothing),
        T(a_launch_lost_on_the_way_is_repeated),
        T(another_boot_means_that_all_is_dead),
        T(an_end_of_an_earlier_boot_is_listed_and_reported),
        T(a_drain_waits_for_what_is_held_and_for_its_reports),
        T(a_drain_without_a_broker_leaves_the_reports_to_the_spool),
        T(a_draining_worker_says_so_when_it_registers),
        T(a_new_inventory_is_told),
        T(a_step_is_given_to_the_shepherd_once),
        T(a_step_without_its_allocation_is_declined),
        T(a_kill_that_overtakes_a_step_is_remembered),
        T(steps_come_with_the_shepherds_word),
        T(is_deterministic),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
