/* remote.h - tender remote and tender key create as their pages show them, and as tender-remote parses them */
#ifndef TD_CLIENT_CLUSTER_REMOTE_H
#define TD_CLIENT_CLUSTER_REMOTE_H

#include "option.h"

struct remote_words {
    const char *key, *server_key, *dir, *log;
    bool foreground;
};
extern const struct command remote_command;

/* Runs tender-remote, which alone knows libzmq, with these words; comes back only when it cannot. */
int remote_run(char **argv);

#endif
