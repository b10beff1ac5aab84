/* nodes.c - NodeName, DownNodes and NodeSet lines
 *
 * NodeName=DEFAULT changes what later lines start from. A node has one line; a second one is an error that names both.
 * DownNodes changes state and reason of single nodes, so a line of the result may cover a part of a written one. */
#include <stdio.h>
#include <string.h>

#include "conf/cluster.h"

void cluster_init(struct cluster *c, struct td_conf *conf, struct reading *rd)
{
    *c = (struct cluster){.conf = conf, .rd = rd};
    conf_values_defaults(&c->node_defaults);
    conf_values_defaults(&c->partition_defaults);
}

void cluster_release(struct cluster *c)
{
    td_vec_release(&c->lines);
    td_vec_release(&c->entries);
    td_vec_release(&c->sets);
    td_vec_release(&c->partitions);
    td_vec_release(&c->gres);
    td_strmap_release(&c->by_name);
}

static uint32_t num(const struct conf_values *v, enum conf_key key)
{
    return (uint32_t)v->v[key].num;
}

/* Sockets, cores and threads against CPUs. As in Slurm CPUs may count sockets, cores or threads. */
static void layout(struct cluster *c, const struct conf_values *v, const struct lex_line *line,
                   struct td_node_conf *ret)
{
    uint32_t boards = num(v, KEY_NODE_Boards), sockets = num(v, KEY_NODE_Sockets);

    if (num(v, KEY_NODE_SocketsPerBoard) > 0)
        sockets = num(v, KEY_NODE_SocketsPerBoard) * TD_MAX(boards, 1);
    ret->cpus = num(v, KEY_NODE_CPUs);
    ret->sockets = sockets;
    ret->cores_per_socket = num(v, KEY_NODE_CoresPerSocket);
    ret->threads_per_core = num(v, KEY_NODE_ThreadsPerCore);
    if (ret->sockets == 0 && ret->cores_per_socket == 0)
        return; /* CPUs alone, or nothing: the worker finds the rest */

    ret->sockets = TD_MAX(ret->sockets, 1);
    ret->cores_per_socket = TD_MAX(ret->cores_per_socket, 1);
    ret->threads_per_core = TD_MAX(ret->threads_per_core, 1);
    uint64_t cores = (uint64_t)ret->sockets * ret->cores_per_socket, threads = cores * ret->threads_per_core;
    if (ret->cpus == 0) {
        ret->cpus = (uint32_t)TD_MIN(threads, TD_MAX_CPUS_PER_NODE);
    } else if (ret->cpus != threads && ret->cpus != cores && ret->cpus != ret->sockets) {
        reading_note(c->rd, "%s line %u: CPUs=%u does not fit %u sockets x %u cores x %u threads; CPUs=%u is taken",
                     line->file, line->line, ret->cpus, ret->sockets, ret->cores_per_socket, ret->threads_per_core,
                     (uint32_t)TD_MIN(threads, TD_MAX_CPUS_PER_NODE));
        ret->cpus = (uint32_t)TD_MIN(threads, TD_MAX_CPUS_PER_NODE);
    }
}

static const char *state_word(const struct conf_value *v, struct td_arena *a)
{
    char *word = td_arena_strdup(a, v->text);

    for (char *p = word; *p; p++)
        if (*p >= 'a' && *p <= 'z')
            *p = (char)(*p & ~0x20);
    if (strcmp(word, "FAIL") == 0 || strcmp(word, "FAILING") == 0)
        return "DRAIN";
    if (strcmp(word, "CLOUD") == 0 || strcmp(word, "FUTURE") == 0 || strcmp(word, "EXTERNAL") == 0 ||
        strcmp(word, "IDLE") == 0)
        return "UNKNOWN";
    return word;
}

static int names_add(struct cluster *c, const struct lex_line *line, const struct td_hostlist *names,
                     struct td_error *err)
{
    for (uint32_t i = 0; i < names->names.n; i++) {
        const char *name = names->names.v[i];
        const struct node_entry *was = td_strmap_get(&c->by_name, name);
        if (was)
            return td_fail(err, TD_E_CONF, "%s line %u: node %s has a line already (%s line %u)", line->file,
                           line->line, name, was->file, was->line);
        if (td_str_casecmp(name, "ALL") == 0)
            return td_fail(err, TD_E_CONF, "%s line %u: a node can not be named ALL", line->file, line->line);
        if (strlen(name) > TD_MAX_NAME_BYTES)
            return td_fail(err, TD_E_TOO_BIG, "%s line %u: the name of a node is longer than %u bytes", line->file,
                           line->line, (unsigned)TD_MAX_NAME_BYTES);
        if (c->entries.n >= TD_MAX_NODES)
            return td_fail(err, TD_E_TOO_BIG, "%s line %u: more than %u nodes", line->file, line->line,
                           (unsigned)TD_MAX_NODES);
        struct node_entry e = {
            .name = td_arena_strdup(c->rd->arena, name),
            .index = c->lines.n,
            .file = line->file,
            .line = line->line,
        };
        struct node_entry *kept = td_arena_dup(c->rd->arena, &e, sizeof(e));
        td_vec_push(&c->entries, kept);
        td_strmap_put(&c->by_name, name, kept);
    }
    return 0;
}

static int address_check(const struct conf_values *v, uint32_t nodes, const struct lex_line *line,
                         struct td_error *err)
{
    struct td_hostlist list = {0};
    struct td_error why = {0};
    int r;

    if (td_str_empty(v->v[KEY_NODE_NodeAddr].text))
        return 0;
    r = td_hostlist_parse(v->v[KEY_NODE_NodeAddr].text, TD_MAX_NODES, &list, &why);
    if (r < 0)
        return td_fail(err, TD_E_CONF, "%s line %u: NodeAddr: %s", line->file, line->line, why.text);
    if (list.names.n != nodes)
        r = td_fail(err, TD_E_CONF, "%s line %u: NodeAddr names %u hosts, NodeName %u", line->file, line->line,
                    list.names.n, nodes);
    td_hostlist_release(&list);
    return r;
}

static int text_check(const struct conf_value *v, const char *name, uint32_t max, const struct lex_line *line,
                      struct td_error *err)
{
    if (v->text && strlen(v->text) > max)
        return td_fail(err, TD_E_TOO_BIG, "%s line %u: %s is longer than %u bytes", line->file, line->line, name, max);
    return 0;
}

int nodes_line(struct cluster *c, const struct lex_line *line, struct td_error *err)
{
    struct td_hostlist names = {0};
    struct td_error why = {0};
    struct conf_values v;
    int r;

    if (td_str_casecmp(line->words[0].value, "DEFAULT") == 0)
        return option_take_line(c->rd, GROUP_NODE, &c->node_defaults, line, err);
    v = c->node_defaults;
    r = option_take_line(c->rd, GROUP_NODE, &v, line, err);
    if (r < 0)
        return r;
    if (td_str_empty(v.v[KEY_NODE_NodeName].text))
        return td_fail(err, TD_E_CONF, "%s line %u: NodeName names no node", line->file, line->line);
    if (td_hostlist_parse(v.v[KEY_NODE_NodeName].text, TD_MAX_NODES, &names, &why) < 0)
        return td_fail(err, TD_E_CONF, "%s line %u: NodeName: %s", line->file, line->line, why.text);

    struct node_line n = {.first = c->entries.n};
    struct td_node_conf *conf = &n.conf;
    conf->names = v.v[KEY_NODE_NodeName].text;
    conf->memory_mb = v.v[KEY_NODE_RealMemory].num;
    conf->tmp_mb = v.v[KEY_NODE_TmpDisk].num;
    conf->gres = v.v[KEY_NODE_Gres].text;
    conf->features = v.v[KEY_NODE_Features].text;
    conf->weight = num(&v, KEY_NODE_Weight);
    conf->state = state_word(&v.v[KEY_NODE_State], c->rd->arena);
    conf->reason = v.v[KEY_NODE_Reason].text;
    conf->address = v.v[KEY_NODE_NodeAddr].text;
    layout(c, &v, line, conf);
    if (conf->gres && td_str_casecmp(conf->gres, "(null)") == 0)
        conf->gres = NULL;
    if (r == 0)
        r = text_check(&v.v[KEY_NODE_NodeName], "NodeName", TD_MAX_EXPR_BYTES, line, err);
    if (r == 0)
        r = text_check(&v.v[KEY_NODE_Features], "Features", TD_MAX_TEXT_BYTES, line, err);
    if (r == 0)
        r = text_check(&v.v[KEY_NODE_Reason], "Reason", TD_MAX_TEXT_BYTES, line, err);
    if (r == 0)
        r = text_check(&v.v[KEY_NODE_NodeAddr], "NodeAddr", TD_MAX_NAME_BYTES, line, err);
    if (r == 0 && conf->gres)
        r = gres_text_check(c, &v.v[KEY_NODE_Gres], err);
    if (r == 0)
        r = address_check(&v, names.names.n, line, err);
    if (r == 0)
        r = names_add(c, line, &names, err);
    if (r == 0) {
        n.n = c->entries.n - n.first;
        td_vec_push(&c->lines, n);
    }
    td_hostlist_release(&names);
    return r;
}

int nodes_check(struct cluster *c, const char *list, const char *what, const char *file, uint32_t line,
                struct td_error *err)
{
    struct td_hostlist names = {0};
    struct td_error why = {0};
    int r = 0;

    if (td_hostlist_parse(list, TD_MAX_NODES, &names, &why) < 0)
        return td_fail(err, TD_E_CONF, "%s line %u: %s: %s", file, line, what, why.text);
    for (uint32_t i = 0; i < names.names.n && r == 0 && !c->elastic; i++)
        if (!td_strmap_get(&c->by_name, names.names.v[i]))
            r = td_fail(err, TD_E_CONF, "%s line %u: %s: there is no NodeName line for %s", file, line, what,
                        names.names.v[i]);
    td_hostlist_release(&names);
    return r;
}

int nodes_down(struct cluster *c, const struct lex_line *line, struct td_error *err)
{
    struct td_hostlist names = {0};
    struct td_error why = {0};
    struct conf_values *v = td_arena_alloc(c->rd->arena, sizeof(*v));
    int r;

    conf_values_defaults(v);
    r = option_take_line(c->rd, GROUP_DOWN, v, line, err);
    if (r < 0)
        return r;
    if (td_str_empty(v->v[KEY_DOWN_DownNodes].text))
        return td_fail(err, TD_E_CONF, "%s line %u: DownNodes names no node", line->file, line->line);
    if (td_hostlist_parse(v->v[KEY_DOWN_DownNodes].text, TD_MAX_NODES, &names, &why) < 0)
        return td_fail(err, TD_E_CONF, "%s line %u: DownNodes: %s", line->file, line->line, why.text);
    for (uint32_t i = 0; i < names.names.n && r == 0; i++) {
        struct node_entry *e = td_strmap_get(&c->by_name, names.names.v[i]);
        if (e)
            e->down = v;
        else
            r = td_fail(err, TD_E_CONF, "%s line %u: DownNodes: there is no NodeName line for %s", line->file,
                        line->line, names.names.v[i]);
    }
    td_hostlist_release(&names);
    return r;
}

static bool has_feature(const char *features, const char *wanted)
{
    struct conf_value v = {.text = features};

    return features && option_has_word(&v, wanted);
}

int nodes_set(struct cluster *c, const struct lex_line *line, struct td_error *err)
{
    struct td_buf list = {0};
    struct conf_values v;
    int r = 0;

    conf_values_defaults(&v);
    r = option_take_line(c->rd, GROUP_NODESET, &v, line, err);
    if (r < 0)
        return r;
    const char *nodes = v.v[KEY_NODESET_Nodes].text, *feature = v.v[KEY_NODESET_Feature].text;
    if (td_str_empty(v.v[KEY_NODESET_NodeSet].text) || (!nodes && !feature))
        return td_fail(err, TD_E_CONF, "%s line %u: NodeSet wants a name and Nodes= or Feature=", line->file,
                       line->line);
    if (nodes) {
        r = nodes_check(c, nodes, "NodeSet", line->file, line->line, err);
        td_buf_puts(&list, nodes);
    }
    for (uint32_t i = 0; feature && r == 0 && i < c->lines.n; i++) {
        if (!has_feature(c->lines.v[i].conf.features, feature))
            continue;
        if (list.len > 0)
            td_buf_putc(&list, ',');
        td_buf_puts(&list, c->lines.v[i].conf.names);
    }
    if (r == 0) {
        struct node_set s = {
            .name = v.v[KEY_NODESET_NodeSet].text,
            .nodes = td_arena_strdup(c->rd->arena, td_buf_str(&list)),
        };
        td_vec_push(&c->sets, s);
    }
    td_buf_release(&list);
    return r;
}

/* NodeAddr goes with NodeName by position. */
static const char *address_part(const char *text, uint32_t from, uint32_t to, struct td_arena *a)
{
    struct td_hostlist list = {0};
    struct td_buf out = {0};
    const char *ret = text;

    if (td_str_empty(text) || td_hostlist_parse(text, TD_MAX_NODES, &list, NULL) < 0)
        return text;
    for (uint32_t i = from; i < to && i < list.names.n; i++) {
        if (out.len > 0)
            td_buf_putc(&out, ',');
        td_buf_puts(&out, list.names.v[i]);
    }
    ret = td_arena_strdup(a, td_buf_str(&out));
    td_buf_release(&out);
    td_hostlist_release(&list);
    return ret;
}

/* The node_conf of a single node; false if no line has it. */
bool td_conf_node(const struct td_conf *c, const char *node, struct td_arena *a, struct td_node_conf *ret)
{
    for (uint32_t i = 0; i < c->nodes.n; i++) {
        const struct td_node_conf *n = &c->nodes.v[i];
        if (!td_hostlist_match(n->names, node))
            continue;
        *ret = *n;
        ret->names = td_arena_strdup(a, node);
        if (!td_str_empty(n->address)) {
            struct td_hostlist names = {0};
            if (td_hostlist_parse(n->names, TD_MAX_NODES, &names, NULL) == 0)
                for (uint32_t k = 0; k < names.names.n; k++)
                    if (td_str_equal(names.names.v[k], node))
                        ret->address = address_part(n->address, k, k + 1, a);
            td_hostlist_release(&names);
        }
        return true;
    }
    return false;
}

/* The nodes of one line that share a DownNodes line (or none) become one record. */
static void line_emit(struct cluster *c, const struct node_line *l, uint32_t from, uint32_t to,
                      struct td_node_conf *ret)
{
    const struct conf_values *down = c->entries.v[from]->down;

    *ret = l->conf;
    if (from != l->first || to != l->first + l->n) {
        struct td_buf names = {0};
        TD_VEC(const char *) list = {0};
        for (uint32_t i = from; i < to; i++)
            td_vec_push(&list, c->entries.v[i]->name);
        td_hostlist_fold(list.v, list.n, &names);
        ret->names = td_arena_strdup(c->rd->arena, td_buf_str(&names));
        td_buf_release(&names);
        td_vec_release(&list);
        ret->address = address_part(l->conf.address, from - l->first, to - l->first, c->rd->arena);
    }
    if (down) {
        ret->state = state_word(&down->v[KEY_DOWN_State], c->rd->arena);
        ret->reason = down->v[KEY_DOWN_Reason].text;
    }
}

void nodes_finish(struct cluster *c)
{
    TD_VEC(struct td_node_conf) out = {0};

    for (uint32_t i = 0; i < c->lines.n; i++) {
        const struct node_line *l = &c->lines.v[i];
        for (uint32_t from = l->first, to; from < l->first + l->n; from = to) {
            struct td_node_conf rec;
            for (to = from + 1; to < l->first + l->n && c->entries.v[to]->down == c->entries.v[from]->down; to++)
                ;
            line_emit(c, l, from, to, &rec);
            rec.tmp_fs = td_str_equal(c->conf->tmp_fs, "/tmp") ? NULL : c->conf->tmp_fs;
            td_vec_push(&out, rec);
        }
    }
    c->conf->nodes.n = out.n;
    c->conf->nodes.v = td_arena_dup(c->rd->arena, out.v, out.n * sizeof(out.v[0]));
    td_vec_release(&out);
}
