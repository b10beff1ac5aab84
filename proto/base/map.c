/* map.c - open addressing with linear probing and backward-shift deletion; no iterator, so nothing can depend on
 * the order of a hash (law 9) */
#include "base/base.h"

#include <string.h>

struct td_map_slot {
    uint64_t key;
    void *value; /* NULL = free */
};

static uint64_t spread(uint64_t k)
{
    k ^= k >> 32;
    k *= 0x9e3779b97f4a7c15u;
    return k ^ k >> 29;
}

static uint32_t map_find(const struct td_map *m, uint64_t key)
{
    uint32_t i = (uint32_t)spread(key) & (m->cap - 1);
    while (m->slots[i].value && m->slots[i].key != key)
        i = (i + 1) & (m->cap - 1);
    return i;
}

void *td_map_get(const struct td_map *m, uint64_t key)
{
    return m->cap ? m->slots[map_find(m, key)].value : NULL;
}

static void map_grow(struct td_map *m)
{
    struct td_map old = *m;
    m->cap = old.cap ? old.cap * 2 : 16;
    m->slots = td_alloc(m->cap * sizeof(*m->slots));
    for (uint32_t i = 0; i < old.cap; i++) {
        if (old.slots[i].value)
            m->slots[map_find(m, old.slots[i].key)] = old.slots[i];
    }
    td_free(old.slots);
}

void td_map_put(struct td_map *m, uint64_t key, void *value)
{
    TD_ASSERT(value != NULL);
    if ((m->n + 1) * 4 > m->cap * 3)
        map_grow(m);
    struct td_map_slot *s = &m->slots[map_find(m, key)];
    if (!s->value)
        m->n++;
    s->key = key;
    s->value = value;
}

void *td_map_del(struct td_map *m, uint64_t key)
{
    if (!m->cap)
        return NULL;
    uint32_t mask = m->cap - 1, hole = map_find(m, key);
    void *value = m->slots[hole].value;
    if (!value)
        return NULL;
    m->n--;
    for (uint32_t i = (hole + 1) & mask; m->slots[i].value; i = (i + 1) & mask) {
        uint32_t home = (uint32_t)spread(m->slots[i].key) & mask;
        if (((i - home) & mask) >= ((i - hole) & mask)) {
            m->slots[hole] = m->slots[i];
            hole = i;
        }
    }
    m->slots[hole].value = NULL;
    return value;
}

void td_map_release(struct td_map *m)
{
    td_free(m->slots);
    *m = (struct td_map){0};
}

struct td_strmap_slot {
    char *key; /* owned */
    void *value;
};

static uint32_t strmap_find(const struct td_strmap *m, const char *key)
{
    uint32_t i = (uint32_t)td_mix_str(0, key) & (m->cap - 1);
    while (m->slots[i].value && strcmp(m->slots[i].key, key) != 0)
        i = (i + 1) & (m->cap - 1);
    return i;
}

void *td_strmap_get(const struct td_strmap *m, const char *key)
{
    return m->cap && key ? m->slots[strmap_find(m, key)].value : NULL;
}

static void strmap_grow(struct td_strmap *m)
{
    struct td_strmap old = *m;
    m->cap = old.cap ? old.cap * 2 : 16;
    m->slots = td_alloc(m->cap * sizeof(*m->slots));
    for (uint32_t i = 0; i < old.cap; i++) {
        if (old.slots[i].value)
            m->slots[strmap_find(m, old.slots[i].key)] = old.slots[i];
    }
    td_free(old.slots);
}

void td_strmap_put(struct td_strmap *m, const char *key, void *value)
{
    TD_ASSERT(value != NULL);
    if ((m->n + 1) * 4 > m->cap * 3)
        strmap_grow(m);
    struct td_strmap_slot *s = &m->slots[strmap_find(m, key)];
    if (!s->value) {
        m->n++;
        s->key = td_strdup(key);
    }
    s->value = value;
}

void *td_strmap_del(struct td_strmap *m, const char *key)
{
    if (!m->cap)
        return NULL;
    uint32_t mask = m->cap - 1, hole = strmap_find(m, key);
    void *value = m->slots[hole].value;
    if (!value)
        return NULL;
    m->n--;
    td_free(m->slots[hole].key);
    for (uint32_t i = (hole + 1) & mask; m->slots[i].value; i = (i + 1) & mask) {
        uint32_t home = (uint32_t)td_mix_str(0, m->slots[i].key) & mask;
        if (((i - home) & mask) >= ((i - hole) & mask)) {
            m->slots[hole] = m->slots[i];
            hole = i;
        }
    }
    m->slots[hole] = (struct td_strmap_slot){0};
    return value;
}

void td_strmap_release(struct td_strmap *m)
{
    for (uint32_t i = 0; i < m->cap; i++) {
        if (m->slots[i].value)
            td_free(m->slots[i].key);
    }
    td_free(m->slots);
    *m = (struct td_strmap){0};
}
