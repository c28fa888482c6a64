/* SPDX-License-Identifier: MIT
 * select_timeout.c - a value in time, or the time-out; and timers that can be stopped and reset.
 *
 * COVEY_AFTER in a select is the usual time-out: nothing to make, nothing to free. A covey_timer is
 * for one that lives longer than a select. After stop or reset its channel never gives a stale
 * value, also when it had fired before and nobody had received it. */
#include "example.h"

struct delivery {
    covey_chan *out;
    int64_t after;
    int value;
};

static int deliver(covey_ctx *ctx, void *arg)
{
    struct delivery *d = arg;
    int err = covey_sleep(ctx, d->after);

    return err < 0 ? err : covey_chan_send(ctx, d->out, &d->value);
}

/* Waits up to `patience` for a value that is sent after `after`. The case that ran, or an error. */
static int ask(covey_ctx *ctx, int64_t after, int64_t patience, int *value)
{
    covey_group *g = covey_group_new(ctx);

    if (!g) {
        return -ENOMEM;
    }
    /* Room for one: a value that comes too late finds a place, and its sender ends. */
    struct delivery d = {covey_chan_new(sizeof(int), 1), after, 42};
    int which = d.out ? covey_group_go(g, deliver, &d) : -ENOMEM;

    if (which == 0) {
        which = covey_select(ctx, COVEY_RECV(d.out, value), COVEY_AFTER(patience));
    }
    covey_group_cancel(g, 0); /* a sender that still sleeps need not go on */
    (void)covey_group_wait(g);
    covey_chan_unref(d.out);
    return which;
}

static void value_or_time_out(covey_ctx *ctx)
{
    int value = 0;
    int64_t start = covey_now();

    printf("a value or the time-out:\n");
    int which = ask(ctx, 10 * COVEY_MS, 30 * COVEY_SEC, &value);
    expect(which == 0 && value == 42, "in time: case %d ran, the value is %d, after %lld ms", which,
           value, (long long)example_ms(start));
    start = covey_now();
    value = 0;
    which = ask(ctx, 30 * COVEY_SEC, 50 * COVEY_MS, &value);
    expect(which == 1 && value == 0, "too late: case %d ran, nothing was written, after %lld ms",
           which, (long long)example_ms(start));
}

/* Value and time-out at the same moment, many times: either case may run, none loses the value. */
static int photo_finish(covey_ctx *ctx)
{
    enum { ROUNDS = 200 };
    covey_group *g = covey_group_new(ctx);
    int in_time = 0, too_late = 0, lost = 0;

    if (!g) {
        return -ENOMEM;
    }
    covey_chan *out = covey_chan_new(sizeof(int), 1);
    int err = out ? 0 : -ENOMEM;
    for (int i = 0; i < ROUNDS && err == 0; i++) {
        struct delivery d = {out, COVEY_MS, i};
        int64_t patience = COVEY_MS + i % 20 * 10 * COVEY_US;
        int value = -1;

        err = covey_group_go_copy(g, deliver, &d, sizeof(d));
        int which =
            err < 0 ? err : covey_select(ctx, COVEY_RECV(out, &value), COVEY_AFTER(patience));
        if (which == 1) { /* then the value is still to come, and to this channel */
            which = covey_chan_recv(ctx, out, &value);
            too_late++;
        } else {
            in_time++;
        }
        err = which < 0 ? which : 0;
        lost += value != i;
    }
    int failed = covey_group_wait(g);
    covey_chan_unref(out);
    expect(lost == 0, "a photo finish %d times: %d values won, %d time-outs, %d lost", ROUNDS,
           in_time, too_late, lost);
    return err < 0 ? err : failed;
}

static bool is_silent(covey_ctx *ctx, covey_chan *ch)
{
    return covey_select(ctx, COVEY_RECV(ch, NULL), COVEY_DEFAULT) == 1;
}

static int stop_and_reset(covey_ctx *ctx)
{
    covey_timer *t = covey_timer_new(30 * COVEY_SEC);
    int64_t fired = 0;

    if (!t) {
        return -ENOMEM;
    }
    covey_chan *ch = covey_timer_chan(t);
    printf("a timer:\n");
    expect(covey_timer_stop(t), "stopped before its time, it says so");
    expect(!covey_timer_stop(t), "stopped again: there was nothing left to stop");

    covey_timer_reset(t, COVEY_MS);
    (void)covey_sleep(ctx, 20 * COVEY_MS); /* it fires, and nobody receives */
    expect(covey_timer_stop(t) && is_silent(ctx, ch), "stopped after it fired: no stale value");

    covey_timer_reset(t, COVEY_MS);
    (void)covey_sleep(ctx, 20 * COVEY_MS);
    int64_t reset = covey_now();
    covey_timer_reset(t, 50 * COVEY_MS);
    int err = covey_chan_recv(ctx, ch, &fired);
    expect(err == 0 && fired - reset >= 50 * COVEY_MS,
           "reset after it fired: the value is the new one, %lld ms after the reset",
           (long long)((fired - reset) / COVEY_MS));
    covey_timer_free(t);
    return err;
}

static int tour(covey_ctx *ctx, void *arg)
{
    (void)arg;
    value_or_time_out(ctx);
    int err = photo_finish(ctx);
    return err < 0 ? err : stop_and_reset(ctx);
}

int main(int argc, char **argv)
{
    example_options(argc, argv, "Waits for values and for time-outs.", NULL, 0);
    return example_result(covey_run(tour, NULL));
}
