/* SPDX-License-Identifier: MIT
 * covey/retry.h - another try after a pause, and another attempt beside a slow one. After the AWS
 * architecture blog's "Exponential Backoff And Jitter", gRPC's retry throttling and "The Tail at
 * Scale" (Dean and Barroso, 2013).
 *
 * What is tried must be safe to do twice. Guard it with a budget too: retries that are not bounded
 * for a target as a whole multiply the load on it just when it has too much.
 *
 * Times are on covey_now()'s clock. Tasks and plain threads may call everything here, and all of it
 * may switch except where it says so. */
#ifndef COVEY_RETRY_H
#define COVEY_RETRY_H

#include <covey/defs.h>
#include <covey/error.h>

#include <limits.h>

COVEY_BEGIN

#define COVEY_RETRY_TRIES 3                  /* tries in all, the first one too */
#define COVEY_RETRY_BASE_NS (100 * COVEY_MS) /* bounds the first pause */
#define COVEY_RETRY_CAP_NS (10 * COVEY_SEC)  /* no pause is longer, but for a hint */
#define COVEY_RETRY_FACTOR 2.0               /* from bound to bound */
#define COVEY_RETRY_UNLIMITED INT_MAX        /* max_tries: the context or max_elapsed_ns ends it */
#define COVEY_RETRY_FOREVER INT64_MAX        /* max_elapsed_ns: no limit */
#define COVEY_HEDGE_ATTEMPTS 2
#define COVEY_HEDGE_DELAY_NS (100 * COVEY_MS)

/* ---- a budget, shared by all callers of a target ---- */

#define COVEY_RETRY_BUDGET_RATIO 0.1
#define COVEY_RETRY_BUDGET_BURST 10.0

typedef struct covey_retry_budget covey_retry_budget;

/* Tokens: a retry takes one, and none are made when there is none. */
typedef struct covey_retry_budget_options {
    double per_call;   /* what each first try adds; 0: COVEY_RETRY_BUDGET_RATIO */
    double per_second; /* what time adds, for targets that are seldom called; 0: nothing */
    double burst;      /* at most as many, and as many at first; 0: COVEY_RETRY_BUDGET_BURST */
} covey_retry_budget_options;

typedef struct covey_retry_budget_stats {
    double tokens;
    uint64_t calls;   /* first tries */
    uint64_t granted; /* retries and hedges that were made */
    uint64_t refused; /* that the budget kept from being made */
} covey_retry_budget_stats;

/* Owned; must outlive the calls under it. opts is borrowed, NULL: the defaults. NULL: out of memory
 * or a negative option. Does not switch. */
COVEY_API covey_retry_budget *covey_retry_budget_new(const covey_retry_budget_options *opts);
COVEY_API void covey_retry_budget_stats_of(covey_retry_budget *budget,
                                           covey_retry_budget_stats *stats);
COVEY_API void covey_retry_budget_free(covey_retry_budget *budget); /* NULL is allowed */
/* For loops of one's own: counts a first try; asks for a retry. */
COVEY_API void covey_retry_budget_call(covey_retry_budget *budget);
COVEY_API bool covey_retry_budget_take(covey_retry_budget *budget);

/* ---- retry ---- */

/* Told before each pause. */
typedef struct covey_retry_event {
    int attempt;     /* that has failed, from 1 */
    int code;        /* with which; covey_errmsg() has its words */
    int64_t wait_ns; /* until the next one */
} covey_retry_event;

/* A policy. What is 0 or NULL has the default named beside it; {0} is a sensible policy. */
typedef struct covey_backoff {
    int64_t base_ns;        /* COVEY_RETRY_BASE_NS */
    int64_t cap_ns;         /* COVEY_RETRY_CAP_NS */
    double factor;          /* COVEY_RETRY_FACTOR; at least 1 */
    int max_tries;          /* COVEY_RETRY_TRIES */
    int64_t max_elapsed_ns; /* COVEY_RETRY_FOREVER. No try starts later than this after the call */
    int64_t try_ns;         /* a deadline for each try; 0: only the caller's */
    covey_retry_budget *budget; /* borrowed; NULL: none */
    /* Whether a failure is worth another try. NULL: all are, but for COVEY_PERMANENT(code). */
    bool (*is_worth)(int code, void *arg);
    void (*on_retry)(const covey_retry_event *event, void *arg);
    void *arg; /* of the two callbacks */
} covey_backoff;

/* Calls fn(ctx, arg) until it returns 0 or a positive number, and returns that. fn's context is a
 * child of ctx. Between two tries it sleeps: a number drawn evenly from 0 to base * factor^n (full
 * jitter), at most the cap, and at least the hint that fn left with covey_retry_after().
 *
 * It gives up, with fn's last code and the words "after 3 tries: ...", when fn returned
 * COVEY_PERMANENT(code) (which gives the plain code), when ctx is done, when a failure is not worth
 * it, after max_tries, when the budget is spent, and, without sleeping first, when the next try
 * would start after ctx's deadline or max_elapsed_ns.
 *
 * COVEY_ECANCELED, COVEY_EDEADLINE: ctx was done at the start (fn was not called) or ended during a
 * pause. -EINVAL: a policy out of range. -ENOMEM. policy is borrowed, NULL: the defaults. */
COVEY_API int covey_retry(covey_ctx *ctx, const covey_backoff *policy, covey_fn *fn, void *arg);

/* Inside a try, with its context or a descendant of it: do not try again within ns, as an HTTP
 * Retry-After says. The longest hint of a try counts, for the pause after it alone. Without a try
 * around it does nothing. Does not switch. */
COVEY_API void covey_retry_after(covey_ctx *ctx, int64_t ns);

/* Which try or attempt this context belongs to, from 1; 0: none. Does not switch. */
COVEY_API int covey_retry_attempt(covey_ctx *ctx);

/* The pause that follows the attempt-th failure (from 1), without hints: for loops of one's own.
 * 64 random bits decide. Does not switch. */
COVEY_API int64_t covey_backoff_pause(const covey_backoff *policy, int attempt, uint64_t random);

/* ---- hedged calls ---- */

typedef struct covey_hedge_options {
    int max_attempts;           /* at once, the first one too; 0: COVEY_HEDGE_ATTEMPTS */
    int64_t delay_ns;           /* before each further one; 0: COVEY_HEDGE_DELAY_NS */
    covey_retry_budget *budget; /* further attempts take from it; borrowed; NULL: none */
    int *winner;                /* if not NULL: the attempt that succeeded, from 1; else 0 */
} covey_hedge_options;

/* Calls fn(ctx, arg) in a task; when it has not ended after the delay, or has failed, in another
 * one beside it, and so on. The first success cancels the others' contexts; all have ended when
 * this returns, with the winner's code. When all fail: the first failure's code, with its words. A
 * COVEY_PERMANENT(code) cancels the others and is what it returns, unless one of them succeeds.
 *
 * fn runs several times at once with the same arg: covey_retry_attempt(ctx) tells them apart, so
 * that each may write a result of its own, and *winner says whose counts.
 *
 * COVEY_ECANCELED, COVEY_EDEADLINE: ctx was done; -EINVAL: options out of range; -ENOMEM;
 * COVEY_ECLOSED: no runtime is up. opts is borrowed, NULL: the defaults. */
COVEY_API int covey_hedge(covey_ctx *ctx, const covey_hedge_options *opts, covey_fn *fn, void *arg);

COVEY_END
#endif
