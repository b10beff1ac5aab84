/* pick.c - some fields of a record: what somebody asked for, less what is not for his eyes
 *
 * Paths are sets of at most a few dozen, and a pick is made once for thousands of rows: making one may cost. A path that
 * names no field here comes from somebody newer or wrong, and picks nothing. */
#include "types/types.h"

#include <string.h>

#define PATH_KEYS 4u /* in a number of 32 bits */

struct making {
    struct td_arena *a;
    enum td_see see;
    const struct td_u32s *wanted, *left_out;
};

static bool names(const struct td_u32s *paths, uint32_t path)
{
    for (uint32_t i = 0; i < paths->n; i++)
        if (paths->v[i] == path)
            return true;
    return false;
}

/* Whether some path leads into the record that `path`, of so many keys, names. */
static bool leads_into(const struct td_u32s *paths, uint32_t path, uint32_t depth)
{
    uint32_t mask = depth < PATH_KEYS ? (1u << (8 * depth)) - 1 : UINT32_MAX;
    for (uint32_t i = 0; i < paths->n; i++)
        if ((paths->v[i] & mask) == path && paths->v[i] != path)
            return true;
    return false;
}

/* `whole`: a record around this one was asked for. Fields beyond what a path can name come and go with what is around them. */
static const struct td_pick *make(const struct making *m, const struct td_record *rec, uint32_t path, uint32_t depth, bool whole)
{
    struct td_pick *p = td_arena_alloc(m->a, sizeof(*p) + rec->n * sizeof(p->v[0]));
    p->rec = rec;
    for (uint32_t i = 0; i < rec->n; i++) {
        const struct td_field *f = &rec->fields[i];
        bool nameable = depth < PATH_KEYS && f->key <= UINT8_MAX;
        uint32_t here = nameable ? path | f->key << (8 * depth) : path;
        bool all = whole || (nameable && names(m->wanted, here));
        if (f->see > m->see || (nameable && names(m->left_out, here)))
            continue;
        if (!all && !(nameable && f->sub && leads_into(m->wanted, here, depth + 1)))
            continue;
        const struct td_pick *sub = f->sub ? make(m, f->sub, here, nameable ? depth + 1 : PATH_KEYS, all) : NULL;
        if (!sub || sub->n)
            p->v[p->n++] = (struct td_pick_field){f, sub};
    }
    return p;
}

const struct td_pick *td_pick_make(struct td_arena *a, const struct td_record *rec, enum td_see see,
                                   const struct td_u32s *wanted, const struct td_u32s *left_out)
{
    const struct making m = {a, see, wanted, left_out};
    return make(&m, rec, 0, 0, wanted->n == 0);
}

size_t td_field_size(const struct td_field *f)
{
    switch (f->type) {
    case TD_T_BOOL:
        return sizeof(bool);
    case TD_T_U32:
        return sizeof(uint32_t);
    case TD_T_U64:
        return sizeof(uint64_t);
    case TD_T_I64:
        return sizeof(int64_t);
    case TD_T_STR:
        return sizeof(const char *);
    case TD_T_BIN:
        return sizeof(struct td_bin);
    case TD_T_U32S:
        return sizeof(struct td_u32s);
    case TD_T_STRS:
        return sizeof(struct td_strs);
    case TD_T_REC:
        return f->sub->size;
    case TD_T_RECS:
        return sizeof(struct td_span_list); /* all lists look alike */
    }
    TD_ASSERT(false);
    return 0;
}

static void copy_list(struct td_arena *a, const struct td_pick *pick, const struct td_span_list *from, struct td_span_list *to)
{
    size_t size = pick->rec->size;
    char *v = from->n ? td_arena_alloc(a, from->n * size) : NULL;
    for (uint32_t i = 0; i < from->n; i++)
        td_pick_copy(a, pick, (const char *)from->v + i * size, v + i * size);
    *to = (struct td_span_list){(const void *)v, from->n};
}

void td_pick_copy(struct td_arena *a, const struct td_pick *pick, const void *from, void *to)
{
    memset(to, 0, pick->rec->size);
    for (uint32_t i = 0; i < pick->n; i++) {
        const struct td_field *f = pick->v[i].field;
        const void *source = (const char *)from + f->offset;
        void *at = (char *)to + f->offset;
        if (f->type == TD_T_REC)
            td_pick_copy(a, pick->v[i].sub, source, at);
        else if (f->type == TD_T_RECS)
            copy_list(a, pick->v[i].sub, source, at);
        else
            memcpy(at, source, td_field_size(f));
    }
}
