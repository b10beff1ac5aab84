/* scontrol_show.c - scontrol show ... */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "render/job.h"
#include "render/node.h"
#include "render/reservation.h"
#include "render/step.h"
#include "render/value.h"
#include "say.h"
#include "scontrol.h"

/* What is not there is said at once, and the rest shown all the same: the last word is scontrol's exit code. */
struct named {
    const char *const *v; /* jobs, host lists, partitions: as typed, a comma list taken apart */
    uint32_t n;           /* 0: all */
    const char *error;    /* what Slurm says before its error */
    bool failed;
};

static int missing(const struct scontrol *s, struct named *names, int r, struct td_error *err)
{
    if (r == 0)
        return 0;
    if (r != -TD_E_INVALID_JOB && r != -TD_E_INVALID_NODE && r != -TD_E_INVALID_PARTITION &&
        r != -TD_E_RESERVATION && r != -TD_E_INVALID_LICENSE)
        return r;
    if (!s->quiet)
        say_plain("%s%s", names->error, err->text);
    *err = (struct td_error){0};
    names->failed = true;
    return 0;
}

static int load_job(struct scontrol *s, const char *name, struct client_jobs *jobs, struct td_error *err)
{
    static const char *const all[] = {"all"};
    struct td_job_sel sel = {0};
    struct td_query_jobs q = {.filter.states = {.v = all, .n = 1}, .detail = s->details || s->json, .all = true,
                              .long_fields = true};
    uint32_t before = jobs->rows.n;
    int r = 0;

    if (name) {
        r = client_sel_parse(s->arena, name, &sel, err);
        if (r < 0)
            return td_fail(err, TD_E_INVALID_JOB, "%s", td_error_words(TD_E_INVALID_JOB));
        q.filter.ids = (struct td_job_sel_list){.v = &sel, .n = 1};
        q.expand = sel.tasks.n > 0;
    }
    r = client_jobs(&s->client, &q, jobs, err);
    if (r == -TD_E_TOO_BIG && !sel.job) {
        say_warning("all jobs in full are too long for one answer: arguments, dependencies and host lists asked for are "
                    "left out (scontrol show job ID has them)");
        jobs->rows.n = before;
        q.long_fields = false;
        r = client_jobs(&s->client, &q, jobs, err);
    }
    if (r == 0 && before == 0) /* once, however many are named */
        say_stale(jobs->stale_ms);
    if (r == 0 && jobs->rows.n == before && sel.job)
        r = td_fail(err, TD_E_INVALID_JOB, "%s", td_error_words(TD_E_INVALID_JOB));
    return r;
}

static int show_job(struct scontrol *s, struct named *names, struct td_error *err)
{
    struct client_jobs jobs = {0};
    struct td_buf out = {0};
    int r = names->n ? 0 : load_job(s, NULL, &jobs, err);

    for (uint32_t i = 0; i < names->n && r == 0; i++)
        r = missing(s, names, load_job(s, names->v[i], &jobs, err), err);
    if (r == 0 && s->json) {
        td_buf_puts(&out, "{\n  \"jobs\": [");
        for (uint32_t i = 0; i < jobs.rows.n; i++) {
            td_buf_puts(&out, i ? ",\n    " : "\n    ");
            job_json(&out, jobs.rows.v[i]);
        }
        td_buf_puts(&out, "\n  ]\n}\n");
    } else if (r == 0) {
        if (!jobs.rows.n && !names->n)
            td_buf_puts(&out, "No jobs in the system\n");
        for (uint32_t i = 0; i < jobs.rows.n; i++) {
            struct job_row row = {.job = jobs.rows.v[i], .now_ms = jobs.now_ms};
            job_text(&out, &row, s->details > 0, s->oneliner);
        }
    }
    say_out(&out);
    td_buf_release(&out);
    td_vec_release(&jobs.rows);
    return r;
}

static int no_step(struct scontrol *s, const char *name, const struct client_step_id *id, struct td_error *err)
{
    struct td_job_sel sel = {.job = id->job};
    static const char *const all[] = {"all"};
    struct td_query_jobs q = {.filter = {.ids = {.v = &sel, .n = 1}, .states = {.v = all, .n = 1}}, .all = true};
    struct client_jobs jobs = {0};
    int r = client_jobs(&s->client, &q, &jobs, err);

    if (r == 0 && jobs.rows.n == 0)
        r = td_fail(err, TD_E_INVALID_JOB, "slurm_get_job_steps error: %s", td_error_words(TD_E_INVALID_JOB));
    else if (r == 0)
        r = td_fail(err, TD_E_INVALID_JOB, "Job step %s not found", name);
    td_vec_release(&jobs.rows);
    return r;
}

/* One step, all of a job, or (no name) all there are; `shown` counts through the names of one command. */
static int put_steps(struct scontrol *s, const char *name, struct td_buf *out, uint32_t *shown, struct td_error *err)
{
    struct client_steps steps = {0};
    struct client_step_id id = {0};
    uint32_t before = *shown;
    int r = name ? client_step_parse(name, &id, err) : 0;

    if (r == 0)
        r = client_steps(&s->client, id.array ? 0 : id.job, &steps, err);
    if (r == 0 && name && !id.array && !steps.rows.n) /* an array is not a job that runs: its tasks are */
        r = client_steps(&s->client, 0, &steps, err);
    for (uint32_t i = 0; r == 0 && i < steps.rows.n; i++) {
        if (name && !client_step_is(&id, &steps.rows.v[i]))
            continue;
        if (s->json) {
            td_buf_puts(out, *shown ? ",\n    " : "\n    ");
            td_wire_json(out, &td_rec_step_info, &steps.rows.v[i], TD_SEE_OWNER);
        } else {
            step_text(out, &steps.rows.v[i], s->oneliner);
        }
        ++*shown;
    }
    if (r == 0 && name && *shown == before)
        r = no_step(s, name, &id, err);
    td_vec_release(&steps.rows);
    return r;
}

static int show_step(struct scontrol *s, struct named *names, struct td_error *err)
{
    struct td_buf out = {0};
    uint32_t shown = 0;
    int r = 0;

    if (s->json)
        td_buf_puts(&out, "{\n  \"steps\": [");
    if (!names->n)
        r = put_steps(s, NULL, &out, &shown, err);
    for (uint32_t i = 0; i < names->n && r == 0; i++)
        r = missing(s, names, put_steps(s, names->v[i], &out, &shown, err), err);
    if (s->json)
        td_buf_puts(&out, shown ? "\n  ]\n}\n" : "]\n}\n");
    else if (!shown && !names->n)
        td_buf_puts(&out, "No job steps in the system\n");
    if (r == 0)
        say_out(&out);
    td_buf_release(&out);
    return r;
}

static int no_node(const char *name, struct td_error *err)
{
    return td_fail(err, TD_E_INVALID_NODE, "Node %s not found", name);
}

/* Of a host list, those that are there are shown and each other one is named. */
static int load_nodes(struct scontrol *s, const char *list, struct client_nodes *nodes, struct named *names, struct td_error *err)
{
    struct td_hostlist l = {0};
    uint32_t before = nodes->rows.n;
    int r = client_nodes(&s->client, list, nodes, err);

    if (r == 0 && before == 0)
        say_stale(nodes->stale_ms);
    if (r == 0 && list)
        r = td_hostlist_parse(list, TD_MAX_NODES, &l, err);
    for (uint32_t i = 0; r == 0 && i < l.names.n; i++) {
        bool found = false;
        for (uint32_t k = before; k < nodes->rows.n && !found; k++)
            found = td_str_equal(nodes->rows.v[k].name, l.names.v[i]);
        if (!found)
            r = missing(s, names, no_node(l.names.v[i], err), err);
    }
    td_hostlist_release(&l);
    return r;
}

static int show_node(struct scontrol *s, struct named *names, struct td_error *err)
{
    struct client_nodes nodes = {0};
    struct td_buf out = {0};
    int r = names->n ? 0 : load_nodes(s, NULL, &nodes, names, err);

    for (uint32_t i = 0; i < names->n && r == 0; i++)
        r = load_nodes(s, names->v[i], &nodes, names, err);
    for (uint32_t i = 0; r == 0 && i < nodes.rows.n && !s->json; i++)
        node_text(&out, &nodes.rows.v[i], s->details > 0, s->oneliner);
    if (r == 0 && s->json) {
        td_buf_puts(&out, "{\n  \"nodes\": [");
        for (uint32_t i = 0; i < nodes.rows.n; i++) {
            td_buf_puts(&out, i ? ",\n    " : "\n    ");
            node_json(&out, &nodes.rows.v[i]);
        }
        td_buf_puts(&out, "\n  ]\n}\n");
    }
    say_out(&out);
    td_buf_release(&out);
    td_vec_release(&nodes.rows);
    return r;
}

/* `name` NULL: all that are not hidden. */
static uint32_t put_partitions(const struct scontrol *s, const char *name, const struct td_partition_info_list *parts,
                               const struct client_nodes *nodes, struct td_buf *out, uint32_t *shown)
{
    uint32_t before = *shown;

    for (uint32_t i = 0; i < parts->n; i++) {
        const struct td_partition_info *p = &parts->v[i];
        if (name ? !td_str_equal(name, p->conf.name) : p->conf.hidden && !s->all)
            continue;
        if (s->json) {
            td_buf_puts(out, *shown ? ",\n    " : "\n    ");
            td_wire_json(out, &td_rec_partition_info, p, TD_SEE_OWNER);
        } else {
            partition_text(out, p, nodes->rows.v, nodes->rows.n, s->oneliner);
        }
        ++*shown;
    }
    return *shown - before;
}

static int show_partition(struct scontrol *s, struct named *names, struct td_error *err)
{
    struct td_partition_info_list parts = {0};
    struct client_nodes nodes = {0};
    struct td_buf out = {0};
    uint32_t shown = 0;
    int r = client_partitions(&s->client, NULL, &parts, err);

    if (r == 0)
        r = client_nodes(&s->client, NULL, &nodes, err);
    if (s->json)
        td_buf_puts(&out, "{\n  \"partitions\": [");
    if (r == 0 && !names->n)
        put_partitions(s, NULL, &parts, &nodes, &out, &shown);
    for (uint32_t i = 0; i < names->n && r == 0; i++)
        if (!put_partitions(s, names->v[i], &parts, &nodes, &out, &shown))
            r = missing(s, names, td_fail(err, TD_E_INVALID_PARTITION, "Partition %s not found", names->v[i]), err);
    if (s->json)
        td_buf_puts(&out, "\n  ]\n}\n");
    if (r == 0)
        say_out(&out);
    td_buf_release(&out);
    td_vec_release(&nodes.rows);
    return r;
}

static int show_reservation(struct scontrol *s, struct named *names, struct td_error *err)
{
    struct td_reservation_info_list rows = {0};
    struct td_buf out = {0};
    uint32_t shown = 0;
    int r = client_reservations(&s->client, NULL, &rows, err);

    if (s->json)
        td_buf_puts(&out, "{\n  \"reservations\": [");
    for (uint32_t k = 0; r == 0 && k < TD_MAX(names->n, 1u); k++) {
        bool found = names->n == 0;
        for (uint32_t i = 0; i < rows.n; i++) {
            if (names->n && !td_str_equal(rows.v[i].is.name, names->v[k]))
                continue;
            found = true;
            if (s->json) {
                td_buf_puts(&out, shown++ ? ",\n    " : "\n    ");
                td_wire_json(&out, &td_rec_reservation_info, &rows.v[i], TD_SEE_OWNER);
            } else {
                reservation_text(&out, &rows.v[i], s->oneliner);
            }
        }
        if (!found)
            r = missing(s, names, td_fail(err, TD_E_RESERVATION, "Reservation %s not found", names->v[k]), err);
    }
    if (s->json)
        td_buf_puts(&out, shown ? "\n  ]\n}\n" : "]\n}\n");
    else if (r == 0 && !rows.n && !names->n)
        td_buf_puts(&out, "No reservations in the system\n");
    if (r == 0)
        say_out(&out);
    td_buf_release(&out);
    return r;
}

static int show_licenses(struct scontrol *s, struct named *names, struct td_error *err)
{
    struct td_query_licenses q = {0};
    struct td_buf out = {0};
    void *body = NULL;
    uint32_t shown = 0;
    int r = client_ask(&s->client, TD_MSG_QUERY_LICENSES, &q, TD_MSG_LICENSES, &body, err);

    if (r < 0)
        return r;
    const struct td_licenses *m = body;
    if (s->json)
        td_buf_puts(&out, "{\n  \"licenses\": [");
    for (uint32_t i = 0; i < m->rows.n; i++) {
        const struct td_license_info *l = &m->rows.v[i];
        bool wanted = names->n == 0;
        for (uint32_t k = 0; k < names->n; k++)
            wanted |= td_str_equal(names->v[k], l->name);
        if (!wanted)
            continue;
        if (s->json) {
            td_buf_puts(&out, shown ? ",\n    " : "\n    ");
            td_wire_json(&out, &td_rec_license_info, l, TD_SEE_OWNER);
        } else {
            td_buf_putf(&out, "LicenseName=%s%sTotal=%llu Used=%llu Free=%llu Reserved=0 Remote=no\n", l->name, s->oneliner ? " " : "\n    ",
                        (unsigned long long)l->total, (unsigned long long)l->used,
                        (unsigned long long)(l->total - TD_MIN(l->total, l->used)));
        }
        shown++;
    }
    if (s->json)
        td_buf_puts(&out, shown ? "\n  ]\n}\n" : "]\n}\n");
    else if (!shown && !names->n)
        td_buf_puts(&out, "No licenses configured in Slurm.\n");
    else if (!shown)
        r = missing(s, names, td_fail(err, TD_E_INVALID_LICENSE, "License %s not found", names->v[0]), err);
    say_out(&out);
    td_buf_release(&out);
    return r;
}

static int show_config(struct scontrol *s, struct named *names TD_UNUSED, struct td_error *err)
{
    struct td_query_config q = {0};
    struct td_buf out = {0};
    void *body = NULL;
    int r = client_ask(&s->client, TD_MSG_QUERY_CONFIG, &q, TD_MSG_CONFIG, &body, err);

    if (r < 0)
        return r;
    const struct td_config *m = body;
    td_buf_puts(&out, "Configuration data as of ");
    put_moment(&out, client_now_ms(), "");
    td_buf_putc(&out, '\n');
    for (uint32_t i = 0; i < m->rows.n; i++) {
        const char *key = m->rows.v[i].key ? m->rows.v[i].key : "", *value = m->rows.v[i].value;
        size_t n = strlen(key);
        td_buf_puts(&out, key);
        td_buf_pad(&out, ' ', n < 23 ? 23 - n : 0);
        td_buf_putf(&out, " = %s\n", td_str_empty(value) ? "(null)" : value);
    }
    td_buf_putf(&out, "\nSlurmctld(primary) at %s is UP\n", s->client.place.socket);
    say_out(&out);
    td_buf_release(&out);
    return 0;
}

/* Host lists need no broker. */
static int show_hostnames(const char *text)
{
    const char *list = text ? text : getenv("SLURM_JOB_NODELIST");
    struct td_hostlist l = {0};
    struct td_error err = {0};
    struct td_buf out = {0};

    if (!list)
        list = getenv("SLURM_NODELIST");
    if (td_str_empty(list)) {
        say_error("host list is empty");
        return 0;
    }
    if (td_hostlist_parse(list, TD_MAX_NODES, &l, &err) < 0) {
        say_error("Invalid hostlist: %s", err.text);
        return 1;
    }
    for (uint32_t i = 0; i < l.names.n; i++)
        td_buf_putf(&out, "%s\n", l.names.v[i]);
    say_out(&out);
    td_hostlist_release(&l);
    td_buf_release(&out);
    return 0;
}

static int show_hostlist(struct td_arena *a, const char *text)
{
    struct td_hostlist l = {0};
    struct td_error err = {0};
    struct td_buf out = {0};
    const char *list = text ? text : getenv("SLURM_JOB_NODELIST");

    if (td_str_empty(list)) {
        say_error("host list is empty");
        return 0;
    }
    if (td_hostlist_parse(list, TD_MAX_NODES, &l, &err) < 0) {
        say_error("Invalid hostlist: %s", err.text);
        return 1;
    }
    const char **names = td_arena_dup(a, l.names.v, l.names.n * sizeof(*names));
    td_hostlist_fold(names, l.names.n, &out);
    td_buf_putc(&out, '\n');
    say_out(&out);
    td_hostlist_release(&l);
    td_buf_release(&out);
    return 0;
}

static const struct entity {
    const char *name;
    size_t least; /* letters that tell it from others */
    int (*show)(struct scontrol *s, struct named *names, struct td_error *err);
    const char *error; /* what Slurm says before its error */
    bool nameless;     /* there is one of it */
} entities[] = {
    {"jobs", 1, show_job, "slurm_load_jobs error: ", false},
    {"jobid", 1, show_job, "slurm_load_jobs error: ", false},
    {"nodes", 1, show_node, "", false},
    {"partitions", 1, show_partition, "", false},
    {"steps", 2, show_step, "", false},
    {"reservationname", 1, show_reservation, "", false},
    {"reservations", 1, show_reservation, "", false},
    {"licenses", 1, show_licenses, "", false},
    {"configuration", 1, show_config, "slurm_load_ctl_conf error: ", true},
};

/* The commas of "1,2_[3,4]" outside its brackets part it; "" is no name. */
static void take_apart(struct td_arena *a, const char *text, const char **v, uint32_t *n)
{
    uint32_t depth = 0;
    const char *from = text;

    for (const char *c = text;; c++) {
        depth += *c == '[';
        depth -= *c == ']' && depth;
        if (*c && (*c != ',' || depth))
            continue;
        if (c > from) {
            char *name = td_arena_alloc(a, (size_t)(c - from) + 1);
            memcpy(name, from, (size_t)(c - from));
            name[c - from] = 0;
            v[(*n)++] = name;
        }
        if (!*c)
            return;
        from = c + 1;
    }
}

/* Names behind the entity, and the one behind its "=". */
static struct named names_of(struct scontrol *s, char **words, uint32_t n)
{
    const char *eq = strchr(words[1], '='), **v;
    struct named ret = {0};
    uint32_t cap = n + 1;

    for (uint32_t i = 1; i < n; i++)
        for (const char *c = words[i]; *c; c++)
            cap += *c == ',';
    v = td_arena_alloc(s->arena, cap * sizeof(*v));
    if (eq)
        take_apart(s->arena, eq + 1, v, &ret.n);
    for (uint32_t i = 2; i < n; i++)
        take_apart(s->arena, words[i], v, &ret.n);
    ret.v = v;
    return ret;
}

static int too_many(void)
{
    say_plain("too many arguments for keyword:show");
    return 1;
}

int scontrol_show(struct scontrol *s, char **words, uint32_t n)
{
    static const char *const absent[] = {"aliases", "assoc_mgr", "bbstat", "burstbuffer", "daemons", "dwstat",
                                         "federation", "slurmd", "topology"};
    const char *what = words[1], *list = n > 2 ? words[2] : strchr(what, '=') ? strchr(what, '=') + 1 : NULL;
    td_autofree char *key = td_strndup(what, strcspn(what, "="));
    struct td_error err = {0};

    if (strncasecmp(key, "hostnames", TD_MAX(strlen(key), 5u)) == 0)
        return n > 3 ? too_many() : show_hostnames(list);
    if (strncasecmp(key, "hostlist", TD_MAX(strlen(key), 5u)) == 0 || td_str_casecmp(key, "hostlistsorted") == 0)
        return n > 3 ? too_many() : show_hostlist(s->arena, list);
    for (size_t i = 0; i < TD_ARRAY_LEN(entities); i++) {
        const struct entity *e = &entities[i];
        if (strlen(key) < e->least || strncasecmp(e->name, key, strlen(key)) != 0)
            continue;
        struct named names = names_of(s, words, n);
        if (e->nameless && names.n)
            return too_many();
        names.error = e->error;
        int r = client_open(&s->client, &err);
        if (r == 0)
            r = e->show(s, &names, &err);
        return r < 0 ? scontrol_fail(s, e->error, &err) : names.failed;
    }
    for (size_t i = 0; i < TD_ARRAY_LEN(absent); i++) {
        if (strncasecmp(absent[i], key, strlen(key)) == 0) {
            say_plain("scontrol show %s is not supported yet", absent[i]);
            return 1;
        }
    }
    say_plain("invalid entity:%s for keyword:show", what);
    return 1;
}
