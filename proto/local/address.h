/* address.h - unix socket addresses of any length; inside td_local only */
#ifndef TD_LOCAL_ADDRESS_H
#define TD_LOCAL_ADDRESS_H

#include <sys/socket.h>
#include <sys/un.h>

#include "base/base.h"

struct address {
    struct sockaddr_un sun;
    socklen_t len;
    int dir; /* open directory the address goes through, or -1 */
};
/* 0 or -TD_E_*. The address is valid until address_release. */
int address_make(const char *path, struct address *ret, struct td_error *err);
void address_release(struct address *a);

#endif
