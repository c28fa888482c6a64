/* SPDX-License-Identifier: MIT
 * sleep.c - row 14: many tasks, each of which sleeps once, 1 to 50 ms. The figure is the processor
 * time of a round, kernel included: most of the elapsed time is the sleeping. A full round warms
 * up, so the stacks' first touch is counted on neither side. */
#include "bench.h"

#include <stdatomic.h>

enum { MS_MAX = 50 };

static _Atomic int64_t awake_ms; /* the sum of what was slept */

static int sleep_once(covey_ctx *ctx, void *arg)
{
    int64_t ms = (int64_t)(intptr_t)arg;
    BENCH_CHECK(covey_sleep(ctx, ms * COVEY_MS) == 0);
    atomic_fetch_add_explicit(&awake_ms, ms, memory_order_relaxed);
    return 0;
}

static void run_round(covey_ctx *ctx, int64_t tasks)
{
    int64_t expected = 0, started = covey_now();
    awake_ms = 0;
    covey_group *g = covey_group_new(ctx);
    for (int64_t i = 0; i < tasks; i++) {
        int64_t ms = 1 + i * 7919 % MS_MAX;
        expected += ms;
        bench_go(g, sleep_once, (void *)(intptr_t)ms);
    }
    BENCH_CHECK(covey_group_wait(g) == 0);
    BENCH_CHECK(awake_ms == expected);
    BENCH_CHECK(covey_now() - started >= MS_MAX * COVEY_MS);
}

static int measure_sleep(covey_ctx *ctx, void *arg)
{
    int64_t tasks = bench_number(arg, 0, 100000), rounds = bench_number(arg, 1, 5);
    run_round(ctx, tasks);

    struct bench_span s = bench_span_start();
    for (int64_t i = 0; i < rounds; i++) {
        run_round(ctx, tasks);
    }
    bench_span_end(&s);
    bench_print("sleep_cpu", (double)s.cpu_ns / (double)rounds / COVEY_MS, "ms");
    bench_print("sleep", (double)s.wall_ns / (double)rounds / COVEY_MS, "ms");
    return 0;
}

int main(int argc, char **argv)
{
    return bench_start(argc, argv, measure_sleep);
}
