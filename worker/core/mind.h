/* mind.h - inside of struct td_agent, shared by agent.c (registration, time) and agent_jobs.c (awards to reports) */
#ifndef TD_MIND_H
#define TD_MIND_H

#include "worker/core/agent.h"
#include "worker/core/attempts.h"
#include "worker/core/outbox.h"

enum agent_state {
    AGENT_BLIND,        /* what runs here is not known yet: the shepherd has not spoken */
    AGENT_GREETING,     /* HELLO sent */
    AGENT_REGISTERED,   /* WELCOME had, lease running */
    AGENT_WAITING,      /* to say HELLO later: turned down for now, or not all at once */
    AGENT_RECONNECTING, /* the broker fell silent; jitter before trying again */
    AGENT_OVER,         /* left, or refused for good */
    AGENT_STATE_COUNT,
};
enum agent_shepherd { SHEPHERD_DOWN, SHEPHERD_ASKED, SHEPHERD_READY };

struct td_agent {
    char *name, *instance;
    char *boot_id;
    struct td_rng rng;
    struct td_node *node;
    struct td_attempts attempts;
    struct td_outbox outbox;
    TD_VEC(struct td_report) loose; /* without a number: said once, in this step */

    enum agent_state state;
    enum agent_shepherd shepherd;
    char *no_launch; /* why the shell cannot launch; NULL = it can */
    bool draining;

    struct td_arena welcome_arena;
    struct td_welcome welcome;
    bool welcomed;
    TD_VEC(char *) topics; /* owned; subscribed to */

    int64_t now_ms;
    int64_t heard_ms;     /* last word of the broker */
    int64_t answered_ms;  /* when we said the latest word that it answered: it heard us then, or later */
    int64_t fence_ms;     /* as the shepherd was told last; 0 = no fence */
    int64_t heartbeat_ms; /* when to send the next */
    int64_t due_ms;       /* GREETING, WAITING: next HELLO; RECONNECTING: next try */
    uint32_t hello_wait_ms;

    struct td_arena step; /* bodies of the effects */
    TD_VEC(struct td_agent_effect) effects;
};

/* Effects. Bodies are copied shallowly into the step's arena: what they point to must last until the next step. */
void agent_effect(struct td_agent *g, enum td_agent_effect_kind kind, uint32_t id, const void *body);
void agent_send(struct td_agent *g, uint32_t id, const void *body);
void agent_to_shepherd(struct td_agent *g, uint32_t id, const void *body);
void agent_log_text(struct td_agent *g, const char *text);
#define agent_log(g, ...)                                 \
    do {                                                  \
        char text_[TD_ERROR_TEXT_MAX];                    \
        td_format(text_, sizeof(text_), __VA_ARGS__);     \
        agent_log_text((g), text_);                       \
    } while (0)
bool agent_shepherd_ready(const struct td_agent *g);

/* agent_jobs.c */
void agent_award(struct td_agent *g, const struct td_award_batch *m);
void agent_kill(struct td_agent *g, const struct td_kill_batch *m);
void agent_kill_one(struct td_agent *g, const struct td_kill *k);
void agent_status(struct td_agent *g, const struct td_sh_status *m);
/* agent_steps.c */
void agent_step_start(struct td_agent *g, const struct td_step_start *m);
void agent_step_kill(struct td_agent *g, const struct td_kill *k);
void agent_step_note(struct td_agent *g, struct td_attempt *t, const struct td_report *r);
void agent_steps_acked(struct td_agent *g, struct td_attempt *t);
void agent_steps_adopt(struct td_agent *g, struct td_attempt *t, const struct td_running *r);
struct td_u32s agent_steps_running(struct td_agent *g, const struct td_attempt *t);
/* agent_jobs.c */
void agent_say_loose(struct td_agent *g, struct td_report r); /* without a number: said once, in this step */
/* All that waits for an acknowledgement about an attempt (or one step of it), again; returns how many. */
uint32_t agent_repeat_reports(struct td_agent *g, const struct td_attempt *t, const uint32_t *step);
/* What the shepherd holds; same_boot: beside what is known already, else instead of it. */
void agent_adopt(struct td_agent *g, const struct td_sh_state *m, bool same_boot);
void agent_acked(struct td_agent *g, uint64_t upto);
void agent_send_reports(struct td_agent *g, bool all); /* and the loose ones */
struct td_running_list agent_running(struct td_agent *g);

#endif
