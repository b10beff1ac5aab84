/* curve_peer.h - a ZMTP peer made by hand, to send what libzmq itself never would
 *
 * libzmq keeps the parts of a message back until the last one is there, so no libzmq client can send a message without
 * end. This one speaks just enough of ZMTP 3.0 with CURVE (RFC 23 and 26) to be let in and misbehave. */
#ifndef TD_TEST_CURVE_PEER_H
#define TD_TEST_CURVE_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct curve_peer {
    int fd; /* blocking */
    uint64_t nonce;
    uint8_t server_key[32], server_short[32];
    uint8_t own_public[32], own_secret[32], short_public[32], short_secret[32];
};
/* Connects to 127.0.0.1 and goes through the handshake up to the point where the server asks its ZAP handler. */
bool curve_peer_open(struct curve_peer *p, uint16_t port, const uint8_t server_key[32], const char *socket_type);
/* The server's READY, once its handler has been served; blocks. */
bool curve_peer_ready(struct curve_peer *p);
/* Sends one part; false when the connection is gone. */
bool curve_peer_send(struct curve_peer *p, const void *data, size_t n, bool more);
void curve_peer_close(struct curve_peer *p);

#endif
