/* front.h - a front: the follower that answers reads, tells events, and vouches for the users of its host
 *
 *   remote users ── door.c ──┐
 *   commands ── local door ──┤                         ┌── replica.c: a core kept by the broker's own apply
 *   watchers ─────────────── front_take_frame ── reads ┘
 *                            │     └─ writes ── relay.c ──► uplink.c ──► broker
 *                            └─ SUBSCRIBE ── watch.c ◄── notes.c ◄── replica.c ◄── uplink.c ◄── committed events
 *
 * The local door and the reads are the broker's own files (localdoor.c, reads.c): a front is a struct shell without store
 * and bus, whose core is a replica. Nothing here decides anything. */
#ifndef TD_FRONT_H
#define TD_FRONT_H

#include "broker/shell.h"

/* --- notes.c: what watchers see of an event ---------------------------------------------------------------------------- */
struct front_note {
    struct td_event_note note;   /* without its body */
    uint32_t all_len, owner_len; /* encoded bodies: for everybody; for the owner and operators. 0 of the second: the same */
    uint8_t *bytes;              /* all, then owner; owned */
    uint32_t *ids, *uids, nids;  /* jobs it concerns, so whose rows it changed, and whose they are; owned */
};
typedef TD_VEC(uint32_t) front_ids;
/* `core` has applied the event; leaving: whose the jobs were that it takes away, in the event's order. */
void front_note_make(const struct td_core *core, const struct td_event *ev, const front_ids *leaving, struct td_arena *a,
                     struct front_note *ret);
void front_note_release(struct front_note *n);
/* As this watcher may see it; its body is the note's, or the arena's. */
struct front_watcher;
struct td_event_note front_note_for(const struct front_note *n, const struct front_watcher *w, struct td_arena *a);

/* --- the ring of notes, and who watches -------------------------------------------------------------------------------- */
struct front_watcher {
    uint64_t client, request;
    uint32_t uid;
    bool is_operator, own, rows, quiet, audit;
    uint32_t hides; /* enum td_private: what it may not see, as of its last frame */
    struct td_map jobs; /* ids asked for; of arrays too */
    bool some_jobs;
    uint64_t at;      /* last event it was told of */
    uint64_t at_row;  /* rows that changed before this are told */
    int64_t told_us;  /* last frame */
    bool snapshot;    /* all rows are to be sent before anything else */
    uint64_t said;    /* last event a frame spoke of: what was passed over goes with the next one */
};
struct front_touched {
    uint32_t job, uid; /* whose it is: also of one that has left the core meanwhile */
};
struct front_ring {
    struct front_note *v; /* slot of event seq: seq % FRONT_RING */
    uint64_t first, last; /* kept; first > last: none */
    size_t bytes;
};

/* --- the way to the broker ----------------------------------------------------------------------------------------------- */
enum front_link { LINK_DOWN, LINK_DIALLING, LINK_UP }; /* DIALLING: on the bus, not followed yet */
struct front_relay { /* a request that waits for the broker's answer */
    uint64_t client, request;
    struct front_relay *next_free;
};
struct front_late { /* an answer whose event the replica has not reached */
    uint64_t client, seq;
    struct td_buf frame;
};

struct front {
    struct shell *s;
    const char *broker_socket;
    char *door_address; /* FrontAddress as it was at the start; NULL: none */
    void (*on_ready)(struct front *f); /* once, when there is something to show */
    bool failed;

    /* uplink.c */
    enum front_link link;
    struct td_stream up;
    uint32_t up_watched;
    int64_t retry_us, heard_us, ack_us;
    uint64_t taken_bytes, acked_bytes;

    /* remote.c: of a front on another host */
    bool remote, joined;
    struct td_join_token token;
    struct td_bus_trouble trouble;
    struct td_keypair keys;
    struct td_bus_client *bus;
    int64_t enrol_us, complain_us;

    struct front_door *door; /* door.c; NULL: users reach this front over its unix socket alone */

    /* replica.c */
    bool ready;      /* the replica is a picture of the cluster */
    bool restoring;  /* pieces of a snapshot come in */
    uint64_t last;   /* last event of the journal, as the broker said */
    int64_t now_ms, now_at_us; /* its time, and when it was said */
    struct td_arena arena;
    front_ids forecast; /* jobs that have one */
    uint64_t digests_equal, digests_wrong;
    struct front_digest {
        uint64_t seq, digest; /* seq 0: none */
    } digest_mine, digest_theirs;

    /* relay.c */
    struct td_map relays; /* number of the request to the broker -> front_relay */
    uint64_t next_relay;
    TD_VEC(uint64_t) patient; /* numbers of those that may wait for long, ascending */
    TD_VEC(struct front_late) late;

    /* watch.c */
    struct front_ring ring;
    front_ids leaving;             /* whose the jobs are that the event at hand takes away */
    struct front_touched *touched; /* ring of jobs whose rows changed */
    uint64_t touched_next;      /* number of the next one */
    TD_VEC(struct front_watcher *) watchers;
    int64_t delivered_us, beat_us;
    int64_t deliver_us;         /* when what waits is to go out; 0 = nothing waits */
    struct td_buf body;         /* of the frame being made */
};

/* loop.c */
int front_loop(struct front *f, struct td_error *err);
void front_take_frame(struct shell *s, const struct shell_from *from, const uint8_t *data, size_t len);
struct front *front_of(struct shell *s);

/* conf.c */
int front_conf_take(struct front *f, struct td_error *err); /* opens the TCP door, where there is to be one */
void front_conf_look(struct front *f);                      /* the log says what differs from what was taken */

/* uplink.c */
void front_uplink_open(struct front *f);
void front_uplink_ready(struct front *f, uint32_t events);
void front_uplink_tick(struct front *f);
int front_uplink_send(struct front *f, uint32_t id, uint64_t request, const void *body); /* <0: the broker is away, or full */
void front_uplink_flush(struct front *f);
void front_uplink_close(struct front *f, const char *why);
uint32_t front_stale_ms(const struct front *f);
void front_uplink_take(struct front *f, const uint8_t *data, size_t len); /* one frame of the broker's */
void front_uplink_follow(struct front *f);

/* remote.c */
bool front_remote_is(const char *state_dir); /* it has joined before */
int front_remote_begin(struct front *f, struct td_error *err);
int front_remote_conf(struct front *f, struct td_error *err);
bool front_remote_squashes(const struct front *f);
int front_remote_dial(struct front *f);
void front_remote_hang_up(struct front *f);
void front_remote_tick(struct front *f);
void front_remote_ready(struct front *f);
int front_remote_send(struct front *f, uint32_t id, uint64_t request, const void *body);

/* door.c */
int front_door_open(struct front *f, const char *where, struct td_error *err);
void front_door_ready(struct front *f);
void front_door_stream_ready(struct front *f, uint64_t tag, uint32_t events);
void front_door_keys_changed(struct front *f);
void front_door_take(struct front *f); /* what waits; sessions whose keys are gone end */
int64_t front_door_deadline_us(const struct front *f);
void front_door_close(struct front *f);

/* replica.c */
void front_snapshot_take(struct front *f, const struct td_snapshot *m);
void front_committed_take(struct front *f, const struct td_committed *m);

/* relay.c */
void front_relay(struct front *f, const struct shell_from *from, uint32_t id, uint64_t request, const uint8_t *body, size_t len);
void front_peer_gone(struct shell *s, uint64_t handle); /* the broker is told of what it asked and waits for */
void front_answer_take(struct front *f, uint32_t id, uint64_t request, const uint8_t *body, size_t len);
void front_late_send(struct front *f);
void front_denied_tell(struct front *f); /* the broker, of what was refused here */
void front_relays_refuse(struct front *f); /* the broker is gone: whether it heard them nobody knows */
void front_relay_release(struct front *f);

/* watch.c */
void front_subscribe(struct front *f, const struct shell_from *from, uint64_t request, const struct td_subscribe *m);
void front_watch_note(struct front *f, const struct td_event *ev);
void front_watch_touch(struct front *f, uint32_t job);
void front_watch_purged(struct front *f, const struct td_u32s *jobs); /* before they leave the core */
void front_watch_reset(struct front *f); /* another picture: numbers before it are not kept */
void front_watch_deliver(struct front *f);
int64_t front_watch_deadline_us(const struct front *f);
void front_watch_release(struct front *f);

#endif
