/* fuzz_carry.c - a session of a front's TCP door: whatever its peer says, in any order, while others use their streams
 *
 * What must hold: no more than CARRY_WINDOW_BYTES of a stream are kept, and no more go out than the peer gave credit for; a
 * stream nobody broke goes on; the end of all is the end of all descriptors. Each byte of input says what happens next, the
 * two behind it to which stream and how much. */
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bus/carry.h"
#include "must.h"

#define STREAMS 8
#define TAG (1ull << 40)

static uint64_t out_bytes[STREAMS + 1], credit[STREAMS + 1]; /* of each stream: sent to the peer, and granted by it */
static uint32_t room;

static int peer_send(void *ctx, uint32_t id, const void *body)
{
    struct td_buf b = {0};

    (void)ctx;
    if (!room)
        return -TD_E_BUSY;
    room--;
    td_wire_put_frame(&b, id, 0, body); /* asserts that it is within the rows' limits */
    td_buf_release(&b);
    if (id == TD_MSG_CARRY_DATA) {
        const struct td_carry_data *m = body;
        MUST(m->stream <= STREAMS);
        out_bytes[m->stream] += m->bytes.n;
        MUST(out_bytes[m->stream] <= credit[m->stream]);
    }
    return 0;
}

static void epoll_turn(struct td_carry *c)
{
    struct epoll_event ev[STREAMS + 1];
    int n = epoll_wait(c->epoll_fd, ev, STREAMS + 1, 0);

    for (int i = 0; i < n; i++)
        td_carry_ready(c, (uint32_t)ev[i].data.u64, ev[i].events);
}

static int open_stream(struct td_carry *c, uint32_t no)
{
    int fds[2];

    MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
    if (td_carry_add(c, no, fds[0]) == 0)
        return fds[1];
    close(fds[0]);
    close(fds[1]);
    return -1;
}

/* As it would come over the wire. False: against the rules. */
static bool said(struct td_carry *c, uint32_t id, const void *body)
{
    struct td_buf b = {0};
    struct td_arena a = {0};
    struct td_frame f = {0};
    struct td_error err = {0};

    td_wire_put_frame(&b, id, 0, body);
    MUST(td_wire_get_frame(&a, b.data, b.len, &f, &err) == 0);
    int r = td_carry_take(c, f.id, f.body, &err);
    MUST(r == 0 || err.text[0]);
    td_buf_release(&b);
    td_arena_release(&a);
    return r == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static const uint8_t bytes[TD_MAX_CARRY_PIECE_BYTES];
    static uint8_t into[65536];
    struct td_carry c = {.epoll_fd = epoll_create1(EPOLL_CLOEXEC), .tag = TAG, .send = peer_send};
    int held[STREAMS + 1];
    bool fair = true;

    memset(held, -1, sizeof(held));
    memset(out_bytes, 0, sizeof(out_bytes));
    memset(credit, 0, sizeof(credit));
    room = 1000;
    for (; len >= 3 && fair; data += 3, len -= 3) {
        uint32_t no = data[1] % STREAMS, n = (uint32_t)data[2] * 64 + 1;
        const struct td_carry_data d = {.stream = no, .bytes = {bytes, n}};
        const struct td_carry_taken t = {.stream = no, .bytes = n};
        const struct td_carry_close over = {.stream = no};
        switch (data[0] % 10) {
        case 0: {
            int fd = open_stream(&c, no);
            if (fd < 0)
                break;
            if (held[no] >= 0)
                close(held[no]); /* of a stream that was over */
            held[no] = fd;
            out_bytes[no] = 0;
            credit[no] = TD_MAX_CARRY_WINDOW_BYTES;
            break;
        }
        case 1:
            fair = said(&c, TD_MSG_CARRY_DATA, &d);
            break;
        case 2:
            credit[no] += n;
            fair = said(&c, TD_MSG_CARRY_TAKEN, &t);
            break;
        case 3:
            said(&c, TD_MSG_CARRY_CLOSE, &over);
            break;
        case 4:
            if (held[no] >= 0)
                (void)!send(held[no], into, n * 4, MSG_NOSIGNAL | MSG_DONTWAIT);
            break;
        case 5:
            if (held[no] >= 0)
                (void)!read(held[no], into, n * 4);
            break;
        case 6:
            if (held[no] >= 0)
                close(held[no]);
            held[no] = -1;
            break;
        case 7:
            room = n % 40;
            break;
        case 8:
            td_carry_again(&c);
            break;
        default:
            epoll_turn(&c);
        }
        MUST(c.all.n <= STREAMS);
    }
    int fd = open_stream(&c, STREAMS); /* whatever they did, another goes on */
    MUST(fd >= 0);
    room = 1000;
    credit[STREAMS] = TD_MAX_CARRY_WINDOW_BYTES;
    out_bytes[STREAMS] = 0;
    td_carry_again(&c);
    MUST(send(fd, "word", 4, MSG_NOSIGNAL) == 4);
    epoll_turn(&c);
    MUST(out_bytes[STREAMS] == 4);
    td_carry_release(&c);
    MUST(read(fd, into, 1) == 0);
    close(fd);
    for (int i = 0; i < STREAMS; i++)
        if (held[i] >= 0)
            close(held[i]);
    close(c.epoll_fd);
    return 0;
}
