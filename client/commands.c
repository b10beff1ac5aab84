/* commands.c - the table of commands */
#include "commands.h"

#include <stddef.h>

const struct command *const commands[] = {
    &sbatch_command,  &srun_command,     &salloc_command,  &squeue_command,     &sinfo_command,    &scancel_command,
    &scontrol_command, &sacctmgr_command, &sshare_command, &sprio_command, &tender_command,  &up_command,      &down_command,       &status_command,   &token_command,
    &rounds_command,  &protocol_command, &doctor_command,  &journal_command, &sim_command,    &manual_command,   &completion_command,
    &version_command, &help_command,     &events_command,  &tokens_command,   &keys_command,
    &remote_command,   &explain_command,
    NULL,
};
