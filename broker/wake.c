/* wake.c - one wake from its first input to its last reply (law 3)
 *
 * A wake is opened by its first write or by the core's deadline; reads alone need none. The order at the end is the
 * law: finish, commit, then effects, then the answers of the shell, then reads, which see the user's own writes. */
#include "broker/shell.h"

#define TAKEN_MAX 50000u               /* frames of one wake */
#define ARENA_BYTES_MAX (64u << 20)    /* of decoded frames */

int64_t shell_now_ms(struct shell *s)
{
    return shell_clock_read(&s->clock, shell_boot_us(), shell_wall_us());
}

bool shell_full(const struct shell *s)
{
    return s->taken >= TAKEN_MAX || s->arena.used_total >= ARENA_BYTES_MAX || (s->open && td_core_full(s->core));
}

static void wake_open(struct shell *s)
{
    if (s->open)
        return;
    s->open = true;
    s->wake_ms = shell_now_ms(s);
    td_core_wake(s->core, s->wake_ms);
    if (s->clock.step_us) {
        const struct td_ev_clock_stepped ev = {.delta_ms = s->clock.step_us / 1000};
        shell_log(&s->log, "warn clock stepped delta_ms=%lld", (long long)ev.delta_ms);
        shell_clock_take_step(&s->clock);
        shell_input(s, &(struct td_input){.kind = TD_IN_CLOCK, .id = TD_EV_CLOCK_STEPPED, .body = &ev});
    }
}

void shell_input(struct shell *s, const struct td_input *in)
{
    TD_ASSERT(!s->down);
    wake_open(s);
    shell_inputlog_add(s, in);
    td_core_input(s->core, in);
    if (in->kind == TD_IN_REQUEST) {
        const struct shell_asked asked = {in->peer, in->request};
        td_vec_push(&s->asked, asked);
    }
}

/* The body lives in the wake's arena. If the commit fails the asker gets the cause instead. */
void shell_answer_later(struct shell *s, uint64_t peer, uint64_t request, uint32_t id, const void *body)
{
    const struct shell_answer a = {peer, request, id, body};
    td_vec_push(&s->answers, a);
}

struct waits_of {
    uint64_t peer, request;
    bool found;
};
static void is_of(void *ctx, uint64_t peer, uint64_t request)
{
    struct waits_of *w = ctx;
    w->found = w->found || (w->peer == peer && (!w->request || w->request == request));
}

/* Whoever asked is gone (request 0: for all he asked). Told to the core only if he waits for something there: most do not. */
void shell_request_gone(struct shell *s, uint64_t handle, uint64_t request)
{
    struct waits_of w = {.peer = handle, .request = request};
    td_core_waits(s->core, is_of, &w);
    if (w.found)
        td_vec_push(&s->gone, ((struct shell_asked){handle, request}));
}

/* A connection is over. */
void shell_peer_gone(struct shell *s, uint64_t handle)
{
    shell_request_gone(s, handle, 0);
}

static void tell_gone(struct shell *s)
{
    for (uint32_t i = 0; i < s->gone.n && !s->down; i++)
        shell_input(s, &(struct td_input){.kind = TD_IN_GONE, .peer = s->gone.v[i].peer, .request = s->gone.v[i].request});
    s->gone.n = 0;
}

/* Requests of earlier wakes that waited in a core which is given up, or were answered in this wake, which never was.
 * Those of this wake are among the asked. */
struct refusing {
    struct shell *s;
    const struct td_error *why;
};
static void refuse_wait(void *ctx, uint64_t peer, uint64_t request)
{
    struct refusing *r = ctx;
    for (uint32_t i = 0; i < r->s->asked.n; i++)
        if (r->s->asked.v[i].peer == peer && r->s->asked.v[i].request == request)
            return;
    shell_refuse(r->s, peer, request, r->why);
}

static void refuse_all(struct shell *s, const struct td_error *why)
{
    struct refusing earlier = {s, why};
    uint32_t n;
    const struct td_effect *e = td_core_effects(s->core, &n);
    for (uint32_t i = 0; i < n; i++)
        if (e[i].kind == TD_DO_REPLY && e[i].id != TD_MSG_STEP_WAITS) /* who was to be told that he waits is among those below */
            refuse_wait(&earlier, e[i].peer, e[i].request);
    td_core_waits(s->core, refuse_wait, &earlier);
    for (uint32_t i = 0; i < s->asked.n; i++)
        shell_refuse(s, s->asked.v[i].peer, s->asked.v[i].request, why);
    for (uint32_t i = 0; i < s->answers.n; i++)
        shell_refuse(s, s->answers.v[i].peer, s->answers.v[i].request, why);
    s->asked.n = 0;
    s->answers.n = 0;
}

static int core_end(struct shell *s, struct td_error *err)
{
    wake_open(s);
    td_core_stopwatch(s->core, shell_boot_us());
    td_core_finish(s->core);
    uint32_t n;
    td_core_events(s->core, &n);
    shell_inputlog_close(s, s->wake_ms, td_core_seq(s->core) - n);
    struct td_error why = {0};
    int r = shell_commit(s, &why);
    if (r == 0) {
        shell_clock_committed(&s->clock);
        shell_follow_committed(s);
        shell_effects(s);
        return 0;
    }
    refuse_all(s, &why);
    if (r == -TD_E_DEPOSED) {
        if (err)
            *err = why;
        return r;
    }
    return shell_down(s, &why, err);
}

int shell_wake_end(struct shell *s, struct td_error *err)
{
    int r = 0;
    tell_gone(s);
    shell_denied_tell(s);
    if (s->open || (!s->down && td_core_deadline(s->core) <= shell_now_ms(s)) || (!s->down && s->clock.step_us))
        r = core_end(s, err);
    s->open = false;
    for (uint32_t i = 0; i < s->answers.n; i++)
        shell_reply(s, s->answers.v[i].peer, s->answers.v[i].request, s->answers.v[i].id, s->answers.v[i].body);
    for (uint32_t i = 0; i < s->reads.n && r == 0; i++)
        if (s->reads.v[i].from.peer & SHELL_BUS_PEER || shell_local_admit(s, &s->reads.v[i]))
            shell_read_answer(s, &s->reads.v[i]);
    if (r == 0)
        shell_follow_feed(s);
    shell_local_flush(s);
    shell_log_flush(&s->log);
    s->reads.n = 0;
    s->answers.n = 0;
    s->asked.n = 0;
    s->new_blobs.n = 0;
    for (uint32_t i = 0; i < s->old_confs.n; i++)
        td_conf_destroy(&s->old_confs.v[i]);
    s->old_confs.n = 0;
    s->taken = 0;
    td_arena_reset(&s->arena);
    s->wakes++;
    return r;
}
