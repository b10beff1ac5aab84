/* bus.h - frames over ZeroMQ with CURVE, and our own ZAP handler
 *
 * The handler admits any key and hands it on as the identity (User-Id of every message); rights are checked per
 * message, so that a refusal is an ordinary reply in words. Every socket has a high-water mark and a maximum message
 * size. Nothing here blocks. */
#ifndef TD_BUS_H
#define TD_BUS_H

#include "wire/token.h"
#include "wire/wire.h"

struct td_keypair {
    char public_key[TD_KEY_Z85];
    char secret_key[TD_KEY_Z85];
};
int td_keypair_make(struct td_keypair *ret, struct td_error *err);
/* The first word of a small file, a token's or a number's. */
int td_word_load(const char *path, char *out, size_t cap, struct td_error *err);
/* What stands behind --join: a token, which is blotted out where it stands, because ps shows it to everybody; "@FILE", its
 * first word; "-", the first word of a line of standard input. */
#define TD_JOIN_WORD_BYTES 4096
int td_join_word_take(char *word, char *out, size_t cap, struct td_error *err);
int td_keypair_load(const char *path, struct td_keypair *ret, struct td_error *err); /* makes the file (0600) when absent */

/* Why no connection to an endpoint stands. To be called now and then; true: there is a sentence to say, after a while at first,
 * then once a minute. All zero at first. */
#define TD_BUS_TROUBLE_BYTES 512
struct td_bus_trouble {
    int64_t say_ms;
    bool asking;
    int fd;
};
bool td_bus_trouble_look(struct td_bus_trouble *t, bool stands, const char *endpoint, int64_t now_ms, char text[TD_BUS_TROUBLE_BYTES]);

/* Server: a ROUTER for workers (and remote fronts) and a PUB for offers, on ports of one address. port_range: NULL or "0"
 * any free ports; "6817-6820" the first free two of them; "6817" the ROUTER there, the PUB on any free port. Raises
 * RLIMIT_NOFILE; -TOO_BIG when peers_max does not fit into it. */
struct td_bus_server;
int td_bus_server_new(const char *address, const char *port_range, const struct td_keypair *keys, uint32_t peers_max,
                      struct td_bus_server **ret, struct td_error *err);
/* A ROUTER alone, at one address and port, for strangers: its messages are small, and who is not known soon is shut out. */
struct td_bus_bounds {
    uint32_t message_bytes; /* a longer message ends its connection */
    uint32_t messages;      /* held each way for one peer */
    uint32_t peers;         /* connections, of which as many again may be guests: when all are taken, the oldest guest gives way */
    uint32_t guest_ms;      /* how long a peer may be one */
};
int td_bus_door_new(const char *address, uint32_t port, const struct td_keypair *keys, const struct td_bus_bounds *bounds,
                    struct td_bus_server **ret, struct td_error *err);
/* Of the peer whose message was handed out last: it is no guest any more; its connection is shut in a moment, when it had
 * time to read why. */
void td_bus_server_known(struct td_bus_server *s);
void td_bus_server_dismiss(struct td_bus_server *s);
uint32_t td_bus_server_connections(const struct td_bus_server *s);
void td_bus_server_destroy(struct td_bus_server **p);
const char *td_bus_server_router_endpoint(const struct td_bus_server *s); /* "tcp://127.0.0.1:41001" */
const char *td_bus_server_pub_endpoint(const struct td_bus_server *s);
/* The descriptor to poll for reading, level-triggered; one stands for all. After a wake call td_bus_server_next, at best
 * until it returns 0: only then are handshakes served and the descriptor rests. */
int td_bus_server_fds(const struct td_bus_server *s, int *fds, int cap);
struct td_bus_msg {
    uint8_t route[256];
    size_t route_len;
    char key[TD_KEY_Z85]; /* CURVE key of the connection, verified */
    char address[64];     /* it comes from: "10.7.0.3"; "" where that is not known */
    const uint8_t *data;  /* frame; borrowed until the next call */
    size_t len;
};
int td_bus_server_next(struct td_bus_server *s, struct td_bus_msg *ret); /* 1, 0 = nothing waits; malformed multiparts are counted and dropped */
int td_bus_server_send(struct td_bus_server *s, const uint8_t *route, size_t route_len, const struct td_buf *frame); /* 0, -BUSY (full), -UNREACHABLE (gone) */
int td_bus_server_publish(struct td_bus_server *s, const char *topic, const struct td_buf *frame);
uint64_t td_bus_server_dropped(const struct td_bus_server *s); /* malformed or over-long messages so far */

/* Client (worker): a DEALER and a SUB that connect, never listen. pub_endpoint NULL: a DEALER alone. */
struct td_bus_client;
int td_bus_client_new(const char *router_endpoint, const char *pub_endpoint, const char *server_key,
                      const struct td_keypair *keys, struct td_bus_client **ret, struct td_error *err);
void td_bus_client_destroy(struct td_bus_client **p);
/* As the server's. */
int td_bus_client_fds(const struct td_bus_client *c, int *fds, int cap);
int td_bus_client_next(struct td_bus_client *c, const uint8_t **ret_data, size_t *ret_len, bool *ret_published);
/* 0, -BUSY (full), -UNREACHABLE (no connection stands: nothing is kept for later). */
int td_bus_client_send(struct td_bus_client *c, const struct td_buf *frame);
int td_bus_client_subscribe(struct td_bus_client *c, const char *topic);
int td_bus_client_unsubscribe(struct td_bus_client *c, const char *topic);
/* A failed handshake since the last call (wrong server key), from the socket monitor. */
bool td_bus_client_handshake_failed(struct td_bus_client *c);
/* The ROUTER's connection was lost and stands again, since the last call: another broker may be behind it, and what was
 * sent last may not have arrived. */
bool td_bus_client_reconnected(struct td_bus_client *c);
bool td_bus_client_connected(struct td_bus_client *c);             /* both connections stand, as far as their monitors said */
uint64_t td_bus_client_dropped(const struct td_bus_client *c);     /* messages that were none of ours */

#endif
