/* bench_spawn.c - the bare limit: how fast N processes spawn and reap a command, with nothing around it
 *
 * bench-spawn PROCESSES COUNT COMMAND [ARG ...]   prints one number: commands a second, all processes together */
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int spawn_all(char **argv, long count)
{
    posix_spawn_file_actions_t fa;
    int status;

    posix_spawn_file_actions_init(&fa);
    posix_spawn_file_actions_addopen(&fa, 1, "/dev/null", O_WRONLY, 0);
    for (long i = 0; i < count; i++) {
        pid_t pid;
        if (posix_spawnp(&pid, argv[0], &fa, NULL, argv, environ) != 0 || waitpid(pid, &status, 0) < 0 || status != 0)
            return 1;
    }
    posix_spawn_file_actions_destroy(&fa);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc < 4) {
        fprintf(stderr, "usage: bench-spawn PROCESSES COUNT COMMAND [ARG ...]\n");
        return 2;
    }
    long processes = strtol(argv[1], NULL, 10), count = strtol(argv[2], NULL, 10);
    double start = now_s();
    int bad = 0, status;

    for (long i = 0; i < processes; i++) {
        pid_t pid = fork();
        if (pid == 0)
            _exit(spawn_all(argv + 3, count / processes));
        if (pid < 0)
            return 1;
    }
    for (long i = 0; i < processes; i++) {
        if (wait(&status) < 0 || status != 0)
            bad = 1;
    }
    if (bad) {
        fprintf(stderr, "bench-spawn: a command failed\n");
        return 1;
    }
    printf("%.1f\n", (double)(count / processes * processes) / (now_s() - start));
    return 0;
}
