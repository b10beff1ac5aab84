/* test_cgroup.c - groups of processes by each means that this machine lets us use; the others skip */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "worker/confine/cgroup.h"

#define WAIT_MS 20000

static void nap(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
}

static void name_of(enum cgroup_means means, char *out, size_t cap)
{
    snprintf(out, cap, "tender-test-%d-%d", (int)means, (int)getpid());
}

/* A process in the group that no list knows: forked twice, in a session of its own. Its pid comes through a pipe. */
static pid_t escape_artist(const char *group)
{
    int p[2], status;
    pid_t pid = 0;
    assert_int_equal(pipe(p), 0);
    pid_t first = fork();
    if (first == 0) {
        if (cgroup_enter(group) < 0 || fork() > 0)
            _exit(0);
        setsid();
        if (fork() > 0)
            _exit(0);
        pid = getpid();
        close_range(0, 2, 0);
        alarm(120); /* should the test fail */
        ssize_t n = write(p[1], &pid, sizeof(pid));
        (void)n;
        for (;;)
            pause();
    }
    assert_int_equal(waitpid(first, &status, 0), first);
    assert_int_equal(read(p[0], &pid, sizeof(pid)), (ssize_t)sizeof(pid));
    close(p[0]);
    close(p[1]);
    return pid;
}

static void until_removed(enum cgroup_means means, const char *path)
{
    for (int ms = 0; ms < WAIT_MS && !cgroup_remove(path); ms += 2) {
        cgroup_kill(means, path);
        nap();
    }
    assert_int_equal(access(path, F_OK), -1);
}

static void by(enum cgroup_means means)
{
    struct cgroup_home home = {0}, again = {0};
    struct td_error err = {0};
    struct td_arena arena = {0};
    int status;
    char name[64], group[TD_MAX_PATH_BYTES + 16], below[TD_MAX_PATH_BYTES + 32];
    name_of(means, name, sizeof(name));
    if (cgroup_home_open(&home, name, means, &err) < 0) {
        print_message("%s\n", err.text);
        skip();
    }
    assert_int_equal(home.means, means);
    snprintf(group, sizeof(group), "%s/7.1", home.path);
    snprintf(below, sizeof(below), "%s/deeper", group);
    assert_int_equal(cgroup_make(group), 0);
    assert_int_equal(cgroup_make(group), 0);
    assert_int_equal(cgroup_make(below), 0);
    pid_t one = escape_artist(group), two = escape_artist(below);
    assert_true(cgroup_holds(home.path, one) && cgroup_holds(group, two));
    assert_false(cgroup_holds(home.path, getpid()));
    for (int ms = 0; ms < WAIT_MS && cgroup_signal(group, 0, 0) > 2; ms += 2) /* those between are on their way out */
        nap();
    assert_int_equal(cgroup_signal(group, 0, 0), 2);
    assert_int_equal(cgroup_signal(group, 0, one), 1);
    assert_false(cgroup_remove(group)); /* something lives in it */
    assert_int_equal(kill(one, 0), 0);

    /* another process finds it by what was written down, and only by that */
    assert_false(cgroup_home_again(&again, home.path, "tender-other"));
    assert_false(cgroup_home_again(&again, "/tmp", "tmp"));
    assert_true(cgroup_home_again(&again, home.path, name));
    assert_int_equal(again.means, means);
    struct td_strs list = cgroup_list(again.path, &arena);
    assert_int_equal(list.n, 1);
    assert_string_equal(list.v[0], group);
    td_arena_release(&arena);

    until_removed(again.means, group);
    assert_int_equal(waitpid(one, &status, 0), one); /* orphans come to us */
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    assert_int_equal(waitpid(two, &status, 0), two);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    assert_true(cgroup_remove(home.path));
    assert_false(cgroup_home_again(&again, home.path, name));
}

static void by_v2(void **state)
{
    (void)state;
    by(CGROUP_V2);
}

static void by_freezer(void **state)
{
    (void)state;
    by(CGROUP_FREEZER);
}

static void by_pids(void **state)
{
    (void)state;
    by(CGROUP_PIDS);
}

/* A user who may make none is told what each means lacked, and nothing is left. */
static void not_allowed_in_words(void **state)
{
    struct cgroup_home home = {0};
    struct td_error err = {0};
    int status;
    (void)state;
    if (geteuid() != 0)
        skip();
    pid_t pid = fork();
    if (pid == 0) {
        if (setgid(65534) < 0 || setuid(65534) < 0)
            _exit(1);
        int r = cgroup_home_open(&home, "tender-test-nobody", CGROUP_NONE, &err);
        if (r != -TD_E_IO || home.means != CGROUP_NONE || !strstr(err.text, "cgroup/v2: "))
            _exit(2);
        _exit(strstr(err.text, "Permission denied") || strstr(err.text, "Read-only") ? 0 : 3);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

int main(void)
{
    if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_v2),
        cmocka_unit_test(by_freezer),
        cmocka_unit_test(by_pids),
        cmocka_unit_test(not_allowed_in_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
