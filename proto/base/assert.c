/* assert.c - assertions that stay on in production; the words leave through a hook, because cores have no stdio */
#include "base/base.h"

#include <stdlib.h>

td_assert_hook_fn *td_assert_hook;

_Noreturn void td_assert_failed(const char *file, int line, const char *what)
{
    if (td_assert_hook)
        td_assert_hook(file, line, what);
    abort();
}
