/* SPDX-License-Identifier: MIT
 * support.h - what the conformance tests share: tests that run as a task, a view of what others do,
 * and which sanitizer watches.
 *
 * "It blocks" is shown by order, never by time: the other side has not happened yet (settle() gives
 * it every chance to go wrong), then it is let happen. */
#ifndef CVY_CONFORMANCE_SUPPORT_H
#define CVY_CONFORMANCE_SUPPORT_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "harness.h"
#include "view.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#define WITH_ASAN 1
#elif defined(__SANITIZE_THREAD__)
#define WITH_TSAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WITH_ASAN 1
#elif __has_feature(thread_sanitizer)
#define WITH_TSAN 1
#endif
#endif
#ifndef WITH_ASAN
#define WITH_ASAN 0
#endif
#ifndef WITH_TSAN
#define WITH_TSAN 0
#endif

/* n turns at the scale asked for: COVEY_STRESS_SCALE=X multiplies them (a decimal number;
 * ordinarily 1, and half under TSan, where a turn takes ten times as long). */
static inline int turns(int n)
{
    const char *scale = getenv("COVEY_STRESS_SCALE");
    double scaled = n * (scale && *scale ? atof(scale) : WITH_TSAN ? 0.5 : 1.0);

    return scaled < 1 ? 1 : scaled > 1e9 ? 1000000000 : (int)scaled;
}

/* Gives whatever could run now the chance to. Proves nothing about what did not happen. */
static inline void settle(void)
{
    for (int i = 0; i < 100; i++) {
        covey_yield();
    }
}

/* A thread that was joined is listed for a moment more; TSan starts one of its own with the first.
 */
static inline void await_threads(int n)
{
    if (WITH_TSAN) {
        return;
    }
    while (count_threads() != n) {
        (void)sched_yield();
    }
}

static inline void send_int(covey_chan *ch, int value)
{
    CHECK_EQ(covey_chan_send(NULL, ch, &value), 0);
}

static inline int recv_int(covey_chan *ch)
{
    int value = -1;

    CHECK_EQ(covey_chan_recv(NULL, ch, &value), 0);
    return value;
}

/* A context that is done already, with this code. */
static inline covey_ctx *done_ctx(int code)
{
    covey_ctx *c;

    if (code == COVEY_EDEADLINE) {
        c = covey_ctx_with_timeout(NULL, 0);
    } else {
        c = covey_ctx_with_cancel(NULL);
        covey_ctx_cancel(c);
    }
    CHECK_EQ(covey_ctx_err(c), code);
    return c;
}

#endif
