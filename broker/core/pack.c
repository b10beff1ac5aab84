/* pack.c - deep copies of records in one block of exactly their size
 *
 * A queue of a hundred thousand jobs is a hundred thousand of these, so each costs one allocation
 * and no slack. Walks the record's descriptor twice: once to measure, once to copy. */
#include <string.h>

#include "broker/core/pack.h"

struct packer {
    uint8_t *base; /* NULL while measuring */
    size_t used;
};

static void *take(struct packer *p, size_t size, size_t align)
{
    p->used = (p->used + align - 1) & ~(align - 1);
    void *at = p->base ? p->base + p->used : NULL;
    p->used += size;
    return at;
}

static const char *pack_str(struct packer *p, const char *s)
{
    if (!s)
        return NULL;
    size_t n = strlen(s) + 1;
    char *to = take(p, n, 1);
    if (to)
        memcpy(to, s, n);
    return to;
}

static const void *pack_bytes(struct packer *p, const void *v, size_t n, size_t align)
{
    if (n == 0)
        return NULL;
    void *to = take(p, n, align);
    if (to)
        memcpy(to, v, n);
    return to;
}

static void pack_fields(struct packer *p, const struct td_record *rec, const uint8_t *from,
                        uint8_t *to);

static void pack_field(struct packer *p, const struct td_field *f, const uint8_t *from, uint8_t *to)
{
    const void *src = from + f->offset;
    void *dst = to ? to + f->offset : NULL;

    switch (f->type) {
    case TD_T_STR: {
        const char *s = pack_str(p, *(const char *const *)src);
        if (dst)
            *(const char **)dst = s;
        return;
    }
    case TD_T_BIN: {
        const struct td_bin *b = src;
        const void *v = pack_bytes(p, b->v, b->n, 1);
        if (dst)
            *(struct td_bin *)dst = (struct td_bin){v, b->n};
        return;
    }
    case TD_T_U32S: {
        const struct td_u32s *l = src;
        const void *v = pack_bytes(p, l->v, (size_t)l->n * sizeof(*l->v), sizeof(*l->v));
        if (dst)
            *(struct td_u32s *)dst = (struct td_u32s){v, l->n};
        return;
    }
    case TD_T_STRS: {
        const struct td_strs *l = src;
        const char **v = l->n ? take(p, l->n * sizeof(char *), sizeof(char *)) : NULL;
        for (uint32_t i = 0; i < l->n; i++) {
            const char *s = pack_str(p, l->v[i]);
            if (v)
                v[i] = s;
        }
        if (dst)
            *(struct td_strs *)dst = (struct td_strs){v, l->n};
        return;
    }
    case TD_T_REC:
        pack_fields(p, f->sub, src, dst);
        return;
    case TD_T_RECS: {
        const struct {
            const uint8_t *v;
            uint32_t n;
        } *l = src;
        uint8_t *v = l->n ? take(p, l->n * f->sub->size, 8) : NULL;
        if (v)
            memcpy(v, l->v, l->n * f->sub->size);
        for (uint32_t i = 0; i < l->n; i++)
            pack_fields(p, f->sub, l->v + i * f->sub->size, v ? v + i * f->sub->size : NULL);
        if (dst)
            memcpy(dst, &(struct {
                       const uint8_t *v;
                       uint32_t n;
                   }){v, l->n},
                   sizeof(*l));
        return;
    }
    case TD_T_BOOL:
    case TD_T_U32:
    case TD_T_U64:
    case TD_T_I64:
        return; /* copied with the struct */
    }
}

static void pack_fields(struct packer *p, const struct td_record *rec, const uint8_t *from,
                        uint8_t *to)
{
    for (uint32_t i = 0; i < rec->n; i++)
        pack_field(p, &rec->fields[i], from, to);
}

size_t core_pack_extra(const struct td_record *rec, const void *from)
{
    struct packer p = {0};
    pack_fields(&p, rec, from, NULL);
    return p.used;
}

void core_pack_into(const struct td_record *rec, const void *from, void *to, void *extra)
{
    struct packer p = {.base = extra};
    memcpy(to, from, rec->size);
    if (extra)
        pack_fields(&p, rec, from, to);
}

void *core_pack(const struct td_record *rec, const void *from)
{
    size_t head = (rec->size + 7) & ~(size_t)7;
    uint8_t *block = td_alloc(head + core_pack_extra(rec, from) + 8);
    core_pack_into(rec, from, block, block + head);
    return block;
}
