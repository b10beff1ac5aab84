/* copy.c - deep copy and comparison of records, driven by their descriptors */
#include "types/types.h"

#include <string.h>

/* Every list type has the same two members, so one layout serves to read any of them. */
struct list {
    const void *v;
    uint32_t n;
};

static void copy_field(struct td_arena *a, const struct td_field *f, void *at)
{
    switch (f->type) {
    case TD_T_BOOL:
    case TD_T_U32:
    case TD_T_U64:
    case TD_T_I64:
        return;
    case TD_T_STR: {
        const char **s = at;
        if (*s)
            *s = td_arena_strdup(a, *s);
        return;
    }
    case TD_T_BIN: {
        struct td_bin *b = at;
        b->v = b->n ? td_arena_dup(a, b->v, b->n) : NULL;
        return;
    }
    case TD_T_U32S: {
        struct td_u32s *l = at;
        l->v = l->n ? td_arena_dup(a, l->v, l->n * sizeof(*l->v)) : NULL;
        return;
    }
    case TD_T_STRS: {
        struct td_strs *l = at;
        const char **v = l->n ? td_arena_alloc(a, l->n * sizeof(*v)) : NULL;
        for (uint32_t i = 0; i < l->n; i++)
            v[i] = td_arena_strdup(a, l->v[i]);
        l->v = v;
        return;
    }
    case TD_T_REC:
        for (uint32_t i = 0; i < f->sub->n; i++)
            copy_field(a, &f->sub->fields[i], (char *)at + f->sub->fields[i].offset);
        return;
    case TD_T_RECS: {
        struct list *l = at;
        char *v = l->n ? td_arena_alloc(a, l->n * f->sub->size) : NULL;
        for (uint32_t i = 0; i < l->n; i++)
            td_record_copy(a, f->sub, (const char *)l->v + i * f->sub->size, v + i * f->sub->size);
        l->v = v;
        return;
    }
    }
}

void td_record_copy(struct td_arena *a, const struct td_record *rec, const void *from, void *to)
{
    memmove(to, from, rec->size);
    for (uint32_t i = 0; i < rec->n; i++)
        copy_field(a, &rec->fields[i], (char *)to + rec->fields[i].offset);
}

static bool field_equal(const struct td_field *f, const void *a, const void *b)
{
    switch (f->type) {
    case TD_T_BOOL:
        return *(const bool *)a == *(const bool *)b;
    case TD_T_U32:
        return *(const uint32_t *)a == *(const uint32_t *)b;
    case TD_T_U64:
    case TD_T_I64:
        return *(const uint64_t *)a == *(const uint64_t *)b;
    case TD_T_STR:
        return td_str_equal(*(const char *const *)a, *(const char *const *)b);
    case TD_T_BIN:
        return td_bin_equal(*(const struct td_bin *)a, *(const struct td_bin *)b);
    case TD_T_U32S: {
        const struct td_u32s *x = a, *y = b;
        return x->n == y->n && (x->n == 0 || memcmp(x->v, y->v, x->n * sizeof(*x->v)) == 0);
    }
    case TD_T_STRS: {
        const struct td_strs *x = a, *y = b;
        for (uint32_t i = 0; i < TD_MIN(x->n, y->n); i++) {
            if (!td_str_equal(x->v[i], y->v[i]))
                return false;
        }
        return x->n == y->n;
    }
    case TD_T_REC:
        return td_record_equal(f->sub, a, b);
    case TD_T_RECS: {
        const struct list *x = a, *y = b;
        for (uint32_t i = 0; i < TD_MIN(x->n, y->n); i++) {
            if (!td_record_equal(f->sub, (const char *)x->v + i * f->sub->size, (const char *)y->v + i * f->sub->size))
                return false;
        }
        return x->n == y->n;
    }
    }
    return false;
}

bool td_record_equal(const struct td_record *rec, const void *a, const void *b)
{
    for (uint32_t i = 0; i < rec->n; i++) {
        size_t at = rec->fields[i].offset;
        if (!field_equal(&rec->fields[i], (const char *)a + at, (const char *)b + at))
            return false;
    }
    return true;
}

static int over(const struct td_record *rec, const struct td_field *f, uint64_t max, struct td_error *err)
{
    return td_fail(err, TD_E_TOO_BIG, "%s.%s is over its limit of %lu", rec->name, f->name, (unsigned long)max);
}

static int list_check(const struct td_record *rec, const struct td_field *f, const struct list *l, struct td_error *err)
{
    if (l->n > f->max)
        return over(rec, f, f->max, err);
    for (uint32_t i = 0; f->type == TD_T_STRS && i < l->n; i++) {
        if (strlen(((const char *const *)l->v)[i]) > TD_MAX_EXPR_BYTES)
            return over(rec, f, TD_MAX_EXPR_BYTES, err);
    }
    for (uint32_t i = 0; f->type == TD_T_RECS && i < l->n; i++) {
        int r = td_record_check(f->sub, (const char *)l->v + i * f->sub->size, err);
        if (r < 0)
            return r;
    }
    return 0;
}

static int field_check(const struct td_record *rec, const struct td_field *f, const void *at, struct td_error *err)
{
    switch (f->type) {
    case TD_T_BOOL:
    case TD_T_I64:
        return 0;
    case TD_T_U32:
        return f->max && *(const uint32_t *)at > f->max ? over(rec, f, f->max, err) : 0;
    case TD_T_U64:
        return f->max && *(const uint64_t *)at > f->max ? over(rec, f, f->max, err) : 0;
    case TD_T_STR:
        return *(const char *const *)at && strlen(*(const char *const *)at) > f->max ? over(rec, f, f->max, err) : 0;
    case TD_T_BIN: /* bytes: the same two members */
    case TD_T_U32S:
    case TD_T_STRS:
    case TD_T_RECS:
        return list_check(rec, f, at, err);
    case TD_T_REC:
        return td_record_check(f->sub, at, err);
    }
    return 0;
}

int td_record_check(const struct td_record *rec, const void *body, struct td_error *err)
{
    for (uint32_t i = 0; i < rec->n; i++) {
        int r = field_check(rec, &rec->fields[i], (const char *)body + rec->fields[i].offset, err);
        if (r < 0)
            return r;
    }
    return 0;
}
