/* Machines recorded elsewhere against what lstopo shows of them; declared and described ones; gres in all its forms. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/statvfs.h>
#include <cmocka.h>

#include "machines.h"

struct fixture {
    struct td_arena arena;
    struct td_inventory inv;
    struct td_error err;
};

static int setup(void **state)
{
    *state = td_alloc(sizeof(struct fixture));
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    td_arena_release(&f->arena);
    td_free(f);
    return 0;
}

static void read_ok(struct fixture *f, const struct td_topo_params *p)
{
    int r = td_topo_read(p, &f->arena, &f->inv, &f->err);

    if (r != 0)
        fail_msg("%s", f->err.text);
}

static void read_fails(struct fixture *f, const struct td_topo_params *p, int code, const char *words)
{
    assert_int_equal(td_topo_read(p, &f->arena, &f->inv, &f->err), -code);
    assert_int_equal(f->err.code, code);
    if (!strstr(f->err.text, words))
        fail_msg("'%s' does not name '%s'", f->err.text, words);
}

static uint32_t cpus_of(const struct td_inventory *inv)
{
    return td_bits_count(inv->cpus.v, inv->cpus.n);
}

static uint64_t gres_of(const struct td_inventory *inv, const char *name)
{
    uint64_t n = 0;

    for (uint32_t i = 0; i < inv->gres.n; i++)
        n += td_str_equal(inv->gres.v[i].name, name) ? inv->gres.v[i].count : 0;
    return n;
}

static const struct td_device *gpu(const struct td_inventory *inv, uint32_t index)
{
    for (uint32_t i = 0; i < inv->gres.n; i++)
        for (uint32_t j = 0; j < inv->gres.v[i].devices.n; j++)
            if (inv->gres.v[i].devices.v[j].index == index)
                return &inv->gres.v[i].devices.v[j];
    fail_msg("no GPU %u", index);
    return NULL;
}

/* Counted by eye in lstopo-no-graphics --whole-io. Sierra's NUMA nodes 252 to 255 are its GPUs' memory; its card4, the
 * sl390's and the UV's VGA are management boards; the sl390 shows its three Teslas as bare 3D controllers. */
static const struct {
    const char *file;
    uint32_t packages, numas, cores, cpus, gpus;
} machines[] = {
    {"2xepyc7402-8xmi50-corona.xml", 2, 2, 48, 96, 8},
    {"2xepyc7763-zen3.xml", 2, 1, 128, 128, 0},
    {"2xivybridge-catalyst.xml", 2, 2, 24, 48, 0},
    {"2xwestmere-sl390-pci.xml", 2, 2, 12, 24, 3},
    {"arm-128core-4numa.xml", 2, 4, 128, 128, 0},
    {"hybrid-raptorlake-1370p.xml", 1, 1, 14, 20, 0},
    {"knl-7210.xml", 1, 1, 64, 256, 0},
    {"offline-pus-4s2c2t.xml", 4, 1, 6, 7, 0},
    {"p9-v100-sierra.xml", 2, 2, 44, 176, 4},
    {"power8-4xp100-nvlink.xml", 2, 2, 8, 16, 4},
    {"spr-4xh100-ipa20.xml", 2, 8, 112, 224, 4},
    {"threadripper-mixedgpu-chimera.xml", 1, 2, 32, 64, 2},
    {"uv-24numa-192core.xml", 24, 24, 192, 384, 0},
};

static void machines_are_what_lstopo_shows(void **state)
{
    struct fixture *f = *state;

    for (uint32_t i = 0; i < TD_ARRAY_LEN(machines); i++) {
        char path[4096];
        if (!machine_path(machines[i].file, path, sizeof(path)))
            skip();
        read_ok(f, &(struct td_topo_params){.topology = path});
        print_message("%s\n", machines[i].file);
        assert_int_equal(f->inv.sockets, machines[i].packages);
        assert_int_equal(f->inv.numas.n, machines[i].numas);
        assert_int_equal(f->inv.cores.n, machines[i].cores);
        assert_int_equal(cpus_of(&f->inv), machines[i].cpus);
        assert_int_equal(gres_of(&f->inv, "gpu"), machines[i].gpus);
        assert_true(f->inv.declared);
        assert_false(td_topo_can_bind(&f->inv));
        assert_true(f->inv.memory_mb > 0);
    }
}

static void read_machine(struct fixture *f, const char *file)
{
    char path[4096];

    if (!machine_path(file, path, sizeof(path)))
        skip();
    read_ok(f, &(struct td_topo_params){.topology = path});
}

static void memory_leaves_out_that_of_gpus(void **state)
{
    struct fixture *f = *state;

    read_machine(f, "p9-v100-sierra.xml"); /* 133918272 + 133952128 KB */
    assert_int_equal(f->inv.memory_mb, (133918272u + 133952128u) / 1024);
    assert_int_equal(f->inv.numas.v[1].index, 8);
    assert_int_equal(f->inv.numas.v[1].memory_mb, 133952128u / 1024);
}

static void gpus_seen_by_several_back_ends_are_one(void **state)
{
    struct fixture *f = *state;

    read_machine(f, "spr-4xh100-ipa20.xml"); /* OpenCL, CUDA and NVML show each */
    assert_int_equal(f->inv.gres.n, 1);
    assert_string_equal(f->inv.gres.v[0].type, "nvidia_h100_80gb_hbm3");
    assert_string_equal(gpu(&f->inv, 0)->bus_id, "0000:4e:00.0");
    assert_string_equal(gpu(&f->inv, 1)->bus_id, "0000:5f:00.0");
    assert_string_equal(gpu(&f->inv, 2)->bus_id, "0000:cb:00.0");
    assert_string_equal(gpu(&f->inv, 3)->bus_id, "0000:db:00.0");
    assert_int_equal(gpu(&f->inv, 0)->numa, 3);
    assert_int_equal(gpu(&f->inv, 3)->numa, 5);
    assert_int_equal(gpu(&f->inv, 0)->island, gpu(&f->inv, 3)->island); /* NVLink joins all four */
    read_machine(f, "threadripper-mixedgpu-chimera.xml"); /* two makers, two stocks */
    assert_int_equal(f->inv.gres.n, 2);
    assert_string_equal(f->inv.gres.v[0].type, "geforce_gtx_1070");
    assert_string_equal(gpu(&f->inv, 0)->uuid, "GPU-4568d7d2-6f64-5ae3-e3c9-a95f595c6082");
}

static void gpus_have_the_driver_s_numbers_not_the_order_of_buses(void **state)
{
    struct fixture *f = *state;

    read_machine(f, "2xepyc7402-8xmi50-corona.xml");
    assert_string_equal(gpu(&f->inv, 0)->bus_id, "0000:63:00.0"); /* rsmi0 */
    assert_string_equal(gpu(&f->inv, 2)->bus_id, "0000:03:00.0"); /* rsmi2, first on the bus */
    for (uint32_t i = 0; i < 4; i++) { /* no switch, no XGMI: near is who shares a package */
        assert_int_equal(gpu(&f->inv, i)->island, gpu(&f->inv, 0)->island);
        assert_int_equal(gpu(&f->inv, i + 4)->island, gpu(&f->inv, 4)->island);
        assert_int_equal(gpu(&f->inv, i)->numa, 0);
        assert_int_equal(gpu(&f->inv, i + 4)->numa, 1);
    }
    assert_int_not_equal(gpu(&f->inv, 0)->island, gpu(&f->inv, 4)->island);
}

/* Four cards in one NUMA node, two and two behind a switch: a topology file made here. */
static void switches_make_islands(void **state)
{
    struct fixture *f = *state;
    static const uint32_t card_bus[4] = {3, 4, 7, 8};
    char path[] = "/tmp/topo-test-XXXXXX";
    uint32_t gp = 10;
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    FILE *out = fdopen(fd, "w");

#define SETS(kind, bits) kind "set=\"" bits "\" complete_" kind "set=\"" bits "\""
#define BOTH SETS("cpu", "0x1") " " SETS("node", "0x1")
    fputs("<?xml version=\"1.0\"?>\n<!DOCTYPE topology SYSTEM \"hwloc2.dtd\">\n<topology version=\"2.0\">\n"
          "<object type=\"Machine\" os_index=\"0\" " BOTH " allowed_cpuset=\"0x1\" allowed_nodeset=\"0x1\" gp_index=\"1\">"
          "<object type=\"NUMANode\" os_index=\"0\" " BOTH " gp_index=\"2\" local_memory=\"1073741824\"/>"
          "<object type=\"Core\" os_index=\"0\" " BOTH " gp_index=\"3\"><object type=\"PU\" os_index=\"0\" " BOTH " gp_index=\"4\"/></object>"
          "<object type=\"Bridge\" gp_index=\"5\" bridge_type=\"0-1\" depth=\"0\" bridge_pci=\"0000:[00-10]\">", out);
    for (uint32_t s = 0; s < 2; s++) {
        fprintf(out, "<object type=\"Bridge\" gp_index=\"%u\" bridge_type=\"1-1\" depth=\"1\" bridge_pci=\"0000:[%02x-%02x]\" "
                     "pci_busid=\"0000:00:%02x.0\" pci_type=\"0604 [8086:0001] [0000:0000] 01\" pci_link_speed=\"0\">",
                gp++, 2 + 4 * s, 5 + 4 * s, 1 + s);
        for (uint32_t c = 0; c < 2; c++)
            fprintf(out, "<object type=\"PCIDev\" gp_index=\"%u\" pci_busid=\"0000:%02x:00.0\" pci_type=\"0302 [10de:2330] "
                         "[0000:0000] 01\" pci_link_speed=\"0\"/>", gp++, card_bus[2 * s + c]);
        fputs("</object>", out);
    }
    fputs("</object></object>\n</topology>\n", out);
    assert_int_equal(fclose(out), 0);
    int r = td_topo_read(&(struct td_topo_params){.topology = path}, &f->arena, &f->inv, &f->err);
    unlink(path);
    if (r != 0)
        fail_msg("%s", f->err.text);
    assert_int_equal(gres_of(&f->inv, "gpu"), 4);
    assert_int_equal(gpu(&f->inv, 0)->island, gpu(&f->inv, 1)->island);
    assert_int_equal(gpu(&f->inv, 2)->island, gpu(&f->inv, 3)->island);
    assert_int_not_equal(gpu(&f->inv, 1)->island, gpu(&f->inv, 2)->island);
}

static void nvlink_in_pairs_makes_two_islands(void **state)
{
    struct fixture *f = *state;

    read_machine(f, "power8-4xp100-nvlink.xml");
    assert_int_equal(gpu(&f->inv, 0)->island, gpu(&f->inv, 1)->island);
    assert_int_equal(gpu(&f->inv, 2)->island, gpu(&f->inv, 3)->island);
    assert_int_not_equal(gpu(&f->inv, 1)->island, gpu(&f->inv, 2)->island);
}

static void cores_are_in_placement_order(void **state)
{
    struct fixture *f = *state;

    read_machine(f, "spr-4xh100-ipa20.xml");
    for (uint32_t i = 1; i < f->inv.cores.n; i++) {
        assert_true(f->inv.cores.v[i - 1].package <= f->inv.cores.v[i].package);
        assert_true(f->inv.cores.v[i - 1].numa <= f->inv.cores.v[i].numa);
    }
    assert_int_equal(td_bits_count(f->inv.cores.v[0].cpus.v, f->inv.cores.v[0].cpus.n), 2);
    assert_true(td_bits_get(f->inv.cores.v[0].cpus.v, f->inv.cores.v[0].cpus.n, 112)); /* 0x3fff0000,,,0x00003fff: 0 and 112 */
}

/* --- this machine ------------------------------------------------------------------------------------------------ */

static void this_machine_is_read(void **state)
{
    struct fixture *f = *state;

    read_ok(f, &(struct td_topo_params){0});
    assert_false(f->inv.declared);
    assert_true(f->inv.cores.n > 0 && f->inv.cores.n <= cpus_of(&f->inv));
    assert_true(f->inv.memory_mb > 0 && f->inv.tmp_mb > 0 && f->inv.boot_ms > 0);
    assert_true(strlen(f->inv.hostname) > 0 && strlen(f->inv.os) > 0 && strlen(f->inv.arch) > 0);
}

static void fewer_cpus_than_there_are_stay_real(void **state)
{
    struct fixture *f = *state;

    read_ok(f, &(struct td_topo_params){0});
    if (cpus_of(&f->inv) < 2)
        skip();
    read_ok(f, &(struct td_topo_params){.cpus = 1});
    assert_false(f->inv.declared);
    assert_int_equal(cpus_of(&f->inv), 1);
    read_ok(f, &(struct td_topo_params){.cpus = 4000}); /* and more do not */
    assert_true(f->inv.declared);
    assert_false(td_topo_can_bind(&f->inv));
    assert_int_equal(cpus_of(&f->inv), 4000);
}

/* Memory and temporary disk of this machine are held against what is declared: never more than there is. */
static void sizes_of_this_machine_are_measured(void **state)
{
    struct fixture *f = *state;

    read_ok(f, &(struct td_topo_params){0});
    uint64_t memory = f->inv.memory_mb, tmp = f->inv.tmp_mb;
    read_ok(f, &(struct td_topo_params){.memory_mb = memory + 1, .tmp_mb = tmp + 1});
    assert_int_equal(f->inv.memory_mb, memory);
    assert_int_equal(f->inv.tmp_mb, tmp);
    read_ok(f, &(struct td_topo_params){.memory_mb = memory - 1, .tmp_mb = tmp - 1}); /* less is given out as it is said */
    assert_int_equal(f->inv.memory_mb, memory - 1);
    assert_int_equal(f->inv.tmp_mb, tmp - 1);
    read_ok(f, &(struct td_topo_params){.memory_mb = memory + 1, .tmp_mb = tmp + 1, .believe_sizes = true}); /* a rehearsal */
    assert_int_equal(f->inv.memory_mb, memory + 1);
    assert_int_equal(f->inv.tmp_mb, tmp + 1);
    read_ok(f, &(struct td_topo_params){.cpus = 4000, .memory_mb = memory + 1, .tmp_mb = tmp + 1}); /* a pretended machine */
    assert_int_equal(f->inv.memory_mb, memory + 1);
    assert_int_equal(f->inv.tmp_mb, tmp + 1);
}

static void temporary_disk_is_measured_where_it_is_said_to_be(void **state)
{
    struct fixture *f = *state;
    struct statvfs fs;

    assert_int_equal(statvfs("/dev", &fs), 0);
    read_ok(f, &(struct td_topo_params){.tmp_fs = "/dev"});
    assert_int_equal(f->inv.tmp_mb, (uint64_t)fs.f_blocks * fs.f_frsize >> 20);
    read_ok(f, &(struct td_topo_params){.tmp_fs = "/nowhere/scratch", .tmp_mb = 100});
    assert_int_equal(f->inv.tmp_mb, 0);
}

/* --- described and declared -------------------------------------------------------------------------------------- */

static void a_number_is_that_many_cores(void **state)
{
    struct fixture *f = *state;

    read_ok(f, &(struct td_topo_params){.topology = "synthetic:64"});
    assert_int_equal(f->inv.cores.n, 64);
    assert_int_equal(f->inv.threads_per_core, 1);
    assert_int_equal(f->inv.sockets, 1);
    assert_int_equal(cpus_of(&f->inv), 64);
    read_ok(f, &(struct td_topo_params){.topology = "synthetic:4096"});
    assert_int_equal(f->inv.cores.n, 4096);
    read_fails(f, &(struct td_topo_params){.topology = "synthetic:4097"}, TD_E_TOPOLOGY, "synthetic:4097");
    read_fails(f, &(struct td_topo_params){.topology = "synthetic:0"}, TD_E_TOPOLOGY, "between 1 and 4096");
}

static void a_description_is_read_by_hwloc(void **state)
{
    struct fixture *f = *state;

    read_ok(f, &(struct td_topo_params){.topology = "synthetic:pack:2 numa:2(memory=1073741824) core:4 pu:2"});
    assert_int_equal(f->inv.sockets, 2);
    assert_int_equal(f->inv.numas.n, 4);
    assert_int_equal(f->inv.cores_per_socket, 8);
    assert_int_equal(f->inv.threads_per_core, 2);
    assert_int_equal(f->inv.memory_mb, 4096);
    assert_int_equal(f->inv.cores.v[4].numa, 1);
    assert_int_equal(f->inv.cores.v[8].package, 1);
    read_ok(f, &(struct td_topo_params){.topology = "synthetic:pack:2 core:8 pu:2", .memory_mb = 64000, .tmp_mb = 10, .features = "a,b"});
    assert_int_equal(f->inv.memory_mb, 64000);
    assert_int_equal(f->inv.tmp_mb, 10);
    assert_string_equal(f->inv.features, "a,b");
    read_ok(f, &(struct td_topo_params){.topology = "synthetic:pack:2 core:8 pu:2", .memory_unsaid_mb = 123456});
    assert_int_equal(f->inv.memory_mb, 123456);
    read_ok(f, &(struct td_topo_params){.topology = "synthetic:pack:2 numa:2(memory=1073741824) core:4 pu:2", .memory_unsaid_mb = 123456});
    assert_int_equal(f->inv.memory_mb, 4096);
    read_fails(f, &(struct td_topo_params){.topology = "synthetic:sock:x"}, TD_E_TOPOLOGY, "synthetic:sock:x");
}

static void a_file_that_is_none_is_named(void **state)
{
    struct fixture *f = *state;

    read_fails(f, &(struct td_topo_params){.topology = "/nowhere/machine.xml"}, TD_E_TOPOLOGY, "/nowhere/machine.xml: No such file");
    read_fails(f, &(struct td_topo_params){.topology = "/dev/null"}, TD_E_TOPOLOGY, "/dev/null");
}

static void a_declared_layout_is_made_up(void **state)
{
    struct fixture *f = *state;

    read_ok(f, &(struct td_topo_params){.topology = "synthetic:2", .sockets = 2, .cores_per_socket = 10, .threads_per_core = 2});
    assert_true(f->inv.declared);
    assert_int_equal(cpus_of(&f->inv), 40);
    assert_int_equal(f->inv.sockets, 2);
    assert_int_equal(f->inv.cores_per_socket, 10);
    assert_int_equal(f->inv.threads_per_core, 2);
    assert_int_equal(f->inv.numas.n, 2);
    assert_int_equal(f->inv.cores.v[10].package, 1);
    read_ok(f, &(struct td_topo_params){.topology = "synthetic:2", .cpus = 32, .sockets = 2});
    assert_int_equal(f->inv.cores_per_socket, 16);
    read_ok(f, &(struct td_topo_params){.topology = "synthetic:2", .cpus = 20, .sockets = 2, .cores_per_socket = 10, .threads_per_core = 2});
    assert_int_equal(cpus_of(&f->inv), 20); /* as many CPUs as cores */
    read_fails(f, &(struct td_topo_params){.topology = "synthetic:2", .cpus = 33, .sockets = 2}, TD_E_CONF, "CPUs=33");
    read_fails(f, &(struct td_topo_params){.topology = "synthetic:2", .cpus = 30, .sockets = 2, .cores_per_socket = 10, .threads_per_core = 2},
               TD_E_CONF, "CoresPerSocket=10");
    read_fails(f, &(struct td_topo_params){.topology = "synthetic:2", .sockets = 64, .cores_per_socket = 128}, TD_E_CONF, "4096");
}

static void a_layout_that_is_there_is_taken_as_it_is(void **state)
{
    struct fixture *f = *state;
    const char *t = "synthetic:pack:2 numa:2 core:4 pu:2";

    read_ok(f, &(struct td_topo_params){.topology = t, .sockets = 2, .cores_per_socket = 8, .threads_per_core = 2});
    assert_int_equal(f->inv.numas.n, 4);
    read_ok(f, &(struct td_topo_params){.topology = t, .cpus = 16, .sockets = 2, .cores_per_socket = 8, .threads_per_core = 2});
    assert_int_equal(f->inv.numas.n, 4);
    assert_int_equal(f->inv.threads_per_core, 1);
    assert_int_equal(cpus_of(&f->inv), 16);
}

/* --- gres -------------------------------------------------------------------------------------------------------- */

static void gres_without_lines_pretends(void **state)
{
    struct fixture *f = *state;

    read_ok(f, &(struct td_topo_params){.topology = "synthetic:8", .gres = "gpu:TitanXp:4,bandwidth:lustre:4G,tape"});
    assert_int_equal(f->inv.gres.n, 3);
    assert_string_equal(f->inv.gres.v[0].type, "TitanXp");
    assert_int_equal(f->inv.gres.v[0].devices.n, 4);
    assert_int_equal(gpu(&f->inv, 3)->index, 3);
    assert_int_equal(gres_of(&f->inv, "bandwidth"), 4ull << 30);
    assert_int_equal(gres_of(&f->inv, "tape"), 1);
    assert_int_equal(f->inv.gres.v[1].devices.n, 0);
    read_fails(f, &(struct td_topo_params){.topology = "synthetic:8", .gres = "gpu:TitanXp:four"}, TD_E_CONF, "four");
    read_fails(f, &(struct td_topo_params){.topology = "synthetic:8", .gres = "gpu:1080:2:2"}, TD_E_CONF, "not a count");
    read_ok(f, &(struct td_topo_params){.topology = "synthetic:8", .gres = "gpu:1080:2"}); /* a model's name may be a number */
    assert_string_equal(f->inv.gres.v[0].type, "1080");
    assert_int_equal(f->inv.gres.v[0].count, 2);
    read_fails(f, &(struct td_topo_params){.topology = "synthetic:8", .gres = "gpu:no_consume:4"}, TD_E_CONF, "no_consume");
    read_fails(f, &(struct td_topo_params){.topology = "synthetic:8", .gres = "gpu:4(X:1)"}, TD_E_CONF, "(S:sockets)");
    read_fails(f, &(struct td_topo_params){.topology = "synthetic:8", .gres = ":4"}, TD_E_CONF, "no name");
}

static void gres_on_sockets_is_close_to_them(void **state)
{
    struct fixture *f = *state;

    read_ok(f, &(struct td_topo_params){.topology = "synthetic:pack:2 core:4 pu:1", .gres = "gpu:a:2(S:0),gpu:b:2(S:1)"});
    assert_int_equal(f->inv.gres.n, 2);
    assert_int_equal(gpu(&f->inv, 0)->cpus.v[0], 0x0f);
    assert_int_equal(gpu(&f->inv, 3)->cpus.v[0], 0xf0);
    assert_int_not_equal(gpu(&f->inv, 0)->island, gpu(&f->inv, 3)->island);
    read_fails(f, &(struct td_topo_params){.topology = "synthetic:4", .gres = "gpu:2(S:1)"}, TD_E_CONF, "1 sockets");
}

/* The guide's own lines: a file for each device, old CPUs=, and a type. */
static void gres_conf_lines_make_the_devices(void **state)
{
    struct fixture *f = *state;
    struct td_gres_line lines[] = {
        {.name = "gpu", .type = "TitanXp", .file = "/dev/nvidia0", .cores = "0-1"},
        {.name = "gpu", .type = "TitanXp", .file = "/dev/nvidia1", .cores = "0-1"},
        {.name = "gpu", .type = "TitanXp", .file = "/dev/nvidia2", .cores = "2-3"},
        {.name = "gpu", .type = "TitanXp", .file = "/dev/nvidia3", .cores = "2-3"},
    };
    struct td_topo_params p = {.topology = "synthetic:4", .gres = "gpu:TitanXp:4", .gres_lines = lines, .ngres_lines = 4};

    read_ok(f, &p);
    assert_int_equal(f->inv.gres.n, 1);
    assert_string_equal(gpu(&f->inv, 2)->file, "/dev/nvidia2");
    assert_int_equal(gpu(&f->inv, 2)->cpus.v[0], 0x0c);
    assert_int_equal(gpu(&f->inv, 0)->island, gpu(&f->inv, 1)->island);
    assert_int_not_equal(gpu(&f->inv, 1)->island, gpu(&f->inv, 2)->island);

    lines[3].cores = "7-9";
    read_fails(f, &p, TD_E_CONF, "Cores=7-9");
    lines[3].cores = "x";
    read_fails(f, &p, TD_E_CONF, "Cores=x");
}

static void ranges_of_files_count(void **state)
{
    struct fixture *f = *state;
    struct td_gres_line lines[] = {
        {.name = "gpu", .type = "gtx970", .file = "/dev/nvidia[0-2,5]"},
        {.name = "gpu", .type = "gtx1060", .file = "/dev/nvidia7"},
        {.name = "mps", .file = "/dev/nvidia0", .count = 24},
        {.name = "mps", .file = "/dev/nvidia1", .count = 24},
    };
    struct td_topo_params p = {.topology = "synthetic:4", .gres_lines = lines, .ngres_lines = 4};

    read_ok(f, &p);
    assert_int_equal(f->inv.gres.n, 3);
    assert_int_equal(f->inv.gres.v[0].count, 4);
    assert_string_equal(gpu(&f->inv, 5)->file, "/dev/nvidia5");
    assert_string_equal(gpu(&f->inv, 7)->type, "gtx1060");
    assert_int_equal(gres_of(&f->inv, "mps"), 48);

    lines[0].count = 3;
    read_fails(f, &p, TD_E_CONF, "Count=3");
    lines[0].count = 0;
    lines[0].file = "/dev/nvidia[0-";
    read_fails(f, &p, TD_E_CONF, "/dev/nvidia[0-");
}

static void any_file_stands_for_a_device_if_it_is_there(void **state)
{
    struct fixture *f = *state;
    struct td_gres_line line = {.name = "gpu", .type = "fake", .file = "/dev/null"};
    struct td_topo_params p = {.gres_lines = &line, .ngres_lines = 1};

    read_ok(f, &p);
    assert_string_equal(gpu(&f->inv, 0)->file, "/dev/null");
    line.file = "/dev/nothing-of-this-name3";
    read_fails(f, &p, TD_E_TOPOLOGY, "File=/dev/nothing-of-this-name3: No such file");
    p.pretend = true;
    read_ok(f, &p);
    assert_int_equal(gpu(&f->inv, 3)->index, 3);
}

static void gres_and_gres_conf_must_agree(void **state)
{
    struct fixture *f = *state;
    struct td_gres_line line = {.name = "gpu", .type = "TitanXp", .file = "/dev/nvidia[0-1]"};
    struct td_topo_params p = {.topology = "synthetic:4", .gres = "gpu:TitanXp:4", .gres_lines = &line, .ngres_lines = 1};

    read_fails(f, &p, TD_E_CONF, "Gres=gpu:TitanXp:4, but gres.conf has 2");
    p.gres = "gpu:1";
    read_fails(f, &p, TD_E_CONF, "Gres=gpu:1, but gres.conf has 2");
    p.gres = "gpu:K80:2";
    read_fails(f, &p, TD_E_CONF, "0 of gpu:K80");
    p.gres = "tape:1";
    read_fails(f, &p, TD_E_CONF, "gres.conf has 2 of gpu");
    p.gres = "gpu:2";
    read_ok(f, &p);
    line.type = NULL; /* the NodeName line names the type */
    p.gres = "gpu:TitanXp:2";
    read_ok(f, &p);
    assert_string_equal(f->inv.gres.v[0].type, "TitanXp");
}

static void found_gpus_take_the_short_name_of_gres(void **state)
{
    struct fixture *f = *state;
    char path[4096];

    if (!machine_path("spr-4xh100-ipa20.xml", path, sizeof(path)))
        skip();
    read_ok(f, &(struct td_topo_params){.topology = path, .gres = "gpu:h100:4"});
    assert_string_equal(f->inv.gres.v[0].type, "h100");
    assert_string_equal(gpu(&f->inv, 2)->bus_id, "0000:cb:00.0");
    read_fails(f, &(struct td_topo_params){.topology = path, .gres = "gpu:h100:8"}, TD_E_CONF, "this machine has 4 of gpu:h100");
    read_fails(f, &(struct td_topo_params){.topology = path, .gres = "gpu:a100:4"}, TD_E_CONF, "0 of gpu:a100");
    struct td_gres_line line = {.name = "gpu", .type = "h100", .file = "/dev/nvidia[0-3]"};
    read_ok(f, &(struct td_topo_params){.topology = path, .gres_lines = &line, .ngres_lines = 1});
    assert_string_equal(gpu(&f->inv, 1)->bus_id, "0000:5f:00.0"); /* a rehearsal knows them by number */
    assert_string_equal(gpu(&f->inv, 1)->file, "/dev/nvidia1");
}

static void links_make_islands(void **state)
{
    struct fixture *f = *state;
    struct td_gres_line lines[] = {
        {.name = "gpu", .file = "/dev/nvidia0", .links = "-1,0,4,0"},
        {.name = "gpu", .file = "/dev/nvidia1", .links = "0,-1,0,4"},
        {.name = "gpu", .file = "/dev/nvidia2", .links = "4,0,-1,0"},
        {.name = "gpu", .file = "/dev/nvidia3", .links = "0,4,0,-1"},
    };

    read_ok(f, &(struct td_topo_params){.topology = "synthetic:4", .gres_lines = lines, .ngres_lines = 4});
    assert_int_equal(gpu(&f->inv, 0)->island, gpu(&f->inv, 2)->island);
    assert_int_equal(gpu(&f->inv, 1)->island, gpu(&f->inv, 3)->island);
    assert_int_not_equal(gpu(&f->inv, 0)->island, gpu(&f->inv, 1)->island);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(machines_are_what_lstopo_shows),
        T(memory_leaves_out_that_of_gpus),
        T(gpus_seen_by_several_back_ends_are_one),
        T(gpus_have_the_driver_s_numbers_not_the_order_of_buses),
        T(switches_make_islands),
        T(nvlink_in_pairs_makes_two_islands),
        T(cores_are_in_placement_order),
        T(this_machine_is_read),
        T(fewer_cpus_than_there_are_stay_real),
        T(sizes_of_this_machine_are_measured),
        T(temporary_disk_is_measured_where_it_is_said_to_be),
        T(a_number_is_that_many_cores),
        T(a_description_is_read_by_hwloc),
        T(a_file_that_is_none_is_named),
        T(a_declared_layout_is_made_up),
        T(a_layout_that_is_there_is_taken_as_it_is),
        T(gres_without_lines_pretends),
        T(gres_on_sockets_is_close_to_them),
        T(gres_conf_lines_make_the_devices),
        T(ranges_of_files_count),
        T(any_file_stands_for_a_device_if_it_is_there),
        T(gres_and_gres_conf_must_agree),
        T(found_gpus_take_the_short_name_of_gres),
        T(links_make_islands),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
