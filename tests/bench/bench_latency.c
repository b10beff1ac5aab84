/* bench_latency.c - wall time of a whole command, many times over
 *
 * bench-latency COUNT COMMAND [ARG ...]   prints p50, p90, p99 and the largest, in milliseconds */
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: bench-latency COUNT COMMAND [ARG ...]\n");
        return 2;
    }
    size_t n = (size_t)strtol(argv[1], NULL, 10);
    double *ms = n ? calloc(n, sizeof(*ms)) : NULL;
    posix_spawn_file_actions_t fa;
    int status;

    if (!ms)
        return 2;
    posix_spawn_file_actions_init(&fa);
    posix_spawn_file_actions_addopen(&fa, 1, "/dev/null", O_WRONLY, 0);
    for (size_t i = 0; i < n; i++) {
        pid_t pid;
        double start = now_ms();
        if (posix_spawnp(&pid, argv[2], &fa, NULL, argv + 2, environ) != 0 || waitpid(pid, &status, 0) < 0 || status != 0) {
            fprintf(stderr, "bench-latency: %s failed\n", argv[2]);
            return 1;
        }
        ms[i] = now_ms() - start;
    }
    qsort(ms, n, sizeof(*ms), ascending);
    printf("%.2f %.2f %.2f %.2f\n", ms[n / 2], ms[n * 9 / 10], ms[n * 99 / 100], ms[n - 1]);
    free(ms);
    return 0;
}
