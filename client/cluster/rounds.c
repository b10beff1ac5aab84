/* rounds.c - tender rounds: the last rounds of bidding, lot by lot, bid by bid */
#include <string.h>

#include "cluster/cluster.h"
#include "commands.h"
#include "render/value.h"
#include "say.h"

struct rounds {
    const char *dir, *name;
    uint32_t last;
    bool json;
};

#define AT(field) offsetof(struct rounds, field)
static const struct option options[] = {
    {"dir", 0, "DIR", opt_str, AT(dir), "folder of the cluster (the one SLURM_CONF names)", NULL, false},
    {"json", 0, NULL, opt_flag, AT(json), "as JSON", NULL, false},
    {"last", 'n', "N", opt_u32, AT(last), "how many (5)", NULL, false},
    {"name", 0, "NAME", opt_str, AT(name), "name of the cluster", NULL, false},
    OPTIONS_HELP,
    {0},
};

static void put_gres(struct td_buf *out, const struct td_gres_need_list *l)
{
    for (uint32_t i = 0; i < l->n; i++)
        td_buf_putf(out, " %s%s%s:%llu", l->v[i].name ? l->v[i].name : "", td_str_empty(l->v[i].type) ? "" : ":",
                    td_str_empty(l->v[i].type) ? "" : l->v[i].type, (unsigned long long)l->v[i].count);
}

/* Of each node, where it is a part of several. */
static void put_part(struct td_buf *out, const struct td_shape *s, bool several)
{
    uint32_t tasks = TD_MAX(s->tasks_min, 1u), cpus = TD_MAX(s->cpus_per_task, 1u);

    td_buf_putf(out, " %s%u task%s of %u CPU%s", several ? "at least " : "", tasks, tasks > 1 ? "s" : "", cpus, cpus > 1 ? "s" : "");
    if (s->mem_mb) {
        td_buf_puts(out, ", ");
        put_memory(out, s->mem_mb);
    }
    if (s->gres.n) {
        td_buf_putc(out, ',');
        put_gres(out, &s->gres);
    }
    if (s->gres_task.n) {
        td_buf_puts(out, ", for each task");
        put_gres(out, &s->gres_task);
    }
}

static void put_lot(struct td_buf *out, const struct td_lot *lot)
{
    const struct td_shape *s = &lot->shape;
    bool several = s->nodes_min > 1 || s->nodes_max > 1;

    td_buf_putf(out, "  lot %u: %u wanted in %s, shape %u:", lot->lot, lot->count, s->partition ? s->partition : "?",
                lot->shape_id);
    if (several) {
        td_buf_putf(out, " %u", TD_MAX(s->nodes_min, 1u));
        if (s->nodes_max > s->nodes_min)
            td_buf_putf(out, " to %u", s->nodes_max);
        td_buf_puts(out, " nodes");
        if (s->ntasks)
            td_buf_putf(out, " for %u tasks", s->ntasks);
        td_buf_puts(out, ", on each");
    }
    put_part(out, s, several);
    if (s->gres_job.n) {
        td_buf_puts(out, several ? ", shared by its nodes:" : ",");
        put_gres(out, &s->gres_job);
    }
    td_buf_puts(out, ", window ");
    if (lot->window_s == TD_INFINITE)
        td_buf_puts(out, "open");
    else
        td_elapsed_print(lot->window_s, out);
    td_buf_puts(out, "\n");
}

static void put_shortage(struct td_buf *out, uint32_t of, uint64_t n)
{
    const char *unit = of == TD_REFUSAL_CPUS ? "CPU" : of == TD_REFUSAL_GRES ? "device" : NULL;

    if (of == TD_REFUSAL_MEMORY || of == TD_REFUSAL_TMP) {
        put_memory(out, n);
        td_buf_puts(out, of == TD_REFUSAL_TMP ? " of disk" : " of memory");
    } else if (unit) {
        td_buf_putf(out, "%llu %s%s", (unsigned long long)n, unit, n == 1 ? "" : "s");
    } else {
        td_buf_putf(out, "%llu", (unsigned long long)n);
    }
    td_buf_puts(out, " lacking");
}

static void put_words(struct td_buf *out, const struct td_round_bid *b)
{
    const char *words = td_refusal_words(b->refusal);

    td_buf_puts(out, words ? words : "refused for an unknown reason");
    if (b->shortage) {
        td_buf_puts(out, " (");
        put_shortage(out, b->lack ? b->lack : b->refusal, b->shortage);
        td_buf_putc(out, ')');
    }
}

static void put_bids(struct td_buf *out, const struct td_round_info *r, uint32_t lot)
{
    for (uint32_t i = 0; i < r->bids.n; i++) {
        const struct td_round_bid *b = &r->bids.v[i];
        if (b->lot != lot)
            continue;
        td_buf_putf(out, "    %s", b->node ? b->node : "?");
        td_buf_pad(out, ' ', b->node && strlen(b->node) < 16 ? 16 - strlen(b->node) : 1);
        if (b->fits == 0) {
            put_words(out, b);
            td_buf_putc(out, '\n');
            continue;
        }
        td_buf_putf(out, "fits %u, score %u = fit %u, fragmentation %u, health %u, warmth %u", b->fits, b->score, b->fit,
                    b->frag, b->health, b->warmth);
        if (b->won)
            td_buf_putf(out, "  %swon %u%s", say_colour(1, SAY_GREEN), b->won, say_colour(1, SAY_PLAIN));
        td_buf_putc(out, '\n');
    }
}

/* A round that has enough does not wait for the rest. */
static void put_silent(struct td_buf *out, const struct td_round_info *r)
{
    uint32_t more = r->expected - TD_MIN(r->answered, r->expected);
    bool overdue = td_str_equal(r->closed_by, "deadline");

    if (!r->silent.n)
        return;
    td_buf_puts(out, overdue ? "  no answer from " : "  not waited for: ");
    td_hostlist_fold(r->silent.v, r->silent.n, out);
    if (more > r->silent.n)
        td_buf_putf(out, " and %u more", more - r->silent.n);
    if (overdue)
        td_buf_puts(out, " (tender doctor says what mends it)");
    td_buf_putc(out, '\n');
}

static void put_round(struct td_buf *out, const struct td_round_info *r)
{
    td_buf_putf(out, "%sround %llu%s at ", say_colour(1, SAY_BOLD), (unsigned long long)r->round,
                say_colour(1, SAY_PLAIN));
    put_moment(out, r->at_ms, "?");
    td_buf_putf(out, ": %u lot%s, %u of %u bids, %u awarded, ", r->lots.n, r->lots.n == 1 ? "" : "s", r->answered,
                r->expected, r->awarded);
    if (r->elapsed_us)
        td_buf_putf(out, "%llu us", (unsigned long long)r->elapsed_us);
    else if (r->took_us < 1000) /* a broker that does not measure it has whole milliseconds */
        td_buf_puts(out, "below 1 ms");
    else
        td_buf_putf(out, "%u ms", r->took_us / 1000);
    td_buf_putf(out, ", closed by %s\n", td_str_empty(r->closed_by) ? "?" : r->closed_by);
    put_silent(out, r);
    for (uint32_t i = 0; i < r->lots.n; i++) {
        put_lot(out, &r->lots.v[i]);
        put_bids(out, r, r->lots.v[i].lot);
    }
}

static int show(const struct rounds *o, struct td_error *err)
{
    struct client c = {0};
    struct td_query_rounds q = {.last = TD_MIN(o->last ? o->last : 5u, (uint32_t)TD_MAX_ROUNDS_KEPT)};
    struct td_buf out = {0};
    struct cluster local = {0};
    void *body = NULL;
    int r = cluster_select(o->dir, o->name, &local, err);

    if (r == 0)
        r = client_open(&c, err);
    if (r == 0)
        r = client_ask(&c, TD_MSG_QUERY_ROUNDS, &q, TD_MSG_ROUNDS, &body, err);
    if (r == 0) {
        const struct td_rounds *m = body;
        if (o->json) {
            if (m->rows.n) /* an empty list is left out of a record */
                td_wire_json(&out, &td_rec_rounds, m, TD_SEE_OWNER);
            else
                td_buf_puts(&out, "{\"rows\":[]}");
            td_buf_putc(&out, '\n');
        } else if (!m->rows.n) {
            td_buf_puts(&out, "no round yet in this epoch\n");
        }
        for (uint32_t i = 0; i < m->rows.n && !o->json; i++)
            put_round(&out, &m->rows.v[i]);
        say_out(&out);
    }
    td_buf_release(&out);
    client_close(&c);
    return r;
}

static int run(int argc, char **argv)
{
    struct td_arena arena = {0};
    struct rounds o = {0};
    struct option_parse p = {.cmd = &rounds_command, .target = &o, .arena = &arena};
    struct td_error err = {0};
    struct td_buf tmp = {0};
    int r = option_parse(&p, argc, argv, &err);

    if (r == 0 && p.words.n)
        r = td_fail(&err, TD_E_USAGE, "unexpected word '%s'", p.words.v[0]);
    if (r == 0)
        r = show(&o, &err);
    if (r < 0)
        say_error("%s", say_words(&err, &tmp));
    td_buf_release(&tmp);
    option_parse_release(&p);
    td_arena_release(&arena);
    return r < 0 ? 1 : 0;
}

const struct command rounds_command = {
    .name = "tender rounds",
    .synopsis = "[--dir DIR] [-n N] [--json]",
    .summary = "show the last rounds of bidding",
    .about = "Shows for each round its lots, the bids with the parts of their score, refusals and why, who won, who was asked\n"
             "and did not answer, and the time it took from offer to settlement.",
    .options = options,
    .usage_exit = 1,
    .run = run,
};
