/* store.h - the journal as a small table of operations; SQLite is the embedded one
 *
 * Owns: events, snapshots, blobs, job history, input log. Knows nothing of: what events mean. */
#ifndef TD_STORE_H
#define TD_STORE_H

#include "types/types.h"

/* Said of damage by whoever meets it; the check itself leaves it out. */
#define TD_STORE_CHECK "`tender journal verify` says what else. "

struct td_store;

struct td_stored_event {
    uint64_t seq;
    int64_t time_ms;
    uint32_t id;
    const uint8_t *body; /* encoded record; borrowed */
    uint32_t len;
};
struct td_stored_blob {
    uint8_t hash[32];
    const uint8_t *data;
    uint32_t len;
};
/* One row of the history of jobs that left the core. */
struct td_history_row {
    uint32_t job, array_job, array_task, uid, state, outcome;
    int64_t submit_ms, start_ms, end_ms;
    const char *user, *account, *partition, *name;
    const uint8_t *info; /* encoded td_job_info */
    uint32_t len;
    bool damaged; /* read: the row does not give its checksum; nothing of it is to be believed */
};
/* One wake's inputs, an encoded `wake` record. A wake without events waits for the next commit: it decided nothing
 * that anybody saw, so it needs no commit of its own. */
struct td_stored_input {
    int64_t now_ms;
    const uint8_t *data;
    uint32_t len;
};
/* One commit of a wake. All or nothing. */
struct td_store_batch {
    const struct td_stored_event *events;
    uint32_t nevents;
    const struct td_stored_blob *blobs;
    uint32_t nblobs;
    const struct td_history_row *history;
    uint32_t nhistory;
    const struct td_stored_input *inputs; /* input log: this wake's and those that waited for it; none when off */
    uint32_t ninputs;
    int64_t now_ms;
};
/* A record of a snapshot. */
struct td_stored_record {
    uint32_t kind;
    const uint8_t *data; /* borrowed */
    uint32_t len;
};
/* One compaction, done in steps; zero but for what is asked. */
struct td_compaction {
    uint64_t keep;                                       /* events that stay before the newest snapshot */
    const uint8_t (*live)[32];                           /* blobs that stay, sorted by their bytes */
    uint32_t nlive;
    bool (*needed)(void *ctx, const uint8_t hash[32]);   /* and those it says; NULL: none */
    void *ctx;
    uint32_t rows;                                       /* a step looks at no more of each table */
    uint32_t dropped;                                    /* grows by the blobs that went */
    uint8_t blob_at[32];                                 /* where the walk over the blobs stands */
};
struct td_history_query {
    const uint32_t *jobs; uint32_t njobs;
    const uint32_t *uids; uint32_t nuids;
    int64_t from_ms, to_ms; /* ended in; 0,0 = any */
    uint32_t max;
};
typedef bool td_store_event_fn(void *ctx, const struct td_stored_event *ev);               /* false stops */
typedef bool td_store_record_fn(void *ctx, uint32_t kind, const uint8_t *data, uint32_t len);
typedef bool td_store_history_fn(void *ctx, const struct td_history_row *row);
typedef bool td_store_snapshot_fn(void *ctx, uint64_t seq, int64_t time_ms, uint64_t digest);
typedef bool td_store_input_fn(void *ctx, uint64_t wake, int64_t now_ms, const uint8_t *data, uint32_t len);

struct td_store_ops {
    const char *name;
    /* Becomes the one writer: takes the next epoch. Refuses a network file system (NETWORK_FS). read_only: neither. */
    int (*open)(const char *dir, bool read_only, struct td_store **ret, struct td_error *err);
    void (*close)(struct td_store **p);
    uint64_t (*epoch)(const struct td_store *s);
    /* Begins another reign of the same writer, with the next epoch: after a failed append the core is rebuilt, and
     * workers must tell the rebuilt one from the one they knew. It is a write, so its success is also the proof that
     * the journal takes writes again. Errors as append. */
    int (*reign)(struct td_store *s, struct td_error *err);
    /* Events, snapshots, their records and inputs that do not give their checksums are JOURNAL, by name, and reach no
     * callback; a history row is given with its mark, since one bad row need not hide the others. */
    /* Errors: NO_SPACE, JOURNAL, DEPOSED (somebody took a later epoch). Nothing of a failed batch is there. */
    int (*append)(struct td_store *s, const struct td_store_batch *b, struct td_error *err);
    int (*read)(struct td_store *s, uint64_t from_seq, td_store_event_fn *fn, void *ctx, struct td_error *err);
    int (*blob)(struct td_store *s, const uint8_t hash[32], struct td_buf *ret, struct td_error *err);
    /* Snapshot of the state after event `seq`: begin, records in order, end; appends may come in between. Each call is a
     * transaction. The newest whole one is the one read: one that was not ended is not there. */
    int (*snapshot_begin)(struct td_store *s, uint64_t seq, struct td_error *err);
    int (*snapshot_put)(struct td_store *s, const struct td_stored_record *records, uint32_t n, struct td_error *err);
    int (*snapshot_end)(struct td_store *s, int64_t time_ms, uint64_t digest, struct td_error *err);
    int (*snapshot_read)(struct td_store *s, uint64_t *ret_seq, int64_t *ret_time_ms, uint64_t *ret_digest, td_store_record_fn *fn, void *ctx, struct td_error *err); /* seq 0: none */
    /* The snapshots that are kept, oldest first, and the records of one of them. */
    int (*snapshots)(struct td_store *s, td_store_snapshot_fn *fn, void *ctx, struct td_error *err);
    int (*snapshot_read_at)(struct td_store *s, uint64_t seq, td_store_record_fn *fn, void *ctx, struct td_error *err);
    /* Drops events before the newest snapshot (keeping the last `keep` before it, with the snapshots among them), blobs
     * not in `live`, inputs older than kept events: a step of it; *ret_more while there is more to do. */
    int (*compact)(struct td_store *s, struct td_compaction *c, bool *ret_more, struct td_error *err);
    /* Drops up to `max` history rows of jobs that ended before then, oldest first; *ret_n of them went. */
    int (*purge)(struct td_store *s, int64_t ended_before_ms, uint32_t max, uint32_t *ret_n, struct td_error *err);
    int (*history)(struct td_store *s, const struct td_history_query *q, td_store_history_fn *fn, void *ctx, struct td_error *err);
    int (*inputs)(struct td_store *s, uint64_t from_wake, td_store_input_fn *fn, void *ctx, struct td_error *err);
    uint64_t (*free_bytes)(struct td_store *s); /* of its disk, for the low-space watermark */
    /* Moves committed pages from the write-ahead log into the file: what a commit leaves for later. To be called often;
     * does nothing while there is little to move. `spare`: nothing else is to do, so little is enough. */
    int (*idle)(struct td_store *s, bool spare, struct td_error *err);
    uint64_t (*bytes)(struct td_store *s); /* size of its files */
    bool (*has_blob)(struct td_store *s, const uint8_t hash[32]);
    /* Whole-file checks: SQLite's own, sequence without gaps, every event decodes. */
    /* Whether the file itself and its indexes are what SQLite wrote; reads all of it. Error: JOURNAL, with the way out. */
    int (*whole)(struct td_store *s, struct td_error *err);
    int (*verify)(struct td_store *s, struct td_buf *report, struct td_error *err);
};
extern const struct td_store_ops td_store_sqlite;

/* Name of the network or cluster file system behind this statfs f_type, or behind this type of /proc/self/mountinfo
 * (fuse hides many behind one number); NULL if it is local. One host's shared memory is what SQLite's write-ahead log
 * coordinates by, and it does not reach over a network. */
const char *td_place_network_fs(uint64_t f_type);
const char *td_place_network_mount(const char *fstype);

#endif
