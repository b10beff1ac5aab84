/* blobs.c - the cache
 *
 * Invariant: bytes is the sum of len. */
#include "worker/blobs.h"

#include <stdio.h>
#include <string.h>

#include "wire/wire.h"
#include "worker/environ.h"
#include "worker/log.h"

static void hex_of(struct td_bin hash, char out[BLOB_HEX])
{
    uint32_t n = TD_MIN(hash.n, 32u);
    for (uint32_t i = 0; i < n; i++)
        snprintf(out + 2 * i, 3, "%02x", hash.v[i]);
    out[2 * n] = '\0';
}

static void blob_free(struct blob *x)
{
    td_arena_release(&x->arena);
    td_free(x->data);
    td_free(x);
}

void blobs_release(struct blobs *b)
{
    for (uint32_t i = 0; i < b->all.n; i++)
        blob_free(b->all.v[i]);
    td_vec_release(&b->all);
    td_strmap_release(&b->by_hash);
}

/* Least recently used first; the newest always stays, whatever its size. */
static void evict(struct blobs *b)
{
    while (b->bytes > TD_MAX_BLOB_CACHE_BYTES && b->all.n > 1) {
        uint32_t oldest = 0;
        for (uint32_t i = 1; i < b->all.n; i++)
            if (b->all.v[i]->used < b->all.v[oldest]->used)
                oldest = i;
        struct blob *x = b->all.v[oldest];
        b->all.v[oldest] = b->all.v[--b->all.n];
        b->bytes -= x->len;
        td_strmap_del(&b->by_hash, x->hex);
        blob_free(x);
    }
}

bool blobs_put(struct blobs *b, struct td_bin hash, struct td_bin data)
{
    char hex[BLOB_HEX];
    uint8_t is[32];
    hex_of(hash, hex);
    struct blob *x = td_strmap_get(&b->by_hash, hex);
    if (x) {
        x->used = ++b->stamp;
        return true;
    }
    td_hash(data.v, data.n, is);
    if (hash.n != sizeof(is) || memcmp(is, hash.v, sizeof(is)) != 0) {
        td_log("error", "a blob named %s has other contents: thrown away", hex);
        return false;
    }
    x = td_alloc(sizeof(*x));
    memcpy(x->hex, hex, sizeof(hex));
    x->data = td_alloc(data.n + 1u);
    if (data.n)
        memcpy(x->data, data.v, data.n);
    x->len = data.n;
    x->used = ++b->stamp;
    td_strmap_put(&b->by_hash, hex, x);
    td_vec_push(&b->all, x);
    b->bytes += x->len;
    evict(b);
    return true;
}

static struct blob *find(struct blobs *b, struct td_bin hash)
{
    char hex[BLOB_HEX];
    hex_of(hash, hex);
    struct blob *x = td_strmap_get(&b->by_hash, hex);
    if (x)
        x->used = ++b->stamp;
    return x;
}

const struct blob *blobs_get(struct blobs *b, struct td_bin hash)
{
    static const struct blob empty = {.is_split = true};
    return hash.n ? find(b, hash) : &empty;
}

const struct td_strs *blobs_env(struct blobs *b, struct td_bin hash)
{
    static const struct td_strs none;
    if (!hash.n)
        return &none;
    struct blob *x = find(b, hash);
    if (!x)
        return NULL;
    if (!x->is_split) {
        environ_split((struct td_bin){x->data, x->len}, &x->arena, &x->env);
        x->is_split = true;
    }
    return &x->env;
}
