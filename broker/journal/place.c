/* place.c - on what kind of file system the state directory lies
 *
 * SQLite's write-ahead log coordinates its users through memory that one host shares, and a network file system may
 * say "written" before it is. So a state directory there is refused; a site that wants its journal away from the
 * broker's own disk wants the PostgreSQL store. */
#include "broker/journal/sqlite.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

/* Numbers from statfs(2). Cluster file systems are here too: their locks reach other hosts, mapped memory does not. */
static const struct {
    uint64_t type;
    const char *name;
} network_types[] = {
    {0x6969, "nfs"},       {0x517b, "smb"},       {0xff534d42, "cifs"},  {0xfe534d42, "smb2"},
    {0x01021997, "9p"},    {0x5346414f, "afs"},   {0x73757245, "coda"},  {0x564c, "ncp"},
    {0x00c36400, "ceph"},  {0x0bd00bd0, "lustre"}, {0x47504653, "gpfs"}, {0x19830326, "beegfs"},
    {0x01161970, "gfs2"},  {0x7461636f, "ocfs2"}, {0x6b414653, "kafs"},  {0xaad7aaea, "panfs"},
};
#define FUSE_TYPE 0x65735546u

/* Fuse file systems by their type in mountinfo; others of fuse (overlays of containers, ntfs) are local. */
static const char *const network_mounts[] = {
    "fuse.sshfs", "fuse.glusterfs", "fuse.s3fs", "fuse.rclone", "fuse.ceph-fuse", "fuse.davfs", "fuse.gcsfuse",
    "fuse.juicefs", "fuse.mount.s3", "fuse.cvmfs2", "fuse.smbnetfs", "fuse.seaweedfs", "nfs", "nfs4", "cifs", "smb3",
};

const char *td_place_network_fs(uint64_t f_type)
{
    for (size_t i = 0; i < TD_ARRAY_LEN(network_types); i++)
        if (network_types[i].type == f_type)
            return network_types[i].name;
    return NULL;
}

const char *td_place_network_mount(const char *fstype)
{
    for (size_t i = 0; i < TD_ARRAY_LEN(network_mounts); i++)
        if (strcmp(network_mounts[i], fstype) == 0)
            return network_mounts[i];
    return NULL;
}

/* The type of the mount that holds `dir`, by its device number; false where it cannot be told. */
static bool mount_type(const char *dir, char *out, size_t cap)
{
    struct stat st;
    if (stat(dir, &st) < 0)
        return false;
    FILE *f = fopen("/proc/self/mountinfo", "re");
    if (!f)
        return false;
    char line[8192];
    bool found = false;
    while (!found && fgets(line, sizeof(line), f)) {
        /* "36 35 98:0 /root /mount options... - type source options" */
        unsigned major = 0, minor = 0;
        const char *dash = strstr(line, " - ");
        if (!dash || sscanf(line, "%*d %*d %u:%u", &major, &minor) != 2)
            continue;
        if (makedev(major, minor) != st.st_dev)
            continue;
        dash += 3;
        size_t n = strcspn(dash, " \n");
        if (n < cap) {
            memcpy(out, dash, n);
            out[n] = '\0';
            found = true;
        }
    }
    fclose(f);
    return found;
}

int td_place_check(const char *dir, struct td_error *err)
{
    struct statfs fs;
    if (statfs(dir, &fs) < 0)
        return td_fail(err, TD_E_JOURNAL, "cannot examine %s: %s", dir, strerror(errno));
    /* f_type is signed on some machines: the magic numbers are 32 bits. */
    uint64_t type = (uint32_t)fs.f_type;
    const char *name = td_place_network_fs(type);
    char mount[64];
    if (!name && type == FUSE_TYPE && mount_type(dir, mount, sizeof(mount)))
        name = td_place_network_mount(mount);
    if (name)
        return td_fail(err, TD_E_NETWORK_FS,
                       "%s lies on a network file system (%s): choose a local state directory (StateSaveLocation)", dir,
                       name);
    return 0;
}
