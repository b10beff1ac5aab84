/* pack.h - deep copies of records in one block; see pack.c. For the core and the ledger alike. */
#ifndef TD_CORE_PACK_H
#define TD_CORE_PACK_H

#include "types/types.h"

/* Bytes that the strings and lists of the record need beside it. */
size_t core_pack_extra(const struct td_record *rec, const void *from);
/* `extra` has as many bytes and is aligned for a pointer. */
void core_pack_into(const struct td_record *rec, const void *from, void *to, void *extra);
void *core_pack(const struct td_record *rec,
                const void *from); /* one block; td_free gives it back */

#endif
