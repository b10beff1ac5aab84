/* depend.c - jobs that wait for jobs: after, afterany, afterok, afternotok, aftercorr, singleton
 *
 * Owns: struct core_deps, the index of who waits for whom. What a job waits for is in its
 * submission as text; what of it is still open follows from the events of the jobs it names: each
 * of them looks at those who wait for it, in the same apply. What has been met or can never be
 * stays so, whatever becomes of the other job later (it may be requeued, or forgotten). Invariants
 * (core_deps_check): only a waiting job has core_deps, and only while they keep it waiting; an open
 * dependency is in the chain of the job or array it names, and has not happened yet. */
#include <string.h>

#include "broker/core/state.h"

enum depend {
#define DEPEND(name, number, word, help) DEPEND_##name = number,
#include "tbl/states.def"
#undef DEPEND
};
enum depend_state {
#define DEPEND_STATE(name, number, word, help) DEPEND_##name = number,
#include "tbl/states.def"
#undef DEPEND_STATE
};

static const struct {
    const char *word;
    uint32_t kind;
} kinds[] = {
#define DEPEND(name, number, word, help) {word, number},
#include "tbl/states.def"
#undef DEPEND
};

/* --- the text -----------------------------------------------------------------------------------
 */

static int problem(struct td_error *err, const char *text, const char *why)
{
    return td_fail(err, TD_E_DEPENDENCY, "%s: '%s' %s", td_error_words(TD_E_DEPENDENCY), text, why);
}

static int unknown(struct td_error *err, const struct td_job_dep *d)
{
    char task[16] = "";
    if (d->task != TD_NO_TASK)
        td_format(task, sizeof(task), "_%u", d->task);
    return td_fail(err, TD_E_DEPENDENCY,
                   "%s: job %u%s is not known (over and gone from the queue after MinJobAge, or never there)",
                   td_error_words(TD_E_DEPENDENCY), d->job, task);
}

static bool read_number(const char **at, uint32_t *ret)
{
    uint64_t n = 0;
    const char *s = *at;
    for (; *s >= '0' && *s <= '9' && n <= UINT32_MAX; s++)
        n = n * 10 + (uint64_t)(*s - '0');
    if (s == *at || n >= UINT32_MAX)
        return false;
    *at = s;
    *ret = (uint32_t)n;
    return true;
}

/* A finished task whose job was forgotten is as unknown as a job that was. */
static bool is_known(const struct td_core *c, uint32_t uid, const struct td_job_dep *d)
{
    const struct core_array *a = core_array_shown(c, d->job, uid);
    if (d->task == TD_NO_TASK)
        return a || core_job_shown(c, d->job, uid);
    return a && (core_array_task(c, a, d->task) || td_bits_get(a->waiting, a->nbytes, d->task) ||
                 (a->cancelled && td_bits_get(a->cancelled, a->nbytes, d->task)));
}

static int add(struct td_job_dep_list *list, struct td_job_dep d, struct td_error *err)
{
    struct td_job_dep *v = (struct td_job_dep *)(uintptr_t)list->v;
    for (uint32_t i = 0; i < list->n; i++) {
        if (v[i].kind == d.kind && v[i].job == d.job && v[i].task == d.task)
            return 0;
    }
    if (list->n == TD_MAX_DEPENDENCIES)
        return td_fail(err, TD_E_DEPENDENCY, "%s: more than %u jobs to wait for",
                       td_error_words(TD_E_DEPENDENCY), (unsigned)TD_MAX_DEPENDENCIES);
    v[list->n++] = d;
    return 0;
}

/* ":12:13_4:14_*" */
static int read_ids(const struct td_core *c, uint32_t uid, uint32_t kind, const char *ids,
                    struct td_job_dep_list *list, struct td_error *err)
{
    if (*ids != ':')
        return problem(err, ids, "names no job");
    for (const char *s = ids; *s;) {
        struct td_job_dep d = {.kind = kind, .task = TD_NO_TASK};
        if (*s++ != ':' || !read_number(&s, &d.job))
            return problem(err, ids, "is not a list of job ids");
        if (*s == '+')
            return td_fail(
                err, TD_E_NOT_SUPPORTED,
                "minutes after a start (--dependency=after:%u+...) are not supported yet", d.job);
        if (s[0] == '_' && s[1] == '*')
            s += 2;
        else if (*s == '_' && (s++, !read_number(&s, &d.task)))
            return problem(err, ids, "is not a list of job ids");
        if (c && !is_known(c, uid, &d))
            return unknown(err, &d);
        int r = add(list, d, err);
        if (r < 0)
            return r;
    }
    return 0;
}

static int read_one(const struct td_core *c, uint32_t uid, const char *text,
                    struct td_job_dep_list *list, struct td_error *err)
{
    size_t n = strcspn(text, ":");
    uint32_t kind = 0;
    for (uint32_t i = 0; i < TD_ARRAY_LEN(kinds); i++) {
        if (strlen(kinds[i].word) == n && strncmp(kinds[i].word, text, n) == 0)
            kind = kinds[i].kind;
    }
    if (kind == DEPEND_SINGLETON && text[n] == '\0')
        return add(list, (struct td_job_dep){.kind = kind, .task = TD_NO_TASK}, err);
    if (kind && kind != DEPEND_SINGLETON)
        return read_ids(c, uid, kind, text + n, list, err);
    if (strncmp(text, "afterburstbuffer:", 17) == 0 || strncmp(text, "expand:", 7) == 0)
        return td_fail(err, TD_E_NOT_SUPPORTED, "--dependency=%s is not supported yet", text);
    return problem(err, text, "is no kind of dependency");
}

/* With a core the jobs named must be known to it, and to this user. The list lives in the arena. */
static int read_deps(const struct td_core *c, uint32_t uid, const char *text, struct td_arena *a,
                     struct td_job_dep_list *ret, bool *ret_any, struct td_error *err)
{
    char *copy = td_arena_strdup(a, text ? text : "");
    *ret_any = strchr(copy, '?') != NULL;
    *ret = (struct td_job_dep_list){
        td_arena_alloc(a, TD_MAX_DEPENDENCIES * sizeof(struct td_job_dep)), 0};
    if (*ret_any && strchr(copy, ','))
        return problem(err, text, "mixes , (all) and ? (any)");
    for (char *s = copy; s && *copy;) {
        char *end = strpbrk(s, ",?");
        if (end)
            *end = '\0';
        int r = read_one(c, uid, s, ret, err);
        if (r < 0)
            return r;
        s = end ? end + 1 : NULL;
    }
    return 0;
}

/* afterok:12(unfulfilled),afterany:13_*(unfulfilled): what is left of it, as Slurm shows it */
const char *core_deps_text(const struct td_core *c, const struct core_job *j, struct td_arena *a)
{
    static const char *const states[] = {
#define DEPEND_STATE(name, number, word, help) [number] = word,
#include "tbl/states.def"
#undef DEPEND_STATE
    };
    if (!j->deps)
        return NULL;
    struct td_buf b = {0};
    for (uint32_t i = 0; i < j->deps->n; i++) {
        const struct td_job_dep *d = &j->deps->v[i].is;
        if (d->state == DEPEND_MET)
            continue;
        if (b.len)
            td_buf_putc(&b, j->deps->any ? '?' : ',');
        for (uint32_t k = 0; k < TD_ARRAY_LEN(kinds); k++) {
            if (kinds[k].kind == d->kind)
                td_buf_puts(&b, kinds[k].word);
        }
        if (d->kind != DEPEND_SINGLETON)
            td_buf_putf(&b, ":%u", d->job);
        if (d->task != TD_NO_TASK)
            td_buf_putf(&b, "_%u", d->task);
        else if (d->kind != DEPEND_SINGLETON && core_array_find(c, d->job))
            td_buf_puts(&b, "_*");
        td_buf_putf(&b, "(%s)", states[d->state]);
    }
    const char *text = td_arena_strdup(a, td_buf_str(&b));
    td_buf_release(&b);
    return text;
}

/* --- what has happened --------------------------------------------------------------------------
 */

static uint32_t judge(uint32_t kind, bool started, bool over, bool failed)
{
    switch (kind) {
    case DEPEND_AFTER:
        return started || over ? DEPEND_MET : DEPEND_OPEN;
    case DEPEND_AFTEROK:
        return failed ? DEPEND_NEVER : over ? DEPEND_MET : DEPEND_OPEN;
    case DEPEND_AFTERNOTOK:
        return !over ? DEPEND_OPEN : failed ? DEPEND_MET : DEPEND_NEVER;
    default:
        return over ? DEPEND_MET : DEPEND_OPEN;
    }
}

/* One failed task fails an array for good, even if that task is requeued and its job forgotten. */
static uint32_t look_at_array(const struct core_array *a, uint32_t kind)
{
    bool over = a->nwaiting + a->active + a->npending == 0;
    bool started = a->nwaiting + a->npending == 0;
    if (kind != DEPEND_AFTER || !started || over)
        return judge(kind, started, over, a->failed);
    for (uint32_t i = 0; i < a->jobs.n; i++)
        started &= !core_job_live(a->jobs.v[i]) || a->jobs.v[i]->start_ms;
    return judge(kind, started, over, a->failed);
}

static uint32_t look_at_job(const struct core_job *j, uint32_t kind)
{
    bool over = j->state == TD_JOB_DONE;
    return judge(kind, core_job_live(j) && j->start_ms, over,
                 over && j->outcome != TD_OUTCOME_COMPLETED);
}

/* The last of the user's earlier jobs of this name that is not over; 0: none. From the end: where
 * many wait one behind the other, that is the one before. */
static uint32_t before(const struct td_core *c, const struct core_job *j)
{
    for (uint32_t i = core_job_index(c, j->id); i-- > 0;) {
        const struct core_job *o = c->jobs.v[i];
        if (o->uid == j->uid && o->state != TD_JOB_DONE && (!j->array || o->array != j->array) &&
            td_str_equal(o->spec->body.name, j->spec->body.name))
            return o->id;
    }
    return 0;
}

/* aftercorr, with all of an array named. A plain job waits for all of it. */
static uint32_t look_at_counterpart(const struct core_array *a, const struct td_core *c, const struct core_job *j,
                                    uint32_t task)
{
    if (!j->array)
        return look_at_array(a, DEPEND_AFTEROK);
    if (task == TD_NO_TASK) { /* the record: unless all is well its tasks are split off one by one */
        bool well = a->nwaiting + a->active + a->npending == 0 && !a->failed;
        return well ? DEPEND_MET : DEPEND_OPEN;
    }
    const struct core_job *o = core_array_task(c, a, task);
    if (o)
        return look_at_job(o, DEPEND_AFTEROK);
    if (td_bits_get(a->waiting, a->nbytes, task))
        return DEPEND_OPEN;
    if (a->cancelled && td_bits_get(a->cancelled, a->nbytes, task))
        return DEPEND_NEVER;
    if (td_bits_get(a->finished, a->nbytes, task)) /* its job is forgotten */
        return a->failed ? DEPEND_NEVER : DEPEND_MET;
    return look_at_array(a, DEPEND_AFTEROK); /* there is no such task */
}

static uint32_t look(const struct td_core *c, const struct core_job *j, const struct td_job_dep *d,
                     uint32_t *ret_before)
{
    uint32_t kind = d->kind == DEPEND_AFTERCORR ? (uint32_t)DEPEND_AFTEROK : d->kind;
    *ret_before = d->job;
    if (d->kind == DEPEND_SINGLETON) {
        *ret_before = before(c, j);
        return *ret_before ? DEPEND_OPEN : DEPEND_MET;
    }
    const struct core_array *a = core_array_find(c, d->job);
    if (a && d->task == TD_NO_TASK && d->kind == DEPEND_AFTERCORR)
        return look_at_counterpart(a, c, j, j->array ? j->task : TD_NO_TASK);
    if (a && d->task == TD_NO_TASK)
        return look_at_array(a, kind);
    const struct core_job *o = d->task == TD_NO_TASK ? core_job_find(c, d->job)
                               : a                   ? core_array_task(c, a, d->task)
                                                     : NULL;
    if (o)
        return look_at_job(o, kind);
    if (a && td_bits_get(a->waiting, a->nbytes, d->task))
        return DEPEND_OPEN;
    return judge(kind, true, true, true); /* cancelled before it was a job */
}

/* --- who waits for whom --------------------------------------------------------------------------
 */

static uint32_t chain_of(const struct td_core *c, uint32_t target)
{
    return (uint32_t)(uintptr_t)td_map_get(&c->waiters_by_target, target);
}

static void set_chain(struct td_core *c, uint32_t target, uint32_t first)
{
    if (first)
        td_map_put(&c->waiters_by_target, target, (void *)(uintptr_t)first);
    else
        td_map_del(&c->waiters_by_target, target);
}

static uint32_t chain_join(struct td_core *c, uint32_t job, uint32_t target)
{
    uint32_t no = c->waiters_free, first = chain_of(c, target);
    if (no) {
        c->waiters_free = c->waiters.v[no - 1].next;
    } else {
        td_vec_push(&c->waiters, (struct core_waiter){0});
        no = c->waiters.n;
    }
    c->waiters.v[no - 1] = (struct core_waiter){.job = job, .target = target, .next = first};
    if (first)
        c->waiters.v[first - 1].prev = no;
    set_chain(c, target, no);
    return no;
}

static void chain_leave(struct td_core *c, uint32_t no)
{
    struct core_waiter *w = &c->waiters.v[no - 1];
    if (w->prev)
        c->waiters.v[w->prev - 1].next = w->next;
    else
        set_chain(c, w->target, w->next);
    if (w->next)
        c->waiters.v[w->next - 1].prev = w->prev;
    *w = (struct core_waiter){.next = c->waiters_free};
    c->waiters_free = no;
}

/* Looks again at what is open, and keeps the chains in step. */
static void look_again(struct td_core *c, struct core_job *j)
{
    for (uint32_t i = 0; i < j->deps->n; i++) {
        struct core_dep *d = &j->deps->v[i];
        if (d->is.state != DEPEND_OPEN)
            continue;
        uint32_t target;
        d->is.state = look(c, j, &d->is, &target);
        bool moved = target != d->is.job;
        d->is.job = d->is.kind == DEPEND_SINGLETON ? target : d->is.job;
        if (d->waiter && (moved || d->is.state != DEPEND_OPEN)) {
            chain_leave(c, d->waiter);
            d->waiter = 0;
        }
        if (!d->waiter && d->is.state == DEPEND_OPEN)
            d->waiter = chain_join(c, j->id, d->is.job);
    }
}

void core_deps_drop(struct td_core *c, struct core_job *j)
{
    if (!j->deps)
        return;
    for (uint32_t i = 0; i < j->deps->n; i++) {
        if (j->deps->v[i].waiter)
            chain_leave(c, j->deps->v[i].waiter);
    }
    c->bytes_jobs -= sizeof(*j->deps) + j->deps->n * sizeof(j->deps->v[0]);
    td_free(j->deps);
    j->deps = NULL;
}

static uint32_t count(const struct core_deps *deps, uint32_t state)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < deps->n; i++)
        n += deps->v[i].is.state == state;
    return n;
}

static void drop_if_met(struct td_core *c, struct core_job *j)
{
    uint32_t met = count(j->deps, DEPEND_MET);
    if (j->deps->any ? met == 0 : met < j->deps->n)
        return;
    core_deps_drop(c, j);
    j->eligible_ms = TD_MAX(c->time_ms, j->begin_ms);
}

uint32_t core_deps_blocked(const struct core_job *j)
{
    if (!j->deps)
        return TD_REASON_NONE;
    uint32_t never = count(j->deps, DEPEND_NEVER);
    bool hopeless = j->deps->any ? never == j->deps->n : never > 0;
    return hopeless ? TD_REASON_DEP_NEVER : TD_REASON_DEPENDENCY;
}

static bool waits_by_task(const struct core_dep *d)
{
    return d->is.kind == DEPEND_AFTERCORR && d->is.task == TD_NO_TASK && d->is.state == DEPEND_OPEN;
}

static void hint(struct td_core *c, const struct core_job *j, uint32_t target, uint32_t task)
{
    for (uint32_t i = 0; core_job_is_record(j) && j->deps && i < j->deps->n; i++) {
        if (waits_by_task(&j->deps->v[i]) && (target == 0 || j->deps->v[i].is.job == target)) {
            core_corr_hint(c, j->array->id, task);
            return;
        }
    }
}

static void put(struct td_core *c, struct core_job *j, const struct td_job_dep *v, uint32_t n,
                bool any)
{
    j->deps = td_alloc(sizeof(*j->deps) + n * sizeof(j->deps->v[0]));
    j->deps->n = n;
    j->deps->any = any;
    for (uint32_t i = 0; i < n; i++)
        j->deps->v[i].is = v[i];
    c->bytes_jobs += sizeof(*j->deps) + n * sizeof(j->deps->v[0]);
}

/* Of a submission that was validated. */
void core_deps_begin(struct td_core *c, struct core_job *j)
{
    const char *text = j->spec->body.dependency;
    struct td_arena a = {0};
    struct td_job_dep_list list;
    struct td_error err;
    bool any;
    if (td_str_empty(text))
        return;
    TD_ASSERT(read_deps(NULL, 0, text, &a, &list, &any, &err) == 0);
    if (list.n) {
        put(c, j, list.v, list.n, any);
        look_again(c, j);
        hint(c, j, 0, TD_NO_TASK);
        drop_if_met(c, j);
    }
    td_arena_release(&a);
}

int core_deps_validate(const struct td_core *c, const struct core_job *j, const char *text,
                       uint32_t uid, struct td_error *err)
{
    struct td_arena a = {0};
    struct td_job_dep_list list;
    bool any;
    int r = read_deps(c, uid, text, &a, &list, &any, err);
    for (uint32_t i = 0; r == 0 && j && i < list.n; i++) {
        struct td_job_dep *d = (struct td_job_dep *)(uintptr_t)&list.v[i];
        if (d->kind == DEPEND_SINGLETON)
            d->job = before(c, j);
    }
    if (r == 0 && j)
        r = core_cycle_check(c, j, &list, err);
    td_arena_release(&a);
    return r;
}

bool core_deps_task_apart(const struct td_core *c, const struct core_job *record, uint32_t task)
{
    for (uint32_t i = 0; record->deps && i < record->deps->n; i++) {
        const struct core_dep *d = &record->deps->v[i];
        const struct core_array *a = waits_by_task(d) ? core_array_find(c, d->is.job) : NULL;
        if (a && look_at_counterpart(a, c, record, task) != DEPEND_OPEN)
            return true;
    }
    return false;
}

void core_deps_split(struct td_core *c, struct core_job *j)
{
    bool by_task = false;
    for (uint32_t i = 0; j->deps && i < j->deps->n; i++)
        by_task |= waits_by_task(&j->deps->v[i]);
    if (!by_task)
        return;
    look_again(c, j);
    drop_if_met(c, j);
}

/* Of a task that leaves its array's record. */
void core_deps_copy(struct td_core *c, struct core_job *j, const struct core_job *from)
{
    if (!from->deps)
        return;
    struct td_arena a = {0};
    struct td_job_dep_list list = core_deps_list(from, &a);
    core_deps_restore(c, j, &list, from->deps->any);
    td_arena_release(&a);
}

struct td_job_dep_list core_deps_list(const struct core_job *j, struct td_arena *a)
{
    uint32_t n = j->deps ? j->deps->n : 0;
    struct td_job_dep *v = td_arena_alloc(a, (n + 1) * sizeof(*v));
    for (uint32_t i = 0; i < n; i++)
        v[i] = j->deps->v[i].is;
    return (struct td_job_dep_list){v, n};
}

void core_deps_restore(struct td_core *c, struct core_job *j, const struct td_job_dep_list *list,
                       bool any)
{
    if (list->n == 0)
        return;
    put(c, j, list->v, list->n, any);
    for (uint32_t i = 0; i < j->deps->n; i++) {
        struct core_dep *d = &j->deps->v[i];
        if (d->is.state == DEPEND_OPEN)
            d->waiter = chain_join(c, j->id, d->is.job);
    }
    hint(c, j, 0, TD_NO_TASK);
}

/* Something happened to the target, or to this task of it. A job may be in its chain several times; one that leaves is
 * behind us or is looked at anyway, so the chain is taken down first. */
static void wake(struct td_core *c, uint32_t target, uint32_t task)
{
    TD_VEC(uint32_t) ids = {0};
    for (uint32_t no = chain_of(c, target); no; no = c->waiters.v[no - 1].next)
        td_vec_push(&ids, c->waiters.v[no - 1].job);
    for (uint32_t i = 0; i < ids.n; i++) {
        struct core_job *j = core_job_find(c, ids.v[i]);
        if (!j || !j->deps)
            continue;
        hint(c, j, target, task);
        core_deps_again(c, j);
    }
    td_vec_release(&ids);
}

void core_deps_again(struct td_core *c, struct core_job *j)
{
    if (!j->deps)
        return;
    look_again(c, j);
    drop_if_met(c, j);
    core_job_enqueue(c, j);
}

void core_deps_wake(struct td_core *c, const struct core_job *j)
{
    const struct core_array *a = j->array;
    bool over = a && a->nwaiting + a->active + a->npending == 0; /* then who has no counterpart is told too */
    uint32_t task = a && !over ? j->task : TD_NO_TASK;
    wake(c, j->id, task);
    if (a && a->id != j->id)
        wake(c, a->id, task);
}

const char *core_deps_check(const struct td_core *c, const struct core_job *j)
{
    if (!j->deps)
        return NULL;
    if (j->state != TD_JOB_PENDING)
        return "waits for another and does not wait";
    for (uint32_t i = 0; i < j->deps->n; i++) {
        const struct core_dep *d = &j->deps->v[i];
        uint32_t target;
        if ((d->waiter != 0) != (d->is.state == DEPEND_OPEN))
            return "is not where those are who wait for another";
        if (d->waiter && (c->waiters.v[d->waiter - 1].job != j->id ||
                          c->waiters.v[d->waiter - 1].target != d->is.job))
            return "is where others wait for another";
        if (d->waiter && look(c, j, &d->is, &target) != DEPEND_OPEN)
            return "waits for what has happened";
    }
    return NULL;
}
