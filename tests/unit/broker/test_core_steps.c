/* test_core_steps.c - steps: where they go, who waits, what their workers say, what ends them */
#include "film.h"

#define ANSWER(n) (f->asked.v[n])
#define expect_answer(n, want_id, want_code, want_step)                                            \
    do {                                                                                           \
        const uint32_t no_ = (n);                                                                  \
        const struct film_answer *a_ = &ANSWER(no_);                                               \
        if (a_->id != (want_id) || a_->code != (uint32_t)(want_code))                              \
            print_error("answer: %u: %u %s\n", a_->id, a_->code, a_->text);                        \
        assert_int_equal(a_->id, want_id);                                                         \
        assert_int_equal(a_->code, want_code);                                                     \
        assert_int_equal(a_->step, want_step);                                                     \
    } while (0)
#define expect_step(n, want) expect_answer(n, TD_MSG_STEP_CREATED, 0, want)
#define expect_refused(n, want) expect_answer(n, TD_MSG_ERROR, want, 0)
#define expect_waits(n) expect_answer(n, 0, 0, 0)

static uint32_t cpus_of(const struct td_step_place *p)
{
    return td_bits_count(p->cpus.v, p->cpus.n);
}

/* "n1:0,1 n2:2" */
static const char *layout(struct film *f, uint32_t n)
{
    static char text[512];
    size_t at = 0;
    for (uint32_t i = 0; i < ANSWER(n).places.n; i++) {
        const struct td_step_place *p = &ANSWER(n).places.v[i];
        at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%s:", i ? " " : "", p->node);
        for (uint32_t k = 0; k < p->ranks.n; k++)
            at +=
                (size_t)snprintf(text + at, sizeof(text) - at, "%s%u", k ? "," : "", p->ranks.v[k]);
    }
    return text;
}

static struct film *three_nodes(void **state, uint32_t *ret_job)
{
    struct film *f = *state;
    film_start(f);
    for (uint32_t i = 1; i <= 3; i++) {
        char name[8];
        snprintf(name, sizeof(name), "n%u", i);
        film_worker(f, name, 2, 1);
    }
    *ret_job = film_submit(f, .nodes = 3, .tasks = 6, .gpus = 1);
    film_expect(f, *ret_job, "RUNNING");
    return f;
}

static struct film *one_node(void **state, uint32_t cpus, uint32_t *ret_job)
{
    struct film *f = *state;
    film_start(f);
    film_worker(f, "n1", cpus, 4);
    *ret_job = film_submit(f, .tasks = cpus, .gpus = 4, .mem = 8000);
    film_expect(f, *ret_job, "RUNNING");
    return f;
}

/* --- where ------------------------------------------------------------------------------------ */

/* COMPAT.md U14: srun -N1 -n 10 --pty bash -i, and in it srun hostname | wc -l */
static void a_shell_holds_nothing_against_the_steps_started_in_it(void **state)
{
    uint32_t job;
    struct film *f = one_node(state, 10, &job);
    uint32_t shell = film_ask(f, .job = job, .tasks = 1, .interactive = true);
    expect_step(shell, 0);
    assert_string_equal(layout(f, shell), "n1:0");
    assert_int_equal(cpus_of(&ANSWER(shell).places.v[0]), 10);
    assert_int_equal(ANSWER(shell).places.v[0].gres.v[0].count, 4);
    uint32_t inner = film_ask(f, .job = job);
    expect_step(inner, 1);
    assert_string_equal(layout(f, inner), "n1:0,1,2,3,4,5,6,7,8,9");
    /* the twin: what is not a shell does hold, and the next one waits */
    uint32_t next = film_ask(f, .job = job);
    expect_waits(next);
    film_step_exit(f, &f->workers[0], job, 1, 0);
    expect_step(next, 2);
    uint32_t second_shell = film_ask(f, .job = job, .interactive = true);
    expect_step(second_shell, 3);
    assert_int_equal(film_steps(f, job), 3);
}

static void a_shell_is_on_the_first_node_or_the_one_named(void **state)
{
    uint32_t job;
    struct film *f = three_nodes(state, &job);
    uint32_t a = film_ask(f, .job = job, .interactive = true);
    expect_step(a, 0);
    assert_string_equal(layout(f, a), "n1:0");
    uint32_t b = film_ask(f, .job = job, .interactive = true, .with = "n3");
    expect_step(b, 1);
    assert_string_equal(layout(f, b), "n3:0");
    uint32_t c = film_ask(f, .job = job, .interactive = true, .nodes = 3);
    expect_step(c, 2);
    assert_string_equal(layout(f, c), "n1:0 n2:1 n3:2");
}

static void tasks_are_laid_out_in_blocks(void **state)
{
    static const struct {
        struct film_ask a;
        const char *want;
    } cases[] = {
        {{0}, "n1:0,1 n2:2,3 n3:4,5"},
        {{.nodes = 3, .tasks = 4}, "n1:0,1 n2:2 n3:3"},
        {{.nodes = 3, .tasks = 3}, "n1:0 n2:1 n3:2"},
        {{.nodes = 3, .tasks = 2}, "n1:0 n2:1"}, /* no node without a task */
        {{.tasks = 1}, "n1:0"},
        {{.tasks = 3}, "n1:0,1 n2:2"}, /* as many nodes as they need */
        {{.tasks = 2, .cores = 2}, "n1:0 n2:1"},
        {{.nodes = 2}, "n1:0,1 n2:2,3"},
        {{.per_node = 1}, "n1:0 n2:1 n3:2"},
        {{.per_node = 1, .nodes = 2}, "n1:0 n2:1"},
        {{.per_node = 1, .tasks = 2}, "n1:0 n2:1"},
        {{.with = "n2"}, "n2:0,1"},
        {{.with = "n3", .tasks = 3}, "n1:0,1 n3:2"},
        {{.with = "n[2-3]", .tasks = 2}, "n2:0 n3:1"},
        {{.without = "n1", .tasks = 3}, "n2:0,1 n3:2"},
        {{.without = "n1"}, "n2:0,1 n3:2,3"},
        {{.gpus_task = 1, .tasks = 2}, "n1:0 n2:1"},
    };
    uint32_t job;
    struct film *f = three_nodes(state, &job);
    for (uint32_t i = 0; i < TD_ARRAY_LEN(cases); i++) {
        struct film_ask a = cases[i].a;
        a.job = job;
        uint32_t n = film_ask_(f, a);
        expect_step(n, i);
        assert_string_equal(layout(f, n), cases[i].want);
        for (uint32_t w = 0; w < f->nworkers; w++) {
            if (f->workers[w].steps.n)
                film_step_exit(f, &f->workers[w], job, i, 0);
        }
        assert_int_equal(film_steps(f, job), 0);
    }
}

/* What runs in a step has no less than without one, and several small ones go side by side. */
static void tasks_have_the_cpus_that_the_allocation_has_for_them(void **state)
{
    static const struct {
        uint32_t tasks, cores; /* of the job; it has 16 CPUs */
        struct film_ask a;
        uint32_t want;
    } cases[] = {
        {2, 8, {0}, 16},
        {2, 8, {.tasks = 1}, 8},
        {2, 8, {.tasks = 3}, 15},
        {2, 8, {.tasks = 16}, 16},
        {2, 8, {.tasks = 1, .cores = 1}, 1},
        {16, 1, {.tasks = 1}, 1},
        {16, 1, {.tasks = 1, .per_node = 1, .nodes = 1}, 16}, /* mpirun starts its own that way */
        {16, 1, {.per_node = 4}, 16},
        {1, 16, {.tasks = 1, .interactive = true}, 16},
        {1, 16, {.tasks = 1, .overlap = true}, 16},
    };
    struct film *f = *state;
    film_start(f);
    film_worker(f, "n1", 16, 0);
    for (uint32_t i = 0; i < TD_ARRAY_LEN(cases); i++) {
        uint32_t job = film_submit(f, .tasks = cases[i].tasks, .cores = cases[i].cores);
        struct film_ask a = cases[i].a;
        a.job = job;
        uint32_t n = film_ask_(f, a);
        expect_step(n, 0);
        assert_int_equal(cpus_of(&ANSWER(n).places.v[0]), cases[i].want);
        film_exit(f, job, 0);
    }
    uint32_t job = film_submit(f, .tasks = 4, .cores = 4);
    for (uint32_t i = 0; i < 4; i++)
        expect_step(film_ask(f, .job = job, .tasks = 1), i); /* side by side */
    expect_waits(film_ask(f, .job = job, .tasks = 1));
}

static void the_roomiest_nodes_when_the_first_do_not_do(void **state)
{
    uint32_t job;
    struct film *f = three_nodes(state, &job);
    expect_step(film_ask(f, .job = job, .tasks = 1), 0);
    uint32_t a = film_ask(f, .job = job, .nodes = 1, .tasks = 2);
    expect_step(a, 1);
    assert_string_equal(layout(f, a), "n2:0,1");
    uint32_t b = film_ask(f, .job = job, .nodes = 1);
    expect_step(b, 2);
    assert_string_equal(layout(f, b), "n3:0,1");
    expect_waits(film_ask(f, .job = job, .nodes = 1));
}

static void what_can_never_be_is_refused_in_words(void **state)
{
    static const struct {
        struct film_ask a;
        int code;
        const char *words;
    } cases[] = {
        {{.nodes = 4}, TD_E_NODE_CONFIG, "Requested node configuration is not available"},
        {{.tasks = 7}, TD_E_STEP_CPUS, "More processors requested than permitted"},
        {{.cores = 2}, TD_E_STEP_CPUS, "More processors requested than permitted"},
        {{.tasks = 1, .cores = 3}, TD_E_NODE_CONFIG, "Requested node configuration"},
        {{.with = "n9"}, TD_E_NODE_CONFIG, "node n9 is not in the allocation"},
        {{.with = "n1", .without = "n1"}, TD_E_NODE_CONFIG, "node n1"},
        {{.with = "n[1-2]", .nodes = 1}, TD_E_NODE_CONFIG, "2 nodes are named and 1 wanted"},
        {{.with = "n[", .nodes = 1}, 0, ""},
        {{.without = "n[1-3]"}, TD_E_NODE_CONFIG, "Requested node configuration"},
        {{.gpus = 2}, TD_E_INVALID_GRES, "gpu"},
        {{.gpus_task = 2, .tasks = 1}, TD_E_INVALID_GRES, "gpu"},
        {{.per_node = 5000}, TD_E_STEP_CPUS, "5000 tasks on a node"},
        {{.program = ""}, TD_E_INVALID_REQUEST, "no program"},
        {{.uid = 1001}, TD_E_DENIED, "denied"},
    };
    uint32_t job;
    struct film *f = three_nodes(state, &job);
    for (uint32_t i = 0; i < TD_ARRAY_LEN(cases); i++) {
        struct film_ask a = cases[i].a;
        a.job = job;
        uint32_t n = film_ask_(f, a);
        assert_int_equal(ANSWER(n).id, TD_MSG_ERROR);
        if (cases[i].code)
            expect_refused(n, cases[i].code);
        assert_non_null(strstr(ANSWER(n).text, cases[i].words));
    }
    assert_int_equal(film_events(f, TD_EV_STEP_CREATED), 0);
    expect_step(film_ask(f, .job = job, .uid = 77), 0); /* an operator may */
}

static void only_a_job_with_nodes_has_steps(void **state)
{
    struct film *f = *state;
    film_start(f);
    film_worker(f, "n1", 1, 0);
    uint32_t job = film_submit(f, .cores = 1), next = film_submit(f, .cores = 1);
    expect_refused(film_ask(f, .job = 99), TD_E_INVALID_JOB);
    expect_refused(film_ask(f, .job = next), TD_E_INVALID_STATE);
    expect_step(film_ask(f, .job = job), 0);
    film_exit(f, job, 0);
    expect_refused(film_ask(f, .job = job), TD_E_ALREADY_DONE);
    assert_int_equal(film_steps(f, job), 0);
}

static void a_step_asked_for_before_all_nodes_have_answered_waits(void **state)
{
    struct film *f = *state;
    film_start(f);
    struct film_worker *w = film_worker(f, "n1", 1, 0);
    w->lazy = true;
    uint32_t job = film_submit(f, .cores = 1);
    film_expect(f, job, "CONFIGURING");
    uint32_t a = film_ask(f, .job = job);
    expect_waits(a);
    expect_refused(film_ask(f, .job = job, .immediate = true), TD_E_STEP_BUSY);
    film_accept(f, w, job);
    expect_step(a, 0);
}

static void memory_and_devices_are_held_where_they_are_named(void **state)
{
    uint32_t job;
    struct film *f = one_node(state, 10, &job);
    uint32_t a = film_ask(f, .job = job, .tasks = 1, .mem = 5000, .gpus = 3);
    expect_step(a, 0);
    assert_int_equal(ANSWER(a).places.v[0].gres.v[0].devices.v[0], 7);
    expect_waits(film_ask(f, .job = job, .tasks = 1, .mem = 4000, .immediate = false));
    film_step_exit(f, &f->workers[0], job, 0, 0);
    expect_step(a + 1, 1);
    expect_step(film_ask(f, .job = job, .tasks = 1, .gpus_task = 2), 2);
    uint32_t b = film_ask(f, .job = job, .tasks = 2, .gpus_task = 1);
    expect_step(b, 3);
    assert_int_equal(ANSWER(b).places.v[0].gres.v[0].devices.v[0], 12);
    expect_refused(film_ask(f, .job = job, .tasks = 1, .gpus = 1, .immediate = true),
                   TD_E_STEP_BUSY);
    /* not named: the allocation's, shared; so for one that shares */
    uint32_t c = film_ask(f, .job = job, .tasks = 1);
    expect_step(c, 4);
    assert_int_equal(ANSWER(c).places.v[0].gres.v[0].count, 4);
    expect_step(film_ask(f, .job = job, .tasks = 1, .gpus = 4, .mem = 8000, .overlap = true), 5);
    expect_refused(film_ask(f, .job = job, .tasks = 1, .mem = 9000), TD_E_NO_MEMORY);
}

static void a_kind_named_twice_is_refused(void **state)
{
    uint32_t job;
    struct film *f = one_node(state, 10, &job);
    struct td_gres_need two[] = {{.name = "gpu", .count = 1},
                                 {.name = "gpu", .type = "t4", .count = 1}};
    const char *argv[] = {"hostname"};
    struct td_step_create m = {.job = job, .spec = {.argv = {argv, 1}, .gres = {two, 2}}};
    film_request(f, 1000, TD_MSG_STEP_CREATE, &m);
    film_expect_refused(f, TD_E_INVALID_GRES);
    m.spec.gres.n = 1;
    m.spec.gres_task = (struct td_gres_need_list){&two[1], 1};
    film_request(f, 1000, TD_MSG_STEP_CREATE, &m);
    film_expect_refused(f, TD_E_INVALID_GRES);
    m.spec.gres_task.n = 0;
    film_request(f, 1000, TD_MSG_STEP_CREATE, &m);
    assert_int_equal(f->reply, TD_MSG_STEP_CREATED);
}

/* --- waiting ---------------------------------------------------------------------------------- */

static void steps_wait_in_order(void **state)
{
    uint32_t job;
    struct film *f = one_node(state, 4, &job);
    expect_step(film_ask(f, .job = job, .tasks = 3), 0);
    uint32_t large = film_ask(f, .job = job, .tasks = 4);
    uint32_t small = film_ask(f, .job = job, .tasks = 1);
    expect_waits(large);
    expect_waits(small); /* it would fit, and waits behind the large one */
    expect_refused(film_ask(f, .job = job, .tasks = 1, .immediate = true), TD_E_STEP_BUSY);
    expect_step(film_ask(f, .job = job, .tasks = 4, .overlap = true),
                1); /* shares, so never waits */
    film_step_exit(f, &f->workers[0], job, 0, 0);
    expect_step(large, 2);
    expect_waits(small);
    film_step_exit(f, &f->workers[0], job, 2, 0);
    expect_step(small, 3);
    assert_int_equal(td_core_nwaits(f->core), 0);
}

static void who_waits_is_refused_when_the_job_ends(void **state)
{
    uint32_t job;
    struct film *f = one_node(state, 4, &job);
    expect_step(film_ask(f, .job = job), 0);
    uint32_t a = film_ask(f, .job = job), b = film_ask(f, .job = job);
    film_cancel(f, 1000, job);
    expect_refused(a, TD_E_ALREADY_DONE);
    expect_refused(b, TD_E_ALREADY_DONE);
    film_expect(f, job, "CANCELLED");
    assert_int_equal(td_core_nwaits(f->core), 0);
    assert_int_equal(film_events(f, TD_EV_STEP_ENDED), 1);
}

static void one_whose_client_went_away_is_not_started(void **state)
{
    uint32_t job;
    struct film *f = one_node(state, 4, &job);
    expect_step(film_ask(f, .job = job), 0);
    uint32_t a = film_ask(f, .job = job, .peer = 5), b = film_ask(f, .job = job, .peer = 6);
    /* it goes in the very wake that would start it, and is heard after what frees its CPUs */
    f->workers[0].steps.n = 0;
    film_step_report(f, &f->workers[0], TD_REPORT_EXITED, job, 0, 0);
    film_peer_gone(f, 5);
    film_peer_gone(f, 99); /* waits for nothing */
    film_run(f);
    expect_waits(a);
    expect_step(b, 1); /* the twin, behind it */
    assert_int_equal(film_events(f, TD_EV_STEP_CREATED), 2);
}

static void who_goes_lets_the_next_one_in(void **state)
{
    uint32_t job;
    struct film *f = one_node(state, 4, &job);
    expect_step(film_ask(f, .job = job, .tasks = 2), 0);
    film_ask(f, .job = job, .tasks = 4, .peer = 5);
    uint32_t b = film_ask(f, .job = job, .tasks = 2, .peer = 6);
    expect_waits(b);
    film_peer_gone(f, 5);
    film_run(f);
    expect_step(b, 1);
}

static void a_repeated_request_is_the_same_step(void **state)
{
    uint32_t job;
    struct film *f = one_node(state, 4, &job);
    expect_step(film_ask(f, .job = job, .key = "k1"), 0);
    expect_step(film_ask(f, .job = job, .key = "k1", .peer = 2), 0);
    uint32_t a = film_ask(f, .job = job, .key = "k2", .peer = 3);
    uint32_t b = film_ask(f, .job = job, .key = "k2", .peer = 4);
    film_peer_gone(f, 3); /* its old connection, noticed late */
    film_step_exit(f, &f->workers[0], job, 0, 0);
    expect_waits(a);
    expect_step(b, 1);
    assert_int_equal(film_events(f, TD_EV_STEP_CREATED), 2);
    /* the twin: of another user it is another one */
    expect_waits(film_ask(f, .job = job, .key = "k2", .uid = 77));
}

static void those_who_wait_are_bounded(void **state)
{
    uint32_t job;
    struct film *f = one_node(state, 1, &job);
    expect_step(film_ask(f, .job = job), 0);
    for (uint32_t i = 0; i < TD_MAX_STEPS_WAITING; i++)
        film_ask(f, .job = job, .later = true);
    film_run(f);
    expect_waits(TD_MAX_STEPS_WAITING);
    uint32_t over = film_ask(f, .job = job, .peer = 8);
    expect_refused(over, TD_E_BUSY);
    assert_non_null(strstr(ANSWER(over).text, "STEPS_WAITING"));
    film_step_exit(f, &f->workers[0], job, 0, 0);
    expect_step(1, 1);
    expect_waits(film_ask(f, .job = job));
}

static void what_they_hold_while_they_wait_is_bounded(void **state)
{
    uint32_t job;
    struct film *f = one_node(state, 1, &job);
    size_t size = 8u << 20;
    char *large = td_alloc(size);
    memset(large, 'x', size - 1);
    expect_step(film_ask(f, .job = job), 0);
    for (uint32_t i = 0; i < TD_MAX_STEPS_WAITING_BYTES / size - 1; i++)
        expect_waits(film_ask(f, .job = job, .program = large));
    uint32_t over = film_ask(f, .job = job, .program = large);
    expect_refused(over, TD_E_BUSY);
    assert_non_null(strstr(ANSWER(over).text, "STEPS_WAITING_BYTES"));
    expect_waits(film_ask(f, .job = job));
    td_free(large);
}

static void the_steps_of_one_job_are_bounded(void **state)
{
    uint32_t job;
    struct film *f = one_node(state, 1, &job);
    f->workers[0].lazy_steps = true;
    for (uint32_t i = 0; i < TD_MAX_STEPS; i++)
        film_ask(f, .job = job, .overlap = true, .later = true);
    film_run(f);
    expect_step(TD_MAX_STEPS - 1, TD_MAX_STEPS - 1);
    uint32_t over = film_ask(f, .job = job, .overlap = true);
    expect_refused(over, TD_E_BUSY);
    assert_non_null(strstr(ANSWER(over).text, "STEPS"));
    film_step_exit(f, &f->workers[0], job, 7, 0);
    expect_step(film_ask(f, .job = job, .overlap = true), TD_MAX_STEPS);
}

/* --- what workers say ------------------------------------------------------------------------- */

static void a_start_is_sent_until_it_is_answered(void **state)
{
    uint32_t job;
    struct film *f = one_node(state, 2, &job);
    struct film_worker *w = &f->workers[0];
    f->settings.limit_round_s = 60;
    film_configure(f);
    w->lazy_steps = true;
    expect_step(film_ask(f, .job = job, .limit_s = 1), 0); /* in minutes, as jobs' */
    assert_int_equal(w->starts, 1);
    film_advance(f, 1500);
    assert_int_equal(w->starts, 2);
    assert_int_equal(w->last_start.attempt, 1);
    assert_int_equal(w->last_start.place.ranks.n, 2);
    assert_int_equal(w->last_start.ntasks, 2);
    assert_int_equal(w->last_start.limit_s, 60);
    assert_string_equal(w->last_start.tasks_per_node, "2");
    assert_string_equal(w->last_start.nodelist, "n1");
    film_step_report(f, w, TD_REPORT_STARTED, job, 0, 0);
    film_step_report(f, w, TD_REPORT_STARTED, job, 0, 0);
    film_run(f);
    film_advance(f, 20 * SEC);
    assert_int_equal(w->starts, 2);
    assert_int_equal(film_events(f, TD_EV_STEP_STARTED), 1);
    film_step_exit(f, w, job, 0, 3);
    film_step_report(f, w, TD_REPORT_EXITED, job, 0, 3);
    film_step_report(f, w, TD_REPORT_DECLINED, job, 0, 3);
    film_run(f);
    assert_int_equal(film_events(f, TD_EV_STEP_EXITED), 1);
    assert_int_equal(film_events(f, TD_EV_STEP_ENDED), 1);
    film_expect(f, job, "RUNNING"); /* a step's end is not its job's */
}

static void a_start_that_was_lost_is_told_by_its_end(void **state)
{
    uint32_t job;
    struct film *f = one_node(state, 2, &job);
    struct film_worker *w = &f->workers[0];
    w->lazy_steps = true;
    expect_step(film_ask(f, .job = job), 0);
    film_step_exit(f, w, job, 0, 0);
    assert_int_equal(film_events(f, TD_EV_STEP_STARTED), 0);
    assert_int_equal(film_events(f, TD_EV_STEP_ENDED), 1);
    film_advance(f, 5 * SEC);
    assert_int_equal(w->starts, 1);
}

static const struct td_ev_step_ended *last_end(struct film *f)
{
    for (uint32_t i = f->journal.n; i-- > 0;) {
        if (f->journal.v[i].id == TD_EV_STEP_ENDED)
            return f->journal.v[i].body;
    }
    return NULL;
}

static void a_step_that_is_declined_failed_and_its_job_goes_on(void **state)
{
    uint32_t job;
    struct film *f = one_node(state, 2, &job);
    f->workers[0].declines_steps = 1;
    expect_step(film_ask(f, .job = job), 0);
    assert_int_equal(film_steps(f, job), 0);
    assert_int_equal(last_end(f)->outcome, TD_OUTCOME_FAILED);
    assert_int_equal(last_end(f)->exit_code, 1);
    film_expect(f, job, "RUNNING");
    expect_step(film_ask(f, .job = job), 1); /* the twin, and the CPUs are free */
    film_step_exit(f, &f->workers[0], job, 1, 0);
    assert_int_equal(last_end(f)->outcome, TD_OUTCOME_COMPLETED);
}

static void a_step_is_over_when_all_its_nodes_are(void **state)
{
    uint32_t job;
    struct film *f = three_nodes(state, &job);
    expect_step(film_ask(f, .job = job), 0);
    uint32_t next = film_ask(f, .job = job, .tasks = 2, .nodes = 1);
    expect_waits(next);
    film_step_exit(f, &f->workers[1], job, 0, 2);
    expect_step(next, 1); /* what it held there is free at once */
    assert_string_equal(layout(f, next), "n2:0,1");
    film_step_exit(f, &f->workers[0], job, 0, 5);
    assert_int_equal(film_steps(f, job), 2);
    film_step_exit(f, &f->workers[2], job, 0, 0);
    assert_int_equal(film_steps(f, job), 1);
    assert_int_equal(last_end(f)->exit_code, 5);
    assert_int_equal(last_end(f)->outcome, TD_OUTCOME_FAILED);
}

static void a_step_is_ended_and_asked_again_until_it_is(void **state)
{
    uint32_t job;
    struct film *f = one_node(state, 2, &job);
    struct film_worker *w = &f->workers[0];
    expect_step(film_ask(f, .job = job), 0);
    film_step_signal(f, 1001, job, 0, 0);
    film_expect_refused(f, TD_E_DENIED);
    film_step_signal(f, 1000, job, 1, 0);
    film_expect_refused(f, TD_E_INVALID_JOB);
    film_step_signal(f, 1000, 99, 0, 0);
    film_expect_refused(f, TD_E_INVALID_JOB);
    w->lazy_steps = true;
    film_step_signal(f, 1000, job, 0, 0);
    assert_int_equal(f->reply, TD_MSG_DONE);
    film_step_signal(f, 1000, job, 0, 9); /* again: no event */
    assert_int_equal(film_events(f, TD_EV_STEP_ENDING), 1);
    assert_int_equal(w->step_kills, 1);
    expect_waits(film_ask(f, .job = job)); /* the CPUs are busy until it is gone */
    film_restart(f, true);                 /* its end was acknowledged, so it is durable */
    w->lazy_steps = false;
    film_advance(f, 5 * SEC);
    assert_int_equal(film_steps(f, job), 0);
    assert_int_equal(last_end(f)->outcome, TD_OUTCOME_CANCELLED);
    film_expect(f, job, "RUNNING");
    assert_int_equal(w->kills, 0); /* of the attempt */
    film_step_signal(f, 1000, job, 0, 0);
    film_expect_refused(f, TD_E_ALREADY_DONE);
}

static void a_step_that_never_came_there_is_ended_too(void **state)
{
    uint32_t job;
    struct film *f = one_node(state, 2, &job);
    struct film_worker *w = &f->workers[0];
    w->on = false; /* the start is lost */
    expect_step(film_ask(f, .job = job), 0);
    film_step_signal(f, 1000, job, 0, 0);
    assert_int_equal(w->starts, 0);
    w->on = true;
    film_advance(f, 5 * SEC);
    assert_int_equal(w->starts, 0); /* and not sent after its end was asked for */
    assert_true(w->step_kills > 0);
    assert_int_equal(film_steps(f, job), 0);
    assert_int_equal(last_end(f)->outcome, TD_OUTCOME_CANCELLED);
}

static void a_signal_goes_once_it_has_started(void **state)
{
    uint32_t job;
    struct film *f = one_node(state, 2, &job);
    struct film_worker *w = &f->workers[0];
    w->lazy_steps = true;
    expect_step(film_ask(f, .job = job), 0);
    film_step_signal(f, 1000, job, 0, 10);
    assert_int_equal(f->reply, TD_MSG_DONE);
    assert_int_equal(w->last_step_signal, 0);
    film_step_report(f, w, TD_REPORT_STARTED, job, 0, 0);
    film_run(f);
    assert_int_equal(w->last_step_signal, 10);
    w->last_step_signal = 0;
    film_advance(f, 2 * SEC);
    assert_int_equal(w->last_step_signal, 10); /* again: not answered */
    film_step_report(f, w, TD_REPORT_SIGNALLED, job, 0, 0);
    film_run(f);
    w->last_step_signal = 0;
    film_advance(f, 10 * SEC);
    assert_int_equal(w->last_step_signal, 0);
    assert_int_equal(film_steps(f, job), 1);
    assert_int_equal(w->last_signal, 0); /* the job was not meant */
}

static void a_signal_to_the_job_is_not_answered_for_its_step(void **state)
{
    uint32_t job;
    struct film *f = one_node(state, 2, &job);
    struct film_worker *w = &f->workers[0];
    struct td_job_sel sel = {.job = job};
    struct td_cancel m = {.filter = {.ids = {&sel, 1}}, .signal = 12};
    expect_step(film_ask(f, .job = job), 0);
    film_request(f, 1000, TD_MSG_CANCEL, &m);
    assert_int_equal(w->last_signal, 12);
    assert_int_equal(w->last_step_signal, 0);
    assert_int_equal(film_job(f, job)->alloc->parts[0].signal, 0);
}

static void a_step_that_is_over_here_and_runs_there_is_killed(void **state)
{
    uint32_t job;
    struct film *f = one_node(state, 2, &job);
    struct film_worker *w = &f->workers[0];
    expect_step(film_ask(f, .job = job), 0);
    film_step_report(f, w, TD_REPORT_EXITED, job, 0, 0); /* and it is still there */
    film_run(f);
    film_step_report(f, w, TD_REPORT_STARTED, job, 0, 0);
    film_run(f);
    assert_int_equal(w->step_kills, 1);
    assert_int_equal(w->steps.n, 0);
    assert_int_equal(w->kills, 0);
    film_step_report(f, w, TD_REPORT_STARTED, job, 5, 0); /* never made */
    film_run(f);
    assert_int_equal(w->step_kills, 2);
    film_expect(f, job, "RUNNING");
}

static void hello_tells_which_steps_are_there(void **state)
{
    uint32_t job;
    struct film *f = one_node(state, 4, &job);
    struct film_worker *w = &f->workers[0];
    w->says_steps = true;
    expect_step(film_ask(f, .job = job, .tasks = 1), 0);
    expect_step(film_ask(f, .job = job, .tasks = 1), 1);
    w->steps.v[0].step = 7; /* forgets 0, and has one that nobody knows */
    film_worker_again(f, w, false, false);
    assert_int_equal(film_steps(f, job), 1);
    assert_non_null(core_step_find(film_job(f, job), 1));
    assert_int_equal(last_end(f)->outcome, TD_OUTCOME_FAILED);
    assert_int_equal(w->step_kills, 1);
    assert_int_equal(w->steps.n, 1);
    /* the twin: a worker that does not speak of steps is not believed to have none */
    w->says_steps = false;
    film_worker_again(f, w, false, false);
    assert_int_equal(film_steps(f, job), 1);
    film_expect(f, job, "RUNNING");
}

static void a_list_that_was_said_before_a_step_started_is_not_believed(void **state)
{
    uint32_t job;
    struct film *f = one_node(state, 4, &job);
    struct film_worker *w = &f->workers[0];
    expect_step(film_ask(f, .job = job), 0);
    struct film_step there = w->steps.v[0];
    w->says_steps = true;
    w->steps.n = 0;
    struct td_refused again = {.hello_again = true}; /* the same process says hello once more */
    film_hear(f, w, TD_MSG_REFUSED, &again);
    td_vec_push(&w->steps, there);
    film_run(f);
    assert_int_equal(w->hello_agains, 1);
    assert_int_equal(film_steps(f, job), 1);
    /* the twin: one that registers anew has read what is there */
    w->steps.n = 0;
    film_worker_again(f, w, false, false);
    assert_int_equal(film_steps(f, job), 0);
}

static void a_start_goes_again_to_a_worker_that_began_anew(void **state)
{
    uint32_t job;
    struct film *f = one_node(state, 4, &job);
    struct film_worker *w = &f->workers[0];
    w->says_steps = true;
    w->on = false;
    expect_step(film_ask(f, .job = job), 0);
    assert_int_equal(w->starts, 0);
    film_worker_again(f, w, false, false);
    assert_int_equal(w->starts, 1);
    assert_int_equal(film_events(f, TD_EV_STEP_STARTED), 1);
}

/* --- what ends the job ------------------------------------------------------------------------ */

static void the_end_of_a_job_is_the_end_of_its_steps(void **state)
{
    uint32_t job;
    struct film *f = three_nodes(state, &job);
    expect_step(film_ask(f, .job = job), 0);
    expect_step(film_ask(f, .job = job, .interactive = true), 1);
    film_exit(f, job, 0);
    film_expect(f, job, "COMPLETED");
    assert_int_equal(film_events(f, TD_EV_STEP_ENDED), 2);
    assert_int_equal(film_events(f, TD_EV_STEP_EXITED), 4);
    assert_int_equal(last_end(f)->outcome, TD_OUTCOME_CANCELLED);
    assert_int_equal(film_steps(f, job), 0);
}

static void an_ending_job_sends_no_starts(void **state)
{
    uint32_t job;
    struct film *f = one_node(state, 2, &job);
    struct film_worker *w = &f->workers[0];
    w->lazy_steps = w->stubborn = true;
    expect_step(film_ask(f, .job = job), 0);
    film_cancel(f, 1000, job);
    film_advance(f, 10 * SEC);
    assert_int_equal(w->starts, 1);
    assert_true(w->kills > 1);
    assert_int_equal(film_steps(f, job), 1); /* its CPUs are busy until the node lets go */
    film_let_go(f, w, job);
    assert_int_equal(film_steps(f, job), 0);
    film_expect(f, job, "CANCELLED");
}

static void a_lost_node_ends_steps_and_the_next_attempt_counts_anew(void **state)
{
    uint32_t job;
    struct film *f = three_nodes(state, &job);
    expect_step(film_ask(f, .job = job, .tasks = 1), 0);
    uint32_t waits = film_ask(f, .job = job);
    expect_step(film_ask(f, .job = job, .interactive = true), 1);
    expect_waits(waits);
    f->workers[0].on = false;
    film_advance(f, 11 * SEC); /* its lease is out */
    film_worker_again(f, &f->workers[0], true, false);
    assert_int_equal(last_end(f)->outcome, TD_OUTCOME_NODE_FAIL);
    expect_refused(waits, TD_E_ALREADY_DONE);
    film_advance(f, 5 * SEC);
    film_expect(f, job, "RUNNING");
    assert_int_equal(film_job(f, job)->attempt, 2);
    assert_int_equal(film_steps(f, job), 0);
    expect_step(film_ask(f, .job = job), 0);
    /* a report of the first attempt's step 0 is not this one's */
    struct td_report late = {.kind = TD_REPORT_EXITED, .job = job, .attempt = 1, .step = 0};
    film_report(f, &f->workers[1], late, false);
    film_run(f);
    assert_int_equal(film_steps(f, job), 1);
}

static void a_silent_node_takes_its_steps_with_it(void **state)
{
    uint32_t job;
    struct film *f = one_node(state, 2, &job);
    expect_step(film_ask(f, .job = job), 0);
    f->workers[0].silent = true;
    film_advance(f, 200 * SEC);
    assert_int_equal(film_steps(f, job), 0);
    film_expect(f, job, "PENDING");
    assert_int_equal(film_events(f, TD_EV_STEP_ENDED), 1);
}

static void a_session_that_closes_ends_everything(void **state)
{
    struct film *f = *state;
    film_start(f);
    film_worker(f, "n1", 4, 0);
    uint32_t job = film_submit(f, .tasks = 4, .session = true);
    film_expect(f, job, "RUNNING");
    expect_step(film_ask(f, .job = job, .interactive = true), 0);
    expect_step(film_ask(f, .job = job), 1);
    uint32_t waits = film_ask(f, .job = job);
    struct td_session_close m = {.job = job};
    film_request(f, 1000, TD_MSG_SESSION_CLOSE, &m);
    film_expect(f, job, "COMPLETED");
    expect_refused(waits, TD_E_ALREADY_DONE);
    assert_int_equal(film_events(f, TD_EV_STEP_ENDED), 2);
    assert_int_equal(f->workers[0].steps.n, 0);
}

static void a_step_that_closes_ends_its_session(void **state)
{
    struct film *f = *state;
    film_start(f);
    film_worker(f, "n1", 1, 0);
    film_worker(f, "n2", 1, 0);
    uint32_t job = film_submit(f, .nodes = 2, .tasks = 2, .session = true);
    film_expect(f, job, "RUNNING");
    expect_step(film_ask(f, .job = job, .closes = true), 0);
    film_step_exit(f, &f->workers[0], job, 0, 0);
    film_expect(f, job, "RUNNING"); /* its other node works on */
    film_step_exit(f, &f->workers[1], job, 0, 3);
    film_expect(f, job, "FAILED"); /* as its worst part */
    struct td_session_close m = {.job = job};
    film_request(f, 1000, TD_MSG_SESSION_CLOSE, &m);
    film_expect_refused(f, TD_E_ALREADY_DONE);
}

static void others_leave_their_allocation_alone(void **state)
{
    struct film *f = *state;
    film_start(f);
    film_worker(f, "n1", 2, 0);
    uint32_t session = film_submit(f, .tasks = 1, .session = true), batch = film_submit(f, .tasks = 1);
    expect_step(film_ask(f, .job = session), 0);
    expect_step(film_ask(f, .job = batch, .closes = true), 0);
    film_step_exit(f, &f->workers[0], session, 0, 0);
    film_step_exit(f, &f->workers[0], batch, 0, 0);
    film_expect(f, session, "RUNNING");
    film_expect(f, batch, "RUNNING");
}

/* --- restart, rows ---------------------------------------------------------------------------- */

static void restart(void **state, bool snapshot)
{
    uint32_t job;
    struct film *f = three_nodes(state, &job);
    expect_step(film_ask(f, .job = job, .tasks = 1), 0);
    film_step_exit(f, &f->workers[0], job, 0, 0);
    f->workers[2].lazy_steps = true;
    expect_step(film_ask(f, .job = job, .gpus = 1), 1);
    film_step_exit(f, &f->workers[1], job, 1, 4);
    uint32_t waits = film_ask(f, .job = job);
    uint32_t starts = f->workers[2].starts, others = f->workers[0].starts;
    film_restart(f, snapshot);
    assert_int_equal(td_core_nwaits(f->core), 0); /* soft: its client asks again */
    expect_waits(waits);
    film_advance(f, 5 * SEC);
    assert_true(f->workers[2].starts > starts); /* not answered yet */
    assert_int_equal(f->workers[0].starts, others);
    film_step_exit(f, &f->workers[0], job, 1, 0);
    film_step_exit(f, &f->workers[2], job, 1, 0);
    assert_int_equal(last_end(f)->exit_code, 4);
    expect_step(film_ask(f, .job = job), 2); /* no number twice */
    film_restart(f, snapshot);
    film_cancel(f, 1000, job);
    film_advance(f, 5 * SEC);
    film_expect(f, job, "CANCELLED");
}

static void steps_outlive_a_broker_by_its_journal(void **state)
{
    restart(state, false);
}

static void steps_outlive_a_broker_by_its_snapshot(void **state)
{
    restart(state, true);
}

static void a_snapshot_that_makes_no_sense_is_refused(void **state)
{
    uint32_t job;
    struct film *f = one_node(state, 2, &job);
    struct td_error err = {0};
    struct td_step_place place = {.node = "n1"}, nowhere = {.node = "n9"};
    uint32_t sent = TD_STEP_SENT;
    struct td_snap_step r = {
        .job = job, .attempt = 1, .step = 0, .places = {&place, 1}, .parts = {&sent, 1}};
    expect_step(film_ask(f, .job = job), 0);
    assert_int_equal(td_core_restore(f->core, TD_SNAP_STEP, &r, &err), -TD_E_JOURNAL); /* twice */
    r.step = 1; /* not given yet */
    assert_int_equal(td_core_restore(f->core, TD_SNAP_STEP, &r, &err), -TD_E_JOURNAL);
    r.step = 0;
    r.places.v = &nowhere;
    assert_int_equal(td_core_restore(f->core, TD_SNAP_STEP, &r, &err), -TD_E_JOURNAL);
    r.job = 99;
    assert_int_equal(td_core_restore(f->core, TD_SNAP_STEP, &r, &err), -TD_E_JOURNAL);
}

static bool first_row(void *ctx, const struct td_step_info *row)
{
    *(struct td_step_info *)ctx = *row;
    return false;
}

static void count_blob(void *ctx, const uint8_t hash[32])
{
    *(uint32_t *)ctx += hash[0] == 's';
}

static void rows_and_blobs(void **state)
{
    uint32_t job;
    struct film *f = three_nodes(state, &job);
    uint8_t hash[32] = "s";
    const char *argv[] = {"hostname"};
    struct td_step_create m = {.job = job,
                               .spec = {.name = "x", .argv = {argv, 1}, .env_hash = {hash, 32}}};
    film_request(f, 1000, TD_MSG_STEP_CREATE, &m);
    struct td_step_info row = {0};
    struct td_step_query q = {.asker_uid = 1000};
    td_core_steps(f->core, &q, &f->arena, first_row, &row);
    assert_int_equal(row.job, job);
    assert_int_equal(row.nodes, 3);
    assert_int_equal(row.ntasks, 6);
    assert_int_equal(row.cpus, 6);
    assert_string_equal(row.nodelist, "n[1-3]");
    assert_string_equal(row.name, "x");
    assert_string_equal(row.partition, "main");
    assert_int_equal(row.gres.v[0].count, 3);
    assert_int_equal(row.limit_s, TD_INFINITE);
    q.batch = true;
    td_core_steps(f->core, &q, &f->arena, first_row, &row);
    assert_int_equal(row.step, TD_STEP_BATCH); /* the script is the first of its job */
    assert_string_equal(row.name, "batch");
    assert_string_equal(row.nodelist, "n1");
    q.job = job + 1;
    row.job = 0;
    td_core_steps(f->core, &q, &f->arena, first_row, &row);
    assert_int_equal(row.job, 0);
    /* named by the step while it lives, and by one that waits */
    uint32_t named = 0;
    td_core_blobs(f->core, count_blob, &named);
    assert_int_equal(named, 1);
    film_ask(f, .job = job, .later = true);
    struct td_step_create *waiting = (void *)(uintptr_t)f->inbox.v[f->inbox.n - 1].body;
    waiting->spec.env_hash = m.spec.env_hash;
    film_run(f);
    td_core_blobs(f->core, count_blob, &named);
    assert_int_equal(named, 3);
    film_cancel(f, 1000, job);
    named = 0;
    td_core_blobs(f->core, count_blob, &named);
    assert_int_equal(named, 0);
}

static void a_clock_that_is_set_ahead_delays_no_start(void **state)
{
    uint32_t job;
    struct film *f = one_node(state, 2, &job);
    f->workers[0].lazy_steps = true;
    expect_step(film_ask(f, .job = job), 0);
    film_clock(f, 3600 * SEC);
    assert_int_equal(f->workers[0].starts, 1); /* and hurries none */
    film_advance(f, 2 * SEC);
    assert_int_equal(f->workers[0].starts, 2);
}

int main(void)
{
#define film_test(name) cmocka_unit_test_setup_teardown(name, film_open, film_close)
    const struct CMUnitTest tests[] = {
        film_test(a_shell_holds_nothing_against_the_steps_started_in_it),
        film_test(a_shell_is_on_the_first_node_or_the_one_named),
        film_test(tasks_are_laid_out_in_blocks),
        film_test(tasks_have_the_cpus_that_the_allocation_has_for_them),
        film_test(the_roomiest_nodes_when_the_first_do_not_do),
        film_test(what_can_never_be_is_refused_in_words),
        film_test(only_a_job_with_nodes_has_steps),
        film_test(a_step_asked_for_before_all_nodes_have_answered_waits),
        film_test(memory_and_devices_are_held_where_they_are_named),
        film_test(a_kind_named_twice_is_refused),
        film_test(steps_wait_in_order),
        film_test(who_waits_is_refused_when_the_job_ends),
        film_test(one_whose_client_went_away_is_not_started),
        film_test(who_goes_lets_the_next_one_in),
        film_test(a_repeated_request_is_the_same_step),
        film_test(those_who_wait_are_bounded),
        film_test(what_they_hold_while_they_wait_is_bounded),
        film_test(the_steps_of_one_job_are_bounded),
        film_test(a_start_is_sent_until_it_is_answered),
        film_test(a_start_that_was_lost_is_told_by_its_end),
        film_test(a_step_that_is_declined_failed_and_its_job_goes_on),
        film_test(a_step_is_over_when_all_its_nodes_are),
        film_test(a_step_is_ended_and_asked_again_until_it_is),
        film_test(a_step_that_never_came_there_is_ended_too),
        film_test(a_signal_goes_once_it_has_started),
        film_test(a_signal_to_the_job_is_not_answered_for_its_step),
        film_test(a_step_that_is_over_here_and_runs_there_is_killed),
        film_test(hello_tells_which_steps_are_there),
        film_test(a_list_that_was_said_before_a_step_started_is_not_believed),
        film_test(a_start_goes_again_to_a_worker_that_began_anew),
        film_test(the_end_of_a_job_is_the_end_of_its_steps),
        film_test(an_ending_job_sends_no_starts),
        film_test(a_lost_node_ends_steps_and_the_next_attempt_counts_anew),
        film_test(a_silent_node_takes_its_steps_with_it),
        film_test(a_session_that_closes_ends_everything),
        film_test(a_step_that_closes_ends_its_session),
        film_test(others_leave_their_allocation_alone),
        film_test(steps_outlive_a_broker_by_its_journal),
        film_test(steps_outlive_a_broker_by_its_snapshot),
        film_test(a_snapshot_that_makes_no_sense_is_refused),
        film_test(rows_and_blobs),
        film_test(a_clock_that_is_set_ahead_delays_no_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
