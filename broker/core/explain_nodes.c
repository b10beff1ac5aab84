/* explain_nodes.c - how the nodes of a waiting job's partitions stand to it, put together by classes of equal standing
 *
 * Reads the ledger (what is free, what was refused, what could never be) and a dry plan (for whom room is kept). A node is
 * asked about once for each partition of the job; a class is found among at most EXPLAIN_CLASSES. */
#include <string.h>

#include "broker/core/state.h"

#define NODES_TEXT_MAX 2048u
#define NO_CLASS UINT8_MAX
#define BIDS_KEPT 64u /* of one lot */

struct keeper { /* who is booked first on a node, of those before the job */
    uint32_t job;
    int64_t at_ms;
};

struct classes {
    struct td_core *c;
    const struct core_job *job;
    uint32_t uid;
    const struct keeper *keepers;
    bool starts; /* nothing keeps the job */
    bool multi;
    const struct td_round_bid *bids[BIDS_KEPT]; /* for this shape in the last round that offered it, if that is kept */
    uint32_t nbids;
    struct td_explain_class *v;
    uint8_t *of; /* by place in the partition */
    uint32_t n, more;
};

static const struct keeper *keepers_of(struct td_core *c, uint32_t job, const struct td_plan *dry)
{
    struct keeper *v = td_arena_alloc(&c->wake, (c->nodes.n + 1) * sizeof(*v));
    for (uint32_t i = 0; i < dry->promises.n && dry->promises.v[i].job != job; i++) {
        const struct td_plan_promise *m = &dry->promises.v[i];
        for (uint32_t k = 0; k < m->nnodes && m->at_ms != TD_FOREVER; k++) {
            struct keeper *is = &v[m->nodes[k]];
            if (!is->job || m->at_ms < is->at_ms)
                *is = (struct keeper){m->job, m->at_ms};
        }
    }
    return v;
}

/* It takes no work of anybody's; false: it would. */
static bool is_out(const struct core_node *n, struct td_explain_class *ret)
{
    if (n->state != TD_NODE_UP || n->down) {
        ret->standing = TD_STANDING_DOWN;
        ret->node_state = n->state;
    } else if (n->drain || n->worker_drain) {
        ret->standing = TD_STANDING_DRAINED;
    } else if (!n->usable || !n->probed) {
        ret->standing = TD_STANDING_AWAITED;
    } else {
        return false;
    }
    ret->reason = ret->standing != TD_STANDING_AWAITED ? n->reason : NULL;
    return true;
}

/* What a node says of this moment ("my shepherd is away") is not remembered for the shape: its last bid says it. */
static const struct td_round_bid *last_refusal(const struct classes *k, const struct core_node *n)
{
    for (uint32_t i = 0; i < k->nbids; i++) {
        if (td_str_equal(k->bids[i]->node, n->name))
            return k->bids[i]->fits == 0 && k->bids[i]->refusal ? k->bids[i] : NULL;
    }
    return NULL;
}

static bool find_bids(struct classes *k, const struct td_round_info *info, uint32_t shape)
{
    uint32_t lot = UINT32_MAX;
    for (uint32_t i = 0; i < info->lots.n && lot == UINT32_MAX; i++) {
        if (info->lots.v[i].shape_id == shape)
            lot = info->lots.v[i].lot;
    }
    for (uint32_t i = 0; lot != UINT32_MAX && i < info->bids.n && k->nbids < BIDS_KEPT; i++) {
        if (info->bids.v[i].lot == lot)
            k->bids[k->nbids++] = &info->bids.v[i];
    }
    return lot != UINT32_MAX;
}

static void find_round(struct classes *k, uint32_t shape)
{
    bool found = false;
    k->nbids = 0;
    for (uint64_t no = k->c->rounds; no > 0 && no + TD_MAX_ROUNDS_KEPT > k->c->rounds && !found; no--) {
        const struct td_round_info *info = &k->c->kept[no % TD_MAX_ROUNDS_KEPT].info;
        if (info->round == no && info->at_ms >= k->job->submit_ms) /* before, another shape may have had the number */
            found = find_bids(k, info, shape);
    }
}

static void judge_room(const struct classes *k, const struct core_node *n, const struct td_ledger_why *w,
                       struct td_explain_class *ret)
{
    const struct keeper *kept = &k->keepers[n->no];
    const struct td_round_bid *bid = last_refusal(k, n);
    if (w->said) {
        ret->standing = TD_STANDING_REFUSES;
        ret->refusal = w->said;
        ret->shortage = w->shortage;
    } else if (w->nlacks) {
        ret->standing = TD_STANDING_SHORT;
    } else if (bid) {
        ret->standing = TD_STANDING_REFUSES;
        ret->refusal = bid->refusal;
        ret->shortage = bid->shortage;
    } else if (k->starts || (k->multi && !kept->job)) {
        ret->standing = TD_STANDING_FREE;
    } else {
        const struct core_job *j = core_job_find(k->c, kept->job);
        ret->standing = TD_STANDING_KEPT;
        ret->kept_ms = kept->job ? core_civil_ms(k->c, kept->at_ms) : 0;
        ret->kept_job = j && td_core_sees_job_of(k->c, j->uid, k->uid) ? j->id : 0;
    }
}

static void judge(const struct classes *k, const struct core_node *n, uint32_t shape, struct td_explain_class *ret)
{
    struct td_ledger_why w;
    td_ledger_why(k->c->ledger, shape, n->no, &k->c->wake, &w);
    bool named_out = w.never == TD_REFUSAL_NAME || w.never == TD_REFUSAL_FEATURE || w.never == TD_REFUSAL_PARTITION;
    if (named_out || (!is_out(n, ret) && w.never)) {
        ret->standing = TD_STANDING_NEVER;
        ret->refusal = w.never;
    } else if (!ret->standing) {
        judge_room(k, n, &w, ret);
    }
    if (ret->standing == TD_STANDING_NEVER || ret->standing == TD_STANDING_SHORT)
        ret->lacks = (struct td_explain_lack_list){td_arena_dup(&k->c->wake, w.lacks, w.nlacks * sizeof(*w.lacks)), w.nlacks};
}

static bool lacks_alike(const struct td_explain_lack_list *a, const struct td_explain_lack_list *b)
{
    bool same = a->n == b->n;
    for (uint32_t i = 0; i < a->n && same; i++)
        same = a->v[i].want == b->v[i].want && a->v[i].have == b->v[i].have && a->v[i].total == b->v[i].total &&
               td_str_equal(a->v[i].what, b->v[i].what);
    return same;
}

static bool alike(const struct td_explain_class *a, const struct td_explain_class *b)
{
    return a->standing == b->standing && a->refusal == b->refusal && a->shortage == b->shortage &&
           a->kept_job == b->kept_job && a->kept_ms == b->kept_ms && a->node_state == b->node_state &&
           td_str_equal(a->partition, b->partition) && td_str_equal(a->reason ? a->reason : "", b->reason ? b->reason : "") &&
           lacks_alike(&a->lacks, &b->lacks);
}

static uint8_t class_of(struct classes *k, const struct td_explain_class *is)
{
    for (uint32_t i = 0; i < k->n; i++) {
        if (alike(&k->v[i], is)) {
            k->v[i].count++;
            return (uint8_t)i;
        }
    }
    if (k->n == TD_MAX_EXPLAIN_CLASSES) {
        k->more++;
        return NO_CLASS;
    }
    k->v[k->n] = *is;
    k->v[k->n].count = 1;
    return (uint8_t)k->n++;
}

static void name_classes(struct classes *k, const struct core_partition *p, uint32_t from)
{
    const char **names = td_arena_alloc(&k->c->wake, (p->nodes.n + 1) * sizeof(*names));
    for (uint32_t at = from; at < k->n; at++) {
        struct td_buf b = {0};
        uint32_t n = 0;
        for (uint32_t i = 0; i < p->nodes.n; i++) {
            if (k->of[i] == at)
                names[n++] = k->c->nodes.v[p->nodes.v[i]]->name;
        }
        td_hostlist_fold(names, n, &b);
        k->v[at].nodes = b.len <= NODES_TEXT_MAX ? td_arena_strdup(&k->c->wake, td_buf_str(&b)) : "";
        td_buf_release(&b);
    }
}

static bool starts_now(const struct td_plan *dry, uint32_t job)
{
    for (uint32_t i = 0; i < dry->starts.n; i++) {
        if (dry->starts.v[i].job == job)
            return true;
    }
    return false;
}

void core_explain_nodes(struct td_core *c, const struct core_job *j, const struct td_plan *dry, uint32_t uid,
                        struct td_explain_info *ret)
{
    const struct core_candidate *cand = j->candidates ? j->candidates : &j->candidate;
    struct classes k = {.c = c,
                        .job = j,
                        .uid = uid,
                        .keepers = keepers_of(c, j->id, dry),
                        .starts = starts_now(dry, j->id),
                        .v = td_arena_alloc(&c->wake, TD_MAX_EXPLAIN_CLASSES * sizeof(*k.v))};
    for (uint32_t i = 0; i < j->ncandidates; i++) {
        const struct core_partition *p = c->partitions.v[cand[i].partition];
        uint32_t from = k.n;
        if (core_candidate_blocked(c, j, p->no) != TD_REASON_NONE)
            continue;
        k.multi = td_ledger_get_shape(c->ledger, cand[i].shape)->nodes_max > 1;
        find_round(&k, cand[i].shape);
        k.of = td_arena_alloc(&c->wake, p->nodes.n + 1);
        for (uint32_t at = 0; at < p->nodes.n; at++) {
            const struct core_node *n = c->nodes.v[p->nodes.v[at]];
            struct td_explain_class is = {.partition = p->name};
            k.of[at] = NO_CLASS;
            if (core_node_is_gone(n))
                continue;
            judge(&k, n, cand[i].shape, &is);
            k.of[at] = class_of(&k, &is);
        }
        name_classes(&k, p, from);
    }
    for (uint32_t i = 0; i < k.n && td_core_hides(c, TD_PRIVATE_NODES, uid); i++)
        k.v[i].nodes = k.v[i].reason = NULL; /* how many, and how they stand, is of the job */
    ret->classes = (struct td_explain_class_list){k.v, k.n};
    ret->nodes_more = k.more;
    ret->may_start = k.starts;
}
