/* node.c - a node: the real agent, and a shepherd that keeps its ledger through a worker's death but not a reboot */
#include "world.h"

#include <stdio.h>
#include <string.h>

static uint64_t runtime_ms(const struct sim *s, uint32_t job, uint32_t attempt)
{
    struct td_rng r = {td_mix_u64(td_mix_u64(s->seed, job), attempt)};
    uint32_t kind = td_rng_below(&r, 10);

    return kind < 6 ? td_rng_below(&r, 3000) : kind < 9 ? td_rng_below(&r, 60000) : td_rng_below(&r, 900000);
}

static void net_send(struct sim *s, enum sim_kind kind, uint32_t node, uint32_t b, uint32_t life, const struct td_buf *frame)
{
    uint32_t copies = td_rng_below(&s->rng, 1000) < s->faults.dup ? 2 : 1;

    if (s->nodes[node].cut || td_rng_below(&s->rng, 1000) < s->faults.drop)
        return;
    for (uint32_t i = 0; i < copies; i++)
        sim_push(s, td_rng_below(&s->rng, s->faults.delay_ms + 1), kind, node, b, life, frame);
}

void sim_to_broker(struct sim *s, uint32_t node, const struct td_buf *frame)
{
    net_send(s, SIM_TO_BROKER, node, 0, s->life, frame);
}

void sim_to_worker(struct sim *s, uint32_t node, bool published, const struct td_buf *frame)
{
    net_send(s, SIM_TO_WORKER, node, published, s->nodes[node].life, frame);
}

static void inventory_make(struct sim *s, struct sim_node *n)
{
    uint32_t ncores = 2 + 2 * td_rng_below(&s->rng, 8), threads = 1 + td_rng_below(&s->rng, 2);
    uint32_t ncpus = TD_MIN(ncores * threads, 64u), ngpus = td_rng_below(&s->rng, 3) ? 0 : 2 + 2 * td_rng_below(&s->rng, 2);
    struct td_cpu_core *cores = td_arena_alloc(&n->shepherd.arena, ncores * sizeof(*cores));
    uint8_t *all = td_arena_alloc(&n->shepherd.arena, 8);

    for (uint32_t c = 0; c < ncores; c++) {
        uint8_t *bits = td_arena_alloc(&n->shepherd.arena, 8);
        for (uint32_t t = 0; t < threads; t++) {
            td_bits_set(bits, c + t * ncores);
            td_bits_set(all, c + t * ncores);
        }
        cores[c] = (struct td_cpu_core){{bits, 8}, c * 2 / ncores, c * 2 / ncores};
    }
    struct td_gres_stock *stock = td_arena_alloc(&n->shepherd.arena, sizeof(*stock));
    struct td_device *dev = td_arena_alloc(&n->shepherd.arena, (ngpus + 1) * sizeof(*dev));
    for (uint32_t d = 0; d < ngpus; d++)
        dev[d] = (struct td_device){.index = d, .type = "a", .numa = d * 2 / ngpus, .island = d * 2 / ngpus};
    *stock = (struct td_gres_stock){"gpu", "a", ngpus, {dev, ngpus}};
    n->inv = (struct td_inventory){.hostname = n->name, .cpus = {all, 8}, .sockets = 2, .cores_per_socket = ncores / 2,
                                   .threads_per_core = threads, .memory_mb = 1000 * ncpus, .cores = {cores, ncores},
                                   .gres = {stock, ngpus ? 1 : 0}, .features = "sim", .declared = true};
}

void sim_node_init(struct sim *s, uint32_t i)
{
    struct sim_node *n = &s->nodes[i];

    snprintf(n->name, sizeof(n->name), "n%u", i + 1);
    n->shepherd.next_no = 1;
    n->shepherd.boots = 1;
    inventory_make(s, n);
}

void sim_node_release(struct sim_node *n)
{
    td_agent_destroy(&n->agent);
    td_arena_release(&n->shepherd.arena);
    td_vec_release(&n->shepherd.attempts);
    td_vec_release(&n->shepherd.spool);
    td_vec_release(&n->shepherd.steps);
    for (uint32_t i = 0; i < n->topics.n; i++)
        td_free(n->topics.v[i]);
    td_vec_release(&n->topics);
}

/* --- shepherd ---------------------------------------------------------------------------------------------------- */

static void boot_id(const struct sim_node *n, char out[32])
{
    snprintf(out, 32, "%s-boot%u", n->name, n->shepherd.boots);
}

void sim_status_push(struct sim *s, uint32_t i, const struct td_report *reports, uint32_t count)
{
    struct td_buf frame = {0};
    struct td_sh_status st = {.reports = {reports, count}};

    if (!s->nodes[i].agent || count == 0)
        return;
    td_wire_put_frame(&frame, TD_MSG_SH_STATUS, 0, &st);
    sim_push(s, 0, SIM_STATUS, i, 0, s->nodes[i].life, &frame);
    td_buf_release(&frame);
}

static void report_add(struct sim *s, uint32_t i, const struct sim_attempt *a, enum td_report_kind kind)
{
    struct sim_shepherd *sh = &s->nodes[i].shepherd;
    struct td_report r = {.no = sh->next_no++, .kind = kind, .job = a->job, .attempt = a->attempt, .step = TD_STEP_BATCH};

    r.cut_off = a->cut_off && (kind == TD_REPORT_EXITED || kind == TD_REPORT_GONE);
    if (kind == TD_REPORT_EXITED) {
        r.exit_code = a->exit_code;
        r.signal = a->signal;
        r.timed_out = a->timed_out;
    }
    td_vec_push(&sh->spool, r);
    sim_status_push(s, i, &r, 1);
}

struct sim_attempt *sim_attempt_find(struct sim_shepherd *sh, uint32_t job, uint32_t attempt)
{
    for (uint32_t k = 0; k < sh->attempts.n; k++) {
        if (sh->attempts.v[k].job == job && sh->attempts.v[k].attempt == attempt)
            return &sh->attempts.v[k];
    }
    return NULL;
}

static void launch(struct sim *s, uint32_t i, const struct td_sh_launch *m)
{
    struct sim_shepherd *sh = &s->nodes[i].shepherd;
    struct sim_attempt *known = sim_attempt_find(sh, m->award.job, m->award.attempt);

    if (known) { /* at most once: only the statuses again */
        for (uint32_t k = 0; k < sh->spool.n; k++) {
            if (sh->spool.v[k].job == known->job && sh->spool.v[k].attempt == known->attempt)
                sim_status_push(s, i, &sh->spool.v[k], 1);
        }
        return;
    }
    if (m->award.fenced && sh->fence_ms && sh->fence_ms <= s->now) {
        struct td_report r = {.kind = TD_REPORT_DECLINED, .job = m->award.job, .attempt = m->award.attempt,
                              .refusal = TD_REFUSAL_UNHEALTHY, .text = "cut off"};
        sim_status_push(s, i, &r, 1);
        return;
    }
    if (td_rng_below(&s->rng, 100) == 0) { /* the shell could not make it: no space for the script */
        struct td_report r = {.kind = TD_REPORT_DECLINED, .job = m->award.job, .attempt = m->award.attempt,
                              .refusal = TD_REFUSAL_UNHEALTHY, .text = "disk full"};
        sim_status_push(s, i, &r, 1);
        return;
    }
    struct sim_attempt a = {.job = m->award.job, .attempt = m->award.attempt, .leader = m->award.node_rank == 0, .alive = true};
    td_record_copy(&sh->arena, &td_rec_placement, &m->award.place, &a.place);
    uint64_t run = runtime_ms(s, a.job, a.attempt), limit = m->award.limit_s == TD_INFINITE ? UINT64_MAX : m->award.limit_s * 1000ull;
    a.timed_out = run > limit;
    a.exit_code = run % 17 == 0;
    a.session = m->spec.session;
    a.fenced = m->award.fenced;
    td_vec_push(&sh->attempts, a);
    sim_check_launch(s, i, &sh->attempts.v[sh->attempts.n - 1]);
    report_add(s, i, &a, TD_REPORT_ACCEPTED);
    if (a.leader && !a.session)
        sim_push(s, (int64_t)TD_MIN(run, limit), SIM_EXIT, i, sh->attempts.n - 1, sh->boots, NULL);
}

void sim_shepherd_exit(struct sim *s, uint32_t i, uint32_t no)
{
    struct sim_shepherd *sh = &s->nodes[i].shepherd;
    struct sim_attempt *a = &sh->attempts.v[no];

    if (!a->alive)
        return;
    a->alive = false;
    a->exited = true;
    sim_log(s, "%s: %u.%u exits %u%s", s->nodes[i].name, a->job, a->attempt, a->exit_code, a->timed_out ? " at its limit" : "");
    sim_steps_end(s, i, a);
    if (a->leader && !a->session)
        report_add(s, i, a, TD_REPORT_EXITED);
    report_add(s, i, a, TD_REPORT_GONE);
}

/* KillWait of the configuration: 5 s. */
void sim_shepherd_fence(struct sim *s, uint32_t i)
{
    struct sim_shepherd *sh = &s->nodes[i].shepherd;

    if (!sh->fence_ms || s->now < sh->fence_ms)
        return;
    for (uint32_t k = 0; k < sh->attempts.n; k++) {
        struct sim_attempt *a = &sh->attempts.v[k];
        if (!a->alive || !a->fenced || a->cut_off)
            continue;
        sim_log(s, "%s: %u.%u is cut off", s->nodes[i].name, a->job, a->attempt);
        a->cut_off = true;
        a->signal = 15;
        a->exit_code = 0;
        a->timed_out = false;
        s->cut_offs++;
        sim_push(s, td_rng_below(&s->rng, 5000), SIM_EXIT, i, k, sh->boots, NULL);
    }
}

static void fence_set(struct sim *s, uint32_t i, const struct td_sh_lease *m)
{
    struct sim_shepherd *sh = &s->nodes[i].shepherd;

    sh->fence_ms = m->until_ms;
    if (sh->fence_ms)
        sim_push(s, TD_MAX(sh->fence_ms - s->now, INT64_C(0)), SIM_FENCE, i, 0, sh->boots, NULL);
}

static void shepherd_kill(struct sim *s, uint32_t i, const struct td_kill *k)
{
    struct sim_shepherd *sh = &s->nodes[i].shepherd;
    struct sim_attempt *a = sim_attempt_find(sh, k->job, k->attempt);

    if (!a)
        return;
    if (k->limit_s || k->signal) {
        struct td_report r = {.no = sh->next_no++, .kind = k->limit_s ? TD_REPORT_ADJUSTED : TD_REPORT_SIGNALLED, .job = k->job, .attempt = k->attempt, .step = TD_STEP_BATCH, .signal = k->signal};
        td_vec_push(&sh->spool, r);
        sim_status_push(s, i, &r, 1);
        return;
    }
    if (!a->alive) {
        for (uint32_t n = 0; n < sh->spool.n; n++) {
            if (sh->spool.v[n].job == a->job && sh->spool.v[n].attempt == a->attempt)
                sim_status_push(s, i, &sh->spool.v[n], 1);
        }
        return;
    }
    a->signal = 15;
    a->exit_code = 0;
    a->timed_out = false;
    sim_push(s, td_rng_below(&s->rng, 300), SIM_EXIT, i, (uint32_t)(a - sh->attempts.v), sh->boots, NULL);
}

static void shepherd_hello(struct sim *s, uint32_t i, const struct td_sh_hello *m)
{
    struct sim_node *n = &s->nodes[i];
    struct sim_shepherd *sh = &n->shepherd;
    struct td_running running[SIM_JOBS_MAX];
    struct td_placement places[SIM_JOBS_MAX];
    struct td_buf frame = {0};
    struct td_arena lists = {0};
    uint32_t count = 0;
    char id[32];
    (void)m;

    for (uint32_t k = 0; k < sh->attempts.n && count < SIM_JOBS_MAX; k++) {
        const struct sim_attempt *a = &sh->attempts.v[k];
        bool spooled = false;
        for (uint32_t r = 0; r < sh->spool.n; r++)
            spooled |= sh->spool.v[r].job == a->job && sh->spool.v[r].attempt == a->attempt;
        if (!a->alive && !spooled)
            continue;
        running[count] = (struct td_running){.job = a->job, .attempt = a->attempt, .exited = a->exited, .with_steps = true};
        running[count].steps = sim_steps_list(sh, a, &lists);
        places[count++] = a->place;
    }
    boot_id(n, id);
    struct td_sh_state st = {.running = {running, count}, .places = {places, count}, .next_no = sh->next_no, .pid = 1, .boot_id = id, .fence_ms = sh->fence_ms};
    td_wire_put_frame(&frame, TD_MSG_SH_STATE, 0, &st);
    td_arena_release(&lists);
    sim_push(s, 0, SIM_STATUS, i, 0, n->life, &frame);
    td_buf_release(&frame);
    sim_status_push(s, i, sh->spool.v, sh->spool.n);
}

static void shepherd_message(struct sim *s, uint32_t i, uint32_t id, const void *body)
{
    struct sim_shepherd *sh = &s->nodes[i].shepherd;

    if (id == TD_MSG_SH_HELLO) {
        shepherd_hello(s, i, body);
    } else if (id == TD_MSG_SH_LAUNCH) {
        launch(s, i, body);
    } else if (id == TD_MSG_SH_STEP) {
        sim_step_start(s, i, &((const struct td_sh_step *)body)->launch);
    } else if (id == TD_MSG_SH_KILL && ((const struct td_sh_kill *)body)->kill.step) {
        sim_step_kill(s, i, &((const struct td_sh_kill *)body)->kill);
    } else if (id == TD_MSG_SH_KILL) {
        shepherd_kill(s, i, &((const struct td_sh_kill *)body)->kill);
    } else if (id == TD_MSG_SH_LEASE) {
        fence_set(s, i, body);
    } else if (id == TD_MSG_SH_ACK) {
        uint64_t acked = ((const struct td_sh_ack *)body)->acked;
        uint32_t keep = 0;
        for (uint32_t k = 0; k < sh->spool.n; k++) {
            if (sh->spool.v[k].no > acked)
                sh->spool.v[keep++] = sh->spool.v[k];
        }
        sh->spool.n = keep;
    } else if (id != TD_MSG_SH_QUIT) {
        sim_fail(s, "agent sent the shepherd %s", td_msg_name(id));
    }
}

/* --- worker ------------------------------------------------------------------------------------------------------ */

static void topic_set(struct sim_node *n, const char *topic, bool on)
{
    for (uint32_t k = 0; k < n->topics.n; k++) {
        if (strcmp(n->topics.v[k], topic) == 0) {
            if (!on) {
                td_free(n->topics.v[k]);
                n->topics.v[k] = n->topics.v[--n->topics.n];
            }
            return;
        }
    }
    if (on)
        td_vec_push(&n->topics, td_strdup(topic));
}

static void worker_step(struct sim *s, uint32_t i, const struct td_agent_input *in)
{
    struct sim_node *n = &s->nodes[i];
    uint32_t count;

    td_agent_step(n->agent, s->now, in);
    const struct td_agent_effect *e = td_agent_effects(n->agent, &count);
    for (uint32_t k = 0; k < count && !sim_failed(s); k++) {
        struct td_buf frame = {0};
        switch (e[k].kind) {
        case TD_AGENT_SEND:
            td_wire_put_frame(&frame, e[k].id, 0, e[k].body);
            sim_to_broker(s, i, &frame);
            td_buf_release(&frame);
            break;
        case TD_AGENT_SUBSCRIBE:
        case TD_AGENT_UNSUBSCRIBE:
            topic_set(n, e[k].topic, e[k].kind == TD_AGENT_SUBSCRIBE);
            break;
        case TD_AGENT_TO_SHEPHERD:
            shepherd_message(s, i, e[k].id, e[k].body);
            break;
        case TD_AGENT_LOG:
            sim_log(s, "  %s: %s", n->name, (const char *)e[k].body);
            break;
        case TD_AGENT_RECONNECT:
            sim_log(s, "  %s: reconnects", n->name);
            break;
        case TD_AGENT_LEAVE: /* deleted: whoever looks after the node has it join again */
            if (sim_deletes(s)) {
                sim_push(s, 0, SIM_WORKER_DIES, i, 0, 0, NULL);
                break;
            }
            /* fall through */
        case TD_AGENT_EXIT:
            sim_fail(s, "%s: agent leaves: %s", n->name, e[k].body ? (const char *)e[k].body : "drained");
            break;
        }
    }
}

static void frame_step(struct sim *s, uint32_t i, const struct sim_item *it, struct td_agent_input in)
{
    struct td_arena a = {0};
    struct td_frame f;
    struct td_error err = {0};

    if (td_wire_get_frame(&a, it->data, it->len, &f, &err) < 0) {
        sim_fail(s, "frame to %s does not decode: %s", s->nodes[i].name, err.text);
    } else {
        in.id = f.id;
        in.body = f.body;
        worker_step(s, i, &in);
    }
    td_arena_release(&a);
}

void sim_worker_message(struct sim *s, uint32_t i, const struct sim_item *it)
{
    frame_step(s, i, it, (struct td_agent_input){.kind = TD_AGENT_BUS, .published = it->b});
}

void sim_worker_status(struct sim *s, uint32_t i, const struct sim_item *it)
{
    frame_step(s, i, it, (struct td_agent_input){.kind = TD_AGENT_SHEPHERD});
}

void sim_worker_tick(struct sim *s, uint32_t i)
{
    worker_step(s, i, &(struct td_agent_input){.kind = TD_AGENT_TICK});
}

void sim_worker_redialled(struct sim *s, uint32_t i)
{
    worker_step(s, i, &(struct td_agent_input){.kind = TD_AGENT_LINK_UP});
}

void sim_worker_start(struct sim *s, uint32_t i)
{
    struct sim_node *n = &s->nodes[i];
    char id[32], instance[32];

    boot_id(n, id);
    snprintf(instance, sizeof(instance), "%s-%u", n->name, n->life);
    struct td_agent_conf conf = {.node = n->name, .boot_id = id, .instance = instance, .seed = s->seed + n->life};
    sim_log(s, "%s: worker starts", n->name);
    n->agent = td_agent_new(&conf, &n->inv);
    worker_step(s, i, &(struct td_agent_input){.kind = TD_AGENT_SHEPHERD_UP});
}

void sim_worker_die(struct sim *s, uint32_t i)
{
    struct sim_node *n = &s->nodes[i];

    if (!n->agent)
        return;
    sim_log(s, "%s: worker dies", n->name);
    td_agent_destroy(&n->agent);
    n->life++;
    for (uint32_t k = 0; k < n->topics.n; k++)
        td_free(n->topics.v[k]);
    n->topics.n = 0;
    sim_push(s, 50 + td_rng_below(&s->rng, 5000), SIM_WORKER_STARTS, i, 0, n->life, NULL);
}

/* Dice of its own: runs without a reboot stay what they were. */
static bool spool_survives(const struct sim *s, uint32_t i)
{
    struct td_rng dice = {s->seed * 2654435761u + 64u * i + s->nodes[i].shepherd.boots};

    return td_rng_below(&dice, 2) == 0;
}

/* The spool was on disk: what had ended is known to the next shepherd, what lived is dead. */
static void recall(struct sim_shepherd *sh)
{
    uint32_t kept = 0;

    for (uint32_t k = 0; k < sh->attempts.n; k++) {
        if (!sh->attempts.v[k].exited)
            continue;
        sh->attempts.v[kept] = sh->attempts.v[k];
        sh->attempts.v[kept++].place = (struct td_placement){0};
    }
    sh->attempts.n = kept;
}

void sim_node_reboot(struct sim *s, uint32_t i)
{
    struct sim_node *n = &s->nodes[i];

    sim_log(s, "%s: reboots", n->name);
    if (n->agent) {
        sim_worker_die(s, i);
    } else {
        n->life++;
        sim_push(s, 2000, SIM_WORKER_STARTS, i, 0, n->life, NULL);
    }
    n->shepherd.boots++;
    n->shepherd.fence_ms = 0;
    n->shepherd.steps.n = 0;
    if (spool_survives(s, i)) {
        recall(&n->shepherd);
        return;
    }
    n->shepherd.spool.n = 0;
    n->shepherd.next_no = 1;
    n->shepherd.attempts.n = 0; /* the ledger is gone with the boot: the broker must not send an old award again */
}
