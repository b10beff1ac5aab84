/* screen.h - a table on a whole terminal, of which only lines that differ are written again (squeue --watch, sinfo --watch) */
#ifndef TD_CLIENT_SCREEN_H
#define TD_CLIENT_SCREEN_H

#include "types/types.h"

struct screen {
    char **lines; /* as they stand */
    uint32_t n, rows, columns;
    uint32_t top; /* rows passed over */
};
/* Another screen, keys as they are typed; put back by screen_leave, and by the signals that end us. */
int screen_enter(struct td_error *err);
void screen_leave(void);
/* Heading, as many rows as fit from `top` on, and the status line. */
void screen_draw(struct screen *s, const char *table, const char *status);
/* Says why the picture stands still, where it does. */
bool screen_stands_still(struct td_buf *status, bool lost, uint32_t stale_ms);
void screen_forget(struct screen *s);

#endif
