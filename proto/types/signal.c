/* signal.c - the signal a job is sent before its end: [B:]SIG[@seconds] */
#include "types/types.h"

#include <string.h>

#define NAME_MAX 15u
#define SIGNAL_MAX 64u
#define BEFORE_S_MAX 65535u

static bool known(const char *name)
{
    static const char *const names[] = {"HUP",  "INT",  "QUIT", "ABRT", "KILL", "ALRM", "TERM", "USR1", "USR2",
                                        "URG",  "CONT", "STOP", "TSTP", "TTIN", "TTOU", "PIPE", "XCPU", "WINCH"};
    uint64_t n;

    if (td_parse_u64(name, &n))
        return n > 0 && n <= SIGNAL_MAX;
    if ((name[0] | 32) == 's' && (name[1] | 32) == 'i' && (name[2] | 32) == 'g')
        name += 3;
    for (size_t i = 0; i < TD_ARRAY_LEN(names); i++)
        if (td_str_casecmp(names[i], name) == 0)
            return true;
    return false;
}

int td_signal_check(const char *text, struct td_error *err)
{
    const char *p = text, *at = strchr(text, '@');
    char name[NAME_MAX + 1] = "";
    uint64_t n;

    if ((*p == 'B' || *p == 'b') && p[1] == ':')
        p += 2;
    if ((*p == 'R' || *p == 'r') && strchr(p, ':'))
        return td_fail(err, TD_E_NOT_SUPPORTED, "--signal=%s: R: needs reservations, which there are not yet", text);
    size_t len = at && at > p ? (size_t)(at - p) : strlen(p);
    if (len <= NAME_MAX)
        memcpy(name, p, len);
    if (!known(name) || (at && (!td_parse_u64(at + 1, &n) || n > BEFORE_S_MAX)))
        return td_fail(err, TD_E_USAGE, "Invalid --signal specification: %s", text);
    return 0;
}
