/* SPDX-License-Identifier: MIT
 * breaker_call.c - calls through a breaker: who is let through, and what an outcome does. */
#include "resilience/breaker.h"

#include <covey/time.h>

static int allow_locked(covey_breaker *b, int64_t now, uint64_t *ticket)
{
    bool is_trial = b->state == COVEY_BREAKER_HALF_OPEN;

    if (b->state == COVEY_BREAKER_OPEN || (is_trial && b->trials >= b->options.trials)) {
        b->stats.refused++;
        return COVEY_EOPEN;
    }
    uint64_t id = cvy_ticket_issue(&b->tickets, b->generation, now);
    if (!id) {
        return -ENOMEM;
    }
    b->trials += is_trial;
    b->stats.allowed++;
    *ticket = id;
    return 0;
}

int covey_breaker_allow(covey_breaker *b, uint64_t *ticket)
{
    struct cvy_told told;
    int64_t now = cvy_breaker_enter(b, &told);
    int err = allow_locked(b, now, ticket);

    cvy_breaker_leave(b, &told);
    if (err == 0) {
        return 0;
    }
    return b->options.name[0] ? covey_errorf(err, "%s: %s", b->options.name, covey_strerror(err))
                              : covey_errorf(err, "%s", covey_strerror(err));
}

static covey_outcome classify(const covey_breaker *b, int code)
{
    code = covey_plain_code(code);
    if (b->options.classify) {
        return b->options.classify(code, b->options.arg);
    }
    if (code == COVEY_ECANCELED) {
        return COVEY_OUTCOME_IGNORED;
    }
    return code >= 0 ? COVEY_OUTCOME_SUCCESS : COVEY_OUTCOME_FAILURE;
}

static void count_closed_locked(covey_breaker *b, bool failed, int64_t now, struct cvy_told *told)
{
    const struct cvy_window *w = &b->window;

    cvy_window_count(&b->window, now, failed);
    if (w->calls >= (uint32_t)b->options.min_calls &&
        w->failures * UINT64_C(100) > w->calls * (uint64_t)b->options.failure_percent) {
        cvy_breaker_change_locked(b, COVEY_BREAKER_OPEN, now, told);
    }
}

static void count_half_open_locked(covey_breaker *b, bool failed, int64_t now,
                                   struct cvy_told *told)
{
    if (failed) {
        cvy_breaker_change_locked(b, COVEY_BREAKER_OPEN, now, told);
    } else if (++b->row >= b->options.close_after) {
        cvy_breaker_change_locked(b, COVEY_BREAKER_CLOSED, now, told);
    }
}

static void count_locked(covey_breaker *b, covey_outcome outcome, int64_t took_ns, int64_t now,
                         struct cvy_told *told)
{
    bool is_slow =
        outcome == COVEY_OUTCOME_SUCCESS && b->options.slow_ns > 0 && took_ns > b->options.slow_ns;
    bool failed = is_slow || outcome == COVEY_OUTCOME_FAILURE;
    bool is_trial = b->state == COVEY_BREAKER_HALF_OPEN;

    b->trials -= is_trial;
    if (outcome == COVEY_OUTCOME_IGNORED) {
        b->stats.ignored++;
        return;
    }
    b->stats.slow += is_slow;
    b->stats.failed += failed;
    b->stats.succeeded += !failed;
    if (is_trial) {
        count_half_open_locked(b, failed, now, told);
    } else {
        count_closed_locked(b, failed, now, told);
    }
}

void covey_breaker_report(covey_breaker *b, uint64_t id, int code)
{
    covey_outcome outcome = classify(b, code); /* the user's, so before the lock */
    struct cvy_ticket ticket;
    struct cvy_told told;
    int64_t now = cvy_breaker_enter(b, &told);

    /* Of this generation: the state is the one in which it was issued. */
    if (cvy_ticket_redeem(&b->tickets, id, &ticket) && ticket.generation == b->generation) {
        count_locked(b, outcome, now - ticket.issued_at, now, &told);
    } else {
        b->stats.discarded++;
    }
    cvy_breaker_leave(b, &told);
}

int covey_breaker_do(covey_ctx *ctx, covey_breaker *b, covey_fn *fn, void *arg)
{
    uint64_t ticket;
    int err = covey_sleep(ctx, 0); /* the words of a context that is done */

    if (err == 0) {
        err = covey_breaker_allow(b, &ticket);
    }
    if (err < 0) {
        return err;
    }
    int code = fn(ctx, arg);
    /* NOLINTNEXTLINE(clang-analyzer-core.CallAndMessage): covey_breaker_allow() wrote it */
    covey_breaker_report(b, ticket, code);
    return code;
}
