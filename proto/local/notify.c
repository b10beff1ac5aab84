/* notify.c - see notify.h */
#include "local/notify.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

void td_notify_take(struct td_notify *ret)
{
    const char *path = getenv("NOTIFY_SOCKET");

    *ret = (struct td_notify){0};
    if (path && (path[0] == '/' || path[0] == '@') && path[1] && strlen(path) < sizeof(ret->path))
        memcpy(ret->path, path, strlen(path) + 1);
    unsetenv("NOTIFY_SOCKET");
}

void td_notify_say(const struct td_notify *n, const char *words)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    size_t len = strlen(n->path);

    if (!len)
        return;
    memcpy(to.sun_path, n->path, len);
    if (to.sun_path[0] == '@')
        to.sun_path[0] = '\0';
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    (void)!sendto(fd, words, strlen(words), MSG_NOSIGNAL | MSG_DONTWAIT, (const struct sockaddr *)&to,
                  (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len));
    close(fd);
}
