/* load.c - a file of accounts as one request: all of it, or a line's number and what is wrong with it
 *
 * Each line becomes a wish to add, which sets what it names where the object is there already. What may name an object
 * further down waits for the end: preempted QOS, default accounts, coordinators. Slurm's own files are read, too; only ours
 * say how many lines they have. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "account/account.h"
#include "option.h"

#define FIELDS_PER_LINE 128

struct pair {
    const char *name, *value;
};
struct line {
    const char *what, *name;
    struct pair fields[FIELDS_PER_LINE];
    uint32_t n;
};
struct load {
    struct td_arena *a;
    const char *parent;
    uint32_t no, lines;
    bool ours, ended, clustered;
    TD_VEC(struct td_acct_op) ops, later;
};

static int wrong(const struct load *l, struct td_error *err, const char *what, const char *word)
{
    return td_fail(err, TD_E_USAGE, "line %u: %s%s%s", l->no, what, word ? ": " : "", word ? word : "");
}

static char *skip(char *s)
{
    while (*s == ' ' || *s == '\t')
        s++;
    return s;
}

/* A value, quoted or up to the next colon; *at goes behind it. NULL: its quote is not closed. */
static const char *take_value(struct td_arena *a, char **at)
{
    char *s = *at, *out, *to;

    if (*s != '\'' && *s != '"') {
        char *end = s + strcspn(s, ":");
        *at = end;
        char *value = td_arena_alloc(a, (size_t)(end - s) + 1);
        memcpy(value, s, (size_t)(end - s));
        return value;
    }
    char quote = *s++;
    out = to = td_arena_alloc(a, strlen(s) + 1);
    while (*s && *s != quote) {
        if (*s == '\\' && s[1])
            s++;
        *to++ = *s++;
    }
    *at = s + (*s != 0);
    return *s ? out : NULL;
}

/* What - 'name':Field=value:Field='value' */
static int split(struct load *l, char *s, struct line *ret, struct td_error *err)
{
    *ret = (struct line){.what = s};
    char *dash = strstr(s, " - ");
    if (!dash)
        return wrong(l, err, "it is neither a comment nor WHAT - 'NAME':FIELD=VALUE:...", s);
    *dash = 0;
    s = skip(dash + 3);
    ret->name = take_value(l->a, &s);
    while (ret->name && *s == ':') {
        char *is = strchr(++s, '=');
        if (!is)
            return *s ? wrong(l, err, "a field has no value", s) : 0;
        if (ret->n == FIELDS_PER_LINE)
            return wrong(l, err, "too many fields", NULL);
        *is = 0;
        struct pair *p = &ret->fields[ret->n++];
        p->name = s;
        s = is + 1;
        p->value = take_value(l->a, &s);
        if (!p->value)
            return wrong(l, err, "a quote is not closed in field", p->name);
    }
    if (!ret->name || *s)
        return wrong(l, err, "a quote is not closed, or something is behind it", s);
    return 0;
}

static struct td_strs one(struct load *l, const char *name)
{
    return (struct td_strs){td_arena_dup(l->a, &name, sizeof(name)), 1};
}

static void later(struct load *l, const struct td_acct_op *op)
{
    td_vec_push(&l->later, *op);
}

static int set_field(struct load *l, const struct acct_field *f, const char *value, struct td_acct_op *op,
                     struct td_error *err)
{
    uint64_t bit = 1ull << f->key;
    void *record = f->of == ACCT_OF_ACCOUNT ? (void *)&op->account
                   : f->of == ACCT_OF_USER  ? (void *)&op->user
                   : f->of == ACCT_OF_QOS   ? (void *)&op->qos
                                            : (void *)&op->assoc;

    *(f->of == ACCT_OF_ACCOUNT ? &op->set_account
      : f->of == ACCT_OF_USER  ? &op->set_user
      : f->of == ACCT_OF_QOS   ? &op->set_qos
                               : &op->set_assoc) |= bit;
    if (acct_field_take(l->a, f, value, record, err) < 0) {
        td_autofree char *said = td_strdup(err->text);
        return wrong(l, err, said, NULL);
    }
    return 0;
}

/* What is known only when the whole file is. */
static bool is_later(struct load *l, const struct td_acct_op *op, const struct pair *p)
{
    struct td_acct_op m = {.op = TD_ACCT_MODIFY, .what = op->what, .names = op->names};
    struct td_error ignored;

    if (op->what == TD_ACCT_USER && strcasecmp(p->name, "DefaultAccount") == 0) {
        m.set_user = 1ull << TD_KEY_user_conf_def_account;
        m.user.def_account = p->value;
    } else if (op->what == TD_ACCT_ACCOUNT && strcasecmp(p->name, "Coordinators") == 0) {
        m = (struct td_acct_op){
            .op = TD_ACCT_ADD, .what = TD_ACCT_COORDINATOR, .names = str_list(l->a, p->value), .accounts = op->names};
    } else if (op->what == TD_ACCT_QOS && strcasecmp(p->name, "Preempt") == 0) {
        m.set_qos = 1ull << TD_KEY_qos_conf_preempt;
        acct_field_take(l->a, acct_field_find("Preempt", 1u << ACCT_OF_QOS), p->value, &m.qos, &ignored);
    } else {
        return false;
    }
    later(l, &m);
    return true;
}

/* Slurm's dumps name coordinators in the lines of users. */
static bool is_coordinator(struct load *l, const struct td_acct_op *op, const struct pair *p)
{
    if (op->what != TD_ACCT_USER || strcasecmp(p->name, "Coordinator") != 0)
        return false;
    later(l, &(struct td_acct_op){
                 .op = TD_ACCT_ADD, .what = TD_ACCT_COORDINATOR, .names = op->names, .accounts = str_list(l->a, p->value)});
    return true;
}

static int take_line(struct load *l, const struct line *x, struct td_error *err)
{
    struct td_acct_op op = {.op = TD_ACCT_ADD, .names = one(l, x->name), .update = true};
    uint32_t of = 1u << ACCT_OF_ASSOC;
    int r = 0;

    if (strcasecmp(x->what, "Parent") == 0) {
        l->parent = x->name;
        return x->n ? wrong(l, err, "a Parent line has no fields", x->fields[0].name) : 0;
    }
    if (strcasecmp(x->what, "Cluster") == 0) {
        op.what = TD_ACCT_ACCOUNT;
        op.names = one(l, "root");
        l->clustered = true;
    } else if (strcasecmp(x->what, "Account") == 0 || strcasecmp(x->what, "Project") == 0) {
        op.what = TD_ACCT_ACCOUNT;
        op.parent = l->parent;
        of |= 1u << ACCT_OF_ACCOUNT;
    } else if (strcasecmp(x->what, "User") == 0) {
        op.what = TD_ACCT_USER;
        op.accounts = one(l, l->parent);
        of |= 1u << ACCT_OF_USER;
    } else if (strcasecmp(x->what, "QOS") == 0) {
        op.what = TD_ACCT_QOS;
        of = 1u << ACCT_OF_QOS;
    } else {
        return wrong(l, err, "unknown word (want Cluster, QOS, Parent, Account, User)", x->what);
    }
    for (uint32_t i = 0; r == 0 && i < x->n; i++) {
        const struct pair *p = &x->fields[i];
        const struct acct_field *f = acct_field_find(p->name, of);
        if (is_later(l, &op, p) || is_coordinator(l, &op, p))
            continue;
        if (op.what == TD_ACCT_USER && strcasecmp(p->name, "Partition") == 0)
            op.partitions = one(l, p->value);
        else if (f)
            r = set_field(l, f, p->value, &op, err);
        else
            r = wrong(l, err, "unknown field", p->name);
    }
    td_vec_push(&l->ops, op);
    return r;
}

static int take_comment(struct load *l, const char *s, struct td_error *err)
{
    unsigned n;

    l->ours |= l->no == 1 && td_str_prefix(s, "# Accounts of a cluster:");
    if (sscanf(s, "# End: %u lines", &n) != 1)
        return 0;
    l->ended = true;
    if (n == l->lines)
        return 0;
    return td_fail(err, TD_E_USAGE,
                   "the file says that it has %u lines, and has %u: part of it is missing; nothing was loaded", n, l->lines);
}

int acct_load(struct td_arena *a, const char *text, struct td_change_accounts *ret, struct td_error *err)
{
    struct load l = {.a = a, .parent = "root"};
    struct line x = {0};
    int r = 0;

    for (char *s = td_arena_strdup(a, text), *end; r == 0 && *s; s = end) {
        size_t len = strcspn(s, "\n");
        end = s + len + (s[len] == '\n');
        bool whole = s[len] == '\n';
        s[len] = 0;
        l.no++;
        s = skip(s);
        if (*s == '#') {
            r = take_comment(&l, s, err);
            continue;
        }
        if (!*s)
            continue;
        l.lines++;
        r = whole ? split(&l, s, &x, err) : wrong(&l, err, "the file ends in the middle of it; nothing was loaded", NULL);
        if (r == 0)
            r = take_line(&l, &x, err);
    }
    if (r == 0 && l.ours && !l.ended)
        r = td_fail(err, TD_E_USAGE,
                    "the file's last line, which says how many it has, is missing: it was cut; nothing was loaded");
    if (r == 0 && !l.clustered)
        r = td_fail(err, TD_E_USAGE, "the file has no Cluster line; nothing was loaded");
    for (uint32_t i = 0; i < l.later.n; i++)
        td_vec_push(&l.ops, l.later.v[i]);
    if (r == 0 && l.ops.n > TD_MAX_ACCT_OPS)
        r = td_fail(err, TD_E_TOO_BIG, "the file has %u objects, and one request %d at most (ACCT_OPS)", l.ops.n,
                    TD_MAX_ACCT_OPS);
    if (r == 0)
        ret->ops = (struct td_acct_op_list){td_arena_dup(a, l.ops.v, l.ops.n * sizeof(*l.ops.v)), l.ops.n};
    td_vec_release(&l.ops);
    td_vec_release(&l.later);
    return r;
}
