/* io.c - the bytes of tasks, between their pipes and the relay
 *
 * Output is read while there is room, kept until the relay says it is out of danger (SH_TAKEN), and sent again from there
 * to a relay that comes anew. Nothing more than the relay's credit is on its way. A reader who stops fills the buffers of
 * his own step, whose pipes are then left alone: its tasks wait in write(2) and nobody else is concerned.
 *
 * Input is one stream for all tasks of the step on this node (rank TD_NO_TASK); what the slowest of them has read is
 * taken. A task that has closed its standard input has read everything. */
#include "worker/shepherd/step.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <termios.h>
#include <unistd.h>

#include "worker/log.h"

#define CHUNK_BYTES 65536u
#define RELAY_OUT_BYTES (1024u * 1024) /* queued to a relay that does not read */
#define EVENTS_PER_TURN 64

int io_open(struct shepherd *sh, struct td_error *err)
{
    sh->io_fd = epoll_create1(EPOLL_CLOEXEC);
    return sh->io_fd < 0 ? td_fail(err, TD_E_IO, "epoll: %s", strerror(errno)) : 0;
}

static void watch_set(struct shepherd *sh, struct watch *w, int fd, uint32_t events)
{
    struct epoll_event e = {.events = events, .data.ptr = w};
    if (fd < 0 || w->events == events)
        return;
    int op = !events ? EPOLL_CTL_DEL : w->events ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
    if (epoll_ctl(sh->io_fd, op, fd, &e) < 0)
        td_log("error", "job=%u.%u step=%u: epoll: %s", w->step->job, w->step->attempt, w->step->no, strerror(errno));
    w->events = events;
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* --- pipes -------------------------------------------------------------------------------------------------------------- */

static int pipe_make(int *ours, int *theirs, bool we_read, struct td_error *err)
{
    int p[2];
    if (pipe2(p, O_CLOEXEC) < 0)
        return td_fail(err, TD_E_IO, "cannot make a pipe: %s", strerror(errno));
    *ours = p[we_read ? 0 : 1];
    *theirs = p[we_read ? 1 : 0];
    fcntl(*ours, F_SETFL, O_NONBLOCK);
    return 0;
}

static int pty_make(struct step *st, struct task *t, struct td_error *err)
{
    struct winsize size = {.ws_row = (unsigned short)st->msg.launch.spec.rows, .ws_col = (unsigned short)st->msg.launch.spec.columns};
    int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
    char name[64];
    if (master < 0 || grantpt(master) < 0 || unlockpt(master) < 0 || ptsname_r(master, name, sizeof(name)) != 0) {
        int failed = errno;
        close_fd(&master);
        return td_fail(err, TD_E_IO, "cannot make a terminal: %s", strerror(failed));
    }
    int slave = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (slave < 0) {
        int failed = errno;
        close(master);
        return td_fail(err, TD_E_IO, "cannot open the terminal %s: %s", name, strerror(failed));
    }
    if (size.ws_row && size.ws_col)
        ioctl(master, TIOCSWINSZ, &size);
    st->pty = master;
    for (int i = 0; i < 3; i++)
        t->child_fds[i] = i ? fcntl(slave, F_DUPFD_CLOEXEC, 3) : slave;
    t->out[0].used = true;
    return 0;
}

int io_prepare(struct step *st, struct task *t, struct td_error *err)
{
    const struct td_sh_task *row = t->row;
    int r = 0;
    if (row->pty)
        return pty_make(st, t, err);
    if (!row->no_input && td_str_empty(row->in))
        r = pipe_make(&t->in_fd, &t->child_fds[0], false, err);
    for (uint32_t k = 0; k < 2 && r == 0; k++) {
        if (!td_str_empty(k ? row->err : row->out))
            continue;
        if (k == 1 && !td_str_empty(row->out))
            continue; /* an error stream without a file of its own goes with the output's */
        t->out[k].used = true;
        r = pipe_make(&t->out[k].fd, &t->child_fds[k + 1], true, err);
    }
    return r;
}

static void set_out_watch(struct shepherd *sh, struct step *st, struct task *t, uint32_t k)
{
    struct outflow *o = &t->out[k];
    bool room = o->bytes.len < STEP_OUT_BYTES;
    if (t->row->pty) {
        bool write = st->in_base + st->in.len > t->in_at && !st->pty_eof;
        uint32_t events = (room && !o->eof ? EPOLLIN : 0u) | (write ? EPOLLOUT : 0u);
        watch_set(sh, &st->pty_watch, st->pty, events);
        return;
    }
    watch_set(sh, &o->watch, o->fd, room ? EPOLLIN : 0);
}

static void in_settle(struct shepherd *sh, struct step *st);

void io_started(struct shepherd *sh, struct step *st, struct task *t)
{
    for (int i = 0; i < 3; i++)
        close_fd(&t->child_fds[i]);
    if (t->row->pty)
        st->pty_watch = (struct watch){.kind = WATCH_PTY, .step = st, .task = t};
    for (uint32_t k = 0; k < 2; k++) {
        t->out[k].watch = (struct watch){.kind = WATCH_OUT, .step = st, .task = t, .stream = k};
        if (t->out[k].used)
            set_out_watch(sh, st, t, k);
    }
    t->in_watch = (struct watch){.kind = WATCH_IN, .step = st, .task = t};
    in_settle(sh, st); /* input may have come before there was anybody to read it */
}

static void relay_close(struct shepherd *sh, struct step *st)
{
    if (!st->has_relay)
        return;
    watch_set(sh, &st->relay_watch, st->relay.fd, 0);
    td_stream_release(&st->relay);
    st->has_relay = false;
    st->alone_since_ms = sh->now_ms;
    st->relay_look_ms = sh->now_ms + RELAY_LOOK_MS;
    sh->next_due_ms = 0;
}

bool io_relay_dead(const struct shepherd *sh, const struct step *st)
{
    struct pollfd p = {.fd = st->relay_pidfd, .events = POLLIN};
    if (st->relay_pidfd >= 0)
        return poll(&p, 1, 0) == 1;
    return sh->now_ms >= st->alone_since_ms + RELAY_FIRST_MS;
}

void io_close(struct shepherd *sh, struct step *st)
{
    if (st->pty >= 0)
        watch_set(sh, &st->pty_watch, st->pty, 0);
    close_fd(&st->pty);
    for (uint32_t i = 0; i < st->ntasks; i++) {
        struct task *t = &st->tasks[i];
        for (uint32_t k = 0; k < 2; k++) {
            watch_set(sh, &t->out[k].watch, t->out[k].fd, 0);
            close_fd(&t->out[k].fd);
            td_buf_release(&t->out[k].bytes);
        }
        watch_set(sh, &t->in_watch, t->in_fd, 0);
        close_fd(&t->in_fd);
        for (int k = 0; k < 3; k++)
            close_fd(&t->child_fds[k]);
    }
    td_buf_release(&st->in);
    relay_close(sh, st);
    close_fd(&st->relay_pidfd);
}

/* --- output ------------------------------------------------------------------------------------------------------------- */

static void drop_front(struct td_buf *b, size_t n)
{
    if (n == 0)
        return;
    memmove(b->data, b->data + n, b->len - n);
    b->len -= n;
    if (b->len == 0)
        td_buf_release(b);
}

static void out_over(struct shepherd *sh, struct step *st, struct task *t, uint32_t k)
{
    struct outflow *o = &t->out[k];
    o->eof = true;
    if (t->row->pty) {
        watch_set(sh, &st->pty_watch, st->pty, 0);
        st->pty_eof = true;
        t->in_at = UINT64_MAX;
        return;
    }
    watch_set(sh, &o->watch, o->fd, 0);
    close_fd(&o->fd);
}

static void out_read(struct shepherd *sh, struct step *st, struct task *t, uint32_t k)
{
    static uint8_t chunk[CHUNK_BYTES];
    struct outflow *o = &t->out[k];
    if (o->eof)
        return;
    size_t room = o->bytes.len < STEP_OUT_BYTES ? STEP_OUT_BYTES - o->bytes.len : 0;
    int fd = t->row->pty ? st->pty : o->fd;
    if (room > 0) {
        ssize_t n = read(fd, chunk, TD_MIN(room, sizeof(chunk)));
        if (n > 0)
            td_buf_put(&o->bytes, chunk, (size_t)n);
        else if (n == 0 || (errno != EAGAIN && errno != EINTR)) /* EIO: nobody has the terminal open any more */
            out_over(sh, st, t, k);
    }
    if (!o->eof)
        set_out_watch(sh, st, t, k);
}

static uint64_t in_flight(const struct step *st)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < st->ntasks; i++)
        for (uint32_t k = 0; k < 2; k++)
            sum += st->tasks[i].out[k].sent - st->tasks[i].out[k].base;
    return sum;
}

static bool relay_takes(const struct step *st)
{
    return st->has_relay && !st->relay.closed && st->relay.out.len - st->relay.out_sent < RELAY_OUT_BYTES;
}

static void put(struct step *st, uint32_t id, const void *body)
{
    if (st->has_relay && td_stream_put(&st->relay, id, 0, body) < 0)
        st->relay.closed = true;
}

/* Before the ends of its tasks, so that its client knows why they come. */
void io_say_cut(struct shepherd *sh, struct step *st)
{
    const struct attempt *a = ledger_find(&sh->ledger, st->job, st->attempt);
    struct td_sh_ending m = {
        .timed_out = st->timed_out || (a && a->timed_out), .at_ms = st->cut_at_ms, .kill_wait_s = st->kill_wait_s};
    if (st->cut_at_ms)
        put(st, TD_MSG_SH_ENDING, &m);
}

/* One frame of a stream; returns whether there was something to say. */
static bool out_send(struct step *st, struct task *t, uint32_t k, uint64_t *credit)
{
    struct outflow *o = &t->out[k];
    uint64_t end = o->base + o->bytes.len;
    struct td_sh_data m = {.rank = t->row->rank, .stream = k + 1, .at = o->sent};
    if (!o->used || o->eof_sent)
        return false;
    if (o->sent < end && *credit > 0) {
        m.bytes.v = o->bytes.data + (o->sent - o->base);
        m.bytes.n = (uint32_t)TD_MIN(TD_MIN(end - o->sent, *credit), CHUNK_BYTES);
        o->sent += m.bytes.n;
        *credit -= m.bytes.n;
        m.eof = o->eof && o->sent == end;
        o->eof_sent = m.eof;
        put(st, TD_MSG_SH_DATA, &m);
        return true;
    }
    if (o->sent < end || !o->eof)
        return false;
    m.eof = o->eof_sent = true;
    put(st, TD_MSG_SH_DATA, &m);
    return true;
}

static void say_exits(struct step *st)
{
    for (uint32_t i = 0; i < st->ntasks && relay_takes(st); i++) {
        struct task *t = &st->tasks[i];
        if (!t->over || t->exit_sent)
            continue;
        bool last = st->over == st->ntasks;
        for (uint32_t j = 0; j < st->ntasks && last; j++)
            last = j == i || st->tasks[j].exit_sent;
        struct td_sh_task_exit m = {
            .rank = t->row->rank, .exit_code = t->exit_code, .signal = t->signal, .text = t->text, .last = last};
        t->exit_sent = true;
        put(st, TD_MSG_SH_TASK_EXIT, &m);
    }
}

void io_pump(struct shepherd *sh, struct step *st)
{
    if (!st->has_relay)
        return;
    uint64_t flying = in_flight(st), credit = st->credit > flying ? st->credit - flying : 0;
    bool more = true;
    while (more && relay_takes(st)) {
        more = false;
        for (uint32_t i = 0; i < st->ntasks && relay_takes(st); i++)
            for (uint32_t k = 0; k < 2; k++)
                more |= out_send(st, &st->tasks[i], k, &credit);
    }
    say_exits(st);
    td_stream_flush(&st->relay);
    if (st->relay.closed) {
        relay_close(sh, st);
        return;
    }
    watch_set(sh, &st->relay_watch, st->relay.fd, td_stream_wants_write(&st->relay) ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

/* --- input -------------------------------------------------------------------------------------------------------------- */

/* Who reads nothing any more has read everything. */
static void in_over(struct shepherd *sh, struct task *t)
{
    watch_set(sh, &t->in_watch, t->in_fd, 0);
    close_fd(&t->in_fd);
    t->in_at = UINT64_MAX;
}

static void in_write_pty(struct shepherd *sh, struct step *st, struct task *t)
{
    uint64_t end = st->in_base + st->in.len;
    while (!st->pty_eof && t->in_at < end) {
        ssize_t n = write(st->pty, st->in.data + (t->in_at - st->in_base), (size_t)(end - t->in_at));
        if (n > 0) {
            t->in_at += (uint64_t)n;
            continue;
        }
        if (errno != EAGAIN && errno != EINTR)
            t->in_at = end;
        if (errno != EINTR)
            break;
    }
    set_out_watch(sh, st, t, 0);
}

static void in_write(struct shepherd *sh, struct step *st, struct task *t)
{
    uint64_t end = st->in_base + st->in.len;
    if (t->row->pty) {
        in_write_pty(sh, st, t);
        return;
    }
    while (t->in_fd >= 0 && t->in_at < end) {
        ssize_t n = write(t->in_fd, st->in.data + (t->in_at - st->in_base), (size_t)(end - t->in_at));
        if (n > 0)
            t->in_at += (uint64_t)n;
        else if (errno == EAGAIN)
            break;
        else if (errno != EINTR)
            in_over(sh, t);
    }
    if (t->in_fd >= 0 && t->in_at == end && st->in_eof)
        in_over(sh, t);
    if (t->in_fd >= 0)
        watch_set(sh, &t->in_watch, t->in_fd, t->in_at < end ? EPOLLOUT : 0);
}

static void in_settle(struct shepherd *sh, struct step *st)
{
    uint64_t end = st->in_base + st->in.len, least = UINT64_MAX;
    for (uint32_t i = 0; i < st->ntasks; i++) {
        struct task *t = &st->tasks[i];
        bool reads = t->row->pty ? st->pty >= 0 : t->in_fd >= 0;
        if (reads && t->pid)
            in_write(sh, st, t);
        reads = t->row->pty ? st->pty >= 0 && !t->over : t->in_fd >= 0;
        if (!t->over && (reads || (!t->pid && !t->row->no_input && td_str_empty(t->row->in))))
            least = TD_MIN(least, t->in_at);
    }
    uint64_t upto = TD_MIN(least, end);
    if (upto <= st->in_base)
        return;
    drop_front(&st->in, (size_t)(upto - st->in_base));
    st->in_base = upto;
    struct td_sh_taken m = {.rank = TD_NO_TASK, .stream = 0, .upto = upto};
    put(st, TD_MSG_SH_TAKEN, &m);
}

/* False: it says what cannot be. */
static bool in_take(struct shepherd *sh, struct step *st, const struct td_sh_data *m)
{
    uint64_t end = st->in_base + st->in.len;
    uint64_t skip = m->at < end ? end - m->at : 0;
    if (m->stream != 0 || m->rank != TD_NO_TASK || m->at > end)
        return false;
    if (skip < m->bytes.n) {
        if (st->in.len + m->bytes.n - skip > STEP_IN_BYTES || st->in_eof)
            return false;
        td_buf_put(&st->in, m->bytes.v + skip, (size_t)(m->bytes.n - skip));
    }
    if (m->eof && !st->in_eof && st->pty >= 0)
        td_buf_putc(&st->in, 4); /* what a person types at the end */
    st->in_eof |= m->eof;
    in_settle(sh, st);
    return true;
}

/* --- the relay ------------------------------------------------------------------------------------------------------------ */

static struct task *task_of(struct step *st, uint32_t rank)
{
    for (uint32_t i = 0; i < st->ntasks; i++)
        if (st->tasks[i].row->rank == rank)
            return &st->tasks[i];
    return NULL;
}

static bool out_taken(struct shepherd *sh, struct step *st, const struct td_sh_taken *m)
{
    struct task *t = task_of(st, m->rank);
    if (!t || m->stream < 1 || m->stream > 2)
        return false;
    struct outflow *o = &t->out[m->stream - 1];
    if (m->upto > o->sent)
        return false;
    if (m->upto <= o->base)
        return true;
    drop_front(&o->bytes, (size_t)(m->upto - o->base));
    o->base = m->upto;
    if (!o->eof && (t->pid || t->over))
        set_out_watch(sh, st, t, m->stream - 1);
    return true;
}

static void set_size(struct step *st, const struct td_sh_size *m)
{
    struct winsize size = {.ws_row = (unsigned short)m->rows, .ws_col = (unsigned short)m->columns};
    if (st->pty >= 0)
        ioctl(st->pty, TIOCSWINSZ, &size); /* the kernel tells the terminal's foreground with SIGWINCH */
}

static bool relay_take(struct shepherd *sh, struct step *st, const struct td_frame *f)
{
    switch (f->id) {
    case TD_MSG_SH_DATA:
        return in_take(sh, st, f->body);
    case TD_MSG_SH_TAKEN:
        return out_taken(sh, st, f->body);
    case TD_MSG_SH_SIZE:
        set_size(st, f->body);
        return true;
    case TD_MSG_SH_SIGNAL:
        step_signal(sh, st, ((const struct td_sh_signal *)f->body)->signal);
        return true;
    case TD_MSG_SH_DETACH:
        st->relay.closed = st->detached = true;
        st->credit = 0;
        st->alone_since_ms = sh->now_ms - STEP_ALONE_MS; /* nobody will come for the rest */
        return true;
    default:
        return false;
    }
}

static void relay_read(struct shepherd *sh, struct step *st, bool read)
{
    const uint8_t *data;
    size_t len;
    struct td_error err = {0};
    struct td_arena arena = {0};
    int r = read ? td_stream_read(&st->relay, &err) : 0;
    bool gone = r < 0;
    r = 0;
    while (!st->relay.closed && (r = td_stream_next(&st->relay, &data, &len, &err)) > 0) {
        struct td_frame f;
        r = td_wire_get_frame(&arena, data, len, &f, &err);
        if (r == 0 && !relay_take(sh, st, &f))
            r = td_fail(&err, TD_E_BAD_FRAME, "%s with what cannot be", td_msg_name(f.id));
        td_arena_reset(&arena);
        if (r < 0)
            break;
    }
    td_arena_release(&arena);
    if (r < 0)
        td_log("warn", "job=%u.%u step=%u: its relay is turned away: %s", st->job, st->attempt, st->no, err.text);
    if (r < 0 || gone)
        st->relay.closed = true;
    if (st->relay.closed) {
        bool detached = st->credit == 0;
        relay_close(sh, st);
        if (detached)
            st->alone_since_ms = sh->now_ms - STEP_ALONE_MS;
        return;
    }
    io_pump(sh, st);
}

void io_attach(struct shepherd *sh, struct td_stream *from, const struct td_sh_attach *m)
{
    struct step *st = step_find(sh, m->job, m->attempt, m->step);
    if (!st || m->credit == 0) {
        from->closed = true; /* not here yet, or not any more: it tries again for a while */
        return;
    }
    uid_t uid;
    gid_t gid;
    pid_t pid;
    relay_close(sh, st);
    close_fd(&st->relay_pidfd);
    if (td_local_peer(from->fd, &uid, &gid, &pid) == 0)
        st->relay_pidfd = (int)syscall(SYS_pidfd_open, pid, 0); /* an old kernel has none: then time tells */
    st->relay = *from;
    td_stream_init(from, -1, 0); /* moved */
    st->relay.out_max = RELAY_OUT_BYTES + CHUNK_BYTES;
    st->has_relay = true;
    st->credit = m->credit;
    st->relay_watch = (struct watch){.kind = WATCH_RELAY, .step = st};
    for (uint32_t i = 0; i < st->ntasks; i++) {
        struct task *t = &st->tasks[i];
        t->exit_sent = false;
        for (uint32_t k = 0; k < 2; k++) {
            t->out[k].sent = t->out[k].base;
            t->out[k].eof_sent = false;
        }
    }
    /* where input goes on: what comes twice is passed over */
    struct td_sh_taken taken = {.rank = TD_NO_TASK, .stream = 0, .upto = st->in_base};
    put(st, TD_MSG_SH_TAKEN, &taken);
    io_say_cut(sh, st);
    relay_read(sh, st, false);
}

void io_turn(struct shepherd *sh)
{
    struct epoll_event events[EVENTS_PER_TURN];
    int n = epoll_wait(sh->io_fd, events, EVENTS_PER_TURN, 0);
    for (int i = 0; i < n; i++) {
        struct watch *w = events[i].data.ptr;
        struct step *st = w->step;
        switch (w->kind) {
        case WATCH_OUT:
            out_read(sh, st, w->task, w->stream);
            break;
        case WATCH_IN:
            in_settle(sh, st);
            break;
        case WATCH_PTY:
            if (events[i].events & EPOLLOUT)
                in_settle(sh, st);
            if (events[i].events & ~(uint32_t)EPOLLOUT)
                out_read(sh, st, w->task, 0);
            break;
        case WATCH_RELAY:
            if (st->has_relay)
                relay_read(sh, st, true);
            break;
        }
    }
    for (struct step *st = n > 0 ? sh->steps : NULL; st; st = st->next)
        io_pump(sh, st);
}
