/* SPDX-License-Identifier: MIT
 * lease.c - a lease that is held: its keeper, a task that extends it and ends its context the
 * moment it cannot be held, and its release.
 *
 * valid_until only grows, and only by a round that was asked while it had not passed: a lease that
 * was lost once is lost for good. */
#include "lock/lock.h"

#include <covey/ctx.h>
#include <covey/debug.h>
#include <covey/select.h>
#include <covey/task.h>
#include <covey/time.h>

#include <stdio.h>
#include <stdlib.h>

static int64_t valid_until(const covey_lease *l)
{
    return atomic_load_explicit(&l->valid_until, memory_order_acquire);
}

static bool is_lost(const covey_lease *l)
{
    return atomic_load_explicit(&l->is_lost, memory_order_acquire) || covey_now() >= valid_until(l);
}

static void lose(covey_lease *l)
{
    if (!atomic_exchange_explicit(&l->is_lost, true, memory_order_acq_rel)) {
        covey_hold_end(l->object, l->holder);
    }
    covey_ctx_cancel_cause(l->ctx, COVEY_ELOST);
}

static int lost(const covey_lease *l)
{
    return covey_errorf(COVEY_ELOST, "lease %s was lost", l->name);
}

/* ---- extending ---- */

/* 0; COVEY_ELOST: a majority has another holder, or time is up; else it may be tried again. */
static int extend_locked(covey_ctx *ctx, covey_lease *l)
{
    struct cvy_lock_round r = {
        .rl = l->rl, .key = &l->key, .question = CVY_LOCK_EXTEND, .token = l->token};
    int64_t begun = covey_now();

    if (is_lost(l)) {
        return lost(l);
    }
    covey_ctx *limited = covey_ctx_with_deadline(ctx, valid_until(l));
    cvy_lock_ask(limited, &r);
    covey_ctx_unref(limited);
    if (is_lost(l) || r.busy > r.rl->n - r.rl->quorum) {
        return lost(l);
    }
    if (r.yes < r.rl->quorum) {
        return cvy_lock_refusal(ctx, &r);
    }
    int64_t until = cvy_lock_valid_until(l->rl, begun);
    until = until < l->last ? until : l->last;
    if (until > valid_until(l)) {
        atomic_store_explicit(&l->valid_until, until, memory_order_release);
    }
    return 0;
}

int covey_lease_extend(covey_ctx *ctx, covey_lease *l)
{
    int code = covey_mutex_lock_ctx(ctx, &l->extending);

    if (code == 0) {
        code = extend_locked(ctx, l);
        covey_mutex_unlock(&l->extending);
        if (code == COVEY_ELOST) {
            lose(l);
        }
    }
    return code;
}

/* ---- the keeper ---- */

/* The pause before the next extension; after a failure a short one. */
static int64_t pause_after(const covey_lease *l, int code)
{
    const covey_redlock_options *o = &l->rl->options;

    if (o->extend_every_ns < 0 || covey_ctx_err(l->ctx) < 0 || valid_until(l) >= l->last) {
        return INT64_MAX / 2; /* no more extensions */
    }
    return code < 0 ? o->node_timeout_ns : o->extend_every_ns;
}

/* Waits; 1: the time to extend; 0: it is over. */
static int keep_waiting(covey_ctx *ctx, covey_lease *l, int64_t pause)
{
    int64_t at = covey_now() + pause;

    for (;;) {
        int64_t now = covey_now(), left = valid_until(l) - now;
        bool has_ended = covey_ctx_err(l->ctx) < 0; /* then it may not be extended any more */
        if (left <= 0) {
            lose(l);
            return 0;
        }
        if (now >= at && !has_ended) {
            return 1;
        }
        int64_t wait = !has_ended && at - now < left ? at - now : left;
        covey_case cases[] = {COVEY_DONE(l->stop), COVEY_AFTER(wait),
                              COVEY_DONE(has_ended ? NULL : l->ctx)};
        int ran = covey_select_n(ctx, cases, 3);
        if (ran < 0) {
            covey_ctx_cancel(l->ctx); /* the runtime ends */
        }
        if (ran <= 0) {
            return 0;
        }
    }
}

static int keep(covey_ctx *ctx, void *arg)
{
    covey_lease *l = arg;
    int code = 0;

    while (code != COVEY_ELOST && keep_waiting(ctx, l, pause_after(l, code)) > 0) {
        code = covey_lease_extend(l->stop, l);
    }
    covey_waitgroup_done(&l->keeper);
    return 0;
}

int cvy_lease_keep(covey_lease *l)
{
    char name[64];

    (void)snprintf(name, sizeof(name), "lease %s", l->name);
    covey_waitgroup_add(&l->keeper, 1);
    int code = covey_go_with(&(covey_task_options){.name = name}, keep, l);
    if (code < 0) {
        covey_waitgroup_done(&l->keeper);
    }
    return code;
}

/* ---- for users ---- */

covey_ctx *covey_lease_ctx(covey_lease *l)
{
    return l->ctx;
}

uint64_t covey_lease_token(covey_lease *l)
{
    return l->token;
}

int64_t covey_lease_left(covey_lease *l)
{
    int64_t left = valid_until(l) - covey_now();

    return left > 0 && !is_lost(l) ? left : 0;
}

/* Whether a majority may have had it to the last. */
static bool give_back(covey_lease *l)
{
    struct cvy_lock_round r = {.rl = l->rl, .key = &l->key, .question = CVY_LOCK_RELEASE};
    covey_ctx *cleanup = covey_ctx_for_cleanup(NULL, l->rl->options.node_timeout_ns);
    size_t not_ours = 0;

    cvy_lock_ask(cleanup, &r);
    covey_ctx_unref(cleanup);
    for (size_t i = 0; i < r.rl->n; i++) {
        not_ours += r.answers[i].has_come && r.answers[i].code == COVEY_ELOST;
    }
    return not_ours <= r.rl->n - r.rl->quorum;
}

int covey_lease_release(covey_lease *l)
{
    if (!l) {
        return 0;
    }
    covey_ctx_cancel(l->stop);
    (void)covey_waitgroup_wait(NULL, &l->keeper);
    if (!atomic_load_explicit(&l->is_lost, memory_order_acquire)) {
        covey_hold_end(l->object, l->holder);
    }
    bool was_held = !is_lost(l);
    was_held &= give_back(l);
    int code = was_held ? 0 : lost(l);
    covey_ctx_unref(l->ctx);
    covey_ctx_unref(l->stop);
    free(l);
    return code;
}
