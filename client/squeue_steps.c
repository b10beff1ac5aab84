/* squeue_steps.c - squeue -s: the steps of running jobs as a table */
#include <pwd.h>
#include <string.h>

#include "render/step.h"
#include "render/value.h"
#include "say.h"
#include "squeue.h"

static bool named(const struct td_strs *list, const char *word)
{
    bool found = list->n == 0;

    for (uint32_t i = 0; i < list->n && !found; i++)
        found = td_str_equal(list->v[i], word);
    return found;
}

static bool of_user(const struct td_strs *users, uint32_t uid)
{
    bool found = users->n == 0;
    uint64_t n;

    for (uint32_t i = 0; i < users->n && !found; i++) {
        const struct passwd *pw = td_parse_u64(users->v[i], &n) ? NULL : getpwnam(users->v[i]);
        found = pw ? pw->pw_uid == uid : td_parse_u64(users->v[i], &n) && n == uid;
    }
    return found;
}

static bool of_job(const struct td_job_sel_list *ids, const struct td_step_info *s)
{
    bool found = ids->n == 0;

    for (uint32_t i = 0; i < ids->n && !found; i++) {
        const struct td_job_sel *id = &ids->v[i];
        bool task = id->tasks.n == 0;
        for (uint32_t k = 0; k < id->tasks.n && !task; k++) {
            const struct td_span *span = &id->tasks.v[k];
            task = s->array_job && s->array_task >= span->first && s->array_task <= span->last &&
                   (s->array_task - span->first) % TD_MAX(span->step, 1u) == 0;
        }
        found = task && (id->job == s->job || (s->array_job && id->job == s->array_job));
    }
    return found;
}

static bool on_nodes(const struct td_hostlist *wanted, const struct td_step_info *s)
{
    struct td_hostlist have = {0};
    struct td_error err;
    bool found = wanted->names.n == 0;

    if (!found && s->nodelist && td_hostlist_parse(s->nodelist, TD_MAX_NODES, &have, &err) == 0)
        for (uint32_t i = 0; i < have.names.n && !found; i++)
            found = td_hostlist_has(wanted, have.names.v[i]);
    td_hostlist_release(&have);
    return found;
}

static bool asked_for(const struct squeue *o, const struct td_step_info *s)
{
    bool found = o->steps.n == 0;

    for (uint32_t i = 0; i < o->steps.n && !found; i++)
        found = client_step_is(&o->steps.v[i], s);
    return found;
}

/* A list of one plain job is asked for by its number; anything else is picked from all. */
static uint32_t only_job(const struct squeue *o)
{
    if (o->steps.n == 1 && !o->steps.v[0].array && o->steps.v[0].step != TD_INFINITE)
        return o->steps.v[0].job;
    return 0;
}

static int put(const struct squeue *o, const void **rows, uint32_t n, int64_t now_ms, struct td_buf *out)
{
    struct td_arena arena = {0};
    struct format f = {.arena = &arena};
    struct sort by = {0}, first_id = {0};
    struct td_error err = {0};
    int r = sort_parse(&by, &step_fields, o->sort ? o->sort : "i", &err);

    if (r < 0)
        say_error("%s", err.text);
    if (o->names)
        format_parse_names(&f, &step_fields, o->names);
    else
        format_parse(&f, &step_fields, o->format ? o->format : SQUEUE_FORMAT_STEPS);
    for (uint32_t i = 0; i < f.unknown.n; i++)
        say_error("Invalid job step format specification: %s", f.unknown.v[i]);
    if (r == 0 && o->names && f.unknown.n)
        r = -1;
    if (r == 0) {
        sort_parse(&first_id, &step_fields, "i", &err);
        sort_rows(&first_id, rows, n); /* ties end in the id */
        sort_rows(&by, rows, n);
        if (o->json) {
            td_buf_puts(out, "{\n  \"meta\": {\"Tender\": {\"release\": \"" TD_VERSION "\"}},\n  \"errors\": [],\n  \"steps\": ");
            fields_json(&step_fields, rows, n, out);
            td_buf_puts(out, "\n}\n");
        } else {
            format_fit(&f, rows, n);
            if ((o->long_form && !o->no_header) || o->every_s)
                put_date_line(out, now_ms);
            if (!o->no_header)
                format_heading(&f, out);
            for (uint32_t i = 0; i < n; i++)
                format_row(&f, rows[i], out);
        }
    }
    format_release(&f);
    td_arena_release(&arena);
    return r;
}

int squeue_steps(const struct squeue *o)
{
    struct client c = {0};
    struct client_steps steps = {0};
    struct td_hostlist nodes = {0};
    struct td_error err = {0};
    struct td_buf out = {0};
    int r = td_str_empty(o->filter.nodes) ? 0 : td_hostlist_parse(o->filter.nodes, TD_MAX_NODES, &nodes, &err);

    if (r == 0)
        r = client_open(&c, &err);
    if (r == 0)
        r = client_steps(&c, only_job(o), &steps, &err);
    if (r < 0) {
        struct td_buf tmp = {0};
        say_plain("slurm_load_steps error: %s", say_words(&err, &tmp));
        td_buf_release(&tmp);
    } else {
        struct step_row *v = td_arena_alloc(&c.arena, (steps.rows.n + 1) * sizeof(*v));
        const void **rows = td_arena_alloc(&c.arena, (steps.rows.n + 1) * sizeof(*rows));
        uint32_t n = 0;
        for (uint32_t i = 0; i < steps.rows.n; i++) {
            const struct td_step_info *s = &steps.rows.v[i];
            if (!asked_for(o, s) || !of_job(&o->filter.ids, s) || !of_user(&o->filter.users, s->uid) ||
                !named(&o->filter.partitions, s->partition) || !on_nodes(&nodes, s))
                continue;
            v[n] = (struct step_row){.step = s, .now_ms = steps.now_ms};
            rows[n] = &v[n];
            n++;
        }
        r = put(o, rows, n, steps.now_ms, &out);
        if (r == 0)
            say_out(&out);
    }
    td_buf_release(&out);
    td_hostlist_release(&nodes);
    td_vec_release(&steps.rows);
    client_close(&c);
    return r;
}
