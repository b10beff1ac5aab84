/* zap.h - who may connect: everybody, and the key is the name; inside td_bus only */
#ifndef TD_BUS_ZAP_H
#define TD_BUS_ZAP_H

#include "bus/socket.h"

void *zap_open(void *ctx);    /* the context's handler; before any socket binds. NULL with errno */
void zap_serve(void *socket); /* answers all that waits */

#endif
