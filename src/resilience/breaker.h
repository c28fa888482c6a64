/* SPDX-License-Identifier: MIT
 * breaker.h - a breaker's state, and how it changes: closed, open, half-open.
 *
 * Each change of state begins a generation. A ticket remembers its own, and counts only while that
 * lasts: so the window holds outcomes of this closed period alone, and the row of successes and the
 * number of trials under way those of this half-open one. Nothing runs in the background: the end
 * of a sleep and the expiry of tickets are seen by whoever comes next.
 *
 * A change is noted under the lock and told after it: `told` carries it out of the locked part. */
#ifndef CVY_RESILIENCE_BREAKER_H
#define CVY_RESILIENCE_BREAKER_H

#include "resilience/tickets.h"
#include "resilience/window.h"

#include <covey/breaker.h>
#include <covey/metrics.h>
#include <covey/sync.h>

struct covey_breaker {
    /* Immutable. */
    covey_breaker_options options; /* the defaults filled in; name is owned */

    /* Guarded by lock. */
    covey_mutex lock;
    covey_breaker_state state;
    uint64_t generation;
    int64_t open_until;         /* while open */
    int trials, row;            /* while half-open: calls under way, successes in a row */
    struct cvy_window window;   /* while closed */
    struct cvy_tickets tickets; /* of all generations */
    covey_breaker_stats stats;  /* the counters alone */

    covey_metrics_source source; /* the registry's; registered if it has a name */
};

extern const covey_metrics_kind cvy_breaker_metrics __attribute__((visibility("hidden")));

/* At most two in one step: a sleep that ends, and what the call does then. */
struct cvy_told {
    covey_breaker_change changes[2];
    int len;
};

/* Locks b and sees to what time alone has brought about; the time now. */
int64_t cvy_breaker_enter(covey_breaker *b, struct cvy_told *told);
/* Unlocks b, then tells. */
void cvy_breaker_leave(covey_breaker *b, const struct cvy_told *told);
/* Begins a generation. b is locked. */
void cvy_breaker_change_locked(covey_breaker *b, covey_breaker_state to, int64_t now,
                               struct cvy_told *told);

#endif
