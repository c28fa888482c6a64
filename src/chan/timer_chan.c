/* SPDX-License-Identifier: MIT
 * timer_chan.c - timers and tickers as channels, and after-funcs (covey/time.h).
 *
 * due says when it should fire next; is_queued that its scheduler timer is armed or being called. A
 * reset during the call only sets due: the call sees that it came too early and arms again. Sending
 * happens under the timer's lock, so that a stop or reset that follows can take the value back. */
#include "base/alloc.h"
#include "chan/chan.h"

#include <covey/time.h>

#include <stdlib.h>

struct covey_timer {
    /* Immutable. */
    covey_chan *ch; /* NULL: calls fn */
    covey_fn *fn;
    void *arg;

    _Atomic uint32_t holds; /* the user's, and the armed timer's */

    struct cvy_lock lock; /* rank CVY_RANK_GROUP */
    int64_t due;          /* CVY_NEVER: stopped */
    int64_t period;       /* 0: once */
    bool is_queued;
    struct cvy_timer timer;
};

/* The same thing; two types so that a ticker is not stopped as a timer by mistake. */
struct covey_ticker {
    struct covey_timer base;
};

static void unhold(struct covey_timer *t)
{
    /* Acq_rel: the other holder's use happens before the free. */
    if (atomic_fetch_sub_explicit(&t->holds, 1, memory_order_acq_rel) == 1) {
        covey_chan_unref(t->ch);
        free(t);
    }
}

/* False: out of memory, to be tried again; what fn would release must not be lost. */
static bool deliver_locked(struct covey_timer *t, int64_t now, struct cvy_wakelist *list)
{
    static const covey_site site = {"after_func", "covey_after_func", 0};

    if (t->ch) {
        /* Full: the receiver is slow and this tick is dropped. */
        (void)cvy_chan_try_send(t->ch, &now, list);
        return true;
    }
    return cvy_detached_start(cvy_thread_self(), &site, NULL, t->fn, t->arg) != -ENOMEM;
}

static void on_fire(struct cvy_timer *timer, struct cvy_wakelist *list)
{
    struct covey_timer *t = CVY_CONTAINER_OF(timer, struct covey_timer, timer);
    int64_t now = cvy_clock_now();

    cvy_lock(&t->lock);
    t->is_queued = false;
    if (t->due <= now) {
        bool is_delivered = deliver_locked(t, now, list);
        /* Missed periods are skipped, the phase is kept. */
        t->due = !is_delivered   ? now + COVEY_MS
                 : t->period > 0 ? t->due + ((now - t->due) / t->period + 1) * t->period
                                 : CVY_NEVER;
    }
    if (t->due != CVY_NEVER) {
        t->is_queued = cvy_timer_add(cvy_thread_self(), &t->timer, t->due);
    }
    bool is_over = !t->is_queued;
    cvy_unlock(&t->lock);
    if (is_over) {
        unhold(t);
    }
}

/* No value will come any more, which a plain thread that waits for one is told. */
static void ended_locked(struct covey_timer *t)
{
    t->due = CVY_NEVER;
    if (t->ch) {
        (void)covey_chan_close(t->ch);
    }
}

/* The runtime has ended. */
static void on_drop(struct cvy_timer *timer)
{
    struct covey_timer *t = CVY_CONTAINER_OF(timer, struct covey_timer, timer);

    cvy_lock(&t->lock);
    t->is_queued = false;
    ended_locked(t);
    cvy_unlock(&t->lock);
    unhold(t);
}

/* Stops it; whether that kept something from happening. *released: drop a hold after unlocking. */
static bool stop_locked(struct covey_timer *t, bool *released)
{
    bool was_due = t->due != CVY_NEVER;

    t->due = CVY_NEVER;
    if (t->is_queued && cvy_timer_cancel(&t->timer)) {
        t->is_queued = false;
        *released = true;
    }
    bool was_sent = t->ch && cvy_chan_drain(t->ch) > 0;
    return was_due || was_sent;
}

static void start_locked(struct cvy_thread *th, struct covey_timer *t, int64_t ns)
{
    t->due = cvy_time_after(ns < 0 ? 0 : ns);
    if (!t->is_queued) {
        /* Before the timer can fire and drop it. */
        atomic_fetch_add_explicit(&t->holds, 1, memory_order_relaxed);
        t->is_queued = cvy_timer_add(th, &t->timer, t->due);
    }
    if (!t->is_queued) {
        /* The runtime has just ended. */
        atomic_fetch_sub_explicit(&t->holds, 1, memory_order_relaxed);
        ended_locked(t);
    }
}

static bool stop(struct covey_timer *t)
{
    struct cvy_thread *th = cvy_enter();
    bool released = false;

    cvy_lock(&t->lock);
    bool result = stop_locked(t, &released);
    cvy_unlock(&t->lock);
    if (released) {
        unhold(t);
    }
    cvy_leave(th);
    return result;
}

static bool reset(struct covey_timer *t, int64_t ns, int64_t period)
{
    struct cvy_thread *th = cvy_enter();
    bool released = false;

    cvy_lock(&t->lock);
    bool result = stop_locked(t, &released);
    t->period = period;
    start_locked(th, t, ns);
    cvy_unlock(&t->lock);
    if (released) {
        unhold(t);
    }
    cvy_leave(th);
    return result;
}

static bool init(struct covey_timer *t, bool has_chan, covey_fn *fn, void *arg)
{
    t->fn = fn;
    t->arg = arg;
    t->due = CVY_NEVER;
    t->timer.call = on_fire;
    t->timer.drop = on_drop;
    cvy_lock_init(&t->lock, CVY_RANK_GROUP);
    cvy_store_relaxed(&t->holds, 1);
    if (has_chan) {
        t->ch = covey_chan_new(sizeof(int64_t), 1);
    }
    return t->ch || !has_chan;
}

static void *new_started(size_t size, bool has_chan, covey_fn *fn, void *arg, int64_t ns,
                         int64_t period)
{
    struct covey_timer *t = cvy_runtime_get() ? cvy_alloc_zeroed(size) : NULL;

    if (!t) {
        return NULL;
    }
    if (!init(t, has_chan, fn, arg)) {
        free(t);
        return NULL;
    }
    (void)reset(t, ns, period);
    return t;
}

covey_timer *covey_timer_new(int64_t ns)
{
    return new_started(sizeof(covey_timer), true, NULL, NULL, ns, 0);
}

covey_timer *covey_after_func(int64_t ns, covey_fn *fn, void *arg)
{
    return new_started(sizeof(covey_timer), false, fn, arg, ns, 0);
}

covey_chan *covey_timer_chan(covey_timer *t)
{
    return t->ch;
}

bool covey_timer_stop(covey_timer *t)
{
    return stop(t);
}

bool covey_timer_reset(covey_timer *t, int64_t ns)
{
    return reset(t, ns, 0);
}

void covey_timer_free(covey_timer *t)
{
    if (t) {
        (void)stop(t);
        unhold(t);
    }
}

covey_ticker *covey_ticker_new(int64_t period_ns)
{
    COVEY_REQUIRE(period_ns > 0, "a ticker's period must be above 0");
    return new_started(sizeof(covey_ticker), true, NULL, NULL, period_ns, period_ns);
}

covey_chan *covey_ticker_chan(covey_ticker *t)
{
    return t->base.ch;
}

void covey_ticker_stop(covey_ticker *t)
{
    (void)stop(&t->base);
}

void covey_ticker_reset(covey_ticker *t, int64_t period_ns)
{
    COVEY_REQUIRE(period_ns > 0, "a ticker's period must be above 0");
    (void)reset(&t->base, period_ns, period_ns);
}

void covey_ticker_free(covey_ticker *t)
{
    if (t) {
        covey_timer_free(&t->base);
    }
}
