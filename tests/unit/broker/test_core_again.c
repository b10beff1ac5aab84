/* test_core_again.c - the same inputs make the same decisions, event for event (law 9)
 *
 * A seeded film is played with its inputs kept as the shell keeps them. Then they are decoded and
 * given to fresh cores, one for each reign, and the events compared as bytes. A core of a later
 * reign begins from the journal where the film's began from a snapshot, so nothing that only one of
 * them knows may decide. */
#include "film.h"

#include "wire/wire.h"

#define CHAINS_FROM 100000

struct scene {
    struct film *f;
    struct td_rng dice;
    uint32_t jobs[256], njobs;
    bool chains; /* jobs wait for jobs */
};

static uint32_t roll(struct scene *s, uint32_t n)
{
    return td_rng_below(&s->dice, n);
}

static uint32_t some_job(struct scene *s)
{
    return s->njobs ? s->jobs[roll(s, s->njobs)] : 1;
}

static void submit(struct scene *s)
{
    static const char *const arrays[] = {NULL, NULL, NULL, NULL, "0-5", "1-9:2%2"};
    struct film_job j = {
        .cores = 1 + roll(s, 3),
        .uid = 1000 + roll(s, 2),
        .array = arrays[roll(s, TD_ARRAY_LEN(arrays))],
        .gpus = roll(s, 4) == 0,
        .tasks = 1 + roll(s, 2),
        .limit_s = roll(s, 2) ? 30 + roll(s, 600) : 0,
        .begin_ms = roll(s, 8) ? 0 : s->f->now + roll(s, 20 * SEC),
        .hold = roll(s, 12) == 0,
        .mem = roll(s, 3) ? 0 : 1000,
    };
    if (roll(s, 5) == 0)
        j.nodes = 1 + roll(s, 2);
    static const char *const kinds[] = {"after", "afterany", "afterok", "afternotok"};
    char text[64];
    if (s->chains && roll(s, 3) == 0) {
        snprintf(text, sizeof(text), "%s:%u%c%s:%u", kinds[roll(s, 4)], some_job(s),
                 roll(s, 2) ? ',' : '?', kinds[roll(s, 4)], some_job(s));
        j.dependency = roll(s, 4) ? text : "singleton";
    }
    uint32_t id = film_submit_(s->f, j);
    if (id && s->njobs < TD_ARRAY_LEN(s->jobs))
        s->jobs[s->njobs++] = id;
}

/* One that runs ends: the first from a random place on. */
static void end_one(struct scene *s)
{
    struct td_core *c = s->f->core;
    uint32_t from = c->jobs.n ? roll(s, c->jobs.n) : 0;
    for (uint32_t i = 0; i < c->jobs.n; i++) {
        const struct core_job *j = c->jobs.v[(from + i) % c->jobs.n];
        const struct film_worker *w = NULL;
        for (uint32_t k = 0; j->state == TD_JOB_RUNNING && k < s->f->nworkers; k++) {
            if (td_str_equal(s->f->workers[k].name, j->alloc->parts[0].node->name))
                w = &s->f->workers[k];
        }
        bool held = false;
        for (uint32_t k = 0; w && k < w->held.n; k++)
            held |= w->held.v[k].job == j->id && w->held.v[k].attempt == j->attempt;
        if (!held || w->silent || j->alloc->nparts > 1)
            continue;
        film_exit(s->f, j->id, roll(s, 4) == 0);
        return;
    }
}

static void act(struct scene *s)
{
    static const char *const states[] = {"DRAIN", "RESUME", "DOWN", "RESUME", "RESUME"};
    struct film *f = s->f;
    struct film_worker *w = &f->workers[roll(s, f->nworkers)];
    switch (roll(s, 16)) {
    case 0:
        film_cancel(f, 1000 + roll(s, 2), some_job(s));
        return;
    case 1:
        film_op(f, 1000 + roll(s, 2), some_job(s), 1 + roll(s, 5));
        return;
    case 2:
        film_update_node(f, w->name, states[roll(s, TD_ARRAY_LEN(states))], "dice");
        return;
    case 3:
        w->silent = !w->silent;
        return;
    case 4:
        w->declines = roll(s, 2);
        return;
    case 5:
        film_clock(f, roll(s, 3) ? (int64_t)roll(s, 600) * SEC : -(int64_t)roll(s, 600) * SEC);
        return;
    case 6:
    case 7:
        film_advance(f, roll(s, roll(s, 4) ? 3 * SEC : 90 * SEC));
        return;
    case 8:
    case 9:
    case 10:
        end_one(s);
        return;
    case 11:
        w->refuses = roll(s, 3) ? 0 : TD_REFUSAL_UNHEALTHY;
        w->version++;
        return;
    default:
        submit(s);
        return;
    }
}

static void play(struct film *f, uint64_t seed, uint32_t acts)
{
    struct scene s = {.f = f, .dice = {seed * 7919 + 1}, .chains = seed > CHAINS_FROM};
    f->logs_inputs = true;
    film_start(f);
    film_worker(f, "n1", 4, 2);
    film_worker(f, "n2", 2, 0);
    film_worker(f, "n3", 2, 1);
    for (uint32_t i = 0; i < acts; i++) {
        act(&s);
        if (i % 60 == 59)
            film_restart(f, true);
    }
}

static struct td_event *event_of(struct film *f, uint64_t seq)
{
    assert_in_range(seq, 1, f->journal.n);
    return &f->journal.v[seq - 1];
}

static bool same_event(const struct td_event *a, const struct td_event *b)
{
    struct td_buf x = {0}, y = {0};
    if (a->id == b->id) {
        td_wire_put_record(&x, td_event_row(a->id)->record, a->body);
        td_wire_put_record(&y, td_event_row(b->id)->record, b->body);
    }
    bool same = a->seq == b->seq && a->id == b->id && a->time_ms == b->time_ms && x.len == y.len &&
                (x.len == 0 || memcmp(x.data, y.data, x.len) == 0);
    td_buf_release(&x);
    td_buf_release(&y);
    return same;
}

static void say(const char *which, const struct td_event *ev)
{
    struct td_buf b = {0};
    td_wire_json(&b, td_event_row(ev->id)->record, ev->body, TD_SEE_NOBODY);
    print_error("%s: %u at %lld %s %s\n", which, (uint32_t)ev->seq, (long long)ev->time_ms,
                td_event_name(ev->id), td_buf_str(&b));
    td_buf_release(&b);
}

static void say_both(struct film *f, const struct td_event *again)
{
    if (again->seq <= f->journal.n)
        say("first", event_of(f, again->seq));
    say("again", again);
}

typedef void change_fn(struct td_wake *w); /* a hand in the log */

/* First event that comes out another, or the number after the last: none. */
static uint64_t give_again(struct film *f, change_fn *change)
{
    struct td_core *c = NULL;
    struct td_arena a = {0};
    uint64_t differs = 0;
    for (uint32_t i = 0; i < f->inputs.n && !differs; i++) {
        struct td_wake w;
        struct td_error err;
        td_arena_reset(&a);
        assert_int_equal(
            td_wire_get_record(&a, &td_rec_wake, f->inputs.v[i].data, f->inputs.v[i].len, &w, &err),
            0);
        if (change)
            change(&w);
        if (f->inputs.v[i].reign) {
            td_core_destroy(&c);
            c = td_core_new(w.seed);
            for (uint64_t seq = 1; seq <= w.seq; seq++)
                td_core_apply(c, event_of(f, seq));
        }
        td_core_wake(c, w.now_ms);
        for (uint32_t k = 0; k < w.inputs.n; k++) {
            const struct td_wake_input *from = &w.inputs.v[k];
            bool message = from->kind == TD_IN_REQUEST || from->kind == TD_IN_WORKER;
            const struct td_record *rec =
                message ? td_msg_row(from->id)->record : td_event_row(from->id)->record;
            struct td_input in = {.kind = from->kind,
                                  .peer = from->peer,
                                  .request = from->request,
                                  .uid = from->uid,
                                  .gid = from->gid,
                                  .node = from->node,
                                  .id = from->id,
                                  .on = from->on};
            void *body = td_arena_alloc(&a, rec->size);
            assert_int_equal(td_wire_get_record(&a, rec, from->body.v, from->body.n, body, &err),
                             0);
            in.body = body;
            td_core_input(c, &in);
        }
        td_core_finish(c);
        uint32_t n;
        const struct td_event *ev = td_core_events(c, &n);
        for (uint32_t k = 0; k < n && !differs; k++) {
            if (ev[k].seq > f->journal.n || !same_event(&ev[k], event_of(f, ev[k].seq)))
                differs = ev[k].seq;
            if (differs && !change)
                say_both(f, &ev[k]);
        }
    }
    if (!differs)
        differs = td_core_seq(c) + 1; /* some may be missing at the end */
    td_core_destroy(&c);
    td_arena_release(&a);
    return differs;
}

/* 58: what had ended was kept in the order of its last node's leave, by a restored core in another.
 * 3730: an award that had not started held its node longer in a restored core. */
static const uint64_t once_failed[] = {58, 3730};

static void the_same_inputs_make_the_same_events(void **state)
{
    uint32_t ended = 0, requeued = 0, stepped = 0;
    (void)state;
    for (uint64_t i = 0; i < 90 + TD_ARRAY_LEN(once_failed); i++) {
        uint64_t seed = i < 50 ? i + 1 : i < 90 ? CHAINS_FROM + i : once_failed[i - 90];
        struct film *f;
        film_open((void **)&f);
        play(f, seed, 150);
        uint64_t differs = give_again(f, NULL);
        if (differs != f->journal.n + 1)
            fail_msg("seed %u: event %u of %u comes out another", (uint32_t)seed, (uint32_t)differs,
                     f->journal.n);
        ended += film_events(f, TD_EV_JOB_ENDED);
        requeued += film_events(f, TD_EV_JOB_REQUEUED);
        stepped += film_events(f, TD_EV_CLOCK_STEPPED);
        film_close((void **)&f);
    }
    assert_true(ended > 300 && requeued > 30 && stepped > 100); /* the dice do throw these */
}

static struct film *a_played_film(void)
{
    struct film *f;
    film_open((void **)&f);
    play(f, 3, 100);
    assert_int_equal(give_again(f, NULL), f->journal.n + 1);
    return f;
}

static struct td_wake_input *first_of(struct td_wake *w, uint32_t id)
{
    for (uint32_t i = 0; i < w->inputs.n; i++) {
        if (w->inputs.v[i].id == id)
            return (struct td_wake_input *)(uintptr_t)&w->inputs.v[i];
    }
    return NULL;
}

static bool changed; /* by the hand below, once */

static void another_user(struct td_wake *w)
{
    struct td_wake_input *in = changed ? NULL : first_of(w, TD_MSG_SUBMIT);
    if (in)
        in->uid++;
    changed |= in != NULL;
}

static void a_bid_less(struct td_wake *w)
{
    const struct td_wake_input *in = changed ? NULL : first_of(w, TD_MSG_BID);
    if (in) {
        uint32_t at = (uint32_t)(in - w->inputs.v);
        w->inputs.n--;
        memmove((void *)(uintptr_t)in, in + 1, (w->inputs.n - at) * sizeof(*in));
    }
    changed |= in != NULL;
}

static void a_later_wake(struct td_wake *w)
{
    if (!changed && first_of(w, TD_MSG_SUBMIT))
        w->now_ms++, changed = true;
}

static void another_input_makes_other_events(void **state)
{
    static change_fn *const hands[] = {another_user, a_bid_less, a_later_wake};
    struct film *f = a_played_film();
    (void)state;
    for (uint32_t i = 0; i < TD_ARRAY_LEN(hands); i++) {
        changed = false;
        uint64_t differs = give_again(f, hands[i]);
        assert_true(changed);
        assert_in_range(differs, 1, f->journal.n);
    }
    film_close((void **)&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_inputs_make_the_same_events),
        cmocka_unit_test(another_input_makes_other_events),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
