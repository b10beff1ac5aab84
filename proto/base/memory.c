/* memory.c - allocation that fails by aborting, and arenas
 *
 * Arena invariant: chunks form a list, newest first; used_total is the sum handed out since the last reset. A reset
 * keeps the largest chunk, so a loop of equal wakes stops allocating. Chunks double up to CHUNK_MAX; from HUGE on they are
 * made of huge pages where the kernel has them: 100,000 rows of squeue are 80 MB, and each page costs a fault. */
#include "base/base.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define CHUNK_MIN 4096u
#define CHUNK_MAX (8u << 20)
#define HUGE (2u << 20)
#define ALIGN 16u

struct td_arena_chunk {
    struct td_arena_chunk *next;
    size_t used, cap;
    _Alignas(ALIGN) uint8_t data[];
};

void *td_alloc(size_t size)
{
    void *p = calloc(1, size ? size : 1);
    TD_ASSERT(p != NULL);
    return p;
}

void *td_realloc(void *p, size_t size)
{
    p = realloc(p, size ? size : 1);
    TD_ASSERT(p != NULL);
    return p;
}

void td_free(void *p)
{
    free(p);
}

char *td_strndup(const char *s, size_t n)
{
    char *copy = td_alloc(n + 1);
    memcpy(copy, s, n);
    return copy;
}

char *td_strdup(const char *s)
{
    return s ? td_strndup(s, strlen(s)) : td_strndup("", 0);
}

static struct td_arena_chunk *chunk_make(size_t size) /* size: with its head; rounded up where pages are huge */
{
    struct td_arena_chunk *c;

    if (size >= HUGE) {
        size = (size + HUGE - 1) & ~(size_t)(HUGE - 1);
        c = aligned_alloc(HUGE, size);
        TD_ASSERT(c != NULL);
        (void)madvise(c, size, MADV_HUGEPAGE); /* advice: without it everything works, slower */
    } else {
        c = malloc(size);
        TD_ASSERT(c != NULL);
    }
    c->cap = size - sizeof(*c);
    return c;
}

void *td_arena_alloc(struct td_arena *a, size_t size)
{
    struct td_arena_chunk *c = a->head;
    size_t need = (size + ALIGN - 1) & ~(size_t)(ALIGN - 1);

    TD_ASSERT(need >= size);
    if (!c || c->cap - c->used < need) {
        size_t whole = c ? (sizeof(*c) + c->cap) * 2 : CHUNK_MIN;
        if (whole > CHUNK_MAX)
            whole = CHUNK_MAX;
        if (whole < sizeof(*c) + need)
            whole = sizeof(*c) + need;
        c = chunk_make(whole);
        c->next = a->head;
        c->used = 0;
        a->head = c;
    }
    void *p = c->data + c->used;
    c->used += need;
    a->used_total += need;
    return memset(p, 0, need);
}

char *td_arena_strdup(struct td_arena *a, const char *s)
{
    return td_arena_dup(a, s ? s : "", (s ? strlen(s) : 0) + 1);
}

void *td_arena_dup(struct td_arena *a, const void *p, size_t size)
{
    void *copy = td_arena_alloc(a, size);
    if (size)
        memcpy(copy, p, size);
    return copy;
}

void td_arena_reset(struct td_arena *a)
{
    struct td_arena_chunk *keep = NULL;

    for (struct td_arena_chunk *c = a->head, *next; c; c = next) {
        next = c->next;
        if (!keep || c->cap > keep->cap) {
            free(keep);
            keep = c;
        } else {
            free(c);
        }
    }
    if (keep) {
        keep->next = NULL;
        keep->used = 0;
    }
    a->head = keep;
    a->used_total = 0;
}

void td_arena_release(struct td_arena *a)
{
    for (struct td_arena_chunk *c = a->head, *next; c; c = next) {
        next = c->next;
        free(c);
    }
    a->head = NULL;
    a->used_total = 0;
}
