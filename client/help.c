/* help.c - --help, --usage, the man page and bash completion, all from the option rows */
#include "option.h"

#include <string.h>

static bool refused(const struct option *o)
{
    return o->take == opt_refuse;
}

/* "-n, --ntasks=N" */
static void put_forms(const struct option *o, struct td_buf *out)
{
    const char *arg = o->arg;
    size_t n = arg ? strlen(arg) : 0;

    if (o->letter)
        td_buf_putf(out, "-%c", o->letter);
    if (!o->name) {
        if (arg)
            td_buf_putf(out, " %s", arg);
        return;
    }
    td_buf_puts(out, o->letter ? ", --" : "    --");
    td_buf_puts(out, o->name);
    if (!arg)
        return;
    if (option_arg_optional(o)) { /* "[N]" is shown as [=N] */
        td_buf_puts(out, "[=");
        td_buf_put(out, arg + 1, n - 1);
    } else {
        td_buf_putf(out, "=%s", arg);
    }
}

#define HELP_COLUMN 30

void help_print(const struct command *cmd, struct td_buf *out)
{
    struct td_buf forms = {0};
    const struct option *o;

    td_buf_putf(out, "Usage: %s %s\n", cmd->name, cmd->synopsis);
    td_buf_putf(out, "%s\n\n", cmd->summary);
    for (o = cmd->options; o->take; o++) {
        if (o->alias || refused(o))
            continue;
        td_buf_reset(&forms);
        put_forms(o, &forms);
        td_buf_putf(out, "  %s", td_buf_str(&forms));
        if (forms.len + 2 >= HELP_COLUMN) {
            td_buf_putc(out, '\n');
            td_buf_pad(out, ' ', HELP_COLUMN);
        } else {
            td_buf_pad(out, ' ', HELP_COLUMN - 2 - forms.len);
        }
        td_buf_putf(out, "%s%s\n", o->take == opt_warn ? "(warned about) " : "", o->help);
    }
    bool first = true;
    for (o = cmd->options; o->take; o++) {
        if (!refused(o) || o->alias)
            continue;
        td_buf_puts(out, first ? "\nRefused by name:" : ",");
        first = false;
        if (o->name)
            td_buf_putf(out, " --%s", o->name);
        else
            td_buf_putf(out, " -%c", o->letter);
    }
    if (!first)
        td_buf_puts(out, "\n");
    td_buf_release(&forms);
}

void usage_print(const struct command *cmd, struct td_buf *out)
{
    size_t column = 7 + strlen(cmd->name), indent = column + 1;
    struct td_buf one = {0};

    td_buf_putf(out, "Usage: %s", cmd->name);
    for (const struct option *o = cmd->options; o->take; o++) {
        if (o->alias || refused(o))
            continue;
        td_buf_reset(&one);
        if (o->name)
            td_buf_putf(&one, "[--%s", o->name);
        else
            td_buf_putf(&one, "[-%c", o->letter);
        if (o->arg && option_arg_optional(o))
            td_buf_putf(&one, "[=%s", o->arg + 1); /* "[N]" is shown as [=N] */
        else if (o->arg)
            td_buf_putf(&one, "=%s", o->arg);
        td_buf_putc(&one, ']');
        if (column + 1 + one.len > 88) {
            td_buf_putc(out, '\n');
            td_buf_pad(out, ' ', indent - 1);
            column = indent - 1;
        }
        td_buf_putf(out, " %s", td_buf_str(&one));
        column += 1 + one.len;
    }
    td_buf_putf(out, "\n       %s %s\n", cmd->name, cmd->synopsis);
    td_buf_release(&one);
}

/* Text for roff: hyphens that are hyphens, no accidental requests. */
static void put_roff(struct td_buf *out, const char *s)
{
    bool line_start = true;

    for (; *s; s++) {
        if (line_start && *s == '\n') { /* an empty line is a new paragraph */
            td_buf_puts(out, ".PP\n");
            continue;
        }
        if (line_start && (*s == '.' || *s == '\''))
            td_buf_puts(out, "\\&");
        if (*s == '\\')
            td_buf_puts(out, "\\e");
        else if (*s == '-')
            td_buf_puts(out, "\\-");
        else
            td_buf_putc(out, *s);
        line_start = *s == '\n';
    }
}

static void put_upper(struct td_buf *out, const char *s)
{
    for (; *s; s++)
        td_buf_putc(out, *s >= 'a' && *s <= 'z' ? (char)(*s - 'a' + 'A') : *s);
}

static void put_man_option(const struct option *o, struct td_buf *out)
{
    struct td_buf forms = {0};

    put_forms(o, &forms);
    const char *f = td_buf_str(&forms);
    while (*f == ' ')
        f++;
    td_buf_puts(out, ".TP\n.B ");
    put_roff(out, f);
    td_buf_puts(out, "\n");
    if (o->take == opt_warn)
        td_buf_puts(out, "Taken with a warning: ");
    if (refused(o))
        td_buf_puts(out, "Refused: ");
    put_roff(out, o->help);
    td_buf_puts(out, ".\n");
    if (o->env)
        td_buf_putf(out, "Environment: %s.\n", o->env);
    td_buf_release(&forms);
}

/* A word of tender(1) as a section of its page. */
static void put_man_part(const struct command *cmd, struct td_buf *out)
{
    td_buf_puts(out, ".SH \"");
    put_upper(out, cmd->name);
    td_buf_putf(out, "\"\n.B %s\n", cmd->name);
    if (*cmd->synopsis) {
        put_roff(out, cmd->synopsis);
        td_buf_puts(out, "\n");
    }
    td_buf_puts(out, ".PP\n");
    put_roff(out, cmd->about);
    td_buf_puts(out, "\n");
    for (const struct option *o = cmd->options; o->take; o++)
        if (!o->alias && o->take != opt_help && o->take != opt_usage && o->take != opt_version)
            put_man_option(o, out);
}

void man_print(const struct command *cmd, const struct command *const *parts, uint32_t nparts, struct td_buf *out)
{
    td_autofree char *title = td_strdup(cmd->name);
    for (char *c = title; *c; c++)
        *c = *c == ' ' ? '-' : *c; /* tender up is tender-up(1) */
    td_buf_puts(out, ".TH ");
    put_upper(out, title);
    td_buf_putf(out, " %u \"\" \"Tender " TD_VERSION "\"\n.SH NAME\n", cmd->section ? cmd->section : 1u);
    put_roff(out, cmd->name);
    td_buf_puts(out, " \\- ");
    put_roff(out, cmd->summary);
    td_buf_putf(out, "\n.SH SYNOPSIS\n.B %s\n", cmd->name);
    if (*cmd->synopsis) {
        put_roff(out, cmd->synopsis);
        td_buf_puts(out, "\n");
    }
    td_buf_puts(out, ".SH DESCRIPTION\n");
    put_roff(out, cmd->about);
    td_buf_puts(out, "\n.SH OPTIONS\nA long option may be shortened to any unique beginning.\n");
    for (const struct option *o = cmd->options; o->take; o++)
        if (!o->alias)
            put_man_option(o, out);
    for (uint32_t i = 0; i < nparts; i++)
        put_man_part(parts[i], out);
    td_buf_puts(out, ".SH FILES\n");
    put_roff(out, cmd->files ? cmd->files
                             : "The cluster is found by SLURM_CONF, else the user's default cluster "
                               "(~/.local/state/tender/default), else /etc/slurm/slurm.conf.");
    td_buf_puts(out, "\n");
}

static void put_words(const struct command *cmd, struct td_buf *out)
{
    for (const struct option *o = cmd->options; o->take; o++)
        if (o->name && !o->alias && !refused(o))
            td_buf_putf(out, " --%s%s", o->name, o->arg && !option_arg_optional(o) ? "=" : "");
}

void completion_print(const struct command *const *cmds, uint32_t n, struct td_buf *out)
{
    td_buf_puts(out, "# bash completion of Tender's commands; made from the option tables by `tender completion`\n"
                     "_tender_words()\n{\n    case $1 in\n");
    for (uint32_t i = 0; i < n; i++) {
        td_buf_putf(out, "    \"%s\") echo \"", cmds[i]->name);
        put_words(cmds[i], out);
        td_buf_puts(out, "\" ;;\n");
    }
    td_buf_puts(out, "    esac\n}\n_tender_complete()\n{\n    local words=\"");
    const char *blank = "";
    for (uint32_t i = 0; i < n; i++) {
        if (!strchr(cmds[i]->name, ' '))
            continue;
        td_buf_putf(out, "%s%s", blank, strchr(cmds[i]->name, ' ') + 1);
        blank = " ";
    }
    td_buf_puts(out, "\" pages=\"");
    for (uint32_t i = 0; i < n; i++)
        td_buf_putf(out, "%s%s", i ? " " : "", strchr(cmds[i]->name, ' ') ? strchr(cmds[i]->name, ' ') + 1 : cmds[i]->name);
    td_buf_puts(out, "\"\n"
                     "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} cmd=$1\n"
                     "    [ \"$1\" = tender ] && [ \"$COMP_CWORD\" -gt 1 ] && cmd=\"tender ${COMP_WORDS[1]}\"\n"
                     "    COMPREPLY=()\n"
                     "    case $prev in\n"
                     "    -p|--partition) COMPREPLY=($(compgen -W \"$(sinfo -h -o %R 2>/dev/null)\" -- \"$cur\")); return ;;\n"
                     "    -w|-x|-n|--nodelist|--exclude|--nodes)\n"
                     "        [ \"$prev\" = -n ] && [ \"$1\" != sinfo ] ||\n"
                     "            COMPREPLY=($(compgen -W \"$(sinfo -h -N -o %N 2>/dev/null)\" -- \"$cur\")); return ;;\n"
                     "    -j|--jobs) COMPREPLY=($(compgen -W \"$(squeue -h -o %A 2>/dev/null)\" -- \"$cur\")); return ;;\n"
                     "    -R|--reservation) COMPREPLY=($(compgen -W \"$(sinfo -h -T 2>/dev/null | awk '$2 ~ /ACTIVE/ {print $1}')\" -- \"$cur\")); return ;;\n"
                     "    -L|--licenses) COMPREPLY=($(compgen -W \"$(scontrol -o show licenses 2>/dev/null | sed -n 's/^LicenseName=\\([^ ]*\\).*/\\1/p')\" -- \"$cur\")); return ;;\n"
                     "    esac\n"
                     "    case $cur in\n"
                     "    -*) COMPREPLY=($(compgen -W \"$(_tender_words \"$cmd\")\" -- \"$cur\"))\n"
                     "        [[ ${COMPREPLY-} == *= ]] && compopt -o nospace ;;\n"
                     "    *)  case $cmd in\n"
                     "        tender) COMPREPLY=($(compgen -W \"$words\" -- \"$cur\")) ;;\n"
                     "        scancel) COMPREPLY=($(compgen -W \"$(squeue -h --me -o %A 2>/dev/null)\" -- \"$cur\")) ;;\n"
                     "        'tender manual') COMPREPLY=($(compgen -W \"$pages\" -- \"$cur\")) ;;\n"
                     "        'tender journal') COMPREPLY=($(compgen -W 'dump verify replay' -- \"$cur\")) ;;\n"
                     "        sbatch|srun|salloc) COMPREPLY=($(compgen -f -- \"$cur\")) ;;\n"
                     "        esac ;;\n"
                     "    esac\n}\n"
                     "complete -F _tender_complete");
    for (uint32_t i = 0; i < n; i++)
        if (!strchr(cmds[i]->name, ' '))
            td_buf_putf(out, " %s", cmds[i]->name);
    td_buf_puts(out, "\n");
}
