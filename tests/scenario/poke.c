/* poke.c - bad input on purpose: garbage, lies about lengths, endless multiparts, unknown messages
 *
 * poke hoard SOCKET COUNT asks and does not read; poke watch SOCKET COUNT subscribes to all rows.
 * poke unix SOCKET KIND | poke tcp PORT KIND | poke bus ENDPOINT SERVER-KEY KIND [KEY-FILE] ; exit 0 when the peer survived the
 * sending (whether it hung up on us is its own business) */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <zmq.h>

#include "bus/bus.h"

static int send_all(int fd, const void *data, size_t len)
{
    const char *p = data;
    while (len > 0) {
        ssize_t n = send(fd, p, len, MSG_NOSIGNAL);
        if (n < 0)
            return errno == EPIPE || errno == ECONNRESET ? 1 : -1; /* hung up: fine */
        p += n;
        len -= (size_t)n;
    }
    return 0;
}

static void length_put(uint8_t out[4], uint32_t n)
{
    for (int i = 0; i < 4; i++)
        out[i] = (uint8_t)(n >> (24 - 8 * i));
}

/* A frame with its length in front. */
static int frame_send(int fd, uint32_t id, const void *body, size_t cut)
{
    struct td_buf b = {0};
    uint8_t head[4];
    td_wire_put_frame(&b, id, 7, body);
    size_t len = cut && cut < b.len ? cut : b.len;
    length_put(head, (uint32_t)len);
    int r = send_all(fd, head, 4);
    if (r == 0)
        r = send_all(fd, b.data, len);
    td_buf_release(&b);
    return r;
}

static int stream_poke(int fd, const char *kind)
{
    static uint8_t noise[1 << 16];
    struct td_rng rng = {7};
    uint8_t head[4];

    for (size_t i = 0; i < sizeof(noise); i++)
        noise[i] = (uint8_t)td_rng_next(&rng);
    if (strcmp(kind, "noise") == 0)
        return send_all(fd, noise, sizeof(noise)) < 0;
    if (strcmp(kind, "huge") == 0) { /* says 2 GiB, sends 10 MB of it */
        length_put(head, 0x7fffffff);
        int r = send_all(fd, head, 4);
        for (int i = 0; i < 160 && r == 0; i++)
            r = send_all(fd, noise, sizeof(noise));
        return r < 0;
    }
    if (strcmp(kind, "zero") == 0) {
        length_put(head, 0);
        return send_all(fd, head, 4) < 0;
    }
    if (strcmp(kind, "half") == 0) { /* half a frame, then nothing */
        length_put(head, 1000);
        return send_all(fd, head, 4) < 0 || send_all(fd, noise, 500) < 0;
    }
    if (strcmp(kind, "cut") == 0) {
        struct td_ping ping = {.version = 1};
        return frame_send(fd, TD_MSG_PING, &ping, 2) < 0;
    }
    if (strcmp(kind, "stolen") == 0) { /* messages only the broker or a worker may send */
        struct td_error_reply err = {.code = 1, .text = "hello"};
        struct td_heartbeat beat = {.incarnation = 1, .epoch = 1};
        return frame_send(fd, TD_MSG_ERROR, &err, 0) < 0 || frame_send(fd, TD_MSG_HEARTBEAT, &beat, 0) < 0;
    }
    fprintf(stderr, "poke: unknown kind %s\n", kind);
    return 2;
}

static int unix_poke(const char *path, const char *kind)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (strlen(path) >= sizeof(a.sun_path))
        return 2;
    memcpy(a.sun_path, path, strlen(path));
    if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0) {
        perror("poke: connect");
        return 1;
    }
    int r = stream_poke(fd, kind);
    close(fd);
    return r;
}

static int tcp_poke(const char *port, const char *kind)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port)), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0) {
        perror("poke: connect");
        return 1;
    }
    int r = stream_poke(fd, kind);
    close(fd);
    return r;
}

/* Well-formed words that not everybody may say: a worker's, a front's. */
static bool words_put(const char *kind, struct td_buf *out)
{
    if (strcmp(kind, "impostor") == 0) {
        const struct td_hello m = {.version = 1, .node = "n1", .boot_id = "x", .instance = "y"};
        td_wire_put_frame(out, TD_MSG_HELLO, 1, &m);
    } else if (strcmp(kind, "enrol") == 0) {
        static const uint8_t secret[32] = "no secret of this cluster";
        const struct td_enrol m = {.version = TD_PROTOCOL_VERSION, .node = "stranger", .secret = {secret, sizeof(secret)}};
        td_wire_put_frame(out, TD_MSG_ENROL, 1, &m);
    } else if (strcmp(kind, "follow") == 0) {
        const struct td_follow m = {.version = TD_PROTOCOL_VERSION, .host = "login9"};
        td_wire_put_frame(out, TD_MSG_FOLLOW, 1, &m);
    } else if (strcmp(kind, "relay") == 0) { /* root, they say, ends all jobs */
        const struct td_job_sel first = {.job = 1};
        const struct td_cancel all = {.filter = {.ids = {&first, 1}}};
        struct td_buf body = {0};
        td_wire_put_record(&body, &td_rec_cancel, &all);
        const struct td_relay m = {.uid = 0, .gid = 0, .id = TD_MSG_CANCEL, .body = {body.data, (uint32_t)body.len}};
        td_wire_put_frame(out, TD_MSG_RELAY, 1, &m);
        td_buf_release(&body);
    } else {
        return false;
    }
    return true;
}

/* A session of a front's TCP door that breaks its rules, message by message. */
static bool carry_send(void *s, const char *kind)
{
    static const uint8_t bytes[TD_MAX_CARRY_PIECE_BYTES];
    const struct td_carry_hello hello = {.version = TD_PROTOCOL_VERSION};
    const struct td_carry_open open = {.stream = 1};
    const struct td_carry_taken taken = {.stream = 1, .bytes = 1};
    const struct td_carry_data data = {.stream = 1, .bytes = {bytes, sizeof(bytes)}};
    const struct {
        uint32_t id;
        const void *body;
    } words[] = {{TD_MSG_CARRY_HELLO, &hello}, {TD_MSG_CARRY_OPEN, &open},
                 {strcmp(kind, "carry-open") == 0    ? TD_MSG_CARRY_OPEN
                  : strcmp(kind, "carry-taken") == 0 ? TD_MSG_CARRY_TAKEN
                                                     : TD_MSG_CARRY_DATA,
                  strcmp(kind, "carry-open") == 0    ? (const void *)&open
                  : strcmp(kind, "carry-taken") == 0 ? (const void *)&taken
                                                     : (const void *)&data}};
    if (!td_str_prefix(kind, "carry-"))
        return false;
    size_t n = strcmp(kind, "carry-data") == 0 ? 64 : TD_ARRAY_LEN(words); /* more bytes than may be under way */
    for (size_t i = 0; i < n; i++) {
        struct td_buf b = {0};
        size_t at = TD_MIN(i, TD_ARRAY_LEN(words) - 1);
        td_wire_put_frame(&b, words[at].id, 0, words[at].body);
        zmq_send(s, b.data, b.len, 0);
        td_buf_release(&b);
    }
    return true;
}

static int say_answer(void *s)
{
    char reply[4096];
    struct td_arena a = {0};
    struct td_frame f;
    struct td_error err;
    int n, r = 0;

    do {
        n = zmq_recv(s, reply, sizeof(reply), 0);
    } while (n > 0 && td_wire_get_frame(&a, (uint8_t *)reply, TD_MIN((size_t)n, sizeof(reply)), &f, &err) == 0 &&
             (f.id == TD_MSG_CARRY_WELCOME || f.id == TD_MSG_CARRY_TAKEN || f.id == TD_MSG_CARRY_DATA));
    if (n <= 0 || td_wire_get_frame(&a, (uint8_t *)reply, TD_MIN((size_t)n, sizeof(reply)), &f, &err) < 0) {
        fprintf(stderr, "poke: no answer\n");
        r = 1;
    } else {
        printf("%s %s\n", td_msg_name(f.id), f.id == TD_MSG_ERROR ? ((struct td_error_reply *)f.body)->text : f.id == TD_MSG_REFUSED ? ((struct td_refused *)f.body)->text : "");
    }
    td_arena_release(&a);
    return r;
}

static int bus_poke(const char *endpoint, const char *server_key, const char *kind, const char *key_file)
{
    static char big[10 << 20];
    struct td_keypair keys;
    struct td_buf words = {0};
    struct td_error err = {0};
    int linger = 500, timeout = 2000, r = 0;
    void *ctx = zmq_ctx_new(), *s = zmq_socket(ctx, ZMQ_DEALER);

    if ((key_file ? td_keypair_load(key_file, &keys, &err) : td_keypair_make(&keys, &err)) < 0) {
        fprintf(stderr, "poke: %s\n", err.text);
        return 1;
    }
    zmq_setsockopt(s, ZMQ_CURVE_SERVERKEY, server_key, 40);
    zmq_setsockopt(s, ZMQ_CURVE_PUBLICKEY, keys.public_key, 40);
    zmq_setsockopt(s, ZMQ_CURVE_SECRETKEY, keys.secret_key, 40);
    zmq_setsockopt(s, ZMQ_LINGER, &linger, sizeof(linger));
    zmq_setsockopt(s, ZMQ_SNDTIMEO, &timeout, sizeof(timeout));
    if (zmq_connect(s, endpoint) < 0)
        return 1;
    if (strcmp(kind, "big") == 0) {
        zmq_send(s, big, sizeof(big), 0);
    } else if (strcmp(kind, "multipart") == 0) {
        for (int i = 0; i < 20000; i++) {
            if (zmq_send(s, big, 1000, ZMQ_SNDMORE) < 0)
                break;
        }
        zmq_send(s, big, 10, 0);
    } else if (strcmp(kind, "noise") == 0) {
        struct td_rng rng = {3};
        for (int i = 0; i < 200; i++) {
            size_t n = td_rng_below(&rng, 300);
            for (size_t k = 0; k < n; k++)
                big[k] = (char)td_rng_next(&rng);
            if (zmq_send(s, big, n, 0) < 0)
                break;
        }
    } else if (carry_send(s, kind)) {
        zmq_setsockopt(s, ZMQ_RCVTIMEO, &timeout, sizeof(timeout));
        r = say_answer(s);
    } else if (words_put(kind, &words)) {
        zmq_send(s, words.data, words.len, 0);
        zmq_setsockopt(s, ZMQ_RCVTIMEO, &timeout, sizeof(timeout));
        r = say_answer(s);
    } else {
        r = 2;
    }
    td_buf_release(&words);
    zmq_close(s);
    zmq_ctx_term(ctx);
    return r;
}

/* Asks for every waiting task on so many connections and reads none of the answers. Says so once each has one, or its
 * refusal, and holds them until its input ends. */
static int hoard(const char *path, const char *count, bool watches)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    const struct td_query_jobs all = {.expand = true};
    const struct td_subscribe rows = {.from_now = true, .job_rows = true};
    struct rlimit files;
    uint32_t n = (uint32_t)atoi(count);
    struct pollfd *p = td_alloc(n * sizeof(*p));

    if (getrlimit(RLIMIT_NOFILE, &files) < 0 || strlen(path) >= sizeof(a.sun_path))
        return 2;
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    memcpy(a.sun_path, path, strlen(path));
    for (uint32_t i = 0; i < n; i++) {
        p[i] = (struct pollfd){.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), .events = POLLIN};
        if (p[i].fd < 0 || connect(p[i].fd, (struct sockaddr *)&a, sizeof(a)) < 0) {
            perror("poke: connect");
            return 1;
        }
        if (watches ? frame_send(p[i].fd, TD_MSG_SUBSCRIBE, &rows, 0) < 0 : frame_send(p[i].fd, TD_MSG_QUERY_JOBS, &all, 0) < 0)
            return 1;
    }
    for (uint32_t left = n; left;) {
        if (poll(p, n, -1) < 0)
            return 1;
        for (uint32_t i = 0; i < n; i++) {
            if (p[i].fd < 0 || !p[i].revents)
                continue;
            p[i].fd = -1 - p[i].fd; /* poll passes over it */
            left--;
        }
    }
    printf("answered\n");
    fflush(stdout);
    while (getchar() != EOF)
        ;
    td_free(p);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 4 && (strcmp(argv[1], "hoard") == 0 || strcmp(argv[1], "watch") == 0))
        return hoard(argv[2], argv[3], argv[1][0] == 'w');
    if (argc == 4 && strcmp(argv[1], "unix") == 0)
        return unix_poke(argv[2], argv[3]);
    if (argc == 4 && strcmp(argv[1], "tcp") == 0)
        return tcp_poke(argv[2], argv[3]);
    if ((argc == 5 || argc == 6) && strcmp(argv[1], "bus") == 0)
        return bus_poke(argv[2], argv[3], argv[4], argv[5]);
    fprintf(stderr, "usage: poke hoard|watch SOCKET COUNT | unix SOCKET KIND | tcp PORT KIND | bus ENDPOINT SERVER-KEY KIND\n");
    return 2;
}
