/* remote.c - the way to a broker on another host: joining it once, and frames over the bus
 *
 * The token's secret is exchanged for a right of this front's own key once (ENROL with front); DIR/state/front.joined then
 * holds the token without its secret, and later starts need no --join. Commands find the front by DIR/slurm.conf, which is
 * written when it is not there.
 *
 * Each connection is a new client of libzmq: what an old one still holds, or its peer, cannot be taken for news. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "broker/front/front.h"

#define ENROL_US 1000000     /* between two askings */
#define COMPLAIN_US 60000000 /* between two lines that say the same */
#define FRAMES_PER_TURN 1000

/* --- joining ------------------------------------------------------------------------------------------------------------- */

static void remember(struct front *f)
{
    struct td_join_token bare = f->token;
    struct td_buf text = {0}, path = {0};
    memset(bare.secret, 0, sizeof(bare.secret));
    td_buf_putf(&path, "%s/front.joined", f->s->state_dir);
    int fd = open(td_buf_str(&path), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bool ok = fd >= 0 && td_join_token_print(&bare, &text) == 0 && write(fd, text.data, text.len) == (ssize_t)text.len;
    if (!ok)
        shell_log(&f->s->log, "warn cannot write %s: %s; the next start needs --join again", td_buf_str(&path), strerror(errno));
    if (fd >= 0)
        close(fd);
    td_buf_release(&text);
    td_buf_release(&path);
    f->joined = true;
}

/* Whether an earlier start enrolled here; with --join: with the same broker. */
int front_remote_begin(struct front *f, struct td_error *err)
{
    char path[4200], text[TD_JOIN_WORD_BYTES];
    struct td_join_token before = {0};
    struct td_error none_yet;
    const char *word = f->s->opt.join;
    td_format(path, sizeof(path), "%s/front.key", f->s->state_dir);
    int r = td_keypair_load(path, &f->keys, err);
    if (r < 0)
        return r;
    td_format(path, sizeof(path), "%s/front.joined", f->s->state_dir);
    f->joined = td_word_load(path, text, sizeof(text), &none_yet) == 0 && td_join_token_parse(text, &before, &none_yet) == 0;
    if (!word) {
        f->token = before;
        return 0;
    }
    r = td_join_token_parse(word, &f->token, err);
    f->joined = r == 0 && f->joined && strcmp(before.server_key, f->token.server_key) == 0;
    explicit_bzero(text, sizeof(text));
    return r;
}

bool front_remote_is(const char *state_dir)
{
    char path[4200];
    td_format(path, sizeof(path), "%s/front.joined", state_dir);
    return access(path, F_OK) == 0;
}

/* So that commands need no more than SLURM_CONF. */
int front_remote_conf(struct front *f, struct td_error *err)
{
    char path[4200];
    const char *cluster = td_core_settings(f->s->core)->cluster;
    td_format(path, sizeof(path), "%s/../slurm.conf", f->s->state_dir);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd < 0)
        return errno == EEXIST ? 0 : td_fail(err, TD_E_IO, "cannot write %s: %s", path, strerror(errno));
    bool ok = fchmod(fd, 0644) == 0 && dprintf(fd, "# The front of %s runs here (tender-front --join): commands ask it.\nClusterName=%s\n",
                                              td_str_empty(cluster) ? "a cluster" : cluster,
                                              td_str_empty(cluster) ? "tender" : cluster) > 0;
    int failed = errno;
    return close(fd) == 0 && ok ? 0 : td_fail(err, TD_E_IO, "cannot write %s: %s", path, strerror(failed));
}

/* As the cluster has it, which this front knows from its replica: nobody's until it does. */
bool front_remote_squashes(const struct front *f)
{
    bool root = false;
    td_core_key_front(f->s->core, f->keys.public_key, &root);
    return !root;
}

/* --- the connection -------------------------------------------------------------------------------------------------------- */

int front_remote_dial(struct front *f)
{
    struct td_error err = {0};
    int fd;
    int r = td_bus_client_new(f->token.router, f->token.pub, f->token.server_key, &f->keys, &f->bus, &err);
    if (r < 0) {
        if (shell_boot_us() >= f->complain_us)
            shell_log(&f->s->log, "error broker not dialled: %s", err.text);
        f->complain_us = shell_boot_us() + COMPLAIN_US;
        return r;
    }
    TD_ASSERT(td_bus_client_fds(f->bus, &fd, 1) == 1);
    struct epoll_event ev = {.events = EPOLLIN, .data.u64 = SHELL_EPOLL_BUS};
    TD_ASSERT(epoll_ctl(f->s->epoll_fd, EPOLL_CTL_ADD, fd, &ev) == 0);
    f->enrol_us = 0;
    return 0;
}

void front_remote_hang_up(struct front *f)
{
    td_bus_client_destroy(&f->bus); /* epoll forgets its descriptor by itself */
}

int front_remote_send(struct front *f, uint32_t id, uint64_t request, const void *body)
{
    td_buf_reset(&f->s->frame);
    td_wire_put_frame(&f->s->frame, id, request, body);
    return td_bus_client_send(f->bus, &f->s->frame);
}

static void ask_to_join(struct front *f)
{
    const struct td_enrol m = {
        .secret = {f->token.secret, sizeof(f->token.secret)}, .node = f->s->host, .version = TD_PROTOCOL_VERSION, .front = true};
    if (shell_boot_us() < f->enrol_us)
        return;
    f->enrol_us = shell_boot_us() + ENROL_US;
    front_remote_send(f, TD_MSG_ENROL, 1, &m); /* full or gone: said again */
}

static void say_wrong_broker(struct front *f)
{
    if (!td_bus_client_handshake_failed(f->bus) || shell_boot_us() < f->complain_us)
        return;
    f->complain_us = shell_boot_us() + COMPLAIN_US;
    shell_log(&f->s->log, "error the broker at %s is not the one this front's token names, or no broker", f->token.router);
}

/* Once a turn: dialling goes on to joining, that to following; a connection that broke is given up. */
void front_remote_tick(struct front *f)
{
    say_wrong_broker(f);
    char why[TD_BUS_TROUBLE_BYTES];
    if (td_bus_trouble_look(&f->trouble, td_bus_client_connected(f->bus), f->token.router, shell_boot_us() / 1000, why))
        shell_log(&f->s->log, "warn no connection to the broker at %s: %s", f->token.router, why);
    bool stands = td_bus_client_connected(f->bus), again = td_bus_client_reconnected(f->bus);
    if (f->link == LINK_UP && (!stands || again))
        front_uplink_close(f, "it broke");
    else if (f->link == LINK_DIALLING && stands && !f->joined)
        ask_to_join(f);
    else if (f->link == LINK_DIALLING && stands)
        front_uplink_follow(f);
}

/* The broker does not take this front: for good, when it says that its key or its token is not good. */
static void refused(struct front *f, const struct td_refused *m)
{
    if (f->s->stop)
        return; /* of what was said behind that: said already */
    bool for_good = m->code == TD_E_DENIED || m->code == TD_E_BAD_TOKEN || m->code == TD_E_VERSION;
    shell_log(&f->s->log, "%s the broker refuses this front: %s", for_good ? "error" : "warn", m->text ? m->text : "");
    if (!for_good) {
        front_uplink_close(f, "it was refused");
        f->retry_us = shell_boot_us() + ENROL_US;
        return;
    }
    fprintf(stderr, "tender-front: error: the broker refuses this front: %s\n", m->text ? m->text : "");
    f->s->stop = true;
    f->failed = true;
}

/* What is for the connection itself; false: it is for others. */
static bool take_own(struct front *f, uint32_t id, const uint8_t *data, size_t len)
{
    struct td_frame frame = {0};
    struct td_error err = {0};
    struct td_arena a = {0};
    if (id != TD_MSG_ENROLLED && id != TD_MSG_REFUSED)
        return f->link != LINK_UP; /* of an earlier connection of the same key */
    if (td_wire_get_frame(&a, data, len, &frame, &err) < 0) {
        front_uplink_close(f, err.text);
    } else if (id == TD_MSG_REFUSED) {
        refused(f, frame.body);
    } else if (!f->joined) {
        shell_log(&f->s->log, "info enrolled as %s", f->s->host);
        remember(f);
        explicit_bzero(f->token.secret, sizeof(f->token.secret));
    }
    td_arena_release(&a);
    return true;
}

void front_remote_ready(struct front *f)
{
    const uint8_t *data;
    size_t len;
    bool published;
    for (int i = 0; i < FRAMES_PER_TURN && f->bus && td_bus_client_next(f->bus, &data, &len, &published) > 0; i++) {
        struct td_error err = {0};
        uint32_t id;
        uint64_t request;
        const uint8_t *body;
        f->heard_us = f->link == LINK_UP ? shell_boot_us() : f->heard_us;
        if (published)
            continue;
        if (td_wire_get_head(data, len, &id, &request, &body, &err) < 0)
            front_uplink_close(f, err.text);
        else if (!take_own(f, id, data, len))
            front_uplink_take(f, data, len);
    }
}
