/* notify.h - a word to the service manager that started us: ready, stopping (sd_notify(3)'s datagrams, without its library)
 *
 * The address is taken out of the environment at once, so that nothing we start speaks for us. */
#ifndef TD_LOCAL_NOTIFY_H
#define TD_LOCAL_NOTIFY_H

#include "local/local.h"

struct td_notify {
    char path[108]; /* of a socket, '@' in front: an abstract one; empty: nobody asked */
};
void td_notify_take(struct td_notify *ret); /* before any thread, and before any child */
/* "READY=1", "STOPPING=1\nSTATUS=..." Nobody there, or a full queue: nothing is lost that we could mend. */
void td_notify_say(const struct td_notify *n, const char *words);

#endif
