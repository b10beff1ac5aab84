/* test_conf_real.c - configurations of real sites, as they stand
 *
 * The files lie beside the repository, in ../shared/data/slurmconf or $TENDER_SHARED/data/slurmconf; without them the
 * test says so and is skipped. What is expected was read off the files by eye. */
#include "folder.h"

struct site {
    const char *dir;
    uint32_t nodes, partitions, gres;
    const char *chosen; /* the Default=YES partition */
    const char *node;   /* one node, and what its line says */
    uint32_t cpus, sockets, cores, threads;
    uint64_t memory_mb;
    const char *node_gres;
    uint32_t node_gres_lines;
    const char *partition; /* one partition */
    uint32_t max_s, default_s;
    bool core_is_unit, memory_counts;
    const char *note;
};

static const struct site sites[] = {
    {.dir = "gsi-mixed", .nodes = 8, .partitions = 3, .chosen = "main",
     .node = "lxb006", .cpus = 20, .sockets = 2, .cores = 10, .threads = 2, .memory_mb = 65536,
     .partition = "long", .max_s = 3600, .core_is_unit = true, .memory_counts = true,
     .note = "SchedulerPort has no effect"},
    {.dir = "hpc-toolset", .nodes = 2, .partitions = 2, .chosen = "compute",
     .node = "cpn02", .memory_mb = 1000,
     .partition = "debug", .max_s = 5 * 86400, .default_s = 5 * 86400, .core_is_unit = false, .memory_counts = true,
     .note = "ControlMachine is the old name of SlurmctldHost"},
    {.dir = "ib-features", .nodes = 29, .partitions = 4, .gres = 5,
     .node = "visualizacion1", .cpus = 8, .sockets = 2, .cores = 4, .threads = 1, .memory_mb = 80385,
     .node_gres = "gpu:gtx970:1,gpu:gtx1060:1", .node_gres_lines = 2,
     .partition = "ibtesla", .max_s = 7 * 86400 + 120, .core_is_unit = false, .memory_counts = true,
     .note = "OverSubscribe=YES is taken as NO"},
    {.dir = "lab-rtx-mps", .nodes = 4, .partitions = 5, .gres = 27, .chosen = "goedel",
     .node = "turing", .cpus = 128, .sockets = 1, .cores = 64, .threads = 2, .memory_mb = 257777,
     .node_gres = "gpu:rtx_2080:2,mps:22", .node_gres_lines = 4,
     .partition = "all", .max_s = TD_INFINITE, .core_is_unit = true, .memory_counts = true,
     .note = "DefCpuPerGPU"},
    {.dir = "openhpc-default", .nodes = 4, .partitions = 1, .chosen = "normal",
     .node = "c4", .cpus = 32, .sockets = 2, .cores = 8, .threads = 2,
     .partition = "normal", .max_s = 86400, .core_is_unit = true,
     .note = "TaskPlugin is set again (before: slurm.conf line 59)"},
    {.dir = "stanford-xstream", .nodes = 68, .partitions = 2, .chosen = "normal",
     .node = "xs-0067", .cpus = 20, .sockets = 2, .cores = 10, .threads = 1, .memory_mb = 257852, .node_gres = "gpu:p100:8",
     .partition = "pascal", .max_s = 2 * 86400, .default_s = 7200, .core_is_unit = true, .memory_counts = true,
     .note = "MemSpecLimit has no effect"},
    {.dir = "ubhpc-medium", .nodes = 217, .partitions = 2, .gres = 3, .chosen = "general-compute",
     .node = "gn002", .cpus = 32, .sockets = 2, .cores = 16, .threads = 1, .memory_mb = 187000,
     .node_gres = "gpu:tesla_p100-pcie-16gb:2", .node_gres_lines = 1,
     .partition = "debug", .max_s = 3600, .default_s = 3600, .core_is_unit = true, .memory_counts = true,
     .note = "FrontendName has no effect"},
    {.dir = "ucmerced-elcapitan", .nodes = 51, .partitions = 1, .chosen = "std.q",
     .node = "c37", .cpus = 4, .threads = 1,
     .partition = "std.q", .max_s = 3 * 86400, .core_is_unit = true,
     .note = "AccountingStoreJobComment has no effect"},
    {.dir = "uis-guane", .nodes = 17, .partitions = 4, .chosen = "all",
     .node = "yaje", .cpus = 6, .sockets = 1, .cores = 6, .threads = 1, .memory_mb = 15784, .node_gres = "gpu:2",
     .partition = "manycores16", .max_s = 12 * 86400, .default_s = 7200, .core_is_unit = true,
     .note = "line 33: the word 'a' is not Key=Value and is left out"},
};

static const char *data_dir(void)
{
    static char dir[4096];
    const char *shared = getenv("TENDER_SHARED");

    if (shared)
        snprintf(dir, sizeof(dir), "%s/data/slurmconf", shared);
    else
        snprintf(dir, sizeof(dir), "%s/../shared/data/slurmconf", TD_SOURCE_DIR);
    if (access(dir, R_OK) == 0)
        return dir;
    print_message("skipped: the real configurations are not here (%s)\n", dir);
    return NULL;
}

static const struct td_partition_conf *partition_of(const struct td_conf *c, const char *name)
{
    for (uint32_t i = 0; i < c->partitions.n; i++)
        if (strcmp(c->partitions.v[i].name, name) == 0)
            return &c->partitions.v[i];
    return NULL;
}

static void check_site(struct folder *f, const struct site *s)
{
    const struct td_conf *c = f->conf;
    const struct td_partition_conf *p;
    struct td_node_conf n;

    assert_int_equal(count_nodes(c), s->nodes);
    assert_int_equal(c->partitions.n, s->partitions);
    assert_int_equal(c->ngres, s->gres);
    for (uint32_t i = 0; i < c->partitions.n; i++)
        assert_int_equal(c->partitions.v[i].is_default, s->chosen && strcmp(c->partitions.v[i].name, s->chosen) == 0);

    assert_true(td_conf_node(c, s->node, &f->arena, &n));
    assert_int_equal(n.cpus, s->cpus);
    assert_int_equal(n.sockets, s->sockets);
    assert_int_equal(n.cores_per_socket, s->cores);
    assert_int_equal(n.threads_per_core, s->threads);
    assert_int_equal(n.memory_mb, s->memory_mb);
    assert_true(td_str_equal(n.gres, s->node_gres));
    const struct td_conf_gres *g;
    assert_int_equal(td_conf_gres_of(c, s->node, &f->arena, &g), s->node_gres_lines);

    p = partition_of(c, s->partition);
    assert_non_null(p);
    assert_int_equal(p->max_s, s->max_s);
    assert_int_equal(p->default_s, s->default_s);
    assert_int_equal(c->settings.core_is_unit, s->core_is_unit);
    assert_int_equal(c->settings.memory_counts, s->memory_counts);
    assert_false(c->settings.elastic);
    if (!has_note(c, s->note))
        fail_msg("no note says: %s", s->note);
}

static void real_sites_load(void **state)
{
    struct folder *f = *state;
    const char *dir = data_dir();

    if (!dir)
        skip();
    for (size_t i = 0; i < TD_ARRAY_LEN(sites); i++) {
        char path[8192];
        print_message("%s\n", sites[i].dir);
        snprintf(path, sizeof(path), "%s/%s/slurm.conf", dir, sites[i].dir);
        td_conf_destroy(&f->conf);
        if (td_conf_load(path, &f->conf, &f->err) < 0)
            fail_msg("%s: %s", sites[i].dir, f->err.text);
        check_site(f, &sites[i]);
    }
}

/* Files written by a program for a template: <DIR> stands where they were to be installed. */
static void install(const char *from, const char *to, const char *dir)
{
    FILE *in = fopen(from, "r"), *out = fopen(to, "w");
    char line[8192];

    assert_non_null(in);
    assert_non_null(out);
    while (fgets(line, sizeof(line), in)) {
        char *mark = strstr(line, "<DIR>");
        if (mark)
            fprintf(out, "%.*s%s%s", (int)(mark - line), line, dir, mark + 5);
        else
            fputs(line, out);
    }
    fclose(in);
    fclose(out);
}

static void cloud_site_loads(void **state)
{
    static const char *const files[] = {
        "slurm_parallelcluster%s.conf", "slurm_parallelcluster_gres%s.conf", "slurm_parallelcluster_cgroup%s.conf"};
    static const char *const parts[] = {"efa_gres", "gpu_gres", "multiple_spot_gres", "efa_partition", "gpu_partition",
                                        "multiple_spot_partition"};
    struct folder *f = *state;
    const char *dir = data_dir();
    char sub[128];

    if (!dir)
        skip();
    snprintf(sub, sizeof(sub), "%s/pcluster", f->dir);
    assert_int_equal(mkdir(sub, 0700), 0);
    for (int mem = 0; mem < 2; mem++) {
        char from[8192], to[512], name[128];
        for (size_t i = 0; i < TD_ARRAY_LEN(files); i++) {
            snprintf(name, sizeof(name), files[i], mem ? "_mem_sched" : "");
            snprintf(from, sizeof(from), "%s/aws-pcluster-memsched/%s", dir, name);
            snprintf(to, sizeof(to), "%s/%s", f->dir, name);
            install(from, to, f->dir);
        }
        for (size_t i = 0; i < TD_ARRAY_LEN(parts); i++) {
            bool lines = strstr(parts[i], "partition") != NULL;
            snprintf(from, sizeof(from), "%s/aws-pcluster-memsched/pcluster/slurm_parallelcluster_%s%s.conf", dir, parts[i],
                     mem && lines ? "_mem_sched" : "");
            snprintf(to, sizeof(to), "%s/slurm_parallelcluster_%s.conf", sub, parts[i]);
            install(from, to, f->dir);
        }
        folder_put(f, "gres.conf", mem ? "include slurm_parallelcluster_gres_mem_sched.conf\n"
                                       : "include slurm_parallelcluster_gres.conf\n");
        folder_put(f, "cgroup.conf", mem ? "include slurm_parallelcluster_cgroup_mem_sched.conf\n"
                                         : "include slurm_parallelcluster_cgroup.conf\n");
        const struct td_conf *c = folder_conf(f, mem ? "ClusterName=cloud\ninclude slurm_parallelcluster_mem_sched.conf\n"
                                                     : "ClusterName=cloud\ninclude slurm_parallelcluster.conf\n");
        const struct site want = {
            .nodes = 35, .partitions = 3, .gres = 3, .chosen = "multiple_spot",
            .node = "gpu-dy-gpu-p3dn24xlarge-7", .cpus = 48, .memory_mb = mem ? 707788 : 747110,
            .node_gres = "gpu:v100:8", .node_gres_lines = 1, .partition = "efa", .max_s = TD_INFINITE,
            .memory_counts = mem, .note = "State=CLOUD has no effect of its own",
        };
        check_site(f, &want);
        assert_string_equal(c->control_host, "ip-1-0-0-0");
        assert_string_equal(partition_of(c, "efa")->nodes, "efa-st-efa-c5n-[1-1],efa-dy-efa-c5n-[1-4]");
        assert_int_equal(c->constrain_ram, mem);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(real_sites_load, folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(cloud_site_loads, folder_setup, folder_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
