/* main.c - one program, several names: sbatch, squeue, sinfo, scancel, scontrol, tender
 *
 * One binary starts as fast as five (its pages are shared), and one file holds
 * what they have in common. `tender sbatch ...` works too. */
#include <string.h>

#include "commands.h"
#include "say.h"

int main(int argc, char **argv)
{
    const char *slash = argc ? strrchr(argv[0], '/') : NULL;
    const char *name = slash ? slash + 1 : argc ? argv[0] : "tender";

    for (const struct command *const *c = commands; *c; c++) {
        if (strcmp((*c)->name, name) != 0)
            continue;
        say_name = (*c)->name;
        return (*c)->run(argc, argv);
    }
    return tender_main(argc, argv);
}
