/* step.c - the lives of steps: from SH_STEP to EXITED, at most once
 *
 * Every task goes through the launching threads as a batch script does; here is only what a step has more: several
 * leaders, files or pipes for each, and an end when the last of them is over. A step that is known, or was, starts nothing:
 * its statuses are said again. */
#include "worker/shepherd/step.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "worker/log.h"

#define LOOK_FIRST_MS 5
#define LOOK_LAST_MS 500
#define KILL_AGAIN_MS 5000

/* --- what is said --------------------------------------------------------------------------------------------------------- */

static void say(struct shepherd *sh, struct step *st, const struct td_report *r)
{
    struct td_report full = *r;
    struct attempt *a = ledger_find(&sh->ledger, st->job, st->attempt);
    full.job = st->job;
    full.attempt = st->attempt;
    full.step = st->no;
    st->last_no = spool_add(&sh->spool, &full, sh->now_ms);
    if (a)
        a->last_no = st->last_no;
}

static void decline(struct shepherd *sh, const struct td_step_launch *l, uint32_t refusal, const char *why)
{
    struct td_report r = {
        .kind = TD_REPORT_DECLINED, .job = l->job, .attempt = l->attempt, .step = l->step, .refusal = refusal, .text = why};
    spool_add(&sh->spool, &r, sh->now_ms);
}

/* It is known: what was said of it is said again. */
static void say_again(struct shepherd *sh, struct step *st)
{
    uint32_t n;
    if (st->state == STEP_LAUNCHING)
        return; /* its status is on the way */
    struct status *s = spool_after(&sh->spool, 0, &n);
    for (uint32_t i = 0; i < n; i++) {
        const struct td_report *r = &s[i].report;
        if (r->job == st->job && r->attempt == st->attempt && r->step == st->no) {
            struct attempt *a = ledger_find(&sh->ledger, st->job, st->attempt);
            if (a)
                link_repeat(sh, a);
            return;
        }
    }
    if (st->state == STEP_OVER)
        say(sh, st, &st->end);
    else
        say(sh, st, &(struct td_report){.kind = TD_REPORT_STARTED});
}

/* --- finding ---------------------------------------------------------------------------------------------------------------- */

struct step *step_find(struct shepherd *sh, uint32_t job, uint32_t attempt, uint32_t no)
{
    for (struct step *st = sh->steps; st; st = st->next)
        if (st->no == no && st->job == job && st->attempt == attempt)
            return st;
    return NULL;
}

static bool is_of(const struct step *st, const struct attempt *a)
{
    return st->job == a->job && st->attempt == a->attempt;
}

bool steps_alive(const struct shepherd *sh, const struct attempt *a)
{
    for (const struct step *st = sh->steps; st; st = st->next)
        if (st->state != STEP_OVER && is_of(st, a))
            return true;
    return false;
}

/* Each step number once; the attempt remembers them for as long as it is in the ledger. */
static bool step_known(struct attempt *a, uint32_t no)
{
    if (td_bits_get(a->steps.data, (uint32_t)a->steps.len, no))
        return true;
    if (no / 8 >= a->steps.len)
        td_buf_pad(&a->steps, '\0', no / 8 + 64 - a->steps.len);
    td_bits_set(a->steps.data, no);
    return false;
}

/* --- starting ---------------------------------------------------------------------------------------------------------------- */

static bool same_file(const char *a, const char *b)
{
    return !td_str_empty(a) && td_str_equal(a, b) && !td_str_equal(a, "/dev/null");
}

/* Another task of the step, put before, empties the file already. */
static bool file_is_shared(const struct step *st, uint32_t upto)
{
    const struct td_sh_task *row = st->tasks[upto].row;
    for (uint32_t i = 0; i < upto; i++)
        if (same_file(st->tasks[i].row->out, row->out) || same_file(st->tasks[i].row->err, row->err))
            return true;
    return false;
}

static void make_env(struct launch *what, const struct step *st, const struct task *t, struct td_sh_launch *m)
{
    const struct td_strs *own = &t->row->env;
    const char **v = td_arena_alloc(&what->arena, (st->msg.env.n + own->n + 1) * sizeof(*v));
    memcpy(v, st->msg.env.v, st->msg.env.n * sizeof(*v));
    if (own->n)
        memcpy(v + st->msg.env.n, own->v, own->n * sizeof(*v));
    m->env = (struct td_strs){v, st->msg.env.n + own->n};
}

static const char *path_of(const struct td_strs *env)
{
    for (uint32_t i = 0; i < env->n; i++)
        if (td_str_prefix(env->v[i], "PATH="))
            return env->v[i] + strlen("PATH=");
    return "/usr/local/bin:/usr/bin:/bin";
}

/* The task as the launching threads know a job. */
static void fill_launch(struct launch *what, const struct step *st, struct task *t, const struct attempt *a)
{
    const struct td_step_spec *spec = &st->msg.launch.spec;
    struct td_sh_launch *m = td_arena_alloc(&what->arena, sizeof(*m));
    m->award = (struct td_award){.job = st->job, .attempt = st->attempt, .uid = a->owner, .gid = a->gid};
    m->spec.groups = (struct td_u32s){(const uint32_t *)(void *)a->groups.data, (uint32_t)(a->groups.len / sizeof(uint32_t))};
    m->spec.rlimits = spec->rlimits;
    m->spec.umask = spec->umask;
    m->spec.work_dir = spec->cwd;
    m->spec.append = spec->append || (st->one_by_one && file_is_shared(st, (uint32_t)(t - st->tasks)));
    m->argv = spec->argv;
    make_env(what, st, t, m);
    m->in = t->row->in;
    m->out = t->row->out;
    m->err = t->row->err;
    m->bind = t->row->bind;
    m->become_user = geteuid() == 0 && a->owner != 0;
    m->cgroup = st->msg.cgroup;
    m->cannot = st->msg.cannot;
    what->msg = m;
    what->task = t;
    what->path = path_of(&m->env);
    memcpy(what->fds, t->child_fds, sizeof(what->fds));
    what->tty = t->row->pty;
}

static void all_started(struct shepherd *sh, struct step *st);

static void task_failed(struct shepherd *sh, struct step *st, struct task *t, uint32_t code, const char *why)
{
    t->over = st->failed = true;
    t->exit_code = code;
    t->text = td_arena_strdup(&st->arena, why);
    st->over++;
    for (uint32_t k = 0; k < 2; k++)
        t->out[k].eof = !t->row->pty && t->out[k].fd < 0; /* where there is a pipe, its end says so */
    io_started(sh, st, t);
}

static void put_task(struct shepherd *sh, struct step *st)
{
    struct task *t = &st->tasks[st->put++];
    struct attempt *a = ledger_find(&sh->ledger, st->job, st->attempt);
    struct td_error err = {0};
    TD_ASSERT(a);
    if (st->end_wanted)
        td_fail(&err, TD_E_ALREADY_DONE, "the step was ended before this task was started");
    else
        io_prepare(st, t, &err);
    if (err.code) {
        st->launched++;
        task_failed(sh, st, t, 1, err.text);
        return;
    }
    if (t->row->pty && geteuid() == 0 && fchown(t->child_fds[0], a->owner, (gid_t)-1) < 0)
        td_log("warn", "job=%u.%u step=%u: the terminal cannot be given to user %u: %s", st->job, st->attempt, st->no, a->owner,
               strerror(errno));
    struct launch *what = launch_spare(sh);
    cage_take(sh, a);
    what->attempt = a;
    what->cage = a->cage;
    what->asked_ms = sh->now_ms;
    fill_launch(what, st, t, a);
    td_vec_push(&sh->flying, what);
    sh->next_due_ms = 0;
    launcher_put(sh->launcher, what);
}

static void put_tasks(struct shepherd *sh, struct step *st)
{
    while (st->put < st->ntasks && (!st->one_by_one || st->launched == st->put))
        put_task(sh, st);
    if (st->launched == st->ntasks)
        all_started(sh, st);
}

static struct step *step_new(struct shepherd *sh, const struct td_sh_step *m, const struct attempt *a)
{
    struct step *st = td_alloc(sizeof(*st));
    td_record_copy(&st->arena, &td_rec_sh_step, m, &st->msg);
    const struct td_step_launch *l = &st->msg.launch;
    st->job = l->job;
    st->attempt = l->attempt;
    st->no = l->step;
    st->kill_wait_s = a->kill_wait_s;
    st->kill_at_ms = INT64_MAX;
    st->limit_at_ms = l->limit_s && l->limit_s != TD_INFINITE ? sh->now_ms + (int64_t)l->limit_s * 1000 : INT64_MAX;
    st->pty = st->relay_pidfd = -1;
    st->relay_look_ms = sh->now_ms + RELAY_FIRST_MS;
    st->alone_since_ms = sh->now_ms;
    td_stream_init(&st->relay, -1, 0);
    st->ntasks = st->msg.tasks.n;
    st->tasks = td_arena_alloc(&st->arena, (st->ntasks + 1) * sizeof(*st->tasks));
    for (uint32_t i = 0; i < st->ntasks; i++) {
        struct task *t = &st->tasks[i];
        t->step = st;
        t->row = &st->msg.tasks.v[i];
        t->in_fd = t->out[0].fd = t->out[1].fd = -1;
        for (int k = 0; k < 3; k++)
            t->child_fds[k] = -1;
        st->one_by_one |= file_is_shared(st, i);
    }
    st->next = sh->steps;
    sh->steps = st;
    return st;
}

static const char *cannot_be(const struct shepherd *sh, const struct td_sh_step *m, const struct attempt *a)
{
    if (!a)
        return "the job is not on this node";
    if (a->state >= ATTEMPT_LEFTOVERS || a->ending || a->end_wanted)
        return "the job is being ended";
    if (sh->quit)
        return "the node's shepherd is leaving";
    if (m->launch.step >= STEP_NUMBER_MAX)
        return "the number of the step is too large";
    if (m->tasks.n == 0)
        return "the step has no task on this node";
    if (geteuid() != 0 && a->owner != geteuid())
        return "the node's worker does not run as root and cannot run a step of this user";
    return NULL;
}

void step_start(struct shepherd *sh, const struct td_sh_step *m)
{
    const struct td_step_launch *l = &m->launch;
    struct attempt *a = ledger_find(&sh->ledger, l->job, l->attempt);
    struct step *st = step_find(sh, l->job, l->attempt, l->step);
    if (st) {
        say_again(sh, st);
        return;
    }
    const char *why = cannot_be(sh, m, a);
    if (!why && step_known(a, l->step))
        why = "the step was here before, and is over";
    if (why) {
        decline(sh, l, TD_REFUSAL_LAUNCH, why);
        return;
    }
    st = step_new(sh, m, a);
    sh->next_due_ms = 0;
    put_tasks(sh, st);
}

void step_task_started(struct shepherd *sh, struct launch *what)
{
    struct task *t = what->task;
    struct step *st = t->step;
    st->launched++;
    if (what->err_fd >= 0)
        close(what->err_fd);
    if (what->failed != LAUNCH_OK) {
        char text[TD_MAX_TEXT_BYTES];
        launch_words(what, text, sizeof(text));
        task_failed(sh, st, t, what->error > 0 && what->error < 256 ? (uint32_t)what->error : 1, text);
    } else {
        t->pid = what->pid;
        t->started_ms = what->started_ms;
        td_map_put(&sh->tasks, (uint64_t)t->pid, t);
        struct td_spool_life life = {
            .job = st->job, .attempt = st->attempt, .pid = (uint32_t)t->pid, .start_ticks = start_ticks_of(t->started_ms)};
        spool_add_life(&sh->spool, &life);
        io_started(sh, st, t);
        if (what->reaped)
            step_reaped(sh, t->pid, what->wait_status, &what->usage);
        else if (st->end_wanted)
            kill(-t->pid, SIGKILL);
    }
    put_tasks(sh, st);
    io_pump(sh, st);
}

static void all_over(struct shepherd *sh, struct step *st)
{
    st->state = STEP_LEFTOVERS;
    st->limit_at_ms = st->kill_at_ms = INT64_MAX;
    st->look_at_ms = sh->now_ms;
    st->look_wait_ms = LOOK_FIRST_MS;
    sh->next_due_ms = 0;
}

static void all_started(struct shepherd *sh, struct step *st)
{
    bool none = true;
    for (uint32_t i = 0; i < st->ntasks; i++)
        none &= st->tasks[i].pid == 0;
    if (!none)
        say(sh, st, &(struct td_report){.kind = TD_REPORT_STARTED});
    st->state = STEP_RUNNING;
    if (st->over == st->ntasks)
        all_over(sh, st);
}

/* --- ending -------------------------------------------------------------------------------------------------------------------- */

static void add_usage(struct td_usage *u, const struct rusage *ru)
{
    u->user_us += (uint64_t)ru->ru_utime.tv_sec * 1000000 + (uint64_t)ru->ru_utime.tv_usec;
    u->system_us += (uint64_t)ru->ru_stime.tv_sec * 1000000 + (uint64_t)ru->ru_stime.tv_usec;
    u->max_rss_kb = TD_MAX(u->max_rss_kb, (uint64_t)ru->ru_maxrss);
    u->read_bytes += (uint64_t)ru->ru_inblock * 512;
    u->write_bytes += (uint64_t)ru->ru_oublock * 512;
}

bool step_reaped(struct shepherd *sh, pid_t pid, int wait_status, const struct rusage *usage)
{
    struct task *t = td_map_get(&sh->tasks, (uint64_t)pid);
    if (!t)
        return false;
    struct step *st = t->step;
    td_map_del(&sh->tasks, (uint64_t)pid);
    t->over = true;
    st->over++;
    add_usage(&st->usage, usage);
    if (WIFSIGNALED(wait_status))
        t->signal = (uint32_t)WTERMSIG(wait_status);
    else
        t->exit_code = (uint32_t)WEXITSTATUS(wait_status);
    if (t->slow && t->signal == SIGKILL)
        t->text = "could not be started within 30 seconds: its working directory or a file hangs";
    if (st->state == STEP_RUNNING && st->over == st->ntasks)
        all_over(sh, st);
    io_pump(sh, st);
    return true;
}

static void signal_tasks(struct step *st, int sig)
{
    for (uint32_t i = 0; i < st->ntasks; i++)
        if (st->tasks[i].pid && !st->tasks[i].over)
            kill(-st->tasks[i].pid, sig);
}

static void end(struct shepherd *sh, struct step *st, bool hard)
{
    if (st->state > STEP_RUNNING)
        return;
    st->end_wanted |= st->state == STEP_LAUNCHING;
    if (hard || st->kill_wait_s == 0) {
        signal_tasks(st, SIGKILL);
        st->kill_at_ms = sh->now_ms + KILL_AGAIN_MS;
    } else if (!st->ending) {
        signal_tasks(st, SIGTERM);
        signal_tasks(st, SIGCONT); /* after the other, so that a stopped process meets it first */
        st->kill_at_ms = sh->now_ms + (int64_t)st->kill_wait_s * 1000;
    }
    st->ending = true;
    sh->next_due_ms = 0;
}

/* By other than its client, who is told. */
static void cut(struct shepherd *sh, struct step *st, bool hard)
{
    struct timespec wall;
    if (st->state <= STEP_RUNNING && !st->ending && clock_gettime(CLOCK_REALTIME, &wall) == 0) {
        st->cut_at_ms = (int64_t)wall.tv_sec * 1000 + wall.tv_nsec / 1000000;
        io_say_cut(sh, st);
    }
    end(sh, st, hard);
    io_pump(sh, st);
}

void step_signal(struct shepherd *sh, struct step *st, uint32_t sig)
{
    if (sig == 0)
        end(sh, st, false);
    else
        signal_tasks(st, (int)sig);
    if (sig == SIGKILL)
        st->end_wanted |= st->state == STEP_LAUNCHING;
}

void step_kill(struct shepherd *sh, const struct td_kill *k, uint32_t kill_wait_s)
{
    struct step *st = step_find(sh, k->job, k->attempt, k->step - 1);
    struct td_report r = {.job = k->job, .attempt = k->attempt, .step = k->step - 1, .signal = k->signal};
    r.kind = k->signal ? TD_REPORT_SIGNALLED : TD_REPORT_DECLINED;
    if (st && st->state == STEP_OVER) {
        say_again(sh, st);
        return;
    }
    if (st && !k->signal) {
        st->kill_wait_s = kill_wait_s;
        cut(sh, st, false);
        return; /* its EXITED is the answer */
    }
    if (st && st->state == STEP_LAUNCHING)
        return; /* asked again until answered: then there will be somebody to signal */
    if (st && (!k->no || k->no > st->kill_no))
        step_signal(sh, st, k->signal);
    if (st)
        st->kill_no = TD_MAX(st->kill_no, k->no);
    else if (!k->signal)
        r.text = "the step is not on this node";
    spool_add(&sh->spool, &r, sh->now_ms);
}

struct td_u32s steps_list(const struct shepherd *sh, const struct attempt *a, struct td_arena *arena)
{
    uint32_t n = 0;
    for (const struct step *st = sh->steps; st; st = st->next)
        n += is_of(st, a);
    uint32_t *v = n ? td_arena_alloc(arena, n * sizeof(*v)) : NULL;
    n = 0;
    for (const struct step *st = sh->steps; st; st = st->next)
        if (is_of(st, a) && (st->state != STEP_OVER || st->last_no > sh->spool.acked))
            v[n++] = st->no;
    return (struct td_u32s){v, n};
}

bool steps_end(struct shepherd *sh, struct attempt *a, bool hard)
{
    for (struct step *st = sh->steps; st; st = st->next)
        if (is_of(st, a))
            cut(sh, st, hard);
    return steps_alive(sh, a);
}

void steps_signal(struct shepherd *sh, const struct attempt *a, uint32_t sig)
{
    for (struct step *st = sh->steps; st; st = st->next)
        if (is_of(st, a))
            signal_tasks(st, (int)sig);
}

/* The worst of them is the step's. */
static void say_end(struct shepherd *sh, struct step *st)
{
    struct td_report r = {.kind = TD_REPORT_EXITED, .timed_out = st->timed_out, .usage = st->usage};
    bool none = true;
    for (uint32_t i = 0; i < st->ntasks; i++) {
        const struct task *t = &st->tasks[i];
        none &= t->pid == 0;
        r.exit_code = TD_MAX(r.exit_code, t->exit_code);
        r.signal = TD_MAX(r.signal, t->signal);
        if (!td_str_empty(t->text) && td_str_empty(r.text))
            r.text = t->text;
    }
    if (r.exit_code)
        r.signal = 0;
    r.launch_failed = none;
    st->end = r;
    st->state = STEP_OVER;
    say(sh, st, &r);
    struct attempt *a = ledger_find(&sh->ledger, st->job, st->attempt);
    if (a && a->state == ATTEMPT_HELD && a->ending && !steps_alive(sh, a))
        attempt_leaves(sh, a);
    if (a && a->state == ATTEMPT_LEFTOVERS)
        sh->look_at_ms = sh->now_ms;
}

/* --- what tasks left behind ------------------------------------------------------------------------------------------------------ */

static bool left_by(const struct shepherd *sh, const struct step *st, const struct proc *p)
{
    char text[64], dir[TD_MAX_PATH_BYTES];
    unsigned job, attempt, no;
    for (uint32_t i = 0; i < st->ntasks; i++) {
        const struct task *t = &st->tasks[i];
        if (t->pid && p->session == t->pid)
            return p->start_ticks + 1 >= start_ticks_of(t->started_ms);
    }
    return proc_env(p->pid, "TENDER_STEP", text, sizeof(text)) && sscanf(text, "%u.%u.%u", &job, &attempt, &no) == 3 &&
           job == st->job && attempt == st->attempt && no == st->no &&
           proc_env(p->pid, "TENDER_NODE_DIR", dir, sizeof(dir)) && strcmp(dir, sh->dir) == 0; /* nodes may share a host */
}

/* Returns how many are left. The walk over /proc is made only where somebody lost his parent. */
static uint32_t end_leftovers(struct shepherd *sh, const struct step *st)
{
    uint32_t left = 0;
    struct td_error err = {0};
    if (sh->orphans_exact && !launch_orphans())
        return 0;
    if (!sh->tab_fresh && proctab_read(&sh->tab, &err) < 0) {
        td_log("error", "%s", err.text);
        return 1;
    }
    sh->tab_fresh = true;
    for (uint32_t i = 0; i < sh->tab.procs.n; i++) {
        const struct proc *p = &sh->tab.procs.v[i];
        if (p->pid == getpid() || p->state == 'Z' || !left_by(sh, st, p))
            continue;
        left++;
        if (kill(p->pid, SIGKILL) < 0 && errno == EPERM)
            td_log("warn", "job=%u.%u step=%u: process %d it left may not be ended by this user", st->job, st->attempt, st->no,
                   (int)p->pid);
    }
    return left;
}

static void step_drop(struct shepherd *sh, struct step **at)
{
    struct step *st = *at;
    *at = st->next;
    io_close(sh, st);
    td_arena_release(&st->arena);
    td_free(st);
}

static bool wants_relay(const struct step *st)
{
    return !st->has_relay && !st->detached && st->msg.launch.spec.io.n > 0;
}

/* A relay keeps nothing, so another one can take its place; only the worker may start it. */
static void relay_keep(struct shepherd *sh, struct step *st)
{
    if (!wants_relay(st) || sh->now_ms < st->relay_look_ms)
        return;
    st->relay_look_ms = sh->now_ms + RELAY_LOOK_MS;
    if (!io_relay_dead(sh, st) || !link_relay(sh, &st->msg.launch))
        return;
    st->relay_look_ms = sh->now_ms + RELAY_AGAIN_MS;
    td_log("warn", "job=%u.%u step=%u: its relay died; the worker is asked for another", st->job, st->attempt, st->no);
}

static void keep_one(struct shepherd *sh, struct step *st)
{
    if (st->state == STEP_LEFTOVERS && sh->now_ms >= st->look_at_ms) {
        if (end_leftovers(sh, st) == 0)
            say_end(sh, st);
        st->look_at_ms = sh->now_ms + st->look_wait_ms;
        st->look_wait_ms = TD_MIN(st->look_wait_ms * 2, LOOK_LAST_MS);
    }
    relay_keep(sh, st);
    if (st->limit_at_ms <= sh->now_ms) {
        st->limit_at_ms = INT64_MAX;
        st->timed_out = true;
        cut(sh, st, false);
    }
    if (st->kill_at_ms <= sh->now_ms)
        end(sh, st, true);
    if (!st->has_relay && st->state <= STEP_RUNNING && !st->ending && sh->now_ms >= st->alone_since_ms + STEP_ALONE_MS) {
        td_log("warn", "job=%u.%u step=%u: no relay for %d s: ended", st->job, st->attempt, st->no, STEP_ALONE_MS / 1000);
        end(sh, st, false);
    }
}

/* Nobody comes any more; a relay that took its leave has said so by SH_DETACH. */
static bool may_go(const struct shepherd *sh, const struct step *st)
{
    return st->state == STEP_OVER && !st->has_relay && sh->now_ms >= st->alone_since_ms + STEP_ALONE_MS;
}

int64_t steps_due(const struct shepherd *sh)
{
    int64_t due = INT64_MAX;
    for (const struct step *st = sh->steps; st; st = st->next) {
        due = TD_MIN(due, TD_MIN(st->limit_at_ms, st->kill_at_ms));
        if (wants_relay(st))
            due = TD_MIN(due, st->relay_look_ms);
        if (st->state == STEP_LEFTOVERS)
            due = TD_MIN(due, st->look_at_ms);
        if (!st->has_relay && !(st->ending && st->state <= STEP_RUNNING) && st->state != STEP_LEFTOVERS)
            due = TD_MIN(due, st->alone_since_ms + STEP_ALONE_MS);
    }
    return due;
}

void steps_keep(struct shepherd *sh)
{
    for (struct step **at = &sh->steps; *at;) {
        keep_one(sh, *at);
        if (may_go(sh, *at))
            step_drop(sh, at);
        else
            at = &(*at)->next;
    }
}

void steps_release(struct shepherd *sh)
{
    while (sh->steps)
        step_drop(sh, &sh->steps);
    td_map_release(&sh->tasks);
}
