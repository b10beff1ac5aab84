/* node.c - a node's state in Slurm's words, its reason and who gave it */
#include "render/node.h"

#include <ctype.h>
#include <pwd.h>

struct node_look node_look(const struct td_node_info *n)
{
    struct node_look s = {.drain = n->drain, .completing = n->completing && n->jobs <= 1};

    s.silent = n->state != TD_NODE_UP;
    s.maint = n->maint;
    s.reserved = !n->maint && !td_str_empty(n->reservation);
    if (n->down || n->state == TD_NODE_LOST || n->state == TD_NODE_LEFT)
        s.base = NODE_DOWN;
    else if (n->state == TD_NODE_UNKNOWN)
        s.base = NODE_UNKNOWN;
    else if (n->cpus_alloc == 0)
        s.base = NODE_IDLE;
    else
        s.base = n->cpus_alloc >= n->cpus ? NODE_ALLOCATED : NODE_MIXED;
    return s;
}

static const char *look_word(struct node_look s, bool compact)
{
    static const char *const words[][2] = {
        [NODE_UNKNOWN] = {"unknown", "unk"},       [NODE_DOWN] = {"down", "down"},
        [NODE_IDLE] = {"idle", "idle"},            [NODE_ALLOCATED] = {"allocated", "alloc"},
        [NODE_MIXED] = {"mixed", "mix"},
    };
    bool busy = s.base == NODE_ALLOCATED || s.base == NODE_MIXED;

    if (s.drain && busy)
        return compact ? "drng" : "draining";
    if (s.drain)
        return compact ? "drain" : "drained";
    if (s.completing && busy)
        return compact ? "comp" : "completing";
    if (s.base == NODE_IDLE && s.maint)
        return "maint";
    if (s.base == NODE_IDLE && s.reserved)
        return compact ? "resv" : "reserved";
    return words[s.base][compact];
}

/* $: in a reservation for maintenance, and busy or out all the same */
static const char *look_mark(struct node_look s)
{
    if (s.silent)
        return "*";
    return s.maint && (s.drain || s.completing || s.base != NODE_IDLE) ? "$" : "";
}

void node_put_state(struct td_buf *out, const struct td_node_info *n)
{
    struct node_look s = node_look(n);

    td_buf_putf(out, "%s%s", look_word(s, false), look_mark(s));
}

void node_put_state_compact(struct td_buf *out, const struct td_node_info *n)
{
    struct node_look s = node_look(n);

    td_buf_putf(out, "%s%s", look_word(s, true), look_mark(s));
}

void node_put_state_flags(struct td_buf *out, const struct td_node_info *n)
{
    struct node_look s = node_look(n);
    struct node_look bare = {.base = s.base};

    for (const char *c = look_word(bare, false); *c; c++)
        td_buf_putc(out, (char)toupper(*c));
    if (s.silent)
        td_buf_puts(out, "*");
    if (s.completing)
        td_buf_puts(out, "+COMPLETING");
    if (s.drain)
        td_buf_puts(out, "+DRAIN");
    if (s.maint)
        td_buf_puts(out, "+MAINTENANCE");
    if (s.reserved)
        td_buf_puts(out, "+RESERVED");
}

const char *node_reason(const struct td_node_info *n)
{
    if (!td_str_empty(n->reason))
        return n->reason;
    if (n->state == TD_NODE_LOST)
        return "Not responding";
    if (n->state == TD_NODE_LEFT)
        return "Its worker said goodbye";
    return "";
}

void node_put_user(struct td_buf *out, uint32_t uid)
{
    const struct passwd *pw = getpwuid(uid);

    if (pw)
        td_buf_puts(out, pw->pw_name);
    else
        td_buf_putf(out, "%u", uid);
}
