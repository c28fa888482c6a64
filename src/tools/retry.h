/* SPDX-License-Identifier: MIT
 * retry.h - what is worth another try, and when.
 *
 * The pause is drawn between 0 and a limit that doubles from try to try ("full jitter", so that
 * many that failed together do not come back together), and is at least what the server asked for.
 */
#ifndef CVY_TOOLS_RETRY_H
#define CVY_TOOLS_RETRY_H

#include <covey.h>

#define CVY_RETRY_FIRST_NS (500 * COVEY_MS)
#define CVY_RETRY_MAX_NS (30 * COVEY_SEC)

/* status counts if code is 0. A request refused, reset or timed out, 408, 429 and 5xx. */
bool cvy_retry_is_worth(int code, int status);
/* The pause before the attempt-th retry (from 1). random: any 64 random bits. */
int64_t cvy_retry_pause_ns(int attempt, uint64_t random, int64_t asked_ns);

#endif
