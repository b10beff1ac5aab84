/* localdoor.c - the unix socket: commands on this host, told by the kernel who they are; and those that a front's TCP door
 * carries in (shell_local_adopt), told by their keys
 *
 * Owns the connections. Everything is bounded (law 7): their number, a few kept free for operators and as many as a user has
 * for others; what one may have
 * half sent or not yet read; and the same over all of them. A peer over a bound is told so and closed.
 *
 * Answers that nobody reads: all together stay within ANSWERS_BYTES and a frame, and one user's within what the others
 * leave free, so that whoever fills his share still leaves as much again to the next one, and something to operators
 * always. A query is answered only while its user has half of that; until then it waits in its connection's buffer, and is
 * refused when none of his answers has been read for ANSWER_WAIT_MS, and at once where his watchers alone hold so much that
 * reading the others makes no room. Refusals and other short answers go out all the same:
 * a connection has at most FRAMES_PER_TURN of them more, and is asked for no more requests while its user is over his
 * share.
 *
 * A connection with nothing to do costs one descriptor and a few kilobytes. */
#include "broker/shell.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define ACCEPTS_PER_TURN 64
#define KEPT_FOR_OPERATORS 64
#define HALF_FRAMES_BYTES_MAX (256u << 20) /* over all connections */
#define HALF_FRAME_FREE (64u * 1024)       /* a frame up to this size is always taken */
#define OUT_PAUSE (4u << 20)               /* unread answers from which on no further request is taken */
#define SHORT_ANSWER 2048u                 /* goes out even to a user over his share */
#define ROOM_FOR_REFUSAL 65536u

int shell_local_open(struct shell *s, struct td_error *err)
{
    char path[4200];
    td_format(path, sizeof(path), "%s/run", s->state_dir);
    if ((mkdir(path, 0755) < 0 && errno != EEXIST) || chmod(path, 0755) < 0)
        return td_fail(err, TD_E_IO, "cannot make %s: %s", path, strerror(errno));
    td_format(path, sizeof(path), "%s/run/%s", s->state_dir, s->door);
    int fd = td_local_listen(path, 0666, err);
    if (fd < 0)
        return fd;
    s->listen_fd = fd;
    struct epoll_event ev = {.events = EPOLLIN, .data.u64 = SHELL_EPOLL_LISTEN};
    if (epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, fd, &ev) < 0)
        return td_fail(err, TD_E_IO, "cannot watch %s: %s", path, strerror(errno));
    return 0;
}

struct shell_client *shell_client_find(struct shell *s, uint64_t handle)
{
    return td_map_get(&s->client_by_handle, handle);
}

/* --- unread answers ---------------------------------------------------------------------------------------------------- */

static struct shell_tenant *tenant_of(struct shell *s, uint32_t uid)
{
    struct shell_tenant *t = td_map_get(&s->tenant_by_uid, uid);
    if (!t) {
        t = td_alloc(sizeof(*t));
        t->uid = uid;
        td_map_put(&s->tenant_by_uid, uid, t);
    }
    t->clients++;
    return t;
}

static void tenant_drop(struct shell *s, struct shell_tenant *t)
{
    if (--t->clients)
        return;
    TD_ASSERT(t->unread == 0);
    td_map_del(&s->tenant_by_uid, t->uid);
    td_free(t);
}

/* What the buffer holds, the part already sent included: it takes memory until it is moved. */
static void recount(struct shell *s, struct shell_client *c, size_t now)
{
    if (now < c->counted)
        c->tenant->read_us = shell_boot_us();
    s->unread = s->unread - c->counted + now;
    c->tenant->unread = c->tenant->unread - c->counted + now;
    if (c->watches)
        c->tenant->watched = c->tenant->watched - c->counted + now;
    c->counted = now;
}

void shell_local_watches(struct shell *s, uint64_t handle)
{
    struct shell_client *c = shell_client_find(s, handle);
    if (!c || c->watches)
        return;
    c->watches = true;
    c->tenant->watched += c->counted;
}

/* Beside what everybody has unread, of which `his` is this user's. Half of what is kept for operators is also for the first
 * frame to a user who has read all there was. */
static size_t left_beside(const struct shell *s, const struct shell_client *c, size_t unread, size_t his)
{
    size_t all = TD_MAX_ANSWERS_BYTES;
    if (!td_core_is_operator(s->core, c->uid))
        all -= his ? TD_MAX_ANSWERS_KEPT_BYTES : TD_MAX_ANSWERS_KEPT_BYTES / 2;
    return all > unread ? all - unread : 0;
}

static size_t left_free(const struct shell *s, const struct shell_client *c)
{
    return left_beside(s, c, s->unread, c->tenant->unread);
}

static bool over_share(const struct shell *s, const struct shell_client *c)
{
    size_t room = left_free(s, c);
    return room == 0 || c->tenant->unread > room;
}

/* For a whole answer of some length. */
static bool has_room(const struct shell *s, const struct shell_client *c)
{
    size_t room = left_free(s, c);
    return room > 0 && c->tenant->unread <= room / 2;
}

/* Whether there would be, had he read all but what his watchers hold. */
static bool room_may_come(const struct shell *s, const struct shell_client *c)
{
    const struct shell_tenant *t = c->tenant;
    size_t room = left_beside(s, c, s->unread - (t->unread - t->watched), t->watched);
    return room > 0 && t->watched <= room / 2;
}

/* --- connections ------------------------------------------------------------------------------------------------------- */

static void client_remove(struct shell *s, uint32_t at)
{
    struct shell_client *c = s->clients.v[at];
    if (s->core)
        s->peer_gone(s, c->handle);
    td_map_del(&s->client_by_handle, c->handle);
    recount(s, c, 0);
    tenant_drop(s, c->tenant);
    td_stream_release(&c->stream);
    td_free(c);
    s->clients.v[at] = s->clients.v[--s->clients.n];
}

void shell_local_close(struct shell *s)
{
    while (s->clients.n)
        client_remove(s, 0);
    if (s->listen_fd >= 0) {
        char path[4200];
        td_format(path, sizeof(path), "%s/run/%s", s->state_dir, s->door);
        unlink(path);
        close(s->listen_fd);
        s->listen_fd = -1;
    }
}

static void touch(struct shell *s, struct shell_client *c)
{
    if (c->dirty)
        return;
    c->dirty = true;
    td_vec_push(&s->dirty, c);
}

/* Says why and closes once that is out. */
static void turn_away(struct shell *s, struct shell_client *c, uint64_t request, int code, const char *text)
{
    const struct td_error_reply e = {.code = (uint32_t)code, .text = text};
    td_stream_put(&c->stream, TD_MSG_ERROR, request, &e);
    recount(s, c, c->stream.out.len);
    td_core_counters(s->core)->rejected++;
    c->leaving = true;
    c->has_more = false;
    touch(s, c);
}

void shell_local_adopt(struct shell *s, int fd, uint32_t uid, uint32_t gid, bool remote)
{
    struct shell_client *c = td_alloc(sizeof(*c));
    td_stream_init(&c->stream, fd, TD_MAX_ANSWER_BYTES + TD_MAX_FRAME_BYTES + ROOM_FOR_REFUSAL);
    c->handle = s->next_handle++;
    c->uid = uid;
    c->gid = gid;
    c->remote = remote;
    c->watched = EPOLLIN;
    struct epoll_event ev = {.events = EPOLLIN, .data.u64 = c->handle};
    if (epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, fd, &ev) < 0) {
        shell_log(&s->log, "error local peer uid=%u cannot be watched: %s", uid, strerror(errno));
        td_stream_release(&c->stream);
        td_free(c);
        return;
    }
    c->tenant = tenant_of(s, uid);
    td_map_put(&s->client_by_handle, c->handle, c);
    td_vec_push(&s->clients, c);
    bool operator = td_core_is_operator(s->core, uid);
    uint32_t room = s->clients_max - (operator ? 0 : KEPT_FOR_OPERATORS);
    if (s->clients.n > room)
        turn_away(s, c, 0, TD_E_BUSY, "too many local connections at once (CLIENTS), try again");
    else if (!operator && c->tenant->clients > room - s->clients.n + 1)
        turn_away(s, c, 0, TD_E_BUSY, "too many local connections of yours at once (CLIENTS: as many as it leaves free): end some of "
                  "your commands, or try again");
}

static void client_add(struct shell *s, int fd)
{
    uid_t uid;
    gid_t gid;
    if (td_local_peer(fd, &uid, &gid, NULL) < 0) {
        shell_log(&s->log, "warn local peer without an identity turned away");
        close(fd);
        return;
    }
    if (s->squash_root && uid == 0)
        uid = gid = SHELL_NOBODY;
    shell_local_adopt(s, fd, uid, gid, false);
}

/* Off while no connection can be taken (no descriptors): the tick turns it on again. */
void shell_local_listen(struct shell *s, bool on)
{
    struct epoll_event ev = {.events = on ? EPOLLIN : 0u, .data.u64 = SHELL_EPOLL_LISTEN};
    if (s->listen_off != on)
        return;
    s->listen_off = !on;
    TD_ASSERT(epoll_ctl(s->epoll_fd, EPOLL_CTL_MOD, s->listen_fd, &ev) == 0);
}

void shell_local_accept(struct shell *s)
{
    s->accept_more = false;
    for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
        int fd = accept4(s->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            client_add(s, fd);
            continue;
        }
        if (errno == EINTR || errno == ECONNABORTED)
            continue;
        if (errno != EAGAIN && errno != EWOULDBLOCK) {
            shell_log(&s->log, "error cannot accept local connections: %s", strerror(errno));
            shell_local_listen(s, false);
        }
        return;
    }
    s->accept_more = true;
}

/* Bytes of frames that have begun and not ended, over all connections. */
static size_t half_frames(const struct shell *s)
{
    size_t sum = 0;
    for (uint32_t i = 0; i < s->clients.n; i++)
        sum += s->clients.v[i]->stream.in.len;
    return sum;
}

/* What follows cannot be told apart any more. */
static void out_of_step(struct shell *s, struct shell_client *c, const struct td_error *err)
{
    td_core_counters(s->core)->bad_frames++;
    c->stream.closed = false; /* for reading; the reason still goes out */
    turn_away(s, c, 0, err->code, err->text);
}

static void client_read(struct shell *s, struct shell_client *c)
{
    struct td_error err = {0};
    if (c->leaving || c->gone)
        return;
    int r = td_stream_read(&c->stream, &err);
    if (r < 0 && err.code != TD_E_IO) {
        out_of_step(s, c, &err);
        return;
    }
    if (r < 0) {
        c->gone = true;
        s->peer_gone(s, c->handle); /* before this wake serves who waits */
        touch(s, c);
        return;
    }
    if (r > 0)
        c->has_more = true;
    if (c->stream.in.len > HALF_FRAME_FREE && half_frames(s) > HALF_FRAMES_BYTES_MAX)
        turn_away(s, c, 0, TD_E_BUSY, "too many large requests at once, try again");
}

static void client_writable(struct shell *s, struct shell_client *c)
{
    if (td_stream_flush(&c->stream) < 0)
        c->gone = true;
    recount(s, c, c->stream.out.len);
    touch(s, c);
}

void shell_local_ready(struct shell *s, uint64_t handle, uint32_t events)
{
    struct shell_client *c = shell_client_find(s, handle);
    if (!c)
        return;
    if (events & EPOLLOUT)
        client_writable(s, c);
    if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
        client_read(s, c);
    if ((events & (EPOLLHUP | EPOLLERR)) && c->leaving) {
        c->gone = true;
        touch(s, c);
    }
}

static size_t waits_out(const struct shell_client *c)
{
    return c->stream.out.len - c->stream.out_sent;
}

/* Who does not read his answers is not asked for more requests. */
static bool paused(const struct shell *s, const struct shell_client *c)
{
    return waits_out(c) > OUT_PAUSE || (waits_out(c) > 0 && over_share(s, c));
}

static bool turn_is_over(const struct shell *s, const struct shell_client *c)
{
    return c->turn_wake == s->wakes && c->turn >= TD_MAX_FRAMES_PER_TURN;
}

static bool waits_for_room(const struct shell *s, const struct shell_client *c)
{
    if (!c->waits_us || has_room(s, c) || !room_may_come(s, c))
        return false;
    return shell_boot_us() - TD_MAX(c->waits_us, c->tenant->read_us) < TD_MAX_ANSWER_WAIT_MS * 1000LL;
}

/* A query ends its connection's turn: it is answered at the end of the wake, or left in the buffer. */
static void client_take(struct shell *s, struct shell_client *c, const uint8_t *data, size_t len)
{
    const struct shell_from from = {.peer = c->handle, .uid = c->uid, .gid = c->gid, .remote = c->remote};
    uint32_t reads = s->reads.n;
    c->turn = c->turn_wake == s->wakes ? c->turn + 1 : 1;
    c->turn_wake = s->wakes;
    s->take_frame(s, &from, data, len);
    if (s->reads.n > reads)
        c->query_len = len;
    else
        td_stream_take(&c->stream, len);
}

/* Every connection with whole frames, in turn, until nothing is left or the wake is full. */
bool shell_local_take(struct shell *s)
{
    bool left = false;
    for (uint32_t i = 0; i < s->clients.n; i++) {
        struct shell_client *c = s->clients.v[i];
        while (c->has_more && !c->leaving && !c->query_len && !paused(s, c) && !waits_for_room(s, c)) {
            const uint8_t *data;
            size_t len;
            struct td_error err = {0};
            if (shell_full(s) || turn_is_over(s, c)) {
                left = true;
                break;
            }
            int r = td_stream_peek(&c->stream, &data, &len, &err);
            if (r == 0)
                c->has_more = false;
            else if (r < 0)
                out_of_step(s, c, &err);
            else
                client_take(s, c, data, len);
        }
    }
    return left;
}

/* Whether a query is answered in this wake. One that is not stays where it is, and is taken again when there is room. */
bool shell_local_admit(struct shell *s, const struct shell_read *r)
{
    struct shell_client *c = shell_client_find(s, r->from.peer);
    if (!c)
        return false; /* nobody to tell */
    bool room = has_room(s, c);
    size_t len = c->query_len;
    c->query_len = 0;
    touch(s, c);
    if (!room && room_may_come(s, c) && (!c->waits_us || waits_for_room(s, c))) {
        c->waits_us = c->waits_us ? c->waits_us : shell_boot_us();
        s->query_left = true;
        return false;
    }
    td_stream_take(&c->stream, len);
    c->waits_us = 0;
    c->has_more = !c->leaving && c->stream.in.len > c->stream.in_taken;
    s->local_has_more = s->local_has_more || c->has_more;
    if (!room) {
        const struct td_error err = {.code = TD_E_BUSY,
                                     .text = "too many answers wait to be read (ANSWERS_BYTES): end the commands of yours "
                                             "that do not read theirs, watchers too, or try again"};
        shell_refuse(s, r->from.peer, r->request, &err);
    }
    return room;
}

/* Whether one who does not read may be sent more: 0, -BUSY (too much waits to be read), -UNREACHABLE (gone: nobody to tell). */
static int may_send(const struct shell_client *c, bool refusal)
{
    if (!c || c->gone || (c->leaving && !refusal))
        return -TD_E_UNREACHABLE;
    return !refusal && waits_out(c) > TD_MAX_ANSWER_BYTES ? -TD_E_BUSY : 0;
}

/* What was queued behind `before` is taken back when it is more than its user's share; a refusal never is. */
static int settle(const struct shell *s, struct shell_client *c, size_t before, int queued, bool refusal)
{
    if (queued == -TD_E_BUSY)
        c->leaving = true; /* not even refusals are read */
    if (queued == 0 && !refusal && over_share(s, c) && c->stream.out.len - before > SHORT_ANSWER) {
        c->stream.out.len = before;
        return -TD_E_BUSY;
    }
    return queued;
}

/* As may_send, or -TOO_BIG. */
int shell_local_send(struct shell *s, uint64_t handle, uint32_t id, uint64_t request, const void *body)
{
    struct shell_client *c = shell_client_find(s, handle);
    bool refusal = id == TD_MSG_ERROR;
    int r = may_send(c, refusal);
    if (r == -TD_E_UNREACHABLE)
        return r;
    touch(s, c);
    struct td_error over; /* an answer that outgrew a row is refused; the encoder would assert, and end everybody's broker */
    if (r == 0 && !refusal)
        r = td_record_check(td_msg_row(id)->record, body, &over);
    if (r < 0)
        return r;
    size_t before = c->stream.out.len;
    r = settle(s, c, before, td_stream_put(&c->stream, id, request, body), refusal);
    recount(s, c, c->stream.out.len);
    return r;
}

/* The reader decodes one frame while the next is made. */
int shell_local_send_answer(struct shell *s, uint64_t handle, const uint8_t *frame, size_t len)
{
    struct shell_client *c = shell_client_find(s, handle);
    int r = may_send(c, false);
    if (r == -TD_E_UNREACHABLE)
        return r;
    touch(s, c);
    if (r < 0)
        return r;
    size_t before = c->stream.out.len;
    r = settle(s, c, before, td_stream_put_frame(&c->stream, frame, len), false);
    if (r == 0 && td_stream_flush(&c->stream) < 0) {
        c->gone = true;
        r = -TD_E_UNREACHABLE;
    }
    recount(s, c, c->stream.out.len);
    return r;
}

size_t shell_local_unread(struct shell *s, uint64_t handle)
{
    const struct shell_client *c = shell_client_find(s, handle);
    return c ? waits_out(c) : 0;
}

/* To a front: bounded by its window, not by what users' answers may take. */
int shell_local_send_frame(struct shell *s, uint64_t handle, const uint8_t *frame, size_t len)
{
    struct shell_client *c = shell_client_find(s, handle);
    if (!c || c->gone || c->leaving)
        return -TD_E_UNREACHABLE;
    touch(s, c);
    int r = td_stream_put_frame(&c->stream, frame, len);
    recount(s, c, c->stream.out.len);
    return r;
}

/* One that leaves is not read any more, or its input would wake us for ever. */
static void watch(struct shell *s, struct shell_client *c, bool out)
{
    uint32_t want = (out ? (uint32_t)EPOLLOUT : 0u) | (c->leaving || c->waits_us || paused(s, c) ? 0u : (uint32_t)EPOLLIN);
    if (c->watched == want)
        return;
    struct epoll_event ev = {.events = want, .data.u64 = c->handle};
    if (epoll_ctl(s->epoll_fd, EPOLL_CTL_MOD, c->stream.fd, &ev) < 0)
        c->gone = true;
    c->watched = want;
}

/* End of the wake: output leaves as far as it can; connections that are over are removed. */
void shell_local_flush(struct shell *s)
{
    bool some_gone = false;
    for (uint32_t i = 0; i < s->dirty.n; i++) {
        struct shell_client *c = s->dirty.v[i];
        c->dirty = false;
        int r = c->gone ? -TD_E_IO : td_stream_flush(&c->stream);
        recount(s, c, c->stream.out.len);
        if (r < 0 || (r == 1 && c->leaving))
            c->gone = true;
        else
            watch(s, c, r == 0);
        some_gone = some_gone || c->gone;
    }
    s->dirty.n = 0;
    s->local_has_more = s->local_has_more || s->query_left || some_gone; /* there may be room now */
    s->query_left = false;
    for (uint32_t i = 0; some_gone && i < s->clients.n;)
        if (s->clients.v[i]->gone)
            client_remove(s, i);
        else
            i++;
}
