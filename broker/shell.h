/* shell.h - the broker's shell: what the files of this folder share; included by nobody else
 *
 * The shell owns everything the core may not see: clock, disk, sockets, identities, names of users. One wake:
 *
 *     doors (local socket, bus) -> decode -> right -> reads are kept for later, writes go into the core
 *     core finishes -> one commit of its events -> effects, then the reads, leave
 *
 * Nothing leaves before the commit. If it fails the core is rebuilt from the journal, every write of the wake is refused
 * with the cause, and until the journal takes writes again only reads are served ("down"). */
#ifndef TD_BROKER_SHELL_H
#define TD_BROKER_SHELL_H

#include "broker/core/core.h"
#include "broker/journal/store.h"
#include "bus/bus.h"
#include "conf/conf.h"
#include "local/local.h"
#include "local/notify.h"

/* --- log.c: one line, one fact, ids first; written out once a wake ---------------------------------------------- */
struct shell_log {
    int fd;
    const char *path; /* NULL: standard error */
    struct td_buf lines;
    uint64_t lost;    /* lines that could not be written */
};
int shell_log_open(struct shell_log *l, const char *path, struct td_error *err); /* again: reopens (log rotation) */
void shell_log(struct shell_log *l, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void shell_log_flush(struct shell_log *l);
void shell_log_release(struct shell_log *l);

/* --- clock.c: journal time (law 10); readings come in as values -------------------------------------------------- */
struct shell_clock {
    int64_t now_us;   /* journal time */
    int64_t boot_us;  /* CLOCK_BOOTTIME of the last reading */
    int64_t told_us;  /* offset of the wall clock that the journal knows of */
    int64_t slew_credit; /* slewing earned by elapsed time and not yet done */
    int64_t step_us;  /* a step found and not yet taken; 0 = none */
    int64_t taken_us; /* of the open wake: the step it told of, not yet committed */
};
void shell_clock_start(struct shell_clock *c, int64_t boot_us, int64_t wall_us, int64_t last_event_ms);
/* New journal time; sets step_us when wall clock and journal time are more than 5 s apart by something new. */
int64_t shell_clock_read(struct shell_clock *c, int64_t boot_us, int64_t wall_us);
void shell_clock_take_step(struct shell_clock *c);  /* it goes into this wake's commit */
void shell_clock_committed(struct shell_clock *c);
void shell_clock_new_reign(struct shell_clock *c); /* nothing told before counts: what is off is found, and told, again */
int64_t shell_boot_us(void);
int64_t shell_wall_us(void);
void shell_memory_begin(void); /* memory.c; before anything large is allocated */

/* --- blobs.c: scripts and environments by hash, a bounded cache --------------------------------------------------- */
struct shell_blob {
    uint8_t hash[32];
    uint8_t *data;
    uint32_t len;
    struct shell_blob *newer, *older;
};
struct shell_blobs {
    struct td_map by_hash; /* first 8 bytes of the hash */
    struct shell_blob *newest, *oldest;
    size_t bytes;
};
/* Borrowed until the next put. */
const struct shell_blob *shell_blobs_get(struct shell_blobs *b, const uint8_t hash[32]);
const struct shell_blob *shell_blobs_put(struct shell_blobs *b, const uint8_t hash[32], const void *data, size_t len);
void shell_blobs_release(struct shell_blobs *b);

/* --- users.c: names and groups, remembered for a minute ----------------------------------------------------------- */
struct shell_user {
    uint32_t uid, gid;
    const char *name, *group, *home; /* home NULL where there is no such user */
    const uint32_t *groups;
    uint32_t ngroups;
    int64_t read_us;
    struct td_arena arena;
};
struct shell_users {
    struct td_map by_id; /* uid << 32 | gid */
    TD_VEC(struct shell_user *) all;
};
/* Borrowed until the next call. */
const struct shell_user *shell_user_get(struct shell_users *u, uint32_t uid, uint32_t gid);
bool shell_user_named(const char *name, uint32_t *ret_uid); /* does this host know such a user */
bool shell_user_parse(const char *name_or_number, uint32_t *ret_uid);
void shell_users_release(struct shell_users *u);

/* --- doors ---------------------------------------------------------------------------------------------------------- */
#define SHELL_BUS_PEER (1ull << 63) /* handles of the bus have this bit */
enum { SHELL_EPOLL_LISTEN = 1, SHELL_EPOLL_SIGNAL, SHELL_EPOLL_BUS, SHELL_EPOLL_SNAPSHOT, SHELL_EPOLL_TCP, SHELL_HANDLE_FIRST = 16 };

#define SHELL_EPOLL_CARRIED (1ull << 62) /* a stream of the TCP door: this | session << 32 | its number */

struct shell_tenant { /* one user's connections together */
    uint32_t uid, clients;
    size_t unread;   /* bytes of answers kept for them, */
    size_t watched;  /* and of those to watchers, which are filled again when they are read */
    int64_t read_us; /* when that last became less */
};
struct shell_client { /* one local connection */
    struct td_stream stream;
    uint64_t handle;
    uint32_t uid, gid;
    bool remote; /* a front's TCP door carries it */
    struct shell_tenant *tenant;
    size_t counted;      /* its part of the tenant's unread */
    uint64_t turn_wake;  /* the wake that frames were last taken in, */
    uint32_t turn;       /* and how many */
    size_t query_len;    /* of the query taken in this wake: its frame stays in the buffer until it is answered; 0 = none */
    int64_t waits_us;    /* since when it waits for room for an answer; 0 = it does not */
    bool watches;  /* it is told of events as long as it stands */
    bool dirty;    /* has output of this wake */
    bool has_more; /* whole frames may wait in its buffer */
    bool leaving;  /* closed as soon as its output is out */
    bool gone;     /* the other side is; removed at the end of the wake */
    uint32_t watched; /* events epoll tells of */
};
struct shell_peer { /* one route of the bus */
    uint64_t handle;
    uint64_t heard; /* wake it was last heard of in */
    size_t route_len;
    uint8_t route[256];
    char key[TD_KEY_Z85];
};
/* Who sent a frame, as far as the shell has verified it. */
struct shell_from {
    uint64_t peer;
    uint32_t uid, gid;
    const char *key; /* of the bus; NULL: a local peer */
    const char *address; /* of a peer of the bus, where it is known; borrowed for the message */
    bool remote;     /* a local peer that a front's TCP door carries in */
};

/* --- rate.c: how often one user may ask ------------------------------------------------------------------------------- */
struct shell_bucket {
    uint32_t uid, refused; /* refused: since it was told */
    int64_t full_ns;       /* when it is full again */
    int64_t told_us;
};
struct shell_rates {
    struct td_map by_uid;
    TD_VEC(struct shell_bucket *) all;
};
/* 0 = granted; else after how many milliseconds it will be. */
uint32_t shell_rate_take(struct shell_rates *r, uint32_t uid, uint32_t per_s, int64_t now_us);
void shell_rates_release(struct shell_rates *r);

/* --- fronts ---------------------------------------------------------------------------------------------------------- */
struct shell_follower {
    uint64_t peer;
    uint64_t since; /* as it asked */
    uint64_t sent;  /* last event given to it */
    uint64_t bytes_sent, bytes_taken;
    struct td_buf picture; /* frames of a snapshot that wait to be sent */
    size_t picture_at;
    int64_t heard_us;
    bool wants; /* said FOLLOW in this wake */
    bool lost;  /* nothing more is sent until it says FOLLOW */
    char host[256];
};
struct shell_forecasts {
    struct td_forecast *v;
    uint32_t n, cap;
};

/* --- the whole ------------------------------------------------------------------------------------------------------ */
struct shell_options {
    const char *conf, *state, *dir, *address, *ports, *log;
    const char *join, *name; /* a front's on another host */
    int ready_fd;
    bool foreground;
    struct td_notify notify; /* a service manager, in the foreground */
};
struct shell_read { /* a query, answered after the commit */
    struct shell_from from;
    uint64_t request;
    uint32_t id;
    const void *body;
};
struct shell_answer { /* of the shell itself, to be sent after the commit */
    uint64_t peer, request;
    uint32_t id;
    const void *body;
};
struct shell_asked { /* a write given to the core in this wake: refused if the commit fails */
    uint64_t peer, request;
};

struct shell_denied { /* refused for want of a right: the core is told in the next wake */
    uint32_t uid, id; /* who, what */
    bool bus;
    char node[64];    /* of a peer of the bus: which it said it was, cut */
    char address[64]; /* and from where */
    char text[TD_ERROR_TEXT_MAX];
};

struct shell {
    struct shell_options opt;
    struct td_conf *conf;
    char *state_dir;
    struct shell_log log;
    struct shell_clock clock;
    int64_t started_ms;
    char host[256];
    uint32_t pid;

    const struct td_store_ops *ops;
    struct td_store *store;
    struct td_core *core;
    uint64_t seed;
    uint64_t reign_snapshot;  /* last event of the snapshot this reign was rebuilt from */
    uint64_t newest_snapshot; /* last event of the newest snapshot */
    uint64_t last_snapshot;   /* the same, or where the last try failed */
    struct shell_snap {
        enum { SHELL_SNAP_IDLE, SHELL_SNAP_TAKING, SHELL_SNAP_COMPACTING } state;
        uint64_t seq, digest;
        int64_t time_ms, from_us;
        pid_t child;          /* 0 = none */
        int fd;               /* its pipe */
        bool ended;           /* the whole stream has come */
        struct td_buf in;     /* of the pipe, not yet whole frames */
        struct td_buf live;   /* hashes of blobs that the state needs, sorted */
        struct td_map since;  /* and of those submitted since */
        struct td_compaction compaction;
    } snap;
    struct shell_digest {
        pid_t child; /* 0 = none */
        int fd;      /* its pipe */
        uint64_t seq;
        int64_t took_us; /* the last one */
    } digest;
    uint8_t conf_hash[32];    /* of the configuration in force in the core */
    uint32_t next_job;
    struct shell_blobs blobs;
    struct shell_users users;

    struct td_keypair keys;
    struct td_bus_server *bus;
    struct td_map routes;      /* mixed route -> peer */
    struct td_map peer_by_handle;
    TD_VEC(struct shell_peer *) peers;
    uint64_t next_handle;
    bool bus_has_more;

    /* The local door's: who takes its frames (the broker's frames.c, or a front), and the name of its socket. */
    void (*take_frame)(struct shell *s, const struct shell_from *from, const uint8_t *data, size_t len);
    void (*peer_gone)(struct shell *s, uint64_t handle);
    const char *door;
    void *owner;       /* a front's own */
    uint32_t stale_ms; /* a front's: so long it has not heard the broker */
    bool squash_root;  /* a front's on another host: root there is nobody */

    int epoll_fd, listen_fd, signal_fd;
    struct td_map client_by_handle;
    TD_VEC(struct shell_client *) clients;
    TD_VEC(struct shell_client *) dirty;
    struct td_map tenant_by_uid;
    struct shell_rates rates;
    size_t unread; /* of all tenants */
    TD_VEC(struct shell_asked) gone; /* what they wait for in the core is given up in the next wake; request 0: all of it */
    uint32_t clients_max;
    bool accept_more, local_has_more, listen_off;
    bool query_left;          /* in this wake, for want of room */

    /* this wake */
    struct td_arena arena;    /* decoded frames; their events and answers borrow from it until the next wake */
    bool open;                /* td_core_wake was called */
    int64_t wake_ms;          /* with this time */
    uint64_t wakes;
    uint32_t taken;           /* frames */
    TD_VEC(struct shell_read) reads;
    TD_VEC(struct shell_answer) answers;
    TD_VEC(struct shell_asked) asked;
    TD_VEC(struct shell_denied) denied; /* of this wake, or of the reads of the one before */
    TD_VEC(struct td_stored_blob) new_blobs;
    TD_VEC(struct td_conf *) old_confs; /* replaced in this wake; still borrowed from */

    /* commit.c: reused buffers */
    struct td_buf bodies, frame;
    TD_VEC(struct td_stored_event) stored;
    TD_VEC(struct td_history_row) history;
    struct td_arena history_arena;
    uint64_t last_commit_us, slowest_commit_us;

    struct td_buf rows; /* reads.c: of one frame, encoded */

    /* inputlog.c */
    TD_VEC(struct td_wake_input) inputs; /* of the open wake; bodies in the arena */
    struct td_buf wakes_kept;            /* encoded, waiting for a commit */
    TD_VEC(struct td_stored_input) wakes_at;
    bool seed_logged;

    /* follow.c */
    TD_VEC(struct shell_follower *) followers;
    struct shell_forecasts forecasts, forecasts_next; /* as told to the followers, by job */
    bool stored_fresh; /* `stored` is of this wake's commit */
    int64_t beat_us, digest_at_us;

    /* running */
    bool down;              /* the journal takes no writes */
    struct td_error cause;  /* why */
    bool low_space;
    bool stop, stop_snapshot;
    int64_t tick_us;        /* next look at the disk */
    int64_t purge_at_us;    /* and at the history */
    int64_t commit_at_us;   /* when the last commit was done */
    uint64_t send_full, send_gone;
};

/* wake.c */
void shell_input(struct shell *s, const struct td_input *in); /* opens the wake when it is the first */
void shell_answer_later(struct shell *s, uint64_t peer, uint64_t request, uint32_t id, const void *body);
void shell_peer_gone(struct shell *s, uint64_t handle);
void shell_request_gone(struct shell *s, uint64_t handle, uint64_t request);
int shell_wake_end(struct shell *s, struct td_error *err); /* <0: the broker must stop */
int64_t shell_now_ms(struct shell *s);
bool shell_full(const struct shell *s);

/* commit.c */
int shell_commit(struct shell *s, struct td_error *err);

/* recover.c: the core from the journal, snapshots, what to do when a commit failed */
int shell_core_rebuild(struct shell *s, struct td_error *err);
void shell_release(struct shell *s); /* all it owns but its doors, which are closed first */
int shell_reign_begin(struct shell *s, struct td_error *err); /* START, CONF if it differs, space */
/* snapshot.c: in place and at once; and in steps, one after each wake */
int shell_snapshot(struct shell *s, struct td_error *err);
void shell_snapshot_step(struct shell *s);
bool shell_snapshot_waits(const struct shell *s); /* a step may be done at once */
void shell_snapshot_submitted(struct shell *s, const struct td_job_spec *spec);
void shell_snapshot_drop(struct shell *s);
void shell_snapshot_release(struct shell *s);
int shell_down(struct shell *s, const struct td_error *cause, struct td_error *err);
int shell_try_up(struct shell *s, struct td_error *err);
void shell_space_check(struct shell *s);
void shell_conf_in_force(struct shell *s, const struct td_stored_event *ev);

/* inputlog.c */
void shell_inputlog_add(struct shell *s, const struct td_input *in);
void shell_inputlog_close(struct shell *s, int64_t now_ms, uint64_t seq);
void shell_inputlog_committed(struct shell *s);
void shell_inputlog_drop(struct shell *s);

/* rate.c; false: refused, and answered with when to come back */
bool shell_rate_admit(struct shell *s, const struct shell_from *from, uint32_t id, uint64_t request);

/* denied.c */
void shell_denied(struct shell *s, const struct shell_from *from, uint32_t id, const char *text);
void shell_denied_node(struct shell *s, const struct shell_from *from, const char *node, uint32_t id, const char *text); /* a peer of the bus */
void shell_denied_tell(struct shell *s); /* the core, at the end of a wake */

/* frames.c: what comes in, by right; what goes out, by handle */
void shell_take_frame(struct shell *s, const struct shell_from *from, const uint8_t *data, size_t len);
int shell_send(struct shell *s, uint64_t peer, uint32_t id, uint64_t request, const void *body); /* <0: not sent, as the doors say */
int shell_send_answer(struct shell *s, uint64_t peer, const uint8_t *frame, size_t len); /* a read's, by the same rules */
void shell_reply(struct shell *s, uint64_t peer, uint64_t request, uint32_t id, const void *body);
void shell_refuse(struct shell *s, uint64_t peer, uint64_t request, const struct td_error *err);
void shell_effects(struct shell *s);
void shell_admin_acted(struct shell *s, const struct shell_from *from, uint32_t id);
/* A frame that is encoded already; <0: the peer is gone, or does not read. */
int shell_frame_send(struct shell *s, uint64_t peer, const uint8_t *frame, size_t len);
bool shell_peer_stands(struct shell *s, uint64_t peer);

/* digest.c; a child has the core of that moment for itself, runs and exits 0 unless `run` says otherwise; fd is read without
 * waiting. End: false if it did not come to its own. */
int shell_child_start(struct shell *s, void (*run)(struct shell *s, int fd), pid_t *ret_pid, int *ret_fd, struct td_error *err);
bool shell_child_end(pid_t pid, int fd, bool now);
bool shell_digest_beside(const struct shell *s); /* large enough for it */
bool shell_digest_begin(struct shell *s);        /* what is applied is committed; one that is being made is given up */
bool shell_digest_made(struct shell *s, uint64_t *ret_seq, uint64_t *ret_digest); /* once */
void shell_digest_drop(struct shell *s);

/* follow.c */
bool shell_follow(struct shell *s, const struct shell_from *from, const struct td_follow *m, struct td_error *err);
void shell_follow_ack(struct shell *s, const struct shell_from *from, const struct td_follow_ack *m);
void shell_follow_committed(struct shell *s);
void shell_follow_feed(struct shell *s);
void shell_follow_release(struct shell *s);

/* vouch.c */
#define SHELL_NOBODY 65534u /* root of another host, unless its front's token says more */
bool shell_is_front(struct shell *s, const struct shell_from *from);
void shell_vouched(struct shell *s, const struct shell_from *front, uint32_t *uid, uint32_t *gid);
void shell_enrol_front(struct shell *s, const struct shell_from *from, uint64_t request, const struct td_enrol *m);

/* localdoor.c */
int shell_local_open(struct shell *s, struct td_error *err);
void shell_local_close(struct shell *s);
void shell_local_accept(struct shell *s);
/* A connection of this user, whoever vouches for him; takes the descriptor. */
void shell_local_adopt(struct shell *s, int fd, uint32_t uid, uint32_t gid, bool remote);
void shell_local_listen(struct shell *s, bool on);
void shell_local_ready(struct shell *s, uint64_t handle, uint32_t events);
bool shell_local_take(struct shell *s); /* frames that wait; true if some are left */
bool shell_local_admit(struct shell *s, const struct shell_read *r); /* there is room: answer it now */
int shell_local_send(struct shell *s, uint64_t handle, uint32_t id, uint64_t request, const void *body);
size_t shell_local_unread(struct shell *s, uint64_t handle); /* bytes that wait to be read */
void shell_local_watches(struct shell *s, uint64_t handle); /* it is told of events from now on */
/* A frame of an answer, encoded already: within the bounds of answers, and off at once as far as it can be. */
int shell_local_send_answer(struct shell *s, uint64_t handle, const uint8_t *frame, size_t len);
int shell_local_send_frame(struct shell *s, uint64_t handle, const uint8_t *frame, size_t len);
void shell_local_flush(struct shell *s);
struct shell_client *shell_client_find(struct shell *s, uint64_t handle);

/* busdoor.c */
int shell_bus_open(struct shell *s, struct td_error *err);
void shell_bus_close(struct shell *s);
void shell_bus_take(struct shell *s);
/* 0, -BUSY (the peer's queue is full), -TOO_BIG, -UNREACHABLE (gone): counted, and for most no error. */
int shell_bus_send(struct shell *s, uint64_t handle, uint32_t id, uint64_t request, const void *body);
int shell_bus_send_frame(struct shell *s, uint64_t handle, const uint8_t *frame, size_t len);
const struct shell_peer *shell_bus_peer(struct shell *s, uint64_t handle);
void shell_bus_endpoints(struct shell *s, char router[128], char pub[128]);

/* submit.c, enrol.c, admin.c: requests that need the shell before the core */
int shell_submit_prepare(struct shell *s, const struct shell_from *from, struct td_submit *m, struct td_error *err);
int shell_step_prepare(struct shell *s, struct td_step_create *m, struct td_error *err);
int shell_user_to_number(struct shell *s, const char **name, struct td_error *err);
void shell_accounts_prepare(struct shell *s, struct td_change_accounts *m);
int shell_users_to_numbers(struct shell *s, struct td_job_filter *f, struct td_error *err);
const struct shell_blob *shell_blob_find(struct shell *s, const uint8_t hash[32]);
void shell_make_token(struct shell *s, const struct shell_from *from, uint64_t request, const struct td_make_token *m);
void shell_revoke_token(struct shell *s, const struct shell_from *from, uint64_t request, const struct td_revoke_token *m);
void shell_key_rotate(struct shell *s, const struct shell_from *from, uint64_t request, const struct td_key_rotate *m);
void shell_enrol(struct shell *s, const struct shell_from *from, uint64_t request, const struct td_enrol *m);
void shell_blob_wanted(struct shell *s, const struct shell_from *from, uint64_t request, const struct td_blob_wanted *m);
void shell_reconfigure(struct shell *s, const struct shell_from *from, uint64_t request);
int shell_conf_load(struct shell *s, struct td_conf **ret, struct td_error *err);
void shell_conf_input(struct shell *s, bool always);

/* reads.c, status.c */
struct td_query_jobs;
/* What of a job's row is answered to such a query and such eyes. In the arena. */
const struct td_pick *shell_job_pick(struct td_arena *a, const struct td_query_jobs *q, enum td_see see);
bool shell_is_read(uint32_t id);
void shell_read_answer(struct shell *s, const struct shell_read *r);
void shell_read_status(struct shell *s, const struct shell_read *r);
void shell_read_config(struct shell *s, const struct shell_read *r);

/* retain.c */
void shell_purge_if_due(struct shell *s);

/* loop.c */
int shell_loop(struct shell *s, struct td_error *err);

#endif
