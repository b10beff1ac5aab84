/* digest.c - the digest of a large core, made beside the loop
 *
 * A digest walks all there is: 65 ms for 100,000 waiting jobs, a second for a million, in which
 * nobody would be answered. A child forked for it has the state of that moment for itself and says
 * the number over a pipe. Broker and fronts make theirs of the same event and compare them when
 * both are there; smaller cores are walked in place, which costs less than a fork. */
#include "broker/shell.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define BESIDE_JOBS 5000u /* 3 ms */

/* Sockets, locks and the journal stay the parent's: a lock held by a child would outlive a process
 * that is killed. */
int shell_child_start(struct shell *s, void (*run)(struct shell *s, int fd), pid_t *ret_pid,
                      int *ret_fd, struct td_error *err)
{
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) < 0)
        return td_fail(err, TD_E_IO, "cannot make a pipe: %s", strerror(errno));
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (dup2(fds[1], 3) != 3 || close_range(4, ~0u, 0) < 0)
            _exit(2);
        run(s, 3);
        _exit(0);
    }
    close(fds[1]);
    if (pid < 0 || fcntl(fds[0], F_SETFL, O_NONBLOCK) < 0) {
        int r =
            td_fail(err, TD_E_IO, "cannot %s: %s",
                    pid < 0 ? "start a process" : "read a pipe without waiting", strerror(errno));
        if (pid > 0)
            shell_child_end(pid, fds[0], true);
        else
            close(fds[0]);
        return r;
    }
    *ret_pid = pid;
    *ret_fd = fds[0];
    return 0;
}

bool shell_child_end(pid_t pid, int fd, bool now)
{
    int status = -1;
    if (now)
        kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    close(fd);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

bool shell_digest_beside(const struct shell *s)
{
    struct td_core_sizes sizes;
    td_core_get_sizes(s->core, &sizes);
    return sizes.jobs >= BESIDE_JOBS;
}

struct answer {
    uint64_t digest;
    int64_t took_us;
};

static void child_run(struct shell *s, int fd)
{
    int64_t from = shell_boot_us();
    struct answer a = {.digest = td_core_digest(s->core)};
    a.took_us = shell_boot_us() - from;
    if (write(fd, &a, sizeof(a)) != sizeof(a)) /* fewer bytes than a pipe takes at once */
        _exit(1);
}

bool shell_digest_begin(struct shell *s)
{
    struct shell_digest *d = &s->digest;
    struct td_error err = {0};
    shell_digest_drop(s);
    if (shell_child_start(s, child_run, &d->child, &d->fd, &err) < 0) {
        shell_log(&s->log, "error digest not made: %s", err.text);
        return false;
    }
    d->seq = td_core_seq(s->core);
    return true;
}

bool shell_digest_made(struct shell *s, uint64_t *ret_seq, uint64_t *ret_digest)
{
    struct shell_digest *d = &s->digest;
    struct answer a;
    if (!d->child)
        return false;
    ssize_t n = read(d->fd, &a, sizeof(a));
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    shell_child_end(d->child, d->fd, true); /* what it had to say it has said, or never will */
    d->child = 0;
    if (n != sizeof(a)) {
        shell_log(&s->log,
                  "error digest not made: the process that makes it did not come to its end");
        return false;
    }
    d->took_us = a.took_us;
    *ret_seq = d->seq;
    *ret_digest = a.digest;
    return true;
}

void shell_digest_drop(struct shell *s)
{
    if (s->digest.child)
        shell_child_end(s->digest.child, s->digest.fd, true);
    s->digest.child = 0;
}
