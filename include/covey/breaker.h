/* SPDX-License-Identifier: MIT
 * covey/breaker.h - a circuit breaker: calls to a target that fails are refused for a while, so
 * that neither it nor its callers drown. After Nygard's "Release It!" and Sony's gobreaker.
 *
 * Closed, it lets calls through and counts their outcomes over a rolling window; when more than a
 * share of them failed it opens, and refuses. After its sleep it is half-open: one trial call at a
 * time goes through. So many successes in a row close it, one failure opens it again. Each change
 * begins a new generation: what is reported of an earlier one's calls is discarded.
 *
 * A whole batch can be one call: guard the function that runs its group, and the batch's failure is
 * the outcome. Time is covey_now()'s. Any task or plain thread may call everything here; all may
 * switch, for a short lock. */
#ifndef COVEY_BREAKER_H
#define COVEY_BREAKER_H

#include <covey/defs.h>
#include <covey/error.h>

COVEY_BEGIN

#define COVEY_BREAKER_FAILURE_PERCENT 60
#define COVEY_BREAKER_MIN_CALLS 10
#define COVEY_BREAKER_WINDOW_NS (30 * COVEY_SEC)
#define COVEY_BREAKER_OPEN_NS (30 * COVEY_SEC)
#define COVEY_BREAKER_CLOSE_AFTER 10
#define COVEY_BREAKER_TRIALS 1
#define COVEY_BREAKER_TICKET_NS (60 * COVEY_SEC)
#define COVEY_BREAKER_BUCKETS 30 /* the window moves on by a thirtieth of it */

typedef struct covey_breaker covey_breaker;

typedef enum covey_breaker_state {
    COVEY_BREAKER_CLOSED,
    COVEY_BREAKER_OPEN,
    COVEY_BREAKER_HALF_OPEN
} covey_breaker_state;

typedef enum covey_outcome {
    COVEY_OUTCOME_SUCCESS,
    COVEY_OUTCOME_FAILURE,
    COVEY_OUTCOME_IGNORED /* says nothing about the target: a caller's own cancellation */
} covey_outcome;

typedef struct covey_breaker_change {
    const char *name; /* the breaker's; valid as long as it is */
    covey_breaker_state from, to;
    uint64_t generation; /* that begins; tells the order of two changes told at once */
    int64_t at_ns;
    uint32_t calls, failures; /* in the window that ends */
} covey_breaker_change;

/* What is 0 or NULL has the default named beside it. */
typedef struct covey_breaker_options {
    const char *name; /* copied; "". With one covey_metrics_write() shows it, as breaker="name" */
    bool is_unlisted; /* covey_metrics_write() does not show it, though it has a name */
    int failure_percent; /* COVEY_BREAKER_FAILURE_PERCENT. It opens above this; 1 to 99 */
    int min_calls;       /* COVEY_BREAKER_MIN_CALLS. With fewer in the window it does not open */
    int64_t window_ns;   /* COVEY_BREAKER_WINDOW_NS; at least a microsecond */
    int64_t open_ns;     /* COVEY_BREAKER_OPEN_NS. How long it sleeps */
    int close_after;     /* COVEY_BREAKER_CLOSE_AFTER. Successes in a row */
    int trials;          /* COVEY_BREAKER_TRIALS. Half-open, calls under way at a time */
    int64_t slow_ns;     /* a success that took longer counts as a failure; 0: never */
    int64_t ticket_ns;   /* COVEY_BREAKER_TICKET_NS. What is reported later is discarded */
    /* NULL: 0 and positive codes are successes, COVEY_ECANCELED is ignored, the rest are failures.
     * code is plain (covey_plain_code()). Must not block. */
    covey_outcome (*classify)(int code, void *arg);
    /* After each change of state, by the task that caused it, without a lock held. */
    void (*on_change)(const covey_breaker_change *change, void *arg);
    void *arg; /* of the two callbacks */
} covey_breaker_options;

/* Since it was made, but for the first five. */
typedef struct covey_breaker_stats {
    covey_breaker_state state;
    uint64_t generation;
    uint32_t window_calls, window_failures; /* of this generation */
    uint32_t in_flight;                     /* tickets that are out */
    uint64_t allowed, refused;
    uint64_t succeeded, failed, ignored; /* outcomes that were counted */
    uint64_t slow;                       /* of the failed: successes that took too long */
    uint64_t discarded; /* reports of an earlier generation, too late, or made twice */
    uint64_t expired;   /* tickets that were not reported in time */
    uint64_t opened;    /* times */
} covey_breaker_stats;

/* Owned. opts is borrowed, NULL: the defaults. NULL: out of memory or an option out of range. */
COVEY_API covey_breaker *covey_breaker_new(const covey_breaker_options *opts);
COVEY_API void covey_breaker_free(covey_breaker *b); /* nobody may use it then; NULL is allowed */

/* Runs fn(ctx, arg) in the calling task if the breaker lets it, reports its code, and returns it
 * with its words. COVEY_EOPEN, "name: circuit breaker is open": fn was not called. COVEY_ECANCELED,
 * COVEY_EDEADLINE: ctx was done before, fn was not called; -ENOMEM: likewise. */
COVEY_API int covey_breaker_do(covey_ctx *ctx, covey_breaker *b, covey_fn *fn, void *arg);

/* The same in two steps, for calls that do not fit into a function. 0: the call may be made, and
 * *ticket must be reported. COVEY_EOPEN, -ENOMEM: it may not. */
COVEY_API int covey_breaker_allow(covey_breaker *b, uint64_t *ticket);
/* The call's outcome, once. A ticket that was reported, has expired, or is of an earlier generation
 * changes nothing. */
COVEY_API void covey_breaker_report(covey_breaker *b, uint64_t ticket, int code);

/* The state now: open ends by itself when its sleep is over. */
COVEY_API covey_breaker_state covey_breaker_state_of(covey_breaker *b);
COVEY_API const char *covey_breaker_state_name(covey_breaker_state state); /* "half-open" */
/* How long it will refuse all calls: 0 unless it is open. As a hint for covey_retry_after(). */
COVEY_API int64_t covey_breaker_retry_in(covey_breaker *b);
COVEY_API void covey_breaker_stats_of(covey_breaker *b, covey_breaker_stats *stats);
/* By hand: opens it, for its usual sleep; closes it. Nothing happens if it is so already. */
COVEY_API void covey_breaker_trip(covey_breaker *b);
COVEY_API void covey_breaker_reset(covey_breaker *b);

COVEY_END
#endif
