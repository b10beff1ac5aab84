/* remote.c - tender remote: a program of its own, so that no other command has to load libzmq */
#include "cluster/remote.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "cluster/cluster.h"
#include "commands.h"
#include "say.h"

#define AT(field) offsetof(struct remote_words, field)
static const struct option options[] = {
    {"dir", 0, "DIR", opt_str, AT(dir), "folder of the link (of this user's runtime directory, by HOST and PORT)", NULL, false},
    {"foreground", 0, NULL, opt_flag, AT(foreground), "connect: do not go to the background", NULL, false},
    {"key", 0, "FILE", opt_str, AT(key), "your key (~/.config/tender/key)", NULL, false},
    {"log", 0, "FILE", opt_str, AT(log), "connect: log file (DIR/remote.log; in the foreground standard error)", NULL, false},
    {"server-key", 0, "KEY|@FILE", opt_str, AT(server_key), "connect: the front's key; needed once (tender remote address, there)", NULL, false},
    OPTIONS_HELP,
    {0},
};

int remote_run(char **argv)
{
    char path[TD_MAX_PATH_BYTES + 64];
    struct td_error err = {0};

    if (process_beside("tender-remote", path, sizeof(path), &err) == 0)
        execv(path, argv);
    say_error("%s", err.text[0] ? err.text : strerror(errno));
    return 1;
}

static int run(int argc TD_UNUSED, char **argv)
{
    return remote_run(argv);
}

const struct command remote_command = {
    .name = "tender remote",
    .synopsis = "connect HOST:PORT [--server-key KEY] | disconnect HOST:PORT | address",
    .summary = "use a cluster from a host that is none of its own",
    .about = "connect makes a link to the TCP door of a front (FrontAddress of tender.conf) and keeps it, in the background, until\n"
             "it is told to end. It prints the line export SLURM_CONF=..., with which every command here, and programs with\n"
             "libtender, speak to that cluster as on its own hosts. You are the user your key is registered for: tender key create\n"
             "makes one, an operator of the cluster registers it. The front shows that it is the right one by its key, which\n"
             "--server-key names the first time.\n"
             "\n"
             "A link that breaks is made again. Who watches goes on from the last event he was told; a command that waits for an\n"
             "answer is told that the connection was closed, so whether a request was heard is not known. What is asked while there\n"
             "is no link is refused after two seconds, with the reason.\n"
             "\n"
             "disconnect ends a link. address prints, on a host of the cluster, what others need to connect to the front there.\n"
             "Jobs' own connections do not go through the link: for srun and salloc the nodes must reach this host.",
    .options = options,
    .usage_exit = 1,
    .run = run,
    .files = "~/.config/tender/key, yours alone; ~/.config/tender/fronts, the keys of fronts; in DIR: slurm.conf, remote.log,\n"
             "state/run/front.sock.",
};
