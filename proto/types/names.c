/* names.c - words of states, reasons, refusals, reports and errors, from the rows */
#include "types/types.h"

#define SWITCH_BEGIN switch (number) {
#define SWITCH_END       \
    }                    \
    return NULL;

const char *td_error_name(int number)
{
    SWITCH_BEGIN
#define ERR(name, num, exit_code, text) case num: return #name;
#include "tbl/errors.def"
#undef ERR
    SWITCH_END
}

const char *td_error_words(int number)
{
    SWITCH_BEGIN
#define ERR(name, num, exit_code, text) case num: return text;
#include "tbl/errors.def"
#undef ERR
    SWITCH_END
}

int td_error_exit(int number)
{
    switch (number) {
#define ERR(name, num, exit_code, text) case num: return exit_code;
#include "tbl/errors.def"
#undef ERR
    }
    return 1;
}

struct word {
    const char *name, *word, *compact;
};
static const struct word job_states[] = {
#define JOB_STATE(name, number, word, compact, help) [number] = {#name, word, compact},
#include "tbl/states.def"
#undef JOB_STATE
};
static const struct word outcomes[] = {
#define JOB_OUTCOME(name, number, word, compact, help) [number] = {#name, word, compact},
#include "tbl/states.def"
#undef JOB_OUTCOME
};

static const struct word *job_word(uint32_t state, uint32_t outcome)
{
    if (state == TD_JOB_DONE && outcome != TD_OUTCOME_NONE)
        return outcome < TD_ARRAY_LEN(outcomes) ? &outcomes[outcome] : NULL;
    return state < TD_ARRAY_LEN(job_states) ? &job_states[state] : NULL;
}

const char *td_job_state_word(uint32_t state, uint32_t outcome)
{
    const struct word *w = job_word(state, outcome);
    return w ? w->word : NULL;
}

const char *td_job_state_compact(uint32_t state, uint32_t outcome)
{
    const struct word *w = job_word(state, outcome);
    return w ? w->compact : NULL;
}

static bool word_is(const struct word *w, const char *text)
{
    return td_str_casecmp(w->word, text) == 0 || td_str_casecmp(w->compact, text) == 0;
}

bool td_job_state_parse(const char *text, uint32_t *ret_state, uint32_t *ret_outcome)
{
    if (td_str_empty(text))
        return false;
    for (uint32_t i = 0; i < TD_JOB_DONE; i++) {
        if (word_is(&job_states[i], text)) {
            *ret_state = i;
            *ret_outcome = TD_OUTCOME_NONE;
            return true;
        }
    }
    for (uint32_t i = 1; i < TD_ARRAY_LEN(outcomes); i++) {
        if (word_is(&outcomes[i], text)) {
            *ret_state = TD_JOB_DONE;
            *ret_outcome = i;
            return true;
        }
    }
    return false;
}

const char *td_reason_word(uint32_t number)
{
    SWITCH_BEGIN
#define REASON(name, num, word, help) case num: return word;
#include "tbl/states.def"
#undef REASON
    SWITCH_END
}

const char *td_reason_words(uint32_t number)
{
    SWITCH_BEGIN
#define REASON(name, num, word, help) case num: return help;
#include "tbl/states.def"
#undef REASON
    SWITCH_END
}

const char *td_refusal_name(uint32_t number)
{
    SWITCH_BEGIN
#define REFUSAL(name, num, help) case num: return #name;
#include "tbl/states.def"
#undef REFUSAL
    SWITCH_END
}

const char *td_refusal_words(uint32_t number)
{
    SWITCH_BEGIN
#define REFUSAL(name, num, help) case num: return help;
#include "tbl/states.def"
#undef REFUSAL
    SWITCH_END
}

const char *td_moved_name(uint32_t number)
{
    SWITCH_BEGIN
#define MOVED(name, num, word, help) case num: return word;
#include "tbl/states.def"
#undef MOVED
    SWITCH_END
}

const char *td_moved_words(uint32_t number)
{
    SWITCH_BEGIN
#define MOVED(name, num, word, help) case num: return help;
#include "tbl/states.def"
#undef MOVED
    SWITCH_END
}

const char *td_standing_name(uint32_t number)
{
    SWITCH_BEGIN
#define STANDING(name, num, word, help) case num: return word;
#include "tbl/states.def"
#undef STANDING
    SWITCH_END
}

const char *td_standing_words(uint32_t number)
{
    SWITCH_BEGIN
#define STANDING(name, num, word, help) case num: return help;
#include "tbl/states.def"
#undef STANDING
    SWITCH_END
}

const char *td_before_name(uint32_t number)
{
    SWITCH_BEGIN
#define BEFORE(name, num, word, help) case num: return word;
#include "tbl/states.def"
#undef BEFORE
    SWITCH_END
}

const char *td_before_words(uint32_t number)
{
    SWITCH_BEGIN
#define BEFORE(name, num, word, help) case num: return help;
#include "tbl/states.def"
#undef BEFORE
    SWITCH_END
}

const char *td_depend_word(uint32_t number)
{
    SWITCH_BEGIN
#define DEPEND(name, num, word, help) case num: return word;
#include "tbl/states.def"
#undef DEPEND
    SWITCH_END
}

const char *td_depend_words(uint32_t number)
{
    SWITCH_BEGIN
#define DEPEND(name, num, word, help) case num: return help;
#include "tbl/states.def"
#undef DEPEND
    SWITCH_END
}

const char *td_depend_state_word(uint32_t number)
{
    SWITCH_BEGIN
#define DEPEND_STATE(name, num, word, help) case num: return word;
#include "tbl/states.def"
#undef DEPEND_STATE
    SWITCH_END
}

const char *td_node_state_name(uint32_t number)
{
    SWITCH_BEGIN
#define NODE_STATE(name, num, help) case num: return #name;
#include "tbl/states.def"
#undef NODE_STATE
    SWITCH_END
}

const char *td_report_name(uint32_t number)
{
    SWITCH_BEGIN
#define REPORT(name, num, help) case num: return #name;
#include "tbl/states.def"
#undef REPORT
    SWITCH_END
}

const char *td_alloc_state_name(uint32_t number)
{
    SWITCH_BEGIN
#define ALLOC_STATE(name, num, help) case num: return #name;
#include "tbl/states.def"
#undef ALLOC_STATE
    SWITCH_END
}

const char *td_step_state_name(uint32_t number)
{
    SWITCH_BEGIN
#define STEP_STATE(name, num, help) case num: return #name;
#include "tbl/states.def"
#undef STEP_STATE
    SWITCH_END
}

const char *td_session_state_name(uint32_t number)
{
    SWITCH_BEGIN
#define SESSION_STATE(name, num, help) case num: return #name;
#include "tbl/states.def"
#undef SESSION_STATE
    SWITCH_END
}

const char *td_acct_kind_word(uint32_t number)
{
    SWITCH_BEGIN
#define ACCT_KIND(name, num, word, help) case num: return word;
#include "tbl/states.def"
#undef ACCT_KIND
    SWITCH_END
}

const char *td_preempt_mode_word(uint32_t number)
{
    SWITCH_BEGIN
#define PREEMPT_MODE(name, num, word) case num: return word;
#include "tbl/states.def"
#undef PREEMPT_MODE
    SWITCH_END
}

const char *td_qos_flag_word(uint32_t number)
{
    SWITCH_BEGIN
#define QOS_FLAG(name, num, word, help) case num: return word;
#include "tbl/states.def"
#undef QOS_FLAG
    SWITCH_END
}

const char *td_admin_level_word(uint32_t number)
{
    SWITCH_BEGIN
#define ADMIN_LEVEL(name, num, word, help) case num: return word;
#include "tbl/states.def"
#undef ADMIN_LEVEL
    SWITCH_END
}

bool td_reserve_flag(const char *word, uint64_t *ret_bit, const char **ret_why)
{
    static const struct {
        const char *word;
        uint64_t bit;
        const char *why;
    } flags[] = {
#define RESERVE(name, bit, text, help) {text, bit, NULL},
#define RESERVE_NOT(text, why) {text, 0, why},
#include "tbl/states.def"
#undef RESERVE
#undef RESERVE_NOT
    };

    *ret_bit = 0;
    *ret_why = NULL;
    for (size_t i = 0; i < TD_ARRAY_LEN(flags); i++)
        if (td_str_casecmp(flags[i].word, word) == 0) {
            *ret_bit = flags[i].bit;
            *ret_why = flags[i].why;
        }
    return *ret_bit != 0;
}

void td_reserve_flags_print(uint64_t flags, struct td_buf *out)
{
    const char *comma = "";

#define RESERVE(name, bit, text, help) \
    if (flags & (bit)) {               \
        td_buf_puts(out, comma);       \
        td_buf_puts(out, text);        \
        comma = ",";                   \
    }
#include "tbl/states.def"
#undef RESERVE
}
