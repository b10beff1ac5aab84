/* fill.h - records with something in every field, made from the rows, so that a new row is tested by existing */
#ifndef TD_TEST_FILL_H
#define TD_TEST_FILL_H

#include "types/types.h"

/* Every field at a small value that depends on salt and key; nested records too, lists of one to three items. */
void fill_record(struct td_arena *a, const struct td_record *rec, void *body, uint32_t salt);
/* One field at its maximum: the largest number, the longest string, the longest list (of small items). */
void fill_field_max(struct td_arena *a, const struct td_field *f, void *body);
/* One field at the small value that fill_record gives it. */
void fill_field(struct td_arena *a, const struct td_field *f, void *body, uint32_t salt);

#endif
