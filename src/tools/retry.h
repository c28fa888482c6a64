/* SPDX-License-Identifier: MIT
 * retry.h - what is worth another try, and the pauses before it. */
#ifndef CVY_TOOLS_RETRY_H
#define CVY_TOOLS_RETRY_H

#include <covey.h>

/* A pause is at least what the server asked for, too. */
extern const covey_backoff cvy_retry_backoff;

/* status counts if code is 0. A request refused, reset or timed out, 408, 429 and 5xx. */
bool cvy_retry_is_worth(int code, int status);

#endif
