/* srun.c - parallel tasks, here and now
 *
 * Outside an allocation it asks for one first and gives it back at the end; inside (SLURM_JOB_ID, --jobid) it only starts
 * a step. Then one loop: the tasks' stdio (step_io.c), signals, and beside them a connection to the broker that keeps
 * the allocation alive and hears when the step is over without its nodes having said so. */
#include "srun.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "commands.h"
#include "say.h"
#include "session.h"
#include "step_io.h"

extern char **environ;

#define ASK_FIRST_MS 500     /* is the step still there, while a node is silent */
#define ASK_AGAIN_MS 2000
#define WORDS_MS 1000        /* a node that never spoke, and of which the broker knows how it ended there */
#define LOST_MS 20000        /* a step that is over for the broker, and whose nodes still say nothing: their relays dial for 15 s */
#define WAITS_SAID_MS 100
#define INTERRUPT_MS 1000

/* --- the terminal ------------------------------------------------------------------------------------------------------------- */

static struct termios tty_was;
static volatile sig_atomic_t tty_raw;

static void tty_restore(void)
{
    if (tty_raw)
        tcsetattr(STDIN_FILENO, TCSADRAIN, &tty_was);
    tty_raw = 0;
}

static void tty_fatal(int sig)
{
    tty_restore();
    signal(sig, SIG_DFL);
    raise(sig);
}

/* Raw until this process ends, however it does (SIGKILL apart). */
static void tty_take(void)
{
    static const int fatal[] = {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL};
    if (!isatty(STDIN_FILENO) || tcgetattr(STDIN_FILENO, &tty_was) < 0)
        return;
    atexit(tty_restore);
    for (size_t i = 0; i < TD_ARRAY_LEN(fatal); i++)
        signal(fatal[i], tty_fatal);
    struct termios raw = tty_was;
    cfmakeraw(&raw);
    tty_raw = 1;
    if (tcsetattr(STDIN_FILENO, TCSADRAIN, &raw) < 0)
        tty_raw = 0;
}

/* --- what is asked ---------------------------------------------------------------------------------------------------------------- */

/* Letters of a file's name that srun knows; those that only a node knows stay, and make it the node's file. */
static const char *file_name(struct td_arena *a, const char *pattern, const struct session *s, uint32_t step, bool *ret_on_node)
{
    struct td_buf b = {0};
    const struct td_job_info *j = &s->info;
    *ret_on_node = false;
    for (const char *p = pattern; *p; p++) {
        const char *at = p + 1;
        int pad = 0;
        if (*p != '%') {
            td_buf_putc(&b, *p);
            continue;
        }
        for (; *at >= '0' && *at <= '9'; at++)
            pad = TD_MIN(pad * 10 + (*at - '0'), 10);
        char text[64] = "";
        switch (*at) {
        case 'j':
            snprintf(text, sizeof(text), "%0*u", pad, j->job);
            break;
        case 'A':
            snprintf(text, sizeof(text), "%0*u", pad, j->array_job ? j->array_job : j->job);
            break;
        case 'a':
            snprintf(text, sizeof(text), "%0*u", pad, j->array_job ? j->array_task : 4294967294u);
            break;
        case 'J':
            snprintf(text, sizeof(text), "%u.%u", j->job, step);
            break;
        case 's':
            snprintf(text, sizeof(text), "%0*u", pad, step);
            break;
        case 'u':
            td_buf_puts(&b, j->spec.user_name ? j->spec.user_name : "");
            p = at;
            continue;
        case 'x':
            td_buf_puts(&b, j->spec.name ? j->spec.name : "");
            p = at;
            continue;
        case 't':
        case 'n':
        case 'N':
            *ret_on_node = true;
            td_buf_put(&b, p, (size_t)(at - p) + 1);
            p = at;
            continue;
        default:
            td_buf_putc(&b, *p);
            continue;
        }
        td_buf_puts(&b, text);
        p = at;
    }
    const char *name = td_arena_strdup(a, td_buf_str(&b));
    td_buf_release(&b);
    return name;
}

static bool has_node_letter(const char *pattern)
{
    for (const char *p = pattern; p && (p = strchr(p, '%')); p++) {
        const char *at = p + 1 + strspn(p + 1, "0123456789");
        if (*at == 't' || *at == 'n' || *at == 'N')
            return true;
    }
    return false;
}

static int map_gpus(struct srun *o, struct td_step_spec *spec, struct td_error *err)
{
    const struct td_gres_need_list *all = &o->s.need.gres_job;
    if (all->n == 0)
        return 0;
    if (spec->nodes > 1 || o->s.need.gres.n)
        return td_fail(err, TD_E_NOT_SUPPORTED, "--gpus of a step on several nodes is not supported: ask with --gpus-per-node or --gpus-per-task");
    spec->gres = *all;
    return 0;
}

/* A step that shares its allocation with others says what it takes; one that has an allocation for itself takes all. */
static int fill_spec(struct srun *o, const struct session *s, bool inside, struct td_step_spec *spec, struct td_error *err)
{
    const struct td_job_need *need = &o->s.need;
    struct winsize size = {0};
    *spec = (struct td_step_spec){
        .ntasks = need->ntasks,
        .nodes = need->nodes_min,
        .ntasks_per_node = need->ntasks_per_node,
        .cpus_per_task = need->cpus_per_task,
        .gres_task = need->gres_task,
        .overlap = o->overlap,
        .interactive = o->pty,
        .pty = o->pty,
        .closes = !inside,
        .kill_on_bad_exit = o->kill_on_bad_exit,
        .cpu_bind = o->cpu_bind,
        .append = o->s.spec.append,
        .umask = o->s.spec.umask,
    };
    if (o->pty && (ioctl(STDIN_FILENO, TIOCGWINSZ, &size) == 0 || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0)) {
        spec->rows = size.ws_row;
        spec->columns = size.ws_col;
    }
    submit_rlimits(&o->s, &spec->rlimits);
    if (!inside)
        return 0;
    (void)s;
    spec->mem_mb_per_node = need->mem_mb_per_node;
    if (need->mem_mb_per_cpu)
        spec->mem_mb_per_node = need->mem_mb_per_cpu * TD_MAX(need->cpus_per_task, 1u) *
                                TD_MAX(need->ntasks_per_node ? need->ntasks_per_node : need->ntasks, 1u);
    spec->gres = need->gres;
    spec->req_nodes = need->req_nodes;
    spec->exc_nodes = need->exc_nodes;
    spec->limit_s = o->s.spec.limit_s == TD_INFINITE ? 0 : o->s.spec.limit_s;
    return map_gpus(o, spec, err);
}

static int open_file(const char *path, bool append, struct td_error *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | (append ? O_APPEND : O_TRUNC), 0666);
    return fd < 0 ? td_fail(err, TD_E_IO, "Could not open stdout file: %s: %s", path, strerror(errno)) : fd;
}

static bool is_number(const char *text)
{
    uint64_t n;
    return td_parse_u64(text, &n) && n < INT32_MAX;
}

/* Where the streams go: to us, into a file of ours, or into files on the nodes. */
static int direct_streams(struct srun *o, const struct session *s, struct step_io *io, struct td_step_spec *spec, struct td_error *err)
{
    bool on_node = false;
    io->in_fd = STDIN_FILENO;
    io->out.fd = STDOUT_FILENO;
    io->err.fd = STDERR_FILENO;
    if (o->out && strcmp(o->out, "all") != 0) {
        const char *name = strcmp(o->out, "none") == 0 ? "/dev/null" : file_name(o->s.arena, o->out, s, 0, &on_node);
        if (has_node_letter(o->out)) {
            spec->out = name;
            io->out_elsewhere = io->err_elsewhere = true;
        } else if ((io->out.fd = open_file(name, spec->append, err)) < 0)
            return io->out.fd;
        if (!o->err)
            io->err.fd = -1;
    }
    if (o->err && strcmp(o->err, "all") != 0) {
        const char *name = strcmp(o->err, "none") == 0 ? "/dev/null" : file_name(o->s.arena, o->err, s, 0, &on_node);
        io->err_elsewhere = has_node_letter(o->err);
        if (io->err_elsewhere)
            spec->err = name;
        else if (io->out_elsewhere)
            return td_fail(err, TD_E_NOT_SUPPORTED, "--output with a file for each task needs --error with one too, or none");
        else if ((io->err.fd = open_file(name, spec->append, err)) < 0)
            return io->err.fd;
    }
    if (!o->in || strcmp(o->in, "all") == 0)
        return 0;
    if (is_number(o->in)) {
        spec->in_task = (uint32_t)atoi(o->in) + 1;
    } else if (strcmp(o->in, "none") == 0) {
        spec->in = "/dev/null";
        io->in_fd = -1;
        io->no_input = true;
    } else if (has_node_letter(o->in)) {
        spec->in = file_name(o->s.arena, o->in, s, 0, &on_node);
        io->in_fd = -1;
        io->no_input = true;
    } else {
        const char *name = file_name(o->s.arena, o->in, s, 0, &on_node);
        io->in_fd = open(name, O_RDONLY | O_CLOEXEC);
        if (io->in_fd < 0)
            return td_fail(err, TD_E_IO, "Could not open stdin file: %s: %s", name, strerror(errno));
    }
    return 0;
}

/* --- the loop ----------------------------------------------------------------------------------------------------------------------- */

struct running {
    struct srun *o;
    struct step_io io;
    struct session *s;
    bool own;                    /* the allocation is ours: it is kept alive */
    struct session_link link;
    struct td_step_create create;
    bool created, failed, said_waits;
    int64_t waits_said_at_ms;    /* 0 = it does not wait */
    uint64_t create_no, steps_no, job_no;
    struct td_error err;
    int64_t now_ms, ask_at_ms, over_since_ms, interrupt_ms, wait_until_ms, kill_at_ms;
    uint32_t interrupts;
    bool ended_it, pending_end;
    int signal_fd;
    uint32_t died_of;            /* a signal that ended us before the step was there */
};

static int64_t elapsed_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_BOOTTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void end_step(struct running *r)
{
    if (!r->ended_it)
        io_signal(&r->io, 0);
    struct td_step_signal m = {.job = r->io.job, .step = r->io.step};
    if (!r->ended_it && r->created && link_up(&r->link, r->now_ms))
        link_ask(&r->link, TD_MSG_STEP_SIGNAL, &m); /* for nodes that have not dialled us */
    r->ended_it = r->io.foretold = true;
}

static void tell_tasks(const struct running *r)
{
    struct td_buf bits = {0}, text = {0};
    for (int over = 0; over < 2; over++) {
        td_buf_reset(&bits);
        td_buf_reset(&text);
        td_buf_pad(&bits, '\0', r->io.ntasks / 8 + 1);
        uint32_t n = 0;
        for (uint32_t i = 0; i < r->io.ntasks; i++)
            if (r->io.tasks[i].over == (over == 1))
                td_bits_set(bits.data, i), n++;
        td_array_fold((struct td_bin){bits.data, (uint32_t)bits.len}, &text);
        if (n)
            say_note("StepId=%u.%u task%s %s: %s", r->io.job, r->io.step, n > 1 ? "s" : "", td_buf_str(&text), over ? "exited" : "running");
    }
    td_buf_release(&bits);
    td_buf_release(&text);
}

static void interrupted(struct running *r)
{
    bool again = r->interrupts && r->now_ms - r->interrupt_ms <= INTERRUPT_MS;
    r->interrupts = again ? r->interrupts + 1 : 1;
    r->interrupt_ms = r->now_ms;
    if (!r->created) {
        r->died_of = SIGINT;
        return;
    }
    if (!again && !r->ended_it) {
        say_note("interrupt (one more within 1 sec to abort)");
        tell_tasks(r);
        return;
    }
    if (!r->ended_it) {
        say_note("sending Ctrl-C to StepId=%u.%u", r->io.job, r->io.step);
        io_signal(&r->io, SIGINT);
        end_step(r);
        return;
    }
    io_signal(&r->io, SIGKILL);
}

static void on_signal(struct running *r, uint32_t sig)
{
    struct winsize size;
    switch (sig) {
    case SIGINT:
        interrupted(r);
        return;
    case SIGWINCH:
        if (r->o->pty && ioctl(STDIN_FILENO, TIOCGWINSZ, &size) == 0)
            io_size(&r->io, size.ws_row, size.ws_col);
        return;
    default:
        if (!r->created || (r->ended_it && sig == SIGTERM)) {
            r->died_of = sig;
            return;
        }
        say_note("forcing signal %u to StepId=%u.%u", sig, r->io.job, r->io.step);
        io_signal(&r->io, sig);
        if (sig == SIGTERM || sig == SIGHUP || sig == SIGQUIT)
            end_step(r);
        return;
    }
}

static void read_signals(struct running *r)
{
    struct signalfd_siginfo info;
    while (read(r->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
        on_signal(r, info.ssi_signo);
}

static int open_signals(void)
{
    static const int ours[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGALRM, SIGURG, SIGWINCH};
    sigset_t some;
    sigemptyset(&some);
    for (size_t i = 0; i < TD_ARRAY_LEN(ours); i++)
        sigaddset(&some, ours[i]);
    sigprocmask(SIG_BLOCK, &some, NULL);
    signal(SIGPIPE, SIG_IGN);
    return signalfd(-1, &some, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* Back to the handlers of those who wait for an allocation. */
static void close_signals(int fd)
{
    sigset_t none;
    close(fd);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static void on_created(struct running *r, const struct td_step_created *m)
{
    if (r->created)
        return; /* it was asked for twice */
    io_begin(&r->io, m);
    r->created = true;
    r->ask_at_ms = r->now_ms + ASK_FIRST_MS;
    if (r->said_waits)
        say_note("Step created for job %u", m->job);
    if (r->o->s.verbose)
        say_note("StepId=%u.%u: %u task%s on %u node%s", m->job, m->step, r->io.ntasks, r->io.ntasks == 1 ? "" : "s",
                 r->io.nnodes, r->io.nnodes == 1 ? "" : "s");
}

/* The step before it may be over for its srun and not yet for the broker: that is no wait to speak of. */
static void on_waits(struct running *r)
{
    if (!r->said_waits && !r->created && !r->waits_said_at_ms)
        r->waits_said_at_ms = r->now_ms + WAITS_SAID_MS;
}

static void say_waits(struct running *r)
{
    if (r->created || r->said_waits || !r->waits_said_at_ms || r->now_ms < r->waits_said_at_ms)
        return;
    say_note("Job %u step creation temporarily disabled, retrying (Requested nodes are busy)", r->create.job);
    r->said_waits = true;
}

/* What became of the step on nodes that say nothing themselves. */
static void on_ends(struct running *r, const struct td_step_end_list *ends)
{
    for (uint32_t i = 0; i < ends->n; i++) {
        const struct td_step_end *e = &ends->v[i];
        for (uint32_t k = 0; k < r->io.nnodes && e->step == r->io.step; k++) {
            struct io_node *n = &r->io.nodes[k];
            if (n->why || !td_str_equal(n->name, e->node))
                continue;
            n->why = td_arena_strdup(&r->io.arena, e->text);
            n->why_at_ms = r->now_ms;
        }
    }
}

static void on_answer(struct running *r, const struct td_frame *f)
{
    if (f->request == r->create_no && f->id == TD_MSG_STEP_CREATED) {
        on_created(r, f->body);
    } else if (f->request == r->create_no && f->id == TD_MSG_STEP_WAITS) {
        on_waits(r);
    } else if (f->request == r->create_no && f->id == TD_MSG_ERROR) {
        const struct td_error_reply *e = f->body;
        td_fail(&r->err, (int)e->code, "%s", td_str_empty(e->text) ? td_error_words((int)e->code) : e->text);
        r->failed = !r->created;
    } else if (f->request == r->steps_no && f->id == TD_MSG_STEPS) {
        const struct td_steps *m = f->body;
        bool there = m->more;
        for (uint32_t i = 0; i < m->rows.n; i++)
            there |= m->rows.v[i].step == r->io.step;
        if (!there && !r->over_since_ms)
            r->over_since_ms = r->now_ms;
        on_ends(r, &m->ends);
    } else if (f->request == r->steps_no && f->id == TD_MSG_ERROR && !r->over_since_ms) {
        r->over_since_ms = r->now_ms;
    }
}

static bool some_node_is_silent(const struct running *r)
{
    for (uint32_t i = 0; i < r->io.nnodes; i++)
        if ((!r->io.nodes[i].up || !r->io.nodes[i].heard) && !r->io.nodes[i].done)
            return true;
    return false;
}

/* The broker: the step is asked for, the allocation kept alive, the silent asked after. */
static void broker_turn(struct running *r)
{
    struct td_arena arena = {0};
    struct td_frame f;
    bool was_up = r->link.up;
    link_read(&r->link, r->now_ms);
    while (link_next(&r->link, &arena, &f, r->now_ms) > 0)
        on_answer(r, &f);
    td_arena_release(&arena);
    if (!link_up(&r->link, r->now_ms))
        return;
    if (!r->created && !r->failed && (!was_up || !r->create_no))
        r->create_no = link_ask(&r->link, TD_MSG_STEP_CREATE, &r->create);
    if (r->own && r->now_ms >= r->link.beat_at_ms) {
        r->link.beat_at_ms = r->now_ms + SESSION_BEAT_MS;
        link_ask(&r->link, TD_MSG_SESSION_HEARD, &(struct td_session_heard){.job = r->s->job});
    }
    if (r->created && some_node_is_silent(r) && r->now_ms >= r->ask_at_ms) {
        r->ask_at_ms = r->now_ms + ASK_AGAIN_MS;
        r->steps_no = link_ask(&r->link, TD_MSG_QUERY_STEPS, &(struct td_query_steps){.job = r->io.job});
    }
}

static void keep_times(struct running *r)
{
    say_waits(r);
    if (r->io.over && r->io.over < r->io.ntasks && r->o->wait_s && !r->wait_until_ms)
        r->wait_until_ms = r->now_ms + (int64_t)r->o->wait_s * 1000;
    if (r->wait_until_ms && r->now_ms >= r->wait_until_ms && !r->ended_it) {
        say_error("First task exited %us ago", r->o->wait_s);
        tell_tasks(r);
        say_note("Terminating StepId=%u.%u", r->io.job, r->io.step);
        end_step(r);
    }
    if (r->o->kill_on_bad_exit && r->io.bad_exit && !r->ended_it && r->io.over < r->io.ntasks) {
        say_note("Terminating StepId=%u.%u", r->io.job, r->io.step);
        end_step(r);
    }
    if (r->io.out.broken && !r->ended_it)
        end_step(r);
    if (r->over_since_ms && r->now_ms - r->over_since_ms >= LOST_MS && some_node_is_silent(r))
        io_lost(&r->io, "its node did not start it, or was lost");
    for (uint32_t i = 0; i < r->io.nnodes; i++) {
        struct io_node *n = &r->io.nodes[i];
        if (!n->done && !n->heard && n->why && r->now_ms >= n->why_at_ms + WORDS_MS)
            io_lost_node(&r->io, n, n->why);
    }
}

static int turn_timeout(const struct running *r)
{
    int64_t due = r->now_ms + 60000;
    if (r->own)
        due = TD_MIN(due, r->link.beat_at_ms);
    if (!r->link.up)
        due = TD_MIN(due, r->link.dial_at_ms);
    if (r->created && some_node_is_silent(r))
        due = TD_MIN(due, r->over_since_ms ? r->over_since_ms + LOST_MS : r->ask_at_ms);
    for (uint32_t i = 0; i < r->io.nnodes; i++)
        if (!r->io.nodes[i].done && !r->io.nodes[i].heard && r->io.nodes[i].why)
            due = TD_MIN(due, r->io.nodes[i].why_at_ms + WORDS_MS);
    if (r->waits_said_at_ms && !r->said_waits && !r->created)
        due = TD_MIN(due, r->waits_said_at_ms);
    if (r->wait_until_ms && !r->ended_it)
        due = TD_MIN(due, r->wait_until_ms);
    return (int)TD_MAX(0, due - r->now_ms);
}

static void run_step(struct running *r)
{
    r->now_ms = elapsed_ms();
    r->link.beat_at_ms = r->now_ms + SESSION_BEAT_MS;
    while (!r->failed && !r->died_of && !io_over(&r->io)) {
        broker_turn(r);
        io_turn(&r->io);
        keep_times(r);
        if (r->failed || r->died_of || io_over(&r->io))
            break;
        struct pollfd *p = td_alloc((IO_POLL_MAX(&r->io) + 2) * sizeof(*p));
        nfds_t n = io_poll(&r->io, p);
        p[n++] = (struct pollfd){.fd = r->signal_fd, .events = POLLIN};
        p[n++] = (struct pollfd){.fd = r->link.up ? r->link.stream.fd : -1,
                                 .events = (short)(POLLIN | (r->link.up && td_stream_wants_write(&r->link.stream) ? POLLOUT : 0))};
        poll(p, n, turn_timeout(r));
        td_free(p);
        r->now_ms = elapsed_ms();
        read_signals(r);
    }
}

/* --- the command ---------------------------------------------------------------------------------------------------------------------- */

static int step_environ(struct srun *o, const struct session *s, bool inside, struct td_buf *env, struct td_error *err)
{
    char cwd[TD_MAX_PATH_BYTES + 1];
    int r = session_cwd(cwd, sizeof(cwd), err);
    o->s.in_job = true;
    if (r == 0)
        r = environ_make(&o->s, environ, cwd, o->s.spec.submit_host ? o->s.spec.submit_host : "", env, err);
    if (r == 0 && !inside)
        session_environ(s, &o->s, env);
    return r;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash && slash[1] ? slash + 1 : path;
}

/* Returns the exit status, or <0 with words; *ret_given_back: the allocation goes with the step, without a word from us.
 * `io` listens already, and is taken over. */
static int do_step(struct srun *o, struct client *c, struct session *s, bool own, struct td_strs argv, int signal_fd,
                   const struct step_io *io, bool *ret_given_back, struct td_error *err)
{
    struct running r = {.o = o, .s = s, .own = own, .signal_fd = signal_fd, .io = *io};
    struct td_buf env = {0};
    char *cwd = td_arena_alloc(o->s.arena, TD_MAX_PATH_BYTES + 1);
    mode_t mask = umask(0);
    umask(mask);
    o->s.spec.umask = (uint32_t)mask & 0777;
    int res = fill_spec(o, s, !own, &r.create.spec, err);
    if (res == 0)
        res = direct_streams(o, s, &r.io, &r.create.spec, err);
    if (res == 0)
        res = step_environ(o, s, !own, &env, err);
    if (res == 0)
        res = session_cwd(cwd, TD_MAX_PATH_BYTES, err);
    if (res == 0) {
        r.create.job = s->job;
        r.create.immediate = o->patience_ms != 0;
        r.create.tell = true;
        r.create.env = (struct td_bin){env.data, (uint32_t)env.len};
        r.create.spec.name = td_str_empty(o->s.spec.name) || own ? base_name(argv.v[0]) : o->s.spec.name;
        r.create.spec.argv = argv;
        r.create.spec.cwd = o->chdir ? o->chdir : cwd;
        r.create.spec.io = r.io.addresses;
        r.create.spec.io_key = (struct td_bin){r.io.key, sizeof(r.io.key)};
        res = td_record_check(&td_rec_step_create, &r.create, err);
    }
    if (res == 0) {
        if (o->pty)
            tty_take();
        link_init(&r.link, &c->place);
        run_step(&r);
        tty_restore();
        link_release(&r.link);
        if (own && r.created && (r.io.cut || r.io.doubtful))
            session_say_why(s->job);
        res = r.failed ? -r.err.code : r.died_of ? (int)(128 + r.died_of) : (int)r.io.exit_code;
        if (r.failed)
            *err = r.err;
        *ret_given_back = r.create.spec.closes && r.created && !r.failed && !r.died_of && !r.io.doubtful;
    }
    io_release(&r.io);
    td_buf_release(&env);
    return res;
}

/* The first of two variables that is set, as a number up to `most`; 0: none. */
static uint32_t number_from(const char *name, const char *other, uint32_t most)
{
    const char *text = getenv(name);
    uint64_t n;
    if (!text)
        text = getenv(other);
    return text && td_parse_u64(text, &n) && n <= most ? (uint32_t)n : 0;
}

/* What srun is told by its allocation, as Slurm's is: -n, -N and -c unless they are given. Sizes of memory and devices of
 * the whole job are not a step's wish; who names nodes, or GPUs of the step, says himself how many nodes. */
static void inherit(struct srun *o)
{
    struct td_job_need *need = &o->s.need;
    bool has_ntasks = need->ntasks, names_nodes = !td_str_empty(need->req_nodes) || !td_str_empty(need->exc_nodes);
    if (!has_ntasks && !need->ntasks_per_node)
        need->ntasks = number_from("SLURM_NTASKS", "SLURM_NPROCS", INT32_MAX);
    if (!need->cpus_per_task)
        need->cpus_per_task = number_from("SRUN_CPUS_PER_TASK", "SLURM_CPUS_PER_TASK", TD_MAX_CPUS_PER_NODE);
    if (need->nodes_min || names_nodes || need->gres_job.n || o->jobid)
        return;
    need->nodes_min = need->nodes_max = number_from("SLURM_NNODES", "SLURM_JOB_NUM_NODES", TD_MAX_NODES);
    if (!need->ntasks || need->ntasks >= need->nodes_min)
        return;
    if (has_ntasks)
        say_warning("can't run %u processes on %u nodes, setting nnodes to %u", need->ntasks, need->nodes_min, need->ntasks);
    need->nodes_min = need->nodes_max = need->ntasks;
}

static volatile sig_atomic_t stopped;

static void on_stop(int sig)
{
    stopped = sig;
}

/* The step may be asked for before the nodes have taken the job: it starts with it. Who is out of patience at once wants to
 * hear of a step that waits, and so waits for the nodes first. */
static int own_allocation(struct srun *o, struct client *c, struct td_strs argv, bool again, struct session *s, struct td_error *err)
{
    const struct session_wish wish = {
        .name = base_name(argv.v[0]), .patience_ms = o->patience_ms, .stop = &stopped, .soon = !o->patience_ms};
    struct sigaction stop = {.sa_handler = on_stop};
    sigaction(SIGINT, &stop, NULL);
    sigaction(SIGTERM, &stop, NULL);
    sigaction(SIGHUP, &stop, NULL);
    o->s.need.exclusive |= o->exclusive;
    int r = again ? session_again(c, &wish, s, err) : session_open(c, &o->s, &wish, s, err);
    if (r < 0 && stopped)
        return td_fail(err, TD_E_TIMED_OUT, "Job has been cancelled");
    return r;
}

/* Runs the step in the allocation; one whose nodes would not have it is back in the queue, and waited for again. */
static int step_in(struct srun *o, struct client *c, struct session *s, bool own, struct td_strs argv, struct step_io *io,
                   bool *ret_given_back, struct td_error *err)
{
    for (;;) {
        int signal_fd = open_signals();
        if (stopped)
            io_release(io);
        int r = stopped ? 128 + stopped : do_step(o, c, s, own, argv, signal_fd, io, ret_given_back, err);
        if (r != -TD_E_INVALID_STATE || !own)
            return r;
        close_signals(signal_fd);
        *io = (struct step_io){.label = o->label, .pty = o->pty, .listen_fd = -1, .err.fd = -1};
        *err = (struct td_error){0};
        r = own_allocation(o, c, argv, true, s, err);
        *ret_given_back = r < 0;
        if (r == 0)
            r = io_listen(io, err);
        if (r < 0)
            return r;
    }
}

static int with_allocation(struct srun *o, struct td_strs argv, struct td_error *err)
{
    struct client c = {0};
    struct session s = {0};
    struct td_buf tmp = {0};
    const char *inside = getenv("SLURM_JOB_ID");
    uint64_t id = o->jobid;
    bool own = !o->jobid && td_str_empty(inside);
    struct step_io io = {.label = o->label, .pty = o->pty, .listen_fd = -1, .err.fd = -1};
    int r = client_open(&c, err);
    if (r == 0)
        r = io_listen(&io, err); /* before the allocation, which then stands idle for less */
    if (r == 0 && !own && !o->jobid && (!td_parse_u64(inside, &id) || id == 0 || id >= UINT32_MAX))
        r = td_fail(err, TD_E_INVALID_JOB, "SLURM_JOB_ID=%s is not the number of a job", inside);
    if (r == 0)
        r = own ? own_allocation(o, &c, argv, false, &s, err) : session_find(&c, (uint32_t)id, &s, err);
    if (r < 0 && own)
        say_failure("Unable to allocate resources", err);
    else if (r < 0)
        say_error("Unable to confirm allocation for job %u: %s", (uint32_t)id, say_words(err, &tmp));
    if (r < 0 && !own && err->code == TD_E_INVALID_JOB && !o->jobid)
        say_note("Check SLURM_JOB_ID environment variable. Expired or invalid job %u", (uint32_t)id);
    if (r < 0) {
        io_release(&io);
        r = -1;
    } else {
        bool given_back = false;
        r = step_in(o, &c, &s, own, argv, &io, &given_back, err);
        if (r < 0)
            say_error("Unable to create step for job %u: %s", s.job, say_words(err, &tmp));
        if (own && !given_back)
            session_close(&c, &s);
    }
    session_release(&s);
    client_close(&c);
    td_buf_release(&tmp);
    return r;
}

static int run(int argc, char **argv)
{
    struct td_arena arena = {0};
    struct srun o = {.s = {.arena = &arena}};
    struct td_error err = {0};
    struct option_parse p = {.cmd = &srun_command, .target = &o, .arena = &arena, .posix = true};
    bool inside = !td_str_empty(getenv("SLURM_JOB_ID"));
    int r = option_parse_env_from(&p, inside ? srun_own_rows() : srun_options, &err);
    if (getenv("SRUN_EXPORT_ENV"))
        o.s.export = getenv("SRUN_EXPORT_ENV");
    o.s.mem_by = NULL;

    if (r == 0)
        r = option_parse(&p, argc, argv, &err);
    say_quiet = o.s.quiet;
    if (r == 0)
        inherit(&o);
    if (r == 0 && p.words.n == 0)
        r = td_fail(&err, TD_E_USAGE, "No command given to execute.");
    if (r == 0 && o.pty && (o.label || o.out || o.err || o.in))
        r = td_fail(&err, TD_E_INVALID_REQUEST, "--pty is incompatible with --label, --input, --output and --error");
    if (r == 0 && p.words.n > TD_MAX_ARGS)
        r = td_fail(&err, TD_E_TOO_BIG, "more than %d arguments", TD_MAX_ARGS);
    if (r < 0) {
        say_error("%s", err.text);
        if (err.code == TD_E_USAGE)
            say_plain("Try \"srun --help\" for more information");
    } else {
        r = with_allocation(&o, (struct td_strs){p.words.v, p.words.n}, &err);
    }
    option_parse_release(&p);
    td_arena_release(&arena);
    if (r >= 0)
        return r;
    const char *exit_error = getenv("SLURM_EXIT_ERROR");
    uint64_t code;
    if (exit_error && td_parse_u64(exit_error, &code) && code < 256)
        return (int)code;
    return 1;
}

const struct command srun_command = {
    .name = "srun",
    .synopsis = "[OPTIONS] PROGRAM [ARGUMENTS...]",
    .summary = "run tasks in parallel, with their input and output here",
    .about = "srun runs a program as several tasks on the nodes of an allocation: of the one it stands in, or of one that\n"
             "it asks for and gives back. What the tasks write comes here as they write it; what is typed here goes to all\n"
             "of them, or with --pty to the first one's terminal. The exit status is that of the task that fared worst.\n"
             "\n"
             "SLURM_NTASKS, SLURM_NNODES (or SLURM_JOB_NUM_NODES) and SRUN_CPUS_PER_TASK (or SLURM_CPUS_PER_TASK), which an\n"
             "allocation has, stand for -n, -N and -c where those are not given. A step of fewer tasks than nodes takes as many\n"
             "nodes as tasks, and says so. In an allocation the variables of srun's own options count, those of the allocation's\n"
             "size, as SLURM_MEM_PER_NODE, do not.",
    .options = srun_options,
    .usage_exit = 1,
    .run = run,
};
