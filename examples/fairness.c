/* SPDX-License-Identifier: MIT
 * fairness.c - a task that blocks or spins in plain C holds up only itself.
 *
 * One task ticks every 10 ms. Beside it, on every worker, a task calls sleep(1) of libc, which
 * covey cannot see; then, on every worker, a task computes for a second without a call into covey.
 * Their workers' queues move to other threads after about 10 ms, and the ticks go on. None of them
 * ends before it has seen one: with the worker held up it never would. The longest gap between two
 * ticks is printed and not judged. */
#include "example.h"

#include <time.h>
#include <unistd.h>

enum { SECONDS_MAX = 20 };

static atomic_int ticks, alone; /* alone: hogs that saw no tick */

static void call_sleep(void)
{
    sleep(1);
}

static void compute(void)
{
    struct timespec start, now;

    clock_gettime(CLOCK_MONOTONIC, &start);
    do {
        clock_gettime(CLOCK_MONOTONIC, &now);
    } while (now.tv_sec - start.tv_sec + (now.tv_nsec - start.tv_nsec) / 1e9 < 1.0);
}

struct hog {
    void (*pass_a_second)(void);
};

static int run_hog(covey_ctx *ctx, void *arg)
{
    const struct hog *h = arg;
    int before = atomic_load(&ticks), seconds = 0;

    (void)ctx;
    do {
        h->pass_a_second();
    } while (atomic_load(&ticks) == before && ++seconds < SECONDS_MAX);
    atomic_fetch_add(&alone, seconds == SECONDS_MAX);
    return 0;
}

/* Starts one hog for each worker, and ticks until the last has ended. */
static int tick_among(covey_ctx *ctx, struct hog hog, const char *what)
{
    covey_group *hogs = covey_group_new(ctx);
    int which = 0, before = atomic_load(&ticks);
    int64_t start = covey_now(), last = start, longest = 0;

    if (!hogs) {
        return -ENOMEM;
    }
    for (int i = 0; i < covey_workers() && which == 0; i++) {
        which = covey_group_go(hogs, run_hog, &hog);
    }
    while (which >= 0) {
        which = covey_select(ctx, COVEY_JOINED(hogs), COVEY_AFTER(10 * COVEY_MS));
        if (which == 0) {
            break;
        }
        int64_t now = covey_now();
        longest = now - last > longest ? now - last : longest;
        last = now;
        atomic_fetch_add(&ticks, 1);
    }
    int failed = covey_group_wait(hogs);

    printf("%d tasks that %s for a second:\n", covey_workers(), what);
    expect(atomic_load(&alone) == 0, "%d ticks of 10 ms in %lld ms; the longest gap was %.1f ms",
           atomic_load(&ticks) - before, (long long)example_ms(start), (double)longest / COVEY_MS);
    return which < 0 ? which : failed;
}

static int tour(covey_ctx *ctx, void *arg)
{
    (void)arg;
    int err = tick_among(ctx, (struct hog){call_sleep}, "sleep in libc");
    return err == 0 ? tick_among(ctx, (struct hog){compute}, "compute") : err;
}

int main(int argc, char **argv)
{
    example_options(argc, argv, "Ticks while other tasks block and spin.", NULL, 0);
    return example_result(covey_run(tour, NULL));
}
