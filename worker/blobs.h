/* blobs.h - scripts and environments by content hash
 *
 * Environments stay in memory, split already, within BLOB_CACHE_BYTES; scripts are files, DIR/spool/scripts/<uid>/<hash>,
 * each in a folder that only its user may enter. */
#ifndef TD_BLOBS_H
#define TD_BLOBS_H

#include "types/types.h"

#define BLOB_HEX 65

struct blob {
    char hex[BLOB_HEX];
    uint8_t *data;         /* owned */
    uint32_t len;
    struct td_arena arena; /* of env */
    struct td_strs env;    /* split when first asked for */
    bool is_split;
    uint64_t used;         /* stamp of the last use */
};
struct blobs {
    struct td_strmap by_hash;  /* of struct blob */
    TD_VEC(struct blob *) all;
    size_t bytes;
    uint64_t stamp;
    struct td_strmap scripts;  /* "<uid>/<hash>" written or seen: struct script */
    TD_VEC(struct script *) files;
    char dir[4096];            /* DIR/spool/scripts */
};
struct script {
    char *path;                /* owned, like the rest */
    char *interpreter, *argument; /* of the #! line; argument NULL if none */
};

int blobs_open(struct blobs *b, const char *dir, struct td_error *err);
void blobs_release(struct blobs *b);
/* Keeps a copy; false: the data is not what the hash says. */
bool blobs_put(struct blobs *b, struct td_bin hash, struct td_bin data);
/* Borrowed until the next blobs_put. NULL: not here. An empty hash is an empty blob. */
const struct blob *blobs_get(struct blobs *b, struct td_bin hash);
const struct td_strs *blobs_env(struct blobs *b, struct td_bin hash);
/* The script as a file of the user: from disk, else written from memory. 1 = *ret (borrowed until blobs_purge),
 * 0 = its blob is not here, <0 = could not be written. chown: the file must become the user's. */
int blobs_script(struct blobs *b, struct td_bin hash, uint32_t uid, uint32_t gid, bool chown, struct script **ret,
                 struct td_error *err);
/* Removes script files when there are many; only while no job runs, since a shell reads its script as it goes. */
void blobs_purge(struct blobs *b);

#endif
