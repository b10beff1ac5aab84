/* reservation.h - reservations as scontrol and sinfo show them */
#ifndef TD_CLIENT_RENDER_RESERVATION_H
#define TD_CLIENT_RENDER_RESERVATION_H

#include "types/types.h"

void reservation_text(struct td_buf *out, const struct td_reservation_info *r, bool oneliner); /* scontrol show reservation */
void reservation_table(struct td_buf *out, const struct td_reservation_info_list *rows, bool heading); /* sinfo -T */

#endif
