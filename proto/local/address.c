/* address.c - a path as a socket address
 *
 * sun_path holds 107 characters; state directories of real sites are longer. Then the directory is opened and the socket
 * named /proc/self/fd/N/<name>: the kernel resolves it like any path, and no working directory changes. */
#include "local/address.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "types/types.h"

static int through_directory(const char *path, struct address *a, struct td_error *err)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    td_autofree char *dir = slash ? td_strndup(path, (size_t)TD_MAX(slash - path, 1)) : td_strdup(".");

    a->dir = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (a->dir < 0)
        return td_fail(err, errno == ENOENT ? TD_E_UNREACHABLE : TD_E_IO, "cannot open directory %s: %s (try \"tender doctor\")", dir,
                       strerror(errno));

    size_t n = td_format(a->sun.sun_path, sizeof(a->sun.sun_path), "/proc/self/fd/%d/%s", a->dir, name);
    if (n >= sizeof(a->sun.sun_path)) {
        address_release(a);
        return td_fail(err, TD_E_TOO_BIG, "the name of socket %s is too long", path);
    }
    return 0;
}

int address_make(const char *path, struct address *ret, struct td_error *err)
{
    struct address a = {.sun = {.sun_family = AF_UNIX}, .len = sizeof(a.sun), .dir = -1};
    size_t n = strlen(path);

    if (n == 0 || n > TD_MAX_PATH_BYTES)
        return td_fail(err, TD_E_TOO_BIG, "socket path of %lu bytes, from 1 to %u are possible", n,
                       (unsigned)TD_MAX_PATH_BYTES);
    if (n < sizeof(a.sun.sun_path)) {
        memcpy(a.sun.sun_path, path, n + 1);
    } else {
        int r = through_directory(path, &a, err);

        if (r < 0)
            return r;
    }
    *ret = a;
    return 0;
}

void address_release(struct address *a)
{
    if (a->dir >= 0)
        close(a->dir);
    a->dir = -1;
}
