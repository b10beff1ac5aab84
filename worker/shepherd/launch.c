/* launch.c - the launching threads and the few lines that run between clone and exec
 *
 * The child shares our memory (CLONE_VM) and its thread sleeps until exec (CLONE_VFORK): no page tables are copied,
 * whatever the size of this process. So child code calls nothing but system calls: no malloc, no locks, and not
 * glibc's setuid family, which would signal the threads of this process. All signals are blocked here and stay
 * blocked until the child has its default handlers.
 *
 * Where cgroups are in use, the child is born in its own (birth.c), or enters it before it does anything else. */
#include "worker/shepherd/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "worker/log.h"
#include "worker/shepherd/birth.h"
#include "worker/shepherd/cage.h"

#define LAUNCHERS 4 /* one path that hangs stops one of them */
#define CHILD_STACK_BYTES (64 * 1024)
#define THREAD_STACK_BYTES (128 * 1024)
#define FDS_SPARED 64

struct launcher {
    pthread_mutex_t lock;
    pthread_cond_t wanted;
    const struct cgroup_home *home;
    struct rlimit files;     /* as we were started: ours is raised, that of jobs is not */
    int fd_max;              /* files of jobs are kept open below this: the rest is for connections */
    struct launch *todo, **todo_end;
    struct launch *done, **done_end;
    int done_fd;
    struct launch_thread {
        struct launcher *l;
        uint8_t *stack;      /* of the child between clone and exec */
        TD_VEC(char *) argv; /* behind an empty place, which a script without #! needs */
        TD_VEC(char *) env;
        char task_pid[32];   /* SLURM_TASK_PID=..., filled in by the child */
        unsigned long cpus[TD_MAX_CPU_BYTES / sizeof(unsigned long)];
        struct launch *now;
        pid_t self;
        int pair[2];         /* the child sends its stderr to [1], we take it from [0] */
        bool test;           /* the child of launch_self_test */
        char group[TD_MAX_PATH_BYTES + 32]; /* cgroup of the child; empty = none */
        bool enter;          /* it is not born there */
    } threads[LAUNCHERS];
};

/* --- the child ------------------------------------------------------------------------------------------------------- */

/* AddressSanitizer looks at the stack before a call that does not return; this one is none that it knows. */
#define CHILD_CODE __attribute__((no_sanitize_address))

static CHILD_CODE _Noreturn void child_exit(int code)
{
    syscall(SYS_exit_group, code);
    __builtin_unreachable();
}

static CHILD_CODE _Noreturn void child_fail(struct launch *l, enum launch_step step)
{
    l->error = errno;
    l->failed = step;
    child_exit(127);
}

static void child_note(const char *text)
{
    ssize_t n = write(2, text, strlen(text));
    (void)n; /* the job's own stderr: whoever cannot be written to cannot be told */
}

/* A limit that may not be raised goes as high as is allowed, and the job's stderr says so. */
static void child_limit(const struct td_rlimit *want, char *note, size_t cap)
{
    struct rlimit is, lim = {.rlim_cur = want->soft, .rlim_max = want->hard};
    __rlimit_resource_t which = (__rlimit_resource_t)want->which;
    if (prlimit(0, which, &lim, NULL) == 0)
        return;
    if (prlimit(0, which, NULL, &is) == 0) {
        lim.rlim_max = TD_MIN(lim.rlim_max, is.rlim_max);
        lim.rlim_cur = TD_MIN(lim.rlim_cur, lim.rlim_max);
        if (prlimit(0, which, &lim, NULL) == 0 && lim.rlim_cur == want->soft)
            return;
    }
    td_format(note, cap, "tender: resource limit %u cannot be set to %llu here: it stays lower\n", want->which,
              (unsigned long long)want->soft);
}

static CHILD_CODE void child_user(struct launch *l)
{
    const struct td_award *a = &l->msg->award;
    const struct td_u32s *groups = &l->msg->spec.groups;
    if (syscall(SYS_setgroups, (size_t)groups->n, groups->v) < 0 || syscall(SYS_setresgid, a->gid, a->gid, a->gid) < 0 ||
        syscall(SYS_setresuid, a->uid, a->uid, a->uid) < 0)
        child_fail(l, LAUNCH_USER);
}

/* O_NONBLOCK for the open itself: a pipe nobody reads is a refusal, not a launching thread asleep. */
static int child_open(const char *path, int flags)
{
    int fd = open(path, flags | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0666);
    if (fd < 0)
        return -1;
    int is = fcntl(fd, F_GETFL);
    if (is < 0 || fcntl(fd, F_SETFL, is & ~O_NONBLOCK) < 0)
        return -1;
    return fd;
}

static CHILD_CODE void child_files(struct launch *l)
{
    const struct td_sh_launch *m = l->msg;
    int flags = O_WRONLY | O_CREAT | O_APPEND | (m->spec.append ? 0 : O_TRUNC);
    int in = l->task ? l->fds[0] : -1, out = l->task ? l->fds[1] : -1, err = l->task ? l->fds[2] : -1;
    if (in < 0)
        in = child_open(td_str_empty(m->in) ? "/dev/null" : m->in, O_RDONLY);
    if (in < 0)
        child_fail(l, LAUNCH_IN);
    if (out < 0)
        out = child_open(td_str_empty(m->out) ? "/dev/null" : m->out, flags);
    if (out < 0)
        child_fail(l, LAUNCH_OUT);
    if (err < 0 && (td_str_empty(m->err) || td_str_equal(m->err, m->out)))
        err = out;
    else if (err < 0)
        err = child_open(m->err, flags);
    if (err < 0)
        child_fail(l, LAUNCH_ERR);
    if (dup2(in, 0) < 0)
        child_fail(l, LAUNCH_IN);
    if (dup2(out, 1) < 0)
        child_fail(l, LAUNCH_OUT);
    if (dup2(err, 2) < 0)
        child_fail(l, LAUNCH_ERR);
    if (l->task && l->tty && ioctl(0, TIOCSCTTY, 0) < 0)
        child_fail(l, LAUNCH_IN);
}

/* The kernel does not know what to do with the file: it is a script for the shell, as ever. */
static CHILD_CODE void child_exec_script(struct launch_thread *t, const char *file)
{
    static char shell[] = "/bin/sh";
    t->argv.v[0] = shell;
    t->argv.v[1] = (char *)(uintptr_t)file;
    execve(shell, t->argv.v, t->env.v);
}

/* A task's program: by its PATH, here and as its user, as a shell on this node would. Returns with errno. */
static CHILD_CODE void child_exec_task(struct launch_thread *t, const struct launch *l)
{
    const char *name = t->argv.v[1];
    char file[TD_MAX_PATH_BYTES + 1];
    int kept = ENOENT;
    if (strchr(name, '/')) {
        execve(name, t->argv.v + 1, t->env.v);
        if (errno == ENOEXEC)
            child_exec_script(t, name);
        return;
    }
    for (const char *p = l->path;; p++) {
        size_t n = strcspn(p, ":"), m = strlen(name);
        if (n + m + 2 <= sizeof(file)) {
            memcpy(file, n ? p : ".", TD_MAX(n, (size_t)1));
            file[TD_MAX(n, (size_t)1)] = '/';
            memcpy(file + TD_MAX(n, (size_t)1) + 1, name, m + 1);
            execve(file, t->argv.v + 1, t->env.v);
            if (errno == ENOEXEC)
                child_exec_script(t, file);
            if (errno != ENOENT && errno != ENOTDIR)
                kept = errno;
        }
        p += n;
        if (!*p)
            break;
    }
    errno = kept;
}

/* The shepherd gets the error file as the user has opened it, for the line that says the job was ended (lastwords.c).
 * Without it only that line is missing. */
static CHILD_CODE void child_hand_over_stderr(int to)
{
    struct stat st;
    if (fstat(2, &st) < 0 || !S_ISREG(st.st_mode))
        return;
    char byte = 0;
    struct iovec iov = {&byte, 1};
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
    int fd = 2;
    control.head.cmsg_level = SOL_SOCKET;
    control.head.cmsg_type = SCM_RIGHTS;
    control.head.cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(&control.head), &fd, sizeof(fd));
    ssize_t n = sendmsg(to, &m, MSG_DONTWAIT);
    (void)n;
}

static void child_task_pid(char *var)
{
    char *digits = var + strlen("SLURM_TASK_PID=");
    td_format(digits, 16, "%d", (int)getpid());
}

static CHILD_CODE int child(void *arg)
{
    struct launch_thread *t = arg;
    struct launch *l = t->now;
    const struct td_sh_launch *m = l->msg;
    char note[160] = "";

    l->pid = (pid_t)syscall(SYS_getpid); /* it lives: see make_child */
    setsid();
    if (t->enter && cgroup_enter(t->group) < 0)
        child_fail(l, LAUNCH_CGROUP);
    if (m->bind.n && syscall(SYS_sched_setaffinity, 0, sizeof(t->cpus), t->cpus) < 0)
        child_fail(l, LAUNCH_BIND);
    if (m->become_user)
        child_user(l);
    prlimit(0, RLIMIT_NOFILE, &t->l->files, NULL);
    for (uint32_t i = 0; i < m->spec.rlimits.n; i++) /* as the user: nobody's submission raises a hard limit of this node */
        child_limit(&m->spec.rlimits.v[i], note, sizeof(note));
    umask((mode_t)m->spec.umask);
    if (!td_str_empty(m->spec.work_dir) && chdir(m->spec.work_dir) < 0)
        child_fail(l, LAUNCH_DIR);
    child_files(l);
    if (note[0])
        child_note(note);
    child_hand_over_stderr(t->pair[1]);

    /* If the shepherd is killed, the leader goes with it at once; the next shepherd ends what the leader leaves. */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != t->self)
        child_fail(l, LAUNCH_FORK);
    child_task_pid(t->task_pid);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (l->task)
        child_exec_task(t, l);
    else
        execve(m->argv.v[0], t->argv.v + 1, t->env.v);
    child_fail(l, LAUNCH_EXEC);
}

/* A process that leaves an orphan behind: what launch_self_test looks for. */
static CHILD_CODE int test_child(void *arg)
{
    pid_t pid = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
    if (pid == 0) {
        pause();
        child_exit(0);
    }
    struct launch_thread *t = arg;
    t->now->error = pid;
    child_exit(0);
}

/* --- the threads ------------------------------------------------------------------------------------------------------ */

static int64_t boot_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_BOOTTIME, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void prepare(struct launch_thread *t, const struct td_sh_launch *m)
{
    t->argv.n = t->env.n = 0;
    td_vec_push(&t->argv, NULL);
    for (uint32_t i = 0; i < m->argv.n; i++)
        td_vec_push(&t->argv, (char *)(uintptr_t)m->argv.v[i]);
    td_vec_push(&t->argv, NULL);
    td_format(t->task_pid, sizeof(t->task_pid), "SLURM_TASK_PID=");
    for (uint32_t i = 0; i < m->env.n; i++)
        if (!td_str_prefix(m->env.v[i], "SLURM_TASK_PID="))
            td_vec_push(&t->env, (char *)(uintptr_t)m->env.v[i]);
    td_vec_push(&t->env, t->task_pid);
    td_vec_push(&t->env, NULL);
    memset(t->cpus, 0, sizeof(t->cpus));
    for (int64_t i = td_bits_next(m->bind.v, m->bind.n, 0); i >= 0 && i < TD_MAX_CPU_BYTES * 8;
         i = td_bits_next(m->bind.v, m->bind.n, (uint32_t)i + 1))
        t->cpus[(size_t)i / (8 * sizeof(unsigned long))] |= 1ul << ((size_t)i % (8 * sizeof(unsigned long)));
}

/* Returns what the child handed over, -1 if nothing. */
static int take_stderr(struct launch_thread *t)
{
    char byte;
    struct iovec iov = {&byte, 1};
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
    int fd;
    if (recvmsg(t->pair[0], &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) <= 0 || m.msg_controllen < CMSG_LEN(sizeof(int)) ||
        control.head.cmsg_type != SCM_RIGHTS)
        return -1;
    memcpy(&fd, CMSG_DATA(&control.head), sizeof(fd));
    if (fd < t->l->fd_max)
        return fd;
    close(fd);
    return -1;
}

/* Its group; one that cannot be made is said, and the process list stands for it. */
static void make_group(struct launch_thread *t, struct launch *l)
{
    const struct cgroup_home *home = t->l->home;
    t->group[0] = '\0';
    if (t->test || l->cage == 0)
        return;
    cage_path(home, l->cage, t->group, sizeof(t->group));
    int r = cgroup_make(t->group);
    l->caged = r == 0;
    if (l->caged)
        return;
    td_log("warn", "job=%u.%u: cannot make the cgroup %s: %s; its processes are told by the process list", l->msg->award.job,
           l->msg->award.attempt, t->group, strerror(-r));
    t->group[0] = '\0';
}

/* The stack grows down; the child's own result is in *l when this returns. A group whose cgroup.kill a job has written to kills
 * whatever is born in it (cage.c); what then ran no line of its own is made outside and enters, which such a group allows. */
static int make_child(struct launch_thread *t, struct launch *l)
{
    int (*run)(void *) = t->test ? test_child : child;
    int fd = t->group[0] && t->l->home->means == CGROUP_V2 ? open(t->group, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    t->enter = t->group[0] && fd < 0;
    if (fd >= 0) {
        int tid = 0, pid = birth(run, t->stack, CHILD_STACK_BYTES, t, fd, &tid);
        close(fd);
        if (pid > 0 && l->pid)
            return pid;
        if (pid > 0) {
            waitpid(pid, NULL, 0); /* or the main thread does */
            l->worn = true;
        }
        t->enter = true;
    }
    return clone(run, t->stack + CHILD_STACK_BYTES, CLONE_VM | CLONE_VFORK | CLONE_PARENT_SETTID | SIGCHLD, t, (int *)&l->pid);
}

static void launch_one(struct launch_thread *t, struct launch *l)
{
    t->now = l;
    if (!t->test && (l->msg->argv.n == 0 || !td_str_empty(l->msg->cannot))) {
        l->failed = LAUNCH_EXEC;
        l->error = 0;
        return;
    }
    if (!t->test)
        prepare(t, l->msg);
    make_group(t, l);
    l->started_ms = boot_ms();
    if (make_child(t, l) < 0) {
        l->failed = LAUNCH_FORK;
        l->error = errno;
    }
    int fd = t->test ? -1 : take_stderr(t);
    if (l->failed == LAUNCH_OK)
        l->err_fd = fd;
    else if (fd >= 0)
        close(fd);
}

static void *run_thread(void *arg)
{
    struct launch_thread *t = arg;
    struct launcher *l = t->l;
    for (;;) {
        pthread_mutex_lock(&l->lock);
        while (!l->todo)
            pthread_cond_wait(&l->wanted, &l->lock);
        struct launch *what = l->todo;
        l->todo = what->next;
        if (!l->todo)
            l->todo_end = &l->todo;
        pthread_mutex_unlock(&l->lock);

        t->test = what->msg == NULL;
        launch_one(t, what);

        pthread_mutex_lock(&l->lock);
        what->next = NULL;
        *l->done_end = what;
        l->done_end = &what->next;
        pthread_mutex_unlock(&l->lock);
        if (eventfd_write(l->done_fd, 1) < 0)
            td_log("error", "eventfd: %s", strerror(errno));
    }
    return NULL;
}

/* Three pipes for each task that runs here: as many as we may have. What is left for the files of jobs. */
static int files_raise(struct rlimit *ret_before)
{
    *ret_before = (struct rlimit){.rlim_cur = 1024, .rlim_max = 1024};
    if (getrlimit(RLIMIT_NOFILE, ret_before) < 0)
        return 0;
    struct rlimit most = {.rlim_cur = ret_before->rlim_max, .rlim_max = ret_before->rlim_max};
    rlim_t have = setrlimit(RLIMIT_NOFILE, &most) == 0 ? most.rlim_cur : ret_before->rlim_cur;
    return (int)TD_MIN(have, (rlim_t)INT32_MAX) - FDS_SPARED;
}

int launcher_new(struct launcher **ret, const struct cgroup_home *home, struct td_error *err)
{
    struct launcher *l = td_alloc(sizeof(*l));
    l->home = home;
    pthread_mutex_init(&l->lock, NULL);
    pthread_cond_init(&l->wanted, NULL);
    l->todo_end = &l->todo;
    l->done_end = &l->done;
    l->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (l->done_fd < 0) {
        td_free(l);
        return td_fail(err, TD_E_IO, "eventfd: %s", strerror(errno));
    }
    l->fd_max = files_raise(&l->files);
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, THREAD_STACK_BYTES);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    for (int i = 0; i < LAUNCHERS; i++) {
        struct launch_thread *t = &l->threads[i];
        pthread_t id;
        t->l = l;
        t->self = getpid();
        t->stack = td_alloc(CHILD_STACK_BYTES);
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, t->pair) < 0)
            return td_fail(err, TD_E_IO, "cannot make a socket pair: %s", strerror(errno));
        int r = pthread_create(&id, &attr, run_thread, t);
        if (r)
            return td_fail(err, TD_E_IO, "cannot start a launching thread: %s", strerror(r));
    }
    pthread_attr_destroy(&attr);
    *ret = l;
    return 0;
}

int launcher_fd(const struct launcher *l)
{
    return l->done_fd;
}

void launcher_put(struct launcher *l, struct launch *what)
{
    what->failed = LAUNCH_OK;
    what->err_fd = -1;
    what->caged = what->worn = false;
    what->error = what->pid = 0;
    what->reaped = false;
    what->next = NULL;
    pthread_mutex_lock(&l->lock);
    *l->todo_end = what;
    l->todo_end = &what->next;
    pthread_cond_signal(&l->wanted);
    pthread_mutex_unlock(&l->lock);
}

struct launch *launcher_take(struct launcher *l)
{
    eventfd_t n;
    if (eventfd_read(l->done_fd, &n) < 0)
        return NULL;
    pthread_mutex_lock(&l->lock);
    struct launch *done = l->done;
    l->done = NULL;
    l->done_end = &l->done;
    pthread_mutex_unlock(&l->lock);
    return done;
}

/* --- orphans ----------------------------------------------------------------------------------------------------------- */

int launch_orphans(void)
{
    siginfo_t info;
    int r = waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT | __WNOTHREAD);
    return r < 0 && errno == ECHILD ? 0 : 1;
}

bool launch_self_test(struct launcher *l)
{
    struct launch what = {0};
    struct timespec tick = {.tv_nsec = 1000000};
    if (launch_orphans())
        return false;
    launcher_put(l, &what);
    while (!launcher_take(l))
        nanosleep(&tick, NULL);
    if (what.failed || what.error <= 0)
        return false;
    while (waitpid(what.pid, NULL, 0) < 0 && errno == EINTR)
        ;
    bool seen = launch_orphans() == 1;
    kill(what.error, SIGKILL);
    while (waitpid(what.error, NULL, 0) < 0 && errno == EINTR)
        ;
    return seen && !launch_orphans();
}

/* --- words ------------------------------------------------------------------------------------------------------------- */

void launch_words(const struct launch *l, char *out, size_t cap)
{
    const struct td_sh_launch *m = l->msg;
    const char *why = strerror(l->error);
    switch (l->failed) {
    case LAUNCH_OK:
        out[0] = '\0';
        return;
    case LAUNCH_FORK:
        snprintf(out, cap, "cannot make a process: %s", why);
        return;
    case LAUNCH_CGROUP:
        snprintf(out, cap, "cannot enter its cgroup: %s", why);
        return;
    case LAUNCH_BIND:
        snprintf(out, cap, "cannot bind to the allocated CPUs: %s", why);
        return;
    case LAUNCH_USER:
        snprintf(out, cap, "cannot become user %u, group %u: %s", m->award.uid, m->award.gid, why);
        return;
    case LAUNCH_DIR:
        snprintf(out, cap, "cannot change to the working directory %s: %s", m->spec.work_dir, why);
        return;
    case LAUNCH_IN:
        snprintf(out, cap, "cannot open the input file %s: %s", td_str_empty(m->in) ? "/dev/null" : m->in, why);
        return;
    case LAUNCH_OUT:
        snprintf(out, cap, "cannot open the output file %s: %s", m->out, why);
        return;
    case LAUNCH_ERR:
        snprintf(out, cap, "cannot open the error file %s: %s", m->err, why);
        return;
    case LAUNCH_EXEC:
        if (!td_str_empty(m->cannot))
            snprintf(out, cap, "%s", m->cannot);
        else if (m->argv.n == 0)
            snprintf(out, cap, "there is no program to run");
        else
            snprintf(out, cap, "cannot start %s: %s", m->argv.v[0], why);
        return;
    }
}
