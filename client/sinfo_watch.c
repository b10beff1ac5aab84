/* sinfo_watch.c - sinfo --watch: the table of this moment, taken anew when the front says that something was committed
 *
 * Events only say when to look: what a node is follows from many of them. On a terminal only lines that differ are written;
 * in a pipe the table is written again when it differs; --json writes one object a line with the rows that differ. */
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "say.h"
#include "screen.h"
#include "sinfo.h"
#include "watch.h"

#define DRAW_MS 100 /* between two looks */
#define PIPE_MS 1000

struct watching {
    const struct sinfo *s;
    struct sinfo_picture now;
    struct screen screen;
    uint64_t seq;
    uint32_t stale_ms;
    int64_t look_ms; /* not before */
    bool terminal, lost, dirty, redraw, shown, quit;
};

static int64_t elapsed_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* --- showing ------------------------------------------------------------------------------------------------------------------ */

static void draw(struct watching *x)
{
    struct td_buf status = {0};

    td_buf_putf(&status, "%s", say_colour(1, x->lost || x->stale_ms ? SAY_YELLOW : SAY_DIM));
    if (!screen_stands_still(&status, x->lost, x->stale_ms))
        td_buf_putf(&status, "event %llu  (j,k) scroll  (q)uit", (unsigned long long)x->seq);
    td_buf_puts(&status, say_colour(1, SAY_PLAIN));
    screen_draw(&x->screen, td_buf_str(&x->now.text), td_buf_str(&status));
    td_buf_release(&status);
}

static bool has_row(const struct sinfo_picture *p, const char *row)
{
    for (uint32_t i = 0; i < p->rows.n; i++)
        if (strcmp(p->rows.v[i], row) == 0)
            return true;
    return false;
}

/* Rows have one place each: the same number of them, and all known, is no change. */
static void show_rows(struct watching *x, const struct sinfo_picture *next)
{
    struct td_buf out = {0};
    uint32_t n = 0;

    td_buf_putf(&out, "{\"seq\":%llu,\"time_ms\":%lld,\"all\":%s,\"nodes\":[", (unsigned long long)x->seq, (long long)next->now_ms,
                x->shown && next->rows.n == x->now.rows.n ? "false" : "true");
    for (uint32_t i = 0; i < next->rows.n; i++) {
        bool same = x->shown && next->rows.n == x->now.rows.n &&
                    (strcmp(x->now.rows.v[i], next->rows.v[i]) == 0 || has_row(&x->now, next->rows.v[i]));
        if (!same)
            td_buf_putf(&out, "%s%s", n++ ? "," : "", next->rows.v[i]);
    }
    td_buf_puts(&out, "]}\n");
    if (n || !x->shown || next->rows.n != x->now.rows.n)
        say_out(&out);
    td_buf_release(&out);
}

static void show(struct watching *x, const struct sinfo_picture *next)
{
    struct td_buf out = {0};

    if (x->s->json) {
        show_rows(x, next);
    } else if (!x->terminal && (!x->shown || strcmp(td_buf_str(&next->text), td_buf_str(&x->now.text)) != 0)) {
        td_buf_putf(&out, "%s%s", x->shown ? "\n" : "", td_buf_str(&next->text));
        say_out(&out);
    }
    td_buf_release(&out);
}

/* A broker or front that is away is no end: the picture stands still until it is back. */
static int look(struct watching *x, struct td_error *err)
{
    struct sinfo_picture next;
    struct td_error why = {0};
    int r = sinfo_take(x->s, &next, &why);

    x->look_ms = elapsed_ms() + (x->terminal || x->s->json ? DRAW_MS : PIPE_MS);
    if (r < 0 && why.code != TD_E_UNREACHABLE && why.code != TD_E_TIMED_OUT) {
        *err = why;
        return r;
    }
    if (r < 0)
        return 0;
    show(x, &next);
    sinfo_picture_release(&x->now);
    x->now = next;
    x->shown = x->redraw = true;
    x->dirty = false;
    return 0;
}

/* --- what comes ------------------------------------------------------------------------------------------------------------------ */

static void key(struct watching *x)
{
    char c[64];
    ssize_t n = read(STDIN_FILENO, c, sizeof(c));

    x->redraw = true;
    if (n <= 0)
        x->quit = true;
    for (ssize_t i = 0; i < n; i++) {
        x->quit |= c[i] == 'q';
        if (c[i] == 'j')
            x->screen.top++;
        else if (c[i] == 'k' && x->screen.top)
            x->screen.top--;
    }
}

static void take(struct watching *x, enum watch_got got, const struct td_events *m)
{
    switch (got) {
    case WATCH_FRAME:
        x->dirty |= m->last > x->seq || m->resync || !m->stale_ms != !x->stale_ms;
        x->redraw |= m->stale_ms != x->stale_ms;
        x->seq = TD_MAX(x->seq, m->last);
        x->stale_ms = m->stale_ms;
        break;
    case WATCH_LOST:
    case WATCH_BACK:
        x->lost = got == WATCH_LOST;
        x->dirty |= got == WATCH_BACK;
        x->redraw = true;
        if (!x->terminal && got == WATCH_LOST)
            say_note("the front went away; the picture stands still until it is back");
        break;
    case WATCH_OTHER:
        key(x);
        break;
    case WATCH_UNREAD:
        x->quit = true;
        break;
    case WATCH_TIME:
        break;
    }
}

int sinfo_watch(const struct sinfo *s, struct td_error *err)
{
    const struct td_subscribe what = {.from_now = true, .quiet = true};
    struct watching x = {.s = s, .terminal = !s->json && isatty(STDIN_FILENO) && isatty(STDOUT_FILENO), .dirty = true};
    struct watch w = {0};
    int r = watch_open(&w, &what, err);

    w.minds_output = true;
    if (r == 0)
        r = look(&x, err); /* a format that is none is said on the terminal as it was */
    if (r == 0 && x.terminal)
        r = screen_enter(err);
    while (r == 0 && !x.quit) {
        enum watch_got got;
        const struct td_events *m = NULL;
        if (x.terminal && x.redraw)
            draw(&x);
        x.redraw = false;
        int wait = x.dirty && !x.lost ? (int)TD_MAX(x.look_ms - elapsed_ms(), 0) : -1;
        r = watch_next(&w, wait, x.terminal ? STDIN_FILENO : -1, &got, &m, err);
        if (r == 0)
            take(&x, got, m);
        if (r == 0 && !x.quit && x.dirty && !x.lost && elapsed_ms() >= x.look_ms)
            r = look(&x, err);
    }
    screen_leave();
    screen_forget(&x.screen);
    sinfo_picture_release(&x.now);
    watch_close(&w);
    return r;
}
