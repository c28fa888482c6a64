/* SPDX-License-Identifier: MIT
 * sleep.c - the clock and sleep (covey/time.h). */
#include "sched/wait.h"

#include <covey/time.h>

int64_t covey_now(void)
{
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
    struct cvy_timer timer = {.task = t, .index = 0};
    int64_t now = cvy_clock_now();
    cvy_timer_add(th, &timer, ns > INT64_MAX - now ? INT64_MAX : now + ns);
    if (cvy_wait_park(&th, ctx, CVY_WAIT_SLEEP, NULL) == CVY_INDEX_CTX) {
        (void)cvy_timer_cancel(&timer);
        code = cvy_ctx_check(t, ctx);
    }
out:
    cvy_leave(th);
    return code;
}
