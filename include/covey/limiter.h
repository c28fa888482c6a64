/* SPDX-License-Identifier: MIT
 * covey/limiter.h - a token bucket: so many a second, and so many at once. After Go's
 * golang.org/x/time/rate.
 *
 * The bucket holds up to burst tokens, starts full, and is filled at a steady rate. Waits are
 * served first come, first served, whatever their weights: a large one is not overtaken. Time is
 * covey_now()'s. Any task or plain thread may call everything here; all may switch, for a short
 * lock, but covey_limiter_new() and _free(). */
#ifndef COVEY_LIMITER_H
#define COVEY_LIMITER_H

#include <covey/defs.h>
#include <covey/error.h>

COVEY_BEGIN

typedef struct covey_limiter covey_limiter;

#define COVEY_LIMITER_UNLIMITED 1e18 /* per_second: the bucket is always full */

typedef struct covey_limiter_stats {
    double tokens; /* now */
    uint64_t waiting;
    uint64_t allowed, refused; /* calls, not tokens; refused by covey_limiter_allow() */
    uint64_t canceled;         /* waits that ended with their context */
} covey_limiter_stats;

/* Owned. per_second 0: only what is there at first. NULL: out of memory, or out of range: negative
 * or not a number. */
COVEY_API covey_limiter *covey_limiter_new(double per_second, int burst);
COVEY_API void covey_limiter_free(covey_limiter *l); /* nobody may wait on it; NULL is allowed */
/* From now on covey_metrics_write() shows it, as limiter="name"; copied. Once, before others use
 * it. 0; -EINVAL: it has one, or name is ""; -ENOMEM. */
COVEY_API int covey_limiter_set_name(covey_limiter *l, const char *name);

/* Takes n tokens, once they are there and it is this caller's turn. 0; -EINVAL: n is negative, or
 * more than the burst, so that it could never be; COVEY_ECANCELED, COVEY_EDEADLINE: nothing was
 * taken. When the first in line sees that its turn comes after its deadline it gets COVEY_EDEADLINE
 * at once, and holds up nobody. */
COVEY_API int covey_limiter_wait(covey_ctx *ctx, covey_limiter *l, int n);
/* Takes n tokens if they are there now and nobody waits for some; else takes none. */
COVEY_API bool covey_limiter_allow(covey_limiter *l, int n);

/* From now on; who waits is served by the new figures, or gets -EINVAL if it wants more than the
 * new burst. 0; -EINVAL as for covey_limiter_new(). */
COVEY_API int covey_limiter_set(covey_limiter *l, double per_second, int burst);
COVEY_API void covey_limiter_stats_of(covey_limiter *l, covey_limiter_stats *stats);

COVEY_END
#endif
