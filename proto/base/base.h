/* base.h - the few things every part stands on; no I/O, no clock, no globals
 *
 * td_base may use memory, string and abort functions and nothing else: the pure cores link it, and a test on their
 * symbols (tests/unit/test_symbols) fails when anything else creeps in. */
#ifndef TD_BASE_H
#define TD_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TD_ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define TD_MIN(a, b) ((a) < (b) ? (a) : (b))
#define TD_MAX(a, b) ((a) > (b) ? (a) : (b))
#define TD_UNUSED __attribute__((unused))

/* An assertion states that *we* are wrong; it stays on in production. Bad input and a bad world are never asserted.
 * td_assert_failed writes one line to fd 2 through td_assert_hook (set by shells; the cores have no stdio) and aborts. */
typedef void td_assert_hook_fn(const char *file, int line, const char *what);
extern td_assert_hook_fn *td_assert_hook;
_Noreturn void td_assert_failed(const char *file, int line, const char *what);
#define TD_ASSERT(cond) ((cond) ? (void)0 : td_assert_failed(__FILE__, __LINE__, #cond))

/* Memory: small allocations that fail abort; nothing checks for NULL. */
void *td_alloc(size_t size); /* zeroed */
void *td_realloc(void *p, size_t size);
char *td_strdup(const char *s);
char *td_strndup(const char *s, size_t n);

/* Arena: memory that lives until the next reset; what decoding and a wake's messages live in. */
struct td_arena {
    struct td_arena_chunk *head;
    size_t used_total;
};
void *td_arena_alloc(struct td_arena *a, size_t size); /* zeroed, 16-aligned */
char *td_arena_strdup(struct td_arena *a, const char *s);
void *td_arena_dup(struct td_arena *a, const void *p, size_t size);
void td_arena_reset(struct td_arena *a);   /* keeps the largest chunk */
void td_arena_release(struct td_arena *a); /* gives everything back */

/* Buffer of bytes that grows; also the string builder. Always NUL-terminated behind len. */
struct td_buf {
    uint8_t *data; /* owned */
    size_t len, cap;
};
void td_buf_put(struct td_buf *b, const void *p, size_t n);
void td_buf_puts(struct td_buf *b, const char *s);
void td_buf_putc(struct td_buf *b, char c);
void td_buf_put_u64(struct td_buf *b, uint64_t v); /* decimal */
void td_buf_put_i64(struct td_buf *b, int64_t v);
void td_buf_pad(struct td_buf *b, char c, size_t n);
const char *td_buf_str(const struct td_buf *b); /* "" when empty; borrowed until the next change */
void td_buf_reset(struct td_buf *b);
void td_buf_release(struct td_buf *b);

/* Bitmaps are byte strings, least significant bit first, so that they are the same on the wire and in memory. */
struct td_bin {
    const uint8_t *v;
    uint32_t n; /* bytes */
};
static inline bool td_bits_get(const uint8_t *v, uint32_t nbytes, uint32_t i)
{
    return i / 8 < nbytes && (v[i / 8] >> (i % 8) & 1);
}
static inline void td_bits_set(uint8_t *v, uint32_t i)
{
    v[i / 8] = (uint8_t)(v[i / 8] | 1u << (i % 8));
}
static inline void td_bits_clear(uint8_t *v, uint32_t i)
{
    v[i / 8] = (uint8_t)(v[i / 8] & ~(1u << (i % 8)));
}
uint32_t td_bits_count(const uint8_t *v, uint32_t nbytes);
uint32_t td_bits_count_without(const uint8_t *v, const uint8_t *without, uint32_t nbytes); /* in v, and not there */
int64_t td_bits_next(const uint8_t *v, uint32_t nbytes, uint32_t from); /* first set bit >= from, or -1 */
bool td_bits_overlap(struct td_bin a, struct td_bin b);
bool td_bits_covers(struct td_bin outer, struct td_bin inner); /* inner is a subset of outer */
bool td_bin_equal(struct td_bin a, struct td_bin b);

/* Growable array: TD_VEC(struct job *) jobs; td_vec_push(&jobs, j); jobs.v[i], jobs.n */
#define TD_VEC(type)          \
    struct {                  \
        type *v;              \
        uint32_t n, cap;      \
    }
#define td_vec_reserve(vec, want)                                                             \
    do {                                                                                      \
        if ((vec)->cap < (want)) {                                                            \
            uint32_t cap_ = (vec)->cap ? (vec)->cap : 8;                                      \
            while (cap_ < (want))                                                             \
                cap_ *= 2;                                                                    \
            (vec)->v = td_realloc((vec)->v, (size_t)cap_ * sizeof(*(vec)->v));                \
            (vec)->cap = cap_;                                                                \
        }                                                                                     \
    } while (0)
#define td_vec_push(vec, item)                 \
    do {                                       \
        td_vec_reserve((vec), (vec)->n + 1);   \
        (vec)->v[(vec)->n++] = (item);         \
    } while (0)
#define td_vec_release(vec)  \
    do {                     \
        td_free((vec)->v);   \
        (vec)->v = NULL;     \
        (vec)->n = 0;        \
        (vec)->cap = 0;      \
    } while (0)
void td_free(void *p);

/* Hash map from a 64-bit key to a pointer. Never iterated for a decision (law 9): there is no iterator. */
struct td_map {
    struct td_map_slot *slots;
    uint32_t n, used, cap;
};
void *td_map_get(const struct td_map *m, uint64_t key); /* NULL when absent */
void td_map_put(struct td_map *m, uint64_t key, void *value);
void *td_map_del(struct td_map *m, uint64_t key); /* what was there, or NULL */
void td_map_release(struct td_map *m);

/* The same from a string; the key is copied. */
struct td_strmap {
    struct td_strmap_slot *slots;
    uint32_t n, used, cap;
};
void *td_strmap_get(const struct td_strmap *m, const char *key);
void td_strmap_put(struct td_strmap *m, const char *key, void *value);
void *td_strmap_del(struct td_strmap *m, const char *key);
void td_strmap_release(struct td_strmap *m);

/* Digest: order-dependent 64-bit mixing of integers and bytes, equal on every machine (not cryptographic). */
uint64_t td_mix_u64(uint64_t h, uint64_t v);
uint64_t td_mix_bytes(uint64_t h, const void *p, size_t n);
uint64_t td_mix_str(uint64_t h, const char *s); /* NULL mixes as "" */

/* The same on every machine: log2 in 1/65536 of v > 0; square root, rounded down. */
int64_t td_log2_fixed(uint64_t v);
uint64_t td_exp2_fixed(int64_t x); /* its inverse, 2^(x / 65536), to the nearest; 0 below 0, the most there is from 64 on */
uint64_t td_isqrt(uint64_t v);

/* Random numbers as values: splitmix64 (Steele, Lea, Flood 2014). */
struct td_rng {
    uint64_t state;
};
uint64_t td_rng_next(struct td_rng *r);
uint32_t td_rng_below(struct td_rng *r, uint32_t n); /* 0 .. n-1; n > 0 */

/* Strings, checked. */
bool td_str_empty(const char *s);         /* NULL or "" */
bool td_str_equal(const char *a, const char *b); /* NULL equals "" */
int td_str_casecmp(const char *a, const char *b);
bool td_str_prefix(const char *s, const char *prefix);
bool td_parse_u64(const char *s, uint64_t *ret); /* whole string, decimal */
bool td_parse_i64(const char *s, int64_t *ret);
uint32_t td_edit_distance(const char *a, const char *b); /* case-blind Levenshtein, for "nearest known name" */

/* An error to a person: the code from errors.def and words that name the thing. */
#define TD_ERROR_TEXT_MAX 512
struct td_error {
    int code; /* enum td_errno, 0 = none */
    char text[TD_ERROR_TEXT_MAX];
};
/* Formats %s %d %u %ld %lu %lld %llu %c %% only (own formatter: the cores have no stdio). Returns -code. */
int td_fail(struct td_error *err, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
size_t td_format(char *out, size_t cap, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void td_buf_putf(struct td_buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define td_autofree __attribute__((cleanup(td_free_at)))
static inline void td_free_at(void *pp)
{
    td_free(*(void **)pp);
}

#endif
