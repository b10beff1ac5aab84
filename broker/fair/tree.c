/* tree.c - Fair Tree: siblings in the order of their level fairshare, users ranked as a walk from the root meets them
 *
 * Levels are compared by cross-multiplication, never divided, so two that are equal are equal everywhere. Ties: users of one
 * level share a rank; a user beside an account shares the rank of the account's first; accounts of one level are walked as
 * if their children were one account's. What is between a level of users is still counted, so a rank says how many stand
 * behind. */
#include <string.h>

#include "broker/fair/fair.h"

typedef unsigned __int128 wide;
struct wider { /* 256 bits */
    wide high, low;
};

static struct wider times(wide a, wide b)
{
    wide al = (uint64_t)a, ah = a >> 64, bl = (uint64_t)b, bh = b >> 64;
    wide ll = al * bl, lh = al * bh, hl = ah * bl, hh = ah * bh;
    wide middle = (ll >> 64) + (uint64_t)lh + (uint64_t)hl;
    return (struct wider){hh + (lh >> 64) + (hl >> 64) + (middle >> 64), middle << 64 | (uint64_t)ll};
}

/* 0: no shares; 1: some of each; 2: nothing used yet, served before all others. */
static int class_of(const struct td_fair_level *l)
{
    return l->shares == 0 ? 0 : l->usage == 0 ? 2 : 1;
}

int td_fair_compare(const struct td_fair_level *a, const struct td_fair_level *b)
{
    int ca = class_of(a), cb = class_of(b);
    if (ca != cb || ca != 1)
        return ca - cb;
    struct wider x = times((wide)a->shares * a->usage_level, (wide)b->shares_level * b->usage);
    struct wider y = times((wide)b->shares * b->usage_level, (wide)a->shares_level * a->usage);
    if (x.high != y.high)
        return x.high < y.high ? -1 : 1;
    return x.low == y.low ? 0 : x.low < y.low ? -1 : 1;
}

struct walk {
    const struct td_fair_node *nodes;
    struct td_fair_level *level;
    const uint32_t *first, *below; /* children of i: below[first[i]] .. below[first[i + 1] - 1] */
    uint32_t next;                 /* rank of who is met next */
    struct td_arena arena;
};

/* Who goes first: the higher level; users before accounts; the earlier one. */
static bool goes_before(const struct walk *w, uint32_t a, uint32_t b)
{
    int d = td_fair_compare(&w->level[a], &w->level[b]);
    if (d)
        return d > 0;
    if (w->nodes[a].is_user != w->nodes[b].is_user)
        return w->nodes[a].is_user;
    return a < b;
}

static void sort(const struct walk *w, uint32_t *v, uint32_t n, uint32_t *space)
{
    uint32_t half = n / 2, i = 0, k = half, to = 0;
    if (n < 2)
        return;
    sort(w, v, half, space);
    sort(w, v + half, n - half, space);
    while (i < half || k < n)
        space[to++] = k == n || (i < half && !goes_before(w, v[k], v[i])) ? v[i++] : v[k++];
    memcpy(v, space, n * sizeof(*v));
}

/* `tied`: the rank of a user beside the account, which its first has, too; 0: none. */
static void visit(struct walk *w, uint32_t *v, uint32_t n, uint32_t tied)
{
    uint32_t *space = td_arena_alloc(&w->arena, (n + 1) * sizeof(*space));
    sort(w, v, n, space);
    for (uint32_t i = 0, end; i < n; i = end) {
        uint32_t rank = tied ? tied : w->next, nbelow = 0, users = 0;
        for (end = i; end < n && td_fair_compare(&w->level[v[i]], &w->level[v[end]]) == 0; end++) {
            if (w->nodes[v[end]].is_user) {
                w->level[v[end]].rank = rank;
                w->next--;
                users++;
            } else {
                nbelow += w->first[v[end] + 1] - w->first[v[end]];
            }
        }
        uint32_t *merged = td_arena_alloc(&w->arena, (nbelow + 1) * sizeof(*merged)), at = 0;
        for (uint32_t k = i; k < end; k++)
            for (uint32_t b = w->first[v[k]]; !w->nodes[v[k]].is_user && b < w->first[v[k] + 1]; b++)
                merged[at++] = w->below[b];
        uint32_t before = w->next;
        if (nbelow)
            visit(w, merged, nbelow, users ? rank : tied);
        if (users || w->next != before)
            tied = 0; /* somebody has it */
    }
}

/* The account whose own it is among: those with their parent's share are passed over. */
static uint32_t account_of(const struct td_fair_node *nodes, uint32_t i)
{
    uint32_t p = nodes[i].parent;
    while (p && nodes[p].parents_share)
        p = nodes[p].parent;
    return p;
}

static void levels(const struct td_fair_node *nodes, uint32_t n, struct td_fair_level *ret, uint64_t *shares, uint64_t *usage)
{
    for (uint32_t i = 1; i < n; i++) {
        uint32_t p = account_of(nodes, i);
        if (nodes[i].parents_share)
            continue;
        shares[p] += nodes[i].shares;
        usage[p] = usage[p] > UINT64_MAX - nodes[i].usage ? UINT64_MAX : usage[p] + nodes[i].usage;
    }
    for (uint32_t i = 0; i < n; i++) {
        uint32_t p = i ? account_of(nodes, i) : 0;
        if (i && nodes[i].parents_share) { /* parents come first: it is known */
            uint32_t rank = 0;
            ret[i] = ret[p];
            ret[i].rank = rank;
            continue;
        }
        ret[i] = (struct td_fair_level){.shares = nodes[i].shares, .shares_level = i ? shares[p] : nodes[i].shares, .usage = nodes[i].usage,
                                        .usage_level = i ? usage[p] : nodes[i].usage};
    }
}

uint32_t td_fair_tree(const struct td_fair_node *nodes, uint32_t n, struct td_fair_level *ret)
{
    struct walk w = {.nodes = nodes, .level = ret};
    uint32_t users = 0;
    if (!n)
        return 0;
    levels(nodes, n, ret, td_arena_alloc(&w.arena, n * sizeof(uint64_t)), td_arena_alloc(&w.arena, n * sizeof(uint64_t)));
    uint32_t *first = td_arena_alloc(&w.arena, (n + 2) * sizeof(*first)), *below = td_arena_alloc(&w.arena, n * sizeof(*below));
    for (uint32_t i = 1; i < n; i++) {
        TD_ASSERT(nodes[i].parent < i);
        users += nodes[i].is_user;
        if (nodes[i].is_user || !nodes[i].parents_share)
            first[account_of(nodes, i) + 2]++;
    }
    for (uint32_t i = 2; i <= n; i++)
        first[i] += first[i - 1];
    for (uint32_t i = 1; i < n; i++) /* shifted by one, and back as it is filled */
        if (nodes[i].is_user || !nodes[i].parents_share)
            below[first[account_of(nodes, i) + 1]++] = i;
    w.first = first;
    w.below = below;
    w.next = users;
    uint32_t nroot = first[1] - first[0], *top = td_arena_dup(&w.arena, below, (nroot + 1) * sizeof(*top));
    visit(&w, top, nroot, 0);
    td_arena_release(&w.arena);
    return users;
}
