/* fill.c - see fill.h. Values differ from field to field, so that two swapped fields are found. */
#include "fill.h"

#include <string.h>

static uint64_t small_number(const struct td_field *f, uint32_t salt)
{
    uint64_t v = 1 + (salt * 7u + f->key * 13u) % 5000u;

    return f->max ? 1 + v % f->max : v;
}

static char *text_of(struct td_arena *a, uint64_t n, uint32_t salt)
{
    char *s = td_arena_alloc(a, n + 1);

    for (uint64_t i = 0; i < n; i++)
        s[i] = (char)('a' + (i + salt) % 26);
    return s;
}

static uint64_t length_within(const struct td_field *f, uint64_t want)
{
    return f->max && want > f->max ? f->max : want;
}

static void fill_list(struct td_arena *a, const struct td_field *f, void *at, uint32_t n, uint32_t salt)
{
    size_t size = f->type == TD_T_BIN ? 1 : f->type == TD_T_U32S ? 4 : f->type == TD_T_STRS ? sizeof(char *) : f->sub->size;
    char *v = td_arena_alloc(a, n * size);

    for (uint32_t i = 0; i < n; i++) {
        if (f->type == TD_T_BIN)
            v[i] = (char)(i + salt);
        else if (f->type == TD_T_U32S)
            ((uint32_t *)(void *)v)[i] = i * 1000003u + salt;
        else if (f->type == TD_T_STRS)
            ((const char **)(void *)v)[i] = text_of(a, i % 4, salt);
        else
            fill_record(a, f->sub, v + i * size, salt + i);
    }
    *(struct td_span_list *)at = (struct td_span_list){(const void *)v, n};
}

void fill_field(struct td_arena *a, const struct td_field *f, void *body, uint32_t salt)
{
    void *at = (char *)body + f->offset;

    switch (f->type) {
    case TD_T_BOOL:
        *(bool *)at = true;
        break;
    case TD_T_U32:
        *(uint32_t *)at = (uint32_t)small_number(f, salt);
        break;
    case TD_T_U64:
        *(uint64_t *)at = small_number(f, salt);
        break;
    case TD_T_I64:
        *(int64_t *)at = salt % 2 ? (int64_t)small_number(f, salt) : -(int64_t)small_number(f, salt);
        break;
    case TD_T_STR:
        *(const char **)at = text_of(a, length_within(f, 1 + (salt + f->key) % 40), salt + f->key);
        break;
    case TD_T_REC:
        fill_record(a, f->sub, at, salt + 1);
        break;
    default:
        fill_list(a, f, at, (uint32_t)length_within(f, 1 + (salt + f->key) % 3), salt);
    }
}

void fill_record(struct td_arena *a, const struct td_record *rec, void *body, uint32_t salt)
{
    memset(body, 0, rec->size);
    for (uint32_t i = 0; i < rec->n; i++)
        fill_field(a, &rec->fields[i], body, salt);
}

void fill_field_max(struct td_arena *a, const struct td_field *f, void *body)
{
    void *at = (char *)body + f->offset;

    switch (f->type) {
    case TD_T_BOOL:
        *(bool *)at = true;
        break;
    case TD_T_U32:
        *(uint32_t *)at = f->max ? (uint32_t)f->max : UINT32_MAX;
        break;
    case TD_T_U64:
        *(uint64_t *)at = f->max ? f->max : UINT64_MAX;
        break;
    case TD_T_I64:
        *(int64_t *)at = f->max ? (int64_t)f->max : INT64_MIN;
        break;
    case TD_T_STR:
        *(const char **)at = text_of(a, f->max, f->key);
        break;
    case TD_T_REC:
        fill_record(a, f->sub, at, f->key);
        break;
    default:
        fill_list(a, f, at, (uint32_t)f->max, f->key);
    }
}
