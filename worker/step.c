/* step.c - makes a whole start of a step: environment, tasks, files, binding; and starts its relay
 *
 * Owns: the steps that wait for their environment. What differs between tasks is laid out here, so that the shepherd only
 * carries it out; what cannot be started still goes to it (`cannot`), so that the reason reaches the one who asked. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "worker/environ.h"
#include "worker/log.h"
#include "types/pattern.h"
#include "worker/worker.h"

#define ENV_VARS_MAX 65536u /* as sh_step's row says */
#define WANT_MS 1000
#define SPARE_WORDS_MAX PIPE_BUF /* what a pipe takes whole or not at all; a step with more tasks has a relay started for it */
#define SPARE_MS 500           /* the reserve is filled again when a relay has ended, or after so long */

struct held_step { /* waits for its environment */
    struct td_arena arena;
    struct td_sh_step msg;
    struct held_step *next;
};

/* --- tasks ------------------------------------------------------------------------------------------------------------------ */

static const char *expand(struct worker *w, const char *pattern, const struct td_pattern_facts *facts, const char *cwd)
{
    struct td_buf path = {0};
    if (td_str_empty(pattern))
        return "";
    td_pattern_expand(pattern, facts, cwd, &path);
    const char *text = td_arena_strdup(&w->arena, td_buf_str(&path));
    td_buf_release(&path);
    if (strlen(text) > TD_MAX_PATH_BYTES) /* the task's open then names a path that is too long */
        text = td_arena_dup(&w->arena, text, TD_MAX_PATH_BYTES + 1), ((char *)(uintptr_t)text)[TD_MAX_PATH_BYTES] = '\0';
    return text;
}

static bool binds_each(const struct td_step_launch *l)
{
    const struct td_step_spec *s = &l->spec;
    uint32_t each = s->cpus_per_task ? s->cpus_per_task : 1, have = td_bits_count(l->place.cpus.v, l->place.cpus.n);
    if (s->interactive || have < l->place.ranks.n * each)
        return false;
    return !td_str_empty(s->cpu_bind) || have == l->place.ranks.n * each;
}

/* The CPUs of one task: its own, in the allocation's order, or all of the step's where there are not enough, or more
 * than can be told apart. */
static struct td_bin task_cpus(struct worker *w, const struct td_step_launch *l, uint32_t local)
{
    const struct td_bin all = l->place.cpus;
    uint32_t each = l->spec.cpus_per_task ? l->spec.cpus_per_task : 1, n = 0;
    if (!w->machine.bind || strstr(l->spec.cpu_bind ? l->spec.cpu_bind : "", "none"))
        return (struct td_bin){0};
    if (!binds_each(l))
        return all;
    uint8_t *own = td_arena_alloc(&w->arena, all.n + 1u);
    for (int64_t i = td_bits_next(all.v, all.n, 0); i >= 0; i = td_bits_next(all.v, all.n, (uint32_t)i + 1), n++)
        if (n / each == local)
            td_bits_set(own, (uint32_t)i);
    return (struct td_bin){own, all.n};
}

static void make_tasks(struct worker *w, const struct environ_step_facts *facts, struct td_sh_step *m)
{
    const struct td_step_launch *l = &m->launch;
    const struct td_step_spec *s = &l->spec;
    struct td_sh_task *v = td_arena_alloc(&w->arena, (l->place.ranks.n + 1u) * sizeof(*v));
    for (uint32_t i = 0; i < l->place.ranks.n; i++) {
        struct td_sh_task *t = &v[i];
        struct td_pattern_facts p = {.job = l->job, .node = w->node, .step = l->step + 1, .task = l->place.ranks.v[i], .node_rank = l->node_rank};
        t->rank = l->place.ranks.v[i];
        t->pty = s->pty && t->rank == 0;
        environ_task(facts, i, &w->arena, &t->env);
        t->bind = task_cpus(w, l, i);
        if (t->pty)
            continue;
        if (s->pty) { /* one terminal, one task: the others have nothing to do with it */
            t->in = t->out = t->err = "/dev/null";
            continue;
        }
        t->out = expand(w, s->out, &p, s->cwd);
        t->err = expand(w, s->err, &p, s->cwd);
        t->in = expand(w, s->in, &p, s->cwd);
        t->no_input = s->in_task && s->in_task != t->rank + 1;
    }
    m->tasks = (struct td_sh_task_list){v, l->place.ranks.n};
}

/* --- the whole ---------------------------------------------------------------------------------------------------------------- */

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

static const char *cannot_carry(struct worker *w, const struct td_strs *env)
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

static void keep_limits(struct worker *w, struct td_step_spec *s)
{
    struct td_rlimit *v = td_arena_alloc(&w->arena, (s->rlimits.n + 1u) * sizeof(*v));
    uint32_t n = 0;
    for (uint32_t i = 0; i < s->rlimits.n; i++)
        if (inventory_keeps_limit(w, s->rlimits.v[i].which))
            v[n++] = s->rlimits.v[i];
    s->rlimits = (struct td_rlimit_list){v, n};
}

/* --- its relay ------------------------------------------------------------------------------------------------------------------ */

static bool relay_program(char *out, size_t cap)
{
    ssize_t n = readlink("/proc/self/exe", out, cap - 1);
    if (n <= 0)
        return false;
    out[n] = '\0';
    char *slash = strrchr(out, '/');
    if (!slash || (size_t)(slash - out) + sizeof("/tender-relay") > cap)
        return false;
    memcpy(slash, "/tender-relay", sizeof("/tender-relay"));
    return true;
}

/* What it is for: the stdio's secret is in it. */
static void relay_words(const struct td_step_launch *l, struct td_buf *ret)
{
    struct td_step_launch m = {
        .job = l->job, .attempt = l->attempt, .step = l->step, .node_rank = l->node_rank, .place = {.node = l->place.node, .ranks = l->place.ranks}};
    m.spec.io = l->spec.io;
    m.spec.io_key = l->spec.io_key;
    td_wire_put_record(ret, &td_rec_step_launch, &m);
}

/* Our child for as long as both live; in a session of its own, so that it lives on when we end. `words` is its standard
 * input. An errno, or 0. */
static int relay_spawn(struct worker *w, int words)
{
    char program[TD_MAX_PATH_BYTES], socket[TD_MAX_PATH_BYTES + 32];
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attr;
    sigset_t none;
    pid_t pid;
    char *argv[] = {(char *)(uintptr_t)"tender-relay", (char *)(uintptr_t)"--shepherd", socket, NULL};
    char *env[] = {NULL};
    if (!relay_program(program, sizeof(program)))
        return ENOENT;
    td_format(socket, sizeof(socket), "%s/shepherd.sock", w->dir);
    sigemptyset(&none);
    posix_spawn_file_actions_init(&files);
    posix_spawnattr_init(&attr);
    posix_spawn_file_actions_adddup2(&files, words, 0);
    posix_spawn_file_actions_adddup2(&files, 2, 1);
    posix_spawn_file_actions_addclosefrom_np(&files, 3);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK);
    int r = posix_spawn(&pid, program, &files, &attr, argv, env);
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attr);
    w->relays += r == 0;
    return r;
}

/* A file without a name holds its words. */
static int relay_start(struct worker *w, const struct td_buf *words)
{
    int fd = memfd_create("tender-step", MFD_CLOEXEC);
    bool ok = fd >= 0 && write(fd, words->data, words->len) == (ssize_t)words->len && lseek(fd, 0, SEEK_SET) == 0;
    int r = ok ? relay_spawn(w, fd) : errno;
    if (fd >= 0)
        close(fd);
    return r;
}

/* --- one in reserve: a node that has had a client keeps a relay that is up and waits for its words, so that the next srun
 * waits for no start of a program. It goes when its pipe closes, which is when we end. */

static void spare_keep(struct worker *w)
{
    int p[2];
    w->spare_at_ms = INT64_MAX;
    if (w->spare_fd >= 0 || pipe2(p, O_CLOEXEC) < 0)
        return; /* none in reserve: the next one is started when it is needed */
    if (relay_spawn(w, p[0]) == 0 && fcntl(p[1], F_SETFL, O_NONBLOCK) == 0)
        w->spare_fd = p[1];
    else
        close(p[1]);
    close(p[0]);
}

static void spare_drop(struct worker *w)
{
    if (w->spare_fd >= 0)
        close(w->spare_fd);
    w->spare_fd = -1;
}

static bool spare_take(struct worker *w, const struct td_buf *words)
{
    bool taken = w->spare_fd >= 0 && words->len <= SPARE_WORDS_MAX && write(w->spare_fd, words->data, words->len) == (ssize_t)words->len;
    if (words->len <= SPARE_WORDS_MAX)
        spare_drop(w); /* it has its words, or is dead */
    if (w->spare_fd < 0 && w->spare_at_ms == INT64_MAX)
        w->spare_at_ms = w->now_ms + SPARE_MS;
    return taken;
}

void step_relay(struct worker *w, const struct td_step_launch *l)
{
    struct td_buf words = {0};
    if (l->spec.io.n == 0)
        return; /* nobody listens: a step without a client */
    relay_words(l, &words);
    int r = spare_take(w, &words) ? 0 : relay_start(w, &words);
    td_buf_release(&words);
    if (r)
        td_log("error", "job=%u.%u step=%u: cannot start tender-relay: %s", l->job, l->attempt, l->step, strerror(r));
}

/* --- sending -------------------------------------------------------------------------------------------------------------------- */

static void send_step(struct worker *w, const struct td_sh_step *given)
{
    const struct td_welcome *welcome = td_agent_welcome(w->agent);
    struct td_sh_step m = *given;
    const struct blob *env = blobs_get(&w->blobs, m.launch.spec.env_hash);
    struct environ_step_facts facts = {
        .launch = &m.launch,
        .inventory = &w->machine.inventory,
        .node = w->node,
        .cluster = welcome ? welcome->cluster : "",
        .conf = conf_path(w),
        .node_dir = w->dir,
    };
    if (td_str_empty(m.cannot)) {
        environ_step(&facts, env ? (struct td_bin){env->data, env->len} : (struct td_bin){0}, &w->arena, &m.env);
        m.cannot = cannot_carry(w, &m.env);
        if (m.cannot)
            m.env.n = 0;
    }
    make_tasks(w, &facts, &m);
    keep_limits(w, &m.launch.spec);
    keeper_send(w, TD_MSG_SH_STEP, &m);
    keeper_flush(w);
    step_relay(w, &m.launch);
    td_arena_reset(&w->arena);
}

static bool env_missing(struct worker *w, const struct td_sh_step *m)
{
    return td_str_empty(m->cannot) && !blobs_get(&w->blobs, m->launch.spec.env_hash);
}

static void want(struct worker *w, const struct td_sh_step *m)
{
    const struct td_welcome *welcome = td_agent_welcome(w->agent);
    uplink_send(w, TD_MSG_BLOB_WANTED,
                &(struct td_blob_wanted){.hash = m->launch.spec.env_hash, .incarnation = welcome ? welcome->incarnation : 0});
}

/* The agent's word for "start this step"; the effect lives until the agent's next step, so what waits is copied. */
void step_take(struct worker *w, const struct td_sh_step *m)
{
    if (!env_missing(w, m)) {
        send_step(w, m);
        return;
    }
    struct held_step *h = td_alloc(sizeof(*h));
    td_record_copy(&h->arena, &td_rec_sh_step, m, &h->msg);
    h->next = w->held_steps;
    w->held_steps = h;
    w->steps_want_at_ms = w->now_ms + WANT_MS;
    want(w, m);
}

static void held_free(struct held_step *h)
{
    td_arena_release(&h->arena);
    td_free(h);
}

/* A blob came, or the broker has none by that name. */
void step_blob(struct worker *w, const struct td_blob *b)
{
    for (struct held_step **at = &w->held_steps; *at;) {
        struct held_step *h = *at;
        if (b && b->data.n == 0 && td_bin_equal(h->msg.launch.spec.env_hash, b->hash))
            h->msg.cannot = "the broker no longer has its environment";
        if (env_missing(w, &h->msg)) {
            at = &h->next;
            continue;
        }
        *at = h->next;
        send_step(w, &h->msg);
        held_free(h);
    }
}

/* A kill overtakes its start: what waits is dropped; the shepherd, who knows nothing of it, says so. */
void step_killed(struct worker *w, const struct td_kill *k)
{
    if (k->signal || k->limit_s)
        return;
    for (struct held_step **at = &w->held_steps; *at;) {
        struct held_step *h = *at;
        const struct td_step_launch *l = &h->msg.launch;
        if (l->job == k->job && l->attempt == k->attempt && (k->step == 0 || l->step == k->step - 1)) {
            *at = h->next;
            held_free(h);
        } else {
            at = &h->next;
        }
    }
}

int64_t step_due(const struct worker *w)
{
    return TD_MIN(w->held_steps ? w->steps_want_at_ms : INT64_MAX, w->spare_at_ms);
}

void step_tick(struct worker *w)
{
    bool ended = false;
    while (w->relays > 0 && waitpid(-1, NULL, WNOHANG) > 0)
        w->relays--, ended = true;
    if (w->spare_at_ms != INT64_MAX && (ended || w->now_ms >= w->spare_at_ms))
        spare_keep(w);
    if (!w->held_steps || w->now_ms < w->steps_want_at_ms)
        return;
    w->steps_want_at_ms = w->now_ms + WANT_MS;
    step_blob(w, NULL);
    for (struct held_step *h = w->held_steps; h; h = h->next)
        want(w, &h->msg);
}

void step_release(struct worker *w)
{
    spare_drop(w);
    while (w->held_steps) {
        struct held_step *h = w->held_steps;
        w->held_steps = h->next;
        held_free(h);
    }
}
