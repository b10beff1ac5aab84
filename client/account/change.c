/* change.c - sacctmgr add, modify, delete: words into one request, and what it would do before it is done */
#include <poll.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "account/sacctmgr.h"
#include "option.h"
#include "say.h"

#define DECIDE_MS 30000

struct change {
    struct sacctmgr *s;
    struct td_acct_op op;
    struct td_strs names;
    bool setting; /* modify: behind "set" */
    bool lists;   /* a list was set */
    uint32_t nset;
    struct td_buf settings, of_account; /* as typed, to be shown; an account's own apart from its association's */
};

static uint32_t of_bits(uint32_t what)
{
    switch (what) {
    case TD_ACCT_ACCOUNT:
        return 1u << ACCT_OF_ACCOUNT | 1u << ACCT_OF_ASSOC;
    case TD_ACCT_USER:
        return 1u << ACCT_OF_USER | 1u << ACCT_OF_ASSOC;
    case TD_ACCT_QOS:
        return 1u << ACCT_OF_QOS;
    default:
        return 0;
    }
}

static void put_named(struct td_buf *out, const char *before, const char *text, size_t width)
{
    size_t n = strlen(text ? text : "");

    td_buf_puts(out, before);
    td_buf_puts(out, text ? text : "");
    td_buf_pad(out, ' ', n < width ? width - n : 0);
}

static void put_setting(struct td_buf *out, const char *name, size_t width, const char *value)
{
    put_named(out, "  ", name, width);
    td_buf_putf(out, " = %s\n", value);
}

static int set_field(struct change *w, const struct acct_field *f, const struct acct_word *x, struct td_error *err)
{
    struct td_acct_op *op = &w->op;
    uint32_t lists = x->sign == '+' ? 1 : x->sign == '-' ? 2 : 0;
    uint64_t bit = 1ull << f->key;
    int r = 0;

    if (x->sign && f->style != ACCT_NAMES && f->style != ACCT_FLAGS)
        return td_fail(err, TD_E_USAGE, "%s%c=: only lists are added to", f->name, x->sign);
    if (x->sign && f->style == ACCT_FLAGS)
        return td_fail(err, TD_E_USAGE, "%s%c= is not supported yet: say all flags with Flags=", f->name, x->sign);
    if (f->style == ACCT_NAMES && w->lists && op->lists != lists)
        return td_fail(err, TD_E_USAGE, "%s%c=: lists are set, added to or taken from in requests of their own", f->name,
                       x->sign ? x->sign : ' ');
    op->lists = f->style == ACCT_NAMES ? lists : op->lists;
    w->lists |= f->style == ACCT_NAMES;
    switch (f->of) {
    case ACCT_OF_ACCOUNT:
        op->set_account |= bit;
        r = acct_field_take(w->s->arena, f, x->value, (void *)(uintptr_t)&op->account, err);
        break;
    case ACCT_OF_USER:
        op->set_user |= bit;
        r = acct_field_take(w->s->arena, f, x->value, (void *)(uintptr_t)&op->user, err);
        break;
    case ACCT_OF_ASSOC:
        op->set_assoc |= bit;
        r = acct_field_take(w->s->arena, f, x->value, (void *)(uintptr_t)&op->assoc, err);
        break;
    case ACCT_OF_QOS:
        op->set_qos |= bit;
        r = acct_field_take(w->s->arena, f, x->value, (void *)(uintptr_t)&op->qos, err);
        break;
    }
    w->nset++;
    bool is_own = f->of == ACCT_OF_ACCOUNT;
    put_setting(is_own ? &w->of_account : &w->settings, f->name, is_own ? 15 : 13, x->value);
    return r;
}

/* Conditions, and of add what names the object. False: it is a field to set. */
static bool take_condition(struct change *w, const struct acct_word *x)
{
    struct td_acct_op *op = &w->op;
    struct td_strs list = str_list(w->s->arena, x->value);

    if (!x->name || acct_word_is(x->name, "names", 1)) {
        w->names = list;
    } else if (acct_word_is(x->name, "clusters", 2)) {
        return true; /* there is this one */
    } else if (acct_word_is(x->name, "accounts", 2)) {
        if (op->what == TD_ACCT_ACCOUNT)
            w->names = list;
        else
            op->accounts = list;
    } else if (acct_word_is(x->name, "users", 1) && op->what != TD_ACCT_ACCOUNT) {
        w->names = list;
    } else if (acct_word_is(x->name, "partitions", 4) && op->what == TD_ACCT_USER) {
        op->partitions = list;
    } else if (acct_word_is(x->name, "parents", 3) && op->what == TD_ACCT_ACCOUNT && op->op != TD_ACCT_ADD) {
        op->parents = list;
    } else {
        return false;
    }
    return true;
}

static int take_setting(struct change *w, const struct acct_word *x, struct td_error *err)
{
    const struct acct_field *f = x->name ? acct_field_find(x->name, of_bits(w->op.what)) : NULL;

    if (!x->name)
        return td_fail(err, TD_E_USAGE, "'%s': want NAME=VALUE", x->value);
    if (f)
        return set_field(w, f, x, err);
    if (w->op.what == TD_ACCT_ACCOUNT && acct_word_is(x->name, "parent", 3)) {
        w->op.parent = x->value;
        w->nset++;
        put_setting(&w->settings, "Parent", 13, x->value);
        return 0;
    }
    if (w->op.op == TD_ACCT_MODIFY && w->op.what != TD_ACCT_QOS && acct_word_is(x->name, "rawusage", 4)) {
        if (strcmp(x->value, "0") != 0)
            return td_fail(err, TD_E_USAGE, "RawUsage can only be set to 0");
        w->op.reset_usage = true;
        w->nset++;
        put_setting(&w->settings, "RawUsage", 13, "0");
        return 0;
    }
    return td_fail(err, TD_E_USAGE, "Unknown option: %s", x->name);
}

static int take_words(struct change *w, char **words, uint32_t n, struct td_error *err)
{
    bool is_modify = w->op.op == TD_ACCT_MODIFY;
    int r = 0;

    for (uint32_t i = 2; r == 0 && i < n; i++) {
        struct acct_word x;
        if (is_modify && strcasecmp(words[i], "set") == 0) {
            w->setting = true;
            continue;
        }
        if (strcasecmp(words[i], "where") == 0 && w->op.op != TD_ACCT_ADD) {
            w->setting = false;
            continue;
        }
        acct_word_split(w->s->arena, words[i], &x);
        if (w->setting)
            r = take_setting(w, &x, err);
        else if (take_condition(w, &x))
            continue;
        else if (w->op.op == TD_ACCT_ADD)
            r = take_setting(w, &x, err);
        else
            r = td_fail(err, TD_E_USAGE, "Unknown condition: %s", x.name);
    }
    w->op.names = w->names;
    return r;
}

/* --- what it does, shown -------------------------------------------------------------------------------------------------
 */

static void put_touched(const struct td_accounts_changed *m, uint32_t what, const char *title, struct td_buf *out)
{
    bool titled = false;

    for (uint32_t i = 0; i < m->touched.n; i++) {
        const struct td_acct_touched *t = &m->touched.v[i];
        if (t->what != what)
            continue;
        if (!titled)
            td_buf_putf(out, " %s\n", title);
        titled = true;
        if (what == TD_ACCT_ACCOUNT && t->op == TD_ACCT_MODIFY) {
            put_named(out, "  C = ", m->cluster, 10);
            put_named(out, " A = ", t->name, 0);
            put_named(out, td_str_empty(t->account) ? "" : " of ", t->account, 0);
            td_buf_putc(out, '\n');
            continue;
        }
        if (what != TD_ACCT_ASSOC && (what != TD_ACCT_USER || t->op != TD_ACCT_REMOVE)) {
            if (i == 0 || !td_str_equal(t->name, t[-1].name) || t[-1].what != t->what)
                td_buf_putf(out, "  %s\n", t->name);
            continue;
        }
        put_named(out, "  C = ", m->cluster, 10);
        put_named(out, " A = ", t->account, t->op == TD_ACCT_REMOVE ? 10 : 20);
        put_named(out, " U = ", t->name, 9);
        put_named(out, td_str_empty(t->partition) ? "" : " P = ", t->partition, 0);
        td_buf_putc(out, '\n');
    }
}

/* Behind the names of what is new: its associations, and what was said of them. */
static void put_added(struct change *w, const struct td_accounts_changed *m, struct td_buf *out)
{
    bool is_user = w->op.what == TD_ACCT_USER;

    if (w->op.what == TD_ACCT_ACCOUNT)
        td_buf_putf(out, " Settings\n%s%s%s", td_buf_str(&w->of_account),
                    w->op.set_account >> TD_KEY_account_conf_description & 1 ? "" : "  Description     = Account Name\n",
                    w->op.set_account >> TD_KEY_account_conf_organization & 1 ? ""
                                                                              : "  Organization    = Parent/Account Name\n");
    if (is_user || w->op.what == TD_ACCT_ACCOUNT)
        td_buf_puts(out, is_user ? " Associations =\n" : " Associations\n");
    for (uint32_t i = 0; i < m->touched.n; i++) {
        const struct td_acct_touched *t = &m->touched.v[i];
        if (t->what != w->op.what || (!is_user && t->what != TD_ACCT_ACCOUNT))
            continue;
        if (is_user)
            put_named(out, "  U = ", t->name, 9);
        put_named(out, is_user ? " A = " : "  A = ", is_user ? t->account : t->name, 10);
        put_named(out, " C = ", m->cluster, 10);
        put_named(out, td_str_empty(t->partition) ? "" : " P = ", t->partition, 0);
        td_buf_putc(out, '\n');
    }
    if (w->op.what == TD_ACCT_ACCOUNT && td_str_empty(w->op.parent))
        put_setting(&w->settings, "Parent", 13, "root");
    if (w->op.what == TD_ACCT_COORDINATOR) {
        td_buf_puts(out, " To Account(s) and all sub-accounts\n");
        for (uint32_t i = 0; i < w->op.accounts.n; i++)
            td_buf_putf(out, "  %s\n", w->op.accounts.v[i]);
    } else {
        td_buf_putf(out, is_user ? " Non Default Settings\n%s" : " Settings\n%s", td_buf_str(&w->settings));
    }
}

static void put_all(struct change *w, const struct td_accounts_changed *m, struct td_buf *out)
{
    static const char *const titles[4][6] = {
        [TD_ACCT_ADD] = {[TD_ACCT_ACCOUNT] = "Adding Account(s)",
                         [TD_ACCT_USER] = "Adding User(s)",
                         [TD_ACCT_QOS] = "Adding QOS(s)",
                         [TD_ACCT_COORDINATOR] = "Adding Coordinator User(s)"},
        [TD_ACCT_MODIFY] = {[TD_ACCT_ACCOUNT] = "Modified account associations...",
                            [TD_ACCT_USER] = "Modified users...",
                            [TD_ACCT_QOS] = "Modified qos...",
                            [TD_ACCT_ASSOC] = "Modified user associations..."},
        [TD_ACCT_REMOVE] = {[TD_ACCT_ACCOUNT] = "Deleting accounts...",
                            [TD_ACCT_USER] = "Deleting user associations...",
                            [TD_ACCT_QOS] = "Deleting QOS(s)...",
                            [TD_ACCT_COORDINATOR] = "Removing Coordinators with user name"},
    };

    if (!m->touched.n) {
        td_buf_puts(out, w->op.op == TD_ACCT_ADD      ? " Nothing new added.\n"
                         : w->op.op == TD_ACCT_MODIFY ? "  Nothing modified\n"
                                                      : " Nothing deleted\n");
        return;
    }
    for (uint32_t what = 1; what < 6; what++)
        put_touched(m, what, titles[w->op.op][what], out);
    if (w->op.op == TD_ACCT_ADD)
        put_added(w, m, out);
}

/* Nobody who answers is a no. */
static bool agreed(struct td_buf *out)
{
    struct pollfd p = {.fd = STDIN_FILENO, .events = POLLIN};
    char c = 0;

    td_buf_puts(out, "Would you like to commit changes? (You have 30 seconds to decide)\n(N/y): ");
    say_out(out);
    if (poll(&p, 1, DECIDE_MS) <= 0) {
        td_buf_puts(out, "timeout\n");
        say_out(out);
        return false;
    }
    return read(STDIN_FILENO, &c, 1) == 1 && (c == 'y' || c == 'Y');
}

static int ask(struct change *w, const struct td_change_accounts *m, struct td_accounts_changed *ret, struct td_error *err)
{
    void *body = NULL;
    int r = client_ask(&w->s->client, TD_MSG_CHANGE_ACCOUNTS, m, TD_MSG_ACCOUNTS_CHANGED, &body, err);

    if (r == 0)
        *ret = *(const struct td_accounts_changed *)body;
    return r;
}

/* Asked twice where a person decides: what it would do, then that it be done. */
static int carry_out(struct change *w, struct td_error *err)
{
    struct td_change_accounts m = {.ops = {&w->op, 1}, .check = !w->s->immediate};
    struct td_accounts_changed done = {0};
    struct td_buf out = {0};
    int r = client_open(&w->s->client, err);

    if (r == 0)
        r = ask(w, &m, &done, err);
    if (r == 0) {
        for (uint32_t i = 0; i < done.unknown_users.n; i++)
            say_note("there is no user %s on the broker's host", done.unknown_users.v[i]);
        put_all(w, &done, &out);
        if (w->s->quiet)
            td_buf_reset(&out);
    }
    if (r == 0 && m.check && done.touched.n) {
        m.check = false;
        if (agreed(&out)) {
            r = ask(w, &m, &done, err);
        } else {
            td_buf_puts(&out, "\n Changes Discarded\n");
            r = 1;
        }
    }
    say_out(&out);
    td_buf_release(&out);
    return r < 0 ? r : r || !done.touched.n;
}

static int check_words(const struct change *w, struct td_error *err)
{
    const struct td_acct_op *op = &w->op;

    if (op->what != TD_ACCT_ACCOUNT && op->what != TD_ACCT_USER && op->what != TD_ACCT_QOS &&
        op->what != TD_ACCT_COORDINATOR)
        return td_fail(err, TD_E_USAGE, "only accounts, users, QOS and coordinators can be added, modified and deleted");
    if (op->what == TD_ACCT_COORDINATOR && op->op == TD_ACCT_MODIFY)
        return td_fail(err, TD_E_USAGE, "coordinators are added and deleted");
    if (op->what == TD_ACCT_COORDINATOR && (!op->names.n || !op->accounts.n))
        return td_fail(err, TD_E_USAGE, "a coordinator needs names=USERS and account=ACCOUNTS");
    if (op->op == TD_ACCT_ADD && !op->names.n)
        return td_fail(err, TD_E_USAGE, "Need name of %s to add", td_acct_kind_word(op->what));
    if (op->op == TD_ACCT_MODIFY && !w->nset)
        return td_fail(err, TD_E_USAGE, "You didn't give me anything to set");
    if (op->op == TD_ACCT_REMOVE && !op->names.n)
        return td_fail(err, TD_E_USAGE, "Need name of %s to delete", td_acct_kind_word(op->what));
    return 0;
}

int sacctmgr_change(struct sacctmgr *s, char **words, uint32_t n)
{
    struct change w = {.s = s};
    struct td_error err = {0};
    uint32_t kind = 0;
    int r = n < 2 || acct_kind_parse(words[1], &kind) < 0
                ? td_fail(&err, TD_E_USAGE, "%s what? account, user, qos or coordinator", words[0])
                : 0;

    w.op.op = strncasecmp(words[0], "modify", 3) == 0                                           ? TD_ACCT_MODIFY
              : strncasecmp(words[0], "add", 1) == 0 || strncasecmp(words[0], "create", 2) == 0 ? TD_ACCT_ADD
                                                                                                : TD_ACCT_REMOVE;
    w.op.what = kind;
    if (r == 0 && s->readonly)
        r = td_fail(&err, TD_E_USAGE, "nothing is changed under --readonly");
    if (r == 0)
        r = take_words(&w, words, n, &err);
    if (r == 0)
        r = check_words(&w, &err);
    if (r == 0)
        r = carry_out(&w, &err);
    td_buf_release(&w.settings);
    td_buf_release(&w.of_account);
    return r < 0 ? acct_fail(s, &err) : r;
}
