/* client_test.h - what the client's unit tests share */
#ifndef TD_CLIENT_TEST_H
#define TD_CLIENT_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "commands.h"
#include "say.h"

#define assert_contains(text, part)                                                   \
    do {                                                                              \
        if (!strstr((text), (part)))                                                  \
            fail_msg("'%s' does not hold '%s'", (text), (part));                      \
    } while (0)

#define ARGV(...) (char *[]){__VA_ARGS__, NULL}
#define ARGC(...) ((int)TD_ARRAY_LEN(((char *[]){__VA_ARGS__})))

#endif
