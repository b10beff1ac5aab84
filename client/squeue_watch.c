/* squeue_watch.c - squeue --watch and -i: one picture of the queue, kept by events and drawn again where it changed
 *
 * Owns the rows as the front told them. On a terminal only lines that differ are written, at most every DRAW_MS, and keys
 * sort and filter; in a pipe the table is written again when it changed; --json writes one object a line for each change. */
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "render/job.h"
#include "say.h"
#include "screen.h"
#include "squeue.h"
#include "watch.h"

#define DRAW_MS 50
#define PIPE_MS 1000

/* --- the picture -------------------------------------------------------------------------------------------------------- */

struct held {
    struct td_arena arena;
    struct td_job_info row;
};
struct picture {
    TD_VEC(struct held *) v; /* by job id */
    int64_t now_ms, at_ms;   /* journal time, and elapsed time when it was said */
    uint64_t seq;
    uint32_t stale_ms;
    bool lost;
};

static int64_t elapsed_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void held_free(struct held *h)
{
    td_arena_release(&h->arena);
    td_free(h);
}

static void picture_clear(struct picture *p)
{
    while (p->v.n)
        held_free(p->v.v[--p->v.n]);
}

/* First with an id >= job. */
static uint32_t place_of(const struct picture *p, uint32_t job)
{
    uint32_t low = 0, high = p->v.n;

    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        if (p->v.v[mid]->row.job < job)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static void picture_drop(struct picture *p, uint32_t job)
{
    uint32_t at = place_of(p, job);

    if (at == p->v.n || p->v.v[at]->row.job != job)
        return;
    held_free(p->v.v[at]);
    memmove(&p->v.v[at], &p->v.v[at + 1], (p->v.n - at - 1) * sizeof(*p->v.v));
    p->v.n--;
}

static void picture_put(struct picture *p, const struct td_job_info *row)
{
    uint32_t at = place_of(p, row->job);
    struct held *h = td_alloc(sizeof(*h));

    td_record_copy(&h->arena, &td_rec_job_info, row, &h->row);
    if (at < p->v.n && p->v.v[at]->row.job == row->job) {
        held_free(p->v.v[at]);
        p->v.v[at] = h;
        return;
    }
    td_vec_push(&p->v, h);
    memmove(&p->v.v[at + 1], &p->v.v[at], (p->v.n - 1 - at) * sizeof(*p->v.v));
    p->v.v[at] = h;
}

/* True if a row changed. */
static bool picture_take(struct picture *p, const struct td_events *m)
{
    bool changed = m->resync || m->jobs.n || m->gone.n || !m->stale_ms != !p->stale_ms;

    if (m->resync)
        picture_clear(p);
    for (uint32_t i = 0; i < m->gone.n; i++)
        picture_drop(p, m->gone.v[i]);
    for (uint32_t i = 0; i < m->jobs.n; i++)
        picture_put(p, &m->jobs.v[i]);
    if (!p->stale_ms || !m->stale_ms || m->resync)
        p->now_ms = m->now_ms - m->stale_ms; /* the moment it was known last */
    p->at_ms = elapsed_ms();
    p->seq = m->last;
    p->stale_ms = m->stale_ms;
    return changed;
}

/* Time goes on between events, unless the picture stands still. */
static int64_t picture_now_ms(const struct picture *p)
{
    return p->lost || p->stale_ms ? p->now_ms : p->now_ms + elapsed_ms() - p->at_ms;
}

static void picture_lose(struct picture *p)
{
    p->now_ms = picture_now_ms(p);
    p->at_ms = elapsed_ms();
    p->lost = true;
}

/* The rows that pass. Borrowed from the picture. */
static struct client_jobs rows_of(const struct picture *p, const struct squeue *o)
{
    struct client_jobs jobs = {.now_ms = picture_now_ms(p)};

    for (uint32_t i = 0; i < p->v.n && !o->no_state; i++)
        if (td_job_matches(&o->filter, &p->v.v[i]->row))
            td_vec_push(&jobs.rows, &p->v.v[i]->row);
    return jobs;
}

/* --- keys ------------------------------------------------------------------------------------------------------------------ */

static const struct {
    const char *name, *sort;
} orders[] = {{"as asked", NULL}, {"time", "-M,i"}, {"user", "u,i"}, {"priority", "-p,i"}, {"name", "j,i"}};
static const struct {
    const char *name, *state;
} filters[] = {{"all", NULL}, {"waiting", "PENDING"}, {"running", "RUNNING"}};

struct keys {
    uint32_t order, filter;
    bool mine, quit;
    char uid[16];
    const char *users[1], *states[1];
};

static void key(struct keys *k, struct screen *s, const char *c, ssize_t n)
{
    if (n >= 3 && c[0] == 27 && c[1] == '[') {
        if (c[2] == 'A' && s->top)
            s->top--;
        if (c[2] == 'B')
            s->top++;
        return;
    }
    for (ssize_t i = 0; i < n; i++) {
        switch (c[i]) {
        case 'q':
            k->quit = true;
            return;
        case 'o':
            k->order = (k->order + 1) % TD_ARRAY_LEN(orders);
            break;
        case 'f':
            k->filter = (k->filter + 1) % TD_ARRAY_LEN(filters);
            break;
        case 'm':
            k->mine = !k->mine;
            break;
        case 'k':
            s->top -= s->top > 0;
            break;
        case 'j':
            s->top++;
            break;
        default:
            break; /* no key of ours */
        }
    }
}

/* What was asked for, as the keys have changed it. */
static struct squeue seen_by(const struct squeue *o, struct keys *k)
{
    struct squeue v = *o;

    if (k->order)
        v.sort = orders[k->order].sort;
    if (k->filter) {
        k->states[0] = filters[k->filter].state;
        v.filter.states = (struct td_strs){k->states, 1};
    }
    if (k->mine && !o->me) {
        td_format(k->uid, sizeof(k->uid), "%u", (uint32_t)getuid());
        k->users[0] = k->uid;
        v.filter.users = (struct td_strs){k->users, 1};
    } else if (!k->mine && o->me) {
        v.filter.users = (struct td_strs){0};
    }
    return v;
}

/* --- showing ----------------------------------------------------------------------------------------------------------------- */

static int show_terminal(const struct squeue *o, const struct picture *p, struct keys *k, struct screen *s)
{
    struct squeue v = seen_by(o, k);
    struct client_jobs jobs = rows_of(p, &v);
    struct td_buf table = {0}, status = {0};
    int r = squeue_put(&v, &jobs, &table);

    s->top = TD_MIN(s->top, jobs.rows.n ? jobs.rows.n - 1 : 0);
    td_buf_putf(&status, "%s", say_colour(1, p->lost || p->stale_ms ? SAY_YELLOW : SAY_DIM));
    if (!screen_stands_still(&status, p->lost, p->stale_ms))
        td_buf_putf(&status, "%u job%s, event %llu  (o)rder: %s  (f)ilter: %s  (m)ine: %s  (j,k) scroll  (q)uit", jobs.rows.n, jobs.rows.n == 1 ? "" : "s",
                    (unsigned long long)p->seq, orders[k->order].name, filters[k->filter].name, k->mine ? "yes" : "no");
    td_buf_puts(&status, say_colour(1, SAY_PLAIN));
    if (r == 0)
        screen_draw(s, td_buf_str(&table), td_buf_str(&status));
    td_buf_release(&table);
    td_buf_release(&status);
    td_vec_release(&jobs.rows);
    return r;
}

static int show_table(const struct squeue *o, const struct picture *p, bool first)
{
    struct client_jobs jobs = rows_of(p, o);
    struct td_buf out = {0};

    if (!first)
        td_buf_putc(&out, '\n');
    int r = squeue_put(o, &jobs, &out);
    if (r == 0)
        say_out(&out);
    td_buf_release(&out);
    td_vec_release(&jobs.rows);
    return r;
}

/* One line: what changed, of what passes the filter; what does not pass any more is gone. */
static void show_change(const struct squeue *o, const struct td_events *m)
{
    struct td_arena a = {0};
    struct td_buf out = {0};
    struct job_row *v = td_arena_alloc(&a, (m->jobs.n + 1) * sizeof(*v));
    const void **rows = td_arena_alloc(&a, (m->jobs.n + 1) * sizeof(*rows));
    uint32_t *gone = td_arena_alloc(&a, (m->jobs.n + m->gone.n + 1) * sizeof(*gone)), n = 0, ngone = 0;

    for (uint32_t i = 0; i < m->gone.n; i++)
        gone[ngone++] = m->gone.v[i];
    for (uint32_t i = 0; i < m->jobs.n; i++) {
        if (!td_job_matches(&o->filter, &m->jobs.v[i]) || o->no_state) {
            gone[ngone++] = m->jobs.v[i].job;
            continue;
        }
        v[n] = (struct job_row){.job = &m->jobs.v[i], .now_ms = m->now_ms};
        rows[n] = &v[n];
        n++;
    }
    td_buf_putf(&out, "{\"seq\":%llu,\"time_ms\":%lld,\"all\":%s,\"more\":%s,\"stale_ms\":%u,\"gone\":[",
                (unsigned long long)m->last, (long long)m->now_ms, m->resync ? "true" : "false", m->more ? "true" : "false",
                m->stale_ms);
    for (uint32_t i = 0; i < ngone; i++)
        td_buf_putf(&out, "%s%u", i ? "," : "", gone[i]);
    td_buf_puts(&out, "],\"jobs\":");
    struct td_buf list = {0};
    fields_json(&job_fields, rows, n, &list);
    for (size_t i = 0; i < list.len; i++) /* a string of JSON holds no newline */
        if (list.data[i] != '\n')
            td_buf_putc(&out, (char)list.data[i]);
    td_buf_release(&list);
    td_buf_puts(&out, "}\n");
    say_out(&out);
    td_buf_release(&out);
    td_arena_release(&a);
}

struct watching {
    const struct squeue *o;
    struct picture picture;
    struct keys keys;
    struct screen screen;
    bool terminal, whole, dirty, shown;
    int64_t draw_ms; /* not before */
};

static int take(struct watching *x, enum watch_got got, const struct td_events *m)
{
    struct picture *p = &x->picture;

    if (got == WATCH_LOST || got == WATCH_BACK) {
        if (got == WATCH_LOST)
            picture_lose(p);
        else
            p->lost = false;
        x->dirty = x->terminal;
        if (!x->terminal && got == WATCH_LOST)
            say_note("the front went away; the picture stands still until it is back");
    } else if (got == WATCH_FRAME) {
        bool changed = picture_take(p, m);
        x->whole = x->whole || !m->more;
        if (x->o->json && changed)
            show_change(x->o, m);
        else
            x->dirty = x->dirty || changed || !x->shown;
    } else if (got == WATCH_OTHER) {
        char c[64];
        ssize_t n = read(STDIN_FILENO, c, sizeof(c));
        if (n <= 0)
            x->keys.quit = true;
        else
            key(&x->keys, &x->screen, c, n);
        x->dirty = true;
    }
    return 0;
}

static int draw(struct watching *x)
{
    int64_t now = elapsed_ms();
    int r = 0;

    if (x->o->json || !x->whole || now < x->draw_ms)
        return 0;
    if (x->terminal)
        r = show_terminal(x->o, &x->picture, &x->keys, &x->screen);
    else if (x->dirty || x->o->every_s)
        r = show_table(x->o, &x->picture, !x->shown);
    else
        return 0;
    x->shown = true;
    x->dirty = false;
    x->draw_ms = now + (x->o->every_s ? (int64_t)x->o->every_s * 1000 : x->terminal ? DRAW_MS : PIPE_MS);
    return r;
}

/* Until the next thing to draw: seconds go by on a terminal without events. */
static int patience_ms(const struct watching *x)
{
    int64_t left = TD_MAX(x->draw_ms - elapsed_ms(), 0);

    if (x->o->json || !x->whole)
        return -1;
    if (x->dirty || x->o->every_s)
        return (int)left;
    return x->terminal ? 1000 : -1;
}

int squeue_watch(const struct squeue *o, struct td_error *err)
{
    const struct td_subscribe what = {.from_now = true, .job_rows = true, .quiet = true};
    struct watching x = {.o = o, .terminal = o->watch && !o->json && isatty(STDIN_FILENO) && isatty(STDOUT_FILENO),
                         .keys.mine = o->me};
    struct watch w = {0};
    int r = watch_open(&w, &what, err);

    w.minds_output = true;
    if (r == 0 && x.terminal)
        r = screen_enter(err);
    while (r == 0 && !x.keys.quit) {
        enum watch_got got;
        const struct td_events *m = NULL;
        r = watch_next(&w, patience_ms(&x), x.terminal ? STDIN_FILENO : -1, &got, &m, err);
        if (r == 0 && got == WATCH_UNREAD)
            break;
        if (r == 0)
            r = take(&x, got, m);
        if (r == 0)
            r = draw(&x);
    }
    screen_leave();
    screen_forget(&x.screen);
    picture_clear(&x.picture);
    td_vec_release(&x.picture.v);
    watch_close(&w);
    return r;
}
