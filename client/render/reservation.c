/* reservation.c - reservations as scontrol and sinfo show them */
#include "render/reservation.h"

#include <string.h>

#include "render/value.h"

static void put_words(struct td_buf *out, const char *key, const char *value)
{
    td_buf_puts(out, key);
    put_or_null(out, value);
}

void reservation_text(struct td_buf *out, const struct td_reservation_info *r, bool oneliner)
{
    const struct td_reservation *is = &r->is;
    const char *next = oneliner ? " " : "\n   ";

    td_buf_putf(out, "ReservationName=%s StartTime=", is->name);
    put_moment(out, is->start_ms, "N/A");
    td_buf_puts(out, " EndTime=");
    put_moment(out, is->end_ms, "N/A");
    td_buf_puts(out, " Duration=");
    td_duration_print((uint32_t)((is->end_ms - is->start_ms) / 1000), out);
    td_buf_puts(out, next);
    td_buf_putf(out, "Nodes=%s NodeCnt=%u CoreCnt=%u", is->nodes, r->nodes, r->cores);
    put_words(out, " Features=", is->features);
    put_words(out, " PartitionName=", is->partition);
    td_buf_puts(out, " Flags=");
    td_reserve_flags_print(is->flags, out);
    td_buf_puts(out, next);
    td_buf_putf(out, "TRES=cpu=%u%s", r->cpus, next);
    put_words(out, "Users=", is->users);
    put_words(out, " Groups=", NULL);
    put_words(out, " Accounts=", is->accounts);
    td_buf_putf(out, " Licenses=(null) State=%s BurstBuffer=(null) Watts=n/a%s", is->active ? "ACTIVE" : "INACTIVE", next);
    td_buf_puts(out, "MaxStartDelay=(null)");
    if (!td_str_empty(is->comment))
        td_buf_putf(out, "%sComment=%s", next, is->comment);
    td_buf_puts(out, oneliner ? "\n" : "\n\n");
}

static void put_row(struct td_buf *out, size_t width, const char *name, const char *state, const char *from, const char *to,
                    const char *duration, const char *nodes)
{
    td_buf_puts(out, name);
    td_buf_pad(out, ' ', width - strlen(name));
    td_buf_putf(out, "  %8s  %19s  %19s  %11s  %s\n", state, from, to, duration, nodes);
}

void reservation_table(struct td_buf *out, const struct td_reservation_info_list *rows, bool heading)
{
    struct td_buf length = {0}, from = {0}, to = {0};
    size_t width = strlen("RESV_NAME");

    for (uint32_t i = 0; i < rows->n; i++)
        width = TD_MAX(width, strlen(rows->v[i].is.name));
    if (heading)
        put_row(out, width, "RESV_NAME", "STATE", "START_TIME", "END_TIME", "DURATION", "NODELIST");
    for (uint32_t i = 0; i < rows->n; i++) {
        const struct td_reservation *is = &rows->v[i].is;

        td_buf_reset(&from);
        td_buf_reset(&to);
        td_buf_reset(&length);
        put_moment(&from, is->start_ms, "N/A");
        put_moment(&to, is->end_ms, "N/A");
        td_duration_print((uint32_t)((is->end_ms - is->start_ms) / 1000), &length);
        put_row(out, width, is->name, is->active ? "ACTIVE" : "INACTIVE", td_buf_str(&from), td_buf_str(&to), td_buf_str(&length),
                is->nodes);
    }
    td_buf_release(&length);
    td_buf_release(&from);
    td_buf_release(&to);
}
