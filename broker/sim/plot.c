/* plot.c - a schedule as SVG
 *
 * Lengths are in user units, y grows downwards. All sums over time are made by spread(): a constant over an interval costs
 * the same whether it covers one column or all of them. */
#include "plot.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WIDTH 1200
#define HEIGHT 840
#define LEFT 80
#define RIGHT 20
#define COLUMNS (WIDTH - LEFT - RIGHT)
#define CLASSES 7 /* of sizes, by powers of four: 1, 2-4, 5-16, ... */

struct panel {
    int top, height;
};
static const struct panel schedule = {60, 400}, use = {500, 120}, queue = {660, 120};

struct series {
    double part[COLUMNS + 1], step[COLUMNS + 2];
};
struct plot {
    const struct trace *t;
    const struct sim_job *jobs;
    struct td_buf *out;
    int64_t from, to;
    double per_column; /* seconds */
};

static void put(struct td_buf *out, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void put(struct td_buf *out, const char *fmt, ...)
{
    char text[512];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    td_buf_puts(out, text);
}

static void put_xml(struct td_buf *out, const char *s)
{
    for (; *s; s++) {
        if (*s == '&' || *s == '<' || *s == '>')
            put(out, "&#%d;", *s);
        else if ((unsigned char)*s < ' ')
            td_buf_putc(out, ' ');
        else
            td_buf_putc(out, *s);
    }
}

static double column_of(const struct plot *p, int64_t at)
{
    return (double)(at - p->from) / p->per_column;
}

/* --- sums over time ------------------------------------------------------------------------------------------------ */

static void spread(const struct plot *p, struct series *s, int64_t from, int64_t to, double weight)
{
    double a = column_of(p, from), b = column_of(p, to);
    int first = (int)a, last = (int)b;

    if (to <= from)
        return;
    if (first == last) {
        s->part[first] += weight * (b - a);
        return;
    }
    s->part[first] += weight * (first + 1 - a);
    s->part[last] += weight * (b - last);
    s->step[first + 1] += weight;
    s->step[last] -= weight;
}

/* Afterwards part[] has the mean of each column. */
static double settle(struct series *s)
{
    double level = 0, most = 0;

    for (int i = 0; i < COLUMNS; i++) {
        level += s->step[i];
        s->part[i] = TD_MAX(s->part[i] + level, 0.0);
        most = TD_MAX(most, s->part[i]);
    }
    return most;
}

/* A polygon between two lines; lower NULL: the panel's ground. */
static void area(struct plot *p, struct panel in, const double *lower, const double *upper, double full, const char *style)
{
    put(p->out, "<path %s d=\"M%d %d", style, LEFT, in.top + in.height);
    for (int i = 0; i < COLUMNS; i++)
        put(p->out, "L%d %.1fh1", LEFT + i, in.top + in.height - upper[i] / full * in.height);
    if (!lower) {
        put(p->out, "V%d", in.top + in.height);
    } else {
        for (int i = COLUMNS - 1; i >= 0; i--)
            put(p->out, "L%d %.1fh-1", LEFT + i + 1, in.top + in.height - lower[i] / full * in.height);
    }
    td_buf_puts(p->out, "Z\"/>\n");
}

/* --- frame --------------------------------------------------------------------------------------------------------- */

/* The smallest of 1, 2, 5, 10, 20, ... that is not below. */
static double nice(double v)
{
    double unit = 1;

    while (unit * 10 <= v)
        unit *= 10;
    return v <= unit ? unit : v <= 2 * unit ? 2 * unit : v <= 5 * unit ? 5 * unit : 10 * unit;
}

static void frame(struct plot *p, struct panel in, const char *what, double full)
{
    put(p->out, "<rect class=\"f\" x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\"/>\n", LEFT, in.top, COLUMNS, in.height);
    put(p->out, "<text x=\"%d\" y=\"%d\">%s</text>\n", LEFT, in.top - 6, what);
    for (int i = 0; i <= 2; i++)
        put(p->out, "<text class=\"r\" x=\"%d\" y=\"%d\">%.12g</text>\n", LEFT - 6, in.top + in.height - in.height * i / 2 + 4, full * i / 2);
}

static void time_words(int64_t s, char *out, size_t cap)
{
    if (s % 86400 == 0)
        snprintf(out, cap, "%lld d", (long long)(s / 86400));
    else if (s % 3600 == 0)
        snprintf(out, cap, "%lld h", (long long)(s / 3600));
    else if (s % 60 == 0)
        snprintf(out, cap, "%lld min", (long long)(s / 60));
    else
        snprintf(out, cap, "%lld s", (long long)s);
}

static void time_axis(struct plot *p)
{
    static const int64_t steps[] = {1,     2,     5,     10,    30,     60,     120,     300,     600,     1800,     3600,    7200,
                                    10800, 21600, 43200, 86400, 172800, 604800, 1209600, 2592000, 5184000, 15552000, 31536000};
    int64_t span = p->to - p->from, step = steps[0];

    for (size_t i = 0; i < TD_ARRAY_LEN(steps) && span / step > 10; i++)
        step = steps[i];
    while (span / step > 10)
        step *= 2;
    for (int64_t at = 0; at <= span; at += step) {
        char words[32];
        double x = LEFT + column_of(p, p->from + at);
        time_words(at, words, sizeof(words));
        put(p->out, "<path class=\"g\" d=\"M%.1f %dV%dM%.1f %dV%dM%.1f %dV%d\"/>", x, schedule.top, schedule.top + schedule.height, x, use.top,
            use.top + use.height, x, queue.top, queue.top + queue.height);
        put(p->out, "<text class=\"m\" x=\"%.1f\" y=\"%d\">%s</text>\n", x, queue.top + queue.height + 18, words);
    }
    put(p->out, "<text class=\"m\" x=\"%d\" y=\"%d\">time since the first submission</text>\n", LEFT + COLUMNS / 2, queue.top + queue.height + 38);
}

static void begin(struct plot *p, const char *title)
{
    put(p->out, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\">\n<title>", WIDTH, HEIGHT, WIDTH, HEIGHT);
    put_xml(p->out, title);
    td_buf_puts(p->out, "</title>\n<style>\n"
                        "text{font:12px sans-serif;fill:#555}.t{font-size:16px}.r{text-anchor:end}.m{text-anchor:middle}\n"
                        ".f{fill:none;stroke:#888}.g{stroke:#888;stroke-opacity:.25;fill:none}.j{stroke:#888;stroke-width:.3}\n"
                        ".u{fill:#3b82c4}.q{fill:#c4693b}\n"
                        "@media(prefers-color-scheme:dark){text{fill:#bbb}}\n</style>\n");
    put(p->out, "<text class=\"t\" x=\"%d\" y=\"24\">", LEFT);
    put_xml(p->out, title);
    td_buf_puts(p->out, "</text>\n");
}

/* --- the jobs themselves ------------------------------------------------------------------------------------------- */

struct drawing {
    struct plot *p;
    int64_t *busy_until; /* by processor */
    uint32_t pieces;
};

struct started {
    int64_t at;
    uint32_t job;
};
static int by_start(const void *a, const void *b)
{
    const struct started *x = a, *y = b;

    return x->at != y->at ? (x->at < y->at ? -1 : 1) : x->job < y->job ? -1 : x->job > y->job;
}

static void piece(struct drawing *d, uint32_t i, uint32_t first, uint32_t n)
{
    struct plot *p = d->p;
    const struct trace_job *j = &p->t->jobs.v[i];
    const struct sim_job *s = &p->jobs[i];
    double unit = (double)schedule.height / p->t->procs_max, x = column_of(p, s->start_s);

    put(p->out, "<rect class=\"j\" x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" height=\"%.2f\" fill=\"hsl(%u,45%%,55%%)\">", LEFT + x,
        schedule.top + schedule.height - (first + n) * unit, TD_MAX(column_of(p, s->end_s) - x, 0.3), n * unit,
        (uint32_t)((uint64_t)j->user * 137508 / 1000 % 360));
    put(p->out, "<title>job %u of user %u: %u processor%s, waited %lld s, ran %u s</title></rect>\n", j->id, j->user, j->procs,
        j->procs == 1 ? "" : "s", (long long)(s->start_s - j->submit_s), j->run_s);
    d->pieces++;
}

static void job(struct drawing *d, uint32_t i)
{
    const struct sim_job *s = &d->p->jobs[i];
    uint32_t left = d->p->t->jobs.v[i].procs, n = 0;

    for (uint32_t c = 0; c <= d->p->t->procs_max; c++) {
        bool take = left && c < d->p->t->procs_max && d->busy_until[c] <= s->start_s;
        if (take) {
            d->busy_until[c] = s->end_s;
            left--;
            n++;
        } else if (n) {
            piece(d, i, c - n, n);
            n = 0;
        }
        if (!take && !left)
            return;
    }
}

/* False, and nothing of it in the picture: there are too many. */
static bool draw_jobs(struct plot *p)
{
    const struct trace *t = p->t;
    size_t before = p->out->len;

    if (t->jobs.n > PLOT_JOBS || t->procs_max > PLOT_PROCS)
        return false;
    struct drawing d = {.p = p, .busy_until = td_alloc(t->procs_max * sizeof(*d.busy_until))};
    struct started *order = td_alloc((t->jobs.n + 1) * sizeof(*order));
    for (uint32_t i = 0; i < t->procs_max; i++)
        d.busy_until[i] = INT64_MIN;
    for (uint32_t i = 0; i < t->jobs.n; i++)
        order[i] = (struct started){p->jobs[i].start_s, i};
    qsort(order, t->jobs.n, sizeof(*order), by_start);
    for (uint32_t i = 0; i < t->jobs.n && d.pieces <= PLOT_PIECES; i++)
        job(&d, order[i].job);
    td_free(order);
    td_free(d.busy_until);
    if (d.pieces <= PLOT_PIECES)
        return true;
    p->out->len = before;
    p->out->data[before] = '\0';
    return false;
}

/* --- sums ---------------------------------------------------------------------------------------------------------- */

static int class_of(uint32_t procs)
{
    int c = 0;

    for (uint64_t most = 1; most < procs && c < CLASSES - 1; most *= 4)
        c++;
    return c;
}

static void put_class(struct td_buf *out, int c)
{
    if (c == 0)
        td_buf_putc(out, '1');
    else if (c < CLASSES - 1)
        put(out, "%u-%u", (1u << 2 * (c - 1)) + 1, 1u << 2 * c);
    else
        put(out, "over %u", 1u << 2 * (c - 1));
}

static void draw_sums(struct plot *p)
{
    static const char *const colours[CLASSES] = {"#5b8fd6", "#4fb0a5", "#79b45a", "#c9b14a", "#d58f4a", "#cc6677", "#a072c4"};
    struct series *v = td_alloc(CLASSES * sizeof(*v));
    double lower[COLUMNS] = {0}, upper[COLUMNS];
    int x = LEFT + 360;

    for (uint32_t i = 0; i < p->t->jobs.n; i++)
        spread(p, &v[class_of(p->t->jobs.v[i].procs)], p->jobs[i].start_s, p->jobs[i].end_s, p->t->jobs.v[i].procs);
    for (int c = 0; c < CLASSES; c++) {
        char style[32];
        if (settle(&v[c]) <= 0)
            continue;
        for (int i = 0; i < COLUMNS; i++)
            upper[i] = TD_MIN(lower[i] + v[c].part[i], (double)p->t->procs_max);
        snprintf(style, sizeof(style), "fill=\"%s\"", colours[c]);
        area(p, schedule, lower, upper, p->t->procs_max, style);
        memcpy(lower, upper, sizeof(lower));
        put(p->out, "<rect x=\"%d\" y=\"%d\" width=\"12\" height=\"12\" fill=\"%s\"/><text x=\"%d\" y=\"%d\">", x, schedule.top - 16, colours[c],
            x + 16, schedule.top - 6);
        put_class(p->out, c);
        td_buf_puts(p->out, "</text>\n");
        x += 90;
    }
    td_free(v);
}

static void draw_below(struct plot *p)
{
    struct series *u = td_alloc(sizeof(*u)), *q = td_alloc(sizeof(*q));

    for (uint32_t i = 0; i < p->t->jobs.n; i++) {
        spread(p, u, p->jobs[i].start_s, p->jobs[i].end_s, 100.0 * p->t->jobs.v[i].procs / p->t->procs_max);
        spread(p, q, p->t->jobs.v[i].submit_s, p->jobs[i].start_s, 1);
    }
    settle(u);
    double most = nice(TD_MAX(settle(q), 1.0));
    for (int i = 0; i < COLUMNS; i++)
        u->part[i] = TD_MIN(u->part[i], 100.0);
    area(p, use, NULL, u->part, 100, "class=\"u\"");
    area(p, queue, NULL, q->part, most, "class=\"q\"");
    frame(p, use, "processors in use, %", 100);
    frame(p, queue, "jobs waiting", most);
    td_free(u);
    td_free(q);
}

void sim_plot_make(const struct trace *t, const struct sim_job *jobs, const char *title, struct td_buf *out)
{
    struct plot p = {.t = t, .jobs = jobs, .out = out};

    p.from = t->jobs.n ? t->jobs.v[0].submit_s : 0;
    p.to = p.from + 1;
    for (uint32_t i = 0; i < t->jobs.n; i++)
        p.to = TD_MAX(p.to, jobs[i].end_s);
    p.per_column = (double)(p.to - p.from) / COLUMNS;
    begin(&p, title);
    bool each = draw_jobs(&p);
    if (!each)
        draw_sums(&p);
    frame(&p, schedule, each ? "processors: each job, coloured by user" : "processors in use, by processors of the job", t->procs_max);
    draw_below(&p);
    time_axis(&p);
    td_buf_puts(out, "</svg>\n");
}

int sim_plot_write(const char *path, const struct trace *t, const struct sim_job *jobs, const char *title, struct td_error *err)
{
    FILE *f = fopen(path, "we");
    struct td_buf b = {0};

    if (!f)
        return td_fail(err, TD_E_IO, "cannot write %s: %s", path, strerror(errno));
    sim_plot_make(t, jobs, title, &b);
    bool good = fwrite(b.data, 1, b.len, f) == b.len;
    td_buf_release(&b);
    if (fclose(f) != 0 || !good)
        return td_fail(err, TD_E_IO, "cannot write %s: %s", path, strerror(errno));
    return 0;
}
