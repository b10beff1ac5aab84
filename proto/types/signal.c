/* signal.c - the signal a job is sent before its end: [B:]SIG[@seconds] */
#include "types/types.h"

#include <signal.h>
#include <string.h>

#define NAME_MAX 15u
#define SIGNAL_MAX 64u
#define BEFORE_S_MAX 65535u

/* 0: no signal's name or number. */
static uint32_t number_of(const char *name)
{
    static const struct {
        const char *name;
        uint32_t no;
    } names[] = {{"HUP", SIGHUP},   {"INT", SIGINT},   {"QUIT", SIGQUIT}, {"ABRT", SIGABRT}, {"KILL", SIGKILL}, {"ALRM", SIGALRM},
                 {"TERM", SIGTERM}, {"USR1", SIGUSR1}, {"USR2", SIGUSR2}, {"URG", SIGURG},   {"CONT", SIGCONT}, {"STOP", SIGSTOP},
                 {"TSTP", SIGTSTP}, {"TTIN", SIGTTIN}, {"TTOU", SIGTTOU}, {"PIPE", SIGPIPE}, {"XCPU", SIGXCPU}, {"WINCH", SIGWINCH}};
    uint64_t n;

    if (td_parse_u64(name, &n))
        return n <= SIGNAL_MAX ? (uint32_t)n : 0;
    if ((name[0] | 32) == 's' && (name[1] | 32) == 'i' && (name[2] | 32) == 'g')
        name += 3;
    for (size_t i = 0; i < TD_ARRAY_LEN(names); i++)
        if (td_str_casecmp(names[i].name, name) == 0)
            return names[i].no;
    return 0;
}

int td_signal_parse(const char *text, struct td_signal *ret, struct td_error *err)
{
    const char *p = text, *at = strchr(text, '@');
    struct td_signal s = {.before_s = TD_SIGNAL_BEFORE_S};
    char name[NAME_MAX + 1] = "";
    uint64_t n = s.before_s;

    if ((*p == 'B' || *p == 'b') && p[1] == ':') {
        s.leader_only = true;
        p += 2;
    }
    if ((*p == 'R' || *p == 'r') && strchr(p, ':'))
        return td_fail(err, TD_E_NOT_SUPPORTED, "--signal=%s: R: needs reservations, which there are not yet", text);
    size_t len = at && at > p ? (size_t)(at - p) : strlen(p);
    if (len <= NAME_MAX)
        memcpy(name, p, len);
    s.no = number_of(name);
    if (!s.no || (at && (!td_parse_u64(at + 1, &n) || n > BEFORE_S_MAX)))
        return td_fail(err, TD_E_USAGE, "Invalid --signal specification: %s", text);
    s.before_s = (uint32_t)n;
    *ret = s;
    return 0;
}
