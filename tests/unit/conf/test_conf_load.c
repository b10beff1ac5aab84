/* test_conf_load.c - what a good configuration comes to */
#include "folder.h"

static void no_file_is_a_cluster(void **state)
{
    struct folder *f = *state;

    assert_int_equal(td_conf_load(NULL, &f->conf, &f->err), 0);
    const struct td_settings *s = &f->conf->settings;
    assert_null(f->conf->path);
    assert_string_equal(s->cluster, "tender");
    assert_true(s->elastic);
    assert_true(s->core_is_unit);
    assert_false(s->memory_counts);
    assert_true(s->requeue);
    assert_int_equal(s->depth, 0); /* as the policy has it */
    assert_string_equal(s->backfill, "easy");
    assert_int_equal(s->node_timeout_s, 300);
    assert_int_equal(s->kill_wait_s, 30);
    assert_int_equal(s->min_job_age_s, 300);
    assert_int_equal(s->max_array, 0);
    assert_int_equal(s->max_jobs, 0);
    assert_int_equal(s->inactive_s, 0);
    assert_int_equal(s->first_job, 1);
    assert_int_equal(f->conf->nodes.n, 0);
    assert_int_equal(f->conf->partitions.n, 1);
    const struct td_partition_conf *p = &f->conf->partitions.v[0];
    assert_string_equal(p->name, "normal");
    assert_true(p->is_default);
    assert_string_equal(p->nodes, "ALL");
    assert_string_equal(p->state, "UP");
    assert_int_equal(p->max_s, TD_INFINITE);
    assert_int_equal(f->conf->notes.n, 0);
}

static const char *note_of(const struct td_conf *c, const char *word)
{
    for (uint32_t i = 0; i < c->notes.n; i++)
        if (strstr(c->notes.v[i], word))
            return c->notes.v[i];
    return NULL;
}

static void timeout_below_the_lease(void **state)
{
    static const char below[] = "ClusterName=c\nNodeName=n1 CPUs=2\nSlurmdTimeout=10\nPartitionName=p Nodes=n1\n";
    struct folder *f = *state;

    const char *note = note_of(folder_conf(f, below), "SlurmdTimeout");
    assert_non_null(note);
    assert_non_null(strstr(note, "slurm.conf line 3: SlurmdTimeout=10 is below the lease"));
    assert_non_null(strstr(note, "after 30 s (LeaseTime of tender.conf)"));
    td_conf_destroy(&f->conf);
    folder_put(f, "tender.conf", "LeaseTime=10\n");
    assert_null(note_of(folder_conf(f, below), "SlurmdTimeout"));
}

/* The facts of the guide's cluster, in our own lines. */
static const char guide[] =
    "ClusterName=korea\n"
    "ControlMachine=master\n"
    "SlurmctldTimeout=300\n"
    "SlurmdTimeout=300\n"
    "Waittime=0\n"
    "SelectType=select/cons_res\n"
    "SelectTypeParameters=CR_Core\n"
    "DefMemPerCPU=0\n"
    "FastSchedule=1\n"
    "PriorityUsageResetPeriod=0\n"
    "AccountingStoreJobComment = YES\n"
    "PrologFlags=x11      # forwarding\n"
    "GresTypes=gpu\n"
    "NodeName=node[1-3] Procs=32  Sockets=2 CoresPerSocket=8 ThreadsPerCore=2  RealMemory=102400  TmpDisk=51200 "
    "Gres=gpu:TitanXp:4  Feature=TitanXp,DellT640  # Dell\n"
    "PartitionName=cpu Default=Yes MinNodes=1 DefaultTime=12:00:00 MaxTime=1-12:00:00 Priority=1 DisableRootJobs=NO "
    "RootOnly=NO Hidden=NO Shared=NO GraceTime=0 ReqResv=NO AllowAccounts=ALL AllowQos=ALL LLN=NO Nodes=node[1-3]\n"
    "PartitionName=gpu MaxNodes=2 MaxTime=6-24:00:00 Priority=1 Shared=EXCLUSIVE Nodes=node[1-2]\n";

static void guides_cluster(void **state)
{
    struct folder *f = *state;

    folder_put(f, "gres.conf",
               "Nodename=node[1-3]    Name=gpu  Type=TitanXp  File=/dev/nvidia0  CPUs=0-1\n"
               "Nodename=node[1-3]    Name=gpu  Type=TitanXp  File=/dev/nvidia1  CPUs=2-3\n"
               "Nodename=node01,node[1-3] Name=gpu Type=TitanXp File=/dev/nvidia[2-3]\n");
    folder_put(f, "tender.conf", "Elastic=yes\n");
    const struct td_conf *c = folder_conf(f, guide);
    assert_string_equal(c->control_host, "master");
    assert_null(c->control_address);
    assert_string_equal(c->settings.cluster, "korea");
    assert_true(c->settings.elastic);
    assert_int_equal(count_nodes(c), 3);

    struct td_node_conf n;
    assert_true(td_conf_node(c, "node2", &f->arena, &n));
    assert_string_equal(n.names, "node2");
    assert_int_equal(n.cpus, 32);
    assert_int_equal(n.sockets, 2);
    assert_int_equal(n.cores_per_socket, 8);
    assert_int_equal(n.threads_per_core, 2);
    assert_int_equal(n.memory_mb, 102400);
    assert_int_equal(n.tmp_mb, 51200);
    assert_string_equal(n.gres, "gpu:TitanXp:4");
    assert_string_equal(n.features, "TitanXp,DellT640");
    assert_false(td_conf_node(c, "node4", &f->arena, &n));

    assert_int_equal(c->partitions.n, 2);
    assert_true(c->partitions.v[0].is_default);
    assert_int_equal(c->partitions.v[0].default_s, 12 * 3600);
    assert_int_equal(c->partitions.v[0].max_s, 36 * 3600);
    assert_int_equal(c->partitions.v[0].nodes_max, TD_INFINITE);
    assert_string_equal(c->partitions.v[0].oversubscribe, "NO");
    assert_null(c->partitions.v[0].allow_accounts);
    assert_false(c->partitions.v[1].is_default);
    assert_int_equal(c->partitions.v[1].max_s, 7 * 86400); /* 24 hours are a day */
    assert_int_equal(c->partitions.v[1].nodes_max, 2);
    assert_true(c->partitions.v[1].exclusive);

    const struct td_conf_gres *g;
    assert_int_equal(td_conf_gres_of(c, "node3", &f->arena, &g), 3);
    assert_string_equal(g[0].file, "/dev/nvidia0");
    assert_string_equal(g[0].cores, "0-1");
    assert_string_equal(g[0].type, "TitanXp");
    assert_int_equal(g[0].count, 1);
    assert_int_equal(g[2].count, 2);
    assert_int_equal(td_conf_gres_of(c, "node01", &f->arena, &g), 1);
    assert_int_equal(td_conf_gres_of(c, "elsewhere", &f->arena, &g), 0);

    assert_true(has_note(c, "slurm.conf line 2: ControlMachine is the old name of SlurmctldHost"));
    assert_true(has_note(c, "slurm.conf line 9: FastSchedule has no effect"));
    assert_true(has_note(c, "slurm.conf line 11: AccountingStoreJobComment has no effect"));
    assert_false(has_note(c, "Wait")); /* 0 is what happens anyway */
}

static void samples_load(void **state)
{
    struct folder *f = *state;

    assert_int_equal(td_conf_load(TD_SOURCE_DIR "/conf/samples/slurm.conf", &f->conf, &f->err), 0);
    assert_int_equal(count_nodes(f->conf), 3);
    assert_int_equal(f->conf->partitions.n, 2);
    assert_int_equal(f->conf->ngres, 2);
    assert_true(f->conf->constrain_cores);
    assert_false(f->conf->constrain_devices);
    assert_false(f->conf->constrain_ram);
    assert_true(f->conf->task_affinity);
    assert_string_equal(f->conf->state_dir, "/var/spool/tender");
    for (uint32_t i = 0; i < f->conf->notes.n; i++) /* a sample says nothing that has no effect */
        fail_msg("%s", f->conf->notes.v[i]);
}

/* tender.conf's sample shows defaults: with it and without it the same comes out. */
static void sample_of_tender_conf_is_the_default(void **state)
{
    struct folder *f = *state;
    struct td_conf *plain = NULL;

    folder_put(f, "slurm.conf", "NodeName=a\nPartitionName=p Nodes=a\n");
    assert_int_equal(td_conf_load(f->path, &plain, &f->err), 0);
    char target[512];
    snprintf(target, sizeof(target), "%s/tender.conf", f->dir);
    assert_int_equal(symlink(TD_SOURCE_DIR "/conf/samples/tender.conf", target), 0);
    folder_load(f);
    assert_true(td_record_equal(&td_rec_settings, &plain->settings, &f->conf->settings));
    assert_int_equal(plain->snapshot_events, f->conf->snapshot_events);
    assert_int_equal(plain->keep_events, f->conf->keep_events);
    assert_int_equal(plain->low_space_mb, f->conf->low_space_mb);
    assert_int_equal(plain->purge_jobs_h, f->conf->purge_jobs_h);
    assert_int_equal(plain->input_log, f->conf->input_log);
    td_conf_destroy(&plain);
}

/* The line edits that administrators' recipes make must find their lines. */
static void sample_is_spelled_for_line_editors(void **state)
{
    static const char *const spellings[] = {
        "\nSlurmctldHost=", "\nClusterName=", "\nNodeName=", "Oversubscribe=EXCLUSIVE", "jobacct_gather/none",
        "=task/affinity\n", "proctrack/pgid", "\nReturnToService=1\n",
    };
    char text[8192] = "";
    FILE *in = fopen(TD_SOURCE_DIR "/conf/samples/slurm.conf", "r");

    (void)state;
    assert_non_null(in);
    text[fread(text, 1, sizeof(text) - 1, in)] = '\0';
    fclose(in);
    for (size_t i = 0; i < TD_ARRAY_LEN(spellings); i++)
        if (!strstr(text, spellings[i]))
            fail_msg("the sample has no '%s'", spellings[i]);
}

static void syntax_of_lines(void **state)
{
    struct folder *f = *state;

    folder_put(f, "more.conf", "partitionname=DEFAULT State=DOWN MaxTime=30\n"
                               "PARTITIONNAME=two NODES=a1,b[08-10]\n");
    folder_put(f, "tender.conf", "LeaseTime = 5 # blanks\nTimeLimitResolution=1\nAdmins=0,root,1234\n");
    const struct td_conf *c = folder_conf(
        f, "\xef\xbb\xbf# a byte order mark, carriage returns, blanks, quotes, continuations\r\n"
           "clustername = Korea\r\n"
           "NodeName=DEFAULT CPUs=4\\\n"
           "   Feature=\"x,y\" \\ # a comment behind the backslash\n"
           "   Weight=7\n"
           "NodeName=a1 Reason=\"not # a comment\" State=drain\n"
           "NodeName=DEFAULT CPUs=8\n"
           "NodeName=b[08-10] NodeAddr=x[1-3]\n"
           "NodeName=c\\#1\n"
           "SlurmctldHost=m1(10.0.0.1)\n"
           "SlurmctldHost=m2\n"
           "   \n"
           "KillWait=10 MinJobAge=20\n"
           "KillWait=11\n"
           "Include more.conf\n"
           "PartitionName=three Nodes= \n");
    assert_string_equal(c->settings.cluster, "korea");
    assert_int_equal(c->settings.kill_wait_s, 11);
    assert_int_equal(c->settings.min_job_age_s, 20);
    assert_int_equal(c->settings.lease_ms, 5000);
    assert_int_equal(c->settings.limit_round_s, 1);
    assert_int_equal(c->settings.admins.n, 3);
    assert_int_equal(c->settings.admins.v[1], 0);
    assert_int_equal(c->settings.admins.v[2], 1234);
    assert_true(has_note(c, "slurm.conf line 14: KillWait is set again (before: slurm.conf line 13); the last one counts"));
    assert_true(has_note(c, "line 11: only the first SlurmctldHost counts"));
    assert_string_equal(c->control_host, "m1");
    assert_string_equal(c->control_address, "10.0.0.1");
    assert_string_equal(shown(c, "SlurmctldHost[0]"), "m1(10.0.0.1)");
    assert_string_equal(shown(c, "SlurmctldHost[1]"), "m2");

    struct td_node_conf n;
    assert_true(td_conf_node(c, "a1", &f->arena, &n));
    assert_int_equal(n.cpus, 4);
    assert_int_equal(n.weight, 7);
    assert_string_equal(n.features, "x,y");
    assert_string_equal(n.reason, "not # a comment");
    assert_string_equal(n.state, "DRAIN");
    assert_true(td_conf_node(c, "b09", &f->arena, &n));
    assert_int_equal(n.cpus, 8);
    assert_string_equal(n.address, "x2");
    assert_string_equal(n.features, "x,y");
    assert_true(td_conf_node(c, "c#1", &f->arena, &n));

    assert_int_equal(c->partitions.n, 2);
    assert_string_equal(c->partitions.v[0].name, "two");
    assert_int_equal(c->partitions.v[0].max_s, 1800);
    assert_string_equal(c->partitions.v[0].state, "DOWN");
    assert_true(td_str_empty(c->partitions.v[1].nodes));
}

static void down_nodes_and_node_sets(void **state)
{
    struct folder *f = *state;
    const struct td_conf *c = folder_conf(f, "PartitionName=p Nodes=fast,n5\n"
                                             "DownNodes=n[2-3] State=DRAIN Reason=\"power, ETA=Dec25\"\n"
                                             "NodeSet=fast Nodes=n[1-2] Feature=ssd\n"
                                             "NodeName=n[1-4]\n"
                                             "NodeName=n[5-6] Feature=big\n"
                                             "NodeName=n7 Feature=ssd,big\n");
    struct td_node_conf n;
    assert_int_equal(count_nodes(c), 7);
    assert_true(td_conf_node(c, "n3", &f->arena, &n));
    assert_string_equal(n.state, "DRAIN");
    assert_string_equal(n.reason, "power, ETA=Dec25");
    assert_true(td_conf_node(c, "n4", &f->arena, &n));
    assert_string_equal(n.state, "UNKNOWN");
    assert_string_equal(c->partitions.v[0].nodes, "n[1-2],n7,n5");
}

static void what_is_counted(void **state)
{
    struct folder *f = *state;
    static const struct {
        const char *parameters;
        bool core, memory;
    } rows[] = {
        {"CR_Core", true, false},
        {"cr_core_memory", true, true},
        {"CR_CPU", false, false},
        {"CR_CPU_Memory,CR_ONE_TASK_PER_CORE", false, true},
        {"CR_Socket_Memory", true, true},
        {"CR_Memory", true, true},
    };

    for (size_t i = 0; i < TD_ARRAY_LEN(rows); i++) {
        char text[256];
        snprintf(text, sizeof(text), "SelectTypeParameters=%s\nNodeName=a\nPartitionName=p Nodes=a\n", rows[i].parameters);
        const struct td_conf *c = folder_conf(f, text);
        assert_int_equal(c->settings.core_is_unit, rows[i].core);
        assert_int_equal(c->settings.memory_counts, rows[i].memory);
    }
    folder_put(f, "tender.conf", "BackfillPolicy=Conservative\nBackfillDepth=20\n");
    const struct td_conf *c = folder_conf(f, "SelectType=select/linear\nSchedulerType=sched/builtin\nReturnToService=2\n"
                                             "DefMemPerNode=100\nMaxMemPerCPU=50\nOverTimeLimit=UNLIMITED\nJobRequeue=0\n"
                                             "MaxJobCount=10\nMaxArraySize=100\nNodeName=a\nPartitionName=p Nodes=a\n");
    assert_int_equal(c->settings.limit_round_s, 60);
    assert_string_equal(c->settings.backfill, "conservative");
    assert_int_equal(c->settings.depth, 20);
    assert_true(c->partitions.v[0].exclusive);
    assert_int_equal(c->settings.return_to_service, 2);
    assert_int_equal(c->settings.def_mem_mb_per_node, 100);
    assert_int_equal(c->settings.max_mem_mb_per_cpu, 50);
    assert_int_equal(c->settings.over_time_s, TD_INFINITE);
    assert_false(c->settings.requeue);
    assert_int_equal(c->settings.max_jobs, 10);
    assert_int_equal(c->settings.max_array, 100);
    unlink(f->path);
    folder_put(f, "tender.conf", "");
    c = folder_conf(f, "SchedulerType=sched/builtin\nNodeName=a\nPartitionName=p Nodes=a\n");
    assert_string_equal(c->settings.backfill, "fifo");
}

static void how_long_the_history_is_kept(void **state)
{
    struct folder *f = *state;
    static const struct {
        const char *dbd, *tender;
        uint32_t hours;
    } rows[] = {
        {NULL, NULL, 24 * 31 * 24},
        {"", "PurgeJobAfter=0\n", 0},
        {"PurgeJobAfter=2\n", "", 2 * 31 * 24},
        {"PurgeJobAfter=2m\n", "", 2 * 31 * 24},
        {"PurgeJobAfter=30DAY\n", "", 30 * 24},
        {"PurgeJobAfter=30days\n", "PurgeJobAfter=48hours\n", 48},
    };

    for (size_t i = 0; i < TD_ARRAY_LEN(rows); i++) {
        if (rows[i].dbd)
            folder_put(f, "slurmdbd.conf", rows[i].dbd);
        if (rows[i].tender)
            folder_put(f, "tender.conf", rows[i].tender);
        assert_int_equal(folder_conf(f, "NodeName=a\nPartitionName=p Nodes=a\n")->purge_jobs_h, rows[i].hours);
    }
}

/* scontrol show config: order and forms. Values not set here are defaults. */
static void show_config(void **state)
{
    struct folder *f = *state;
    static const struct {
        const char *key, *value;
    } rows[] = { /* in the order in which they are printed */
        {"AccountingStorageTRES", "cpu,mem,energy,node,billing,fs/disk,vmem,pages,gres/gpu"},
        {"AcctGatherNodeFreq", "0 sec"},
        {"AllowSpecResourcesUsage", "No"},
        {"BOOT_TIME", ""},
        {"ClusterName", "korea"},
        {"DefMemPerNode", "UNLIMITED"},
        {"EpilogMsgTime", "2000 usec"},
        {"JobFileAppend", "0"},
        {"JobRequeue", "1"},
        {"KillWait", "30 sec"},
        {"MinJobAge", "400 sec"},
        {"OverTimeLimit", "5 min"},
        {"PowerPlugin", ""},
        {"PreemptExemptTime", "00:00:00"},
        {"PriorityDecayHalfLife", "14-00:00:00"},
        {"PriorityFlags", ""},
        {"PriorityType", "priority/multifactor"},
        {"ResumeRate", "300 nodes/min"},
        {"SchedulerTimeSlice", "30 sec"},
        {"SelectTypeParameters", "CR_CORE_MEMORY"},
        {"SlurmctldDebug", "info"},
        {"SlurmctldTimeout", "300 sec"},
        {"SLURM_CONF", NULL},
        {"SuspendTime", "INFINITE"},
        {"TopologyParam", "(null)"},
        {"VSizeFactor", "0 percent"},
        {"Cgroup Support Configuration:", ""},
        {"AllowedRAMSpace", "100.0%"},
        {"ConstrainCores", "yes"},
        {"MinRAMSpace", "30 MB"},
    };
    folder_put(f, "cgroup.conf", "ConstrainCores=yes\n");
    const struct td_conf *c = folder_conf(
        f, "ClusterName=korea\nSlurmctldTimeout=300\nSlurmctldDebug=3\nMinJobAge=400\nOverTimeLimit=5\n"
           "SelectTypeParameters=CR_Core_Memory\nPriorityType=priority/multifactor\nPriorityDecayHalfLife=14-0\n"
           "AccountingStorageTRES=gres/gpu\nAccountingStoragePass=secret\nJobCompPass=secret\n"
           "NodeName=a\nPartitionName=p Nodes=a\n");
    uint32_t at = 0;
    for (size_t i = 0; i < TD_ARRAY_LEN(rows); i++) {
        while (at < c->all.n && strcmp(c->all.v[at].key, rows[i].key) != 0)
            at++;
        if (at == c->all.n)
            fail_msg("no %s, or not behind %s", rows[i].key, i ? rows[i - 1].key : "the start");
        assert_string_equal(c->all.v[at].value, rows[i].value ? rows[i].value : f->path);
    }
    for (uint32_t i = 0; i < c->all.n; i++)
        assert_null(strstr(c->all.v[i].value, "secret"));
    for (uint32_t i = 0; i < c->notes.n; i++)
        assert_null(strstr(c->notes.v[i], "secret"));
    assert_null(shown(c, "DefMemPerCPU"));
    c = folder_conf(f, "DefMemPerCPU=100\nNodeName=a\nPartitionName=p Nodes=a\n");
    assert_string_equal(shown(c, "DefMemPerCPU"), "100");
    assert_null(shown(c, "DefMemPerNode"));
    assert_null(shown(c, "PriorityWeightAge")); /* only with priority/multifactor */
    assert_string_equal(shown(c, "PropagateResourceLimits"), "ALL");
    assert_null(c->propagate);
    c = folder_conf(f, "PropagateResourceLimitsExcept=MEMLOCK\nNodeName=a\nPartitionName=p Nodes=a\n");
    assert_string_equal(shown(c, "PropagateResourceLimits"), "(null)");
    assert_null(c->propagate);
    assert_string_equal(c->propagate_except, "MEMLOCK");
}

/* Every key that the guide's recipes write somewhere, at once. */
static void every_key_of_the_recipes(void **state)
{
    struct folder *f = *state;

    folder_put(f, "slurmdbd.conf",
               "ArchiveEvents=yes\nArchiveJobs=yes\nArchiveSteps=no\nArchiveSuspend=no\nAuthType=auth/munge\n"
               "DbdAddr=localhost\nDbdHost=master\nSlurmUser=slurm\nDebugLevel=4\nLogFile=/var/log/slurmdbd.log\n"
               "PidFile=/run/slurmdbd.pid\nPurgeEventAfter=1month\nPurgeJobAfter=12month\nPurgeStepAfter=1month\n"
               "PurgeSuspendAfter=1month\nTrackWCKey=no\nStorageType=accounting_storage/mysql\nStoragePass=secret\n"
               "StorageUser=slurm\nStorageLoc=slurm_acct_db\n");
    const struct td_conf *c = folder_conf(
        f, "ClusterName=a\nControlMachine=m\nSlurmUser=slurm\nSlurmctldPort=6817\nSlurmdPort=6818\nAuthType=auth/munge\n"
           "StateSaveLocation=/var/spool/slurm/ctld\nSlurmdSpoolDir=/var/spool/slurm/d\nSwitchType=switch/none\n"
           "MpiDefault=none\nSlurmctldPidFile=/run/a\nSlurmdPidFile=/run/b\nProctrackType=proctrack/pgid\n"
           "TaskPlugin=task/affinity,task/cgroup\nSlurmctldTimeout=300\nSlurmdTimeout=300\nInactiveLimit=0\nMinJobAge=300\n"
           "KillWait=30\nWaittime=0\nReturnToService=1\nSlurmctldDebug=3\nSlurmdDebug=3\nSlurmctldLogFile=/var/log/a\n"
           "SlurmdLogFile=/var/log/b\nPropagateResourceLimitsExcept=MEMLOCK\nEpilog=/etc/slurm/slurm.epilog.clean\n"
           "PrologFlags=x11 # trailing\nLaunchParameters=use_interactive_step\nSlurmctldParameters=enable_configless\n"
           "SchedulerType=sched/backfill\nSelectType=select/cons_res\nSelectTypeParameters=CR_Core\nDefMemPerCPU=0\n"
           "FastSchedule=1\nPriorityType=priority/multifactor\nPriorityDecayHalfLife=7-0\nPriorityUsageResetPeriod=0\n"
           "PriorityMaxAge=7\nPriorityWeightAge=1\nPriorityWeightAssoc=1\nPriorityWeightFairshare=1\nPriorityWeightJobSize=1\n"
           "PriorityWeightPartition=1\nPriorityWeightQOS=1\nPriorityWeightTRES=cpu=1\nPrioritySiteFactorPlugin=x\n"
           "AccountingStorageType=accounting_storage/filetxt\nAccountingStorageLoc=/var/log/acct\n"
           "AccountingStoreJobComment = YES\nJobCompType=jobcomp/filetxt\nJobCompLoc=/var/log/jobcomp\n"
           "JobAcctGatherType=jobacct_gather/linux\nJobAcctGatherFrequency=30\nGresTypes=gpu\n"
           "NodeName=n1 CPUs=4 Sockets=1 CoresPerSocket=4 ThreadsPerCore=1 RealMemory=1 TmpDisk=1 Gres=gpu:1 Feature=x State=UNKNOWN\n"
           "PartitionName=p Default=YES Nodes=n1 MinNodes=1 MaxNodes=1 DefaultTime=24:00:00 MaxTime=3-00:00:00 State=UP Priority=1 "
           "DisableRootJobs=NO RootOnly=NO Hidden=NO Oversubscribe=NO GraceTime=0 ReqResv=NO AllowAccounts=ALL AllowQos=ALL LLN=NO\n"
           "ReturnToService=1\n");
    assert_true(has_note(c, "AccountingStorageLoc is obsolete"));
    assert_true(has_note(c, "slurmdbd.conf lines"));
    assert_int_equal(c->purge_jobs_h, 12 * 31 * 24);
    assert_true(has_note(c, "ReturnToService is set again"));
    for (uint32_t i = 0; i < c->notes.n; i++)
        assert_null(strstr(c->notes.v[i], "secret"));
    assert_int_equal(c->partitions.v[0].default_s, 86400);
}

/* Weights, half-lives and what accounting enforces are settings; a word or weight that is not known stops the file. */
static void priorities_are_settings(void **state)
{
    struct folder *f = *state;
    const struct td_conf *c = folder_conf(
        f, "PriorityType=priority/multifactor\nPriorityDecayHalfLife=14-0\nPriorityCalcPeriod=2\nPriorityMaxAge=1-0\nPriorityFavorSmall=YES\n"
           "PriorityFlags=ACCRUE_ALWAYS,SMALL_RELATIVE_TO_TIME\nPriorityUsageResetPeriod=MONTHLY\nPriorityWeightAge=1000\n"
           "PriorityWeightFairshare=4294967295\nPriorityWeightTRES=CPU=1000,Mem=2000,GRES/gpu=3000.5\nAccountingStorageEnforce=associations,qos\n"
           "NodeName=a\nPartitionName=p Nodes=a PriorityJobFactor=10 TRESBillingWeights=CPU=1.0,Mem=0.25G,GRES/gpu=2\n");
    const struct td_priority_conf *p = &c->settings.priority;

    assert_true(p->multifactor && p->favor_small);
    assert_int_equal(p->half_life_s, 14 * 86400);
    assert_int_equal(p->period_s, 120);
    assert_int_equal(p->max_age_s, 86400);
    assert_int_equal(p->flags, TD_PRIORITY_ACCRUE_ALWAYS | TD_PRIORITY_SMALL_RELATIVE_TO_TIME);
    assert_int_equal(p->usage_reset, 4);
    assert_int_equal(p->weight_age, 1000);
    assert_true(p->weight_fair == UINT32_MAX);
    assert_int_equal(p->weight_tres.n, 3);
    assert_string_equal(p->weight_tres.v[2].name, "gres/gpu");
    assert_int_equal(p->weight_tres.v[2].weight, 3000500000);
    assert_int_equal(c->settings.enforce, TD_ENFORCE_ASSOCIATIONS | TD_ENFORCE_QOS);
    assert_int_equal(c->partitions.v[0].priority_factor, 10);
    assert_int_equal(c->partitions.v[0].billing.n, 3);
    assert_int_equal(c->partitions.v[0].billing.v[1].weight, 250000 / 1024); /* of a MiB */
    c = folder_conf(f, "PriorityWeightAge=5\nNodeName=a\nPartitionName=p Nodes=a\n"); /* basic: the weights say nothing */
    assert_false(c->settings.priority.multifactor);
    assert_int_equal(c->settings.priority.weight_age, 0);
    c = folder_conf(f, "PriorityType=priority/multifactor\nPriorityDecayHalfLife=0\nPriorityFlags=MAX_TRES\nAccountingStorageEnforce=limits\nPriorityWeightTRES=CPU=-1000,Mem=5\n"
                       "NodeName=a\nPartitionName=p Nodes=a\n");
    assert_int_equal(c->settings.priority.half_life_s, 0);
    assert_true(has_note(c, "counts for ever"));
    assert_true(has_note(c, "MAX_TRES"));
    assert_true(has_note(c, "not enforced"));
    assert_true(has_note(c, "below 0"));
    assert_int_equal(c->settings.priority.weight_tres.n, 1);
}

/* A tree of switches is checked, not kept, and said to be of no effect; TmpFS has one, and travels with each node. */
static void what_has_no_effect_yet_is_said(void **state)
{
    struct folder *f = *state;

    folder_put(f, "topology.conf", "SwitchName=s1 Nodes=n[1-2]\nSwitchName=s2 Switches=s1\n");
    const struct td_conf *c = folder_conf(f, "TopologyPlugin=topology/tree\nTmpFS=/scratch\nNodeName=n[1-2] CPUs=2\nPartitionName=p Nodes=ALL\n");
    assert_true(has_note(c, "topology.conf has no effect: placement does not look at the network"));
    assert_true(has_note(c, "TopologyPlugin has no effect: placement does not look at the network"));
    assert_false(has_note(c, "TmpFS"));
    assert_string_equal(c->nodes.v[0].tmp_fs, "/scratch");
    folder_put(f, "topology.conf", "# no switch\n");
    c = folder_conf(f, "NodeName=n[1-2] CPUs=2\nPartitionName=p Nodes=ALL\n");
    assert_int_equal(c->notes.n, 0);
    assert_null(c->nodes.v[0].tmp_fs);
}

/* The answer to a slurm.conf that names no partition, and the elastic one. */
static void partitions_missing(void **state)
{
    struct folder *f = *state;
    const struct td_conf *c = folder_conf(f, "NodeName=a CPUs=2\n");

    assert_int_equal(c->partitions.n, 1);
    assert_string_equal(c->partitions.v[0].name, "normal");
    assert_true(has_note(c, "there is no PartitionName line"));
    assert_false(c->settings.elastic);
    folder_put(f, "tender.conf", "Elastic=Yes\n");
    c = folder_conf(f, "ClusterName=a\nPartitionName=p Nodes=not-there-yet Default=YES\n");
    assert_true(c->settings.elastic);
    assert_int_equal(c->notes.n, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(no_file_is_a_cluster, folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(guides_cluster, folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(timeout_below_the_lease, folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(samples_load, folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(sample_of_tender_conf_is_the_default, folder_setup, folder_teardown),
        cmocka_unit_test(sample_is_spelled_for_line_editors),
        cmocka_unit_test_setup_teardown(syntax_of_lines, folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(down_nodes_and_node_sets, folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(what_is_counted, folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(how_long_the_history_is_kept, folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(show_config, folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(every_key_of_the_recipes, folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(priorities_are_settings, folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(what_has_no_effect_yet_is_said, folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(partitions_missing, folder_setup, folder_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
