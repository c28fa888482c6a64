/* SPDX-License-Identifier: MIT
 * spawn.c - rows 2 and 3: start N empty tasks in a group, then join them; several rounds after one
 * that is not counted. Every task is a real one: none runs inside the call that starts it. */
#include "bench.h"

static int do_nothing(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    return 0;
}

static void run_round(covey_ctx *ctx, int64_t tasks)
{
    covey_group *g = covey_group_new(ctx);
    for (int64_t i = 0; i < tasks; i++) {
        bench_go(g, do_nothing, NULL);
    }
    BENCH_CHECK(covey_group_wait(g) == 0);
}

static int64_t tasks_started(void)
{
    covey_stats stats;
    covey_stats_get(&stats);
    return (int64_t)stats.tasks_started;
}

/* Whether this task is the only one left: the counters are a moment's view and may lag. */
static bool all_have_ended(covey_ctx *ctx)
{
    covey_stats stats;
    covey_stats_get(&stats);
    for (int i = 0; i < 1000 && stats.tasks_ended + 1 != stats.tasks_started; i++) {
        BENCH_CHECK(covey_sleep(ctx, COVEY_MS) == 0);
        covey_stats_get(&stats);
    }
    return stats.tasks_ended + 1 == stats.tasks_started;
}

static int measure_spawn(covey_ctx *ctx, void *arg)
{
    int64_t tasks = bench_number(arg, 0, 100000);
    int64_t rounds = bench_number(arg, 1, 10);
    run_round(ctx, tasks);

    int64_t started = tasks_started();
    struct bench_span s = bench_span_start();
    for (int64_t i = 0; i < rounds; i++) {
        run_round(ctx, tasks);
    }
    bench_span_end(&s);
    BENCH_CHECK(tasks_started() - started == tasks * rounds && all_have_ended(ctx));
    bench_print_span("spawn", &s, tasks * rounds);
    return 0;
}

int main(int argc, char **argv)
{
    return bench_start(argc, argv, measure_spawn);
}
