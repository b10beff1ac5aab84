/* sum.c - a checksum in each row, over its key and all it holds: damage that still decodes is found when the row is read
 *
 * Two functions for SQL, so that what is written and what is compared is one piece of code:
 *   td_sum(column...)         the number kept in `sum`: SipHash-2-4, chained over the columns with their types
 *   td_check(sum, column...)  1 fits, 0 does not, NULL where there is none
 *
 * No secret: it is against disks and memory, not against people. The numbers are on disk: never change how they come about.
 * A row without a sum is right only where version 1 wrote it, which had none: up to a key noted when it was upgraded. */
#include "broker/journal/sqlite.h"

#include <sodium.h>

static void chain(uint64_t *sum, uint32_t type, const void *data, size_t len)
{
    uint8_t key[crypto_shorthash_KEYBYTES] = {0}, out[crypto_shorthash_BYTES];
    for (int i = 0; i < 8; i++)
        key[i] = (uint8_t)(*sum >> (8 * i));
    key[8] = (uint8_t)type;
    TD_ASSERT(crypto_shorthash(out, data, len, key) == 0);
    *sum = 0;
    for (int i = 0; i < 8; i++)
        *sum |= (uint64_t)out[i] << (8 * i);
}

static sqlite3_int64 sum_of(int n, sqlite3_value **v)
{
    uint64_t sum = (uint64_t)n;
    for (int i = 0; i < n; i++) {
        int type = sqlite3_value_type(v[i]);
        if (type == SQLITE_INTEGER) {
            uint64_t number = (uint64_t)sqlite3_value_int64(v[i]);
            uint8_t bytes[8];
            for (int k = 0; k < 8; k++)
                bytes[k] = (uint8_t)(number >> (8 * k));
            chain(&sum, SQLITE_INTEGER, bytes, sizeof(bytes));
        } else {
            const void *data = sqlite3_value_blob(v[i]); /* text too: its bytes; NULL where there are none */
            chain(&sum, (uint32_t)type, data ? data : "", (size_t)sqlite3_value_bytes(v[i]));
        }
    }
    return (sqlite3_int64)sum;
}

static void sql_sum(sqlite3_context *ctx, int n, sqlite3_value **v)
{
    sqlite3_result_int64(ctx, sum_of(n, v));
}

static void sql_check(sqlite3_context *ctx, int n, sqlite3_value **v)
{
    int type = n ? sqlite3_value_type(v[0]) : SQLITE_NULL;
    if (type == SQLITE_NULL)
        return; /* NULL */
    sqlite3_result_int(ctx, type == SQLITE_INTEGER && sqlite3_value_int64(v[0]) == sum_of(n - 1, v + 1));
}

int td_store_sums(sqlite3 *db)
{
    const int flags = SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS;
    int rc = sqlite3_create_function(db, "td_sum", -1, flags, NULL, sql_sum, NULL, NULL);
    return rc == SQLITE_OK ? sqlite3_create_function(db, "td_check", -1, flags, NULL, sql_check, NULL, NULL) : rc;
}

bool td_store_row_whole(struct td_store *s, sqlite3_stmt *st, int column, enum td_summed table, uint64_t key)
{
    if (sqlite3_column_type(st, column) != SQLITE_NULL)
        return sqlite3_column_int(st, column) == 1;
    s->unsummed_seen[table]++;
    return key <= s->unsummed[table];
}
