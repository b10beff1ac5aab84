/* connect.c - see connect.h */
#include "connect.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define RATE_TRIES 2 /* of one who asks too often, after the time he was told */
#define RATE_WAIT_MS_MAX 2000

int client_find_by(struct client *c, const char *conf, struct td_error *err)
{
    return td_conf_find(conf ? conf : getenv("SLURM_CONF"), getenv("HOME"), getenv("XDG_RUNTIME_DIR"), (uint32_t)getuid(),
                        &c->place, err);
}

int client_find(struct client *c, struct td_error *err)
{
    int r = client_find_by(c, NULL, err);

    if (r < 0 && strstr(err->text, "cannot read ")) {
        size_t n = strlen(err->text);
        td_format(err->text + n, sizeof(err->text) - n, " (try \"tender doctor\")");
    }
    return r;
}

/* A front that is gone, or not there yet, leaves the broker's own door. */
static int open_any(struct client *c, struct td_error *err)
{
    int r = td_call_open(c->place.front, CLIENT_TIMEOUT_MS, &c->call, err);

    if (r < 0) {
        *err = (struct td_error){0};
        r = td_call_open(c->place.socket, CLIENT_TIMEOUT_MS, &c->call, err);
    }
    c->open = c->any_door = r == 0;
    return r;
}

int client_open(struct client *c, struct td_error *err)
{
    int r = client_find(c, err);

    return r < 0 ? r : open_any(c, err);
}

int client_reopen(struct client *c, struct td_error *err)
{
    client_drop(c);
    return open_any(c, err);
}

static int open_door(struct client *c, const char *door, struct td_error *err)
{
    int r = td_call_open(door, CLIENT_TIMEOUT_MS, &c->call, err);

    c->open = r == 0;
    c->any_door = false;
    return r;
}

int client_open_front(struct client *c, struct td_error *err)
{
    int r = client_find(c, err);

    return r < 0 ? r : open_door(c, c->place.front, err);
}

int client_open_broker(struct client *c, struct td_error *err)
{
    int r = client_find(c, err);

    return r < 0 ? r : open_door(c, c->place.socket, err);
}

void client_drop(struct client *c)
{
    if (c->open)
        td_call_close(&c->call);
    c->open = false;
}

void client_close(struct client *c)
{
    client_drop(c);
    td_arena_release(&c->arena);
}

static int check_kind(const struct td_frame *f, uint32_t want, struct td_error *err)
{
    if (f->id == want)
        return 0;
    return td_fail(err, TD_E_UNKNOWN_MESSAGE, "the broker answered with %s instead of %s", td_msg_name(f->id),
                   td_msg_name(want));
}

/* Those who are refused together do not all come back together. */
static void wait_for_turn(uint32_t ms)
{
    uint32_t us = TD_MIN(ms, (uint32_t)RATE_WAIT_MS_MAX) * 1000;
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    us += ((uint32_t)t.tv_nsec / 1000 + (uint32_t)getpid()) % (us / 2 + 1);
    nanosleep(&(struct timespec){.tv_sec = us / 1000000, .tv_nsec = (long)(us % 1000000) * 1000}, NULL);
}

/* May it be asked a second time when nobody knows whether the first was heard? */
static bool is_repeatable(uint32_t id, const void *body)
{
    const struct td_submit *submit = body;
    const struct td_cancel *cancel = body;

    switch (id) {
    case TD_MSG_SUBMIT:
        return !td_str_empty(submit->client_key); /* a repeat gets the first answer */
    case TD_MSG_CANCEL:
        return cancel->signal == 0; /* who is ended stays so */
    case TD_MSG_PING:
    case TD_MSG_QUERY_JOBS:
    case TD_MSG_QUERY_NODES:
    case TD_MSG_QUERY_STEPS:
    case TD_MSG_QUERY_ACCOUNTS:
    case TD_MSG_QUERY_PRIORITIES:
    case TD_MSG_QUERY_PARTITIONS:
    case TD_MSG_QUERY_CONFIG:
    case TD_MSG_QUERY_STATUS:
    case TD_MSG_QUERY_ROUNDS:
    case TD_MSG_QUERY_EXPLAIN:
    case TD_MSG_QUERY_SCRIPT:
    case TD_MSG_QUERY_TOKENS:
    case TD_MSG_QUERY_KEYS:
    case TD_MSG_QUERY_USER_KEYS:
        return true;
    default:
        return false;
    }
}

/* A front that ends takes its connections along; whoever stands beside it or comes after it answers as well. One who cannot
 * help knows nothing of what was asked before: the first failure is told. */
static int call_through(struct client *c, uint32_t id, const void *body, struct td_frame *ret, struct td_error *err)
{
    int r = td_call(&c->call, id, body, &c->arena, ret, err);
    struct td_error first = *err;

    if (r != -TD_E_UNREACHABLE || c->call.answered || !c->any_door || !is_repeatable(id, body))
        return r;
    *err = (struct td_error){0};
    if (client_reopen(c, err) == 0)
        r = td_call(&c->call, id, body, &c->arena, ret, err);
    if (r == -TD_E_UNREACHABLE || r == -TD_E_TIMED_OUT) {
        c->call.answered = false;
        *err = first;
        return -first.code;
    }
    return r;
}

int client_ask(struct client *c, uint32_t id, const void *body, uint32_t want, void **ret_body, struct td_error *err)
{
    struct td_frame f = {0};
    int r = call_through(c, id, body, &f, err);

    for (int tries = 0; r == -TD_E_RATE && c->call.retry_ms && tries < RATE_TRIES; tries++) {
        wait_for_turn(c->call.retry_ms);
        r = call_through(c, id, body, &f, err);
    }

    if (id == TD_MSG_SUBMIT && !c->call.answered && (r == -TD_E_UNREACHABLE || r == -TD_E_TIMED_OUT)) {
        size_t n = strlen(err->text);
        td_format(err->text + n, sizeof(err->text) - n, "; whether the job is queued is not known: look before you repeat it");
    }
    if (r == 0)
        r = check_kind(&f, want, err);
    if (r == 0)
        *ret_body = f.body;
    return r;
}

int client_more(struct client *c, uint32_t want, void **ret_body, struct td_error *err)
{
    struct td_frame f = {0};
    int r = td_call_more(&c->call, &c->arena, &f, err);

    if (r == 0)
        r = check_kind(&f, want, err);
    if (r == 0)
        *ret_body = f.body;
    return r;
}

int client_jobs(struct client *c, const struct td_query_jobs *q, struct client_jobs *ret, struct td_error *err)
{
    void *body = NULL;
    int r = client_ask(c, TD_MSG_QUERY_JOBS, q, TD_MSG_JOBS, &body, err);

    for (; r == 0; r = client_more(c, TD_MSG_JOBS, &body, err)) {
        const struct td_jobs *m = body;
        for (uint32_t i = 0; i < m->rows.n; i++)
            td_vec_push(&ret->rows, &m->rows.v[i]);
        ret->seq = m->seq;
        ret->now_ms = m->now_ms;
        ret->stale_ms = m->stale_ms;
        if (!m->more)
            return 0;
    }
    return r;
}

int client_nodes(struct client *c, const char *nodes, struct client_nodes *ret, struct td_error *err)
{
    struct td_query_nodes q = {.nodes = nodes};
    void *body = NULL;
    int r = client_ask(c, TD_MSG_QUERY_NODES, &q, TD_MSG_NODES, &body, err);

    for (; r == 0; r = client_more(c, TD_MSG_NODES, &body, err)) {
        const struct td_nodes *m = body;
        for (uint32_t i = 0; i < m->rows.n; i++)
            td_vec_push(&ret->rows, m->rows.v[i]);
        ret->now_ms = m->now_ms;
        ret->stale_ms = m->stale_ms;
        if (!m->more)
            return 0;
    }
    return r;
}

int client_steps(struct client *c, uint32_t job, struct client_steps *ret, struct td_error *err)
{
    struct td_query_steps q = {.job = job, .batch = true};
    void *body = NULL;
    int r = client_ask(c, TD_MSG_QUERY_STEPS, &q, TD_MSG_STEPS, &body, err);

    for (; r == 0; r = client_more(c, TD_MSG_STEPS, &body, err)) {
        const struct td_steps *m = body;
        for (uint32_t i = 0; i < m->rows.n; i++)
            td_vec_push(&ret->rows, m->rows.v[i]);
        ret->now_ms = m->now_ms;
        if (!m->more)
            return 0;
    }
    return r;
}

int client_reservations(struct client *c, const char *name, struct td_reservation_info_list *ret, struct td_error *err)
{
    struct td_query_reservations q = {.name = name};
    struct td_reservation_info_list all = {0};
    void *body = NULL;
    int r = client_ask(c, TD_MSG_QUERY_RESERVATIONS, &q, TD_MSG_RESERVATIONS, &body, err);

    for (; r == 0; r = client_more(c, TD_MSG_RESERVATIONS, &body, err)) {
        const struct td_reservations *m = body;
        struct td_reservation_info *v = td_arena_alloc(&c->arena, (all.n + m->rows.n + 1) * sizeof(*v));
        if (all.n)
            memcpy(v, all.v, all.n * sizeof(*v));
        if (m->rows.n)
            memcpy(v + all.n, m->rows.v, m->rows.n * sizeof(*v));
        all = (struct td_reservation_info_list){v, all.n + m->rows.n};
        if (!m->more) {
            *ret = all;
            return 0;
        }
    }
    return r;
}

int client_partitions(struct client *c, const char *name, struct td_partition_info_list *ret, struct td_error *err)
{
    struct td_query_partitions q = {.name = name};
    struct td_partition_info_list all = {0};
    void *body = NULL;
    int r = client_ask(c, TD_MSG_QUERY_PARTITIONS, &q, TD_MSG_PARTITIONS, &body, err);

    for (; r == 0; r = client_more(c, TD_MSG_PARTITIONS, &body, err)) {
        const struct td_partitions *m = body;
        struct td_partition_info *v = td_arena_alloc(&c->arena, (all.n + m->rows.n + 1) * sizeof(*v));
        if (all.n)
            memcpy(v, all.v, all.n * sizeof(*v));
        if (m->rows.n)
            memcpy(v + all.n, m->rows.v, m->rows.n * sizeof(*v));
        all = (struct td_partition_info_list){v, all.n + m->rows.n};
        if (!m->more) {
            *ret = all;
            return 0;
        }
    }
    return r;
}

static int bad_id(const char *text, struct td_error *err)
{
    return td_fail(err, TD_E_INVALID_JOB, "Invalid job id %s", text);
}

/* What stands behind the underscore: 3, [1-3,7], * (all). */
static int parse_tasks(struct td_arena *a, const char *id, const char *text, struct td_job_sel *ret, struct td_error *err)
{
    size_t n = strlen(text);
    td_autofree char *inner = td_strdup(text);
    struct td_error why = {0};
    uint32_t limit = 0, cap = 1;

    if (strcmp(text, "*") == 0 || strcmp(text, "[*]") == 0)
        return 0;
    if (n >= 2 && text[0] == '[' && text[n - 1] == ']') {
        memmove(inner, inner + 1, n - 2);
        inner[n - 2] = 0;
    }
    for (const char *c = inner; *c; c++)
        cap += *c == ',';
    if (cap > TD_MAX_PATTERN_SPANS)
        return td_fail(err, TD_E_TOO_BIG, "more than %d ranges in %s", TD_MAX_PATTERN_SPANS, id);
    struct td_span *spans = td_arena_alloc(a, cap * sizeof(*spans));
    uint32_t found = 0;
    if (td_array_parse(inner, UINT32_MAX - 1, spans, cap, &found, &limit, &why) < 0 || !found)
        return bad_id(id, err);
    ret->tasks = (struct td_span_list){.v = spans, .n = found};
    return 0;
}

int client_sel_parse(struct td_arena *a, const char *text, struct td_job_sel *ret, struct td_error *err)
{
    const char *under = strchr(text, '_');
    td_autofree char *head = under ? td_strndup(text, (size_t)(under - text)) : td_strdup(text);
    uint64_t id;

    if (strchr(head, '.'))
        return td_fail(err, TD_E_NOT_SUPPORTED, "%s names a step, and a job is wanted here", text);
    if (!td_parse_u64(head, &id) || id == 0 || id >= UINT32_MAX)
        return bad_id(text, err);
    *ret = (struct td_job_sel){.job = (uint32_t)id};
    return under ? parse_tasks(a, text, under + 1, ret, err) : 0;
}

int client_step_parse(const char *text, struct client_step_id *ret, struct td_error *err)
{
    const char *dot = strchr(text, '.');
    td_autofree char *head = dot ? td_strndup(text, (size_t)(dot - text)) : td_strdup(text);
    char *under = strchr(head, '_');
    uint64_t job, task = 0, step = TD_INFINITE;
    bool ok = true;

    if (under) {
        *under = 0;
        ok = td_parse_u64(under + 1, &task) && task < UINT32_MAX;
    }
    if (dot && td_str_casecmp(dot + 1, "batch") == 0)
        step = TD_STEP_BATCH;
    else if (dot)
        ok &= td_parse_u64(dot + 1, &step) && step < TD_STEP_BATCH;
    if (!ok || !td_parse_u64(head, &job) || job == 0 || job >= UINT32_MAX)
        return td_fail(err, TD_E_INVALID_JOB, "Invalid job_step id: %s", text);
    *ret = (struct client_step_id){.job = (uint32_t)job, .task = (uint32_t)task, .step = (uint32_t)step, .array = under != NULL};
    return 0;
}

bool client_step_is(const struct client_step_id *id, const struct td_step_info *row)
{
    bool job = id->array ? row->array_job == id->job && row->array_task == id->task : row->job == id->job || row->array_job == id->job;

    return job && (id->step == TD_INFINITE || id->step == row->step);
}

int64_t client_now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int32_t client_zone_s(int64_t at_ms)
{
    time_t t = (time_t)(at_ms / 1000);
    struct tm tm;

    return localtime_r(&t, &tm) ? (int32_t)tm.tm_gmtoff : 0;
}
