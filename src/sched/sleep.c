/* SPDX-License-Identifier: MIT
 * sleep.c - the clock and sleep (covey/time.h). */
#include "sched/wait.h"

#include <covey/time.h>

int64_t covey_now(void)
{
    cvy_test_point();
    return cvy_clock_now();
}

int covey_sleep(covey_ctx *ctx, int64_t ns)
{
    struct cvy_thread *th = cvy_enter();
    struct cvy_task *t = th->task;

    int code = cvy_ctx_check(t, ctx);
    if (code < 0 || ns <= 0) {
        goto out;
    }
    code = cvy_wait_open(t, ctx);
    if (code < 0) {
        goto out;
    }
    int64_t at = cvy_time_after(ns);
    code = cvy_wait_error(t, ctx, cvy_wait_park_until(&th, ctx, CVY_WAIT_SLEEP, &at, at, 0));
out:
    cvy_leave(th);
    return code;
}
