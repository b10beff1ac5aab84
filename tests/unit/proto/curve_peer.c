/* curve_peer.c - see curve_peer.h; the layouts of the commands are those of RFC 26 */
#include "curve_peer.h"

#include <netinet/in.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define GREETING_BYTES 64
#define MAC crypto_box_MACBYTES

static bool write_all(int fd, const void *data, size_t n)
{
    const char *p = data;

    while (n > 0) {
        ssize_t k = send(fd, p, n, MSG_NOSIGNAL);

        if (k <= 0)
            return false;
        p += k;
        n -= (size_t)k;
    }
    return true;
}

static bool read_all(int fd, void *data, size_t n)
{
    return recv(fd, data, n, MSG_WAITALL) == (ssize_t)n;
}

/* A nonce is a prefix of 16 characters and a counter, or of 8 characters and 16 bytes of chance. */
static void nonce_short(uint8_t out[24], const char *prefix, uint64_t n)
{
    memcpy(out, prefix, 16);
    for (int i = 0; i < 8; i++)
        out[16 + i] = (uint8_t)(n >> (56 - 8 * i));
}

static void nonce_long(uint8_t out[24], const char *prefix, const uint8_t chance[16])
{
    memcpy(out, prefix, 8);
    memcpy(out + 8, chance, 16);
}

static bool frame_send(int fd, uint8_t flags, const uint8_t *body, size_t n)
{
    uint8_t head[9] = {(uint8_t)(flags | 2)};

    for (int i = 0; i < 8; i++)
        head[1 + i] = (uint8_t)((uint64_t)n >> (56 - 8 * i));
    return write_all(fd, head, sizeof(head)) && write_all(fd, body, n);
}

/* A frame of at most cap bytes; 0 when there is none. */
static size_t frame_read(int fd, uint8_t *body, size_t cap)
{
    uint8_t head[9];
    size_t n = 0;

    if (!read_all(fd, head, 2))
        return 0;
    if (head[0] & 2) {
        if (!read_all(fd, head + 2, 7))
            return 0;
        for (int i = 0; i < 8; i++)
            n = n << 8 | head[1 + i];
    } else {
        n = head[1];
    }
    return n <= cap && read_all(fd, body, n) ? n : 0;
}

static bool greet(int fd)
{
    uint8_t ours[GREETING_BYTES] = {0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0x7f, 3, 0, 'C', 'U', 'R', 'V', 'E'};
    uint8_t theirs[GREETING_BYTES];

    return write_all(fd, ours, sizeof(ours)) && read_all(fd, theirs, sizeof(theirs));
}

static bool hello(struct curve_peer *p)
{
    uint8_t cmd[200] = {5, 'H', 'E', 'L', 'L', 'O', 1, 0}, nonce[24], zeros[64] = {0};

    nonce_short(nonce, "CurveZMQHELLO---", ++p->nonce);
    memcpy(cmd + 80, p->short_public, 32);
    memcpy(cmd + 112, nonce + 16, 8);
    return crypto_box_easy(cmd + 120, zeros, sizeof(zeros), nonce, p->server_key, p->short_secret) == 0 &&
           frame_send(p->fd, 4, cmd, sizeof(cmd));
}

static bool welcome(struct curve_peer *p, uint8_t cookie[96])
{
    uint8_t cmd[168], nonce[24], plain[128];

    if (frame_read(p->fd, cmd, sizeof(cmd)) != sizeof(cmd) || memcmp(cmd, "\7WELCOME", 8) != 0)
        return false;
    nonce_long(nonce, "WELCOME-", cmd + 8);
    if (crypto_box_open_easy(plain, cmd + 24, 144, nonce, p->server_key, p->short_secret) != 0)
        return false;
    memcpy(p->server_short, plain, 32);
    memcpy(cookie, plain + 32, 96);
    return true;
}

static size_t metadata(uint8_t *out, const char *socket_type)
{
    size_t n = strlen(socket_type);

    memcpy(out, "\13Socket-Type", 12);
    out[12] = out[13] = out[14] = 0;
    out[15] = (uint8_t)n;
    memcpy(out + 16, socket_type, n);
    return 16 + n;
}

static bool initiate(struct curve_peer *p, const uint8_t cookie[96], const char *socket_type)
{
    uint8_t cmd[512] = {8, 'I', 'N', 'I', 'T', 'I', 'A', 'T', 'E'}, plain[256], vouch[64], nonce[24];

    memcpy(plain, p->own_public, 32);
    randombytes_buf(plain + 32, 16);
    nonce_long(nonce, "VOUCH---", plain + 32);
    memcpy(vouch, p->short_public, 32);
    memcpy(vouch + 32, p->server_key, 32);
    if (crypto_box_easy(plain + 48, vouch, sizeof(vouch), nonce, p->server_short, p->own_secret) != 0)
        return false;
    size_t n = 48 + sizeof(vouch) + MAC;
    n += metadata(plain + n, socket_type);

    memcpy(cmd + 9, cookie, 96);
    nonce_short(nonce, "CurveZMQINITIATE", ++p->nonce);
    memcpy(cmd + 105, nonce + 16, 8);
    return crypto_box_easy(cmd + 113, plain, n, nonce, p->server_short, p->short_secret) == 0 &&
           frame_send(p->fd, 4, cmd, 113 + n + MAC);
}

bool curve_peer_open(struct curve_peer *p, uint16_t port, const uint8_t server_key[32], const char *socket_type)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval limit = {10, 0};
    uint8_t cookie[96];

    *p = (struct curve_peer){.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    memcpy(p->server_key, server_key, 32);
    crypto_box_keypair(p->own_public, p->own_secret);
    crypto_box_keypair(p->short_public, p->short_secret);
    setsockopt(p->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    setsockopt(p->fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    return connect(p->fd, (struct sockaddr *)&to, sizeof(to)) == 0 && greet(p->fd) && hello(p) && welcome(p, cookie) &&
           initiate(p, cookie, socket_type);
}

bool curve_peer_ready(struct curve_peer *p)
{
    uint8_t cmd[512];
    size_t n = frame_read(p->fd, cmd, sizeof(cmd));

    return n > 6 && memcmp(cmd, "\5READY", 6) == 0;
}

bool curve_peer_send(struct curve_peer *p, const void *data, size_t n, bool more)
{
    size_t total = 16 + 1 + n + MAC;
    uint8_t *plain = malloc(1 + n), *cmd = malloc(total), nonce[24];

    plain[0] = more;
    memcpy(plain + 1, data, n);
    nonce_short(nonce, "CurveZMQMESSAGEC", ++p->nonce);
    memcpy(cmd, "\7MESSAGE", 8);
    memcpy(cmd + 8, nonce + 16, 8);
    bool ok = crypto_box_easy(cmd + 16, plain, 1 + n, nonce, p->server_short, p->short_secret) == 0 &&
              frame_send(p->fd, 0, cmd, total);
    free(plain);
    free(cmd);
    return ok;
}

void curve_peer_close(struct curve_peer *p)
{
    if (p->fd >= 0)
        close(p->fd);
    p->fd = -1;
}
