/* pattern.c - file name patterns
 *
 * A number between % and its letter pads numeric values with zeros (at most PAD_MAX, as in sbatch(1)); text values
 * take no padding. For a job that is no array task %a is 4294967294, Slurm's word for "no value". */
#include "types/pattern.h"

#include <string.h>

#define PAD_MAX 10u
#define NO_VALUE 4294967294u

static void put_number(struct td_buf *out, uint64_t value, uint32_t pad)
{
    struct td_buf digits = {0};
    td_buf_put_u64(&digits, value);
    if (digits.len < pad)
        td_buf_pad(out, '0', pad - digits.len);
    td_buf_put(out, digits.data, digits.len);
    td_buf_release(&digits);
}

static void put_short_name(struct td_buf *out, const char *name)
{
    td_buf_put(out, name, strcspn(name, "."));
}

static bool put_letter(struct td_buf *out, char letter, uint32_t pad, const struct td_pattern_facts *f)
{
    bool task = f->array_job != 0, waits = task && f->array_task == TD_NO_TASK;
    if (waits && (letter == 'a' || letter == 'b' || letter == 'j' || letter == 'J'))
        return false;
    switch (letter) {
    case '%':
        td_buf_putc(out, '%');
        return true;
    case 'A':
        put_number(out, task ? f->array_job : f->job, pad);
        return true;
    case 'a':
        put_number(out, task ? f->array_task : NO_VALUE, pad);
        return true;
    case 'b':
        put_number(out, (task ? f->array_task : NO_VALUE) % 10, pad);
        return true;
    case 'j':
    case 'J': /* job.step of a step; a batch script's step has no number of its own */
        put_number(out, f->job, pad);
        if (letter == 'J' && f->step)
            td_buf_putf(out, ".%u", f->step - 1);
        return true;
    case 'N':
        if (!f->node)
            return false;
        put_short_name(out, f->node);
        return true;
    case 'n': /* node and task within the job: the batch script is the first of both */
        put_number(out, f->node_rank, pad);
        return true;
    case 't':
        put_number(out, f->task, pad);
        return true;
    case 's':
        if (f->step)
            put_number(out, f->step - 1, pad);
        else
            td_buf_puts(out, "batch");
        return true;
    case 'u':
        td_buf_puts(out, f->user ? f->user : "");
        return true;
    case 'x':
        td_buf_puts(out, f->name ? f->name : "");
        return true;
    default:
        return false;
    }
}

static void put_pattern(struct td_buf *out, const char *p, const struct td_pattern_facts *f)
{
    while (*p) {
        const char *at = p + 1;
        uint32_t pad = 0;
        if (*p != '%') {
            td_buf_putc(out, *p++);
            continue;
        }
        for (; *at >= '0' && *at <= '9'; at++)
            pad = TD_MIN(pad * 10 + (uint32_t)(*at - '0'), PAD_MAX);
        if (*at && put_letter(out, *at, pad, f)) {
            p = at + 1;
            continue;
        }
        td_buf_putc(out, *p++);
    }
}

void td_pattern_expand(const char *pattern, const struct td_pattern_facts *f, const char *work_dir, struct td_buf *out)
{
    struct td_buf name = {0};
    if (strchr(pattern, '\\')) {
        for (const char *p = pattern; *p; p++)
            if (*p != '\\')
                td_buf_putc(&name, *p);
    } else {
        put_pattern(&name, pattern, f);
    }
    const char *text = td_buf_str(&name);
    if (text[0] != '/' && !td_str_empty(work_dir)) {
        td_buf_puts(out, work_dir);
        if (work_dir[strlen(work_dir) - 1] != '/')
            td_buf_putc(out, '/');
    }
    td_buf_puts(out, text);
    td_buf_release(&name);
}

const char *td_pattern_default_output(const struct td_pattern_facts *f)
{
    return f->array_job ? "slurm-%A_%a.out" : "slurm-%j.out";
}
