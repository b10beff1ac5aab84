/* skew.c - preloaded into one program: its wall clock is off by TENDER_TEST_SKEW seconds */
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>

__attribute__((visibility("default"))) int clock_gettime(clockid_t which, struct timespec *ret)
{
    static int (*real)(clockid_t, struct timespec *);
    const char *by = getenv("TENDER_TEST_SKEW");

    if (!real)
        real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int r = real(which, ret);
    if (r == 0 && which == CLOCK_REALTIME && by)
        ret->tv_sec += atoi(by);
    return r;
}
