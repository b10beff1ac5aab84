/* local_conf.c - configurations of a local cluster: made, or a given one fitted for a rehearsal */
#include <string.h>
#include <strings.h>

#include "cluster/cluster.h"

static void put_nodes(const struct worker_lines *l, struct td_buf *out)
{
    struct td_buf fold = {0};
    const char **names = td_alloc((l->v.n + 1) * sizeof(*names));

    for (uint32_t i = 0; i < l->v.n; i++)
        names[i] = l->v.v[i].node;
    td_hostlist_fold(names, l->v.n, &fold);
    td_buf_putf(out, "NodeName=%s", td_buf_str(&fold));
    if (l->v.n && l->v.v[0].cpus)
        td_buf_putf(out, " CPUs=%u", l->v.v[0].cpus);
    td_buf_puts(out, " State=UNKNOWN\n");
    td_free(names);
    td_buf_release(&fold);
}

void local_conf_make(const char *cluster, const struct worker_lines *l, struct td_buf *out)
{
    td_buf_putf(out,
                "# Made by tender up; yours to change, then: scontrol reconfigure. StateSaveLocation is state/ beside this file.\n"
                "ClusterName=%s\n"
                "SelectType=select/cons_tres\n"
                "SelectTypeParameters=CR_Core\n"
                "ReturnToService=2\n",
                cluster);
    put_nodes(l, out);
    td_buf_puts(out, "PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP\n");
}

/* Where a cluster lives, who controls it and what runs as root around its jobs: not the rehearsal's. */
static const char *const not_ours[] = {
    "StateSaveLocation", "SlurmctldHost",   "ControlMachine",   "ControlAddr",     "BackupController", "BackupAddr",
    "SlurmctldPort",     "SlurmdPort",      "SlurmctldPidFile", "SlurmdPidFile",   "SlurmctldLogFile", "SlurmdLogFile",
    "SlurmdSpoolDir",    "SlurmUser",       "SlurmdUser",       "Epilog",          "Prolog",           "EpilogSlurmctld",
    "PrologSlurmctld",   "TaskProlog",      "TaskEpilog",       "SrunProlog",      "SrunEpilog",       "HealthCheckProgram",
};

static bool left_out(const char *line, size_t len)
{
    size_t key = strcspn(line, "= \t");

    for (size_t i = 0; i < TD_ARRAY_LEN(not_ours); i++)
        if (key <= len && strlen(not_ours[i]) == key && strncasecmp(line, not_ours[i], key) == 0)
            return true;
    return false;
}

void local_conf_adjust(const char *text, const char *cluster, const char *dir, const char *host, struct td_buf *out)
{
    td_buf_puts(out, "# A rehearsal, made by tender up from a given slurm.conf. Lines on where a cluster lives, who controls\n"
                     "# it and what runs around its jobs are commented out with #tender; StateSaveLocation is state/ beside\n"
                     "# this file.\n");
    td_buf_putf(out, "SlurmctldHost=%s\n", host);
    if (cluster)
        td_buf_putf(out, "ClusterName=%s\n", cluster);
    bool whole_line = true; /* a line that ends in a backslash goes on */
    bool commenting = false;
    while (*text) {
        size_t len = strcspn(text, "\n"), blank = strspn(text, " \t");
        const char *line = text + TD_MIN(blank, len);
        size_t rest = len - TD_MIN(blank, len);
        if (whole_line)
            commenting = left_out(line, rest) || (cluster && rest >= 11 && strncasecmp(line, "ClusterName", 11) == 0);
        if (commenting)
            td_buf_puts(out, "#tender ");
        if (whole_line && !commenting && rest > 8 && strncasecmp(line, "include ", 8) == 0) {
            const char *path = line + 8 + strspn(line + 8, " \t");
            td_buf_putf(out, "Include %s%s", *path == '/' ? "" : dir, *path == '/' ? "" : "/");
            td_buf_put(out, path, (size_t)(text + len - path));
        } else {
            td_buf_put(out, text, len);
        }
        td_buf_putc(out, '\n');
        whole_line = len == 0 || text[len - 1] != '\\';
        text += len + (text[len] == '\n');
    }
}

int local_conf_nodes(const char *conf, struct worker_lines *ret, struct td_error *err)
{
    struct td_conf *c = NULL;
    int r = td_conf_load(conf, &c, err);

    if (r < 0)
        return r;
    for (uint32_t i = 0; i < c->nodes.n && r == 0; i++) {
        struct td_hostlist l = {0};
        if (td_str_casecmp(c->nodes.v[i].names, "DEFAULT") == 0)
            continue;
        r = td_hostlist_parse(c->nodes.v[i].names, TD_MAX_NODES, &l, err);
        for (uint32_t k = 0; r == 0 && k < l.names.n; k++)
            td_vec_push(&ret->v, ((struct worker_line){.node = td_arena_strdup(&ret->arena, l.names.v[k])}));
        td_hostlist_release(&l);
    }
    td_conf_destroy(&c);
    if (r == 0 && !ret->v.n)
        r = td_fail(err, TD_E_CONF, "%s declares no node (NodeName=)", conf);
    return r;
}
