/* notes.c - what a watcher sees of an event: whom it concerns, how things stand after it, and its fields by right
 *
 * Driven by the rows of proto/tbl/events.def: a field called job, jobs or array_job names jobs; what may be seen by whom is
 * the field's own column. A new event needs no line here. */
#include <string.h>

#include "broker/front/front.h"

static const void *field_of(const struct td_record *rec, const void *body, const char *name, enum td_type type)
{
    for (uint32_t i = 0; i < rec->n; i++)
        if (rec->fields[i].type == type && strcmp(rec->fields[i].name, name) == 0)
            return (const char *)body + rec->fields[i].offset;
    return NULL;
}

static uint32_t number_of(const struct td_record *rec, const void *body, const char *name)
{
    const uint32_t *at = field_of(rec, body, name, TD_T_U32);
    return at ? *at : 0;
}

/* On a copy of the record; lists inside are borrowed and hold nothing that is not for everybody. */
static void hide(const struct td_record *rec, void *body, enum td_see see)
{
    for (uint32_t i = 0; i < rec->n; i++) {
        const struct td_field *f = &rec->fields[i];
        void *at = (char *)body + f->offset;
        if (f->see > see)
            memset(at, 0, td_field_size(f));
        else if (f->type == TD_T_REC)
            hide(f->sub, at, see);
    }
}

static void encode(struct td_buf *out, const struct td_record *rec, const void *body, enum td_see see, struct td_arena *a)
{
    void *copy = td_arena_dup(a, body, rec->size);
    hide(rec, copy, see);
    td_wire_put_record(out, rec, copy);
}

/* Nobody's: of a job that the core does not hold. */
static uint32_t owner_of(const struct td_core *core, uint32_t job)
{
    struct td_job_brief b;
    return td_core_job_brief(core, job, &b) ? b.uid : UINT32_MAX;
}

void front_note_make(const struct td_core *core, const struct td_event *ev, const front_ids *leaving, struct td_arena *a,
                     struct front_note *ret)
{
    const struct td_record *rec = td_event_row(ev->id)->record;
    const struct td_u32s *jobs = field_of(rec, ev->body, "jobs", TD_T_U32S);
    uint32_t job = number_of(rec, ev->body, "job"), array = number_of(rec, ev->body, "array_job");
    struct td_job_brief brief = {0};
    struct td_buf all = {0}, owner = {0};
    front_ids ids = {0}, uids = {0};

    *ret = (struct front_note){.note = {.seq = ev->seq, .time_ms = ev->time_ms, .type = ev->id, .job = job ? job : array}};
    if (ret->note.job && td_core_job_brief(core, ret->note.job, &brief)) {
        ret->note.array_job = brief.array_job;
        ret->note.array_task = brief.array_task;
        ret->note.uid = brief.uid;
        ret->note.state = brief.state;
        ret->note.outcome = brief.outcome;
        ret->note.reason = brief.reason;
    }
    if (job)
        td_vec_push(&ids, job);
    if (array && array != job)
        td_vec_push(&ids, array);
    for (uint32_t i = 0; jobs && i < jobs->n; i++)
        td_vec_push(&ids, jobs->v[i]);
    for (uint32_t i = 0; i < ids.n; i++)
        td_vec_push(&uids, leaving->n == ids.n ? leaving->v[i] : owner_of(core, ids.v[i]));

    encode(&all, rec, ev->body, TD_SEE_ALL, a);
    encode(&owner, rec, ev->body, TD_SEE_OWNER, a);
    ret->all_len = (uint32_t)all.len;
    if (owner.len != all.len || memcmp(owner.data, all.data, all.len) != 0) {
        ret->owner_len = (uint32_t)owner.len;
        td_buf_put(&all, owner.data, owner.len);
    }
    ret->bytes = all.data;
    ret->ids = ids.v;
    ret->uids = uids.v;
    ret->nids = ids.n;
    td_buf_release(&owner);
}

void front_note_release(struct front_note *n)
{
    td_free(n->bytes);
    td_free(n->ids);
    td_free(n->uids);
    *n = (struct front_note){0};
}

/* One that speaks of jobs of several users, less the others'. */
static struct td_bin own_only(struct td_bin all, const struct front_note *n, uint32_t uid, struct td_arena *a)
{
    const struct td_record *rec = td_event_row(n->note.type)->record;
    void *body = td_arena_alloc(a, rec->size);
    struct td_buf out = {0};
    struct td_error ignored;
    if (td_wire_get_record(a, rec, all.v, all.n, body, &ignored) < 0)
        return (struct td_bin){0}; /* ours, encoded above: nothing is shown rather than too much */
    struct td_u32s *jobs = (struct td_u32s *)(uintptr_t)field_of(rec, body, "jobs", TD_T_U32S);
    if (!jobs)
        return all;
    TD_ASSERT(jobs->n == n->nids);
    uint32_t *kept = td_arena_alloc(a, (jobs->n + 1) * sizeof(*kept)), k = 0;
    for (uint32_t i = 0; i < jobs->n; i++)
        if (n->uids[i] == uid)
            kept[k++] = jobs->v[i];
    *jobs = (struct td_u32s){kept, k};
    td_wire_put_record(&out, rec, body);
    const struct td_bin own = {td_arena_dup(a, out.data, out.len), (uint32_t)out.len};
    td_buf_release(&out);
    return own;
}

struct td_event_note front_note_for(const struct front_note *n, const struct front_watcher *w, struct td_arena *a)
{
    struct td_event_note e = n->note;
    bool owner = n->owner_len && (w->is_operator || (n->note.job && n->note.uid == w->uid));
    e.body = owner ? (struct td_bin){n->bytes + n->all_len, n->owner_len} : (struct td_bin){n->bytes, n->all_len};
    if (!n->note.job && n->nids && (w->hides & (TD_PRIVATE_JOBS | TD_PRIVATE_EVENTS)))
        e.body = own_only(e.body, n, w->uid, a);
    return e;
}
