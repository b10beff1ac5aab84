/* digest.c - one number for the durable state: equal wherever the same events were applied */
#include "broker/core/state.h"

static uint64_t mix_record(uint64_t h, const struct td_record *rec, const uint8_t *body);

static uint64_t mix_field(uint64_t h, const struct td_field *f, const void *at)
{
    switch (f->type) {
    case TD_T_BOOL:
        return td_mix_u64(h, *(const bool *)at);
    case TD_T_U32:
        return td_mix_u64(h, *(const uint32_t *)at);
    case TD_T_U64:
        return td_mix_u64(h, *(const uint64_t *)at);
    case TD_T_I64:
        return td_mix_u64(h, (uint64_t) * (const int64_t *)at);
    case TD_T_STR:
        return td_mix_str(h, *(const char *const *)at);
    case TD_T_BIN: {
        const struct td_bin *b = at;
        return td_mix_bytes(h, b->v ? b->v : (const uint8_t *)"", b->n);
    }
    case TD_T_U32S: {
        const struct td_u32s *l = at;
        h = td_mix_u64(h, l->n);
        for (uint32_t i = 0; i < l->n; i++)
            h = td_mix_u64(h, l->v[i]);
        return h;
    }
    case TD_T_STRS: {
        const struct td_strs *l = at;
        h = td_mix_u64(h, l->n);
        for (uint32_t i = 0; i < l->n; i++)
            h = td_mix_str(h, l->v[i]);
        return h;
    }
    case TD_T_REC:
        return mix_record(h, f->sub, at);
    case TD_T_RECS: {
        const struct {
            const uint8_t *v;
            uint32_t n;
        } *l = at;
        h = td_mix_u64(h, l->n);
        for (uint32_t i = 0; i < l->n; i++)
            h = mix_record(h, f->sub, l->v + i * f->sub->size);
        return h;
    }
    }
    return h;
}

static uint64_t mix_record(uint64_t h, const struct td_record *rec, const uint8_t *body)
{
    for (uint32_t i = 0; i < rec->n; i++)
        h = mix_field(h, &rec->fields[i], body + rec->fields[i].offset);
    return h;
}

static void mix_emit(void *ctx, uint32_t kind, const struct td_record *rec, const void *body)
{
    uint64_t *h = ctx;
    *h = mix_record(td_mix_u64(*h, kind), rec, body);
}

uint64_t td_core_digest(const struct td_core *c)
{
    uint64_t h = 0;
    td_core_snapshot(c, mix_emit, &h);
    return h;
}
