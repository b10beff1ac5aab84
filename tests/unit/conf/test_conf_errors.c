/* test_conf_errors.c - each thing that can be wrong, and the sentence that says so */
#include "folder.h"

#define NODES "NodeName=n[1-4] CPUs=2\n"

struct slip {
    const char *slurm, *gres, *cgroup, *tender, *topology;
    const char *words; /* the whole message */
};

static const struct slip slips[] = {
    /* keys */
    {.slurm = "# 1\nNodName=n1\n", .words = "slurm.conf line 2: unknown key 'NodName' (did you mean NodeName?)"},
    {.slurm = "SlurmdTimout=3\n", .words = "slurm.conf line 1: unknown key 'SlurmdTimout' (did you mean SlurmdTimeout?)"},
    {.slurm = "Frobnicate=3\n", .words = "slurm.conf line 1: unknown key 'Frobnicate'"},
    {.slurm = "NodeName=a \\\n CPUs=2 \\\n CoresPerSoket=3\n", .words = "slurm.conf line 3: unknown key 'CoresPerSoket' (did you mean CoresPerSocket?)"},
    {.slurm = "PartitionName=a Node=b\n", .words = "slurm.conf line 1: unknown key 'Node' (did you mean Nodes?)"},
    {.slurm = "RealMemory=100\n", .words = "slurm.conf line 1: 'RealMemory' belongs behind NodeName= on the same line"},
    {.slurm = "MaxTime=100\n", .words = "slurm.conf line 1: 'MaxTime' belongs behind PartitionName= on the same line"},
    {.slurm = "SlurmdTimeout\n", .words = "slurm.conf line 1: 'SlurmdTimeout' has no value (write SlurmdTimeout=...)"},
    {.slurm = "NodeName=a CPUs 4\n", .words = "slurm.conf line 1: 'CPUs' has no value (write CPUs=...)"},
    {.slurm = "KillWait+=3\n", .words = "slurm.conf line 1: only Key=Value is understood, not +="},
    {.slurm = "\n =3\n", .words = "slurm.conf line 2: no key before '='"},
    {.slurm = "NodeName=a Reason=\"x\nb\n", .words = "slurm.conf line 1: a quote is not closed"},
    {.slurm = "DownNodes=n1 Stat=DOWN\n" NODES, .words = "slurm.conf line 1: unknown key 'Stat' (did you mean State?)"},
    /* values */
    {.slurm = "MinJobAge=abc\n", .words = "slurm.conf line 1: MinJobAge: 'abc' is not a number"},
    {.slurm = "FirstJobId=0\n", .words = "slurm.conf line 1: FirstJobId: 0 is below 1"},
    {.slurm = "KillWait=70000\n", .words = "slurm.conf line 1: KillWait: 70000 is above 65533"},
    {.slurm = "ReturnToService=3\n", .words = "slurm.conf line 1: ReturnToService: 3 is above 2"},
    {.slurm = "JobRequeue=perhaps\n", .words = "slurm.conf line 1: JobRequeue: 'perhaps' is neither YES nor NO"},
    {.slurm = "SlurmctldDebug=11\n", .words = "slurm.conf line 1: SlurmctldDebug: '11' is not a level (quiet, fatal, error, info, verbose, debug .. debug5, 0-9)"},
    {.slurm = "DefMemPerCPU=lots\n", .words = "slurm.conf line 1: DefMemPerCPU: 'lots' is not an amount of memory"},
    {.slurm = "DefMemPerCPU=1\nDefMemPerNode=2\n", .words = "slurm.conf line 2: DefMemPerNode and DefMemPerCPU (slurm.conf line 1) exclude each other"},
    {.slurm = "SchedulerType=sched/backfil\n", .words = "slurm.conf line 1: SchedulerType: unknown word 'sched/backfil' (did you mean sched/backfill?)"},
    {.slurm = "SchedulerType=sched/hold\n", .words = "slurm.conf line 1: SchedulerType=sched/hold is not supported: there is no hold scheduler; hold jobs with: scontrol hold"},
    {.slurm = "SelectTypeParameters=CR_Core,CR_Cup\n", .words = "slurm.conf line 1: SelectTypeParameters: unknown word 'CR_Cup' (did you mean CR_CPU?)"},
    {.slurm = "TaskPlugin=xyzzy\n", .words = "slurm.conf line 1: TaskPlugin: unknown word 'xyzzy'"},
    {.slurm = "PropagateResourceLimitsExcept=MEMLOK\n", .words = "slurm.conf line 1: PropagateResourceLimitsExcept: unknown word 'MEMLOK' (did you mean MEMLOCK?)"},
    {.slurm = "PropagateResourceLimits=ALL\nPropagateResourceLimitsExcept=CPU\n", .words = "slurm.conf line 2: PropagateResourceLimits and PropagateResourceLimitsExcept exclude each other"},
    {.slurm = "StateSaveLocation=state\n", .words = "slurm.conf line 1: StateSaveLocation=state is not a whole path"},
    {.slurm = "ClusterName=a/b\n", .words = "slurm.conf line 1: ClusterName: 'a/b' is not a name of at most 40 letters, digits, _-."},
    {.slurm = "SlurmctldHost=(10.0.0.1)\n", .words = "slurm.conf line 1: SlurmctldHost: '(10.0.0.1)' names no host"},
    {.slurm = "SlurmctldHost=head(10.0.0.1\n", .words = "slurm.conf line 1: SlurmctldHost: 'head(10.0.0.1' names no address"},
    /* include */
    {.slurm = "Include\n", .words = "slurm.conf line 1: Include wants one file name"},
    {.slurm = "\nInclude gone.conf\n", .words = "slurm.conf line 2: cannot read DIR/gone.conf: No such file or directory"},
    {.slurm = "Include slurm.conf\n", .words = "slurm.conf line 1: Include goes deeper than 16 files"},
    {.slurm = "Include .\n", .words = "slurm.conf line 1: cannot read DIR/.: not a file"},
    /* nodes */
    {.slurm = NODES "\nNodeName=n2\n", .words = "slurm.conf line 3: node n2 has a line already (slurm.conf line 1)"},
    {.slurm = "NodeName=ALL\n", .words = "slurm.conf line 1: a node can not be named ALL"},
    {.slurm = "NodeName=\n", .words = "slurm.conf line 1: NodeName names no node"},
    {.slurm = "DownNodes=\n", .words = "slurm.conf line 1: DownNodes names no node"},
    {.slurm = "PartitionName=\n", .words = "slurm.conf line 1: PartitionName: '' is not the name of one partition"},
    {.slurm = "NodeName=a[1-3] NodeAddr=b[1-2]\n", .words = "slurm.conf line 1: NodeAddr names 2 hosts, NodeName 3"},
    {.slurm = "NodeName=a State=BROKEN\n", .words = "slurm.conf line 1: State: unknown word 'BROKEN'"},
    {.slurm = "NodeName=a CPUs=0\n", .words = "slurm.conf line 1: CPUs: 0 is below 1"},
    {.slurm = "NodeName=a CPUs=5000\n", .words = "slurm.conf line 1: CPUs: 5000 is above 4096"},
    {.slurm = "GresTypes=gpu\nNodeName=a Gres=gpu:x:y:4\n", .words = "slurm.conf line 2: Gres: 'gpu:x:y:4' is not name[:type]:count"},
    {.slurm = "GresTypes=gpu\nNodeName=a Gres=gpu:x:no_consume:4\n", .words = "slurm.conf line 2: Gres: no_consume is not supported: gpu:x:no_consume:4"},
    {.slurm = NODES "DownNodes=n9\n", .words = "slurm.conf line 2: DownNodes: there is no NodeName line for n9"},
    {.slurm = "NodeSet=x\n", .words = "slurm.conf line 1: NodeSet wants a name and Nodes= or Feature="},
    /* partitions */
    {.slurm = NODES "PartitionName=p Nodes=n[3-5]\n", .words = "slurm.conf line 2: Nodes: there is no NodeName line for n5"},
    {.slurm = NODES "PartitionName=p Nodes=n1\nPartitionName=p Nodes=n2\n", .words = "slurm.conf line 3: partition p has a line already"},
    {.slurm = "PartitionName=a,b\n", .words = "slurm.conf line 1: PartitionName: 'a,b' is not the name of one partition"},
    {.slurm = "PartitionName=p MaxTime=tomorrow\n", .words = "slurm.conf line 1: MaxTime: 'tomorrow' is not a time ([days-]hours:minutes:seconds, minutes, or UNLIMITED)"},
    {.slurm = "PartitionName=p State=SIDEWAYS\n", .words = "slurm.conf line 1: State: unknown word 'SIDEWAYS'"},
    {.slurm = "PartitionName=p MinNodes=3 MaxNodes=2\n", .words = "slurm.conf line 1: MaxNodes of p is below its MinNodes"},
    {.slurm = "PartitionName=p OverSubscribe=SOME\n", .words = "slurm.conf line 1: OverSubscribe: 'SOME' is none of NO, EXCLUSIVE, YES, FORCE"},
    {.slurm = "PartitionName=p ReqResv=YES\n", .words = "slurm.conf line 1: ReqResv=YES is not supported: a partition cannot ask for reservations in this version: keep others off its nodes with one"},
    {.slurm = "PartitionName=p DenyAccounts=x\n", .words = "slurm.conf line 1: DenyAccounts=x is not supported: name those allowed with AllowAccounts"},
    {.slurm = "PartitionName=p MaxMemPerCPU=1 MaxMemPerNode=1\n", .words = "slurm.conf line 1: MaxMemPerNode and MaxMemPerCPU (slurm.conf line 1) exclude each other"},
    /* gres.conf */
    {.slurm = NODES, .gres = "\nNodeName=n9 Name=gpu\n", .words = "gres.conf line 2: NodeName: there is no NodeName line for n9"},
    {.slurm = NODES, .gres = "Name=gpu Fil=/dev/x\n", .words = "gres.conf line 1: unknown key 'Fil' (did you mean File?)"},
    {.slurm = NODES, .gres = "NodeName=n1 File=/dev/x\n", .words = "gres.conf line 1: the line has no Name="},
    {.slurm = NODES, .gres = "Name=gpu Count=3 File=/dev/x[0-1]\n", .words = "gres.conf line 1: Count=3, but File=/dev/x[0-1] is 2 files"},
    {.slurm = NODES, .gres = "Name=gpu File=/dev/x0\nNodeName=n2 Name=gpu File=/dev/x[0-1]\n", .words = "gres.conf line 2: File=/dev/x0 is given to gpu already (gres.conf line 1)"},
    {.slurm = NODES, .gres = "Name=gpu File=x0\n", .words = "gres.conf line 1: File=x0 is not a whole path"},
    {.slurm = NODES, .gres = "Name=gpu File=/dev/a MultipleFiles=/dev/b\n", .words = "gres.conf line 1: File and MultipleFiles exclude each other"},
    {.slurm = NODES, .gres = "Name=gpu File=/dev/a Cores=all\n", .words = "gres.conf line 1: Cores: 'all' is not a list of numbers (0-3,8)"},
    {.slurm = NODES, .gres = "Name=gpu File=/dev/a Links=x\n", .words = "gres.conf line 1: Links: 'x' is not a list of numbers"},
    {.slurm = NODES, .gres = "Name=gpu File=/dev/a[0-1] Links=0,-1\n", .words = "gres.conf line 1: Links belongs to a line of one device"},
    {.slurm = NODES, .gres = "Name=gpu Count=many\n", .words = "gres.conf line 1: Count: 'many' is not a number"},
    {.slurm = NODES, .gres = "AutoDetect=nvlm\n", .words = "gres.conf line 1: AutoDetect: unknown word 'nvlm' (did you mean nvml?)"},
    /* the others */
    {.slurm = NODES, .cgroup = "ConstrainCore=yes\n", .words = "cgroup.conf line 1: unknown key 'ConstrainCore' (did you mean ConstrainCores?)"},
    {.slurm = NODES, .tender = "Lease=5\n", .words = "tender.conf line 1: unknown key 'Lease'"},
    {.slurm = NODES, .tender = "LeaseTime=0\n", .words = "tender.conf line 1: LeaseTime: 0 is below 1"},
    {.slurm = NODES, .tender = "TimeLimitResolution=120\n", .words = "tender.conf line 1: TimeLimitResolution: 120 is above 60"},
    {.slurm = NODES, .tender = "PurgeJobAfter=2weeks\n", .words = "tender.conf line 1: PurgeJobAfter: '2weeks' is not an age (12month, 30days, 48hours; 0 = for ever)"},
    {.slurm = NODES, .tender = "NodeFence=on\n", .words = "tender.conf line 1: NodeFence: unknown word 'on'"},
    {.slurm = "SlurmdTimeout=62\n" NODES, .tender = "NodeFence=kill\n", .words = "tender.conf line 1: NodeFence=kill wants a SlurmdTimeout of 63 or more (LeaseTime=30, KillWait=30 and 3 s); it is 62"},
    {.slurm = "SlurmdTimeout=0\n" NODES, .tender = "NodeFence=kill\n", .words = "tender.conf line 1: NodeFence=kill wants a SlurmdTimeout of 63 or more (LeaseTime=30, KillWait=30 and 3 s); it is 0: no node is ever lost"},
    {.slurm = NODES, .tender = "Admins=0,nobody-of-that-name\n", .words = "tender.conf line 1: Admins: there is no user 'nobody-of-that-name'"},
    {.slurm = NODES "PriorityType=priority/multifactor\n", .tender = "QueueOrder=free\n", .words = "tender.conf line 1: QueueOrder=free and PriorityType=priority/multifactor (slurm.conf line 2) exclude each other: priorities would not be looked at"},
    {.slurm = NODES, .tender = "BackfillPolicy=esay\n", .words = "tender.conf line 1: BackfillPolicy: unknown word 'esay' (did you mean easy?)"},
    {.slurm = NODES, .topology = "SwitchName=a Nodes=n1\nSwitchName=b Switches=c\n", .words = "topology.conf line 2: there is no SwitchName line for c"},
    {.slurm = NODES, .topology = "SwitchName=a\n", .words = "topology.conf line 1: a switch wants SwitchName= and either Nodes= or Switches="},
    {.slurm = NODES, .topology = "SwitchName=a Nodes=n1\nSwitchName=a Nodes=n2\n", .words = "topology.conf line 2: switch a has a line already"},
};

/* Messages name the folder where they must; the table says DIR. */
static void with_dir(const struct folder *f, const char *words, char *out, size_t cap)
{
    const char *dir = strstr(words, "DIR");

    if (dir)
        snprintf(out, cap, "%.*s%s%s", (int)(dir - words), words, f->dir, dir + 3);
    else
        snprintf(out, cap, "%s", words);
}

static void slips_are_named(void **state)
{
    struct folder *f = *state;

    for (size_t i = 0; i < TD_ARRAY_LEN(slips); i++) {
        const struct slip *s = &slips[i];
        struct td_conf *untouched = f->conf;
        char want[TD_ERROR_TEXT_MAX];
        folder_put(f, "slurm.conf", s->slurm);
        folder_put(f, "gres.conf", s->gres ? s->gres : "");
        folder_put(f, "cgroup.conf", s->cgroup ? s->cgroup : "");
        folder_put(f, "tender.conf", s->tender ? s->tender : "");
        folder_put(f, "topology.conf", s->topology ? s->topology : "");
        f->err = (struct td_error){0};
        int r = td_conf_load(f->path, &f->conf, &f->err);
        with_dir(f, s->words, want, sizeof(want));
        if (r >= 0)
            fail_msg("taken, but should be: %s", want);
        assert_string_equal(f->err.text, want);
        assert_true(r == -TD_E_CONF || r == -TD_E_NOT_SUPPORTED);
        assert_int_equal(r, -f->err.code);
        assert_ptr_equal(f->conf, untouched); /* untouched on failure */
    }
}

/* Each success has its twin in the table above; these are the ones next to the edge. */
static void the_nearest_good_ones_load(void **state)
{
    static const struct slip good[] = {
        {.slurm = NODES, .gres = "Name=gpu Count=2 File=/dev/x[0-1]\nName=mps Count=100 File=/dev/x0\n"},
        {.slurm = NODES, .gres = "NodeName=n1 Name=gpu File=/dev/x0\nNodeName=n2 Name=gpu File=/dev/x[0-1] Links=\n"},
        {.slurm = NODES, .gres = "AutoDetect=nvml\nNodeName=n1 AutoDetect=off Name=gpu Count=2K\n"},
        {.slurm = NODES, .tender = "NodeFence=off\nLeaseTime=1\n"},
        {.slurm = NODES, .tender = "NodeFence=kill\n"},
        {.slurm = "SlurmdTimeout=63\n" NODES, .tender = "NodeFence=kill\n"},
        {.slurm = NODES "PartitionName=p Nodes=ALL ReqResv=NO DefMemPerCPU=0 DefMemPerNode=0\n"},
        {.slurm = "SuspendTime=-1\nKillWait=65533\nMaxJobCount=UNLIMITED\nDefMemPerNode=UNLIMITED\n"},
    };
    struct folder *f = *state;

    for (size_t i = 0; i < TD_ARRAY_LEN(good); i++) {
        folder_put(f, "gres.conf", good[i].gres ? good[i].gres : "");
        folder_put(f, "tender.conf", good[i].tender ? good[i].tender : "");
        folder_conf(f, good[i].slurm);
    }
}

static void files_that_can_not_be_read(void **state)
{
    struct folder *f = *state;
    char want[256];

    assert_int_equal(td_conf_load(f->path, &f->conf, &f->err), -TD_E_CONF);
    snprintf(want, sizeof(want), "cannot read %s: No such file or directory", f->path);
    assert_string_equal(f->err.text, want);
    assert_int_equal(td_conf_load(f->dir, &f->conf, &f->err), -TD_E_CONF);
    snprintf(want, sizeof(want), "cannot read %s: not a file", f->dir);
    assert_string_equal(f->err.text, want);

    FILE *out = fopen(f->path, "w");
    assert_non_null(out);
    fwrite("KillWait=1\nMin\0Job=2\n", 1, 20, out);
    fclose(out);
    assert_int_equal(td_conf_load(f->path, &f->conf, &f->err), -TD_E_CONF);
    assert_string_equal(f->err.text, "slurm.conf line 2: a zero byte");
}

/* Limits: at the limit it loads, one more is refused by name. */
static void limits_are_named(void **state)
{
    struct folder *f = *state;
    char text[256];

    snprintf(text, sizeof(text), "NodeName=n[1-%u]\n", (unsigned)TD_MAX_NODES);
    assert_int_equal(count_nodes(folder_conf(f, text)), TD_MAX_NODES);
    snprintf(text, sizeof(text), "NodeName=n[1-%u]\nNodeName=m\n", (unsigned)TD_MAX_NODES);
    folder_put(f, "slurm.conf", text);
    td_conf_destroy(&f->conf);
    assert_int_equal(td_conf_load(f->path, &f->conf, &f->err), -TD_E_TOO_BIG);
    assert_string_equal(f->err.text, "slurm.conf line 2: more than 65536 nodes");

    char reason[TD_MAX_TEXT_BYTES + 64];
    memset(reason, 'x', sizeof(reason));
    memcpy(reason, "NodeName=a Reason=", 18);
    strcpy(reason + 18 + TD_MAX_TEXT_BYTES, "\n");
    folder_conf(f, reason);
    strcpy(reason + 18 + TD_MAX_TEXT_BYTES, "x\n");
    folder_put(f, "slurm.conf", reason);
    td_conf_destroy(&f->conf);
    assert_int_equal(td_conf_load(f->path, &f->conf, &f->err), -TD_E_TOO_BIG);
    assert_string_equal(f->err.text, "slurm.conf line 1: Reason is longer than 1024 bytes");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(slips_are_named, folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(the_nearest_good_ones_load, folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(files_that_can_not_be_read, folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(limits_are_named, folder_setup, folder_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
