/* sane.c - what a request may hold, whoever made it
 *
 * The commands check what people type; another client may send anything that fits the rows. Text is
 * shown to others and goes into files of one line each, so it holds no control characters. Numbers
 * that are added or multiplied are bounded here, by name, so that no sum of them wraps. Values that
 * came before a bound did are still in old journals: arithmetic on them saturates (shape_fit.c). */
#include <string.h>

#include "broker/core/state.h"

#define LAST_MOMENT_MS INT64_C(253402300799999) /* the end of the year 9999 */

/* The first control character of a text, 0 if there is none: C0, DEL, and C1 as UTF-8 has it. */
static unsigned control_in(const char *s)
{
    for (const unsigned char *p = (const unsigned char *)s; p && *p; p++) {
        if (*p < ' ' || *p == 0x7f)
            return *p;
        if (*p == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0)
            return p[1];
    }
    return 0;
}

struct list { /* all lists of records look alike */
    const void *v;
    uint32_t n;
};

/* Lists of strings are passed over: arguments of a script may be anything, and other lists only
 * select. */
int core_text_sane(const struct td_record *rec, const void *body, struct td_error *err)
{
    int r = 0;
    for (uint32_t i = 0; i < rec->n && r == 0; i++) {
        const struct td_field *f = &rec->fields[i];
        const void *at = (const char *)body + f->offset;
        if (f->type == TD_T_STR) {
            unsigned found = control_in(*(const char *const *)at);
            if (found)
                r = td_fail(err, TD_E_INVALID_REQUEST,
                            "Invalid %s (%s): it holds a control character (0x%02x)", f->name,
                            f->help, found);
        } else if (f->type == TD_T_REC) {
            r = core_text_sane(f->sub, at, err);
        } else if (f->type == TD_T_RECS) {
            const struct list *l = at;
            for (uint32_t k = 0; k < l->n && r == 0; k++)
                r = core_text_sane(f->sub, (const char *)l->v + k * f->sub->size, err);
        }
    }
    return r;
}

static int nice_sane(int64_t nice, struct td_error *err)
{
    if (nice > TD_MAX_NICE || nice < -TD_MAX_NICE)
        return td_fail(err, TD_E_INVALID_REQUEST, "Invalid nice value %lld: it is beyond %d",
                       (long long)nice, nice > 0 ? TD_MAX_NICE : -TD_MAX_NICE);
    return 0;
}

static int moment_sane(const char *what, int64_t ms, struct td_error *err)
{
    if (ms < 0 || ms > LAST_MOMENT_MS)
        return td_fail(err, TD_E_INVALID_REQUEST,
                       "Invalid %s time: %lld ms is not between 1970 and 9999", what,
                       (long long)ms);
    return 0;
}

static int amount_sane(const char *what, uint64_t is, uint64_t most, const char *limit,
                       struct td_error *err)
{
    if (is > most)
        return td_fail(err, TD_E_INVALID_REQUEST, "Invalid %s: %llu is over %s (%llu)", what,
                       (unsigned long long)is, limit, (unsigned long long)most);
    return 0;
}

static int memory_sane(const struct td_job_need *n, struct td_error *err)
{
    const struct {
        const char *what;
        uint64_t mb;
    } amounts[] = {{"memory of each node", n->mem_mb_per_node},
                   {"memory for each CPU", n->mem_mb_per_cpu},
                   {"memory for each GPU", n->mem_mb_per_gpu},
                   {"temporary disk", n->tmp_mb}};
    for (size_t i = 0; i < TD_ARRAY_LEN(amounts); i++) {
        int r = amount_sane(amounts[i].what, amounts[i].mb, TD_MAX_MEMORY_MB, "MEMORY_MB", err);
        if (r < 0)
            return r;
    }
    if (n->mem_all + (n->mem_mb_per_node > 0) + (n->mem_mb_per_cpu > 0) + (n->mem_mb_per_gpu > 0) > 1)
        return td_fail(err, TD_E_INVALID_REQUEST,
                       "memory is asked for in two ways: of each node, for each CPU and for each "
                       "GPU exclude each other");
    return 0;
}

static int need_sane(const struct td_job_need *n, struct td_error *err)
{
    const struct {
        const char *what;
        uint64_t is, most;
        const char *limit;
    } counts[] = {
        {"number of tasks", n->ntasks, TD_MAX_TASKS_PER_JOB, "TASKS_PER_JOB"},
        {"number of tasks on each node", n->ntasks_per_node, TD_MAX_TASKS_PER_JOB, "TASKS_PER_JOB"},
        {"number of CPUs for each GPU", n->cpus_per_gpu, TD_MAX_CPUS_PER_NODE, "CPUS_PER_NODE"},
    };
    for (size_t i = 0; i < TD_ARRAY_LEN(counts); i++) {
        int r = amount_sane(counts[i].what, counts[i].is, counts[i].most, counts[i].limit, err);
        if (r < 0)
            return r;
    }
    struct core_tally t;
    core_need_tally(n, &t);
    int r = amount_sane("number of nodes", t.nodes_min, TD_MAX_NODES_PER_JOB, "NODES_PER_JOB", err);
    return r < 0 ? r : memory_sane(n, err);
}

int core_spec_sane(const struct td_job_spec *s, struct td_error *err)
{
    int r = nice_sane(s->nice, err);
    if (r == 0)
        r = moment_sane("begin", s->begin_ms, err);
    if (r == 0)
        r = moment_sane("deadline", s->deadline_ms, err);
    struct td_signal ignored;
    if (r == 0 && !td_str_empty(s->signal))
        r = td_signal_parse(s->signal, &ignored, err);
    for (uint32_t i = 0; i < s->needs.n && r == 0; i++)
        r = need_sane(&s->needs.v[i], err);
    return r;
}

int core_change_sane(const struct td_job_change *ch, struct td_error *err)
{
    int r = ch->set >> 5 & 1 ? nice_sane(ch->nice, err) : 0;
    if (r == 0 && ch->set >> 7 & 1)
        r = moment_sane("begin", ch->begin_ms, err);
    if (r == 0 && ch->set >> 6 & 1)
        r = amount_sane("priority", ch->priority, UINT32_MAX, "the largest", err);
    return r;
}
