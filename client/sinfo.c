/* sinfo.c - nodes and partitions as a table */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "render/reservation.h"
#include "render/value.h"
#include "say.h"
#include "sinfo.h"

static int take_states(struct option_parse *p, const struct option *o, const char *value, struct td_error *err)
{
    struct td_strs words = str_list(p->arena, value);

    for (uint32_t i = 0; i < words.n; i++) {
        int r = node_state_check(words.v[i], err);
        if (r < 0)
            return r;
    }
    return opt_list(p, o, value, err);
}

static int take_format(struct option_parse *p, const struct option *o, const char *value, struct td_error *err)
{
    struct sinfo *s = p->target;

    s->format = s->names = NULL;
    return opt_str(p, o, value, err);
}

#define AT(field) offsetof(struct sinfo, field)
static const struct option options[] = {
    {"all", 'a', NULL, opt_flag, AT(filter.all), "hidden partitions too", "SINFO_ALL", false},
    {"clusters", 'M', "NAMES", opt_refuse, 0, "a command speaks to one cluster, the one SLURM_CONF names", NULL, false},
    {"dead", 'd', NULL, opt_flag, AT(filter.dead), "only nodes that do not respond", NULL, false},
    {"exact", 'e', NULL, opt_flag, AT(exact), "a row of its own wherever numbers differ", NULL, false},
    {"federation", 0, NULL, opt_refuse, 0, "there are no federations", NULL, false},
    {"Format", 'O', "FIELDS", take_format, AT(names), "columns by name: name[:[.]width][:text],...", NULL, false},
    {"format", 'o', "FORMAT", take_format, AT(format), "columns by letter: %[.][width]letter", "SINFO_FORMAT", false},
    {"hide", 0, NULL, opt_warn, 0, "hidden partitions are left out anyway unless -a asks for them", NULL, false},
    {"iterate", 'i', "SECONDS", opt_u32, AT(every_s), "show it again and again", NULL, false},
    {"json", 0, NULL, opt_flag, AT(json), "as JSON, one object for each node and partition", NULL, false},
    {"list-reasons", 'R', NULL, opt_flag, AT(reasons), "why nodes are down or drained", NULL, false},
    {"local", 0, NULL, opt_warn, 0, "every listing is of the local cluster", NULL, false},
    {"long", 'l', NULL, opt_flag, AT(long_form), "more columns, and the date", NULL, false},
    {"noconvert", 0, NULL, opt_warn, 0, "sizes are shown in megabytes anyway", NULL, false},
    {"Node", 'N', NULL, opt_flag, AT(by_node), "one row for each node", NULL, false},
    {"nodes", 'n', "NODES", opt_str, AT(filter.nodes), "these nodes", NULL, false},
    {"noheader", 'h', NULL, opt_flag, AT(no_header), "no heading", NULL, false},
    {"partition", 'p', "NAMES", opt_list, AT(filter.partitions), "these partitions", "SINFO_PARTITION", false},
    {"reservation", 'T', NULL, opt_flag, AT(reservations), "reservations, and not nodes", NULL, false},
    {"responding", 'r', NULL, opt_flag, AT(filter.responding), "only nodes that respond", NULL, false},
    {"sort", 'S', "FIELDS", opt_str, AT(sort), "order by these letters, each with + or -: #P,-t", "SINFO_SORT", false},
    {"states", 't', "STATES", take_states, AT(filter.states), "nodes in these states", NULL, false},
    {"summarize", 's', NULL, opt_flag, AT(summary), "one row for each partition", NULL, false},
    {"verbose", 'v', NULL, opt_warn, 0, "there is nothing more to tell", NULL, false},
    {"watch", 0, NULL, opt_flag, AT(watch), "keep showing it as it changes; with --json one object a line for each change", NULL, false},
    {"yaml", 0, NULL, opt_refuse, 0, "use --json, which YAML readers read too", NULL, false},
    OPTIONS_HELP,
    {0},
};

static const char *default_format(const struct sinfo *s)
{
    if (s->reasons)
        return s->long_form ? SINFO_FORMAT_REASONS_LONG : SINFO_FORMAT_REASONS;
    if (s->by_node)
        return s->long_form ? SINFO_FORMAT_NODE_LONG : SINFO_FORMAT_NODE;
    if (s->summary)
        return SINFO_FORMAT_SUMMARY;
    return s->long_form ? SINFO_FORMAT_LONG : SINFO_FORMAT;
}

static int make_format(const struct sinfo *s, struct format *f)
{
    if (s->names && !s->json)
        format_parse_names(f, &node_fields, s->names);
    else if (s->json)
        format_parse(f, &node_fields, "%R %N");
    else
        format_parse(f, &node_fields, s->format ? s->format : default_format(s));
    for (uint32_t i = 0; i < f->unknown.n; i++)
        say_error("Invalid node format specification: %s", f->unknown.v[i]);
    return s->names && f->unknown.n ? -1 : 0;
}

static int order(const struct sinfo *s, struct node_groups *g, struct td_error *err)
{
    struct sort by = {0};
    int r = sort_parse(&by, &node_fields, s->sort ? s->sort : s->by_node || s->json ? "N" : s->reasons ? "-H" : "#P,-t", err);

    if (r == 0)
        sort_rows(&by, (const void **)(void *)g->rows.v, g->rows.n);
    return r;
}

static void put_table(const struct sinfo *s, struct format *f, const void *const *rows, uint32_t n, int64_t now_ms, struct td_buf *out)
{
    format_fit(f, rows, n);
    if ((s->long_form && !s->no_header) || s->every_s)
        put_date_line(out, now_ms);
    if (!s->no_header)
        format_heading(f, out);
    for (uint32_t i = 0; i < n; i++)
        format_row(f, rows[i], out);
}

/* Each row without the newlines that fields_json sets for the eye; a string of JSON holds none. */
static void put_lines(struct sinfo_picture *p, const void *const *rows, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        struct td_buf one = {0}, flat = {0};
        fields_json(&node_fields, &rows[i], 1, &one);
        for (size_t k = 0; k < one.len; k++)
            if (one.data[k] != '\n')
                td_buf_putc(&flat, (char)one.data[k]);
        const char *from = strchr(td_buf_str(&flat), '{'), *to = strrchr(td_buf_str(&flat), '}');
        td_vec_push(&p->rows, td_strndup(from, (size_t)(to - from) + 1));
        td_buf_release(&one);
        td_buf_release(&flat);
    }
}

static int render(const struct sinfo *s, const struct td_partition_info_list *parts, const struct client_nodes *nodes,
                  struct sinfo_picture *ret, struct td_error *err)
{
    struct td_arena arena = {0};
    struct format f = {.arena = &arena};
    struct node_groups g = {0};
    int r = make_format(s, &f);

    if (r < 0)
        err->code = TD_E_USAGE; /* said already */
    if (r == 0) {
        node_group(parts, nodes->rows.v, nodes->rows.n, &s->filter, &f, s->exact, s->by_node || s->json, &g);
        r = order(s, &g, err);
    }
    ret->now_ms = nodes->now_ms ? nodes->now_ms : client_now_ms();
    if (r == 0) {
        const void *const *rows = (const void *const *)(const void *)g.rows.v;
        if (s->json && s->watch) {
            put_lines(ret, rows, g.rows.n);
        } else if (s->json) {
            td_buf_puts(&ret->text, "{\n  \"nodes\": ");
            fields_json(&node_fields, rows, g.rows.n, &ret->text);
            td_buf_puts(&ret->text, "\n}\n");
        } else {
            put_table(s, &f, rows, g.rows.n, ret->now_ms, &ret->text);
        }
    }
    node_groups_release(&g);
    format_release(&f);
    td_arena_release(&arena);
    return r;
}

static int take_reservations(const struct sinfo *s, struct client *c, struct sinfo_picture *ret, struct td_error *err)
{
    struct td_reservation_info_list rows = {0};
    int r = client_reservations(c, NULL, &rows, err);

    if (r == 0 && !rows.n)
        td_buf_puts(&ret->text, "No reservations in the system\n");
    else if (r == 0)
        reservation_table(&ret->text, &rows, !s->no_header);
    return r;
}

int sinfo_take(const struct sinfo *s, struct sinfo_picture *ret, struct td_error *err)
{
    struct client c = {0};
    struct td_partition_info_list parts = {0};
    struct client_nodes nodes = {0};
    int r = client_open(&c, err);

    *ret = (struct sinfo_picture){0};
    if (s->reservations) {
        if (r == 0)
            r = take_reservations(s, &c, ret, err);
        client_close(&c);
        return r;
    }
    if (r == 0)
        r = client_partitions(&c, NULL, &parts, err);
    if (r == 0)
        r = client_nodes(&c, NULL, &nodes, err);
    if (r == 0)
        r = render(s, &parts, &nodes, ret, err);
    ret->stale_ms = nodes.stale_ms;
    if (r < 0)
        sinfo_picture_release(ret);
    td_vec_release(&nodes.rows);
    client_close(&c);
    return r;
}

void sinfo_picture_release(struct sinfo_picture *p)
{
    while (p->rows.n)
        td_free(p->rows.v[--p->rows.n]);
    td_vec_release(&p->rows);
    td_buf_release(&p->text);
}

static int once(const struct sinfo *s)
{
    struct sinfo_picture p;
    struct td_error err = {0};
    int r = sinfo_take(s, &p, &err);

    if (r < 0) {
        struct td_buf tmp = {0};
        if (err.code == TD_E_USAGE && err.text[0])
            say_error("%s", err.text);
        else if (err.text[0])
            say_plain("slurm_load_partitions: %s", say_words(&err, &tmp));
        td_buf_release(&tmp);
        return r;
    }
    say_out(&p.text);
    say_stale(p.stale_ms);
    sinfo_picture_release(&p);
    return 0;
}

static int run(int argc, char **argv)
{
    struct td_arena arena = {0};
    struct sinfo s = {0};
    struct option_parse p = {.cmd = &sinfo_command, .target = &s, .arena = &arena};
    struct td_error err = {0};
    int r = option_parse_env(&p, &err);

    if (r == 0)
        r = option_parse(&p, argc, argv, &err);
    if (r == 0 && p.words.n)
        r = td_fail(&err, TD_E_USAGE, "Unrecognized option: %s", p.words.v[0]);
    if (r == 0 && s.reservations && (s.watch || s.json || s.format || s.names || s.by_node || s.summary || s.reasons))
        r = td_fail(&err, TD_E_USAGE, "--reservation goes with -h and -i alone (scontrol --json show reservation has JSON)");
    if (r == 0 && s.watch && s.every_s)
        r = td_fail(&err, TD_E_USAGE, "--watch does not go with --iterate");
    if (r < 0) {
        say_error("%s", err.text);
        if (err.code == TD_E_USAGE)
            say_plain("Try \"sinfo --help\" for more information");
    }
    s.filter.with_reason = s.reasons;
    if (r == 0 && s.watch) {
        struct td_buf tmp = {0};
        r = sinfo_watch(&s, &err);
        if (r < 0 && err.text[0])
            say_error("%s", say_words(&err, &tmp));
        td_buf_release(&tmp);
    }
    while (r == 0 && !s.watch) {
        r = once(&s);
        if (r < 0 || !s.every_s)
            break;
        struct td_buf blank = {0};
        td_buf_putc(&blank, '\n');
        say_out(&blank);
        td_buf_release(&blank);
        sleep(s.every_s);
    }
    option_parse_release(&p);
    td_arena_release(&arena);
    return r < 0 ? 1 : 0;
}

const struct command sinfo_command = {
    .name = "sinfo",
    .synopsis = "[OPTIONS]",
    .summary = "show partitions and nodes",
    .about = "sinfo shows the nodes of each partition, those that print alike in one row. A star behind a state means\n"
             "that the node does not respond; a star behind a partition that it is the default.",
    .options = options,
    .usage_exit = 1,
    .run = run,
};
