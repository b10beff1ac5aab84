/* daemons.c - the programs that stay, as their man pages and the completion show them
 *
 * They parse their options themselves, from the same rows (proto/tbl/daemons.def). */
#include "commands.h"

#include <stddef.h>

#define ROW(name, arg, help) {name, 0, arg, opt_str, 0, help, NULL, false},
static const struct option broker_options[] = {
#define BROKER_OPTION(ID, name, arg, help) ROW(name, arg, help)
#include "tbl/daemons.def"
#undef BROKER_OPTION
    {0},
};
static const struct option front_options[] = {
#define FRONT_OPTION(ID, name, arg, help) ROW(name, arg, help)
#include "tbl/daemons.def"
#undef FRONT_OPTION
    {0},
};
static const struct option worker_options[] = {
#define WORKER_OPTION(ID, name, arg, help) ROW(name, arg, help)
#include "tbl/daemons.def"
#undef WORKER_OPTION
    {0},
};
static const struct option shepherd_options[] = {
#define SHEPHERD_OPTION(ID, name, arg, help) ROW(name, arg, help)
#include "tbl/daemons.def"
#undef SHEPHERD_OPTION
    {0},
};

static const struct command broker_page = {
    .name = "tender-broker",
    .synopsis = "[--conf FILE] [--dir DIR] [OPTIONS]",
    .summary = "take jobs, offer them to workers, decide",
    .about = "The one process of a cluster that decides. It keeps a journal in its state directory and answers commands on\n"
             "a socket there; workers dial in to its two ports. It goes to the background once it answers.\n"
             "\n"
             "SIGTERM and SIGINT end it: it writes a snapshot first, and jobs go on running. SIGHUP makes it read its\n"
             "configuration again, as scontrol reconfigure does. Exit status 0 when told to stop, 1 when it could not start or\n"
             "had to give up, with the cause in its log.",
    .options = broker_options,
    .section = 8,
    .files = "In the state directory: journal.db, journal.lock, broker.key, broker.ports, run/broker.sock, run/broker.pid.",
};
static const struct command front_page = {
    .name = "tender-front",
    .synopsis = "[--conf FILE] [--dir DIR] [OPTIONS]",
    .summary = "answer the commands of a host and tell watchers what happens",
    .about = "One beside the broker, and one on each login host that wants its own. It follows the events that the broker\n"
             "commits and keeps the same picture of the cluster by them; it answers squeue, sinfo and scontrol show from that,\n"
             "passes everything else on with the user the kernel told, and tells tender events and squeue --watch what happens\n"
             "as it happens. While the broker is away it goes on answering, and says how old the answer is. Where no front runs,\n"
             "commands find the broker's own socket.\n"
             "\n"
             "On another host it joins once, with a token made for fronts: tender token create --front, there tender-front\n"
             "--join TOKEN --dir DIR. From then on its key is in DIR and it needs no token; commands of that host find it with\n"
             "the configuration DIR/slurm.conf. The broker believes what it says about the users of its host, but for root, who is nobody\n"
             "unless the token was made with --root; tender key revoke NAME takes that right back. A front that is refused ends.\n"
             "\n"
             "Where tender.conf says FrontAddress=ADDRESS:PORT it listens there, too, for users of other hosts whose keys are\n"
             "registered (tender key register); they connect with tender remote. The tender.conf is the one beside the slurm.conf of\n"
             "--conf, else DIR/tender.conf; it is read at the start.\n"
             "\n"
             "It goes to the background once it has a picture. SIGTERM and SIGINT end it; nothing is lost by its death. Exit\n"
             "status 0 when told to stop, 1 when it could not start or was refused, with the cause in its log.",
    .options = front_options,
    .section = 8,
    .files = "In the broker's state directory: run/front.sock, run/front.pid; with FrontAddress door.key, run/front.door. On another host, in DIR: slurm.conf (written when it\n"
             "is not there), state/front.key, state/front.joined, state/run/front.sock, state/run/front.pid.",
};
static const struct command worker_page = {
    .name = "tender-worker",
    .synopsis = "--join TOKEN [OPTIONS]",
    .summary = "offer a node to a cluster and run its jobs",
    .about = "One for each node. It looks at its machine, dials in to the broker that its join token names, bids for the jobs\n"
             "that are offered and has the shepherd run those it is awarded. The token is needed once: afterwards the key it\n"
             "was exchanged for lies in its directory. Others may see a command line before the worker has blotted the token out\n"
             "there: --join @FILE and --join - (standard input) never show it. It never listens.\n"
             "\n"
             "The first SIGTERM or SIGINT drains the node, and the worker leaves when its jobs are over; the second makes it\n"
             "leave at once, and its jobs stay with the shepherd. SIGHUP opens its log anew. Exit status 0 when told to stop,\n"
             "1 when it could not start or was refused, 2 for wrong options.",
    .options = worker_options,
    .section = 8,
    .files = "In its directory: worker.pid, worker.log, key, joined, incarnation, spool/scripts, and the shepherd's files.",
};
static const struct command shepherd_page = {
    .name = "tender-shepherd",
    .synopsis = "--dir DIR",
    .summary = "hold the jobs of a node through crashes of its worker",
    .about = "Started by tender-worker, one for each node; nobody else need start it. It holds the processes of the node's\n"
             "jobs and a spool of what happened to them, so that a worker may crash, or be replaced by a newer one, without\n"
             "touching a job.\n"
             "\n"
             "SIGTERM and SIGINT make it leave when nothing runs any more. It ends its jobs only when its directory is gone or\n"
             "when it is told to over its socket. Exit status 0 when it left as told, 1 when it could not start, 2 for wrong\n"
             "options.",
    .options = shepherd_options,
    .section = 8,
    .files = "In the worker's directory: shepherd.pid, shepherd.sock, shepherd.log, spool.",
};

const struct command *const daemons[] = {&broker_page, &front_page, &worker_page, &shepherd_page, NULL};
