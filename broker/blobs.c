/* blobs.c - scripts and environments lately seen, by content hash; the oldest used one goes first
 *
 * Bound: BLOB_CACHE_BYTES in all. The journal has them too: this only saves reading. */
#include "broker/shell.h"

#include <string.h>

static uint64_t key_of(const uint8_t hash[32])
{
    uint64_t key;
    memcpy(&key, hash, sizeof(key));
    return key;
}

static void unlink_blob(struct shell_blobs *b, struct shell_blob *x)
{
    *(x->newer ? &x->newer->older : &b->newest) = x->older;
    *(x->older ? &x->older->newer : &b->oldest) = x->newer;
    x->newer = x->older = NULL;
}

static void link_newest(struct shell_blobs *b, struct shell_blob *x)
{
    x->older = b->newest;
    *(b->newest ? &b->newest->newer : &b->oldest) = x;
    b->newest = x;
}

static void drop(struct shell_blobs *b, struct shell_blob *x)
{
    unlink_blob(b, x);
    td_map_del(&b->by_hash, key_of(x->hash));
    b->bytes -= x->len;
    td_free(x->data);
    td_free(x);
}

const struct shell_blob *shell_blobs_get(struct shell_blobs *b, const uint8_t hash[32])
{
    struct shell_blob *x = td_map_get(&b->by_hash, key_of(hash));
    if (!x || memcmp(x->hash, hash, 32) != 0)
        return NULL;
    if (b->newest != x) {
        unlink_blob(b, x);
        link_newest(b, x);
    }
    return x;
}

const struct shell_blob *shell_blobs_put(struct shell_blobs *b, const uint8_t hash[32], const void *data, size_t len)
{
    struct shell_blob *x = td_map_get(&b->by_hash, key_of(hash));
    if (x && memcmp(x->hash, hash, 32) == 0)
        return x;
    if (x)
        drop(b, x);
    x = td_alloc(sizeof(*x));
    memcpy(x->hash, hash, 32);
    x->len = (uint32_t)len;
    x->data = td_alloc(len + 1);
    if (len)
        memcpy(x->data, data, len);
    td_map_put(&b->by_hash, key_of(hash), x);
    link_newest(b, x);
    b->bytes += len;
    while (b->bytes > TD_MAX_BLOB_CACHE_BYTES && b->oldest != x)
        drop(b, b->oldest);
    return x;
}

void shell_blobs_release(struct shell_blobs *b)
{
    while (b->oldest)
        drop(b, b->oldest);
    td_map_release(&b->by_hash);
}
