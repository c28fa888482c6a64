/* SPDX-License-Identifier: MIT
 * mutex.c - row 13: tasks lock, increment one counter, unlock. With one worker the lock is almost
 * never contended, which is its common case; with two it always is. */
#include "bench.h"

struct shared {
    covey_mutex m;
    int64_t rounds, counter;
};

static int increment(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    struct shared *s = arg;
    for (int64_t i = 0; i < s->rounds; i++) {
        covey_mutex_lock(&s->m);
        s->counter++;
        covey_mutex_unlock(&s->m);
    }
    return 0;
}

static void run_tasks(covey_ctx *ctx, int64_t tasks, int64_t rounds)
{
    struct shared s = {.rounds = rounds};
    covey_group *g = covey_group_new(ctx);
    for (int64_t i = 0; i < tasks; i++) {
        bench_go(g, increment, &s);
    }
    BENCH_CHECK(covey_group_wait(g) == 0);
    BENCH_CHECK(s.counter == tasks * rounds);
}

static int measure_mutex(covey_ctx *ctx, void *arg)
{
    int64_t tasks = bench_number(arg, 0, 8), rounds = bench_number(arg, 1, 1000000);
    run_tasks(ctx, tasks, rounds / 10);

    struct bench_span s = bench_span_start();
    run_tasks(ctx, tasks, rounds);
    bench_span_end(&s);
    bench_print_span("mutex", &s, tasks * rounds);
    return 0;
}

int main(int argc, char **argv)
{
    return bench_start(argc, argv, measure_mutex);
}
