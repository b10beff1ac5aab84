/* step_io.c - see step_io.h
 *
 * A byte is taken (SH_TAKEN) when it has been written: until then it counts against its node's credit, so that a reader who
 * stops stops the tasks of his own step. Writes are of at most PIPE_BUF after poll said that there is room: standard
 * output may be a terminal that others share, which must not become non-blocking. */
#include "step_io.h"

#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <limits.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "say.h"

#define ADDRESSES_MAX 16u /* as spec.io's row says */
#define KILL_SLACK_S 2u   /* on top of KillWait, as srun's users know the words */

/* --- where we listen -------------------------------------------------------------------------------------------------------- */

static int listen_on(int family)
{
    struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_ANY_INIT};
    struct sockaddr_in four = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_ANY)};
    int zero = 0, fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    if (family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero));
    int r = family == AF_INET6 ? bind(fd, (struct sockaddr *)&six, sizeof(six)) : bind(fd, (struct sockaddr *)&four, sizeof(four));
    if (r == 0 && listen(fd, 1024) == 0)
        return fd;
    close(fd);
    return -1;
}

/* This host's own name for itself first: most clusters of one machine need no more. */
static struct td_strs addresses(struct step_io *io)
{
    struct sockaddr_storage own;
    socklen_t len = sizeof(own);
    struct ifaddrs *list = NULL;
    const char **v = td_arena_alloc(&io->arena, ADDRESSES_MAX * sizeof(*v));
    uint32_t n = 0;
    char host[INET6_ADDRSTRLEN + 32], text[INET6_ADDRSTRLEN + 48];
    if (getsockname(io->listen_fd, (struct sockaddr *)&own, &len) < 0)
        return (struct td_strs){0};
    unsigned port = ntohs(own.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)(void *)&own)->sin6_port
                                                    : ((struct sockaddr_in *)(void *)&own)->sin_port);
    td_format(text, sizeof(text), "127.0.0.1:%u", port);
    v[n++] = td_arena_strdup(&io->arena, text);
    if (getifaddrs(&list) < 0)
        return (struct td_strs){v, n};
    for (const struct ifaddrs *i = list; i && n < ADDRESSES_MAX; i = i->ifa_next) {
        if (!i->ifa_addr || (i->ifa_flags & IFF_LOOPBACK) || !(i->ifa_flags & IFF_UP))
            continue;
        bool six = i->ifa_addr->sa_family == AF_INET6;
        if (six && (own.ss_family != AF_INET6 || IN6_IS_ADDR_LINKLOCAL(&((struct sockaddr_in6 *)(void *)i->ifa_addr)->sin6_addr)))
            continue;
        if (!six && i->ifa_addr->sa_family != AF_INET)
            continue;
        if (getnameinfo(i->ifa_addr, six ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in), host, sizeof(host), NULL, 0,
                        NI_NUMERICHOST) != 0)
            continue;
        td_format(text, sizeof(text), six ? "[%s]:%u" : "%s:%u", host, port);
        v[n++] = td_arena_strdup(&io->arena, text);
    }
    freeifaddrs(list);
    return (struct td_strs){v, n};
}

int io_listen(struct step_io *io, struct td_error *err)
{
    if (getrandom(io->key, sizeof(io->key), 0) != (ssize_t)sizeof(io->key))
        return td_fail(err, TD_E_IO, "the kernel gives no random numbers");
    io->listen_fd = listen_on(AF_INET6);
    if (io->listen_fd < 0)
        io->listen_fd = listen_on(AF_INET);
    if (io->listen_fd < 0)
        return td_fail(err, TD_E_IO, "cannot listen for the tasks' output: %s", strerror(errno));
    io->addresses = addresses(io);
    return 0;
}

void io_begin(struct step_io *io, const struct td_step_created *m)
{
    struct td_step_created *kept = td_arena_alloc(&io->arena, sizeof(*kept));
    struct stat st;
    td_record_copy(&io->arena, &td_rec_step_created, m, kept);
    io->job = kept->job;
    io->step = kept->step;
    io->nnodes = kept->places.n;
    io->nodes = td_arena_alloc(&io->arena, (io->nnodes + 1) * sizeof(*io->nodes));
    for (uint32_t i = 0; i < io->nnodes; i++) {
        io->nodes[i].name = kept->places.v[i].node;
        io->nodes[i].ranks = kept->places.v[i].ranks;
        io->nodes[i].s.fd = -1;
        io->nodes[i].done = io->nodes[i].ranks.n == 0;
        for (uint32_t k = 0; k < io->nodes[i].ranks.n; k++)
            io->ntasks = TD_MAX(io->ntasks, io->nodes[i].ranks.v[k] + 1);
    }
    io->tasks = td_arena_alloc(&io->arena, (io->ntasks + 1) * sizeof(*io->tasks));
    for (uint32_t i = 0; i < io->nnodes; i++)
        for (uint32_t k = 0; k < io->nodes[i].ranks.n; k++) {
            struct io_task *t = &io->tasks[io->nodes[i].ranks.v[k]];
            t->node = i;
            t->flow[0].eof = io->out_elsewhere || (io->pty && io->nodes[i].ranks.v[k] != 0); /* as worker/step.c lays it out */
            t->flow[1].eof = io->pty || io->err_elsewhere;
        }
    io->out.regular = fstat(io->out.fd, &st) == 0 && S_ISREG(st.st_mode);
    io->err.regular = io->err.fd >= 0 && fstat(io->err.fd, &st) == 0 && S_ISREG(st.st_mode);
}

/* --- writing ------------------------------------------------------------------------------------------------------------------- */

static void taken(struct step_io *io, uint32_t rank, uint32_t stream, uint64_t upto)
{
    struct io_node *n = &io->nodes[io->tasks[rank].node];
    struct td_sh_taken m = {.rank = rank, .stream = stream, .upto = upto};
    if (n->up)
        td_sealed_put(&n->s, TD_MSG_SH_TAKEN, &m);
}

static void segments_written(struct step_io *io, struct io_target *t)
{
    while (t->segments_done < t->segments.n && t->segments.v[t->segments_done].base <= t->base) {
        const struct io_segment *s = &t->segments.v[t->segments_done++];
        taken(io, s->rank, s->stream, s->upto);
    }
    if (t->segments_done == t->segments.n)
        t->segments.n = t->segments_done = 0;
}

static void target_write(struct step_io *io, struct io_target *t, bool ready)
{
    while (t->written < t->queue.len && !t->broken) {
        size_t n = TD_MIN(t->queue.len - t->written, t->regular ? 1u << 20 : (size_t)PIPE_BUF);
        struct pollfd p = {.fd = t->fd, .events = POLLOUT};
        if (!t->regular && !ready && (poll(&p, 1, 0) != 1 || !(p.revents & (POLLOUT | POLLERR | POLLHUP))))
            break;
        ready = false;
        ssize_t w = write(t->fd, t->queue.data + t->written, n);
        if (w < 0 && (errno == EINTR || errno == EAGAIN))
            break;
        if (w < 0) {
            if (errno != EPIPE)
                say_error("cannot write output: %s", strerror(errno));
            t->broken = true;
            break;
        }
        t->written += (size_t)w;
        t->base += (uint64_t)w;
    }
    if (t->broken) { /* nobody reads it: as if it had been written */
        t->base += t->queue.len - t->written;
        t->written = t->queue.len;
    }
    segments_written(io, t);
    if (t->written == t->queue.len) {
        td_buf_reset(&t->queue);
        t->written = 0;
    } else if (t->written > t->queue.len / 2 && t->written > 65536) {
        memmove(t->queue.data, t->queue.data + t->written, t->queue.len - t->written);
        t->queue.len -= t->written;
        t->written = 0;
    }
}

static unsigned digits(uint32_t n)
{
    unsigned d = 1;
    while (n >= 10)
        n /= 10, d++;
    return d;
}

static void put_line(struct step_io *io, struct io_target *t, uint32_t rank, const uint8_t *p, size_t n, bool whole)
{
    unsigned have = digits(rank), want = digits(io->ntasks ? io->ntasks - 1 : 0);
    td_buf_pad(&t->queue, ' ', want - TD_MIN(have, want));
    td_buf_putf(&t->queue, "%u: ", rank);
    td_buf_put(&t->queue, p, n);
    if (!whole)
        td_buf_putc(&t->queue, '\n');
}

/* Lines, each behind the number of its task; what is not over yet is held, within a bound. */
static void put_labelled(struct step_io *io, struct io_target *t, uint32_t rank, struct io_flow *f, const uint8_t *p, size_t n, bool eof)
{
    while (n > 0) {
        const uint8_t *end = memchr(p, '\n', n);
        size_t part = end ? (size_t)(end - p) + 1 : n;
        td_buf_put(&f->line, p, part);
        p += part;
        n -= part;
        if (end || f->line.len >= IO_HELD_BYTES) {
            put_line(io, t, rank, f->line.data, f->line.len, end != NULL);
            td_buf_reset(&f->line);
        }
    }
    if (eof && f->line.len) {
        put_line(io, t, rank, f->line.data, f->line.len, false);
        td_buf_release(&f->line);
    }
}

static bool take_data(struct step_io *io, struct io_node *n, const struct td_sh_data *m)
{
    if (m->rank >= io->ntasks || &io->nodes[io->tasks[m->rank].node] != n || m->stream < 1 || m->stream > 2)
        return false;
    struct io_flow *f = &io->tasks[m->rank].flow[m->stream - 1];
    struct io_target *t = m->stream == 2 && io->err.fd >= 0 ? &io->err : &io->out;
    if (m->at > f->next)
        return false; /* a hole: nothing that came over this connection is to be believed */
    uint64_t skip = TD_MIN(f->next - m->at, (uint64_t)m->bytes.n);
    const uint8_t *p = m->bytes.v + skip;
    size_t len = (size_t)(m->bytes.n - skip);
    f->next += len;
    if (io->label)
        put_labelled(io, t, m->rank, f, p, len, m->eof && !f->eof);
    else
        td_buf_put(&t->queue, p, len);
    f->eof |= m->eof;
    struct io_segment s = {.rank = m->rank, .stream = m->stream, .upto = f->next, .base = t->base + t->queue.len - t->written};
    if (m->bytes.n)
        td_vec_push(&t->segments, s);
    return true;
}

/* --- ends ------------------------------------------------------------------------------------------------------------------------ */

static void task_over(struct step_io *io, uint32_t rank, uint32_t exit_code, uint32_t signal, const char *text)
{
    struct io_task *t = &io->tasks[rank];
    if (t->over)
        return;
    t->over = t->fresh = true;
    t->exit_code = exit_code;
    t->signal = signal;
    t->bad = exit_code || signal;
    io->over++;
    io->bad_exit |= t->bad;
    io->exit_code = TD_MAX(io->exit_code, signal ? 128 + signal : exit_code);
    if (!td_str_empty(text))
        say_error("%s: task %u: %s", io->nodes[t->node].name, rank, text);
}

static bool take_exit(struct step_io *io, struct io_node *n, const struct td_sh_task_exit *m)
{
    if (m->rank >= io->ntasks || &io->nodes[io->tasks[m->rank].node] != n)
        return false;
    task_over(io, m->rank, m->exit_code, m->signal, m->text);
    if (td_str_empty(m->text) || !m->signal)
        return true;
    io->doubtful = true;
    for (uint32_t k = 0; k < 2; k++)
        io->tasks[m->rank].flow[k].eof = true; /* its node is gone: nothing follows */
    return true;
}

/* Ended by somebody else, or by its limit: said once, by the first node that tells. */
static void take_ending(struct step_io *io, const struct io_node *n, const struct td_sh_ending *m)
{
    char at[32] = "?";
    struct tm tm;
    time_t when = (time_t)(m->at_ms / 1000);
    if (io->cut || io->foretold)
        return;
    io->cut = true;
    if (localtime_r(&when, &tm))
        strftime(at, sizeof(at), "%Y-%m-%dT%H:%M:%S", &tm);
    say_note("Job step aborted: Waiting up to %u seconds for job step to finish.", m->kill_wait_s + KILL_SLACK_S);
    say_plain("slurmstepd: error: *** STEP %u.%u ON %s CANCELLED AT %s%s ***", io->job, io->step, n->name, at,
              m->timed_out ? " DUE TO TIME LIMIT" : "");
}

static void fold_ranks(const struct step_io *io, const struct io_task *like, struct td_buf *out, uint32_t *count)
{
    struct td_buf bits = {0};
    td_buf_pad(&bits, '\0', io->ntasks / 8 + 1);
    for (uint32_t i = 0; i < io->ntasks; i++) {
        const struct io_task *t = &io->tasks[i];
        if (!t->fresh || t->node != like->node || t->exit_code != like->exit_code || t->signal != like->signal)
            continue;
        td_bits_set(bits.data, i);
        ++*count;
    }
    td_array_fold((struct td_bin){bits.data, (uint32_t)bits.len}, out);
    td_buf_release(&bits);
}

/* One line for the tasks of a node that ended alike. */
static void say_ends(struct step_io *io)
{
    for (uint32_t i = 0; i < io->ntasks; i++) {
        struct io_task *t = &io->tasks[i];
        struct td_buf ranks = {0};
        uint32_t count = 0;
        if (!t->fresh)
            continue;
        struct io_task like = *t;
        fold_ranks(io, &like, &ranks, &count);
        const char *many = count > 1 ? "s" : "", *name = io->nodes[t->node].name;
        if (like.signal)
            say_error("%s: task%s %s: %s", name, many, td_buf_str(&ranks), strsignal((int)like.signal));
        else if (like.exit_code)
            say_error("%s: task%s %s: Exited with exit code %u", name, many, td_buf_str(&ranks), like.exit_code);
        for (uint32_t k = i; k < io->ntasks; k++) {
            struct io_task *o = &io->tasks[k];
            if (o->node == like.node && o->exit_code == like.exit_code && o->signal == like.signal)
                o->fresh = false;
        }
        td_buf_release(&ranks);
    }
}

/* --- input ------------------------------------------------------------------------------------------------------------------------- */

static uint64_t in_end(const struct step_io *io)
{
    return io->in_base + io->in.len;
}

static bool node_reads(const struct step_io *io, const struct io_node *n)
{
    for (uint32_t k = 0; k < n->ranks.n; k++)
        if (!io->tasks[n->ranks.v[k]].over)
            return !n->done;
    return false;
}

static void in_send(struct step_io *io, struct io_node *n)
{
    while (n->up && !n->in_eof_sent && (n->in_sent < in_end(io) || io->in_eof)) {
        struct td_sh_data m = {.rank = TD_NO_TASK, .stream = 0, .at = n->in_sent};
        m.bytes.n = (uint32_t)TD_MIN(in_end(io) - n->in_sent, 32768u);
        m.bytes.v = m.bytes.n ? io->in.data + (n->in_sent - io->in_base) : NULL;
        n->in_sent += m.bytes.n;
        m.eof = n->in_eof_sent = io->in_eof && n->in_sent == in_end(io);
        td_sealed_put(&n->s, TD_MSG_SH_DATA, &m);
    }
}

static void in_drop(struct step_io *io)
{
    uint64_t least = in_end(io);
    for (uint32_t i = 0; i < io->nnodes; i++)
        if (node_reads(io, &io->nodes[i]))
            least = TD_MIN(least, io->nodes[i].in_acked);
    if (least <= io->in_base)
        return;
    size_t n = (size_t)(least - io->in_base);
    memmove(io->in.data, io->in.data + n, io->in.len - n);
    io->in.len -= n;
    io->in_base = least;
    for (uint32_t i = 0; i < io->nnodes; i++)
        io->nodes[i].in_sent = TD_MAX(io->nodes[i].in_sent, io->in_base);
}

static void in_over(struct step_io *io)
{
    io->in_eof = true;
    io->in_fd = -1;
}

static void in_read(struct step_io *io)
{
    uint8_t chunk[16384];
    if (io->in_fd < 0 || io->in.len >= IO_IN_BYTES)
        return;
    ssize_t n = read(io->in_fd, chunk, TD_MIN(sizeof(chunk), (size_t)(IO_IN_BYTES - io->in.len)));
    if (n > 0)
        td_buf_put(&io->in, chunk, (size_t)n);
    else if (n == 0 || (errno != EINTR && errno != EAGAIN))
        in_over(io);
}

/* --- nodes --------------------------------------------------------------------------------------------------------------------------- */

static void node_down(struct io_node *n)
{
    td_sealed_release(&n->s);
    n->up = false; /* its relay dials again */
}

static bool node_take(struct step_io *io, struct io_node *n, const struct td_frame *f)
{
    n->heard = true;
    switch (f->id) {
    case TD_MSG_SH_DATA:
        return take_data(io, n, f->body);
    case TD_MSG_SH_TASK_EXIT:
        return take_exit(io, n, f->body);
    case TD_MSG_SH_ENDING:
        take_ending(io, n, f->body);
        return true;
    case TD_MSG_SH_TAKEN:
        n->in_acked = TD_MAX(n->in_acked, TD_MIN(((const struct td_sh_taken *)f->body)->upto, in_end(io)));
        return true;
    default:
        return false;
    }
}

static void node_read(struct step_io *io, struct io_node *n, bool read)
{
    const uint8_t *data;
    size_t len;
    struct td_error err = {0};
    struct td_arena arena = {0};
    bool open = !read || td_sealed_read(&n->s, &err) >= 0;
    int r;
    while ((r = td_sealed_next(&n->s, &data, &len, &err)) > 0) {
        struct td_frame f;
        if (td_wire_get_frame(&arena, data, len, &f, &err) < 0 || !node_take(io, n, &f)) {
            r = -1;
            break;
        }
        td_arena_reset(&arena);
    }
    td_arena_release(&arena);
    if (r < 0 || !open || n->s.closed)
        node_down(n);
}

/* A connection has shown that it has the key: whose is it? */
static bool unproven_greets(struct step_io *io, struct td_sealed *s)
{
    const uint8_t *data;
    size_t len;
    struct td_error err = {0};
    struct td_frame f;
    struct td_arena arena = {0};
    bool moved = false;
    if (td_sealed_next(s, &data, &len, &err) > 0 && td_wire_get_frame(&arena, data, len, &f, &err) == 0) {
        const struct td_io_hello *m = f.body;
        bool ok = f.id == TD_MSG_IO_HELLO && io->nodes && m->step == io->step && m->job == io->job && m->node_rank < io->nnodes &&
                  !io->nodes[m->node_rank].done;
        s->closed |= !ok;
        if (ok) {
            struct io_node *n = &io->nodes[m->node_rank];
            td_sealed_release(&n->s);
            n->s = *s;
            *s = (struct td_sealed){.fd = -1, .closed = true};
            n->up = n->ever = moved = true;
            n->in_sent = TD_MAX(n->in_acked, io->in_base);
            n->in_eof_sent = false;
            td_sealed_put(&n->s, TD_MSG_IO_HELLO, &(struct td_io_hello){.version = TD_PROTOCOL_VERSION, .job = io->job, .step = io->step});
            node_read(io, n, false);
        }
    }
    td_arena_release(&arena);
    return moved;
}

static void unproven_turn(struct step_io *io)
{
    for (uint32_t i = 0; i < io->nunproven;) {
        struct td_sealed *s = &io->unproven[i];
        struct td_error err;
        bool open = td_sealed_read(s, &err) >= 0;
        if (!unproven_greets(io, s) && open && !s->closed && td_sealed_flush(s) >= 0) {
            i++;
            continue;
        }
        td_sealed_release(s);
        io->unproven[i] = io->unproven[--io->nunproven];
    }
}

static void accept_all(struct step_io *io)
{
    int fd, one = 1;
    while ((fd = accept4(io->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        if (io->nunproven == IO_PEERS_UNPROVEN) { /* the oldest had its time */
            td_sealed_release(&io->unproven[0]);
            memmove(io->unproven, io->unproven + 1, (IO_PEERS_UNPROVEN - 1) * sizeof(io->unproven[0]));
            io->nunproven--;
        }
        td_sealed_init(&io->unproven[io->nunproven], fd, io->key, false);
        td_sealed_flush(&io->unproven[io->nunproven++]);
    }
}

static bool target_drained(const struct io_target *t)
{
    return t->written == t->queue.len;
}

/* All that a node had to say has been said and written. */
static bool node_finished(const struct step_io *io, const struct io_node *n)
{
    for (uint32_t k = 0; k < n->ranks.n; k++) {
        const struct io_task *t = &io->tasks[n->ranks.v[k]];
        if (!t->over || !t->flow[0].eof || !t->flow[1].eof)
            return false;
    }
    return target_drained(&io->out) && target_drained(&io->err);
}

static void node_finish(struct step_io *io, struct io_node *n)
{
    if (n->done || !node_finished(io, n))
        return;
    n->done = true;
    if (!n->up)
        return;
    td_sealed_put(&n->s, TD_MSG_SH_DETACH, &(struct td_sh_detach){.lost = false});
    td_sealed_end(&n->s);
}

/* --- the loop ------------------------------------------------------------------------------------------------------------------------- */

nfds_t io_poll(struct step_io *io, struct pollfd *p)
{
    nfds_t n = 0;
    p[n++] = (struct pollfd){.fd = io->listen_fd, .events = POLLIN};
    p[n++] = (struct pollfd){.fd = io->nodes && io->in.len < IO_IN_BYTES ? io->in_fd : -1, .events = POLLIN};
    p[n++] = (struct pollfd){.fd = target_drained(&io->out) || io->out.regular ? -1 : io->out.fd, .events = POLLOUT};
    p[n++] = (struct pollfd){.fd = target_drained(&io->err) || io->err.regular ? -1 : io->err.fd, .events = POLLOUT};
    for (uint32_t i = 0; i < io->nunproven && io->nodes; i++) /* who they are is told by the step's places, which may come later */
        p[n++] = (struct pollfd){.fd = io->unproven[i].fd, .events = (short)(POLLIN | (td_sealed_wants_write(&io->unproven[i]) ? POLLOUT : 0))};
    for (uint32_t i = 0; i < io->nnodes; i++)
        if (io->nodes[i].up)
            p[n++] = (struct pollfd){.fd = io->nodes[i].s.fd, .events = (short)(POLLIN | (td_sealed_wants_write(&io->nodes[i].s) ? POLLOUT : 0))};
    return n;
}

void io_turn(struct step_io *io)
{
    accept_all(io);
    if (!io->nodes)
        return;
    unproven_turn(io);
    struct pollfd in = {.fd = io->in_fd, .events = POLLIN};
    if (io->in_fd >= 0 && io->in.len < IO_IN_BYTES && poll(&in, 1, 0) == 1)
        in_read(io);
    for (uint32_t i = 0; i < io->nnodes; i++)
        if (io->nodes[i].up)
            node_read(io, &io->nodes[i], true);
    target_write(io, &io->out, false);
    if (io->err.fd >= 0)
        target_write(io, &io->err, false);
    say_ends(io);
    in_drop(io);
    for (uint32_t i = 0; i < io->nnodes; i++) {
        struct io_node *n = &io->nodes[i];
        if (n->up && !io->no_input)
            in_send(io, n);
        node_finish(io, n);
        if (n->up && td_sealed_flush(&n->s) < 0)
            node_down(n);
    }
}

void io_signal(struct step_io *io, uint32_t sig)
{
    for (uint32_t i = 0; i < io->nnodes; i++)
        if (io->nodes[i].up) {
            td_sealed_put(&io->nodes[i].s, TD_MSG_SH_SIGNAL, &(struct td_sh_signal){.signal = sig});
            td_sealed_flush(&io->nodes[i].s);
        }
}

void io_size(struct step_io *io, uint32_t rows, uint32_t columns)
{
    for (uint32_t i = 0; i < io->nnodes; i++)
        if (io->nodes[i].up) {
            td_sealed_put(&io->nodes[i].s, TD_MSG_SH_SIZE, &(struct td_sh_size){.rows = rows, .columns = columns});
            td_sealed_flush(&io->nodes[i].s);
        }
}

void io_lost_node(struct step_io *io, struct io_node *n, const char *why)
{
    io->doubtful |= !n->done;
    for (uint32_t k = 0; k < n->ranks.n && !n->done; k++) {
        struct io_task *t = &io->tasks[n->ranks.v[k]];
        if (!t->over)
            task_over(io, n->ranks.v[k], 1, 0, why), t->fresh = false;
        t->flow[0].eof = t->flow[1].eof = true;
    }
}

void io_lost(struct step_io *io, const char *why)
{
    for (uint32_t i = 0; i < io->nnodes; i++)
        io_lost_node(io, &io->nodes[i], td_str_empty(io->nodes[i].why) ? why : io->nodes[i].why);
}

bool io_over(const struct step_io *io)
{
    for (uint32_t i = 0; i < io->nnodes; i++)
        if (!io->nodes[i].done || (io->nodes[i].up && td_sealed_waiting(&io->nodes[i].s)))
            return false;
    return io->nodes != NULL;
}

static void target_release(struct io_target *t)
{
    td_buf_release(&t->queue);
    td_vec_release(&t->segments);
}

void io_release(struct step_io *io)
{
    for (uint32_t i = 0; i < io->nnodes; i++)
        td_sealed_release(&io->nodes[i].s);
    for (uint32_t i = 0; i < io->nunproven; i++)
        td_sealed_release(&io->unproven[i]);
    for (uint32_t i = 0; i < io->ntasks; i++)
        for (uint32_t k = 0; k < 2; k++)
            td_buf_release(&io->tasks[i].flow[k].line);
    target_release(&io->out);
    target_release(&io->err);
    td_buf_release(&io->in);
    if (io->listen_fd >= 0)
        close(io->listen_fd);
    td_arena_release(&io->arena);
}
