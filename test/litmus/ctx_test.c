/* SPDX-License-Identifier: MIT
 * Contexts and timers: a cancel before done is seen, in all the ways to see it; an after-func and a
 * timer's function after the call that asked for it. */
#include "litmus.h"

static void open_ctx(struct litmus *l)
{
    l->object = covey_ctx_with_cancel(NULL);
    l->other = covey_ctx_with_cancel(l->object);
}

static void close_ctx(struct litmus *l)
{
    covey_ctx_unref(l->other);
    covey_ctx_unref(l->object);
}

static void write_then_cancel(struct litmus *l)
{
    litmus_write(l);
    covey_ctx_cancel_cause(l->object, -EINVAL);
}

static void err_then_read(struct litmus *l)
{
    while (covey_ctx_err(l->object) == 0) {
        covey_yield();
    }
    CHECK_EQ(covey_ctx_cause(l->object), -EINVAL);
    litmus_read(l);
}

static void childs_err_then_read(struct litmus *l)
{
    while (covey_ctx_err(l->other) == 0) {
        covey_yield();
    }
    litmus_read(l);
}

static void done_chan_then_read(struct litmus *l)
{
    CHECK_EQ(covey_chan_recv(NULL, covey_ctx_done(l->object), NULL), COVEY_ECLOSED);
    litmus_read(l);
}

static void select_done_then_read(struct litmus *l)
{
    CHECK_EQ(covey_select(NULL, COVEY_DONE(l->object)), 0);
    litmus_read(l);
}

static void sleep_then_read(struct litmus *l)
{
    CHECK_EQ(covey_sleep(l->other, 60 * COVEY_SEC), COVEY_ECANCELED); /* sleeps: until cancelled */
    litmus_read(l);
}

LITMUS(cancel_before_err_tells, open_ctx, write_then_cancel, err_then_read, close_ctx)
LITMUS(cancel_before_a_childs_err_tells, open_ctx, write_then_cancel, childs_err_then_read,
       close_ctx)
LITMUS(cancel_before_the_done_channel_is_closed, open_ctx, write_then_cancel, done_chan_then_read,
       close_ctx)
LITMUS(cancel_before_the_select_that_sees_it, open_ctx, write_then_cancel, select_done_then_read,
       close_ctx)
LITMUS(cancel_before_the_wait_that_it_ends, open_ctx, write_then_cancel, sleep_then_read, close_ctx)

/* ---- functions that run later ---- */

static int reader_telling(covey_ctx *ctx, void *arg)
{
    struct litmus *l = arg;
    (void)ctx;
    litmus_read(l);
    CHECK_EQ(covey_chan_close(l->other), 0);
    return 0;
}

static void await_told(struct litmus *l)
{
    CHECK_EQ(covey_chan_recv(NULL, l->other, NULL), COVEY_ECLOSED);
    covey_chan_unref(l->other);
}

static void after_func_of_ctx(struct litmus *l)
{
    covey_ctx *ctx = covey_ctx_with_cancel(NULL);
    l->other = covey_chan_new(0, 0);
    litmus_write(l);
    covey_stop *s = covey_ctx_after_func(ctx, reader_telling, l);
    covey_ctx_cancel(ctx);
    await_told(l);
    CHECK(!covey_stop_call(s));
    covey_ctx_unref(ctx);
}

static void after_func_of_timer(struct litmus *l)
{
    l->other = covey_chan_new(0, 0);
    litmus_write(l);
    covey_timer *t = covey_after_func(0, reader_telling, l);
    await_told(l);
    covey_timer_free(t);
}

LITMUS(after_func_after_the_call_that_asked_for_it, NULL, after_func_of_ctx, NULL, NULL)
LITMUS(timers_function_after_the_call_that_asked_for_it, NULL, after_func_of_timer, NULL, NULL)

/* A cancel before the function that it runs. */
static void open_after(struct litmus *l)
{
    l->object = covey_ctx_with_cancel(NULL);
    l->other = covey_chan_new(0, 0);
}

static void await_then_free(struct litmus *l)
{
    covey_stop *s = covey_ctx_after_func(l->object, reader_telling, l);
    CHECK_EQ(covey_chan_recv(NULL, l->other, NULL), COVEY_ECLOSED);
    CHECK(!covey_stop_call(s));
}

static void close_after(struct litmus *l)
{
    covey_chan_unref(l->other);
    covey_ctx_unref(l->object);
}

LITMUS(cancel_before_the_after_func_it_runs, open_after, write_then_cancel, await_then_free,
       close_after)

/* ---- timers as channels ---- */

static void open_timer(struct litmus *l)
{
    l->object = covey_timer_new(60 * COVEY_SEC);
}

static void close_timer(struct litmus *l)
{
    covey_timer_free(l->object);
}

static void write_then_reset(struct litmus *l)
{
    litmus_write(l);
    CHECK(covey_timer_reset(l->object, 0));
}

static void tick_then_read(struct litmus *l)
{
    int64_t at;
    CHECK_EQ(covey_chan_recv(NULL, covey_timer_chan(l->object), &at), 0);
    litmus_read(l);
}

LITMUS(reset_before_the_tick_it_asks_for, open_timer, write_then_reset, tick_then_read, close_timer)
