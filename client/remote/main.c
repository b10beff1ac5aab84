/* main.c - tender-remote: words, files, the order of starting and stopping
 *
 * Without --foreground the process that was started waits until the link stands, prints how to use it, and leaves it running in
 * the background. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cluster/cluster.h"
#include "cluster/remote.h"
#include "remote/remote.h"
#include "say.h"
#include "watch.h"

#define FIRST_LINK_MS 10000
#define EVENTS_PER_WAIT 64
#define EXPORT "export SLURM_CONF=%s/slurm.conf\n"
#define CONF_MARK "# a link of tender remote"

void remote_log(const char *fmt, ...)
{
    char text[1024], when[64] = "";
    time_t now = time(NULL);
    struct tm tm;
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    if (localtime_r(&now, &tm))
        strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S", &tm);
    fprintf(stderr, "%s tender-remote: %s\n", when, text);
}

/* --- files ---------------------------------------------------------------------------------------------------------------- */

/* FILE below the user's configuration, whose folder is made. */
static int config_path(const char *below, char *out, size_t cap, struct td_error *err)
{
    const char *base = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
    char dir[TD_MAX_PATH_BYTES];

    if (!td_str_empty(base) && base[0] == '/')
        td_format(dir, sizeof(dir), "%s/tender", base);
    else if (!td_str_empty(home) && home[0] == '/')
        td_format(dir, sizeof(dir), "%s/.config/tender", home);
    else
        return td_fail(err, TD_E_USAGE, "HOME is not set: name the file with --key");
    if (td_format(out, cap, "%s/%s", dir, below) >= cap)
        return td_fail(err, TD_E_TOO_BIG, "%s is too long a name", dir);
    char *slash = strrchr(out, '/');
    *slash = 0;
    int r = dirs_make(out, 0700, err);
    *slash = '/';
    return r;
}

static int key_path(const struct remote_words *o, char *out, size_t cap, struct td_error *err)
{
    if (!o->key)
        return config_path("key", out, cap, err);
    td_format(out, cap, "%s", o->key);
    return 0;
}

/* HOST:PORT as a file's name. */
static void file_name(const char *address, char *out, size_t cap)
{
    td_format(out, cap, "%s", address);
    for (char *c = out; *c; c++)
        if (strchr("/:[]", *c))
            *c = '-';
}

static int address_check(const char *address, struct td_error *err)
{
    const char *colon = strrchr(address, ':');
    uint64_t port = 0;

    if (!colon || colon == address || !td_parse_u64(colon + 1, &port) || port < 1 || port > 65535 || strlen(address) > 255)
        return td_fail(err, TD_E_USAGE, "'%s' is no HOST:PORT", address);
    return 0;
}

static int place_of(const struct remote_words *o, struct remote *r, struct td_error *err)
{
    const char *runtime = getenv("XDG_RUNTIME_DIR"), *home = getenv("HOME");
    char name[300];
    size_t n = 0;

    file_name(r->address, name, sizeof(name));
    if (o->dir && o->dir[0] == '/')
        n = td_format(r->dir, sizeof(r->dir), "%s", o->dir);
    else if (o->dir)
        return td_fail(err, TD_E_USAGE, "--dir=%s: a whole path is wanted", o->dir);
    else if (!td_str_empty(runtime) && runtime[0] == '/')
        n = td_format(r->dir, sizeof(r->dir), "%s/tender/remote-%s", runtime, name);
    else if (!td_str_empty(home) && home[0] == '/')
        n = td_format(r->dir, sizeof(r->dir), "%s/.local/state/tender/remote-%s", home, name);
    else
        return td_fail(err, TD_E_USAGE, "neither XDG_RUNTIME_DIR nor HOME is set: give --dir");
    if (n + 64 > sizeof(r->dir))
        return td_fail(err, TD_E_TOO_BIG, "%s is too long a name", r->dir);
    td_format(r->socket, sizeof(r->socket), "%s/state/run/front.sock", r->dir);
    return 0;
}

/* A folder that is a cluster's own is left alone. */
static int folder_make(const struct remote *r, struct td_error *err)
{
    char path[TD_MAX_PATH_BYTES + 64];
    struct td_buf text = {0};
    struct td_error none;

    td_format(path, sizeof(path), "%s/slurm.conf", r->dir);
    bool other = access(path, F_OK) == 0 && file_read(path, &text, &none) == 0 && !td_str_prefix(td_buf_str(&text), CONF_MARK);
    td_buf_release(&text);
    if (other)
        return td_fail(err, TD_E_USAGE, "%s is the folder of a cluster: a link needs one of its own (--dir)", r->dir);
    td_format(path, sizeof(path), "%s/state/run", r->dir);
    int made = dirs_make(path, 0700, err);
    if (made == 0 && chmod(r->dir, 0700) < 0)
        made = td_fail(err, TD_E_IO, "cannot make %s one's own: %s", r->dir, strerror(errno));
    return made;
}

static int conf_write(const struct remote *r, struct td_error *err)
{
    char path[TD_MAX_PATH_BYTES + 64];
    struct td_buf text = {0};

    td_format(path, sizeof(path), "%s/slurm.conf", r->dir);
    td_buf_putf(&text, CONF_MARK " to the front at %s: commands ask it.\nClusterName=%s\n", r->address, r->cluster);
    int w = file_write(path, text.data, text.len, 0600, err);
    td_buf_release(&text);
    return w;
}

/* --- the front's key: told once, then known ----------------------------------------------------------------------------------- */

static int known_path(const struct remote *r, char *out, size_t cap, struct td_error *err)
{
    char name[300], below[320];

    file_name(r->address, name, sizeof(name));
    td_format(below, sizeof(below), "fronts/%s", name);
    return config_path(below, out, cap, err);
}

static int server_key_of(const struct remote_words *o, struct remote *r, struct td_error *err)
{
    char path[TD_MAX_PATH_BYTES], word[256] = "";
    struct td_error none;
    int k = 0;

    if (o->server_key && o->server_key[0] == '@' && strlen(o->server_key) != TD_KEY_Z85 - 1) /* keys may begin so, too */
        k = td_word_load(o->server_key + 1, word, sizeof(word), err);
    else if (o->server_key)
        td_format(word, sizeof(word), "%s", o->server_key);
    else if (known_path(r, path, sizeof(path), &none) < 0 || td_word_load(path, word, sizeof(word), &none) < 0)
        return td_fail(err, TD_E_USAGE, "which key has the front at %s? Name it once with --server-key (tender remote address prints it there)",
                       r->address);
    if (k == 0 && strlen(word) != TD_KEY_Z85 - 1)
        k = td_fail(err, TD_E_USAGE, "--server-key: '%s' is no key: those are of %d letters, digits and signs", word, TD_KEY_Z85 - 1);
    if (k == 0)
        memcpy(r->server_key, word, TD_KEY_Z85);
    return k;
}

/* It has shown that it has the key. */
static void server_key_remember(const struct remote *r)
{
    char path[TD_MAX_PATH_BYTES], line[TD_KEY_Z85 + 1];
    struct td_error err = {0};

    td_format(line, sizeof(line), "%s\n", r->server_key);
    if (known_path(r, path, sizeof(path), &err) < 0 || file_write(path, line, strlen(line), 0600, &err) < 0)
        remote_log("%s; the next start needs --server-key again", err.text);
}

/* --- the link's own process ------------------------------------------------------------------------------------------------------ */

static int signals_open(struct remote *r, struct td_error *err)
{
    struct epoll_event ev = {.events = EPOLLIN, .data.u64 = REMOTE_TAG_SIGNAL};
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    signal(SIGPIPE, SIG_IGN);
    r->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    r->signal_fd = sigprocmask(SIG_BLOCK, &set, NULL) == 0 ? signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC) : -1;
    if (r->epoll_fd < 0 || r->signal_fd < 0 || epoll_ctl(r->epoll_fd, EPOLL_CTL_ADD, r->signal_fd, &ev) < 0)
        return td_fail(err, TD_E_IO, "cannot watch signals: %s", strerror(errno));
    return 0;
}

static int wait_ms(const struct remote *r)
{
    int64_t at = TD_MIN(remote_link_deadline_ms(r), remote_desk_deadline_ms(r)), left = at - watch_elapsed_ms();

    return (int)TD_MAX(TD_MIN(left, (int64_t)1000), (int64_t)0);
}

static void turn(struct remote *r)
{
    struct epoll_event ev[EVENTS_PER_WAIT];
    int n = epoll_wait(r->epoll_fd, ev, EVENTS_PER_WAIT, wait_ms(r));

    TD_ASSERT(n >= 0 || errno == EINTR);
    for (int i = 0; i < n; i++) {
        if (ev[i].data.u64 == REMOTE_TAG_LISTEN) {
            remote_desk_accept(r);
        } else if (ev[i].data.u64 == REMOTE_TAG_BUS) {
            remote_link_take(r);
        } else if (ev[i].data.u64 == REMOTE_TAG_SIGNAL) {
            struct signalfd_siginfo info;
            while (read(r->signal_fd, &info, sizeof(info)) == sizeof(info))
                r->stop = r->stop || info.ssi_signo != SIGHUP; /* the terminal it was started from may go */
        } else {
            td_carry_ready(&r->carry, (uint32_t)ev[i].data.u64, ev[i].events);
        }
    }
    remote_link_tick(r);
    remote_desk_serve(r);
}

/* Until it stands for the first time: what is wrong then is for whoever starts it. */
static int first_link(struct remote *r, struct td_error *err)
{
    int64_t until = watch_elapsed_ms() + FIRST_LINK_MS;

    while (r->link != REMOTE_UP && !r->stop && !r->for_good && watch_elapsed_ms() < until) {
        turn(r);
        if (r->why.code == TD_E_DENIED) /* the wrong key, ours or theirs */
            break;
    }
    if (r->link == REMOTE_UP)
        return conf_write(r, err);
    if (r->why.code)
        return td_fail(err, r->why.code, "%s", r->why.text);
    return td_fail(err, TD_E_UNREACHABLE, "%s: nobody answers at %s", td_error_words(TD_E_UNREACHABLE), r->address);
}

static int link_begin(const struct remote_words *o, struct remote *r, struct td_error *err)
{
    char path[TD_MAX_PATH_BYTES];
    int k = key_path(o, path, sizeof(path), err);

    if (k == 0 && access(path, F_OK) < 0)
        k = td_fail(err, TD_E_USAGE, "you have no key (%s): make one with tender key create, and have it registered", path);
    if (k == 0)
        k = td_keypair_load(path, &r->keys, err);
    if (k == 0)
        k = folder_make(r, err);
    if (k == 0)
        k = signals_open(r, err);
    if (k == 0)
        k = remote_desk_open(r, err);
    r->down_ms = watch_elapsed_ms();
    return k == 0 ? first_link(r, err) : k;
}

static void link_end(struct remote *r)
{
    remote_link_close(r, "it was told to end");
    remote_desk_close(r);
    explicit_bzero(&r->keys, sizeof(r->keys));
    if (r->signal_fd >= 0)
        close(r->signal_fd);
    if (r->epoll_fd >= 0)
        close(r->epoll_fd);
}

/* `ready_fd`: whoever waits in the foreground gets the lines to print, or the reason why not; -1: standard output. */
static int link_run(const struct remote_words *o, struct remote *r, int ready_fd)
{
    struct td_error err = {0};
    char words[TD_ERROR_TEXT_MAX + TD_MAX_PATH_BYTES];
    int k = link_begin(o, r, &err);

    if (k == 0)
        server_key_remember(r);
    td_format(words, sizeof(words), k == 0 ? EXPORT : "!%s", k == 0 ? r->dir : err.text);
    if (ready_fd < 0 && k < 0)
        say_error("%s", err.text);
    else if (write(ready_fd < 0 ? STDOUT_FILENO : ready_fd, words, strlen(words)) < 0)
        remote_log("nobody listens to whether it stands");
    if (ready_fd >= 0)
        close(ready_fd);
    while (k == 0 && !r->stop)
        turn(r);
    link_end(r);
    return k == 0 ? 0 : 1;
}

/* What the other process says: the words to print, or behind a '!' why there are none. */
static int wait_ready(int fd, pid_t pid)
{
    struct td_buf text = {0};
    char chunk[4096];
    ssize_t n;

    while ((n = read(fd, chunk, sizeof(chunk))) > 0 || (n < 0 && errno == EINTR))
        if (n > 0)
            td_buf_put(&text, chunk, (size_t)n);
    bool ok = text.len && text.data[0] != '!';
    if (ok)
        say_out(&text);
    else
        say_error("%s", text.len ? td_buf_str(&text) + 1 : "the link's process ended; its log says why");
    td_buf_release(&text);
    if (!ok)
        waitpid(pid, NULL, 0);
    return ok ? 0 : 1;
}

static int in_background(const struct remote_words *o, struct remote *r)
{
    char log[TD_MAX_PATH_BYTES + 64];
    struct td_error err = {0};
    int fds[2];

    td_format(log, sizeof(log), "%s/remote.log", r->dir);
    if (folder_make(r, &err) < 0) {
        say_error("%s", err.text);
        return 1;
    }
    if (pipe2(fds, O_CLOEXEC) < 0) {
        say_error("cannot make a pipe: %s", strerror(errno));
        return 1;
    }
    pid_t pid = fork();
    if (pid < 0) {
        say_error("cannot start a process: %s", strerror(errno));
        return 1;
    }
    if (pid > 0) {
        close(fds[1]);
        return wait_ready(fds[0], pid);
    }
    close(fds[0]);
    setsid();
    int null = open("/dev/null", O_RDWR | O_CLOEXEC), to = open(o->log ? o->log : log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (null >= 0)
        dup2(null, STDIN_FILENO), dup2(null, STDOUT_FILENO);
    dup2(to >= 0 ? to : null, STDERR_FILENO);
    return link_run(o, r, fds[1]);
}

/* --- words ---------------------------------------------------------------------------------------------------------------------- */

static bool stands(const struct remote *r)
{
    struct td_error none;
    int fd = access(r->socket, F_OK) == 0 ? td_local_connect(r->socket, &none) : -1;

    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

static int connect_to(const struct remote_words *o, struct remote *r, struct td_error *err)
{
    int k = address_check(r->address, err);

    if (k == 0)
        k = place_of(o, r, err);
    if (k == 0 && stands(r)) {
        say_note("there is a link to %s already", r->address);
        printf(EXPORT, r->dir);
        return 0;
    }
    if (k == 0)
        k = server_key_of(o, r, err);
    if (k < 0)
        return k;
    td_format(r->endpoint, sizeof(r->endpoint), "tcp://%s", r->address);
    return o->foreground ? link_run(o, r, -1) : in_background(o, r);
}

/* Whoever listens on its socket is it. */
static int disconnect(const struct remote_words *o, struct remote *r, struct td_error *err)
{
    pid_t pid = 0;
    int k = address_check(r->address, err), fd = -1;

    if (k == 0)
        k = place_of(o, r, err);
    if (k == 0 && (fd = td_local_connect(r->socket, err)) < 0)
        return td_fail(err, TD_E_UNREACHABLE, "there is no link to %s (%s)", r->address, r->dir);
    if (k == 0 && td_local_peer(fd, NULL, NULL, &pid) < 0)
        k = td_fail(err, TD_E_IO, "cannot tell who has the link to %s", r->address);
    if (fd >= 0)
        close(fd);
    if (k == 0 && kill(pid, SIGTERM) < 0)
        k = td_fail(err, TD_E_IO, "cannot end the link to %s (process %d): %s", r->address, (int)pid, strerror(errno));
    if (k == 0 && !process_wait_gone(pid, 5000))
        k = td_fail(err, TD_E_TIMED_OUT, "the link to %s (process %d) does not end", r->address, (int)pid);
    return k;
}

/* "0.0.0.0:6820 KEY" of the front here, as others reach it. */
static int say_address(struct td_error *err)
{
    struct client c = {0};
    struct td_buf text = {0}, out = {0};
    char path[TD_MAX_PATH_BYTES + 16], host[256] = "";
    int k = client_find(&c, err);

    if (k < 0)
        return k;
    td_format(path, sizeof(path), "%s", c.place.front);
    char *ext = strrchr(path, '.');
    td_format(ext, sizeof(path) - (size_t)(ext - path), ".door");
    if (access(path, F_OK) < 0 || file_read(path, &text, err) < 0)
        return td_fail(err, TD_E_NOT_SUPPORTED, "the front here has no TCP door: FrontAddress= of tender.conf opens one (%s)", path);
    char *at = (char *)(uintptr_t)td_buf_str(&text), *key = strchr(at, ' '), *colon = NULL;
    if (key) {
        *key++ = 0;
        key[strcspn(key, "\n")] = 0;
        colon = strrchr(at, ':');
    }
    if (!colon)
        k = td_fail(err, TD_E_IO, "%s is not what a front writes", path);
    bool any = k == 0 && (td_str_prefix(at, "0.0.0.0:") || td_str_prefix(at, "[::]:"));
    if (any && gethostname(host, sizeof(host) - 1) < 0)
        k = td_fail(err, TD_E_IO, "cannot tell the name of this host: %s", strerror(errno));
    if (k == 0) {
        td_buf_putf(&out, "tender remote connect %s%s --server-key '%s'\n", any ? host : at, any ? colon : "", key);
        say_out(&out);
    }
    td_buf_release(&text);
    td_buf_release(&out);
    return k;
}

/* tender key create */
static int say_key(const struct remote_words *o, struct td_error *err)
{
    char path[TD_MAX_PATH_BYTES];
    struct td_keypair k = {0};
    struct td_buf out = {0};
    int r = key_path(o, path, sizeof(path), err);
    bool was = r == 0 && access(path, F_OK) == 0;

    if (r == 0)
        r = td_keypair_load(path, &k, err);
    if (r == 0) {
        say_note("%s %s; an operator of the cluster registers it with: tender key register 'KEY' --user NAME",
                 was ? "you have a key already:" : "your key is in", path);
        td_buf_putf(&out, "%s\n", k.public_key);
        say_out(&out);
    }
    explicit_bzero(&k, sizeof(k));
    td_buf_release(&out);
    return r;
}

static int act(const struct remote_words *o, const char *const *words, uint32_t n, struct td_error *err)
{
    struct remote r = {.epoll_fd = -1, .listen_fd = -1, .signal_fd = -1, .address = n > 1 ? words[1] : ""};
    const char *what = n ? words[0] : "";
    bool bare = strcmp(what, "address") == 0 || strcmp(what, "key") == 0;

    if (!bare && strcmp(what, "connect") != 0 && strcmp(what, "disconnect") != 0)
        return td_fail(err, TD_E_USAGE, "what of the link? One of: connect, disconnect, address");
    if (n > (bare ? 1u : 2u))
        return td_fail(err, TD_E_USAGE, "unexpected word '%s'", words[bare ? 1 : 2]);
    if (!bare && n == 1)
        return td_fail(err, TD_E_USAGE, "%s where? HOST:PORT of a front", what);
    if (strcmp(what, "connect") == 0)
        return connect_to(o, &r, err);
    if (strcmp(what, "disconnect") == 0)
        return disconnect(o, &r, err);
    if (strcmp(what, "address") == 0)
        return say_address(err);
    return say_key(o, err);
}

int main(int argc, char **argv)
{
    struct td_arena arena = {0};
    struct remote_words o = {0};
    struct option_parse p = {.cmd = &remote_command, .target = &o, .arena = &arena};
    struct td_error err = {0};
    struct td_buf tmp = {0};

    say_name = "tender remote";
    int r = option_parse(&p, argc, argv, &err);
    if (r == 0)
        r = act(&o, p.words.v, p.words.n, &err);
    if (r < 0)
        say_error("%s", say_words(&err, &tmp));
    td_buf_release(&tmp);
    option_parse_release(&p);
    td_arena_release(&arena);
    return r ? 1 : 0;
}
