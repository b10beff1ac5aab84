/* conf_page.c - tender.conf(5), made from the rows that the file is read by (conf/options.def) */
#include <string.h>

#include "commands.h"
#include "conf/options.h"

static void put_roff(struct td_buf *out, const char *s)
{
    for (; *s; s++) {
        if (*s == '\\')
            td_buf_puts(out, "\\e");
        else if (*s == '-')
            td_buf_puts(out, "\\-");
        else
            td_buf_putc(out, *s);
    }
}

static void put_key(struct td_buf *out, const struct conf_row *row)
{
    td_buf_puts(out, ".TP\n.B ");
    put_roff(out, row->name);
    td_buf_putf(out, "=%s\n", row->type == TYPE_YESNO ? "Yes|No" : row->type == TYPE_SEC ? "SECONDS" :
                              row->type == TYPE_SIZEMB ? "SIZE" : row->type == TYPE_AGE ? "AGE" :
                              row->type == TYPE_NUM ? "NUMBER" : "TEXT");
    if (row->use == USE_REFUSED) {
        td_buf_puts(out, "Refused, unless it is ");
        put_roff(out, row->same ? row->same : "unset");
        td_buf_puts(out, ": ");
        put_roff(out, row->why ? row->why : "");
        td_buf_puts(out, ". ");
    }
    put_roff(out, row->help);
    td_buf_puts(out, ".\n");
    if (row->type == TYPE_NUM || row->type == TYPE_SEC)
        td_buf_putf(out, "From %llu to %llu. ", (unsigned long long)row->min, (unsigned long long)row->max);
    if (row->def) {
        td_buf_puts(out, "Default: ");
        put_roff(out, row->def);
        td_buf_puts(out, ". ");
    }
    td_buf_puts(out, row->when == WHEN_RELOAD ? "Read again by scontrol reconfigure.\n" : "Read when the broker starts.\n");
}

void conf_page_print(struct td_buf *out)
{
    td_buf_puts(out, ".TH TENDER.CONF 5 \"\" \"Tender " TD_VERSION "\"\n.SH NAME\ntender.conf \\- what Slurm has no word for\n"
                     ".SH DESCRIPTION\n.B tender.conf\nlies beside the slurm.conf of a cluster and may be absent. It is read by "
                     "slurm.conf's rules: Key=Value, one or more on a line, capitals do not matter, # begins a comment. An unknown "
                     "key, and a value out of range, is an error that names the nearest known key, or the range.\n"
                     ".SH KEYS\n");
    for (uint32_t i = 0; i < KEY_COUNT; i++) {
        const struct conf_row *row = conf_row((enum conf_key)i);
        if (row->group == GROUP_TENDER)
            put_key(out, row);
    }
    td_buf_puts(out, ".SH FILES\n/etc/slurm/tender.conf, or beside the file that SLURM_CONF names. A sample is installed with Tender, "
                     "with every default.\n.SH SEE ALSO\ntender\\-broker(8), tender(1)\n");
}
