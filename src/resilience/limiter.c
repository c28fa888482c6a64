/* SPDX-License-Identifier: MIT
 * limiter.c - covey_limiter: a token bucket with one line of waiters.
 *
 * Who cannot have its tokens at once stands in line: it acquires the semaphore `line`, which is
 * first come, first served. Its holder is the first in line; it sleeps until its tokens are there,
 * and only then takes them. So a wait that is cancelled has nothing to give back, wherever it
 * stands, and the next in line starts from what the bucket then holds. */
#include "resilience/limiter.h"

#include <covey/ctx.h>
#include <covey/select.h>
#include <covey/time.h>

#include <stdlib.h>

/* Longer than any program runs, and far from overflow when added to a time. */
static const int64_t never_ns = INT64_MAX / 4;

static bool is_in_range(double per_second, int burst)
{
    return per_second >= 0 && burst >= 0; /* NaN is neither */
}

covey_limiter *covey_limiter_new(double per_second, int burst)
{
    covey_limiter *l = is_in_range(per_second, burst) ? calloc(1, sizeof(*l)) : NULL;

    if (!l) {
        return NULL;
    }
    l->line = covey_sem_new(1);
    l->changed = covey_chan_new(0, 1);
    if (!l->line || !l->changed) {
        covey_limiter_free(l);
        return NULL;
    }
    l->per_second = per_second;
    l->burst = l->tokens = burst;
    l->filled_at = covey_now();
    return l;
}

void covey_limiter_free(covey_limiter *l)
{
    if (l) {
        covey_metrics_unregister(&l->source);
        covey_sem_free(l->line);
        covey_chan_unref(l->changed);
        free(l->name);
        free(l);
    }
}

static void fill_locked(covey_limiter *l)
{
    int64_t now = covey_now();

    if (now > l->filled_at) {
        l->tokens += (double)(now - l->filled_at) / (double)COVEY_SEC * l->per_second;
        l->filled_at = now;
    }
    if (l->tokens > l->burst || l->per_second >= COVEY_LIMITER_UNLIMITED) {
        l->tokens = l->burst;
    }
}

/* Sums of fractions may stop a hair short of a whole token: that is a whole one. */
static bool take_locked(covey_limiter *l, int n)
{
    fill_locked(l);
    if (l->tokens + 1e-6 < n) {
        return false;
    }
    l->tokens = l->tokens > n ? l->tokens - n : 0;
    l->allowed++;
    return true;
}

/* Until n tokens are there; at least 1 ns, so that each look comes later than the last. */
static int64_t wait_ns_locked(const covey_limiter *l, int n)
{
    double ns = (n - l->tokens) / l->per_second * (double)COVEY_SEC;

    if (!(ns < (double)never_ns)) { /* nor if the rate is 0 */
        return never_ns;
    }
    /* Rounded up; ceil() is libm's, which covey does not link. */
    return ns > 1 ? (int64_t)ns + ((double)(int64_t)ns < ns) : 1;
}

bool covey_limiter_allow(covey_limiter *l, int n)
{
    covey_mutex_lock(&l->lock);
    bool taken = n >= 0 && l->waiting == 0 && take_locked(l, n);
    l->refused += !taken;
    covey_mutex_unlock(&l->lock);
    return taken;
}

static int refuse_too_many(const covey_limiter *l, int n)
{
    if (n < 0) {
        return covey_errorf(-EINVAL, "limiter: %d tokens", n);
    }
    return n > l->burst
               ? covey_errorf(-EINVAL, "limiter: %d tokens of at most %.0f at once", n, l->burst)
               : 0;
}

/* 0: taken; positive: so many ns are to be waited; else a code. */
static int64_t try_first(covey_ctx *ctx, covey_limiter *l, int n)
{
    int64_t at = 0;

    covey_mutex_lock(&l->lock);
    int64_t result = refuse_too_many(l, n);
    if (result == 0 && !take_locked(l, n)) {
        result = wait_ns_locked(l, n);
    }
    covey_mutex_unlock(&l->lock);
    if (result > 0 && covey_ctx_deadline(ctx, &at) && covey_now() + result > at) {
        return covey_errorf(COVEY_EDEADLINE, "limiter: the turn comes after the deadline");
    }
    return result;
}

/* As the first in line. */
static int wait_first(covey_ctx *ctx, covey_limiter *l, int n)
{
    for (;;) {
        int64_t left = try_first(ctx, l, n);
        if (left <= 0) {
            return (int)left;
        }
        int ran = covey_select(ctx, COVEY_RECV(l->changed, NULL), COVEY_AFTER(left));
        if (ran < 0) {
            return ran;
        }
    }
}

static int wait_in_line(covey_ctx *ctx, covey_limiter *l, int n)
{
    int err = covey_sem_acquire(ctx, l->line, 1);

    if (err == 0) {
        err = wait_first(ctx, l, n);
        covey_sem_release(l->line, 1);
    }
    covey_mutex_lock(&l->lock);
    l->waiting--;
    l->canceled += err == COVEY_ECANCELED || err == COVEY_EDEADLINE;
    covey_mutex_unlock(&l->lock);
    return err;
}

int covey_limiter_wait(covey_ctx *ctx, covey_limiter *l, int n)
{
    int err = covey_mutex_lock_ctx(ctx, &l->lock); /* looks at ctx first */

    if (err < 0) {
        return err;
    }
    err = refuse_too_many(l, n);
    bool must_wait = err == 0 && (l->waiting > 0 || !take_locked(l, n));
    l->waiting += must_wait;
    covey_mutex_unlock(&l->lock);
    return must_wait ? wait_in_line(ctx, l, n) : err;
}

int covey_limiter_set(covey_limiter *l, double per_second, int burst)
{
    if (!is_in_range(per_second, burst)) {
        return covey_errorf(-EINVAL, "limiter: a negative rate or burst");
    }
    covey_mutex_lock(&l->lock);
    fill_locked(l); /* by the old rate */
    l->per_second = per_second;
    l->burst = burst;
    fill_locked(l);
    covey_mutex_unlock(&l->lock);
    (void)covey_chan_try_send(l->changed, NULL); /* full: it will look anyway */
    return 0;
}

void covey_limiter_stats_of(covey_limiter *l, covey_limiter_stats *stats)
{
    covey_mutex_lock(&l->lock);
    fill_locked(l);
    *stats = (covey_limiter_stats){
        .tokens = l->tokens,
        .waiting = l->waiting,
        .allowed = l->allowed,
        .refused = l->refused,
        .canceled = l->canceled,
    };
    covey_mutex_unlock(&l->lock);
}
