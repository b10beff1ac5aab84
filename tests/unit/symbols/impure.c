/* impure.c - what the symbol check must find: a "core" that looks at the clock */
#include <time.h>

long impure_now(void);
long impure_now(void)
{
    return (long)time(NULL);
}
