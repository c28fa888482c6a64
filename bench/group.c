/* SPDX-License-Identifier: MIT
 * group.c - row 15: open a group with a context of its own, start ten tasks in it, join it. The
 * figure is a whole group's. */
#include "bench.h"

enum { TASKS = 10 };

static int mark_done(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    *(int *)arg += 1;
    return 0;
}

static void run_groups(covey_ctx *ctx, int64_t groups)
{
    for (int64_t n = 0; n < groups; n++) {
        int done[TASKS] = {0};
        covey_group *g = covey_group_new(ctx);
        for (int i = 0; i < TASKS; i++) {
            bench_go(g, mark_done, &done[i]);
        }
        BENCH_CHECK(covey_group_wait(g) == 0);
        for (int i = 0; i < TASKS; i++) {
            BENCH_CHECK(done[i] == 1);
        }
    }
}

static int measure_group(covey_ctx *ctx, void *arg)
{
    int64_t groups = bench_number(arg, 0, 100000);
    run_groups(ctx, groups / 10);

    struct bench_span s = bench_span_start();
    run_groups(ctx, groups);
    bench_span_end(&s);
    bench_print_span("group", &s, groups);
    return 0;
}

int main(int argc, char **argv)
{
    return bench_start(argc, argv, measure_group);
}
