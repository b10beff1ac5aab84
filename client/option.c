/* option.c - the option parser: prefixes, clusters, --opt value, --opt=value, and the nearest known name */
#include "option.h"

#include <stdlib.h>
#include <string.h>

#include "say.h"

static const struct option *exact(const struct command *cmd, const char *name, size_t n)
{
    for (const struct option *o = cmd->options; o->take; o++)
        if (o->name && strlen(o->name) == n && strncmp(o->name, name, n) == 0)
            return o;
    return NULL;
}

static const struct option *by_letter(const struct command *cmd, char letter)
{
    for (const struct option *o = cmd->options; o->take; o++)
        if (o->letter == letter)
            return o;
    return NULL;
}

bool option_arg_optional(const struct option *o)
{
    const char *end = o->arg && o->arg[0] == '[' ? strchr(o->arg, ']') : NULL;

    return end && !end[1];
}

static const char *nearest(const struct command *cmd, const char *name)
{
    const char *best = NULL;
    uint32_t best_d = UINT32_MAX;

    for (const struct option *o = cmd->options; o->take; o++) {
        uint32_t d = o->name ? td_edit_distance(o->name, name) : UINT32_MAX;
        if (d < best_d) {
            best_d = d;
            best = o->name;
        }
    }
    return best && best_d <= TD_MAX(1u, (uint32_t)strlen(name) / 3) ? best : NULL;
}

static int unknown(const struct option_parse *p, const char *word, const char *name, struct td_error *err)
{
    const char *near = nearest(p->cmd, name);

    if (near)
        return td_fail(err, TD_E_USAGE, "unrecognized option '%s' (did you mean '--%s'?)", word, near);
    return td_fail(err, TD_E_USAGE, "unrecognized option '%s'", word);
}

/* A unique prefix, as getopt has it: spellings that mean the same do not make it ambiguous. */
static int by_prefix(const struct option_parse *p, const char *word, const char *name, size_t n,
                     const struct option **ret, struct td_error *err)
{
    const struct option *found = exact(p->cmd, name, n);
    struct td_buf all = {0};
    bool ambiguous = false;

    if (found) {
        *ret = found;
        return 0;
    }
    for (const struct option *o = p->cmd->options; o->take; o++) {
        if (!o->name || strncmp(o->name, name, n) != 0)
            continue;
        td_buf_putf(&all, " '--%s'", o->name);
        if (found && (found->take != o->take || found->offset != o->offset || found->take == opt_refuse ||
                      found->take == opt_warn))
            ambiguous = true;
        if (!found)
            found = o;
    }
    int r = 0;
    if (ambiguous)
        r = td_fail(err, TD_E_USAGE, "option '%s' is ambiguous; possibilities:%s", word, td_buf_str(&all));
    else if (!found)
        r = unknown(p, word, name, err);
    else
        *ret = found;
    td_buf_release(&all);
    return r;
}

static int take_long(struct option_parse *p, int argc, char **argv, int *i, struct td_error *err)
{
    const char *word = argv[*i], *name = word + 2, *eq = strchr(name, '=');
    size_t n = eq ? (size_t)(eq - name) : strlen(name);
    td_autofree char *key = td_strndup(name, n);
    const struct option *o = NULL;
    const char *value = eq ? eq + 1 : NULL;
    int r = by_prefix(p, word, key, n, &o, err);

    if (r < 0)
        return r;
    if (value && !o->arg)
        return td_fail(err, TD_E_USAGE, "option '--%s' doesn't allow an argument", o->name);
    if (!value && o->arg && !option_arg_optional(o)) {
        if (*i + 1 >= argc)
            return td_fail(err, TD_E_USAGE, "option '--%s' requires an argument", o->name);
        value = argv[++*i];
    }
    return o->take(p, o, value, err);
}

/* "-qos small-fast": getopt would read -q with "os" and leave a stray word. Nobody means that. */
static int mistaken_dash(const struct option_parse *p, const char *word, struct td_error *err)
{
    const char *eq = strchr(word + 1, '=');
    size_t n = eq ? (size_t)(eq - word - 1) : strlen(word + 1);

    if (n < 2 || !exact(p->cmd, word + 1, n))
        return 0;
    return td_fail(err, TD_E_USAGE, "unrecognized option '%s': did you mean '-%s'?", word, word);
}

static int take_cluster(struct option_parse *p, int argc, char **argv, int *i, struct td_error *err)
{
    const char *word = argv[*i];
    int r = mistaken_dash(p, word, err);

    if (r < 0)
        return r;
    for (const char *c = word + 1; *c; c++) {
        const struct option *o = by_letter(p->cmd, *c);
        const char *value = NULL;
        if (!o)
            return td_fail(err, TD_E_USAGE, "invalid option -- '%c'", *c);
        if (o->arg) {
            if (c[1])
                value = c + 1;
            else if (!option_arg_optional(o)) {
                if (*i + 1 >= argc)
                    return td_fail(err, TD_E_USAGE, "option requires an argument -- '%c'", *c);
                value = argv[++*i];
            }
        }
        r = o->take(p, o, value, err);
        if (r < 0 || o->arg)
            return r;
    }
    return 0;
}

int option_parse(struct option_parse *p, int argc, char **argv, struct td_error *err)
{
    int i, r;

    p->lists.n = 0;
    p->rest = (uint32_t)argc;
    for (i = 1; i < argc; i++) {
        const char *w = argv[i];
        if (w[0] != '-' || !w[1]) {
            if (p->posix) {
                p->rest = (uint32_t)i;
                break;
            }
            td_vec_push(&p->words, w);
            continue;
        }
        if (strcmp(w, "--") == 0) {
            p->rest = (uint32_t)++i;
            for (; !p->posix && i < argc; i++)
                td_vec_push(&p->words, argv[i]);
            break;
        }
        r = w[1] == '-' ? take_long(p, argc, argv, &i, err) : take_cluster(p, argc, argv, &i, err);
        if (r < 0)
            return r;
    }
    for (uint32_t k = p->rest; p->posix && k < (uint32_t)argc; k++)
        td_vec_push(&p->words, argv[k]);
    return 0;
}

/* A flag's variable counts unless it says no. */
static bool env_off(const char *v)
{
    return strcmp(v, "0") == 0 || td_str_casecmp(v, "no") == 0 || td_str_casecmp(v, "false") == 0;
}

int option_parse_env(struct option_parse *p, struct td_error *err)
{
    return option_parse_env_from(p, p->cmd->options, err);
}

int option_parse_env_from(struct option_parse *p, const struct option *first, struct td_error *err)
{
    for (const struct option *o = first; o->take; o++) {
        const char *v = o->env ? getenv(o->env) : NULL;
        if (!v || (!o->arg && env_off(v)))
            continue;
        if (option_arg_optional(o) && !*v)
            v = NULL;
        int r = o->take(p, o, o->arg ? v : NULL, err);
        if (r < 0)
            return r;
    }
    return 0;
}

void option_parse_release(struct option_parse *p)
{
    td_vec_release(&p->words);
    td_vec_release(&p->lists);
}

static void *field(const struct option_parse *p, const struct option *o)
{
    return (char *)p->target + o->offset;
}

int opt_flag(struct option_parse *p, const struct option *o, const char *value TD_UNUSED, struct td_error *err TD_UNUSED)
{
    *(bool *)field(p, o) = true;
    return 0;
}

int opt_count(struct option_parse *p, const struct option *o, const char *value TD_UNUSED,
              struct td_error *err TD_UNUSED)
{
    ++*(uint32_t *)field(p, o);
    return 0;
}

int opt_str(struct option_parse *p, const struct option *o, const char *value, struct td_error *err TD_UNUSED)
{
    *(const char **)field(p, o) = value ? td_arena_strdup(p->arena, value) : "";
    return 0;
}

struct td_strs str_list(struct td_arena *a, const char *text)
{
    uint32_t n = 0, commas = 1;

    for (const char *c = text; *c; c++)
        commas += *c == ',';
    const char **v = td_arena_alloc(a, commas * sizeof(*v));
    char *copy = td_arena_strdup(a, text), *save = NULL;
    for (char *w = strtok_r(copy, ",", &save); w; w = strtok_r(NULL, ",", &save))
        v[n++] = w;
    return (struct td_strs){.v = v, .n = n};
}

static bool first_use(struct option_parse *p, size_t offset)
{
    for (uint32_t i = 0; i < p->lists.n; i++)
        if (p->lists.v[i] == offset)
            return false;
    td_vec_push(&p->lists, offset);
    return true;
}

int opt_list(struct option_parse *p, const struct option *o, const char *value, struct td_error *err TD_UNUSED)
{
    struct td_strs *old = field(p, o), more = str_list(p->arena, value);

    if (first_use(p, o->offset))
        old->n = 0;
    const char **v = td_arena_alloc(p->arena, ((size_t)old->n + more.n + 1) * sizeof(*v));

    for (uint32_t i = 0; i < old->n; i++)
        v[i] = old->v[i];
    for (uint32_t i = 0; i < more.n; i++)
        v[old->n + i] = more.v[i];
    *old = (struct td_strs){.v = v, .n = old->n + more.n};
    return 0;
}

static int number(struct option_parse *p, const struct option *o, const char *value, uint64_t min, struct td_error *err)
{
    uint64_t n;

    if (!td_parse_u64(value, &n) || n < min || n > INT32_MAX)
        return td_fail(err, TD_E_INVALID_REQUEST, "Invalid numeric value \"%s\" for --%s.", value, o->name);
    *(uint32_t *)field(p, o) = (uint32_t)n;
    return 0;
}

int opt_u32(struct option_parse *p, const struct option *o, const char *value, struct td_error *err)
{
    return number(p, o, value, 1, err);
}

int opt_u32_zero(struct option_parse *p, const struct option *o, const char *value, struct td_error *err)
{
    return number(p, o, value, 0, err);
}

static int for_people(const struct option *o, struct td_error *err)
{
    return td_fail(err, TD_E_NOT_SUPPORTED, "--%s is for people: it is not taken from a program", o->name);
}

static _Noreturn void print_and_exit(struct td_buf *out)
{
    say_out(out);
    exit(0);
}

int opt_help(struct option_parse *p, const struct option *o, const char *value TD_UNUSED, struct td_error *err)
{
    struct td_buf out = {0};
    if (p->by_program)
        return for_people(o, err);
    help_print(p->cmd, &out);
    print_and_exit(&out);
}

int opt_usage(struct option_parse *p, const struct option *o, const char *value TD_UNUSED, struct td_error *err)
{
    struct td_buf out = {0};
    if (p->by_program)
        return for_people(o, err);
    usage_print(p->cmd, &out);
    print_and_exit(&out);
}

int opt_version(struct option_parse *p, const struct option *o, const char *value TD_UNUSED, struct td_error *err)
{
    struct td_buf out = {0};
    if (p->by_program)
        return for_people(o, err);
    td_buf_puts(&out, "tender " TD_VERSION "\n");
    print_and_exit(&out);
}

int opt_refuse(struct option_parse *p TD_UNUSED, const struct option *o, const char *value TD_UNUSED,
               struct td_error *err)
{
    if (o->name)
        return td_fail(err, TD_E_NOT_SUPPORTED, "--%s is not supported: %s", o->name, o->help);
    return td_fail(err, TD_E_NOT_SUPPORTED, "-%c is not supported: %s", o->letter, o->help);
}

int opt_warn(struct option_parse *p, const struct option *o, const char *value TD_UNUSED,
             struct td_error *err TD_UNUSED)
{
    if (!p->quiet)
        say_warning("%s--%s: %s", p->origin ? p->origin : "", o->name, o->help);
    return 0;
}
