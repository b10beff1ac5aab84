/* test_local_conf.c - configurations of local clusters */
#include <signal.h>
#include <stdio.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client_test.h"
#include "cluster/cluster.h"

static void made_for_this_machine(void **state TD_UNUSED)
{
    struct worker_lines l = {0};
    struct td_buf out = {0};

    for (int i = 1; i <= 3; i++) {
        char name[8];
        snprintf(name, sizeof(name), "n%d", i);
        td_vec_push(&l.v, ((struct worker_line){.node = td_arena_strdup(&l.arena, name), .cpus = 64}));
    }
    local_conf_make("demo", &l, &out);
    assert_contains(td_buf_str(&out), "\nClusterName=demo\n");
    assert_contains(td_buf_str(&out), "\nNodeName=n[1-3] CPUs=64 State=UNKNOWN\n");
    assert_contains(td_buf_str(&out), "\nPartitionName=main Nodes=ALL Default=YES");
    workers_release(&l);
    td_buf_release(&out);
}

static void fitted_for_a_rehearsal(void **state TD_UNUSED)
{
    struct td_buf out = {0};

    local_conf_adjust("ClusterName=real\nControlMachine=master\n  StateSaveLocation=/var/spool\nEpilog=/etc/slurm/epilog\n"
                      "NodeName=node[1-3] Procs=32\nNodeName=a \\\n  CPUs=1\nSlurmctldPort=6817\nMinJobAge=300\n"
                      "Include parts.conf\n",
                      NULL, "/etc/slurm", "here", &out);
    const char *s = td_buf_str(&out);
    assert_true(td_str_prefix(s, "ClusterName=real\nSlurmctldHost=here #tender ControlMachine=master\n")); /* each line in its place */
    assert_contains(s, "\n#tender   StateSaveLocation=/var/spool\n");
    assert_contains(s, "\n#tender Epilog=/etc/slurm/epilog\n"); /* it could end the user's login on his own machine */
    assert_contains(s, "\nNodeName=node[1-3] Procs=32\nNodeName=a \\\n  CPUs=1\n#tender SlurmctldPort=6817\nMinJobAge=300\n");
    assert_contains(s, "\nInclude /etc/slurm/parts.conf\n");
    td_buf_reset(&out);
    local_conf_adjust("ClusterName=real\n", "mine", "/etc", "here", &out);
    assert_true(td_str_prefix(td_buf_str(&out), "SlurmctldHost=here ClusterName=mine #tender ClusterName=real\n"));
    td_buf_reset(&out);
    local_conf_adjust("Epilog=/e\nNodeName=a \\\n\nNodeName=b \\", NULL, "/etc", "here", &out);
    assert_true(td_str_prefix(td_buf_str(&out), "#tender Epilog=/e\nNodeName=a \\\n\nNodeName=b \\\n\nSlurmctldHost=here\n"));
    td_buf_reset(&out);
    local_conf_adjust("MinJobAge=300\n\n# mine\n", NULL, "/etc", "here", &out);
    assert_true(td_str_prefix(td_buf_str(&out), "MinJobAge=300\nSlurmctldHost=here\n# mine\n"));
    td_buf_release(&out);
}

static void what_was_left_out(void **state TD_UNUSED)
{
    struct td_buf fitted = {0}, out = {0};

    local_conf_adjust("SlurmctldPort=1\nProlog=/p\n epilog=/e\n#tender was here\nNodeName=n1\n", NULL, "/etc", "here", &fitted);
    local_conf_left_out(td_buf_str(&fitted), &out);
    assert_string_equal(td_buf_str(&out), "Prolog, Epilog"); /* ports are nobody's loss */
    td_buf_reset(&out);
    local_conf_left_out("NodeName=n1\nx #tender Prolog=/p\n", &out);
    assert_int_equal(out.len, 0);
    td_buf_release(&fitted);
    td_buf_release(&out);
}

static void processes_of_others(void **state TD_UNUSED)
{
    pid_t pid = fork();

    if (pid == 0) {
        if (geteuid() == 0 && setuid(65534) < 0)
            _exit(1);
        if (kill(1, 0) == 0) /* ours after all, as in some containers: nothing to see */
            _exit(0);
        _exit(geteuid() == 0 || process_end(1, 1, true) != PROCESS_NOT_OURS);
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void stand_ins_for_devices(void **state TD_UNUSED)
{
    char dir[] = "/tmp/devices.XXXXXX", file[64];
    struct td_buf out = {0}, want = {0};
    struct td_error err = {0};

    assert_non_null(mkdtemp(dir));
    assert_int_equal(local_conf_devices("# File=/dev/nothing9\nNodename=n1 Name=gpu Type=T File=/dev/tender-none[0-1] CPUs=0-1\n"
                                        "Name=zero File=/dev/null\n",
                                        dir, &out, &err),
                     0);
    td_buf_putf(&want,
                "# File=/dev/nothing9\nNodename=n1 Name=gpu Type=T File=%s/tender-none[0-1] CPUs=0-1\n"
                "Name=zero File=/dev/null\n",
                dir);
    assert_string_equal(td_buf_str(&out), td_buf_str(&want));
    for (int i = 0; i < 2; i++) {
        snprintf(file, sizeof(file), "%s/tender-none%d", dir, i);
        assert_int_equal(unlink(file), 0); /* was made */
    }
    rmdir(dir);
    td_buf_release(&out);
    td_buf_release(&want);
}

static void only_processes_of_the_folder(void **state TD_UNUSED)
{
    struct cluster c = {.dir = "/nonexistent/cluster"};

    assert_int_equal(process_find(&c, PROCESS_BROKER, NULL), 0);
    assert_true(process_alive(getpid()));
    assert_false(process_alive(0x7ffffff0));
}

static void names_of_clusters(void **state TD_UNUSED)
{
    struct cluster c;
    struct td_error err = {0};
    static const char *const bad[] = {"", "a/b", ".", "..", ".hidden"};

    for (size_t i = 0; i < TD_ARRAY_LEN(bad); i++) {
        assert_true(cluster_at(NULL, bad[i], false, &c, &err) < 0);
        assert_int_equal(err.code, TD_E_USAGE);
    }
    assert_true(cluster_at("/nonexistent/cluster", NULL, false, &c, &err) < 0);
    assert_contains(err.text, "there is no cluster at /nonexistent/cluster");
    assert_int_equal(cluster_at("/tmp", NULL, false, &c, &err), 0);
    assert_string_equal(c.conf, "/tmp/slurm.conf");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(made_for_this_machine),        cmocka_unit_test(fitted_for_a_rehearsal),
        cmocka_unit_test(stand_ins_for_devices),        cmocka_unit_test(only_processes_of_the_folder),
        cmocka_unit_test(names_of_clusters),
        cmocka_unit_test(what_was_left_out),            cmocka_unit_test(processes_of_others),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
