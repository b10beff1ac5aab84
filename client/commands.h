/* commands.h - the commands there are; main.c dispatches on argv[0], tender.c on its first word */
#ifndef TD_CLIENT_COMMANDS_H
#define TD_CLIENT_COMMANDS_H

#include "option.h"

extern const struct command sbatch_command, srun_command, salloc_command, squeue_command, sinfo_command, scancel_command, scontrol_command,
    tender_command, up_command, down_command, status_command, token_command, rounds_command, protocol_command,
    doctor_command, journal_command, sim_command, manual_command, completion_command, version_command, help_command, events_command, tokens_command, keys_command, remote_command, explain_command,
    sacctmgr_command, sshare_command, sprio_command;

/* Every command of the table, ends with NULL: what the man pages, the completion and the table tests walk. */
extern const struct command *const commands[];

/* The programs that stay: they have pages and completion, and are run by themselves. Ends with NULL. */
extern const struct command *const daemons[];

void conf_page_print(struct td_buf *out); /* tender.conf(5) */
int tender_main(int argc, char **argv);

#endif
