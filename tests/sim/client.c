/* client.c - users: they submit, cancel, hold, release, requeue, update and drain, and ask again until answered */
#include "world.h"

#include <stdio.h>

static uint32_t rnd(struct sim *s, uint32_t n)
{
    return td_rng_below(&s->rng, n);
}

void sim_request_add(struct sim *s, uint32_t id, const void *body)
{
    bool submits = id == TD_MSG_SUBMIT && !((const struct td_submit *)body)->test_only;
    struct sim_request r = {.id = id, .is_submit = submits, .is_step = id == TD_MSG_STEP_CREATE};

    td_wire_put_frame(&r.frame, id, s->requests.n + 1, body);
    td_vec_push(&s->requests, r);
    sim_client_send(s, s->requests.n - 1);
}

void sim_client_send(struct sim *s, uint32_t i)
{
    s->requests.v[i].tries++;
    if (s->core)
        sim_push(s, 0, SIM_REQUEST, i, 0, s->life, &s->requests.v[i].frame);
}

void sim_clients_retry(struct sim *s)
{
    for (uint32_t i = 0; i < s->requests.n; i++) {
        if (!s->requests.v[i].answered)
            sim_client_send(s, i);
    }
}

/* Every tenth run has jobs that wait for jobs, every second of those arrays that wait task by task, and dependencies that
 * are changed; the other seeds stay what they were. */
static bool changes_dependencies(const struct sim *s)
{
    return s->seed % 20 == 13;
}

/* Every twentieth run has one node that is configured and others that just join, and are deleted now and then. */
bool sim_deletes(const struct sim *s)
{
    return s->seed % 20 == 7;
}

/* Every tenth run has reservations that come and go, under each policy in turn. */
bool sim_reserves(const struct sim *s)
{
    return s->seed % 10 == 1;
}

static const char *const reservations[] = {"ra", "rb", "rc"};

static void reserve(struct sim *s)
{
    static const uint64_t flags[] = {0, TD_RESERVE_IGNORE_JOBS, TD_RESERVE_MAINT | TD_RESERVE_IGNORE_JOBS, TD_RESERVE_FLEX,
                                     TD_RESERVE_OVERLAP, TD_RESERVE_HOURLY, TD_RESERVE_NO_HOLD | TD_RESERVE_IGNORE_JOBS};
    struct td_set_reservation m = {.create = rnd(s, 4) > 0};
    struct td_reservation_ask *a = &m.ask;
    char nodes[32];

    a->name = reservations[rnd(s, TD_ARRAY_LEN(reservations))];
    if (rnd(s, 5) == 0) {
        struct td_delete_reservation d = {.name = a->name};
        sim_request_add(s, TD_MSG_DELETE_RESERVATION, &d);
        return;
    }
    a->set = m.create ? 1u << 3 | 1u << 5 | 1u << 8 | 1u << 12 : 1u << (3 + 2 * rnd(s, 2));
    a->start_ms = s->now + rnd(s, 20000);
    a->duration_s = 5 + rnd(s, 120);
    a->users = "0,1000";
    a->flags = flags[rnd(s, TD_ARRAY_LEN(flags))];
    snprintf(nodes, sizeof(nodes), "n[1-%u]", 1 + rnd(s, s->nnodes));
    a->nodes = nodes;
    a->node_count = 1 + rnd(s, s->nnodes);
    if (m.create || rnd(s, 3) == 0)
        a->set |= rnd(s, 2) ? 1u << 6 : 1u << 7;
    sim_request_add(s, TD_MSG_SET_RESERVATION, &m);
}

static bool unreserve(void *ctx, const struct td_reservation_info *row)
{
    struct td_delete_reservation d = {.name = row->is.name};
    sim_request_add(ctx, TD_MSG_DELETE_RESERVATION, &d);
    return true;
}

/* Once it is calm: one that comes again would keep somebody waiting for ever. */
void sim_unreserve(struct sim *s)
{
    if (sim_reserves(s))
        td_core_reservations(s->core, NULL, unreserve, s);
}

static const char *dependency(struct sim *s, char *text, size_t size)
{
    static const char *const kinds[] = {"after", "afterany", "afterok", "afternotok"};
    uint32_t a = s->acknowledged.v[rnd(s, s->acknowledged.n)], b = s->acknowledged.v[rnd(s, s->acknowledged.n)];

    if (changes_dependencies(s) && rnd(s, 2)) {
        snprintf(text, size, "aftercorr:%u", a);
        return text;
    }
    snprintf(text, size, "%s:%u%c%s:%u", kinds[rnd(s, 4)], a, rnd(s, 2) ? ',' : '?', kinds[rnd(s, 4)], b);
    return rnd(s, 4) ? text : "singleton";
}

static void submit(struct sim *s)
{
    static const char *const arrays[] = {"0-9", "1-20%3", "0-30:7", "5"};
    static const char *const parts[] = {NULL, NULL, "normal", "first", "first,normal"};
    struct td_gres_need gres = {.name = "gpu", .count = 1 + rnd(s, 2)};
    struct td_job_need need = {.partition = parts[rnd(s, TD_ARRAY_LEN(parts))], .cpus_per_task = 1 + rnd(s, 3)};
    struct td_submit m = {.spec = {.name = "sim", .needs = {&need, 1}, .work_dir = "/", .requeue = rnd(s, 3)}};
    char key[32];

    need.ntasks = 1 + rnd(s, 4);
    if (rnd(s, 6) == 0)
        need.nodes_min = need.nodes_max = 1 + rnd(s, s->nnodes);
    if (need.nodes_min > 1)
        need.ntasks = TD_MAX(need.ntasks, need.nodes_min);
    if (rnd(s, 5) == 0)
        need.gres = (struct td_gres_need_list){&gres, 1};
    if (rnd(s, 3) == 0)
        need.mem_mb_per_cpu = 500 * (1 + rnd(s, 3));
    if (rnd(s, 8) == 0)
        need.exclusive = true;
    if (rnd(s, 3))
        m.spec.limit_s = 1 + rnd(s, 600);
    if (rnd(s, 6) == 0)
        m.spec.array = arrays[rnd(s, TD_ARRAY_LEN(arrays))];
    m.spec.hold = rnd(s, 15) == 0;
    if (rnd(s, 12) == 0)
        m.spec.begin_ms = s->now + rnd(s, 20000);
    char deps[64];
    if (s->with_steps && td_rng_below(&s->dice, 2)) {
        m.spec.session = true;
        m.spec.array = NULL;
    }
    if (s->seed % 10 == 3 && s->acknowledged.n && rnd(s, 3) == 0)
        m.spec.dependency = dependency(s, deps, sizeof(deps));
    /* Every tenth run has devices that the nodes of a job share. */
    struct td_gres_need of_job = {.name = "gpu", .count = 1 + (s->seed % 10 == 7 ? rnd(s, 6) : 0)};
    if (s->seed % 10 == 7 && !need.gres.n && rnd(s, 2))
        need.gres_job = (struct td_gres_need_list){&of_job, 1};
    if (sim_reserves(s) && rnd(s, 3) == 0)
        m.spec.reservation = reservations[rnd(s, TD_ARRAY_LEN(reservations))];
    static const char *const licenses[] = {"x", "y", "x:2,y"};
    if (sim_reserves(s) && rnd(s, 4) == 0)
        m.spec.licenses = licenses[rnd(s, TD_ARRAY_LEN(licenses))];
    if (sim_reserves(s) && rnd(s, 8) == 0)
        m.spec.deadline_ms = s->now + 1000 * (1 + rnd(s, 900));
    if (sim_reserves(s) && rnd(s, 4) == 0)
        m.spec.limit_min_s = 1 + rnd(s, 60);
    if (m.spec.limit_s && m.spec.limit_min_s > m.spec.limit_s)
        m.spec.limit_min_s = 0;
    snprintf(key, sizeof(key), "key-%u", s->requests.n);
    m.client_key = key;
    sim_account_of(s, &m.spec);
    sim_request_add(s, TD_MSG_SUBMIT, &m);
}

/* Every tenth run, the one with a book of promises among them, has users who only ask: why a job is as it is, and what a
 * request would get. */
static bool asks_why(const struct sim *s)
{
    return s->seed % 20 == 18 || s->seed % 20 == 16;
}

static void ask_why(struct sim *s, const struct td_job_sel *sel)
{
    struct td_gres_need gres = {.name = "gpu", .count = 2};
    struct td_job_need need = {.ntasks = 1 + s->requests.n % 5, .gres = {&gres, s->requests.n % 2}};
    const struct td_submit quote = {.spec = {.name = "ask", .needs = {&need, 1}, .limit_s = 600}, .test_only = true, .quote = true};
    const struct td_query_explain why = {.ids = {sel, 1}};

    sim_request_add(s, TD_MSG_QUERY_EXPLAIN, &why);
    sim_request_add(s, TD_MSG_SUBMIT, &quote);
}

static uint32_t some_job(struct sim *s)
{
    return s->acknowledged.n ? s->acknowledged.v[rnd(s, s->acknowledged.n)] : 1 + rnd(s, 5);
}

void sim_client_act(struct sim *s)
{
    static const char *const states[] = {"DRAIN", "RESUME", "DOWN", "RESUME"};
    struct td_job_sel sel = {.job = some_job(s)};
    uint32_t what = rnd(s, 20);

    sim_account_act(s);
    if (asks_why(s))
        ask_why(s, &sel);
    if (sim_reserves(s) && rnd(s, 5) == 0) {
        reserve(s);
    } else if (sim_deletes(s) && rnd(s, 3) == 0) {
        char node[16];
        snprintf(node, sizeof(node), "n%u", 1 + rnd(s, s->nnodes));
        struct td_delete_node m = {.nodes = node};
        sim_request_add(s, TD_MSG_DELETE_NODE, &m);
    } else if (what < 12) {
        submit(s);
    } else if (what < 14) {
        struct td_cancel m = {.filter = {.ids = {&sel, 1}}, .signal = rnd(s, 6) == 0 ? 10 : 0};
        sim_request_add(s, TD_MSG_CANCEL, &m);
    } else if (what < 17) {
        struct td_job_op m = {.op = 1 + rnd(s, 5), .ids = {&sel, 1}};
        sim_request_add(s, TD_MSG_JOB_OP, &m);
    } else if (what < 18 && changes_dependencies(s) && s->acknowledged.n && rnd(s, 2)) {
        char text[64];
        struct td_update_job m = {.ids = {&sel, 1}, .change = {.set = 1u << 13, .dependency = rnd(s, 3) ? dependency(s, text, sizeof(text)) : ""}};
        sim_request_add(s, TD_MSG_UPDATE_JOB, &m);
    } else if (what < 18) {
        struct td_update_job m = {.ids = {&sel, 1}, .change = {.set = 1u << 2, .limit_s = 1 + rnd(s, 400)}};
        sim_request_add(s, TD_MSG_UPDATE_JOB, &m);
    } else if (what < 19) {
        char node[16];
        snprintf(node, sizeof(node), "n%u", 1 + rnd(s, s->nnodes));
        struct td_update_node m = {.nodes = node, .state = states[rnd(s, 4)], .reason = "sim"};
        sim_request_add(s, TD_MSG_UPDATE_NODE, &m);
    }
    if (--s->acts_left > 0)
        sim_push(s, rnd(s, 3) ? rnd(s, 20) : rnd(s, 3000), SIM_ACT, 0, 0, 0, NULL);
}

void sim_client_reply(struct sim *s, uint32_t i, const struct sim_item *it)
{
    struct sim_request *r = &s->requests.v[i];
    struct td_arena a = {0};
    struct td_frame f;
    struct td_error err = {0};

    if (td_wire_get_frame(&a, it->data, it->len, &f, &err) < 0) {
        sim_fail(s, "reply does not decode: %s", err.text);
    } else if (f.id == TD_MSG_ERROR) {
        r->answered = r->failed = true;
        sim_log(s, "  refused: %s", ((const struct td_error_reply *)f.body)->text);
    } else {
        if (r->is_submit && f.id != TD_MSG_SUBMITTED)
            sim_fail(s, "SUBMIT answered by %s", td_msg_name(f.id));
        if (r->is_step && f.id != TD_MSG_STEP_CREATED)
            sim_fail(s, "STEP_CREATE answered by %s", td_msg_name(f.id));
        if (r->is_step) {
            r->job = ((const struct td_step_created *)f.body)->job;
            r->step = ((const struct td_step_created *)f.body)->step;
            r->answered = true;
        }
        uint32_t job = r->is_submit ? ((const struct td_submitted *)f.body)->job : 0;
        if (r->answered && r->is_submit && r->job != job)
            sim_fail(s, "one client key got two jobs: %u and %u", r->job, job);
        if (!r->answered && job)
            td_vec_push(&s->acknowledged, job);
        r->answered = true;
        if (r->is_submit)
            r->job = job;
    }
    td_arena_release(&a);
}
