/* SPDX-License-Identifier: MIT
 * deadlock_mutex.c - a task locks the same mutex twice, after timers and a blocking call have come
 * and gone. */
#include <covey.h>

static int nothing(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    return 0;
}

static int locker(covey_ctx *ctx, void *arg)
{
    covey_timer *timer = covey_timer_new(3600 * COVEY_SEC);
    covey_ctx *timeout = covey_ctx_with_timeout(ctx, 3600 * COVEY_SEC);

    (void)covey_sleep(ctx, COVEY_MS);
    (void)covey_blocking(ctx, nothing, NULL);
    (void)covey_timer_stop(timer);
    covey_timer_free(timer);
    covey_ctx_unref(timeout);
    covey_mutex_lock(arg);
    covey_mutex_lock(arg);
    return 0;
}

int main(void)
{
    covey_mutex mutex = {0};

    return covey_run(locker, &mutex);
}
