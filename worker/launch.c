/* launch.c - makes a whole launch of an award: script, arguments, environment, files, binding
 *
 * Owns: the launches that wait for blobs. What cannot be started at all still goes to the shepherd (`cannot`), which
 * says so in the order of a life, so that the reason reaches the job. */
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "worker/environ.h"
#include "worker/log.h"
#include "types/pattern.h"
#include "worker/worker.h"

#define ENV_VARS_MAX 65536u /* as sh_launch's row says */
#define WANT_MS 1000 /* a blob that has not come is asked for again */
#define FULL_MS 1000 /* a disk that was full is looked at again */

/* --- blobs ------------------------------------------------------------------------------------------------------------- */

static bool is_leader(const struct td_sh_launch *m)
{
    return m->award.node_rank == 0 && !m->spec.session;
}

/* The first blob that is missing; empty if none is. */
static struct td_bin missing_blob(struct worker *w, const struct td_sh_launch *m)
{
    if (!is_leader(m) || !td_str_empty(m->cannot))
        return (struct td_bin){0};
    if (!blobs_get(&w->blobs, m->spec.script_hash))
        return m->spec.script_hash;
    if (!blobs_get(&w->blobs, m->spec.env_hash))
        return m->spec.env_hash;
    return (struct td_bin){0};
}

static void want(struct worker *w, struct td_bin hash)
{
    const struct td_welcome *welcome = td_agent_welcome(w->agent);
    struct td_blob_wanted m = {.hash = hash, .incarnation = welcome ? welcome->incarnation : 0};
    uplink_send(w, TD_MSG_BLOB_WANTED, &m);
}

/* --- making it whole ------------------------------------------------------------------------------------------------- */

static const char *login_shell(uint32_t uid)
{
    static uint32_t last_uid = UINT32_MAX;
    static char shell[256];
    if (uid == last_uid)
        return shell;
    struct passwd pw, *found = NULL;
    char text[16384];
    shell[0] = '\0';
    if (getpwuid_r(uid, &pw, text, sizeof(text), &found) == 0 && found)
        td_format(shell, sizeof(shell), "%s", pw.pw_shell);
    last_uid = uid;
    return shell;
}

static const char *conf_path(struct worker *w)
{
    const struct td_welcome *welcome = td_agent_welcome(w->agent);
    char path[TD_MAX_PATH_BYTES];
    if (!welcome || td_str_empty(welcome->conf_dir))
        return "";
    td_format(path, sizeof(path), "%s/slurm.conf", welcome->conf_dir);
    if (access(path, R_OK) < 0)
        return ""; /* the broker's directory, on another host */
    return td_arena_strdup(&w->arena, path);
}

static void make_env(struct worker *w, struct td_sh_launch *m)
{
    const struct td_welcome *welcome = td_agent_welcome(w->agent);
    const struct td_strs *base = blobs_env(&w->blobs, m->spec.env_hash);
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    struct environ_facts facts = {
        .award = &m->award,
        .spec = &m->spec,
        .inventory = &w->machine.inventory,
        .node = w->node,
        .cluster = welcome ? welcome->cluster : "",
        .conf = conf_path(w),
        .node_dir = w->dir,
        .shell = base->n ? "" : login_shell(m->award.uid),
        .start_ms = (int64_t)ts.tv_sec * 1000,
    };
    environ_make(&facts, *base, &w->arena, &m->env);
}

static const char *expand(struct worker *w, const char *pattern, const struct td_pattern_facts *facts, const char *work_dir)
{
    struct td_buf path = {0};
    td_pattern_expand(pattern, facts, work_dir, &path);
    const char *text = td_arena_strdup(&w->arena, td_buf_str(&path));
    td_buf_release(&path);
    if (strlen(text) > TD_MAX_PATH_BYTES) /* the shepherd's open then names a path that is too long */
        text = td_arena_dup(&w->arena, text, TD_MAX_PATH_BYTES + 1), ((char *)(uintptr_t)text)[TD_MAX_PATH_BYTES] = '\0';
    return text;
}

static void make_files(struct worker *w, struct td_sh_launch *m)
{
    struct td_pattern_facts facts = {
        .job = m->award.job,
        .array_job = m->award.array_job,
        .array_task = m->award.array_task,
        .node = w->node,
        .user = m->spec.user_name,
        .name = m->spec.name,
    };
    const struct td_job_spec *s = &m->spec;
    const char *out = td_str_empty(s->std_out) ? td_pattern_default_output(&facts) : s->std_out;
    m->out = expand(w, out, &facts, s->work_dir);
    m->err = td_str_empty(s->std_err) ? "" : expand(w, s->std_err, &facts, s->work_dir);
    m->in = td_str_empty(s->std_in) ? "" : expand(w, s->std_in, &facts, s->work_dir);
}

static void make_argv(struct worker *w, struct td_sh_launch *m, struct td_bin script)
{
    const struct td_strs *args = &m->spec.argv;
    const char **v = td_arena_alloc(&w->arena, (args->n + 3u) * sizeof(*v));
    const char *interpreter, *argument;
    uint32_t n = 0;
    scripts_first_line(script, &w->arena, &interpreter, &argument);
    v[n++] = interpreter;
    if (argument)
        v[n++] = argument;
    v[n++] = m->script;
    for (uint32_t i = 0; i < args->n && n < TD_MAX_ARGS; i++)
        v[n++] = args->v[i];
    m->argv = (struct td_strs){v, n};
}

static void make_limits(struct worker *w, struct td_sh_launch *m)
{
    struct td_rlimit *v = td_arena_alloc(&w->arena, (m->spec.rlimits.n + 1u) * sizeof(*v));
    uint32_t n = 0;
    for (uint32_t i = 0; i < m->spec.rlimits.n; i++)
        if (inventory_keeps_limit(w, m->spec.rlimits.v[i].which))
            v[n++] = m->spec.rlimits.v[i];
    m->spec.rlimits = (struct td_rlimit_list){v, n};
}

/* A worker that is not root runs jobs as itself; somebody else's job, root's too, would run as another than it says. */
static const char *wrong_user(struct worker *w, const struct td_award *a)
{
    char text[160];
    if (geteuid() == 0 || a->uid == geteuid())
        return NULL;
    td_format(text, sizeof(text), "the worker of %s runs as user %u and cannot run a job of user %u", w->node,
              (unsigned)geteuid(), a->uid);
    return td_arena_strdup(&w->arena, text);
}

/* What the shepherd's message cannot carry is said, not cut. */
static const char *env_too_big(struct worker *w, const struct td_strs *env)
{
    char text[160];
    if (env->n > ENV_VARS_MAX)
        return "its environment has more than 65536 variables";
    for (uint32_t i = 0; i < env->n; i++)
        if (strlen(env->v[i]) > TD_MAX_EXPR_BYTES) {
            snprintf(text, sizeof(text), "the variable %.*s of its environment is longer than %d bytes",
                     (int)TD_MIN(strcspn(env->v[i], "="), 80u), env->v[i], TD_MAX_EXPR_BYTES);
            return td_arena_strdup(&w->arena, text);
        }
    return NULL;
}

/* --- a disk that is full ----------------------------------------------------------------------------------------------
 * A copy that cannot be made is this node's trouble and not the job's: the award is declined, the job keeps its place,
 * and the node bids for nothing until a file as large can be written again. */

static void decline(struct worker *w, const struct td_award *award, uint32_t bytes, const char *why)
{
    td_vec_push(&w->declined, ((struct td_attempt_ref){award->job, award->attempt}));
    w->full_bytes = TD_MAX(w->full ? w->full_bytes : 0, bytes);
    w->full_told = w->full_told && td_str_equal(w->full, why);
    td_free(w->full);
    w->full = td_strdup(why);
    w->full_look_ms = w->now_ms + FULL_MS;
}

/* Outside of the agent's step, in which most declines come about: first that nothing can be launched, so that what is
 * declined is declined by the node as it is then. */
static void tell_declined(struct worker *w)
{
    if (w->full && !w->full_told)
        worker_agent(w, &(struct td_agent_input){.kind = TD_AGENT_LAUNCHES, .body = w->full});
    w->full_told = w->full != NULL;
    while (w->declined.n && !w->over) {
        struct td_report v[64];
        uint32_t n = TD_MIN(w->declined.n, (uint32_t)TD_ARRAY_LEN(v));
        for (uint32_t i = 0; i < n; i++) {
            const struct td_attempt_ref *a = &w->declined.v[w->declined.n - n + i];
            v[i] = (struct td_report){.kind = TD_REPORT_DECLINED, .job = a->job, .attempt = a->attempt, .step = TD_STEP_BATCH,
                                      .refusal = TD_REFUSAL_UNHEALTHY, .text = w->full ? w->full : "its disk was full"};
        }
        w->declined.n -= n;
        struct td_sh_status m = {.reports = {v, n}};
        worker_agent(w, &(struct td_agent_input){.kind = TD_AGENT_SHEPHERD, .id = TD_MSG_SH_STATUS, .body = &m});
    }
}

static void look_for_space(struct worker *w)
{
    struct td_error err;
    if (!w->full || w->now_ms < w->full_look_ms)
        return;
    w->full_look_ms = w->now_ms + FULL_MS;
    if (scripts_try(&w->scripts, w->full_bytes, &err) < 0)
        return;
    td_free(w->full);
    w->full = NULL;
    w->full_told = false;
    worker_agent(w, &(struct td_agent_input){.kind = TD_AGENT_LAUNCHES});
}

/* --- to the shepherd ----------------------------------------------------------------------------------------------------- */

static void send_launch(struct worker *w, const struct td_sh_launch *award)
{
    struct td_sh_launch m = *award;
    struct td_error err = {0};
    if (td_str_empty(m.cannot))
        m.cannot = wrong_user(w, &m.award);
    if (is_leader(&m) && td_str_empty(m.cannot) && m.spec.script_hash.n != 32)
        m.cannot = "the job came without a script";
    if (is_leader(&m) && td_str_empty(m.cannot)) {
        make_env(w, &m);
        m.cannot = env_too_big(w, &m.env);
        if (m.cannot)
            m.env.n = 0;
    }
    if (is_leader(&m) && td_str_empty(m.cannot)) {
        const struct blob *x = blobs_get(&w->blobs, m.spec.script_hash);
        struct td_bin script = {x->data, x->len};
        if (scripts_make(&w->scripts, &m.award, m.spec.script_hash, script, geteuid() == 0, &w->arena, &m.script, &err) < 0) {
            decline(w, &m.award, script.n, err.text);
            td_arena_reset(&w->arena);
            return;
        }
        make_argv(w, &m, script);
        make_files(w, &m);
        make_limits(w, &m);
        m.become_user = geteuid() == 0 && m.award.uid != 0;
        if (w->machine.bind)
            m.bind = m.award.place.cpus;
    }
    if (m.spec.session)
        m.award.node_rank = TD_MAX(m.award.node_rank, 1u); /* no batch step: the allocation is held */
    keeper_send(w, TD_MSG_SH_LAUNCH, &m);
    td_arena_reset(&w->arena);
}

/* --- waiting ------------------------------------------------------------------------------------------------------------- */

static void hold(struct worker *w, const struct td_sh_launch *m)
{
    struct held_launch *h = td_alloc(sizeof(*h));
    td_record_copy(&h->arena, &td_rec_sh_launch, m, &h->msg);
    if (!w->held_end)
        w->held_end = &w->held;
    *w->held_end = h;
    w->held_end = &h->next;
}

static void held_free(struct held_launch *h)
{
    td_arena_release(&h->arena);
    td_free(h);
}

static bool is_held(const struct worker *w, const struct td_award *award)
{
    for (const struct held_launch *h = w->held; h; h = h->next)
        if (h->msg.award.job == award->job && h->msg.award.attempt == award->attempt)
            return true;
    return false;
}

/* The agent's word for "start this": goes on at once, or waits for its blobs. The effect lives until the agent's next
 * step, so what waits is copied. */
void launch_take(struct worker *w, const struct td_sh_launch *m)
{
    struct td_bin lacks = missing_blob(w, m);
    if (!lacks.n) {
        send_launch(w, m);
        return;
    }
    if (is_held(w, &m->award))
        return; /* said again after the shepherd was away */
    hold(w, m);
    want(w, lacks);
    if (w->want_at_ms == INT64_MAX)
        w->want_at_ms = w->now_ms + WANT_MS;
}

/* Lets go of what is complete now. */
static void try_held(struct worker *w)
{
    struct held_launch **at = &w->held;
    while (*at && w->keeper_told) { /* before, a copy would be taken for one that a crash left */
        struct held_launch *h = *at;
        if (missing_blob(w, &h->msg).n) {
            at = &h->next;
            continue;
        }
        *at = h->next;
        send_launch(w, &h->msg);
        held_free(h);
    }
    while (*at)
        at = &(*at)->next;
    w->held_end = at;
}

static void unknown_blob(struct worker *w, struct td_bin hash)
{
    for (struct held_launch *h = w->held; h; h = h->next) {
        if (td_bin_equal(h->msg.spec.script_hash, hash))
            h->msg.cannot = "the broker no longer has its script";
        else if (td_bin_equal(h->msg.spec.env_hash, hash))
            h->msg.cannot = "the broker no longer has its environment";
    }
}

void launch_blob(struct worker *w, const struct td_blob *b, bool answer)
{
    if (b->data.n)
        blobs_put(&w->blobs, b->hash, b->data);
    else if (answer)
        unknown_blob(w, b->hash);
    if (answer)
        try_held(w);
}

/* A kill overtakes its launch: what waits is dropped; the shepherd, who knows nothing of it, says GONE. */
void launch_killed(struct worker *w, const struct td_kill *k)
{
    if (k->signal || k->limit_s)
        return;
    struct held_launch **at = &w->held;
    while (*at) {
        struct held_launch *h = *at;
        if (h->msg.award.job == k->job && h->msg.award.attempt == k->attempt) {
            *at = h->next;
            held_free(h);
        } else {
            at = &h->next;
        }
    }
    w->held_end = at;
}

/* A copy lasts as long as its attempt. What a crash left is found when the shepherd tells what it has. */
void launch_heard(struct worker *w, const struct td_frame *f)
{
    if (f->id == TD_MSG_SH_STATE) {
        const struct td_sh_state *m = f->body;
        scripts_sweep(&w->scripts, m->running.v, m->running.n);
        w->keeper_told = true;
    }
    if (f->id != TD_MSG_SH_STATUS)
        return;
    const struct td_sh_status *m = f->body;
    for (uint32_t i = 0; i < m->reports.n; i++) {
        const struct td_report *r = &m->reports.v[i];
        if (r->kind == TD_REPORT_GONE || r->kind == TD_REPORT_DECLINED)
            scripts_gone(&w->scripts, r->job, r->attempt, w->now_ms);
    }
}

int64_t launch_due(const struct worker *w)
{
    int64_t due = TD_MIN(w->held ? w->want_at_ms : INT64_MAX, scripts_due(&w->scripts));
    if (w->declined.n)
        return w->now_ms;
    return w->full ? TD_MIN(due, w->full_look_ms) : due;
}

void launch_tick(struct worker *w)
{
    scripts_tick(&w->scripts, w->now_ms);
    look_for_space(w);
    tell_declined(w);
    if (!w->held) {
        w->want_at_ms = INT64_MAX;
        return;
    }
    if (w->now_ms < w->want_at_ms)
        return;
    w->want_at_ms = w->now_ms + WANT_MS;
    try_held(w);
    struct td_bin asked = {0};
    for (struct held_launch *h = w->held; h; h = h->next) {
        struct td_bin lacks = missing_blob(w, &h->msg);
        if (td_bin_equal(lacks, asked))
            continue; /* launches of one array stand together */
        want(w, lacks);
        asked = lacks;
    }
}

void launch_release(struct worker *w)
{
    td_vec_release(&w->declined);
    td_free(w->full);
    while (w->held) {
        struct held_launch *h = w->held;
        w->held = h->next;
        held_free(h);
    }
}
