/* notes.c - what a configuration asks for and does not get, in sentences
 *
 * Nothing that is read and has no effect goes unnamed; but forty sentences with one reason are one sentence. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "conf/options.h"

void reading_note(struct reading *rd, const char *fmt, ...)
{
    char text[TD_ERROR_TEXT_MAX];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    for (uint32_t i = 0; i < rd->notes.n; i++)
        if (rd->notes.v[i].text && strcmp(rd->notes.v[i].text, text) == 0)
            return;
    struct note n = {.text = td_arena_strdup(rd->arena, text)};
    td_vec_push(&rd->notes, n);
}

void reading_note_idle(struct reading *rd, const char *file, uint32_t line, const char *key, const char *why)
{
    struct note *note = NULL;
    bool known = false;

    for (uint32_t i = 0; i < rd->notes.n && !note; i++) {
        struct note *n = &rd->notes.v[i];
        if (!n->text && strcmp(n->why, why) == 0 && strcmp(n->file, file) == 0)
            note = n;
    }
    if (!note) {
        struct note fresh = {.file = file, .why = why};
        td_vec_push(&rd->notes, fresh);
        note = &rd->notes.v[rd->notes.n - 1];
    }
    for (uint32_t i = 0; i < note->keys.n && !known; i++)
        known = strcmp(note->keys.v[i], key) == 0;
    if (!known)
        td_vec_push(&note->keys, key);
    if (note->lines.n == 0 || note->lines.v[note->lines.n - 1] != line)
        td_vec_push(&note->lines, line);
}

static const char *idle_sentence(const struct note *n, struct td_arena *a)
{
    struct td_buf b = {0};

    td_buf_putf(&b, "%s line%s ", n->file, n->lines.n > 1 ? "s" : "");
    for (uint32_t i = 0; i < n->lines.n && i < 64; i++)
        td_buf_putf(&b, "%s%u", i ? ", " : "", n->lines.v[i]);
    td_buf_puts(&b, n->lines.n > 64 ? " ...: " : ": ");
    for (uint32_t i = 0; i < n->keys.n; i++)
        td_buf_putf(&b, "%s%s", i ? ", " : "", n->keys.v[i]);
    td_buf_putf(&b, " ha%s no effect: %s", n->keys.n > 1 ? "ve" : "s", n->why);

    const char *ret = td_arena_strdup(a, td_buf_str(&b));
    td_buf_release(&b);
    return ret;
}

struct td_strs reading_notes(const struct reading *rd)
{
    const char **v = td_arena_alloc(rd->arena, TD_MAX(rd->notes.n, 1) * sizeof(*v));

    for (uint32_t i = 0; i < rd->notes.n; i++)
        v[i] = rd->notes.v[i].text ? rd->notes.v[i].text : idle_sentence(&rd->notes.v[i], rd->arena);
    return (struct td_strs){.v = v, .n = rd->notes.n};
}

void reading_release(struct reading *rd)
{
    for (uint32_t i = 0; i < rd->notes.n; i++) {
        td_vec_release(&rd->notes.v[i].keys);
        td_vec_release(&rd->notes.v[i].lines);
    }
    td_vec_release(&rd->notes);
}
