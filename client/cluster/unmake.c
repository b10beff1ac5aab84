/* unmake.c - a start that failed: what of the folder goes again, so that the next try finds no half of a cluster */
#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "cluster/cluster.h"
#include "say.h"

/* A new cluster of which no worker ever started is taken back, so that the next try starts afresh. Logs stay: they say why. */
void cluster_take_back(const struct cluster *c)
{
    char path[TD_MAX_PATH_BYTES + 16];
    pid_t broker = process_find(c, PROCESS_BROKER, NULL);

    if (broker && process_end(broker, 1, false) != PROCESS_GONE)
        say_warning("the broker (process %d) does not end", (int)broker);
    td_format(path, sizeof(path), "%s/workers", c->dir);
    if (unlink(c->conf) < 0 || unlink(path) < 0)
        say_warning("cannot take %s back: %s", c->dir, strerror(errno));
    else
        say_note("nothing runs; %s holds logs alone and is no cluster: mend what is said above and try again", c->dir);
}

static void clear(const char *dir)
{
    DIR *d = opendir(dir);

    for (const struct dirent *e; d && (e = readdir(d));)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 && unlinkat(dirfd(d), e->d_name, 0) < 0 && errno != EISDIR &&
            errno != EPERM)
            say_warning("cannot remove %s/%s: %s", dir, e->d_name, strerror(errno));
    if (d)
        closedir(d);
}

/* Nothing was started: of a folder that was not there, or held nothing, the files made in it go again. */
void cluster_unmake(const struct cluster *c, bool was_there)
{
    static const char *const inside[] = {"/devices", "/log", ""};
    char path[TD_MAX_PATH_BYTES + 16];

    for (size_t i = 0; i < TD_ARRAY_LEN(inside); i++) {
        td_format(path, sizeof(path), "%s%s", c->dir, inside[i]);
        clear(path);
        if ((*inside[i] || !was_there) && rmdir(path) < 0 && errno != ENOENT)
            say_warning("cannot remove %s: %s", path, strerror(errno));
    }
}

bool cluster_is_empty(const struct cluster *c)
{
    DIR *d = opendir(c->dir);
    bool nothing = true;

    for (const struct dirent *e; d && (e = readdir(d));)
        nothing &= strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0;
    if (d)
        closedir(d);
    return d && nothing;
}
