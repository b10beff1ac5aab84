/* request.c - the small languages inside sbatch's options: node counts, devices, host lists, signals, dependencies */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "submit.h"

/* digits with an optional k or m */
static const char *count(const char *p, uint64_t *ret)
{
    const char *start = p;

    for (*ret = 0; *p >= '0' && *p <= '9' && p - start < 9; p++)
        *ret = *ret * 10 + (uint64_t)(*p - '0');
    if (p == start)
        return NULL;
    if (*p == 'k' || *p == 'K') {
        *ret *= 1024;
        p++;
    } else if (*p == 'm' || *p == 'M') {
        *ret *= 1024 * 1024;
        p++;
    }
    return p;
}

int request_nodes(const char *text, uint32_t *ret_min, uint32_t *ret_max, struct td_error *err)
{
    uint64_t min, max;
    const char *p = count(text, &min);

    max = min;
    if (p && *p == '-')
        p = count(p + 1, &max);
    if (!p || *p)
        return td_fail(err, TD_E_USAGE, "\"%s\" is not a valid node count", text);
    if (min == 0 || min > TD_MAX_NODES_PER_JOB || max > TD_MAX_NODES_PER_JOB)
        return td_fail(err, TD_E_USAGE, "\"%s\" is not a valid node count (1 to %d)", text, TD_MAX_NODES_PER_JOB);
    if (max < min)
        return td_fail(err, TD_E_USAGE, "Maximum node count %u is less than minimum node count %u", (uint32_t)max,
                       (uint32_t)min);
    *ret_min = (uint32_t)min;
    *ret_max = (uint32_t)max;
    return 0;
}

static bool parse_count(const char *text, uint64_t *ret)
{
    char *end;

    if (*text < '0' || *text > '9')
        return false;
    *ret = strtoull(text, &end, 10);
    switch (*end) {
    case 'k':
    case 'K':
        *ret *= 1024;
        end++;
        break;
    case 'm':
    case 'M':
        *ret *= 1024 * 1024;
        end++;
        break;
    case 'g':
    case 'G':
        *ret *= 1024ull * 1024 * 1024;
        end++;
        break;
    default:
        break;
    }
    return !*end;
}

/* [type:]count, type alone means one; p may end in a count or not */
static bool type_and_count(char *p, struct td_gres_need *g)
{
    char *colon = strrchr(p, ':');

    if (parse_count(p, &g->count))
        return true;
    if (!colon) {
        g->type = p;
        g->count = 1;
        return *p != 0;
    }
    *colon = 0;
    g->type = p;
    return *p && !strchr(p, ':') && parse_count(colon + 1, &g->count);
}

static int bad_gres(const char *option, const char *text, struct td_error *err)
{
    return td_fail(err, TD_E_INVALID_GRES, "Invalid generic resource (gres) specification: --%s=%s", option, text);
}

/* Items of a comma list, each taken apart by `one`; counts of 0 are dropped. */
static int gres_list(struct td_arena *a, const char *option, const char *text, const char *kind,
                     struct td_gres_need_list *ret, struct td_error *err)
{
    struct td_strs items = str_list(a, text);
    struct td_gres_need *v = td_arena_alloc(a, (items.n + 1) * sizeof(*v));
    uint32_t n = 0;

    if (items.n > TD_MAX_GRES_KINDS)
        return td_fail(err, TD_E_TOO_BIG, "--%s names more than %d kinds", option, TD_MAX_GRES_KINDS);
    for (uint32_t i = 0; i < items.n; i++) {
        char *p = td_arena_strdup(a, items.v[i]);
        struct td_gres_need g = {.name = kind};
        if (!kind) {
            if (strncmp(p, "gres:", 5) == 0 || strncmp(p, "gres/", 5) == 0)
                p += 5;
            g.name = p;
            p += strcspn(p, ":=");
            bool more = *p;
            *p = 0;
            p += more;
            if (!*g.name)
                return bad_gres(option, text, err);
            if (!more) {
                g.count = 1;
                v[n++] = g;
                continue;
            }
        }
        if (!type_and_count(p, &g))
            return bad_gres(option, text, err);
        if (g.count)
            v[n++] = g;
    }
    *ret = (struct td_gres_need_list){.v = v, .n = n};
    return 0;
}

int request_gres(struct td_arena *a, const char *option, const char *text, struct td_gres_need_list *ret,
                 struct td_error *err)
{
    if (td_str_casecmp(text, "none") == 0) {
        *ret = (struct td_gres_need_list){0};
        return 0;
    }
    if (strcmp(text, "help") == 0)
        return td_fail(err, TD_E_INVALID_GRES, "--gres=help: sinfo -o \"%%N %%G\" shows the devices of the nodes");
    return gres_list(a, option, text, NULL, ret, err);
}

int request_gpus(struct td_arena *a, const char *option, const char *text, struct td_gres_need_list *ret,
                 struct td_error *err)
{
    return gres_list(a, option, text, "gpu", ret, err);
}

int request_hosts(struct td_arena *a, const char *text, const char **ret, struct td_error *err)
{
    struct td_buf b = {0};
    char chunk[4096];

    if (!strchr(text, '/')) {
        *ret = td_arena_strdup(a, text);
        return 0;
    }
    int fd = open(text, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return td_fail(err, TD_E_INVALID_NODE, "cannot read the node file %s: %s", text, strerror(errno));
    for (ssize_t n; (n = read(fd, chunk, sizeof(chunk))) > 0 && b.len <= TD_MAX_EXPR_BYTES;)
        td_buf_put(&b, chunk, (size_t)n);
    close(fd);
    if (b.len > TD_MAX_EXPR_BYTES) {
        td_buf_release(&b);
        return td_fail(err, TD_E_TOO_BIG, "the node file %s is longer than %d bytes", text, TD_MAX_EXPR_BYTES);
    }
    char *copy = td_arena_strdup(a, td_buf_str(&b)), *to = copy;
    td_buf_release(&b);
    bool sep = false;
    for (const char *c = copy; *c; c++) { /* lines and blanks become commas */
        if (*c == '\n' || *c == ' ' || *c == '\t' || *c == '\r') {
            sep = to != copy;
            continue;
        }
        if (sep && to[-1] != ',')
            *to++ = ',';
        sep = false;
        *to++ = *c;
    }
    *to = 0;
    *ret = copy;
    return 0;
}

/* Shape only: the broker knows whether the jobs exist. kind:id[_task][+minutes][:id...], or singleton */
int request_dependency(const char *text, struct td_error *err)
{
    static const char *const kinds[] = {"after", "afterok", "afternotok", "afterany", "aftercorr"};
    td_autofree char *copy = td_strdup(text);
    char *save = NULL;

    if (strchr(text, ',') && strchr(text, '?'))
        return td_fail(err, TD_E_DEPENDENCY, "Job dependency problem: '%s' mixes , (all) and ? (any)", text);
    for (char *w = strtok_r(copy, ",?", &save); w; w = strtok_r(NULL, ",?", &save)) {
        char *colon = strchr(w, ':');
        bool known = false;
        if (strcmp(w, "singleton") == 0)
            continue;
        if (colon)
            *colon = 0;
        for (size_t i = 0; i < TD_ARRAY_LEN(kinds); i++)
            known |= strcmp(kinds[i], w) == 0;
        if (!known || !colon || !colon[1])
            return td_fail(err, TD_E_DEPENDENCY, "Job dependency problem: '%s' is not %s", w,
                           known ? "followed by :job ids" : "a kind of dependency (after afterok afternotok afterany "
                                                            "aftercorr singleton)");
        if (colon[1 + strspn(colon + 1, "0123456789_:+")])
            return td_fail(err, TD_E_DEPENDENCY, "Job dependency problem: '%s' is not a list of job ids", colon + 1);
    }
    return 0;
}
