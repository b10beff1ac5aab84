/* clock.c - journal time: the last event's time plus elapsed boot time, slewed toward the wall clock (law 10)
 *
 * Slewing never exceeds 500 parts in a million, so lengths of time measured in the journal stay true. A difference of
 * more than 5 s is a step: an event of its own, after which time goes on from the wall clock if that lies ahead.
 * Journal time never runs backwards: behind a wall clock that was set back it goes on by itself, slewed.
 *
 * A gap of more than 5 s between two readings means that this process did not run (a stalled disk, a suspended
 * laptop): it is not counted as elapsed, so it appears as a step, and no lease runs out for it. */
#include "broker/shell.h"

#include <time.h>

#define STEP_US 5000000
#define SLEW_PPM 500

void shell_clock_start(struct shell_clock *c, int64_t boot_us, int64_t wall_us, int64_t last_event_ms)
{
    *c = (struct shell_clock){.now_us = TD_MAX(last_event_ms * 1000, wall_us), .boot_us = boot_us};
}

int64_t shell_clock_read(struct shell_clock *c, int64_t boot_us, int64_t wall_us)
{
    int64_t elapsed = boot_us - c->boot_us;
    TD_ASSERT(elapsed >= 0); /* boot time does not run backwards */
    c->boot_us = boot_us;
    if (elapsed > STEP_US)
        elapsed = 0;
    c->now_us += elapsed;

    int64_t off = wall_us - c->now_us;
    int64_t fresh = off - c->told_us;
    if (fresh > STEP_US || fresh < -STEP_US) {
        c->step_us = off;
        return c->now_us / 1000;
    }
    /* In millionths of a microsecond: a busy broker reads the clock too often for whole ones. */
    c->slew_credit = TD_MIN(c->slew_credit + elapsed * SLEW_PPM, 1000 * 1000000LL);
    int64_t most = c->slew_credit / 1000000;
    int64_t by = TD_MAX(-most, TD_MIN(off, most));
    c->slew_credit -= (by < 0 ? -by : by) * 1000000;
    c->now_us += by;
    if (c->told_us < 0)
        c->told_us = TD_MIN(0, off - by); /* what is left of a step back */
    return c->now_us / 1000;
}

void shell_clock_take_step(struct shell_clock *c)
{
    if (c->step_us > 0) {
        c->now_us += c->step_us;
        c->told_us = 0;
    } else {
        c->told_us = c->step_us;
    }
    c->taken_us = c->step_us;
    c->step_us = 0;
}

void shell_clock_committed(struct shell_clock *c)
{
    c->taken_us = 0;
}

/* The core that begins takes both clocks for one. A step ahead whose commit failed is undone, or it would pass for
 * elapsed time. */
void shell_clock_new_reign(struct shell_clock *c)
{
    c->now_us -= TD_MAX(c->taken_us, 0);
    c->taken_us = 0;
    c->told_us = 0;
}

static int64_t read_us(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

int64_t shell_boot_us(void)
{
    return read_us(CLOCK_BOOTTIME);
}

int64_t shell_wall_us(void)
{
    return read_us(CLOCK_REALTIME);
}
