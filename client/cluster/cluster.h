/* cluster.h - a local cluster in one folder: its files, its processes
 *
 *   DIR/slurm.conf, gres.conf   what it was started with
 *   DIR/state/                  the broker's: journal, key, run/broker.sock, run/broker.pid; its front's: run/front.*
 *   DIR/nodes/<node>/           one worker's: worker.pid, shepherd.pid, logs, spool
 *   DIR/token                   join token of its workers
 *   DIR/workers                 how each worker was started: node, cpus, topology
 *   DIR/log/                    broker.log, front.log
 *
 * A process belongs to DIR when a pid file names it and its command line holds DIR; nothing else is ever signalled. */
#ifndef TD_CLIENT_CLUSTER_H
#define TD_CLIENT_CLUSTER_H

#include <sys/types.h>

#include "connect.h"

struct cluster {
    char dir[TD_MAX_PATH_BYTES];
    char conf[TD_MAX_PATH_BYTES + 16];
};
/* DIR from --dir, --name or the default; absolute. `make`: creates it. Error: USAGE, IO. */
int cluster_at(const char *dir, const char *name, bool make, struct cluster *ret, struct td_error *err);
/* The folder of the cluster that commands would speak to, or the default one. */
int cluster_current(const char *dir, const char *name, struct cluster *ret, struct td_error *err);
/* Makes commands of this process speak to the cluster of --dir or --name. Without either they find theirs as always, and
 * `ret` stays empty unless it was made by tender up. Error: USAGE, CONF, IO. */
int cluster_select(const char *dir, const char *name, struct cluster *ret, struct td_error *err);

/* --- workers file --- */
struct worker_line {
    const char *node, *topology; /* topology NULL: this machine, or what the conf declares */
    bool elsewhere;              /* of declared nodes: NodeAddr names a host */
    uint32_t cpus;               /* 0: as found or declared */
};
struct worker_lines {
    struct td_arena arena;
    TD_VEC(struct worker_line) v;
};
int workers_load(const struct cluster *c, struct worker_lines *ret, struct td_error *err); /* no file: none */
int workers_save(const struct cluster *c, const struct worker_lines *l, struct td_error *err);
void workers_release(struct worker_lines *l);

/* --- processes --- */
enum process_kind { PROCESS_BROKER, PROCESS_WORKER, PROCESS_SHEPHERD, PROCESS_FRONT };
const char *process_program(enum process_kind kind); /* "tender-broker" */
/* Pid of the cluster's process, 0 when it does not run. */
pid_t process_find(const struct cluster *c, enum process_kind kind, const char *node);
/* Starts a program that lies beside this one: detached, standard input and output on /dev/null, standard error to `err_fd`;
 * ready_fd becomes descriptor 3 of the child (-1: none). */
pid_t process_start(const char *program, char *const argv[], int ready_fd, int err_fd, struct td_error *err);
/* Waits until it is gone; false after the time. */
bool process_wait_gone(pid_t pid, int ms);
bool process_alive(pid_t pid);
bool process_stopped(pid_t pid); /* by a signal, until SIGCONT */
/* Asks with SIGTERM, as often as told, then kills; waits until it is gone. Who may not signal it is told at once. */
enum process_end { PROCESS_GONE, PROCESS_STAYS, PROCESS_NOT_OURS };
enum process_end process_end(pid_t pid, int asks, bool force);
/* Everything below a process, deepest last; itself left out. In the vector, owned by the caller. */
typedef TD_VEC(pid_t) pid_vec;
void process_tree(pid_t root, pid_vec *ret);
/* Folder of our own program. */
int process_beside(const char *program, char *out, size_t cap, struct td_error *err);

int file_write(const char *path, const void *data, size_t len, mode_t mode, struct td_error *err);
int file_read(const char *path, struct td_buf *ret, struct td_error *err); /* error NOT read: IO */
int dirs_make(const char *path, mode_t mode, struct td_error *err);

/* --- down.c --- */
/* A tender down that was killed in between may have left shepherds stopped: they are ended, as it would have done. To be
 * called while no broker runs, or what their jobs come to would be recorded as the jobs' own end. */
void down_finish(const struct cluster *c);
/* Ends all that runs of a cluster and says what. Error: IO. */
int down_all(const struct cluster *c, bool force, struct td_error *err);

/* --- a start that failed (unmake.c) --- */
bool cluster_is_empty(const struct cluster *c); /* the folder is there and holds nothing */
void cluster_unmake(const struct cluster *c, bool was_there); /* nothing was started yet */
void cluster_take_back(const struct cluster *c); /* no worker was */

/* --- conf files of a cluster (local_conf.c) --- */
/* A slurm.conf of our own for nodes that are this machine. */
void local_conf_make(const char *cluster, const struct worker_lines *l, struct td_buf *out);
/* A given slurm.conf fit for a rehearsal: where it lives and who controls it is ours, the rest stays line for line. */
void local_conf_adjust(const char *text, const char *cluster, const char *dir, const char *host, struct td_buf *out);
/* What local_conf_adjust commented out, by name: "Prolog, Epilog". Where the cluster lives is left unsaid. */
void local_conf_left_out(const char *text, struct td_buf *out);
/* A given gres.conf for a machine without those devices: File= that is not here names a stand-in under `devices`, which
 * is made. */
int local_conf_devices(const char *text, const char *devices, struct td_buf *out, struct td_error *err);
/* The nodes a configuration declares, as worker lines. */
int local_conf_nodes(const char *conf, struct worker_lines *ret, struct td_error *err);

/* --- nodes.c --- */
struct node_ills {
    struct td_arena arena;
    TD_VEC(const char *) v; /* sentences */
    uint32_t up, total;
};
/* `conf`: the path of slurm.conf; one that does not load is passed over. */
void node_ills_find(const char *conf, const struct client_nodes *nodes, struct node_ills *ret);
void node_ills_release(struct node_ills *l);
const struct td_node_info *node_find(const struct client_nodes *nodes, const char *name); /* NULL: there is none */

#endif
