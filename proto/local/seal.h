/* seal.h - a byte stream made secret and whole under a key that both ends have (libsodium's secretstream)
 *
 * For the stdio of steps: the two ends share 32 random bytes, which srun made and which reached the node through broker
 * and worker over CURVE. Each end says a fresh random nonce in the clear; the keys of the two directions are made from
 * the shared key and both nonces, so that no key serves two connections and a connection that is played back fails at
 * its first frame. What comes is then known to be from somebody who has the key, unaltered, in order, none left out.
 *
 * Pure: bytes in, bytes out; sealed.h puts it on a socket. */
#ifndef TD_SEAL_H
#define TD_SEAL_H

#include "types/types.h"

#define TD_SEAL_KEY_BYTES 32u
#define TD_SEAL_NONCE_BYTES 32u
#define TD_SEAL_HELLO_BYTES (8u + TD_SEAL_NONCE_BYTES)

struct td_seal;
/* dialer: the end that connected; the two ends must differ in it. Without a nonce a random one is taken. */
struct td_seal *td_seal_new(const uint8_t key[TD_SEAL_KEY_BYTES], bool dialer, const uint8_t *nonce);
void td_seal_destroy(struct td_seal **p);
void td_seal_hello(const struct td_seal *s, struct td_buf *out); /* the first bytes to send; appended */
bool td_seal_ready(const struct td_seal *s);                     /* the other end's nonce is known: one may seal */
/* Appends one sealed frame. Ready only. last (an empty one): nothing follows, and the other end learns that nothing was
 * cut off. */
void td_seal_put(struct td_seal *s, const uint8_t *plain, size_t n, bool last, struct td_buf *out);

enum td_seal_got {
    TD_SEAL_MORE,    /* nothing whole yet */
    TD_SEAL_GREETED, /* the handshake went a step on */
    TD_SEAL_FRAME,   /* `plain` holds a frame */
    TD_SEAL_END,     /* the other end said its last */
};
/* Takes at most one piece from the bytes that came; *ret_used of them are done with. Returns enum td_seal_got, or
 * <0: BAD_FRAME (another protocol, another key, altered, played back), TOO_BIG. After a failure nothing more is taken. */
int td_seal_take(struct td_seal *s, const uint8_t *data, size_t len, size_t *ret_used, struct td_buf *plain,
                 struct td_error *err);

#endif
