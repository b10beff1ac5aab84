/* audit.c - what is told of rights: who was refused, and who handled what is not his
 *
 * Owns: the refusals of the last minute, one entry for each user and kind of request (soft). The first
 * is an event and a line of the log at once; more of the kind are counted, and told once a minute
 * while they go on, so that whoever knocks without end fills neither disk nor log. Kinds are bounded
 * (REFUSALS_KEPT): those beyond share one entry. A peer of the bus that no key vouches for is told by the
 * name it gives and its address; such strangers have a part of the table only (REFUSED_STRANGERS), so that
 * whoever makes up names without end keeps no others out.
 * An act on others' jobs is one event for the request, made at its end. */
#include <string.h>

#include "broker/core/state.h"

#define QUIET_MS 60000
#define TEXT_SHOWN 1000u /* of what people wrote: below what the events' rows hold */

static const char *cut(struct td_core *c, const char *text)
{
    if (!text || strlen(text) <= TEXT_SHOWN)
        return text;
    char *s = td_arena_strdup(&c->wake, text);
    memcpy(s + TEXT_SHOWN - 3, "...", 4);
    return s;
}

static const char *request_name(uint32_t id)
{
    const char *name = td_msg_name(id);
    return name ? name : "?";
}

/* --- refusals --------------------------------------------------------------------------------- */

struct kind {
    uint32_t uid;
    bool bus, stranger;
    const char *request, *node, *address;
};

static struct core_refused *find(struct td_core *c, const struct kind *k)
{
    for (uint32_t i = 0; i < c->refused.n; i++) {
        struct core_refused *r = &c->refused.v[i];
        if (r->bus == k->bus && r->stranger == k->stranger && r->uid == k->uid && strcmp(r->request, k->request) == 0 &&
            strcmp(r->node, k->node) == 0 && strcmp(r->address, k->address) == 0)
            return r;
    }
    return NULL;
}

static bool strangers_full(const struct td_core *c)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < c->refused.n; i++)
        n += c->refused.v[i].stranger;
    return n >= TD_MAX_REFUSED_STRANGERS;
}

static struct core_refused *add(struct td_core *c, const struct kind *k)
{
    bool full = c->refused.n >= TD_MAX_REFUSALS_KEPT;
    if (full && c->refused.v[c->refused.n - 1].others)
        return &c->refused.v[c->refused.n - 1];
    struct core_refused r = {.uid = k->uid, .bus = k->bus, .stranger = k->stranger, .from_ms = INT64_MIN};
    r.others = c->refused.n + 1 == TD_MAX_REFUSALS_KEPT;
    r.request = td_strdup(r.others ? "" : k->request);
    r.node = td_strdup(r.others ? "" : k->node);
    r.address = td_strdup(r.others ? "" : k->address);
    td_vec_push(&c->refused, r);
    return &c->refused.v[c->refused.n - 1];
}

static struct core_refused *entry_of(struct td_core *c, const struct td_ev_access_refused *e, bool vouched)
{
    struct kind k = {.uid = e->uid, .bus = e->bus, .request = e->request};
    k.stranger = e->bus && (!vouched || td_str_empty(e->node));
    k.node = e->bus && e->node ? e->node : "";
    k.address = k.stranger && e->address ? e->address : "";
    struct core_refused *r = find(c, &k);
    if (!r && k.stranger && strangers_full(c)) {
        k.node = k.address = ""; /* those beyond are one */
        r = find(c, &k);
    }
    return r ? r : add(c, &k);
}

static void tell(struct td_core *c, struct core_refused *r)
{
    struct td_ev_access_refused ev = {.uid = r->others ? 0 : r->uid,
                                      .request = r->others ? "several" : r->request,
                                      .job = r->job,
                                      .node = r->said_node,
                                      .address = r->said_address,
                                      .bus = r->bus,
                                      .count = r->count,
                                      .text = r->text};
    core_emit(c, TD_EV_ACCESS_REFUSED, &ev);
    if (r->others)
        core_log(c, "warn refused several users and peers count=%u: %s", r->count, r->text);
    else if (r->bus)
        core_log(c, "warn %s=%s%s%s refused %s count=%u: %s", r->stranger ? "peer" : "worker", /* only saying so, or enrolled */
                 *r->said_node ? r->said_node : "?", *r->said_address ? " address=" : "", r->said_address, r->request, r->count,
                 r->text);
    else
        core_log(c, "warn user=%u refused %s job=%u count=%u: %s", r->uid, r->request, r->job, r->count,
                 r->text);
    r->count = 0;
    r->from_ms = c->now_ms;
    core_sooner(&c->audit_next_ms, c->now_ms + QUIET_MS);
}

static void keep(char **to, const char *text)
{
    td_free(*to);
    *to = td_strdup(text ? text : "");
}

static void refused(struct td_core *c, const struct td_ev_access_refused *e, bool vouched)
{
    struct core_refused *r = entry_of(c, e, vouched);
    c->counters.denied += TD_MAX(e->count, 1u);
    r->count += TD_MAX(e->count, 1u);
    r->job = e->job;
    keep(&r->said_node, e->node);
    keep(&r->said_address, e->address);
    keep(&r->text, cut(c, e->text));
    if (r->from_ms == INT64_MIN || c->now_ms - r->from_ms >= QUIET_MS)
        tell(c, r);
}

/* Requests about one job by its number; those about several say it themselves. */
static uint32_t job_of(const struct td_input *in)
{
    switch (in->id) {
    case TD_MSG_STEP_CREATE:
        return ((const struct td_step_create *)in->body)->job;
    case TD_MSG_STEP_SIGNAL:
        return ((const struct td_step_signal *)in->body)->job;
    case TD_MSG_SESSION_HEARD:
        return ((const struct td_session_heard *)in->body)->job;
    case TD_MSG_SESSION_CLOSE:
        return ((const struct td_session_close *)in->body)->job;
    default:
        return 0;
    }
}

void core_audit_refused(struct td_core *c, const struct td_input *in, uint32_t job, const char *text)
{
    const struct td_ev_access_refused e = {.uid = in->uid,
                                           .request = request_name(in->id),
                                           .job = job ? job : job_of(in),
                                           .node = in->node,
                                           .bus = in->kind == TD_IN_WORKER,
                                           .count = 1,
                                           .text = text};
    refused(c, &e, true);
}

static void refused_free(struct core_refused *r)
{
    td_free(r->request);
    td_free(r->node);
    td_free(r->address);
    td_free(r->said_node);
    td_free(r->said_address);
    td_free(r->text);
}

void core_audit_run(struct td_core *c)
{
    if (c->now_ms < c->audit_next_ms)
        return;
    c->audit_next_ms = INT64_MAX;
    uint32_t k = 0;
    for (uint32_t i = 0; i < c->refused.n; i++) {
        struct core_refused *r = &c->refused.v[i];
        if (c->now_ms - r->from_ms >= QUIET_MS) {
            if (!r->count) {
                refused_free(r);
                continue;
            }
            tell(c, r);
        }
        core_sooner(&c->audit_next_ms, r->from_ms + QUIET_MS);
        c->refused.v[k++] = *r;
    }
    c->refused.n = k;
}

/* --- acts ------------------------------------------------------------------------------------- */

void core_audit_touch(struct td_core *c, const struct td_input *in, const struct core_job *j)
{
    struct core_acted *a = &c->acted;
    if (j->uid == in->uid)
        return;
    if (!a->count)
        a->owner = j->uid;
    if (a->count < TD_ARRAY_LEN(a->jobs))
        a->jobs[a->count] = j->id;
    a->count++;
}

void core_audit_act(struct td_core *c, const struct td_input *in, const char *text)
{
    struct core_acted *a = &c->acted;
    struct td_ev_admin_acted ev = {.uid = in->uid,
                                   .request = request_name(in->id),
                                   .jobs = {a->jobs, TD_MIN(a->count, (uint32_t)TD_ARRAY_LEN(a->jobs))},
                                   .count = a->count,
                                   .owner = a->owner,
                                   .text = cut(c, text)};
    core_emit(c, TD_EV_ADMIN_ACTED, &ev);
    a->count = 0;
}

void core_audit_acted(struct td_core *c, const struct td_input *in)
{
    if (c->acted.count)
        core_audit_act(c, in, NULL);
}

/* --- what the shell knows of ------------------------------------------------------------------- */

void core_audit_input(struct td_core *c, const struct td_input *in)
{
    if (in->id == TD_EV_ACCESS_REFUSED) {
        refused(c, in->body, false); /* nobody vouches for the node it says it is */
        return;
    }
    TD_ASSERT(in->id == TD_EV_ADMIN_ACTED);
    core_emit(c, TD_EV_ADMIN_ACTED, in->body);
}

void core_audit_free(struct td_core *c)
{
    for (uint32_t i = 0; i < c->refused.n; i++)
        refused_free(&c->refused.v[i]);
    td_vec_release(&c->refused);
}
