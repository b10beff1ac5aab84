/* gres.c - gres.conf, and the Gres= text of NodeName lines
 *
 * A line of gres.conf gives devices of one kind and model to some nodes. File= may name any file, so that a machine
 * without GPUs can pretend to have some. The same file twice for one kind on one node is an error that names both. */
#include <string.h>

#include "conf/cluster.h"

/* Splits "a:b:c" in place; returns the number of parts, at most cap. */
static uint32_t parts_split(char *s, char **parts, uint32_t cap)
{
    uint32_t n = 0;

    for (char *p = s; p && n < cap; n++) {
        parts[n] = p;
        p = strchr(p, ':');
        if (p)
            *p++ = '\0';
    }
    return n;
}

static bool is_count(const char *s)
{
    size_t n = strspn(s, "0123456789");

    return n > 0 && (s[n] == '\0' || (strchr("kKmMgGtTpP", s[n]) && s[n + 1] == '\0'));
}

/* name[:type][:no_consume]:count, also name alone (one) */
static int gres_item_check(struct cluster *c, const char *item, const struct conf_value *v, struct td_error *err)
{
    char text[256], *parts[5];
    uint32_t n;

    if (strlen(item) >= sizeof(text))
        return td_fail(err, TD_E_CONF, "%s line %u: Gres: '%s' is too long", v->file, v->line, item);
    memcpy(text, item, strlen(item) + 1);
    n = parts_split(text, parts, 5);
    bool ok = n >= 1 && n <= 4 && parts[0][0] != '\0';
    for (uint32_t i = 1; i < n && ok; i++)
        ok = parts[i][0] != '\0';
    if (ok && n == 4)
        ok = td_str_casecmp(parts[2], "no_consume") == 0;
    if (ok && n >= 3)
        ok = is_count(parts[n - 1]);
    if (!ok)
        return td_fail(err, TD_E_CONF, "%s line %u: Gres: '%s' is not name[:type]:count", v->file, v->line, item);
    if (n >= 3 && td_str_casecmp(parts[n - 2], "no_consume") == 0)
        return td_fail(err, TD_E_NOT_SUPPORTED, "%s line %u: Gres: no_consume is not supported: %s", v->file, v->line,
                       item);
    const struct conf_value *types = &c->rd->values->v[KEY_SLURM_GresTypes];
    if (!types->text || !option_has_word(types, parts[0]))
        reading_note(c->rd, "%s line %u: GresTypes does not name '%s'; it is taken as if it did", v->file, v->line,
                     parts[0]);
    return 0;
}

int gres_text_check(struct cluster *c, const struct conf_value *v, struct td_error *err)
{
    uint32_t kinds = 0;
    const char *p = v->text;

    if (strlen(p) > TD_MAX_TEXT_BYTES)
        return td_fail(err, TD_E_TOO_BIG, "%s line %u: Gres is longer than %u bytes", v->file, v->line,
                       (unsigned)TD_MAX_TEXT_BYTES);
    while (*p) {
        size_t n = strcspn(p, ",");
        td_autofree char *item = td_strndup(p, n);
        int r = n > 0 ? gres_item_check(c, item, v, err) : 0;
        if (r < 0)
            return r;
        if (++kinds > TD_MAX_GRES_KINDS)
            return td_fail(err, TD_E_TOO_BIG, "%s line %u: Gres names more than %u kinds", v->file, v->line,
                           (unsigned)TD_MAX_GRES_KINDS);
        p += n + (p[n] == ',');
    }
    return 0;
}

/* "0-3,8": CPU or core numbers, or Links with -1 in it. */
static bool is_number_list(const char *s, bool negative)
{
    for (;;) {
        if (negative && *s == '-')
            s++;
        size_t n = strspn(s, "0123456789");
        if (n == 0)
            return false;
        s += n;
        if (!negative && *s == '-') {
            n = strspn(s + 1, "0123456789");
            if (n == 0)
                return false;
            s += n + 1;
        }
        if (*s == '\0')
            return true;
        if (*s++ != ',')
            return false;
    }
}

static bool is_shared_kind(const char *name)
{
    return td_str_casecmp(name, "mps") == 0 || td_str_casecmp(name, "shard") == 0;
}

/* Files of a line, expanded; an error names the line. */
static int files_of(const struct td_conf_gres *g, struct td_hostlist *ret, struct td_error *err)
{
    struct td_error why = {0};

    if (!g->file)
        return 0;
    if (td_hostlist_parse(g->file, TD_MAX_DEVICES_PER_NODE, ret, &why) < 0)
        return td_fail(err, TD_E_CONF, "%s line %u: File: %s", g->origin, g->line, why.text);
    return 0;
}

static bool lists_meet(const char *a, const char *b)
{
    struct td_hostlist list = {0};
    bool meet = false;

    if (!a || !b)
        return true;
    if (td_str_equal(a, b))
        return true;
    if (td_hostlist_parse(a, TD_MAX_NODES, &list, NULL) < 0)
        return false;
    for (uint32_t i = 0; i < list.names.n && !meet; i++)
        meet = td_hostlist_match(b, list.names.v[i]);
    td_hostlist_release(&list);
    return meet;
}

static int twice_check(const struct cluster *c, const struct td_conf_gres *g, struct td_error *err)
{
    struct td_hostlist files = {0};
    int r = 0;

    if (!g->file)
        return 0;
    for (uint32_t i = 0; i < c->gres.n && r == 0; i++) {
        const struct td_conf_gres *was = &c->gres.v[i];
        if (!was->file || !td_str_equal(was->name, g->name) || !lists_meet(was->nodes, g->nodes))
            continue;
        r = files_of(g, &files, err);
        for (uint32_t k = 0; k < files.names.n && r == 0; k++)
            if (td_hostlist_match(was->file, files.names.v[k]))
                r = td_fail(err, TD_E_CONF, "%s line %u: File=%s is given to %s already (%s line %u)", g->origin,
                            g->line, files.names.v[k], g->name, was->origin, was->line);
        td_hostlist_release(&files);
    }
    return r;
}

static int counts(struct td_conf_gres *g, const struct conf_values *v, struct td_error *err)
{
    struct td_hostlist files = {0};
    const struct conf_value *count = &v->v[KEY_GRES_Count];
    int r = files_of(g, &files, err);
    uint32_t nfiles = files.names.n;

    td_hostlist_release(&files);
    if (r < 0)
        return r;
    g->count = count->file ? count->num : TD_MAX(nfiles, 1);
    if (nfiles > 0 && count->file && g->count != nfiles && !is_shared_kind(g->name))
        return td_fail(err, TD_E_CONF, "%s line %u: Count=%s, but File=%s is %u files", g->origin, g->line, count->text,
                       g->file, nfiles);
    if (nfiles > 1 && !td_str_empty(g->links))
        return td_fail(err, TD_E_CONF, "%s line %u: Links belongs to a line of one device", g->origin, g->line);
    return 0;
}

static int gres_line(struct cluster *c, const struct lex_line *line, bool *autodetect, struct td_error *err)
{
    struct conf_values v;
    int r;

    conf_values_defaults(&v);
    r = option_take_line(c->rd, GROUP_GRES, &v, line, err);
    if (r < 0)
        return r;

    const char *detect = v.v[KEY_GRES_AutoDetect].text;
    struct td_conf_gres g = {
        .nodes = v.v[KEY_GRES_NodeName].text,
        .name = v.v[KEY_GRES_Name].text,
        .type = v.v[KEY_GRES_Type].text,
        .file = v.v[KEY_GRES_File].text,
        .cores = v.v[KEY_GRES_Cores].text,
        .links = v.v[KEY_GRES_Links].text,
        .flags = v.v[KEY_GRES_Flags].text,
        .autodetect = detect ? td_str_casecmp(detect, "off") != 0 : *autodetect,
        .origin = line->file,
        .line = line->line,
    };
    if (td_str_empty(g.name)) {
        if (!detect)
            return td_fail(err, TD_E_CONF, "%s line %u: the line has no Name=", line->file, line->line);
        if (!g.nodes)
            *autodetect = g.autodetect;
    }
    if (g.nodes) {
        r = nodes_check(c, g.nodes, "NodeName", line->file, line->line, err);
        if (r < 0)
            return r;
    }
    if (g.file && v.v[KEY_GRES_MultipleFiles].text)
        return td_fail(err, TD_E_CONF, "%s line %u: File and MultipleFiles exclude each other", line->file, line->line);
    if (g.file && g.file[0] != '/')
        return td_fail(err, TD_E_CONF, "%s line %u: File=%s is not a whole path", line->file, line->line, g.file);
    if (g.cores && !is_number_list(g.cores, false))
        return td_fail(err, TD_E_CONF, "%s line %u: Cores: '%s' is not a list of numbers (0-3,8)", line->file,
                       line->line, g.cores);
    if (g.links && !is_number_list(g.links, true))
        return td_fail(err, TD_E_CONF, "%s line %u: Links: '%s' is not a list of numbers", line->file, line->line,
                       g.links);
    if (g.name)
        r = counts(&g, &v, err);
    if (r == 0 && g.name && !is_shared_kind(g.name))
        r = twice_check(c, &g, err);
    if (r == 0 && g.name && !option_has_word(&c->rd->values->v[KEY_SLURM_GresTypes], g.name))
        reading_note(c->rd, "%s line %u: GresTypes does not name '%s'; it is taken as if it did", line->file,
                     line->line, g.name);
    if (r == 0)
        td_vec_push(&c->gres, g);
    return r;
}

int gres_file(struct cluster *c, const struct lex *l, struct td_error *err)
{
    bool autodetect = false;

    for (uint32_t i = 0; i < l->lines.n; i++) {
        int r = gres_line(c, &l->lines.v[i], &autodetect, err);
        if (r < 0)
            return r;
    }
    c->conf->gres = td_arena_dup(c->rd->arena, c->gres.v, c->gres.n * sizeof(c->gres.v[0]));
    c->conf->ngres = c->gres.n;
    return 0;
}

uint32_t td_conf_gres_of(const struct td_conf *c, const char *node, struct td_arena *a, const struct td_conf_gres **ret)
{
    struct td_conf_gres *rows = td_arena_alloc(a, TD_MAX(c->ngres, 1) * sizeof(*rows));
    uint32_t n = 0;

    for (uint32_t i = 0; i < c->ngres; i++) {
        const struct td_conf_gres *g = &c->gres[i];
        if (g->name && (!g->nodes || td_hostlist_match(g->nodes, node)))
            rows[n++] = *g;
    }
    *ret = rows;
    return n;
}
