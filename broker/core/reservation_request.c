/* reservation_request.c - scontrol create, update and delete reservation: what is asked for, checked and made definite
 *
 * Whole nodes, named or chosen here; they stay what they are. Refused is what meets another reservation (but OVERLAP and
 * MAINT), and what meets jobs that would still run then (but IGNORE_JOBS). */
#include <string.h>

#include "broker/core/ledger_priv.h"
#include "broker/core/state.h"

#define PAST_MS INT64_C(60000)              /* "now" takes a while to come here */
#define YEAR_MS (INT64_C(365) * 86400000)   /* without an end */
#define LAST_MOMENT_MS INT64_C(253402300799999)
#define DAY_S 86400
#define TIMES_MAX 400u                      /* of one that comes again, looked at for others: whatever comes again does within a week */

enum { SET_START = 3, SET_END = 4, SET_DURATION = 5, SET_NODES = 6, SET_COUNT = 7, SET_USERS = 8, SET_ACCOUNTS = 9,
       SET_PARTITION = 10, SET_FEATURES = 11, SET_FLAGS = 12, SET_COMMENT = 13, SET_LAST = 13 };

struct making {
    struct td_core *c;
    const struct td_reservation_ask *ask;
    const struct core_reservation *old; /* NULL: a new one */
    struct td_reservation is;
    uint32_t *nodes, nnodes;
    int64_t civil_ms;
};

static bool is_set(const struct making *m, uint32_t key)
{
    return m->ask->set >> key & 1;
}

/* --- lists of words ------------------------------------------------------------------------------ */

static bool in_list(const char *list, const char *word, size_t n)
{
    for (const char *s = list; s && *s;) {
        size_t len = strcspn(s, ",");
        if (len == n && memcmp(s, word, n) == 0)
            return true;
        s += len + (s[len] == ',');
    }
    return false;
}

static const char *list_change(struct td_core *c, const char *old, uint32_t op, const char *with)
{
    struct td_buf b = {0};
    if (op == TD_LIST_SET)
        return with;
    for (const char *s = old ? old : ""; *s;) {
        size_t len = strcspn(s, ",");
        if (!in_list(with, s, len)) {
            if (b.len)
                td_buf_putc(&b, ',');
            td_buf_put(&b, s, len);
        }
        s += len + (s[len] == ',');
    }
    if (op == TD_LIST_ADD && !td_str_empty(with)) {
        if (b.len)
            td_buf_putc(&b, ',');
        td_buf_puts(&b, with);
    }
    const char *text = td_arena_strdup(&c->wake, td_buf_str(&b));
    td_buf_release(&b);
    return text;
}

static int list_sane(const char *what, const char *list, struct td_error *err)
{
    bool but = list && list[0] == '-';
    for (const char *s = list ? list : ""; *s;) {
        size_t len = strcspn(s, ",");
        if ((s[0] == '-') != but)
            return td_fail(err, TD_E_INVALID_REQUEST, "%s=%s: either those who may are listed, or (-) those who may not", what, list);
        if (len <= but)
            return td_fail(err, TD_E_INVALID_REQUEST, "%s=%s: a name is empty", what, list);
        s += len + (s[len] == ',');
    }
    return 0;
}

/* --- words, flags, times ------------------------------------------------------------------------- */

static int make_name(struct making *m, struct td_error *err)
{
    const char *name = m->ask->name;
    if (m->old) {
        m->is.name = m->old->is->name;
        return 0;
    }
    if (!td_str_empty(name)) {
        if (name[strcspn(name, ", \t=")])
            return td_fail(err, TD_E_INVALID_REQUEST, "ReservationName=%s: a name has no comma, blank or =", name);
        if (core_reservation_find(m->c, name))
            return td_fail(err, TD_E_RESERVATION_NAME, "%s: %s", td_error_words(TD_E_RESERVATION_NAME), name);
        m->is.name = name;
        return 0;
    }
    const char *first = td_str_empty(m->is.users) ? m->is.accounts : m->is.users;
    first += *first == '-';
    size_t n = strcspn(first, ",");
    char *stem = td_arena_alloc(&m->c->wake, n + 1);
    memcpy(stem, first, n);
    for (uint32_t no = 1; !m->is.name || core_reservation_find(m->c, m->is.name); no++)
        m->is.name = core_text(&m->c->wake, "%s_%u", stem, no);
    return 0;
}

static int make_words(struct making *m, struct td_error *err)
{
    const struct td_reservation_ask *a = m->ask;
    if (is_set(m, SET_USERS))
        m->is.users = list_change(m->c, m->is.users, a->users_op, a->users);
    if (is_set(m, SET_ACCOUNTS))
        m->is.accounts = list_change(m->c, m->is.accounts, a->accounts_op, a->accounts);
    if (is_set(m, SET_PARTITION))
        m->is.partition = a->partition;
    if (is_set(m, SET_FEATURES))
        m->is.features = a->features;
    if (is_set(m, SET_COMMENT))
        m->is.comment = a->comment;
    if (is_set(m, SET_FLAGS)) {
        uint64_t kept = m->is.flags & (TD_RESERVE_SPEC_NODES | TD_RESERVE_ALL_NODES);
        m->is.flags = a->flags_op == TD_LIST_ADD      ? m->is.flags | a->flags
                      : a->flags_op == TD_LIST_REMOVE ? m->is.flags & ~a->flags
                                                      : a->flags | kept;
    }
    uint64_t again = m->is.flags & TD_RESERVE_AGAIN;
    if (again & (again - 1))
        return td_fail(err, TD_E_INVALID_REQUEST, "a reservation comes again in one way: HOURLY, DAILY, WEEKDAY, WEEKEND or WEEKLY");
    if (td_str_empty(m->is.users) && td_str_empty(m->is.accounts))
        return td_fail(err, TD_E_INVALID_REQUEST, "Users and/or Accounts are needed: who may use it");
    int r = list_sane("Users", m->is.users, err);
    if (r == 0)
        r = list_sane("Accounts", m->is.accounts, err);
    if (r == 0 && !td_str_empty(m->is.partition) &&
        (!core_partition_find(m->c, m->is.partition) || core_partition_find(m->c, m->is.partition)->gone))
        r = td_fail(err, TD_E_INVALID_PARTITION, "%s: %s", td_error_words(TD_E_INVALID_PARTITION), m->is.partition);
    return r;
}

static int bad_time(struct td_error *err, const char *why)
{
    return td_fail(err, TD_E_INVALID_TIME, "%s: %s", td_error_words(TD_E_INVALID_TIME), why);
}

static int make_times(struct making *m, struct td_error *err)
{
    const struct td_reservation_ask *a = m->ask;
    int64_t every_ms = core_reservation_every(m->is.flags);
    bool begun = m->old && m->old->is->active;
    if (!m->old && !is_set(m, SET_START))
        return bad_time(err, "a StartTime is needed");
    if ((is_set(m, SET_START) && (a->start_ms < 0 || a->start_ms > LAST_MOMENT_MS)) ||
        (is_set(m, SET_END) && (a->end_ms < 0 || a->end_ms > LAST_MOMENT_MS)) || a->zone_s < -DAY_S || a->zone_s > DAY_S)
        return bad_time(err, "it is not between 1970 and 9999");
    if (is_set(m, SET_START) && a->start_ms != m->is.start_ms) {
        if (begun)
            return bad_time(err, "it has begun: its StartTime cannot be changed");
        if (a->start_ms < m->civil_ms - PAST_MS)
            return bad_time(err, "the StartTime is in the past");
        m->is.start_ms = TD_MAX(a->start_ms, m->civil_ms);
        m->is.zone_s = a->zone_s;
    }
    if (is_set(m, SET_DURATION))
        m->is.end_ms = m->is.start_ms + (a->duration_s == TD_INFINITE ? YEAR_MS : (int64_t)a->duration_s * 1000);
    else if (is_set(m, SET_END))
        m->is.end_ms = a->end_ms;
    else if (!m->old)
        m->is.end_ms = m->is.start_ms + YEAR_MS;
    if (m->is.end_ms <= m->is.start_ms)
        return bad_time(err, "it would end before it begins");
    if (m->is.end_ms <= m->civil_ms)
        return bad_time(err, "the EndTime is in the past");
    if (m->is.end_ms > LAST_MOMENT_MS)
        return bad_time(err, "it ends after the year 9999");
    if (every_ms && m->is.end_ms - m->is.start_ms > every_ms)
        return bad_time(err, "it would come again before it ends");
    m->is.active = m->is.start_ms <= m->civil_ms;
    return 0;
}

/* --- nodes --------------------------------------------------------------------------------------- */

static struct td_ledger_window window_of(const struct making *m)
{
    return core_reservation_window(&m->is, m->nodes, m->nnodes);
}

static bool meet(const struct td_ledger_window *a, const struct td_ledger_window *b)
{
    int64_t at = TD_MAX(a->from, b->from), from, to, b_from, b_to; /* before that one of them is not there */
    for (uint32_t i = 0; i < TIMES_MAX && td_window_occurrence(a, at, &from, &to); i++) {
        if (td_window_occurrence(b, from, &b_from, &b_to) && b_from < to)
            return true;
        at = to;
        if (!a->every_ms)
            break;
    }
    return false;
}

/* Another one that has this node at some time of his; NULL: none, or that does not matter. */
static const struct core_reservation *other_on(const struct making *m, const struct core_node *n)
{
    const struct td_ledger_window mine = window_of(m);
    for (uint32_t i = 0; i < m->c->reservations.n && !mine.over; i++) {
        const struct core_reservation *r = &m->c->reservations.v[i];
        const struct td_ledger_window theirs = core_reservation_window(r->is, NULL, 0);
        if (r != m->old && core_reservation_has(r, n) && meet(&mine, &theirs))
            return r;
    }
    return NULL;
}

/* When the last job on the node that may not use the reservation is over, at the latest. */
static int64_t busy_until(const struct making *m, const struct core_node *n, uint32_t *ret_job)
{
    int64_t until = 0;
    for (const struct core_part *p = n->parts; p; p = p->next) {
        const struct core_job *j = p->job;
        int64_t end = core_job_until(j, j->start_ms ? j->start_ms : m->c->now_ms, j->limit_s);
        if ((m->old && td_str_equal(j->spec->body.reservation, m->is.name)) || end <= until)
            continue;
        until = end;
        *ret_job = j->id;
    }
    return until;
}

static bool has_part(const struct core_partition *p, const struct core_node *n)
{
    for (uint32_t i = 0; i < p->nodes.n; i++) {
        if (p->nodes.v[i] == n->no)
            return true;
    }
    return false;
}

static void take_node(struct making *m, const struct core_node *n)
{
    for (uint32_t i = 0; i < m->nnodes; i++) {
        if (m->nodes[i] == n->no)
            return;
    }
    m->nodes[m->nnodes++] = n->no;
}

static void drop_node(struct making *m, const struct core_node *n)
{
    uint32_t k = 0;
    for (uint32_t i = 0; i < m->nnodes; i++) {
        if (m->nodes[i] != n->no)
            m->nodes[k++] = m->nodes[i];
    }
    m->nnodes = k;
}

static int name_nodes(struct making *m, struct td_error *err)
{
    const struct td_reservation_ask *a = m->ask;
    struct td_hostlist l = {0};
    int r = 0;
    if (td_str_empty(a->nodes))
        return td_fail(err, TD_E_INVALID_NODE, "%s: Nodes= names none", td_error_words(TD_E_INVALID_NODE));
    if (a->nodes_op == TD_LIST_SET)
        m->nnodes = 0;
    if (td_str_casecmp(a->nodes, "ALL") == 0) {
        const struct core_partition *p = m->is.flags & TD_RESERVE_PART_NODES ? core_partition_find(m->c, m->is.partition) : NULL;
        if (m->is.flags & TD_RESERVE_PART_NODES && !p)
            return td_fail(err, TD_E_INVALID_PARTITION, "PART_NODES is for all nodes of a partition: give a PartitionName");
        for (uint32_t i = 0; i < m->c->nodes.n; i++) {
            const struct core_node *n = m->c->nodes.v[i];
            if (!core_node_is_gone(n) && (!p || has_part(p, n)))
                take_node(m, n);
        }
        m->is.flags = (m->is.flags & ~(uint64_t)TD_RESERVE_SPEC_NODES) | (p ? 0 : TD_RESERVE_ALL_NODES);
        return 0;
    }
    r = td_hostlist_parse(a->nodes, TD_MAX_NODES, &l, err);
    for (uint32_t i = 0; r == 0 && i < l.names.n; i++) {
        const struct core_node *n = core_node_find(m->c, l.names.v[i]);
        if (!n || core_node_is_gone(n))
            r = td_fail(err, TD_E_INVALID_NODE, "%s: %s", td_error_words(TD_E_INVALID_NODE), l.names.v[i]);
        else if (a->nodes_op == TD_LIST_REMOVE)
            drop_node(m, n);
        else
            take_node(m, n);
    }
    td_hostlist_release(&l);
    m->is.flags = (m->is.flags & ~(uint64_t)TD_RESERVE_ALL_NODES) | TD_RESERVE_SPEC_NODES;
    return r;
}

/* So many of the partition, with these features: those that are free soonest. */
static int choose_nodes(struct making *m, struct td_error *err)
{
    struct td_core *c = m->c;
    const struct core_partition *p = td_str_empty(m->is.partition) ? core_partition_default(c) : core_partition_find(c, m->is.partition);
    struct pick {
        const struct core_node *node;
        int64_t until;
    } *v = td_arena_alloc(&c->wake, (c->nodes.n + 1) * sizeof(*v));
    uint32_t n = 0, want = m->ask->node_count, job = 0;
    bool maint = m->is.flags & TD_RESERVE_MAINT, ignore = m->is.flags & TD_RESERVE_IGNORE_JOBS;
    m->nnodes = 0;
    for (uint32_t i = 0; p && i < p->nodes.n; i++) {
        const struct core_node *node = c->nodes.v[p->nodes.v[i]];
        const struct td_inventory *inv = core_node_inventory(node, &c->wake);
        struct pick k = {node, busy_until(m, node, &job)};
        if (core_node_is_gone(node) || (!maint && (node->down || node->drain || node->state == TD_NODE_LOST)) ||
            !features_match(m->is.features, inv->features) || other_on(m, node) ||
            (!ignore && k.until > core_civil_at(c, m->is.start_ms)))
            continue;
        uint32_t at = n++;
        for (; at > 0 && v[at - 1].until > TD_MAX(k.until, c->now_ms); at--)
            v[at] = v[at - 1];
        v[at] = k;
        v[at].until = TD_MAX(k.until, c->now_ms);
    }
    if (n < want)
        return td_fail(err, TD_E_NODES_BUSY, "%s: %u nodes are wanted, %u of partition %s can be had then", td_error_words(TD_E_NODES_BUSY),
                       want, n, p ? p->name : "(none)");
    for (uint32_t i = 0; i < want; i++)
        take_node(m, v[i].node);
    m->is.flags &= ~(uint64_t)(TD_RESERVE_ALL_NODES | TD_RESERVE_SPEC_NODES);
    return 0;
}

static void fold_nodes(struct making *m)
{
    const char **names = td_arena_alloc(&m->c->wake, (m->nnodes + 1) * sizeof(*names));
    struct td_buf b = {0};
    for (uint32_t i = 1; i < m->nnodes; i++) { /* as configured */
        uint32_t no = m->nodes[i], at = i;
        for (; at > 0 && m->nodes[at - 1] > no; at--)
            m->nodes[at] = m->nodes[at - 1];
        m->nodes[at] = no;
    }
    for (uint32_t i = 0; i < m->nnodes; i++)
        names[i] = m->c->nodes.v[m->nodes[i]]->name;
    td_hostlist_fold(names, m->nnodes, &b);
    m->is.nodes = td_arena_strdup(&m->c->wake, td_buf_str(&b));
    td_buf_release(&b);
}

static int make_nodes(struct making *m, struct td_error *err)
{
    int r = 0;
    m->nodes = td_arena_alloc(&m->c->wake, (m->c->nodes.n + 1) * sizeof(*m->nodes));
    for (uint32_t i = 0; m->old && i < m->old->nnodes; i++)
        m->nodes[m->nnodes++] = m->old->nodes[i];
    if (is_set(m, SET_NODES) && is_set(m, SET_COUNT))
        return td_fail(err, TD_E_INVALID_REQUEST, "Nodes are named or counted (NodeCnt), not both");
    if (is_set(m, SET_NODES))
        r = name_nodes(m, err);
    else if (is_set(m, SET_COUNT))
        r = choose_nodes(m, err);
    if (r == 0 && m->nnodes == 0)
        r = td_fail(err, TD_E_INVALID_REQUEST, "Nodes or NodeCnt are needed: what is reserved");
    if (r == 0)
        fold_nodes(m);
    return r;
}

/* --- who is in the way --------------------------------------------------------------------------- */

static int check_others(const struct making *m, struct td_error *err)
{
    int64_t from = core_civil_at(m->c, m->is.start_ms);
    for (uint32_t i = 0; i < m->nnodes; i++) {
        const struct core_node *n = m->c->nodes.v[m->nodes[i]];
        const struct core_reservation *other = other_on(m, n);
        uint32_t job = 0;
        if (other)
            return td_fail(err, TD_E_RESERVATION_OVERLAP, "%s: %s is in %s then (Flags=OVERLAP takes it all the same)",
                           td_error_words(TD_E_RESERVATION_OVERLAP), n->name, other->is->name);
        if (!(m->is.flags & TD_RESERVE_IGNORE_JOBS) && busy_until(m, n, &job) > from)
            return td_fail(err, TD_E_NODES_BUSY, "%s: job %u may still run on %s then (Flags=IGNORE_JOBS lets it)",
                           td_error_words(TD_E_NODES_BUSY), job, n->name);
    }
    return 0;
}

/* Its own jobs keep what they were given. */
static int check_own(const struct making *m, struct td_error *err)
{
    int64_t to = core_civil_at(m->c, m->is.end_ms);
    for (uint32_t i = 0; m->old && i < m->c->jobs.n; i++) {
        const struct core_job *j = m->c->jobs.v[i];
        if (!core_job_live(j) || !td_str_equal(j->spec->body.reservation, m->is.name) || m->is.flags & TD_RESERVE_FLEX)
            continue;
        bool in = core_job_until(j, j->start_ms ? j->start_ms : m->c->now_ms, j->limit_s) <= to + 1000;
        for (uint32_t k = 0; k < j->alloc->nparts && in; k++) {
            in = false;
            for (uint32_t q = 0; q < m->nnodes && !in; q++)
                in = m->nodes[q] == j->alloc->parts[k].node->no;
        }
        if (!in)
            return td_fail(err, TD_E_RESERVATION_BUSY, "%s: job %u runs in it and needs its nodes and its time",
                           td_error_words(TD_E_RESERVATION_BUSY), j->id);
    }
    return 0;
}

static int make(struct making *m, struct td_error *err)
{
    int r = m->ask->set >> (SET_LAST + 1) ? td_fail(err, TD_E_NOT_SUPPORTED, "a field of this reservation is not known here") : 0;
    if (r == 0)
        r = make_words(m, err);
    if (r == 0)
        r = make_name(m, err);
    if (r == 0)
        r = make_times(m, err);
    if (r == 0)
        r = make_nodes(m, err);
    if (r == 0)
        r = check_others(m, err);
    return r == 0 ? check_own(m, err) : r;
}

void core_request_set_reservation(struct td_core *c, const struct td_input *in, const struct td_set_reservation *msg)
{
    struct making m = {.c = c, .ask = &msg->ask, .civil_ms = core_civil_ms(c, c->now_ms)};
    struct td_error err = {0};
    if (!msg->create) {
        m.old = core_reservation_find(c, msg->ask.name);
        if (!m.old) {
            core_refuse(c, in, TD_E_RESERVATION, "%s: %s", td_error_words(TD_E_RESERVATION), msg->ask.name);
            return;
        }
        m.is = *m.old->is;
    } else if (c->reservations.n >= TD_MAX_RESERVATIONS) {
        core_refuse(c, in, TD_E_BUSY, "there are %u reservations (RESERVATIONS): delete some", c->reservations.n);
        return;
    }
    if (c->low_space) {
        core_refuse_space(c, in);
        return;
    }
    if (make(&m, &err) < 0) {
        core_refuse_error(c, in, &err);
        return;
    }
    m.is.since_ms = c->now_ms;
    struct td_ev_reservation_set ev = {.made = msg->create, .uid = in->uid};
    td_record_copy(&c->wake, &td_rec_reservation, &m.is, &ev.is);
    core_emit(c, TD_EV_RESERVATION_SET, &ev);
    core_log(c, "info reservation=%s nodes=%s %s by uid=%u", ev.is.name, ev.is.nodes, msg->create ? "created" : "updated", in->uid);
    core_audit_act(c, in, core_text(&c->wake, "reservation=%s", ev.is.name));
    struct td_reservation_set yes = {.name = ev.is.name, .seq = c->seq};
    core_reply(c, in, TD_MSG_RESERVATION_SET, &yes);
}

void core_request_delete_reservation(struct td_core *c, const struct td_input *in, const struct td_delete_reservation *m)
{
    const struct core_reservation *r = core_reservation_find(c, m->name);
    if (!r) {
        core_refuse(c, in, TD_E_RESERVATION, "%s: %s", td_error_words(TD_E_RESERVATION), m->name);
        return;
    }
    for (uint32_t i = 0; i < c->jobs.n; i++) {
        const struct core_job *j = c->jobs.v[i];
        if (!core_job_live(j) || !td_str_equal(j->spec->body.reservation, r->is->name))
            continue;
        core_refuse(c, in, TD_E_RESERVATION_BUSY, "%s: job %u runs in %s; cancel it first, or let it end",
                    td_error_words(TD_E_RESERVATION_BUSY), j->id, m->name);
        return;
    }
    core_reservation_end(c, r, in->uid, true);
    core_audit_act(c, in, core_text(&c->wake, "delete reservation=%s", m->name));
    struct td_done done = {.count = 1, .seq = c->seq};
    core_reply(c, in, TD_MSG_DONE, &done);
}
