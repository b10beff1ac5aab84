/* events.c - tender events: what happens, as it happens; one JSON object a line */
#include <string.h>

#include "cluster/cluster.h"
#include "commands.h"
#include "say.h"
#include "watch.h"

struct events {
    const char *dir, *name, *until;
    uint64_t since;
    bool has_since, mine, audit;
    struct td_u32s jobs;
    uint32_t state, outcome;
};

static int take_since(struct option_parse *p, const struct option *o TD_UNUSED, const char *value, struct td_error *err)
{
    struct events *e = p->target;

    e->has_since = true;
    if (!td_parse_u64(value, &e->since))
        return td_fail(err, TD_E_USAGE, "--since=%s: a journal number is wanted", value);
    return 0;
}

static int take_jobs(struct option_parse *p, const struct option *o, const char *value, struct td_error *err)
{
    struct events *e = p->target;
    struct td_strs words = str_list(p->arena, value);
    uint32_t *v = td_arena_alloc(p->arena, (e->jobs.n + words.n) * sizeof(*v)), n = e->jobs.n;

    if (n)
        memcpy(v, e->jobs.v, n * sizeof(*v));
    for (uint32_t i = 0; i < words.n; i++) {
        struct td_job_sel sel = {0};
        if (client_sel_parse(p->arena, words.v[i], &sel, err) < 0)
            return -err->code;
        if (sel.tasks.n)
            return td_fail(err, TD_E_USAGE, "--%s=%s: name the array, or the job id of the task", o->name, words.v[i]);
        v[n++] = sel.job;
    }
    e->jobs = (struct td_u32s){v, n};
    return 0;
}

static int take_until(struct option_parse *p, const struct option *o TD_UNUSED, const char *value, struct td_error *err)
{
    struct events *e = p->target;

    e->until = value;
    if (!td_job_state_parse(value, &e->state, &e->outcome))
        return td_fail(err, TD_E_INVALID_STATE, "Invalid job state specified: %s", value);
    return 0;
}

#define AT(field) offsetof(struct events, field)
static const struct option options[] = {
    {"audit", 0, NULL, opt_flag, AT(audit), "only who was refused, who handled what is not his, tokens and keys; for operators", NULL, false},
    {"dir", 0, "DIR", opt_str, AT(dir), "folder of the cluster (the one SLURM_CONF names)", NULL, false},
    {"job", 'j', "IDS", take_jobs, 0, "only events of these jobs and arrays", NULL, false},
    {"me", 0, NULL, opt_flag, AT(mine), "only events of my own jobs", NULL, false},
    {"name", 0, "NAME", opt_str, AT(name), "name of the cluster", NULL, false},
    {"since", 0, "SEQ", take_since, 0, "those after this journal number, too (without: only those to come)", NULL, false},
    {"until", 0, "STATE", take_until, 0, "end with status 0 when the job is in this state, with 1 when it ended in another", NULL, false},
    OPTIONS_HELP,
    {0},
};

enum end { NOT_YET, AS_WANTED, OTHERWISE };

/* What follows the stream to its end. */
struct follower {
    const struct events *o;
    bool now;            /* what is told is new: until then it was over before, and may have been requeued since */
    enum end end;
    uint64_t end_seq;    /* the end is known already: events up to here are to be told still */
    struct td_buf out;
};

static enum end reached(const struct events *o, uint32_t state, uint32_t outcome)
{
    if (state == o->state && (!o->outcome || outcome == o->outcome))
        return AS_WANTED;
    return state == TD_JOB_DONE ? OTHERWISE : NOT_YET;
}

/* Where the job stands when all before is told: what is waited for may be long over. */
static int standing(struct follower *f, struct td_error *err)
{
    const struct events *o = f->o;
    static const char *const all[] = {"all"};
    struct client c = {0};
    struct client_jobs jobs = {0};
    struct td_job_sel sel = {.job = o->jobs.v[0]};
    struct td_query_jobs q = {.filter = {.ids = {&sel, 1}, .states = {all, 1}}, .history = true, .all = true, .state_only = true};
    int r = client_open(&c, err);

    if (r == 0)
        r = client_jobs(&c, &q, &jobs, err);
    if (r == 0 && !jobs.rows.n)
        r = td_fail(err, TD_E_INVALID_JOB, "%s", td_error_words(TD_E_INVALID_JOB));
    if (r == 0) {
        f->end = reached(o, jobs.rows.v[0]->state, jobs.rows.v[0]->outcome);
        f->end_seq = o->has_since ? jobs.seq : 0;
    }
    td_vec_release(&jobs.rows);
    client_close(&c);
    return r;
}

static int take_frame(struct follower *f, const struct td_events *m, struct td_error *err)
{
    const struct events *o = f->o;
    struct td_arena a = {0};
    int r = 0;

    if (m->resync)
        td_buf_putf(&f->out, "{\"seq\":%llu,\"type\":\"RESYNC\",\"lost_before\":%llu}\n", (unsigned long long)m->last,
                    (unsigned long long)m->first);
    for (uint32_t i = 0; r == 0 && i < m->notes.n && (!f->end || m->notes.v[i].seq <= f->end_seq); i++) {
        const struct td_event_note *n = &m->notes.v[i];
        r = note_put_json(&f->out, n, &a, err);
        td_buf_putc(&f->out, '\n');
        if (!o->until || f->end || n->job != o->jobs.v[0])
            continue;
        enum end end = reached(o, n->state, n->outcome);
        f->end = end == AS_WANTED || f->now ? end : NOT_YET;
    }
    td_arena_release(&a);
    return r;
}

static int follow(const struct events *o, enum end *ret_end, struct td_error *err)
{
    const struct td_subscribe what = {.since = o->since, .from_now = !o->has_since, .jobs = o->jobs, .own = o->mine, .audit = o->audit};
    struct watch w = {0};
    struct follower f = {.o = o};
    int r = watch_open(&w, &what, err);
    bool stale = false;

    w.minds_output = true;
    while (r == 0 && (!f.end || w.last < f.end_seq)) {
        enum watch_got got;
        const struct td_events *m = NULL;
        r = watch_next(&w, -1, -1, &got, &m, err);
        if (r == 0 && got == WATCH_UNREAD)
            f = (struct follower){.o = o, .out = f.out, .end = OTHERWISE};
        if (r == 0 && got == WATCH_LOST)
            say_note("the front went away; waiting for it");
        if (r == 0 && got == WATCH_BACK)
            say_note("the front is back");
        if (r < 0 || got != WATCH_FRAME)
            continue;
        if (!!m->stale_ms != stale) {
            stale = m->stale_ms;
            say_note(stale ? "the broker does not answer: nothing happens until it is back" : "the broker is back");
        }
        r = take_frame(&f, m, err);
        say_out(&f.out);
        if (r == 0 && !f.now && !m->more && o->until && !f.end)
            r = standing(&f, err);
        f.now |= !m->more;
    }
    td_buf_release(&f.out);
    watch_close(&w);
    *ret_end = f.end;
    return r;
}

static int run(int argc, char **argv)
{
    struct td_arena arena = {0};
    struct events o = {0};
    struct option_parse p = {.cmd = &events_command, .target = &o, .arena = &arena};
    struct td_error err = {0};
    struct cluster local = {0};
    struct td_buf tmp = {0};
    enum end end = NOT_YET;
    int r = option_parse(&p, argc, argv, &err);

    if (r == 0 && p.words.n)
        r = td_fail(&err, TD_E_USAGE, "unexpected word '%s'", p.words.v[0]);
    if (r == 0 && o.until && o.jobs.n != 1)
        r = td_fail(&err, TD_E_USAGE, "--until waits for one job: name it with --job");
    if (r == 0 && o.audit && (o.mine || o.jobs.n))
        r = td_fail(&err, TD_E_USAGE, "--audit goes with neither --me nor --job");
    if (r == 0)
        r = cluster_select(o.dir, o.name, &local, &err);
    if (r == 0)
        r = follow(&o, &end, &err);
    if (r < 0)
        say_error("%s", say_words(&err, &tmp));
    td_buf_release(&tmp);
    option_parse_release(&p);
    td_arena_release(&arena);
    return r < 0 || end == OTHERWISE ? 1 : 0;
}

const struct command events_command = {
    .name = "tender events",
    .synopsis = "[--since SEQ] [--job IDS] [--until STATE] [--me | --audit]",
    .summary = "what happens, as it happens",
    .about = "Prints one JSON object a line for each event: seq, its number in the journal; time and time_ms; type; the job it\n"
             "concerns and how that stands after it; and under \"event\" the fields of the event itself. For an operator the\n"
             "numbers have no hole. Audit events say who it was under \"by\". It goes on through restarts of front\n"
             "and broker from the last number it printed; where the front does not keep what lies between, a line of type RESYNC\n"
             "says so.",
    .options = options,
    .usage_exit = 1,
    .run = run,
};
