/* reap.c - what ended, what it left behind, and who belongs to whom
 *
 * A process belongs to an attempt if it is in its cgroup (cage.c). Where there are none, or its user may leave one, the
 * process list tells too: an ancestor is its leader, or it is in its session, or was started with its TENDER_ATTEMPT. A
 * daemon that gave up all three is counted to an ended attempt of the same user once no other attempt of that user lives
 * here; until then it is left alone, because it may be that one's. */
#include "worker/shepherd/shepherd.h"
#include "worker/shepherd/step.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "worker/log.h"

#define LOOK_FIRST_MS 5
#define LOOK_LAST_MS 1000
#define SWEEP_MS 10000      /* a new shepherd gives up on what does not die */
#define START_SLACK_TICKS 100 /* between our clock's reading and the kernel's start time of the process */
#define DEPTH_MAX 1024

uint64_t start_ticks_of(int64_t boot_ms)
{
    return (uint64_t)boot_ms * (uint64_t)sysconf(_SC_CLK_TCK) / 1000;
}

static bool started_then(const struct proc *p, uint64_t ticks)
{
    return p->start_ticks + 1 >= ticks && p->start_ticks <= ticks + START_SLACK_TICKS;
}

static bool tab_read(struct shepherd *sh)
{
    struct td_error err;
    if (sh->tab_fresh)
        return true;
    if (proctab_read(&sh->tab, &err) < 0) {
        td_log("error", "%s", err.text);
        return false;
    }
    sh->tab_fresh = true;
    return true;
}

/* --- who belongs to whom ------------------------------------------------------------------------------------------- */

static struct attempt *by_session(struct shepherd *sh, const struct proc *p)
{
    struct attempt *a = ledger_by_pid(&sh->ledger, p->session);
    if (!a)
        return NULL;
    const struct proc *leader = proctab_find(&sh->tab, p->session);
    if (leader && !started_then(leader, start_ticks_of(a->started_ms)))
        return NULL; /* the number is somebody else's by now */
    return a;
}

static struct attempt *by_environ(struct shepherd *sh, pid_t pid)
{
    char text[64], dir[TD_MAX_PATH_BYTES];
    unsigned job, attempt;
    if (!proc_env(pid, "TENDER_ATTEMPT", text, sizeof(text)) || sscanf(text, "%u.%u", &job, &attempt) != 2)
        return NULL;
    if (!proc_env(pid, "TENDER_NODE_DIR", dir, sizeof(dir)) || strcmp(dir, sh->dir) != 0)
        return NULL;
    return ledger_find(&sh->ledger, job, attempt);
}

/* An ended attempt of the user, if no other one lives. */
static struct attempt *by_user(struct shepherd *sh, uint32_t uid)
{
    struct attempt *ended = NULL;
    for (struct attempt *a = sh->ledger.first; a; a = a->next) {
        bool same = a->uid == uid || a->uid == 0;
        if (same && (a->state == ATTEMPT_LAUNCHING || a->state == ATTEMPT_RUNNING))
            return NULL;
        if (same && a->state == ATTEMPT_LEFTOVERS)
            ended = a;
    }
    return ended;
}

static bool is_flying(const struct shepherd *sh, const struct proc *p)
{
    for (uint32_t i = 0; i < sh->flying.n; i++)
        if (sh->flying.v[i]->pid == p->pid)
            return true;
    return p->session == getsid(0); /* made, but not yet past its setsid */
}

static struct attempt *owner_of(struct shepherd *sh, const struct proc *p)
{
    const struct proc *root = NULL;
    pid_t self = getpid();
    const struct proc *q = p;
    for (int depth = 0; q && !root && depth < DEPTH_MAX; depth++) {
        struct attempt *a = ledger_by_pid(&sh->ledger, q->pid);
        if (a && started_then(q, start_ticks_of(a->started_ms)))
            return a;
        a = by_session(sh, q);
        if (a)
            return a;
        if (q->ppid == self)
            root = q;
        q = proctab_find(&sh->tab, q->ppid);
    }
    if (!root || p->pid == self || is_flying(sh, root))
        return NULL;
    struct attempt *a = by_environ(sh, p->pid);
    if (!a && root != p)
        a = by_environ(sh, root->pid);
    return a ? a : by_user(sh, p->uid);
}

/* Root, and a worker's own user, can move a process of theirs to another cgroup. */
static bool may_escape(const struct attempt *a)
{
    return !a->caged || a->uid == 0;
}

void attempt_signal(struct shepherd *sh, struct attempt *a, int sig, enum attempt_reach reach)
{
    if (a->state != ATTEMPT_RUNNING)
        return;
    if (reach == REACH_LEADER) {
        kill(a->pid, sig);
        return;
    }
    if (a->caged) {
        cage_signal(sh, a, sig);
        if (sig != SIGKILL || !may_escape(a)) /* nobody gets another signal twice */
            return;
    }
    kill(-a->pid, sig);
    if (!tab_read(sh))
        return;
    for (uint32_t i = 0; i < sh->tab.procs.n; i++) {
        const struct proc *p = &sh->tab.procs.v[i];
        if (p->pgrp == a->pid || p->state == 'Z')
            continue;
        if (owner_of(sh, p) == a)
            kill(p->pid, sig);
    }
}

/* --- what ended ------------------------------------------------------------------------------------------------------ */

static void add_usage(struct td_usage *u, const struct rusage *ru)
{
    u->user_us += (uint64_t)ru->ru_utime.tv_sec * 1000000 + (uint64_t)ru->ru_utime.tv_usec;
    u->system_us += (uint64_t)ru->ru_stime.tv_sec * 1000000 + (uint64_t)ru->ru_stime.tv_usec;
    u->max_rss_kb = TD_MAX(u->max_rss_kb, (uint64_t)ru->ru_maxrss);
    u->read_bytes += (uint64_t)ru->ru_inblock * 512;
    u->write_bytes += (uint64_t)ru->ru_oublock * 512;
}

void attempt_leaves(struct shepherd *sh, struct attempt *a)
{
    a->state = ATTEMPT_LEFTOVERS;
    a->warn_at_ms = a->limit_at_ms = a->kill_at_ms = INT64_MAX;
    sh->leftovers = true;
    sh->look_at_ms = sh->now_ms;
    sh->look_wait_ms = LOOK_FIRST_MS;
}

void attempt_exited(struct shepherd *sh, struct attempt *a, int wait_status, const struct rusage *usage)
{
    add_usage(&a->usage, usage);
    struct td_report r = {.kind = TD_REPORT_EXITED, .timed_out = a->timed_out, .usage = a->usage};
    if (WIFSIGNALED(wait_status))
        r.signal = (uint32_t)WTERMSIG(wait_status);
    else
        r.exit_code = (uint32_t)WEXITSTATUS(wait_status);
    if (a->launch_slow && r.signal == SIGKILL) {
        r.launch_failed = true;
        r.text = "could not be started within 30 seconds: its working directory or an output file hangs";
    }
    report(sh, a, &r);
    attempt_leaves(sh, a);
    steps_end(sh, a, true);
}

/* A child nobody in the ledger leads: one being launched that ended at once, or somebody's orphan. */
static void reap_unknown(struct shepherd *sh, pid_t pid, int wait_status, const struct rusage *usage)
{
    for (uint32_t i = 0; i < sh->flying.n; i++) {
        struct launch *what = sh->flying.v[i];
        if (what->pid == pid && !what->reaped) {
            what->reaped = true;
            what->wait_status = wait_status;
            what->usage = *usage;
            return;
        }
    }
    if (sh->leftovers)
        sh->look_at_ms = sh->now_ms;
}

void reap(struct shepherd *sh)
{
    struct rusage usage;
    int wait_status;
    pid_t pid;
    while ((pid = wait4(-1, &wait_status, WNOHANG, &usage)) > 0 || (pid < 0 && errno == EINTR)) {
        struct attempt *a = ledger_by_pid(&sh->ledger, pid);
        if (a && a->state == ATTEMPT_RUNNING)
            attempt_exited(sh, a, wait_status, &usage);
        else if (pid > 0 && !step_reaped(sh, pid, wait_status, &usage))
            reap_unknown(sh, pid, wait_status, &usage);
    }
}

/* --- what it left behind --------------------------------------------------------------------------------------------- */

static void all_gone(struct shepherd *sh)
{
    for (struct attempt *a = sh->ledger.first; a; a = a->next)
        if (a->state == ATTEMPT_LEFTOVERS && a->left == 0 && !steps_alive(sh, a) && !last_words_wait(sh, a))
            report(sh, a, &(struct td_report){.kind = TD_REPORT_GONE, .usage = a->usage});
}

/* By the process list, where that is needed. False: it cannot be read now. */
static bool count_and_kill(struct shepherd *sh)
{
    bool needed = false;
    for (struct attempt *a = sh->ledger.first; a; a = a->next)
        needed |= a->state == ATTEMPT_LEFTOVERS && may_escape(a);
    if (!needed || (sh->orphans_exact && !launch_orphans()))
        return true;
    if (!tab_read(sh))
        return false;
    for (uint32_t i = 0; i < sh->tab.procs.n; i++) {
        const struct proc *p = &sh->tab.procs.v[i];
        struct attempt *a = owner_of(sh, p);
        if (!a || a->state != ATTEMPT_LEFTOVERS)
            continue;
        a->left++;
        if (p->state != 'Z' && kill(p->pid, SIGKILL) < 0 && errno == EPERM)
            td_log("warn", "job=%u.%u: process %d it left may not be ended by this user", a->job, a->attempt, (int)p->pid);
    }
    return true;
}

void look_for_leftovers(struct shepherd *sh)
{
    if (!sh->leftovers || sh->now_ms < sh->look_at_ms)
        return;
    for (struct attempt *a = sh->ledger.first; a; a = a->next)
        a->left = 0;
    if (!count_and_kill(sh))
        return;
    for (struct attempt *a = sh->ledger.first; a; a = a->next)
        if (a->state == ATTEMPT_LEFTOVERS && !cage_gone(sh, a))
            a->left++;
    all_gone(sh);

    sh->leftovers = false;
    for (struct attempt *a = sh->ledger.first; a && !sh->leftovers; a = a->next)
        sh->leftovers = a->state == ATTEMPT_LEFTOVERS;
    sh->look_at_ms = sh->leftovers ? sh->now_ms + sh->look_wait_ms : INT64_MAX;
    sh->look_wait_ms = TD_MIN(sh->look_wait_ms * 2, LOOK_LAST_MS);
}

/* --- what a dead shepherd left ---------------------------------------------------------------------------------------- */

static bool is_life(const struct shepherd *sh, const struct proc *p, const life_vec *lives)
{
    for (uint32_t i = 0; i < lives->n; i++) {
        const struct td_spool_life *life = &lives->v[i];
        if (p->pid == (pid_t)life->pid)
            return started_then(p, life->start_ticks);
        if (p->session != (pid_t)life->pid && p->pgrp != (pid_t)life->pid)
            continue;
        const struct proc *leader = proctab_find(&sh->tab, (pid_t)life->pid);
        if (leader)
            return started_then(leader, life->start_ticks);
    }
    char dir[TD_MAX_PATH_BYTES], text[64];
    return proc_env(p->pid, "TENDER_NODE_DIR", dir, sizeof(dir)) && strcmp(dir, sh->dir) == 0 &&
           proc_env(p->pid, "TENDER_ATTEMPT", text, sizeof(text));
}

/* Marks what the lives and the environments tell, then what descends from it; returns how many were signalled. */
static uint32_t sweep_once(struct shepherd *sh, const life_vec *lives)
{
    uint32_t hit = 0;
    bool more = true;
    pid_t self = getpid(), above = getppid();
    for (uint32_t i = 0; i < sh->tab.procs.n; i++) {
        struct proc *p = &sh->tab.procs.v[i];
        p->tag = p->pid != self && p->pid != above && p->pid != 1 && p->state != 'Z' && is_life(sh, p, lives);
    }
    while (more) {
        more = false;
        for (uint32_t i = 0; i < sh->tab.procs.n; i++) {
            struct proc *p = &sh->tab.procs.v[i];
            const struct proc *parent = proctab_find(&sh->tab, p->ppid);
            if (!p->tag && p->pid != self && p->state != 'Z' && parent && parent->tag)
                p->tag = 1, more = true;
        }
    }
    for (uint32_t i = 0; i < sh->tab.procs.n; i++)
        if (sh->tab.procs.v[i].tag && kill(sh->tab.procs.v[i].pid, SIGKILL) == 0)
            hit++;
    return hit;
}

bool sweep(struct shepherd *sh, const life_vec *lives)
{
    struct timespec pause = {.tv_nsec = 10000000};
    uint32_t total = 0, groups = 0;
    for (int tries = 0; tries < SWEEP_MS / 10; tries++) {
        sh->tab_fresh = false;
        if (!tab_read(sh))
            return false;
        uint32_t hit = sweep_once(sh, lives), left = cages_sweep(sh);
        if (hit + left == 0) {
            if (total || groups || lives->n)
                td_log("warn", "the shepherd before this one died: %u attempts were alive, %u signals and %u cgroups ended what "
                       "was left", lives->n, total, groups);
            return true;
        }
        total += hit;
        groups = TD_MAX(groups, left);
        nanosleep(&pause, NULL);
    }
    td_log("error", "processes of a dead shepherd's jobs do not die; going on without waiting for them");
    return false;
}
