/* topology.c - topology.conf: read and checked, so that a slip is found now; placement does not look at it yet
 *
 * NEEDSWORK: the tree goes into td_conf when the planner places jobs of several nodes near each other. */
#include <string.h>

#include "conf/cluster.h"

struct tree_switch {
    const char *name, *switches;
    const char *file;
    uint32_t line;
};

int topology_file(struct cluster *c, const struct lex *l, struct td_error *err)
{
    TD_VEC(struct tree_switch) tree = {0};
    struct td_strmap known = {0};
    int r = 0;

    for (uint32_t i = 0; i < l->lines.n && r == 0; i++) {
        const struct lex_line *line = &l->lines.v[i];
        struct conf_values v;
        conf_values_defaults(&v);
        r = option_take_line(c->rd, GROUP_SWITCH, &v, line, err);
        if (r < 0)
            break;
        const char *name = v.v[KEY_SWITCH_SwitchName].text, *nodes = v.v[KEY_SWITCH_Nodes].text;
        struct tree_switch s = {name, v.v[KEY_SWITCH_Switches].text, line->file, line->line};
        if (td_str_empty(name) || td_str_empty(nodes) == td_str_empty(s.switches)) {
            r = td_fail(err, TD_E_CONF, "%s line %u: a switch wants SwitchName= and either Nodes= or Switches=",
                        line->file, line->line);
            break;
        }
        if (td_strmap_get(&known, name)) {
            r = td_fail(err, TD_E_CONF, "%s line %u: switch %s has a line already", line->file, line->line, name);
            break;
        }
        /* Nodes= may name nodes that are not there yet: site files list whole racks. */
        td_strmap_put(&known, name, c);
        td_vec_push(&tree, s);
    }
    for (uint32_t i = 0; i < tree.n && r == 0; i++) {
        struct td_hostlist below = {0};
        struct td_error why = {0};
        if (!tree.v[i].switches)
            continue;
        if (td_hostlist_parse(tree.v[i].switches, TD_MAX_NODES, &below, &why) < 0) {
            r = td_fail(err, TD_E_CONF, "%s line %u: Switches: %s", tree.v[i].file, tree.v[i].line, why.text);
            break;
        }
        for (uint32_t k = 0; k < below.names.n && r == 0; k++)
            if (!td_strmap_get(&known, below.names.v[k]))
                r = td_fail(err, TD_E_CONF, "%s line %u: there is no SwitchName line for %s", tree.v[i].file,
                            tree.v[i].line, below.names.v[k]);
        td_hostlist_release(&below);
    }
    if (r == 0 && tree.n > 0)
        reading_note(c->rd, "%s has no effect: placement does not look at the network in this version", tree.v[0].file);
    td_strmap_release(&known);
    td_vec_release(&tree);
    return r;
}
