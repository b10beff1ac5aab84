/* blobs.h - scripts and environments by content hash, in memory within BLOB_CACHE_BYTES; environments split already */
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
};

void blobs_release(struct blobs *b);
/* Keeps a copy; false: the data is not what the hash says. */
bool blobs_put(struct blobs *b, struct td_bin hash, struct td_bin data);
/* Borrowed until the next blobs_put. NULL: not here. An empty hash is an empty blob. */
const struct blob *blobs_get(struct blobs *b, struct td_bin hash);
const struct td_strs *blobs_env(struct blobs *b, struct td_bin hash);

#endif
