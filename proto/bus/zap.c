/* zap.c - our own ZAP handler (ZeroMQ RFC 27)
 *
 * Admits every CURVE key and returns it, in Z85, as the connection's User-Id: libzmq has verified that the peer holds
 * its secret half. What the key may do is decided per message, so that a refusal is a reply in words and not a
 * connection that silently never comes up. Any other mechanism is refused. */
#include "bus/zap.h"

#include <errno.h>
#include <string.h>

#define PARTS_MAX 16
#define KEY_BYTES 32

/* version, request id, domain, address, routing id, mechanism, then the mechanism's credentials */
struct question {
    zmq_msg_t part[PARTS_MAX];
    int n;
};
enum { PART_VERSION, PART_REQUEST, PART_MECHANISM = 5, PART_KEY };

static bool question_receive(void *socket, struct question *q)
{
    bool more = true;

    q->n = 0;
    while (more) {
        zmq_msg_t part;

        zmq_msg_init(&part);
        if (zmq_msg_recv(&part, socket, ZMQ_DONTWAIT) < 0) {
            zmq_msg_close(&part);
            if (zmq_errno() == EINTR)
                continue;
            TD_ASSERT(zmq_errno() == EAGAIN && q->n == 0); /* parts of one message come together */
            return false;
        }
        more = zmq_msg_more(&part);
        if (q->n < PARTS_MAX)
            q->part[q->n++] = part;
        else
            zmq_msg_close(&part);
    }
    return true;
}

static void question_release(struct question *q)
{
    for (int i = 0; i < q->n; i++)
        zmq_msg_close(&q->part[i]);
    q->n = 0;
}

static bool part_is(struct question *q, int i, const char *text)
{
    size_t n = strlen(text);

    return i < q->n && zmq_msg_size(&q->part[i]) == n && memcmp(zmq_msg_data(&q->part[i]), text, n) == 0;
}

static void answer(void *socket, struct question *q, const char *status, const char *text, const char *user)
{
    const char *parts[] = {"1.0", NULL, status, text, user, ""};

    for (size_t i = 0; i < TD_ARRAY_LEN(parts); i++) {
        int flags = ZMQ_DONTWAIT | (i + 1 < TD_ARRAY_LEN(parts) ? ZMQ_SNDMORE : 0);
        int r;

        if (i == PART_REQUEST)
            r = zmq_send(socket, zmq_msg_data(&q->part[i]), zmq_msg_size(&q->part[i]), flags);
        else
            r = zmq_send(socket, parts[i], strlen(parts[i]), flags);
        TD_ASSERT(r >= 0); /* REP drops an answer whose asker is gone */
    }
}

void zap_serve(void *socket)
{
    struct question q;

    while (question_receive(socket, &q)) {
        char key[TD_KEY_Z85] = "";
        bool ok = part_is(&q, PART_VERSION, "1.0") && part_is(&q, PART_MECHANISM, "CURVE") && q.n > PART_KEY &&
                  zmq_msg_size(&q.part[PART_KEY]) == KEY_BYTES &&
                  zmq_z85_encode(key, zmq_msg_data(&q.part[PART_KEY]), KEY_BYTES);

        TD_ASSERT(q.n > PART_REQUEST);
        answer(socket, &q, ok ? "200" : "400", ok ? "OK" : "CURVE only", key);
        question_release(&q);
    }
}

void *zap_open(void *ctx)
{
    void *socket = zmq_socket(ctx, ZMQ_REP);

    if (!socket)
        return NULL;
    socket_set_int(socket, ZMQ_LINGER, 0);
    if (zmq_bind(socket, "inproc://zeromq.zap.01") < 0) {
        zmq_close(socket);
        return NULL;
    }
    return socket;
}
