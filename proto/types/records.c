/* records.c - descriptors of every record, and the tables of messages, events and snapshot records
 *
 * One expansion of the rows for each shape of table; whoever walks a table gets a new row for nothing. */
#include "types/types.h"

#include <string.h>

/* Field arrays */
#define RECORD(name, since, help) static const struct td_field fields_##name[] = {
#define MSG(ID, name, number, right, since, help) RECORD(name, since, help)
#define EVENT(ID, name, number, since, help) RECORD(name, since, help)
#define SNAP(ID, name, number, since, help) RECORD(name, since, help)
#define F(rec, key, type, field, max, since, see, help) \
    {key, TD_T_##type, #field, offsetof(struct td_##rec, field), max, NULL, since, TD_SEE_##see, help},
#define FR(rec, key, type, field, sub, max, since, see, help)                                     \
    {key, TD_T_##type, #field, offsetof(struct td_##rec, field), max, &td_rec_##sub, since, TD_SEE_##see, help},
#define END(name) \
    }             \
    ;
#include "tbl/records.def"
#include "tbl/messages.def"
#include "tbl/events.def"
#include "tbl/snapshot.def"
#undef RECORD
#undef MSG
#undef EVENT
#undef SNAP
#undef F
#undef FR
#undef END

#define F(rec, key, type, field, max, since, see, help)
#define FR(rec, key, type, field, sub, max, since, see, help)
#define END(name)

/* Descriptors */
#define RECORD(name, since, help)                                                                      \
    const struct td_record td_rec_##name = {#name, fields_##name, TD_ARRAY_LEN(fields_##name),          \
                                            sizeof(struct td_##name), help};
#define MSG(ID, name, number, right, since, help) RECORD(name, since, help)
#define EVENT(ID, name, number, since, help) RECORD(name, since, help)
#define SNAP(ID, name, number, since, help) RECORD(name, since, help)
#include "tbl/records.def"
#include "tbl/messages.def"
#include "tbl/events.def"
#include "tbl/snapshot.def"
#undef RECORD
#undef MSG
#undef EVENT
#undef SNAP

static const struct td_record *const all_records[] = {
#define RECORD(name, since, help) &td_rec_##name,
#define MSG(ID, name, number, right, since, help) &td_rec_##name,
#define EVENT(ID, name, number, since, help) &td_rec_##name,
#define SNAP(ID, name, number, since, help) &td_rec_##name,
#include "tbl/records.def"
#include "tbl/messages.def"
#include "tbl/events.def"
#include "tbl/snapshot.def"
#undef RECORD
#undef MSG
#undef EVENT
#undef SNAP
};

#define RECORD(name, since, help)
static const struct td_msg_row msgs[] = {
#define MSG(ID, name, number, right, since, help) {number, #ID, &td_rec_##name, TD_RIGHT_##right, since, help},
#include "tbl/messages.def"
#undef MSG
};
static const struct td_event_row events[] = {
#define EVENT(ID, name, number, since, help) {number, #ID, &td_rec_##name, since, help},
#include "tbl/events.def"
#undef EVENT
};
static const struct td_event_row snaps[] = {
#define SNAP(ID, name, number, since, help) {number, #ID, &td_rec_##name, since, help},
#include "tbl/snapshot.def"
#undef SNAP
};

const struct td_msg_row *td_msg_rows(uint32_t *ret_n)
{
    *ret_n = TD_ARRAY_LEN(msgs);
    return msgs;
}

const struct td_event_row *td_event_rows(uint32_t *ret_n)
{
    *ret_n = TD_ARRAY_LEN(events);
    return events;
}

const struct td_event_row *td_snap_rows(uint32_t *ret_n)
{
    *ret_n = TD_ARRAY_LEN(snaps);
    return snaps;
}

const struct td_record *const *td_records(uint32_t *ret_n)
{
    *ret_n = TD_ARRAY_LEN(all_records);
    return all_records;
}

const struct td_msg_row *td_msg_row(uint32_t id)
{
    switch (id) {
#define MSG(ID, name, number, right, since, help)                                       \
    case number: {                                                                      \
        static const struct td_msg_row row = {number, #ID, &td_rec_##name, TD_RIGHT_##right, since, help}; \
        return &row;                                                                    \
    }
#include "tbl/messages.def"
#undef MSG
    }
    return NULL;
}

static const struct td_event_row *find(const struct td_event_row *rows, uint32_t n, uint32_t id)
{
    for (uint32_t i = 0; i < n; i++) {
        if (rows[i].id == id)
            return &rows[i];
    }
    return NULL;
}

const struct td_event_row *td_event_row(uint32_t id)
{
    return find(events, TD_ARRAY_LEN(events), id);
}

const struct td_event_row *td_snap_row(uint32_t id)
{
    return find(snaps, TD_ARRAY_LEN(snaps), id);
}

const char *td_msg_name(uint32_t id)
{
    const struct td_msg_row *row = td_msg_row(id);
    return row ? row->name : NULL;
}

const char *td_event_name(uint32_t id)
{
    const struct td_event_row *row = td_event_row(id);
    return row ? row->name : NULL;
}

bool td_event_is_audit(uint32_t id)
{
    switch (id) {
#define EVENT(ID, name, number, since, help)
#define AUDIT(ID) case TD_EV_##ID:
#include "tbl/events.def"
#undef EVENT
#undef AUDIT
        return true;
    }
    return false;
}
