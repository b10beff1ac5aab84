/* tender.c - libtender's handle, errors, submit and cancel
 *
 * The commands' own code does the work (connect.c, sbatch.c). Its warnings go where a command says them, which is one place
 * for a process: submissions of several threads are put together one after the other (say_lock). */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/lib.h"
#include "say.h"
#include "submit.h"

static pthread_mutex_t say_lock = PTHREAD_MUTEX_INITIALIZER;

int lib_fail(struct tender_error *ret, const struct td_error *err)
{
    TD_ASSERT(err->code > 0);
    if (ret) {
        ret->code = err->code;
        td_format(ret->text, sizeof(ret->text), "%s", err->text[0] ? err->text : td_error_words(err->code));
    }
    return -err->code;
}

const char *lib_text(const char *s)
{
    return s ? s : "";
}

const char *tender_error_name(int code)
{
    return lib_text(td_error_name(code));
}

const char *tender_version(void)
{
    return TD_VERSION;
}

struct tender *tender_open(const char *conf, struct tender_error *err)
{
    struct tender *t = td_alloc(sizeof(*t));
    struct td_error why = {0};
    int r = client_find_by(&t->client, conf, &why);

    if (r == 0)
        r = client_reopen(&t->client, &why);
    if (r < 0) {
        lib_fail(err, &why);
        tender_close(t);
        return NULL;
    }
    return t;
}

void tender_close(struct tender *t)
{
    if (!t)
        return;
    client_close(&t->client);
    td_buf_release(&t->warnings);
    td_free(t);
}

int lib_ready(struct tender *t, struct td_error *err)
{
    td_arena_reset(&t->client.arena);
    return t->client.open ? 0 : client_reopen(&t->client, err);
}

/* After one of these nobody knows what the connection would say next. */
int lib_done(struct tender *t, int r, const struct td_error *err)
{
    if (r < 0 && (err->code == TD_E_UNREACHABLE || err->code == TD_E_TIMED_OUT || err->code == TD_E_BAD_FRAME ||
                  err->code == TD_E_IO || err->code == TD_E_UNKNOWN_MESSAGE))
        client_drop(&t->client);
    return r;
}

/* --- submit ---------------------------------------------------------------------------------------------------------- */

/* argv of an sbatch that nobody typed. */
static char **words_of(struct td_arena *a, const char *const *options, int *ret_n)
{
    size_t n = 0;

    while (options && options[n])
        n++;
    char **argv = td_arena_alloc(a, (n + 2) * sizeof(*argv));
    argv[0] = td_arena_strdup(a, "sbatch");
    for (size_t i = 0; i < n; i++)
        argv[i + 1] = td_arena_strdup(a, options[i]);
    *ret_n = (int)n + 1;
    return argv;
}

static int given_script(const struct tender_submission *what, struct script *ret, struct td_error *err)
{
    if (!what->script)
        return 0;
    size_t len = what->script_len ? what->script_len : strlen(what->script);
    if (len == 0)
        return td_fail(err, TD_E_NO_SCRIPT, "%s", td_error_words(TD_E_NO_SCRIPT));
    if (len > TD_MAX_SCRIPT_BYTES)
        return td_fail(err, TD_E_TOO_BIG, "the script is longer than %d bytes", TD_MAX_SCRIPT_BYTES);
    *ret = (struct script){.text = td_alloc(len + 1), .len = len, .name = "the script"};
    memcpy(ret->text, what->script, len);
    return 0;
}

static int for_people(const struct submit *s, struct td_error *err)
{
    const char *name = s->wait ? "wait" : s->parsable ? "parsable" : s->quiet ? "quiet" : s->verbose ? "verbose" : NULL;

    return name ? td_fail(err, TD_E_NOT_SUPPORTED, "--%s is for people: it is not taken from a program", name) : 0;
}

static int send_it(struct tender *t, const struct td_submit *m, struct tender_submitted *ret, struct td_error *err)
{
    void *body = NULL;
    int r = lib_ready(t, err);

    if (r == 0)
        r = lib_done(t, client_ask(&t->client, TD_MSG_SUBMIT, m, TD_MSG_SUBMITTED, &body, err), err);
    if (r < 0)
        return r;
    const struct td_submitted *done = body;
    for (uint32_t i = 0; i < done->warnings.n; i++)
        td_buf_putf(&t->warnings, "%s\n", done->warnings.v[i]);
    *ret = (struct tender_submitted){m->test_only ? 0 : done->job, done->seq, td_buf_str(&t->warnings)};
    return 0;
}

/* Puts the request together as sbatch would; under say_lock. */
static int gather(struct tender *t, const struct tender_submission *what, struct submit *s, struct script *script,
                  struct td_buf *env, struct td_error *err)
{
    const char *path = NULL;
    int argc, r = given_script(what, script, err);
    char **argv = words_of(s->arena, what->options, &argc);
    const char *name = say_name;
    struct td_buf *captured = say_captured;

    say_name = "sbatch";
    say_captured = &t->warnings;
    if (r == 0)
        r = submit_gather(s, argc, argv, script, &path, err);
    if (r == 0)
        r = for_people(s, err);
    if (r == 0)
        r = submit_settle(s, path, (char *const *)(uintptr_t)(what->environment ? what->environment : (const char *const *)environ),
                          env, err);
    say_name = name;
    say_captured = captured;
    return r;
}

int tender_submit(struct tender *t, const struct tender_submission *what, struct tender_submitted *ret, struct tender_error *err)
{
    struct td_arena arena = {0};
    struct submit s = {.arena = &arena, .by_program = true};
    struct script script = {0};
    struct td_buf env = {0};
    struct td_error why = {0};

    td_buf_reset(&t->warnings);
    pthread_mutex_lock(&say_lock);
    int r = gather(t, what, &s, &script, &env, &why);
    pthread_mutex_unlock(&say_lock);
    if (r == 0) {
        struct td_submit m = submit_message(&s, &script, &env);
        if (what->key)
            m.client_key = what->key;
        r = send_it(t, &m, ret, &why);
    }
    script_release(&script);
    td_buf_release(&env);
    td_arena_release(&arena);
    return r < 0 ? lib_fail(err, &why) : 0;
}

/* --- cancel ---------------------------------------------------------------------------------------------------------- */

int tender_cancel(struct tender *t, const char *job, int signal, struct tender_error *err)
{
    struct td_arena a = {0};
    struct td_error why = {0};
    struct td_job_sel sel = {0};
    void *body = NULL;
    int r = signal >= 0 && signal <= 64 ? 0 : td_fail(&why, TD_E_INVALID_REQUEST, "there is no signal %d", signal);

    if (r == 0)
        r = client_sel_parse(&a, job, &sel, &why);
    if (r == 0)
        r = lib_ready(t, &why);
    if (r == 0) {
        const struct td_cancel m = {.filter = {.ids = {&sel, 1}}, .signal = (uint32_t)signal};
        r = lib_done(t, client_ask(&t->client, TD_MSG_CANCEL, &m, TD_MSG_DONE, &body, &why), &why);
    }
    const struct td_done *done = body;
    for (uint32_t i = 0; r == 0 && i < done->errors.n; i++) {
        const struct td_job_error *e = &done->errors.v[i];
        if (e->code != TD_E_ALREADY_DONE)
            r = td_fail(&why, e->code ? (int)e->code : TD_E_INVALID_JOB, "%s: %s", job,
                        td_str_empty(e->text) ? td_error_words((int)e->code) : e->text);
    }
    td_arena_release(&a);
    return r < 0 ? lib_fail(err, &why) : 0;
}
