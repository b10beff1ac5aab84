/* compare.c - tender sim --compare A B */
#include "broker/sim/compare.h"

#include <stdio.h>

#include "parts.h"
#include "say.h"

/* Figures tell of nobody's wait: say what to give instead. */
static int is_schedule(const char *path, struct td_error *err)
{
    FILE *f = fopen(path, "re");
    int first = f ? fgetc(f) : EOF; /* what cannot be read is said by trace_read */

    if (f)
        fclose(f);
    if (first == '{')
        return td_fail(err, TD_E_INVALID_REQUEST, "%s holds figures, no schedule: compare the files that --swf wrote", path);
    return 0;
}

static int read_one(const char *path, struct trace *ret, struct td_error *err)
{
    int r = is_schedule(path, err);

    return r < 0 ? r : ask_trace(path, &(struct trace_ask){.procs = UINT32_MAX}, ret, err);
}

int compare_run(const struct sim_options *o, const char *a, const char *b, struct td_error *err)
{
    struct trace ta = {0}, tb = {0};
    struct sim_compare c = {0};
    struct td_buf out = {0};
    int r = read_one(a, &ta, err);

    if (r == 0)
        r = read_one(b, &tb, err);
    if (r == 0) {
        sim_compare_make(&ta, &tb, &c);
        if (!c.jobs)
            r = td_fail(err, TD_E_INVALID_REQUEST, "%s and %s have no job in common whose wait is known: %u are only in the first, %u only in the "
                        "second, %u differ, %u are without a wait", a, b, c.only[0], c.only[1], c.differ, c.unknown);
    }
    if (r == 0) {
        if (!o->json)
            td_buf_putf(&out, "A: %s\nB: %s\n", a, b);
        (o->json ? sim_compare_json : sim_compare_print)(&c, &out);
        say_out(&out);
    }
    td_buf_release(&out);
    sim_compare_release(&c);
    trace_release(&ta);
    trace_release(&tb);
    return r;
}
