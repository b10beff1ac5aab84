/* session.c - see session.h */
#include "session.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "say.h"

#define SAY_AFTER_MS 50     /* an allocation that stands sooner is nothing to speak of */
#define DIAL_AGAIN_MS 500
#define LINK_OUT_BYTES (4u * 1024 * 1024)

int session_cwd(char *out, size_t cap, struct td_error *err)
{
    return getcwd(out, cap) ? 0 : td_fail(err, TD_E_IO, "cannot tell the working directory: %s", strerror(errno));
}

static int settle(struct submit *s, const char *name, struct td_error *err)
{
    char *cwd = td_arena_alloc(s->arena, TD_MAX_PATH_BYTES + 1), *host = td_arena_alloc(s->arena, 256);
    const char *home = getenv("HOME");
    struct td_job_need *need = td_arena_alloc(s->arena, sizeof(*need));
    mode_t mask = umask(0);
    umask(mask);
    int r = session_cwd(cwd, TD_MAX_PATH_BYTES, err);
    if (r < 0)
        return r;
    if (gethostname(host, 255) < 0)
        return td_fail(err, TD_E_IO, "cannot tell the host's name: %s", strerror(errno));
    if (td_str_empty(s->spec.name))
        s->spec.name = name;
    s->spec.session = true;
    s->spec.work_dir = s->spec.submit_dir = cwd;
    s->spec.submit_host = host;
    s->spec.umask = (uint32_t)mask & 0777;
    s->spec.home = home ? home : "";
    *need = s->need;
    s->spec.needs = (struct td_job_need_list){.v = need, .n = 1};
    return 0;
}

struct waiting {
    struct session *s;
    bool said, failed, soon;
    int64_t beat_at_ms;
    struct client *c;
};

static void keep(struct session *s, const struct td_job_info *row)
{
    td_arena_release(&s->arena);
    td_record_copy(&s->arena, &td_rec_job_info, row, &s->info);
}

static bool is_granted(const struct td_job_info *row, void *ctx)
{
    struct waiting *w = ctx;
    bool awarded = row->state == TD_JOB_AWARDED;
    if (row->state == TD_JOB_PENDING || (awarded && !w->soon))
        return false;
    w->failed = row->state != TD_JOB_RUNNING && !awarded;
    keep(w->s, row);
    if (awarded)
        w->s->info.start_ms = client_now_ms(); /* as good as */
    return true;
}

static void meanwhile(void *ctx, const struct td_job_info *row, int64_t waited_ms)
{
    struct waiting *w = ctx;
    (void)row;
    if (!w->said && waited_ms >= SAY_AFTER_MS) {
        say_note("job %u queued and waiting for resources", w->s->job);
        w->said = w->s->waited = true;
    }
    if (waited_ms < w->beat_at_ms)
        return;
    w->beat_at_ms = waited_ms + SESSION_BEAT_MS;
    struct td_session_heard m = {.job = w->s->job};
    void *body;
    struct td_error err = {0};
    (void)client_ask(w->c, TD_MSG_SESSION_HEARD, &m, TD_MSG_DONE, &body, &err); /* a broker that is away hears the next one */
}

void session_close(struct client *c, const struct session *s)
{
    struct td_session_close m = {.job = s->job};
    struct td_error err = {0};
    void *body;
    int r = client_ask(c, TD_MSG_SESSION_CLOSE, &m, TD_MSG_DONE, &body, &err);
    if (r < 0 && (err.code == TD_E_UNREACHABLE || err.code == TD_E_TIMED_OUT)) {
        td_call_close(&c->call);
        c->open = td_call_open(c->place.socket, CLIENT_TIMEOUT_MS, &c->call, &err) == 0;
        r = c->open ? client_ask(c, TD_MSG_SESSION_CLOSE, &m, TD_MSG_DONE, &body, &err) : -1;
    }
    if (r < 0 && err.code != TD_E_ALREADY_DONE && err.code != TD_E_INVALID_JOB)
        say_warning("job %u could not be given back (%s); it ends by itself when its command has been silent too long", s->job, err.text);
}

static int ended_instead(const struct session *s, struct td_error *err)
{
    const char *word = td_job_state_word(s->info.state, s->info.outcome);
    return td_fail(err, TD_E_ALREADY_DONE, "Job %u was ended while it waited (%s%s%s)", s->job, word ? word : "?",
                   td_str_empty(s->info.detail) ? "" : ": ", s->info.detail ? s->info.detail : "");
}

static int wait_for_it(struct client *c, const struct session_wish *wish, bool fresh, struct session *s, struct td_error *err)
{
    struct waiting ctx = {.s = s, .c = c, .beat_at_ms = SESSION_BEAT_MS, .soon = wish->soon, .said = s->waited};
    struct client_wait w = {
        .job = s->job, .fresh = fresh, .is_it = is_granted, .meanwhile = meanwhile, .ctx = &ctx, .stop = wish->stop};
    w.until_ms = wish->patience_ms ? client_now_ms() + wish->patience_ms : 0;
    int r = client_wait_job(c, &w, err);
    if (r == 0 && ctx.failed)
        return ended_instead(s, err);
    if (r < 0) {
        session_close(c, s);
        return r;
    }
    if (ctx.said)
        say_note("job %u has been allocated resources", s->job);
    return 0;
}

int session_open(struct client *c, struct submit *s, const struct session_wish *wish, struct session *ret, struct td_error *err)
{
    struct td_submit m = {0};
    void *body = NULL;
    int r = settle(s, wish->name, err);
    if (r < 0)
        return r;
    m.spec = s->spec;
    r = client_ask(c, TD_MSG_SUBMIT, &m, TD_MSG_SUBMITTED, &body, err);
    if (r < 0)
        return r;
    const struct td_submitted *done = body;
    for (uint32_t i = 0; i < done->warnings.n; i++)
        say_warning("%s", done->warnings.v[i]);
    *ret = (struct session){.job = done->job};
    return wait_for_it(c, wish, true, ret, err);
}

int session_again(struct client *c, const struct session_wish *wish, struct session *s, struct td_error *err)
{
    return wait_for_it(c, wish, false, s, err);
}

int session_find(struct client *c, uint32_t job, struct session *ret, struct td_error *err)
{
    struct td_job_sel id = {.job = job};
    static const char *const all[] = {"all"};
    struct td_query_jobs q = {.filter = {.ids = {.v = &id, .n = 1}, .states = {.v = all, .n = 1}}, .detail = true, .all = true};
    struct client_jobs jobs = {0};
    int r = client_jobs(c, &q, &jobs, err);
    if (r == 0 && jobs.rows.n == 0)
        r = td_fail(err, TD_E_INVALID_JOB, "%s", td_error_words(TD_E_INVALID_JOB));
    if (r == 0) {
        *ret = (struct session){.job = job};
        keep(ret, jobs.rows.v[0]);
    }
    td_vec_release(&jobs.rows);
    return r;
}

bool session_say_why(uint32_t job)
{
    struct client c = {0};
    struct session s = {0};
    struct td_error err = {0};
    bool said = false;
    if (client_open(&c, &err) == 0 && session_find(&c, job, &s, &err) == 0) {
        said = s.info.reason == TD_REASON_SESSION_GONE || s.info.outcome == TD_OUTCOME_TIMEOUT;
        if (s.info.reason == TD_REASON_SESSION_GONE)
            say_error("Job %u was ended: this %s was not heard for longer than InactiveLimit", job, say_name);
        else if (said)
            say_note("Job %u has exceeded its time limit and its allocation has been revoked.", job);
    }
    session_release(&s);
    client_close(&c);
    return said;
}

void session_release(struct session *s)
{
    td_arena_release(&s->arena);
    *s = (struct session){0};
}

/* --- its environment --------------------------------------------------------------------------------------------------------- */

static void put(struct td_buf *b, const char *name, const char *value)
{
    if (td_str_empty(value))
        return;
    td_buf_putf(b, "%s=%s", name, value);
    td_buf_putc(b, 0);
}

static void put_number(struct td_buf *b, const char *name, uint64_t value)
{
    td_buf_putf(b, "%s=%llu", name, (unsigned long long)value);
    td_buf_putc(b, 0);
}

static void put_number_if(struct td_buf *b, const char *name, uint64_t value)
{
    if (value)
        put_number(b, name, value);
}

/* "4(x2),3" of the tasks or the CPUs of the nodes */
static void put_by_node(struct td_buf *b, const char *name, const struct td_placement_list *p, bool tasks)
{
    struct td_buf text = {0};
    for (uint32_t i = 0; i < p->n;) {
        uint32_t each = tasks ? p->v[i].tasks : td_bits_count(p->v[i].cpus.v, p->v[i].cpus.n), run = 0;
        for (; i < p->n && (tasks ? p->v[i].tasks : td_bits_count(p->v[i].cpus.v, p->v[i].cpus.n)) == each; i++)
            run++;
        td_buf_putf(&text, run > 1 ? "%s%u(x%u)" : "%s%u", text.len ? "," : "", each, run);
    }
    put(b, name, td_buf_str(&text));
    td_buf_release(&text);
}

void session_environ(const struct session *s, const struct submit *request, struct td_buf *out)
{
    const struct td_job_info *j = &s->info;
    const struct td_job_need *need = j->spec.needs.n ? &j->spec.needs.v[0] : &request->need;
    put_number(out, "SLURM_JOB_ID", j->job);
    put_number(out, "SLURM_JOBID", j->job);
    put(out, "SLURM_JOB_NAME", j->spec.name);
    put(out, "SLURM_JOB_NODELIST", j->nodelist);
    put(out, "SLURM_NODELIST", j->nodelist);
    put_number(out, "SLURM_JOB_NUM_NODES", j->nodes);
    put_number(out, "SLURM_NNODES", j->nodes);
    put_by_node(out, "SLURM_TASKS_PER_NODE", &j->placements, true);
    put_by_node(out, "SLURM_JOB_CPUS_PER_NODE", &j->placements, false);
    put(out, "SLURM_JOB_PARTITION", j->partition);
    put(out, "SLURM_JOB_ACCOUNT", j->spec.account);
    put(out, "SLURM_JOB_QOS", j->spec.qos);
    put(out, "SLURM_JOB_RESERVATION", j->spec.reservation);
    put(out, "SLURM_JOB_LICENSES", j->spec.licenses);
    put_number(out, "SLURM_JOB_UID", j->uid);
    put_number(out, "SLURM_JOB_GID", j->gid);
    put(out, "SLURM_JOB_USER", j->spec.user_name);
    put(out, "SLURM_SUBMIT_DIR", request->spec.submit_dir);
    put(out, "SLURM_SUBMIT_HOST", request->spec.submit_host);
    put_number(out, "SLURM_JOB_START_TIME", (uint64_t)(j->start_ms / 1000));
    if (j->limit_s && j->limit_s != TD_INFINITE)
        put_number(out, "SLURM_JOB_END_TIME", (uint64_t)(j->start_ms / 1000) + j->limit_s);
    if (need->ntasks || need->ntasks_per_node) {
        put_number(out, "SLURM_NTASKS", j->tasks);
        put_number(out, "SLURM_NPROCS", j->tasks);
    }
    put_number_if(out, "SLURM_NTASKS_PER_NODE", need->ntasks_per_node);
    put_number_if(out, "SLURM_CPUS_PER_TASK", need->cpus_per_task);
    put_number_if(out, "SLURM_MEM_PER_NODE", need->mem_mb_per_node);
    put_number_if(out, "SLURM_MEM_PER_CPU", need->mem_mb_per_cpu);
}

/* --- the connection beside ------------------------------------------------------------------------------------------------------ */

void link_init(struct session_link *l, const struct td_conf_place *place)
{
    *l = (struct session_link){.front = place->front, .broker = place->socket};
    td_stream_init(&l->stream, -1, 0);
}

void link_release(struct session_link *l)
{
    td_stream_release(&l->stream);
    l->up = false;
}

bool link_up(struct session_link *l, int64_t now_ms)
{
    struct td_error err;
    if (l->up || now_ms < l->dial_at_ms)
        return l->up;
    l->dial_at_ms = now_ms + DIAL_AGAIN_MS;
    int fd = td_local_connect(l->front, &err);
    if (fd < 0)
        fd = td_local_connect(l->broker, &err);
    if (fd < 0)
        return false;
    fcntl(fd, F_SETFL, O_NONBLOCK);
    td_stream_init(&l->stream, fd, LINK_OUT_BYTES);
    l->up = true;
    return true;
}

static void down(struct session_link *l, int64_t now_ms)
{
    td_stream_release(&l->stream);
    l->up = false;
    l->dial_at_ms = now_ms + DIAL_AGAIN_MS;
}

uint64_t link_ask(struct session_link *l, uint32_t id, const void *body)
{
    if (!l->up || td_stream_put(&l->stream, id, ++l->request, body) < 0)
        return 0;
    td_stream_flush(&l->stream);
    return l->request;
}

void link_read(struct session_link *l, int64_t now_ms)
{
    struct td_error err;
    if (l->up && (td_stream_read(&l->stream, &err) < 0 || td_stream_flush(&l->stream) < 0))
        down(l, now_ms);
}

int link_next(struct session_link *l, struct td_arena *a, struct td_frame *ret, int64_t now_ms)
{
    const uint8_t *data;
    size_t len;
    struct td_error err;
    int r = l->up ? td_stream_next(&l->stream, &data, &len, &err) : 0;
    if (r > 0)
        r = td_wire_get_frame(a, data, len, ret, &err) < 0 ? -1 : 1;
    if (r < 0)
        down(l, now_ms);
    return r;
}
