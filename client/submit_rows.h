/* submit_rows.h - the options that sbatch, srun and salloc have in common: what an allocation is asked for
 *
 * One row, three commands: E is the prefix of their environment variables. The target begins with a struct submit. */
#ifndef TD_CLIENT_SUBMIT_ROWS_H
#define TD_CLIENT_SUBMIT_ROWS_H

#include <stddef.h>

#include "submit.h"

option_take_fn submit_take_array, submit_take_dependency, submit_take_exclusive, submit_take_gpus, submit_take_gpus_per_node, submit_take_gpus_per_task, submit_take_gres, submit_take_hosts, submit_take_licenses, submit_take_mail, submit_take_memory, submit_take_moment, submit_take_nice, submit_take_nodefile, submit_take_nodes, submit_take_open_mode, submit_take_propagate, submit_take_requeue, submit_take_signal, submit_take_text, submit_take_time, submit_take_tmp, submit_take_wait_all_nodes;

#define AT(field) offsetof(struct submit, field)
#define LAYOUT "not honoured yet: tasks are placed by CPUs, memory and devices alone"
#define ALLOCATION_ROWS(E) \
    {"account", 'A', "NAME", submit_take_text, AT(spec.account), "charge this account", E "ACCOUNT", false}, \
    {"begin", 'b', "TIME", submit_take_moment, AT(spec.begin_ms), "not before: 16:00, now+1hour, 2027-01-20T12:34:00", E "BEGIN", false}, \
    {"comment", 0, "TEXT", submit_take_text, AT(spec.comment), "a remark", NULL, false}, \
    {"constraint", 'C', "LIST", submit_take_text, AT(need.features), "features the nodes must have", E "CONSTRAINT", false}, \
    {"contiguous", 0, NULL, opt_flag, AT(need.contiguous), "neighbouring nodes (refused: not supported yet)", NULL, false}, \
    {"cpus-per-gpu", 0, "N", opt_u32, AT(need.cpus_per_gpu), "CPUs for each GPU", E "CPUS_PER_GPU", false}, \
    {"cpus-per-task", 'c', "N", opt_u32, AT(need.cpus_per_task), "CPUs of each task", E "CPUS_PER_TASK", false}, \
    {"deadline", 0, "TIME", submit_take_moment, AT(spec.deadline_ms), "give up if it cannot end by then: 16:00, now+2hours, 2027-01-20T12:34:00", NULL, false}, \
    {"dependency", 'd', "LIST", submit_take_dependency, 0, "wait for other jobs: afterok:12:13, afterany, afternotok, after, aftercorr, singleton", NULL, false}, \
    {"exclude", 'x', "NODES", submit_take_hosts, AT(need.exc_nodes), "none of these nodes (a list, or a file with a / in its name)", NULL, false}, \
    {"gpus", 'G', "[TYPE:]N", submit_take_gpus, 0, "GPUs of the whole job", E "GPUS", false}, \
    {"gpus-per-node", 0, "[TYPE:]N", submit_take_gpus_per_node, 0, "GPUs on each node", E "GPUS_PER_NODE", false}, \
    {"gpus-per-task", 0, "[TYPE:]N", submit_take_gpus_per_task, 0, "GPUs of each task", E "GPUS_PER_TASK", false}, \
    {"gres", 0, "LIST", submit_take_gres, 0, "devices on each node: gpu:2, gpu:TitanXp:2", E "GRES", false}, \
    {"job-name", 'J', "NAME", submit_take_text, AT(spec.name), "name of the job", E "JOB_NAME", false}, \
    {"licenses", 'L', "LIST", submit_take_licenses, AT(spec.licenses), "licences it needs: name, name:2, name:2,name", NULL, false}, \
    {"mem", 0, "SIZE", submit_take_memory, AT(need.mem_mb_per_node), "memory on each node: 4000, 4G, 0 for all of it", E "MEM_PER_NODE", false}, \
    {"mem-per-cpu", 0, "SIZE", submit_take_memory, AT(need.mem_mb_per_cpu), "memory for each CPU", E "MEM_PER_CPU", false}, \
    {"mem-per-gpu", 0, "SIZE", submit_take_memory, AT(need.mem_mb_per_gpu), "memory for each GPU", E "MEM_PER_GPU", false}, \
    {"nice", 0, "[N]", submit_take_nice, 0, "lower the priority by N (100)", NULL, false}, \
    {"nodefile", 'F', "FILE", submit_take_nodefile, AT(need.req_nodes), "these nodes, listed in a file", NULL, false}, \
    {"nodelist", 'w', "NODES", submit_take_hosts, AT(need.req_nodes), "these nodes (a list, or a file with a / in its name)", NULL, false}, \
    {"nodes", 'N', "N", submit_take_nodes, 0, "number of nodes: N, or MIN-MAX", NULL, false}, \
    {"ntasks", 'n', "N", opt_u32, AT(need.ntasks), "number of tasks", NULL, false}, \
    {"ntasks-per-node", 0, "N", opt_u32, AT(need.ntasks_per_node), "tasks on each node", NULL, false}, \
    {"tasks-per-node", 0, "N", opt_u32, AT(need.ntasks_per_node), "", NULL, true}, \
    {"partition", 'p', "NAMES", submit_take_text, AT(need.partition), "partition, or several of which the first that can starts it", E "PARTITION", false}, \
    {"propagate", 0, "[LIST]", submit_take_propagate, 0, "which limits of this shell the job gets: ALL, NONE, CORE, STACK, ...", NULL, false}, \
    {"qos", 'q', "NAME", submit_take_text, AT(spec.qos), "quality of service", E "QOS", false}, \
    {"reservation", 0, "NAME", submit_take_text, AT(spec.reservation), "run in this reservation: on its nodes, in its time", E "RESERVATION", false}, \
    {"time", 't', "TIME", submit_take_time, AT(spec.limit_s), "time limit: minutes, M:S, H:M:S, D-H, D-H:M, D-H:M:S", E "TIMELIMIT", false}, \
    {"time-min", 0, "TIME", submit_take_time, AT(spec.limit_min_s), "shortest limit that would do", NULL, false}, \
    {"tmp", 0, "SIZE", submit_take_tmp, 0, "temporary disk on each node", NULL, false}, \
    {"wckey", 0, "KEY", submit_take_text, AT(spec.wckey), "workload key", E "WCKEY", false}, \
    {"acctg-freq", 0, "N", opt_warn, 0, "resource usage is taken at the end of a job", NULL, false}, \
    {"cores-per-socket", 0, "N", opt_warn, 0, LAYOUT, NULL, false}, \
    {"cpu-freq", 0, "FREQ", opt_warn, 0, "CPU frequencies are left as they are", NULL, false}, \
    {"delay-boot", 0, "MINUTES", opt_warn, 0, "nodes are not booted on demand", NULL, false}, \
    {"distribution", 'm', "HOW", opt_warn, 0, LAYOUT, E "DISTRIBUTION", false}, \
    {"extra-node-info", 'B', "S[:C[:T]]", opt_warn, 0, LAYOUT, NULL, false}, \
    {"gpu-bind", 0, "HOW", opt_warn, 0, "tasks see all GPUs of the job on their node", E "GPU_BIND", false}, \
    {"gpu-freq", 0, "FREQ", opt_warn, 0, "GPU frequencies are left as they are", NULL, false}, \
    {"gres-flags", 0, "FLAGS", opt_warn, 0, "devices are chosen close to their CPUs anyway, without a guarantee", NULL, false}, \
    {"hint", 0, "HINT", opt_warn, 0, LAYOUT, E "HINT", false}, \
    {"mem-bind", 0, "HOW", opt_warn, 0, "memory is not bound", NULL, false}, \
    {"no-kill", 'k', "[off]", opt_warn, 0, "a job that loses a node is ended, and requeued if it may be", NULL, false}, \
    {"ntasks-per-core", 0, "N", opt_warn, 0, LAYOUT, NULL, false}, \
    {"ntasks-per-gpu", 0, "N", opt_warn, 0, LAYOUT, NULL, false}, \
    {"ntasks-per-socket", 0, "N", opt_warn, 0, LAYOUT, NULL, false}, \
    {"overcommit", 'O', NULL, opt_warn, 0, "every task gets its own CPUs", E "OVERCOMMIT", false}, \
    {"oversubscribe", 's', NULL, opt_warn, 0, "the job's resources are its own; nothing is shared", NULL, false}, \
    {"share", 0, NULL, opt_warn, 0, "the job's resources are its own; nothing is shared", NULL, true}, \
    {"prefer", 0, "LIST", opt_warn, 0, "preferred features are not weighed yet", NULL, false}, \
    {"profile", 0, "WHAT", opt_warn, 0, "there is no profiling", NULL, false}, \
    {"sockets-per-node", 0, "N", opt_warn, 0, LAYOUT, NULL, false}, \
    {"spread-job", 0, NULL, opt_warn, 0, LAYOUT, NULL, false}, \
    {"switches", 0, "N[@TIME]", opt_warn, 0, "the network's switches are not known yet; nodes may be far apart", NULL, false}, \
    {"threads-per-core", 0, "N", opt_warn, 0, LAYOUT, E "THREADS_PER_CORE", false}, \
    {"use-min-nodes", 0, NULL, opt_warn, 0, "the fewest nodes that do are taken anyway", NULL, false}, \
    {"bb", 0, "SPEC", opt_refuse, 0, "there is no burst buffer", NULL, false}, \
    {"bbf", 0, "FILE", opt_refuse, 0, "there is no burst buffer", NULL, false}, \
    {"cluster-constraint", 0, "LIST", opt_refuse, 0, "there are no federations", NULL, false}, \
    {"clusters", 'M', "NAMES", opt_refuse, 0, "a command speaks to one cluster, the one SLURM_CONF names", E "CLUSTERS", false}, \
    {"core-spec", 'S', "N", opt_refuse, 0, "no cores can be kept for the system", E "CORE_SPEC", false}, \
    {"gid", 0, "GROUP", opt_refuse, 0, "a job runs as the one who submits it", NULL, false}, \
    {"gpus-per-socket", 0, "[TYPE:]N", opt_refuse, 0, "ask for GPUs on each node or task", NULL, false}, \
    {"mcs-label", 0, "LABEL", opt_refuse, 0, "there are no security labels", NULL, false}, \
    {"mincpus", 0, "N", opt_refuse, 0, "ask with --cpus-per-task and --ntasks-per-node", NULL, false}, \
    {"network", 0, "TYPE", opt_refuse, 0, "there is no network to configure", NULL, false}, \
    {"power", 0, "FLAGS", opt_refuse, 0, "there is no power management", NULL, false}, \
    {"priority", 0, "N", opt_refuse, 0, "use --nice, or scontrol update priority= as an operator", NULL, false}, \
    {"reboot", 0, NULL, opt_refuse, 0, "nodes are not rebooted for jobs", NULL, false}, \
    {"thread-spec", 0, "N", opt_refuse, 0, "no threads can be kept for the system", NULL, false}, \
    {"uid", 0, "USER", opt_refuse, 0, "a job runs as the one who submits it", NULL, false}

#endif
