/* cursor.h - msgpack read item by item from bytes nobody has checked yet
 *
 * Reading is ours and not msgpack-c's: msgpack_unpack builds a tree of 24-byte objects in a zone and allocates an array
 * by its declared length before it has seen one item of it, so five bytes ask for gigabytes (law 7: limits are checked
 * before allocation). The cursor allocates nothing, never recurses and never points outside its bytes. msgpack-c packs,
 * and the tests hold this reader against it.
 *
 * An item is one head with its payload; of arrays and maps only the count, which is refused when more items are
 * announced than bytes are left (each item costs at least one). */
#ifndef TD_WIRE_CURSOR_H
#define TD_WIRE_CURSOR_H

#include <string.h>

#include "base/base.h"

enum item_kind {
    ITEM_NIL,
    ITEM_BOOL,
    ITEM_UINT,
    ITEM_NEGATIVE,
    ITEM_FLOAT,
    ITEM_STR,
    ITEM_BIN,
    ITEM_ARRAY,
    ITEM_MAP,
    ITEM_EXT,
};

struct item {
    enum item_kind kind;
    uint32_t n;           /* STR, BIN, EXT: bytes; ARRAY: items; MAP: pairs */
    uint64_t u;           /* BOOL, UINT */
    int64_t i;            /* NEGATIVE */
    const uint8_t *bytes; /* STR, BIN: inside the cursor's bytes */
};

struct cursor {
    const uint8_t *at, *end;
};

static inline size_t cursor_left(const struct cursor *c)
{
    return (size_t)(c->end - c->at);
}

static inline uint64_t cursor_big_endian(const uint8_t *p, uint32_t width)
{
    uint64_t v = 0;

    for (uint32_t i = 0; i < width; i++)
        v = v << 8 | p[i];
    return v;
}

/* Takes `width` bytes as a big-endian number. */
static inline bool cursor_number(struct cursor *c, uint32_t width, uint64_t *ret)
{
    if (cursor_left(c) < width)
        return false;
    *ret = cursor_big_endian(c->at, width);
    c->at += width;
    return true;
}

static inline bool cursor_signed(struct cursor *c, uint32_t width, struct item *ret)
{
    uint64_t raw;

    if (!cursor_number(c, width, &raw))
        return false;
    int64_t v = width == 1   ? (int8_t)raw
                : width == 2 ? (int16_t)raw
                : width == 4 ? (int32_t)raw
                             : (int64_t)raw;
    ret->kind = v < 0 ? ITEM_NEGATIVE : ITEM_UINT;
    ret->i = v;
    ret->u = (uint64_t)v;
    return true;
}

static inline bool cursor_payload(struct cursor *c, enum item_kind kind, uint64_t n, struct item *ret)
{
    if (n > cursor_left(c))
        return false;
    ret->kind = kind;
    ret->n = (uint32_t)n;
    ret->bytes = c->at;
    c->at += n;
    return true;
}

static inline bool cursor_count(struct cursor *c, enum item_kind kind, uint64_t n, struct item *ret)
{
    if ((kind == ITEM_MAP ? 2 * n : n) > cursor_left(c))
        return false;
    ret->kind = kind;
    ret->n = (uint32_t)n;
    return true;
}

/* The heads 0xc0 .. 0xdf, which are rarer than the short forms. */
static inline bool cursor_long_item(struct cursor *c, uint8_t head, struct item *ret)
{
    uint64_t n = 0;

    switch (head) {
    case 0xc0:
        ret->kind = ITEM_NIL;
        return true;
    case 0xc2:
    case 0xc3:
        ret->kind = ITEM_BOOL;
        ret->u = head & 1;
        return true;
    case 0xc4:
    case 0xc5:
    case 0xc6:
        return cursor_number(c, 1u << (head - 0xc4), &n) && cursor_payload(c, ITEM_BIN, n, ret);
    case 0xc7:
    case 0xc8:
    case 0xc9: /* the type byte belongs to the payload */
        return cursor_number(c, 1u << (head - 0xc7), &n) && cursor_payload(c, ITEM_EXT, n + 1, ret);
    case 0xca:
    case 0xcb:
        return cursor_payload(c, ITEM_FLOAT, head == 0xca ? 4 : 8, ret);
    case 0xcc:
    case 0xcd:
    case 0xce:
    case 0xcf:
        ret->kind = ITEM_UINT;
        return cursor_number(c, 1u << (head - 0xcc), &ret->u);
    case 0xd0:
    case 0xd1:
    case 0xd2:
    case 0xd3:
        return cursor_signed(c, 1u << (head - 0xd0), ret);
    case 0xd4:
    case 0xd5:
    case 0xd6:
    case 0xd7:
    case 0xd8:
        return cursor_payload(c, ITEM_EXT, (1u << (head - 0xd4)) + 1u, ret);
    case 0xd9:
    case 0xda:
    case 0xdb:
        return cursor_number(c, 1u << (head - 0xd9), &n) && cursor_payload(c, ITEM_STR, n, ret);
    case 0xdc:
    case 0xdd:
        return cursor_number(c, 2u << (head - 0xdc), &n) && cursor_count(c, ITEM_ARRAY, n, ret);
    case 0xde:
    case 0xdf:
        return cursor_number(c, 2u << (head - 0xde), &n) && cursor_count(c, ITEM_MAP, n, ret);
    default: /* 0xc1 is no msgpack */
        return false;
    }
}

/* Next item, or false: the bytes end inside it, or it is no msgpack. */
static inline bool cursor_item(struct cursor *c, struct item *ret)
{
    if (c->at == c->end)
        return false;

    uint8_t head = *c->at++;

    if (head < 0x80) {
        ret->kind = ITEM_UINT;
        ret->u = head;
        return true;
    }
    if (head < 0x90)
        return cursor_count(c, ITEM_MAP, head & 0x0f, ret);
    if (head < 0xa0)
        return cursor_count(c, ITEM_ARRAY, head & 0x0f, ret);
    if (head < 0xc0)
        return cursor_payload(c, ITEM_STR, head & 0x1f, ret);
    if (head >= 0xe0) {
        ret->kind = ITEM_NEGATIVE;
        ret->i = (int8_t)head;
        return true;
    }
    return cursor_long_item(c, head, ret);
}

/* Passes over one value with all it contains. A count instead of a recursion, so depth costs nothing; the count never
 * exceeds the bytes that are left. */
static inline bool cursor_skip(struct cursor *c)
{
    uint64_t open = 1;

    while (open > 0) {
        struct item it;

        if (!cursor_item(c, &it))
            return false;
        open--;
        if (it.kind == ITEM_ARRAY)
            open += it.n;
        else if (it.kind == ITEM_MAP)
            open += 2 * (uint64_t)it.n;
        if (open > cursor_left(c))
            return false;
    }
    return true;
}

#endif
