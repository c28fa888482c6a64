/* SPDX-License-Identifier: MIT
 * attempt.h - what a try carries in its context: its number, and the hint it leaves. */
#ifndef CVY_RESILIENCE_ATTEMPT_H
#define CVY_RESILIENCE_ATTEMPT_H

#include <covey/ctx.h>

#include <stdatomic.h>

/* Lives in the frame of covey_retry() or of the attempt's task, longer than the try. */
struct cvy_attempt {
    int number;               /* from 1; changes between tries only */
    _Atomic int64_t after_ns; /* the longest hint; relaxed: a number of its own */
};

/* A child of ctx that carries it. Owned; done, with -ENOMEM as its cause, if out of memory. */
covey_ctx *cvy_attempt_ctx(covey_ctx *ctx, struct cvy_attempt *attempt);

/* What a failed try returns to the caller: the plain code, with the words that fn gave it. */
int cvy_attempt_code(int code);

#endif
