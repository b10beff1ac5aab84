/* options.c - what options.def says, done: look up, check, note, print
 *
 * Knows nothing of: what an option is for. Errors name file, line and key; notes too. */
#include <pwd.h>
#include <string.h>

#include "conf/options.h"

#define NO_DBD "accounting is kept in the journal, without slurmdbd"
#define NO_LIMITS "limits of QOS and associations are not enforced in this version; associations and QOS are"
#define NO_PROFILE "power, network and file system traffic are not measured"
#define NO_PLUGINS "plugins are not loaded"
#define NO_BCAST "files are not broadcast"
#define NO_SPEC "no cores or memory are set aside for the system"
#define NO_FREQ "frequencies are left as they are"
#define NO_PROLOG "prologs and epilogs are not run in this version"
#define NO_HEALTH "health programs are not run in this version"
#define NO_SRUN "steps run as srun's own options say"
#define NO_JOBCOMP "finished jobs are kept in the journal"
#define NO_CONTAINER "jobs share the node's directories"
#define NO_MAIL "mail is not sent in this version"
#define NO_POWER "nodes are not powered up or down"
#define NO_PREEMPT "jobs are not preempted in this version"
#define NO_FAIR "this part of multifactor priority is not in this version"
#define NO_REQUEUE_EXIT "exit codes do not requeue jobs"
#define NO_LISTS "nothing lists accounts, users or their usage in this version; usage of a job is hidden with jobs"
#define NO_STANDBY "there are no standby brokers in this version"
#define NO_PIDFILE "no process id files are written"
#define NO_SWITCH "interconnects are not set up"
#define NO_TREE "placement does not look at the network in this version"
#define NO_UNKILLABLE "a process that does not end keeps its node's CPUs"
#define NO_PER_GPU "a job gets what it asks for, whatever its GPUs"
#define NO_CHECKPOINT "jobs are not checkpointed"
#define NO_FRONTEND "see FrontendName"
#define NO_CGROUP_RAM "a job's memory limit is what it asked for"
#define NO_PURGE "of the history only jobs are purged: see PurgeJobAfter"
#define OWN_AUTH "identity comes from the kernel on local sockets and from CURVE keys elsewhere"
#define OWN_BUS "messages travel over ZeroMQ, with limits of their own"
#define OWN_LOG "logs are plain lines with a level in front"
#define OWN_CGROUP "cgroups are made where the worker is allowed to"
#define USAGE_AT_END "usage of a job is what the kernel counted, taken at its end"
#define GROUPS "groups are looked up at each submission"

#define HONOURED USE_HONOURED, NULL, NULL
#define NOTED(why) USE_NOTED, NULL, why
#define UNLESS(value, why) USE_NOTED, value, why
#define REFUSED(value, why) USE_REFUSED, value, why

static const struct conf_row rows[KEY_COUNT] = {
#define OPT(group, name, type, def, min, max, when, show, use, help) \
    {GROUP_##group, #name, TYPE_##type, def, min, max, WHEN_##when, SHOW_##show, use, help, true},
#define SHOWN(group, name, value) \
    {GROUP_##group, #name, TYPE_EMPTY, value, 0, 0, WHEN_RESTART, SHOW_SHOW, HONOURED, "", false},
#define ALIAS(group, old, name, words)
#define GONE(group, old, words)
#define WORD(group, name, word, use)
#include "conf/options.def"
};

/* Old spellings: to a row, or to nothing (KEY_COUNT). */
static const struct conf_alias {
    enum conf_group group;
    const char *old;
    enum conf_key key;
    const char *words;
} aliases[] = {
#define OPT(group, name, type, def, min, max, when, show, use, help)
#define SHOWN(group, name, value)
#define ALIAS(group, old, name, words) {GROUP_##group, #old, KEY_##group##_##name, words},
#define GONE(group, old, words) {GROUP_##group, #old, KEY_COUNT, words},
#define WORD(group, name, word, use)
#include "conf/options.def"
};

static const struct conf_word {
    enum conf_key key;
    const char *word;
    enum conf_use use;
    const char *same, *why;
} words[] = {
#define OPT(group, name, type, def, min, max, when, show, use, help)
#define SHOWN(group, name, value)
#define ALIAS(group, old, name, words)
#define GONE(group, old, words)
#define WORD(group, name, word, use) {KEY_##group##_##name, word, use},
#include "conf/options.def"
};

const struct conf_row *conf_row(enum conf_key key)
{
    return &rows[key];
}

static int key_find(enum conf_group group, const char *name)
{
    for (int i = 0; i < KEY_COUNT; i++)
        if (rows[i].group == group && rows[i].settable && td_str_casecmp(rows[i].name, name) == 0)
            return i;
    return -1;
}

static const struct conf_alias *alias_find(enum conf_group group, const char *name)
{
    for (size_t i = 0; i < TD_ARRAY_LEN(aliases); i++)
        if (aliases[i].group == group && td_str_casecmp(aliases[i].old, name) == 0)
            return &aliases[i];
    return NULL;
}

/* How many slips of the hand a word may hold and still be meant: a third, but two letters swapped in a short one. */
static uint32_t slips_allowed(const char *word)
{
    uint32_t n = (uint32_t)strlen(word);

    return n < 4 ? 1 : TD_MAX(n / 3, 2);
}

/* Keys that begin a line of their own in slurm.conf. */
static bool opens_line(enum conf_key key)
{
    return key == KEY_NODE_NodeName || key == KEY_PARTITION_PartitionName || key == KEY_DOWN_DownNodes ||
           key == KEY_NODESET_NodeSet || key == KEY_FRONTEND_FrontendName;
}

/* The nearest known spelling, if it is near enough to be meant. */
static const char *key_nearest(enum conf_group group, const char *name)
{
    uint32_t best = slips_allowed(name) + 1;
    const char *found = NULL;

    for (int i = 0; i < KEY_COUNT; i++) {
        bool opens = group == GROUP_SLURM && opens_line((enum conf_key)i);
        if ((rows[i].group != group && !opens) || !rows[i].settable)
            continue;
        uint32_t d = td_edit_distance(rows[i].name, name);
        if (d < best) {
            best = d;
            found = rows[i].name;
        }
    }
    return found;
}

static bool yes_no(const char *s, uint64_t *ret)
{
    static const char *const yes[] = {"yes", "y", "true", "on", "up", "1"};
    static const char *const no[] = {"no", "n", "false", "off", "down", "0"};

    for (size_t i = 0; i < TD_ARRAY_LEN(yes); i++) {
        if (td_str_casecmp(s, yes[i]) == 0)
            *ret = 1;
        else if (td_str_casecmp(s, no[i]) == 0)
            *ret = 0;
        else
            continue;
        return true;
    }
    return false;
}

static bool is_infinite(const char *s)
{
    return td_str_casecmp(s, "UNLIMITED") == 0 || td_str_casecmp(s, "INFINITE") == 0 || strcmp(s, "-1") == 0;
}

static const char *const levels[] = {"quiet",  "fatal",  "error",  "info",   "verbose",
                                     "debug",  "debug2", "debug3", "debug4", "debug5"};

static bool level_parse(const char *s, uint64_t *ret)
{
    for (size_t i = 0; i < TD_ARRAY_LEN(levels); i++) {
        if (td_str_casecmp(s, levels[i]) == 0) {
            *ret = i;
            return true;
        }
    }
    return td_parse_u64(s, ret) && *ret < TD_ARRAY_LEN(levels);
}

static bool size_parse(const char *s, uint64_t *ret)
{
    static const char suffixes[] = "KMGTP";
    char digits[32];
    size_t n = strspn(s, "0123456789");
    uint32_t shift = 0;

    if (n == 0 || n >= sizeof(digits))
        return false;
    memcpy(digits, s, n);
    digits[n] = '\0';
    if (s[n]) {
        char c = (char)(s[n] & ~0x20);
        const char *p = memchr(suffixes, c, sizeof(suffixes) - 1);
        if (!p || s[n + 1])
            return false;
        shift = 10u * (uint32_t)(p - suffixes + 1);
    }
    if (!td_parse_u64(digits, ret) || *ret > UINT64_MAX >> shift)
        return false;
    *ret <<= shift;
    return true;
}

/* As slurmdbd reads it: a number and the beginning of a unit's name. */
static bool age_parse(const char *s, uint64_t *ret_hours)
{
    static const struct {
        const char *name;
        uint32_t hours;
    } units[] = {{"months", 31 * 24}, {"days", 24}, {"hours", 1}};
    char digits[16];
    size_t n = strspn(s, "0123456789");
    uint64_t count;

    if (n == 0 || n >= sizeof(digits))
        return false;
    memcpy(digits, s, n);
    digits[n] = '\0';
    if (!td_parse_u64(digits, &count) || count > UINT32_MAX)
        return false;
    for (size_t i = 0; i < TD_ARRAY_LEN(units); i++) {
        char unit[16];
        td_format(unit, sizeof(unit), "%.*s", (int)strlen(s + n), units[i].name);
        if (td_str_casecmp(s + n, unit) == 0) {
            *ret_hours = count * units[i].hours;
            return true;
        }
    }
    return false;
}

/* What a value comes to. `why` gets the sentence that follows the key's name. */
static bool value_number(const struct conf_row *row, const char *text, uint64_t *ret, struct td_error *why)
{
    struct td_error sub = {0};
    uint32_t s;

    *ret = 0;
    switch (row->type) {
    case TYPE_STR:
    case TYPE_EMPTY:
    case TYPE_SECRET:
    case TYPE_UPPER:
    case TYPE_UPPERE:
    case TYPE_USER:
    case TYPE_SHARE:
        return true;
    case TYPE_LEVEL:
        if (level_parse(text, ret))
            return true;
        td_fail(why, TD_E_CONF, "'%s' is not a level (quiet, fatal, error, info, verbose, debug .. debug5, 0-9)", text);
        return false;
    case TYPE_BIT:
    case TYPE_YESNO:
    case TYPE_YESNOL:
        if (yes_no(text, ret))
            return true;
        td_fail(why, TD_E_CONF, "'%s' is neither YES nor NO", text);
        return false;
    case TYPE_DUR:
        if (td_duration_parse(text, &s, &sub) == 0) {
            *ret = s;
            return true;
        }
        td_fail(why, TD_E_CONF, "'%s' is not a time ([days-]hours:minutes:seconds, minutes, or UNLIMITED)", text);
        return false;
    case TYPE_MEM:
    case TYPE_SIZEMB:
        if (row->type == TYPE_MEM && is_infinite(text))
            return true;
        if (td_memory_parse(text, ret, &sub) == 0)
            return true;
        td_fail(why, TD_E_CONF, "'%s' is not an amount of memory", text);
        return false;
    case TYPE_SIZE:
        if (size_parse(text, ret))
            return true;
        td_fail(why, TD_E_CONF, "'%s' is not a number", text);
        return false;
    case TYPE_AGE:
        if (age_parse(text, ret))
            return true;
        td_fail(why, TD_E_CONF, "'%s' is not an age (12month, 30days, 48hours; 0 = for ever)", text);
        return false;
    case TYPE_COUNT:
    case TYPE_OVER:
    case TYPE_SEC:
        if (is_infinite(text)) {
            *ret = TD_INFINITE;
            return true;
        }
        break;
    case TYPE_NUM:
    case TYPE_MIN:
    case TYPE_USEC:
    case TYPE_RATE:
    case TYPE_PERCENT:
    case TYPE_MB:
        break;
    }
    if (!td_parse_u64(text, ret)) {
        td_fail(why, TD_E_CONF, "'%s' is not a number", text);
        return false;
    }
    if (*ret < row->min) {
        td_fail(why, TD_E_CONF, "%llu is below %llu", (unsigned long long)*ret, (unsigned long long)row->min);
        return false;
    }
    if (row->max > 0 && *ret > row->max) {
        td_fail(why, TD_E_CONF, "%llu is above %llu", (unsigned long long)*ret, (unsigned long long)row->max);
        return false;
    }
    if (row->type == TYPE_OVER)
        *ret *= 60;
    return true;
}

void conf_values_defaults(struct conf_values *vals)
{
    for (int i = 0; i < KEY_COUNT; i++) {
        vals->v[i] = (struct conf_value){.text = rows[i].def};
        if (rows[i].def && rows[i].settable) {
            struct td_error why;
            bool ok = value_number(&rows[i], rows[i].def, &vals->v[i].num, &why);
            TD_ASSERT(ok);
        }
    }
}

/* Calls for each word between commas; stops at the first that returns false. */
static bool each_word(const char *list, bool (*visit)(void *ctx, const char *word), void *ctx)
{
    char word[256];

    while (*list) {
        size_t n = strcspn(list, ",");
        if (n > 0 && n < sizeof(word)) {
            memcpy(word, list, n);
            word[n] = '\0';
            if (!visit(ctx, word))
                return false;
        } else if (n > 0) {
            return false;
        }
        list += n + (list[n] == ',');
    }
    return true;
}

static bool word_differs(void *ctx, const char *word)
{
    return td_str_casecmp(word, ctx) != 0;
}

bool option_has_word(const struct conf_value *v, const char *word)
{
    union {
        const char *in;
        void *out;
    } ctx = {.in = word};

    return v->text && !each_word(v->text, word_differs, ctx.out);
}

static bool key_has_words(enum conf_key key)
{
    for (size_t i = 0; i < TD_ARRAY_LEN(words); i++)
        if (words[i].key == key)
            return true;
    return false;
}

static bool group_is_scalar(enum conf_group group)
{
    return group == GROUP_SLURM || group == GROUP_CGROUP || group == GROUP_TENDER || group == GROUP_DBD;
}

struct word_check {
    struct reading *rd;
    enum conf_key key;
    const char *file;
    uint32_t line;
    struct td_error *err;
};

static bool word_check(void *ctx, const char *word)
{
    struct word_check *k = ctx;
    const char *name = rows[k->key].name, *nearest = NULL;
    uint32_t best = slips_allowed(word) + 1;
    bool closed = false;

    for (size_t i = 0; i < TD_ARRAY_LEN(words); i++) {
        if (words[i].key != k->key)
            continue;
        closed = true;
        if (td_str_casecmp(words[i].word, word) == 0) {
            if (words[i].use == USE_REFUSED) {
                td_fail(k->err, TD_E_CONF, "%s line %u: %s=%s is not supported: %s", k->file, k->line, name, word,
                        words[i].why);
                return false;
            }
            if (words[i].use == USE_NOTED)
                reading_note(k->rd, "%s line %u: %s=%s has no effect of its own: %s", k->file, k->line, name, word,
                             words[i].why);
            return true;
        }
        uint32_t d = td_edit_distance(words[i].word, word);
        if (d < best) {
            best = d;
            nearest = words[i].word;
        }
    }
    if (!closed)
        return true;
    if (nearest)
        td_fail(k->err, TD_E_CONF, "%s line %u: %s: unknown word '%s' (did you mean %s?)", k->file, k->line, name, word,
                nearest);
    else
        td_fail(k->err, TD_E_CONF, "%s line %u: %s: unknown word '%s'", k->file, k->line, name, word);
    return false;
}

static int unknown_key(enum conf_group group, const char *file, const struct lex_word *w, struct td_error *err)
{
    const char *nearest = key_nearest(group, w->key);

    if (!nearest && group == GROUP_SLURM) { /* a line whose first word was forgotten or broken off */
        if (key_find(GROUP_NODE, w->key) >= 0 || alias_find(GROUP_NODE, w->key))
            return td_fail(err, TD_E_CONF, "%s line %u: '%s' belongs behind NodeName= on the same line", file, w->line,
                           w->key);
        if (key_find(GROUP_PARTITION, w->key) >= 0 || alias_find(GROUP_PARTITION, w->key))
            return td_fail(err, TD_E_CONF, "%s line %u: '%s' belongs behind PartitionName= on the same line", file,
                           w->line, w->key);
    }
    if (nearest)
        return td_fail(err, TD_E_CONF, "%s line %u: unknown key '%s' (did you mean %s?)", file, w->line, w->key,
                       nearest);
    return td_fail(err, TD_E_CONF, "%s line %u: unknown key '%s'", file, w->line, w->key);
}

static void use_note(struct reading *rd, const struct conf_row *row, const char *file, const struct lex_word *w)
{
    if (row->use != USE_NOTED || w->value[0] == '\0' || td_str_casecmp(w->value, "(null)") == 0)
        return;
    if (row->same) {
        uint64_t a, b;
        struct td_error why;
        if (td_str_casecmp(row->same, w->value) == 0)
            return;
        if (row->type != TYPE_STR && row->type != TYPE_UPPER && value_number(row, row->same, &a, &why) &&
            value_number(row, w->value, &b, &why) && a == b)
            return;
    }
    reading_note_idle(rd, file, w->line, row->name, row->why);
}

int option_take(struct reading *rd, enum conf_group group, struct conf_values *vals, const char *file,
                const struct lex_word *w, struct td_error *err)
{
    const struct conf_alias *alias = NULL;
    int key = key_find(group, w->key);

    if (key < 0) {
        alias = alias_find(group, w->key);
        if (!alias)
            return unknown_key(group, file, w, err);
        if (alias->key == KEY_COUNT) {
            reading_note_idle(rd, file, w->line, alias->old, alias->words);
            return 0;
        }
        if (alias->words)
            reading_note(rd, "%s line %u: %s %s", file, w->line, alias->old, alias->words);
        key = (int)alias->key;
    }

    const struct conf_row *row = &rows[key];
    struct conf_value v = {.text = w->value, .file = file, .line = w->line};
    struct td_error why = {0};

    if (w->value[0] == '\0') { /* as if not written; on a line of nodes or partitions it takes a DEFAULT back */
        if (!group_is_scalar(group) && row->type == TYPE_STR)
            vals->v[key] = (struct conf_value){.text = NULL, .file = file, .line = w->line};
        return 0;
    }
    if (!value_number(row, w->value, &v.num, &why))
        return td_fail(err, TD_E_CONF, "%s line %u: %s: %s", file, w->line, row->name, why.text);
    if (row->use == USE_REFUSED && !(row->same && td_str_casecmp(row->same, w->value) == 0))
        return td_fail(err, TD_E_NOT_SUPPORTED, "%s line %u: %s=%s is not supported: %s", file, w->line, row->name,
                       w->value, row->why);
    if (key_has_words((enum conf_key)key)) {
        struct word_check check = {.rd = rd, .key = (enum conf_key)key, .file = file, .line = w->line, .err = &why};
        if (!each_word(w->value, word_check, &check)) {
            if (why.code == 0)
                td_fail(&why, TD_E_CONF, "%s line %u: %s: a word is too long", file, w->line, row->name);
            if (err)
                *err = why;
            return -why.code;
        }
    }
    if (group_is_scalar(group) && key != KEY_SLURM_SlurmctldHost && vals->v[key].file)
        reading_note(rd, "%s line %u: %s is set again (before: %s line %u); the last one counts", file, w->line,
                     row->name, vals->v[key].file, vals->v[key].line);
    use_note(rd, row, file, w);
    vals->v[key] = v;
    return 0;
}

int option_take_line(struct reading *rd, enum conf_group group, struct conf_values *vals, const struct lex_line *line,
                     struct td_error *err)
{
    for (uint32_t i = 0; i < line->nwords; i++) {
        const struct lex_word *w = &line->words[i];
        if (w->value) {
            int r = option_take(rd, group, vals, line->file, w, err);
            if (r < 0)
                return r;
            continue;
        }
        /* Slurm drops such a word with a message; so do we, unless it is a key that lost its '='. */
        const char *nearest = strlen(w->key) > 2 ? key_nearest(group, w->key) : NULL;
        if (nearest || line->nwords == 1)
            return td_fail(err, TD_E_CONF, "%s line %u: '%s' has no value (write %s=...)", line->file, w->line, w->key,
                           nearest ? nearest : "Key");
        reading_note(rd, "%s line %u: the word '%s' is not Key=Value and is left out", line->file, w->line, w->key);
    }
    return 0;
}

static void show_user(const char *name, struct td_buf *out)
{
    char space[4096];
    struct passwd pw, *found = NULL;

    td_buf_puts(out, name);
    if (getpwnam_r(name, &pw, space, sizeof(space), &found) == 0 && found)
        td_buf_putf(out, "(%u)", (unsigned)found->pw_uid);
}

static void show_upper(const char *s, struct td_buf *out)
{
    for (; *s; s++)
        td_buf_putc(out, *s >= 'a' && *s <= 'z' ? (char)(*s & ~0x20) : *s);
}

static void show_share(const char *s, struct td_buf *out)
{
    td_buf_puts(out, s);
    if (!strchr(s, '.'))
        td_buf_puts(out, ".0");
    td_buf_putc(out, '%');
}

static void show_number(const struct conf_row *row, uint64_t n, struct td_buf *out)
{
    static const char *const units[] = {
        [TYPE_SEC] = " sec",         [TYPE_MIN] = " min", [TYPE_OVER] = " min", [TYPE_USEC] = " usec",
        [TYPE_RATE] = " nodes/min",  [TYPE_PERCENT] = " percent", [TYPE_MB] = " MB", [TYPE_SIZEMB] = " MB",
        [TYPE_SIZE] = NULL,
    };

    if (n == TD_INFINITE && (row->type == TYPE_SEC || row->type == TYPE_COUNT || row->type == TYPE_OVER)) {
        td_buf_puts(out, row->type == TYPE_SEC ? "INFINITE" : "UNLIMITED");
        return;
    }
    td_buf_put_u64(out, row->type == TYPE_OVER ? n / 60 : n);
    if (units[row->type])
        td_buf_puts(out, units[row->type]);
}

bool option_show(const struct conf_values *vals, enum conf_key key, struct td_buf *out)
{
    const struct conf_row *row = &rows[key];
    const struct conf_value *v = &vals->v[key];

    if (row->show == SHOW_QUIET || (row->show == SHOW_IFSET && !v->file))
        return false;
    if (row->show == SHOW_FAIR && td_str_casecmp(vals->v[KEY_SLURM_PriorityType].text, "priority/basic") == 0)
        return false;
    if (row->type == TYPE_MEM && (!v->text || v->num == 0)) {
        td_buf_puts(out, "UNLIMITED");
        return true;
    }
    if (td_str_empty(v->text)) {
        if (row->type != TYPE_EMPTY && row->type != TYPE_UPPERE)
            td_buf_puts(out, "(null)");
        return true;
    }
    switch (row->type) {
    case TYPE_STR:
    case TYPE_EMPTY:
    case TYPE_AGE:
        td_buf_puts(out, v->text);
        break;
    case TYPE_SECRET:
        return false;
    case TYPE_UPPER:
    case TYPE_UPPERE:
        show_upper(v->text, out);
        break;
    case TYPE_USER:
        show_user(v->text, out);
        break;
    case TYPE_LEVEL:
        td_buf_puts(out, levels[v->num]);
        break;
    case TYPE_YESNO:
        td_buf_puts(out, v->num ? "Yes" : "No");
        break;
    case TYPE_YESNOL:
        td_buf_puts(out, v->num ? "yes" : "no");
        break;
    case TYPE_SHARE:
        show_share(v->text, out);
        break;
    case TYPE_DUR:
        td_duration_print((uint32_t)v->num, out);
        break;
    default:
        show_number(row, v->num, out);
        break;
    }
    return true;
}
