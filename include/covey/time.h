/* SPDX-License-Identifier: MIT
 * covey/time.h - the clock, sleep, timers and tickers. After Go's package time, with Go 1.23's rule
 * for stop and reset.
 *
 * Times are rounded up to the runtime's tick (16.4 us). A timer or ticker may be used from any
 * thread. It belongs to the runtime it was started in, whose end closes its channel; constructors
 * return NULL without one, or when out of memory. Only covey_sleep() may switch tasks. */
#ifndef COVEY_TIME_H
#define COVEY_TIME_H

#include <covey/defs.h>

COVEY_BEGIN

/* Monotonic nanoseconds. Any thread, runtime or not. */
COVEY_API int64_t covey_now(void);

/* Sleeps ns or more; ns <= 0 returns at once. 0; COVEY_ECANCELED or COVEY_EDEADLINE as soon as ctx
 * is done. In a plain thread it needs no runtime. */
COVEY_API int covey_sleep(covey_ctx *ctx, int64_t ns);

typedef struct covey_timer covey_timer;
/* Fires once, ns from now: the channel receives int64_t, the time it fired. */
COVEY_API covey_timer *covey_timer_new(int64_t ns);
/* The timer's own channel (capacity 1); lives as long as the timer. NULL for an after-func. */
COVEY_API covey_chan *covey_timer_chan(covey_timer *t);
/* True: it kept the value from being received (the func from running). After it no stale value is
 * received, also when it says false. */
COVEY_API bool covey_timer_stop(covey_timer *t);
/* As stop, then fires ns from now. */
COVEY_API bool covey_timer_reset(covey_timer *t, int64_t ns);
/* Stops it and frees it. NULL is allowed. Nobody may wait on its channel then. */
COVEY_API void covey_timer_free(covey_timer *t);
/* Runs fn(root context, arg) in a task of its own in the root group, ns from now. The handle is
 * freed by covey_timer_free(), which lets a task that already started go on. */
COVEY_API covey_timer *covey_after_func(int64_t ns, covey_fn *fn, void *arg);

typedef struct covey_ticker covey_ticker;
/* Sends the time every period_ns; drops ticks for a slow receiver. A period of 0 or less is fatal.
 */
COVEY_API covey_ticker *covey_ticker_new(int64_t period_ns);
COVEY_API covey_chan *covey_ticker_chan(covey_ticker *t);
/* Stops sending; the channel is not closed. */
COVEY_API void covey_ticker_stop(covey_ticker *t);
/* The next tick comes one new period from now; a tick not yet received is taken back. */
COVEY_API void covey_ticker_reset(covey_ticker *t, int64_t period_ns);
COVEY_API void covey_ticker_free(covey_ticker *t);

COVEY_END
#endif
