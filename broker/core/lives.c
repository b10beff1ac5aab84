/* lives.c - the five lives as complete tables (DESIGN law 6)
 *
 * Every cell is filled: GO (it happens; a guard may still ask for more), IGNORE (late or twice:
 * normal on a bus, counted), REJECT (the peer's fault: the caller says so in words), BUG (ours:
 * asserted). States are written only in apply.c; these tables say which inputs may lead to an event
 * at all. */
#include "broker/core/state.h"

#define GO CORE_GO
#define IG CORE_IGNORE
#define RE CORE_REJECT
#define BU CORE_BUG

static const uint8_t job_life[TD_JOB_STATE_COUNT][TD_JOB_INPUT_COUNT] = {
    [TD_JOB_PENDING] =
        {
            [TD_JOB_IN_AWARD] = GO,
            [TD_JOB_IN_STARTED] = IG, /* report of an attempt that was given up */
            [TD_JOB_IN_DECLINED] = IG,
            [TD_JOB_IN_EXITED] = IG,
            [TD_JOB_IN_END] = GO,
            [TD_JOB_IN_GONE] = IG,
            [TD_JOB_IN_LOST] = BU, /* it has no node */
            [TD_JOB_IN_REQUEUE] = RE,
            [TD_JOB_IN_HOLD] = GO,
            [TD_JOB_IN_RELEASE] = GO,
            [TD_JOB_IN_UPDATE] = GO,
            [TD_JOB_IN_PURGE] = BU,
        },
    [TD_JOB_AWARDED] =
        {
            [TD_JOB_IN_AWARD] = BU, /* one allocation at a time */
            [TD_JOB_IN_STARTED] = GO,
            [TD_JOB_IN_DECLINED] = GO,
            [TD_JOB_IN_EXITED] = GO, /* the leader may be done before another node has answered */
            [TD_JOB_IN_END] = GO,
            [TD_JOB_IN_GONE] = GO,
            [TD_JOB_IN_LOST] = GO,
            [TD_JOB_IN_REQUEUE] = GO,
            [TD_JOB_IN_HOLD] = RE,
            [TD_JOB_IN_RELEASE] = RE,
            [TD_JOB_IN_UPDATE] = GO,
            [TD_JOB_IN_PURGE] = BU,
        },
    [TD_JOB_RUNNING] =
        {
            [TD_JOB_IN_AWARD] = BU,
            [TD_JOB_IN_STARTED] = IG,
            [TD_JOB_IN_DECLINED] = IG,
            [TD_JOB_IN_EXITED] = GO,
            [TD_JOB_IN_END] = GO,
            [TD_JOB_IN_GONE] = GO,
            [TD_JOB_IN_LOST] = GO,
            [TD_JOB_IN_REQUEUE] = GO,
            [TD_JOB_IN_HOLD] = RE,
            [TD_JOB_IN_RELEASE] = RE,
            [TD_JOB_IN_UPDATE] = GO,
            [TD_JOB_IN_PURGE] = BU,
        },
    [TD_JOB_ENDING] =
        {
            [TD_JOB_IN_AWARD] = BU,
            [TD_JOB_IN_STARTED] = IG,
            [TD_JOB_IN_DECLINED] = GO, /* never got there: as good as gone */
            [TD_JOB_IN_EXITED] = GO,   /* guard: how it ends is decided already, but for a session whose time was over */
            [TD_JOB_IN_END] = GO,      /* guard: only when it would go back to the queue */
            [TD_JOB_IN_GONE] = GO,
            [TD_JOB_IN_LOST] = GO,
            [TD_JOB_IN_REQUEUE] = RE,
            [TD_JOB_IN_HOLD] = RE,
            [TD_JOB_IN_RELEASE] = RE,
            [TD_JOB_IN_UPDATE] = RE,
            [TD_JOB_IN_PURGE] = BU,
        },
    [TD_JOB_DONE] =
        {
            [TD_JOB_IN_AWARD] = BU,
            [TD_JOB_IN_STARTED] = IG,
            [TD_JOB_IN_DECLINED] = IG,
            [TD_JOB_IN_EXITED] = IG,
            [TD_JOB_IN_END] = RE,
            [TD_JOB_IN_GONE] = IG,
            [TD_JOB_IN_LOST] = BU,
            [TD_JOB_IN_REQUEUE] = GO,
            [TD_JOB_IN_HOLD] = RE,
            [TD_JOB_IN_RELEASE] = RE,
            [TD_JOB_IN_UPDATE] = RE,
            [TD_JOB_IN_PURGE] = GO,
        },
};

static const uint8_t alloc_life[TD_ALLOC_STATE_COUNT][TD_ALLOC_INPUT_COUNT] = {
    [TD_ALLOC_AWARDED] =
        {
            [TD_ALLOC_IN_ACCEPT] = GO,
            [TD_ALLOC_IN_DECLINE] = GO,
            [TD_ALLOC_IN_KILL] = GO,
            [TD_ALLOC_IN_GONE] = GO,
            [TD_ALLOC_IN_NODE_LOST] = GO,
        },
    [TD_ALLOC_HELD] =
        {
            [TD_ALLOC_IN_ACCEPT] = IG,
            [TD_ALLOC_IN_DECLINE] = IG,
            [TD_ALLOC_IN_KILL] = GO,
            [TD_ALLOC_IN_GONE] = GO,
            [TD_ALLOC_IN_NODE_LOST] = GO,
        },
    [TD_ALLOC_ENDING] =
        {
            [TD_ALLOC_IN_ACCEPT] = IG, /* it crossed the kill */
            [TD_ALLOC_IN_DECLINE] = GO,
            [TD_ALLOC_IN_KILL] = IG,
            [TD_ALLOC_IN_GONE] = GO,
            [TD_ALLOC_IN_NODE_LOST] = GO,
        },
    [TD_ALLOC_GONE] =
        {
            [TD_ALLOC_IN_ACCEPT] = IG,
            [TD_ALLOC_IN_DECLINE] = IG,
            [TD_ALLOC_IN_KILL] = IG,
            [TD_ALLOC_IN_GONE] = IG,
            [TD_ALLOC_IN_NODE_LOST] = IG,
        },
};

static const uint8_t step_life[TD_STEP_STATE_COUNT][TD_STEP_INPUT_COUNT] = {
    [TD_STEP_SENT] =
        {
            [TD_STEP_IN_START] = GO,
            [TD_STEP_IN_DECLINE] = GO,
            [TD_STEP_IN_EXIT] = GO, /* what ended had begun: its STARTED was lost on the way */
            [TD_STEP_IN_KILL] = GO,
            [TD_STEP_IN_GONE] = GO,
        },
    [TD_STEP_STARTED] =
        {
            [TD_STEP_IN_START] = IG,
            [TD_STEP_IN_DECLINE] = IG,
            [TD_STEP_IN_EXIT] = GO,
            [TD_STEP_IN_KILL] = GO,
            [TD_STEP_IN_GONE] = GO,
        },
    [TD_STEP_ENDING] =
        {
            [TD_STEP_IN_START] = IG,   /* it crossed the kill */
            [TD_STEP_IN_DECLINE] = GO, /* never got there, or is not known there */
            [TD_STEP_IN_EXIT] = GO,
            [TD_STEP_IN_KILL] = IG,
            [TD_STEP_IN_GONE] = GO,
        },
    [TD_STEP_OVER] =
        {
            [TD_STEP_IN_START] = IG,
            [TD_STEP_IN_DECLINE] = IG,
            [TD_STEP_IN_EXIT] = IG,
            [TD_STEP_IN_KILL] = IG,
            [TD_STEP_IN_GONE] = IG,
        },
};

static const uint8_t node_life[TD_NODE_STATE_COUNT][TD_NODE_INPUT_COUNT] = {
    [TD_NODE_UNKNOWN] =
        {
            [TD_NODE_IN_HELLO] = GO,
            [TD_NODE_IN_HEARD] = RE, /* say HELLO first */
            [TD_NODE_IN_LEASE_OUT] = BU,
            [TD_NODE_IN_TIME_OUT] = BU,
            [TD_NODE_IN_BYE] = RE,
            [TD_NODE_IN_DOWN] = GO,
        },
    [TD_NODE_UP] =
        {
            [TD_NODE_IN_HELLO] = GO,
            [TD_NODE_IN_HEARD] = GO,
            [TD_NODE_IN_LEASE_OUT] = GO,
            [TD_NODE_IN_TIME_OUT] = BU, /* SUSPECT comes first */
            [TD_NODE_IN_BYE] = GO,
            [TD_NODE_IN_DOWN] = GO,
        },
    [TD_NODE_SUSPECT] =
        {
            [TD_NODE_IN_HELLO] = GO,
            [TD_NODE_IN_HEARD] = GO,
            [TD_NODE_IN_LEASE_OUT] = IG,
            [TD_NODE_IN_TIME_OUT] = GO,
            [TD_NODE_IN_BYE] = GO,
            [TD_NODE_IN_DOWN] = GO,
        },
    [TD_NODE_LOST] =
        {
            [TD_NODE_IN_HELLO] = GO,
            [TD_NODE_IN_HEARD] = RE, /* its jobs were given up: HELLO tells it which */
            [TD_NODE_IN_LEASE_OUT] = IG,
            [TD_NODE_IN_TIME_OUT] = IG,
            [TD_NODE_IN_BYE] = RE,
            [TD_NODE_IN_DOWN] = GO,
        },
    [TD_NODE_LEFT] =
        {
            [TD_NODE_IN_HELLO] = GO,
            [TD_NODE_IN_HEARD] = RE,
            [TD_NODE_IN_LEASE_OUT] = IG,
            [TD_NODE_IN_TIME_OUT] =
                GO, /* jobs stayed with its shepherd and nobody came back for them */
            [TD_NODE_IN_BYE] = IG,
            [TD_NODE_IN_DOWN] = GO,
        },
};

static const uint8_t session_life[TD_SESSION_STATE_COUNT][TD_SESSION_INPUT_COUNT] = {
    [TD_SESSION_LIVE] =
        {
            [TD_SESSION_IN_HEARD] = GO,
            [TD_SESSION_IN_LEASE_OUT] = GO,
            [TD_SESSION_IN_CLOSE] = GO,
            [TD_SESSION_IN_RESTART] = GO,
            [TD_SESSION_IN_JOB_ENDED] = GO,
        },
    [TD_SESSION_PAUSED] =
        {
            [TD_SESSION_IN_HEARD] = GO,
            [TD_SESSION_IN_LEASE_OUT] = GO,
            [TD_SESSION_IN_CLOSE] = GO,
            [TD_SESSION_IN_RESTART] = IG,
            [TD_SESSION_IN_JOB_ENDED] = GO,
        },
    [TD_SESSION_ENDED] =
        {
            [TD_SESSION_IN_HEARD] = RE,
            [TD_SESSION_IN_LEASE_OUT] = IG,
            [TD_SESSION_IN_CLOSE] = RE,
            [TD_SESSION_IN_RESTART] = IG,
            [TD_SESSION_IN_JOB_ENDED] = IG,
        },
};

enum core_verdict core_life_job(uint32_t state, enum td_job_input in)
{
    TD_ASSERT(state < TD_JOB_STATE_COUNT && in < TD_JOB_INPUT_COUNT);
    return job_life[state][in];
}

enum core_verdict core_life_alloc(uint32_t state, enum td_alloc_input in)
{
    TD_ASSERT(state < TD_ALLOC_STATE_COUNT && in < TD_ALLOC_INPUT_COUNT);
    return alloc_life[state][in];
}

enum core_verdict core_life_step(uint32_t state, enum td_step_input in)
{
    TD_ASSERT(state < TD_STEP_STATE_COUNT && in < TD_STEP_INPUT_COUNT);
    return step_life[state][in];
}

enum core_verdict core_life_node(uint32_t state, enum td_node_input in)
{
    TD_ASSERT(state < TD_NODE_STATE_COUNT && in < TD_NODE_INPUT_COUNT);
    return node_life[state][in];
}

enum core_verdict core_life_session(uint32_t state, enum td_session_input in)
{
    TD_ASSERT(state < TD_SESSION_STATE_COUNT && in < TD_SESSION_INPUT_COUNT);
    return session_life[state][in];
}

static bool judge(struct td_core *c, enum core_verdict v)
{
    TD_ASSERT(v != CORE_BUG);
    if (v == CORE_IGNORE)
        c->counters.ignored++;
    if (v == CORE_REJECT)
        c->counters.rejected++;
    return v == CORE_GO;
}

bool core_job_may(struct td_core *c, const struct core_job *j, enum td_job_input in)
{
    return judge(c, core_life_job(j->state, in));
}

bool core_alloc_may(struct td_core *c, const struct core_part *p, enum td_alloc_input in)
{
    return judge(c, core_life_alloc(p->state, in));
}

bool core_step_may(struct td_core *c, const struct core_step_part *p, enum td_step_input in)
{
    return judge(c, core_life_step(p->state, in));
}

bool core_node_may(struct td_core *c, const struct core_node *n, enum td_node_input in)
{
    return judge(c, core_life_node(n->state, in));
}

bool core_session_may(struct td_core *c, const struct core_job *j, enum td_session_input in)
{
    return judge(c, core_life_session(j->session_state, in));
}
