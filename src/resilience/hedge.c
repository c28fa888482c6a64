/* SPDX-License-Identifier: MIT
 * hedge.c - covey_hedge: attempts beside each other, in a first-success group.
 *
 * The caller starts them, one after the other: when the delay has passed, or at once when all that
 * run have failed. Each tells its failure on a channel with room for all, so no attempt ever waits
 * for the caller; a success is seen by the end of the group's context. */
#include "resilience/attempt.h"

#include <covey/chan.h>
#include <covey/group.h>
#include <covey/retry.h>
#include <covey/select.h>
#include <covey/time.h>

struct hedging {
    /* Immutable while attempts run. */
    covey_hedge_options options; /* the defaults filled in */
    covey_fn *fn;
    void *arg;
    covey_group *group;
    covey_chan *failures; /* a signal for each attempt that failed */

    int running; /* the caller's: attempts that it started and has not heard of */

    /* Written by attempts, by one compare-and-swap from 0; read after the join. */
    atomic_int winner, permanent;
    int code; /* of the winner; written by it alone */
};

struct hedge {
    struct hedging *hedging;
    int number;
};

static int hedge_run(covey_ctx *ctx, void *arg)
{
    const struct hedge *h = arg;
    struct hedging *all = h->hedging;
    struct cvy_attempt attempt = {.number = h->number};
    int none = 0;

    covey_ctx *own = cvy_attempt_ctx(ctx, &attempt);
    int code = all->fn(own, all->arg);
    covey_ctx_unref(own);
    if (code >= 0) {
        if (atomic_compare_exchange_strong(&all->winner, &none, h->number)) {
            all->code = code;
        }
        return code;
    }
    if (covey_is_permanent(code)) {
        code = cvy_attempt_code(code);
        if (atomic_compare_exchange_strong(&all->permanent, &none, code)) {
            covey_group_cancel(all->group, code);
        }
    }
    (void)covey_chan_try_send(all->failures, NULL);
    return code;
}

static bool may_start(struct hedging *all)
{
    return !all->options.budget || covey_retry_budget_take(all->options.budget);
}

/* Returns once another attempt is due; false: there is none to make. */
static bool wait_due(covey_ctx *ctx, struct hedging *all)
{
    int64_t due = covey_now() + all->options.delay_ns;

    for (; all->running > 0; all->running--) {
        /* The context is a case of its own, since its end is no failure here. */
        int ran = covey_select(NULL, COVEY_DONE(ctx), COVEY_RECV(all->failures, NULL),
                               COVEY_AFTER(due - covey_now()));
        if (ran == 2) {
            break;
        }
        if (ran != 1) {
            return false;
        }
    }
    return covey_ctx_err(ctx) == 0;
}

static void start_all(struct hedging *all)
{
    covey_ctx *ctx = covey_group_ctx(all->group);

    for (int number = 1; number <= all->options.max_attempts; number++) {
        struct hedge h = {all, number};

        if (number > 1 && !(wait_due(ctx, all) && may_start(all))) {
            return;
        }
        if (covey_group_go_copy(all->group, hedge_run, &h, sizeof(h)) < 0) {
            return; /* the group counts it as a failure */
        }
        all->running++;
    }
}

static int hedge_in_group(covey_ctx *ctx, struct hedging *all)
{
    covey_group_options opts = {.policy = COVEY_FIRST_SUCCESS};

    all->group = covey_group_new_with(ctx, &opts);
    start_all(all);
    int err = covey_group_wait(all->group);
    int winner = atomic_load(&all->winner), permanent = atomic_load(&all->permanent);

    if (all->options.winner) {
        *all->options.winner = winner;
    }
    if (winner) {
        return all->code;
    }
    return permanent && err != permanent ? covey_errorf(permanent, "%s", covey_strerror(permanent))
                                         : err;
}

int covey_hedge(covey_ctx *ctx, const covey_hedge_options *opts, covey_fn *fn, void *arg)
{
    struct hedging all = {.options = opts ? *opts : (covey_hedge_options){0}, .fn = fn, .arg = arg};
    covey_hedge_options *o = &all.options;

    o->max_attempts = o->max_attempts ? o->max_attempts : COVEY_HEDGE_ATTEMPTS;
    o->delay_ns = o->delay_ns ? o->delay_ns : COVEY_HEDGE_DELAY_NS;
    if (o->max_attempts < 0 || o->delay_ns < 0) {
        return covey_errorf(-EINVAL, "hedge: options out of range");
    }
    int err = covey_sleep(ctx, 0); /* the words of a context that is done */
    if (err < 0) {
        return err;
    }
    all.failures = covey_chan_new(0, (size_t)o->max_attempts);
    if (!all.failures) {
        return covey_errorf(-ENOMEM, "hedge");
    }
    if (o->budget) {
        covey_retry_budget_call(o->budget);
    }
    err = hedge_in_group(ctx, &all);
    covey_chan_unref(all.failures);
    return err;
}
