/* SPDX-License-Identifier: MIT
 * fairness.c - a task that blocks or spins in plain C holds up only itself.
 *
 * One task ticks every 10 ms. Beside it, on every worker, a task calls sleep(1) of libc, which
 * covey cannot see; then, on every worker, a task computes for a second without a call into covey.
 * Their workers' queues move to other threads after about 10 ms, and the ticks go on. The longest
 * gap between two ticks is printed. The check allows what a busy machine may add. */
#include "example.h"

#include <time.h>
#include <unistd.h>

struct ticking {
    atomic_bool stop;
    int ticks;
    int64_t longest_gap;
};

static int tick(covey_ctx *ctx, void *arg)
{
    struct ticking *t = arg;
    int64_t last = covey_now();

    while (!atomic_load(&t->stop)) {
        int err = covey_sleep(ctx, 10 * COVEY_MS);
        if (err < 0) {
            return err;
        }
        int64_t now = covey_now();
        t->longest_gap = now - last > t->longest_gap ? now - last : t->longest_gap;
        t->ticks++;
        last = now;
    }
    return 0;
}

static int call_sleep(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    sleep(1);
    return 0;
}

static int compute(covey_ctx *ctx, void *arg)
{
    struct timespec start, now;

    (void)ctx;
    (void)arg;
    clock_gettime(CLOCK_MONOTONIC, &start);
    do {
        clock_gettime(CLOCK_MONOTONIC, &now);
    } while (now.tv_sec - start.tv_sec + (now.tv_nsec - start.tv_nsec) / 1e9 < 1.0);
    return 0;
}

/* One hog for each worker, and the ticking task. */
static int tick_among(covey_ctx *ctx, covey_fn *hog, const char *what)
{
    struct ticking t = {0};
    covey_group *ticker = covey_group_new(ctx), *hogs = covey_group_new(ctx);
    int err = ticker && hogs ? covey_group_go(ticker, tick, &t) : -ENOMEM;

    if (err == 0) {
        err = covey_sleep(ctx, 50 * COVEY_MS);
    }
    int64_t start = covey_now();
    for (int i = 0; i < covey_workers() && err == 0; i++) {
        err = covey_group_go(hogs, hog, NULL);
    }
    int failed = covey_group_wait(hogs);
    int64_t ms = example_ms(start);
    atomic_store(&t.stop, true);
    int stopped = covey_group_wait(ticker);

    printf("%d tasks that %s for a second:\n", covey_workers(), what);
    expect(t.longest_gap < COVEY_SEC, "%d ticks of 10 ms in %lld ms; the longest gap was %.1f ms",
           t.ticks, (long long)ms, (double)t.longest_gap / COVEY_MS);
    err = err < 0 ? err : failed;
    return err < 0 ? err : stopped;
}

static int tour(covey_ctx *ctx, void *arg)
{
    (void)arg;
    int err = tick_among(ctx, call_sleep, "sleep in libc");
    return err == 0 ? tick_among(ctx, compute, "compute") : err;
}

int main(int argc, char **argv)
{
    example_options(argc, argv, "Ticks while other tasks block and spin.", NULL, 0);
    return example_result(covey_run(tour, NULL));
}
