/* local_conf.c - configurations of a local cluster: made, or a given one fitted for a rehearsal */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

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

/* Where a cluster lives and who controls it: not the rehearsal's. */
static const char *const not_ours[] = {
    "StateSaveLocation", "SlurmctldAddr",    "SlurmctldHost",    "ControlMachine",   "ControlAddr",  "BackupController",
    "BackupAddr",        "SlurmctldPort",    "SlurmdPort",       "SlurmctldPidFile", "SlurmdPidFile", "SlurmctldLogFile",
    "SlurmdLogFile",     "SlurmdSpoolDir",   "SlurmUser",        "SlurmdUser",
};
/* What runs as root around its jobs: neither, but somebody may miss it. */
static const char *const around_jobs[] = {
    "Epilog",     "Prolog",     "EpilogSlurmctld", "PrologSlurmctld", "TaskProlog",
    "TaskEpilog", "SrunProlog", "SrunEpilog",      "HealthCheckProgram",
};

static const char *key_among(const char *const *list, size_t n, const char *line, size_t len)
{
    size_t key = strcspn(line, "= \t\n");

    for (size_t i = 0; i < n; i++)
        if (key <= len && strlen(list[i]) == key && strncasecmp(line, list[i], key) == 0)
            return list[i];
    return NULL;
}

static const char *runs_around_jobs(const char *line, size_t len)
{
    return key_among(around_jobs, TD_ARRAY_LEN(around_jobs), line, len);
}

/* The lines keep their numbers, so that what is wrong with one is found where its author has it: the rehearsal's own settings
 * share the first line that says nothing else. */
void local_conf_adjust(const char *text, const char *cluster, const char *dir, const char *host, struct td_buf *out)
{
    struct td_buf own = {0};
    bool whole_line = true; /* a line that ends in a backslash goes on */
    bool commenting = false;

    td_buf_putf(&own, "SlurmctldHost=%s", host);
    if (cluster)
        td_buf_putf(&own, " ClusterName=%s", cluster);
    while (*text) {
        size_t len = strcspn(text, "\n"), blank = strspn(text, " \t");
        const char *line = text + TD_MIN(blank, len);
        size_t rest = len - TD_MIN(blank, len);
        bool missed = runs_around_jobs(line, rest);
        if (whole_line)
            commenting = missed || key_among(not_ours, TD_ARRAY_LEN(not_ours), line, rest) ||
                         (cluster && rest >= 11 && strncasecmp(line, "ClusterName", 11) == 0);
        if (own.len && whole_line && !missed && (!rest || *line == '#' || commenting)) {
            td_buf_putf(out, "%s%s", td_buf_str(&own), rest ? " " : "");
            td_buf_reset(&own);
        }
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
    td_buf_puts(out, whole_line ? "" : "\n");
    if (own.len)
        td_buf_putf(out, "%s\n", td_buf_str(&own));
    td_buf_puts(out, "# A rehearsal, made by tender up from a given slurm.conf. Lines on where a cluster lives, who controls\n"
                     "# it and what runs around its jobs are commented out with #tender; StateSaveLocation is state/ beside\n"
                     "# this file.\n");
    td_buf_release(&own);
}

/* Of those, what would have run around jobs: somebody may miss it. */
void local_conf_left_out(const char *text, struct td_buf *out)
{
    for (const char *p = strstr(text, "#tender "); p; p = strstr(p, "#tender ")) {
        bool line_start = p == text || p[-1] == '\n';
        p += 8;
        p += strspn(p, " \t");
        size_t key = strcspn(p, "= \t\n");
        const char *name = runs_around_jobs(p, key);
        if (line_start && p[key] == '=' && name)
            td_buf_putf(out, "%s%s", out->len ? ", " : "", name);
    }
}

/* --- devices that this machine does not have ------------------------------------------------------------------------ */

static bool all_exist(const struct td_hostlist *l)
{
    for (uint32_t i = 0; i < l->names.n; i++)
        if (access(l->names.v[i], F_OK) < 0)
            return false;
    return true;
}

static int make_files(const struct td_hostlist *l, struct td_error *err)
{
    for (uint32_t i = 0; i < l->names.n; i++) {
        int fd = open(l->names.v[i], O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
        if (fd < 0)
            return td_fail(err, TD_E_IO, "cannot make %s: %s", l->names.v[i], strerror(errno));
        close(fd);
    }
    return 0;
}

/* Items of a File= value, at commas outside brackets; each that is not there is given a stand-in of the same name. */
static int stand_in(const char *value, size_t len, const char *devices, struct td_buf *out, struct td_error *err)
{
    struct td_hostlist l = {0};
    td_autofree char *item = td_strndup(value, len);
    struct td_buf other = {0};
    int r = td_hostlist_parse(item, TD_MAX_DEVICES_PER_NODE, &l, err);

    if (r < 0)
        return r;
    if (all_exist(&l)) {
        td_buf_puts(out, item);
        td_hostlist_release(&l);
        return 0;
    }
    td_hostlist_release(&l);
    size_t bracket = strcspn(item, "[");
    char *slash = memrchr(item, '/', bracket);
    td_buf_putf(&other, "%s/%s", devices, slash ? slash + 1 : item);
    td_buf_puts(out, td_buf_str(&other));
    r = td_hostlist_parse(td_buf_str(&other), TD_MAX_DEVICES_PER_NODE, &l, err);
    if (r == 0)
        r = make_files(&l, err);
    td_hostlist_release(&l);
    td_buf_release(&other);
    return r;
}

static int stand_ins(const char *value, size_t len, const char *devices, struct td_buf *out, struct td_error *err)
{
    size_t from = 0;
    int depth = 0, r = 0;

    for (size_t i = 0; i <= len && r == 0; i++) {
        depth += i < len && value[i] == '[';
        depth -= i < len && value[i] == ']';
        if (i < len && (value[i] != ',' || depth))
            continue;
        if (from)
            td_buf_putc(out, ',');
        r = stand_in(value + from, i - from, devices, out, err);
        from = i + 1;
    }
    return r;
}

int local_conf_devices(const char *text, const char *devices, struct td_buf *out, struct td_error *err)
{
    int r = dirs_make(devices, 0755, err);
    bool word_start = true, comment = false;

    while (*text && r == 0) {
        comment = *text == '#' || (comment && *text != '\n');
        if (word_start && !comment && strncasecmp(text, "File=", 5) == 0) {
            size_t len = strcspn(text + 5, " \t\r\n#");
            td_buf_put(out, text, 5);
            r = stand_ins(text + 5, len, devices, out, err);
            text += 5 + len;
            continue;
        }
        word_start = *text == ' ' || *text == '\t' || *text == '\n';
        td_buf_putc(out, *text++);
    }
    return r;
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
            td_vec_push(&ret->v, ((struct worker_line){.node = td_arena_strdup(&ret->arena, l.names.v[k]),
                                                       .elsewhere = !td_str_empty(c->nodes.v[i].address)}));
        td_hostlist_release(&l);
    }
    td_conf_destroy(&c);
    if (r == 0 && !ret->v.n)
        r = td_fail(err, TD_E_CONF, "%s declares no node (NodeName=)", conf);
    return r;
}
