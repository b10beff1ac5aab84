/* listen.c - a socket on a path: made, and replaced when its owner is dead
 *
 * A live socket is never replaced. Looking and replacing happen under a lock on the directory, or two starters could
 * both find a dead socket and the second one would unlink the first one's new, live one. */
#include "local/local.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "local/address.h"

#define BACKLOG 1024 /* the kernel cuts it to somaxconn */
#define LOCK_TRIES 200
#define LOCK_PAUSE_NS 10000000L /* 10 ms: two seconds in all, since anybody who may read a directory may lock it */

static int directory_lock(const char *path, int *ret_fd, struct td_error *err)
{
    const char *slash = strrchr(path, '/');
    td_autofree char *dir = slash ? td_strndup(path, (size_t)TD_MAX(slash - path, 1)) : td_strdup(".");
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0)
        return td_fail(err, TD_E_IO, "cannot open directory %s: %s", dir, strerror(errno));
    for (int i = 0; flock(fd, LOCK_EX | LOCK_NB) < 0; i++) {
        if (errno != EWOULDBLOCK || i == LOCK_TRIES) {
            int r = td_fail(err, TD_E_BUSY, "cannot lock directory %s: %s", dir, strerror(errno));

            close(fd);
            return r;
        }
        nanosleep(&(struct timespec){.tv_nsec = LOCK_PAUSE_NS}, NULL);
    }
    *ret_fd = fd;
    return 0;
}

/* Unlinks what lies at the path if it is a socket that nobody listens on. */
static int remove_dead(const char *path, const struct address *a, struct td_error *err)
{
    struct stat st;

    if (lstat(path, &st) < 0)
        return errno == ENOENT ? 0 : td_fail(err, TD_E_IO, "cannot look at %s: %s", path, strerror(errno));
    if (!S_ISSOCK(st.st_mode))
        return td_fail(err, TD_E_IO, "%s exists and is not a socket", path);

    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return td_fail(err, TD_E_IO, "cannot make a socket: %s", strerror(errno));
    int failed = connect(fd, (const struct sockaddr *)&a->sun, a->len) < 0 ? errno : 0;
    close(fd);

    if (failed == 0 || failed == EAGAIN || failed == EINPROGRESS)
        return td_fail(err, TD_E_BUSY, "somebody listens on %s already", path);
    if (failed != ECONNREFUSED)
        return td_fail(err, TD_E_IO, "cannot tell whether %s is in use: %s", path, strerror(failed));
    if (unlink(path) < 0 && errno != ENOENT)
        return td_fail(err, TD_E_IO, "cannot remove the dead socket %s: %s", path, strerror(errno));
    return 0;
}

/* bind() gives the file the socket's own mode less the umask: setting it before narrows without a moment in which
 * others may connect; chmod after it widens where the umask took too much. */
static int bind_with_mode(int fd, const char *path, const struct address *a, int mode, struct td_error *err)
{
    if (fchmod(fd, (mode_t)mode) < 0 || bind(fd, (const struct sockaddr *)&a->sun, a->len) < 0)
        return td_fail(err, TD_E_IO, "cannot make socket %s: %s", path, strerror(errno));
    if (chmod(path, (mode_t)mode) < 0 || listen(fd, BACKLOG) < 0) {
        int r = td_fail(err, TD_E_IO, "cannot listen on %s: %s", path, strerror(errno));

        unlink(path);
        return r;
    }
    return 0;
}

static int listen_locked(const char *path, const struct address *a, int mode, struct td_error *err)
{
    int r = remove_dead(path, a, err);

    if (r < 0)
        return r;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return td_fail(err, TD_E_IO, "cannot make a socket: %s", strerror(errno));
    r = bind_with_mode(fd, path, a, mode, err);
    if (r < 0) {
        close(fd);
        return r;
    }
    return fd;
}

int td_local_listen(const char *path, int mode, struct td_error *err)
{
    struct address a;
    int lock = -1, r = address_make(path, &a, err);

    if (r < 0)
        return r;
    r = directory_lock(path, &lock, err);
    if (r == 0) {
        r = listen_locked(path, &a, mode, err);
        close(lock);
    }
    address_release(&a);
    return r;
}

int td_local_peer(int fd, uid_t *ret_uid, gid_t *ret_gid, pid_t *ret_pid)
{
    struct ucred who;
    socklen_t len = sizeof(who);

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) < 0)
        return -TD_E_IO;
    if (ret_uid)
        *ret_uid = who.uid;
    if (ret_gid)
        *ret_gid = who.gid;
    if (ret_pid)
        *ret_pid = who.pid;
    return 0;
}
