/* quote_text.c - the forms of a request as a table: what changes, when it would start, where */
#include <string.h>

#include "render/explain.h"
#include "render/value.h"
#include "say.h"

enum { FORM, CHANGE, START, BY, NODES, PARTITION, CPUS, COLUMNS };
static const char *const heads[COLUMNS] = {"FORM", "CHANGE", "START", "BY", "NODES", "PARTITION", "CPUS"};

static void put_cell(struct td_buf *out, const struct td_quote_form *f, int column, int64_t now_ms)
{
    switch (column) {
    case FORM:
        td_buf_puts(out, f->form ? f->form : "");
        return;
    case CHANGE:
        td_buf_puts(out, td_str_empty(f->change) ? "-" : f->change);
        return;
    case START:
        if (f->start_ms)
            explain_moment(out, f->start_ms, now_ms);
        else
            td_buf_puts(out, "cannot be foretold");
        return;
    case BY:
        put_moment(out, f->by_ms, "-");
        return;
    case NODES:
        td_buf_puts(out, td_str_empty(f->nodes) ? "-" : f->nodes);
        return;
    case PARTITION:
        td_buf_puts(out, td_str_empty(f->partition) ? "-" : f->partition);
        return;
    default:
        td_buf_putf(out, "%u", f->cpus);
    }
}

static size_t width_of(const struct td_quote_form_list *forms, int column, int64_t now_ms)
{
    struct td_buf cell = {0};
    size_t width = strlen(heads[column]);

    for (uint32_t i = 0; i < forms->n; i++) {
        if (forms->v[i].code && column > CHANGE)
            continue;
        td_buf_reset(&cell);
        put_cell(&cell, &forms->v[i], column, now_ms);
        width = TD_MAX(width, cell.len);
    }
    td_buf_release(&cell);
    return width;
}

static void put_padded(struct td_buf *out, const char *text, size_t width, bool last)
{
    td_buf_puts(out, text);
    if (!last)
        td_buf_pad(out, ' ', width - TD_MIN(strlen(text), width) + 2);
}

static bool starts_sooner(const struct td_quote_form_list *forms, const struct td_quote_form *f)
{
    return f != &forms->v[0] && f->start_ms && (!forms->v[0].start_ms || f->start_ms < forms->v[0].start_ms);
}

void quote_text(struct td_buf *out, const struct td_quote_form_list *forms, int64_t now_ms, int fd)
{
    size_t widths[COLUMNS];
    struct td_buf cell = {0};

    for (int k = 0; k < COLUMNS; k++) {
        widths[k] = width_of(forms, k, now_ms);
        put_padded(out, heads[k], widths[k], k == COLUMNS - 1);
    }
    td_buf_putc(out, '\n');
    for (uint32_t i = 0; i < forms->n; i++) {
        const struct td_quote_form *f = &forms->v[i];
        td_buf_puts(out, say_colour(fd, f->code ? SAY_DIM : starts_sooner(forms, f) ? SAY_GREEN : SAY_PLAIN));
        for (int k = 0; k < COLUMNS && !(f->code && k > CHANGE); k++) {
            td_buf_reset(&cell);
            put_cell(&cell, f, k, now_ms);
            put_padded(out, td_buf_str(&cell), widths[k], k == COLUMNS - 1);
        }
        if (f->code)
            td_buf_putf(out, "refused: %s", td_str_empty(f->text) ? td_error_words((int)f->code) : f->text);
        td_buf_putf(out, "%s\n", say_colour(fd, SAY_PLAIN));
    }
    td_buf_release(&cell);
}
