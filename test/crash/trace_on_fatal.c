/* SPDX-License-Identifier: MIT
 * trace_on_fatal.c - the flight recorder's last words: a fatal error writes what it remembers to
 * trace_on_fatal.trace, here, before the process aborts. test/trace/report_test.sh reads it. */
#include <covey.h>

static int work(covey_ctx *ctx, void *arg)
{
    (void)arg;
    return covey_sleep(ctx, COVEY_MS);
}

static int unlocker(covey_ctx *ctx, void *arg)
{
    covey_group *g = covey_group_new(ctx);

    for (int i = 0; i < 10; i++) {
        (void)covey_group_go(g, work, NULL);
    }
    (void)covey_group_wait(g);
    covey_mutex_unlock(arg);
    return 0;
}

int main(void)
{
    covey_mutex mutex = {0};

    if (covey_trace_flight_start(0) < 0) {
        return 0;
    }
    covey_trace_on_fatal("trace_on_fatal.trace");
    return covey_run(unlocker, &mutex);
}
