/* SPDX-License-Identifier: MIT
 * switch.c - row 1: two tasks yield to each other.
 *
 * With one worker each yield is a switch to the other task; the warm-up counts how many were and
 * checks it (Go and covey both look at another queue every 61st turn). With two workers each task
 * may have one to itself and find nobody to yield to: switch_turns, the share of yields after which
 * the other one had run, says how often. */
#include "bench.h"

#include <stdatomic.h>

static _Atomic int last;
static _Atomic int64_t turns;

struct yielder {
    int self;
    int64_t yields;
};

static int yield_watched(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    struct yielder *y = arg;
    for (int64_t i = 0; i < y->yields; i++) {
        if (atomic_exchange_explicit(&last, y->self, memory_order_relaxed) != y->self) {
            atomic_fetch_add_explicit(&turns, 1, memory_order_relaxed);
        }
        covey_yield();
    }
    return 0;
}

static int yield_plainly(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    struct yielder *y = arg;
    for (int64_t i = 0; i < y->yields; i++) {
        covey_yield();
    }
    return 0;
}

static void run_pair(covey_ctx *ctx, covey_fn *fn, int64_t yields)
{
    struct yielder pair[2] = {{1, yields}, {2, yields}};
    covey_group *g = covey_group_new(ctx);
    bench_go(g, fn, &pair[0]);
    bench_go(g, fn, &pair[1]);
    BENCH_CHECK(covey_group_wait(g) == 0);
}

static int measure_switch(covey_ctx *ctx, void *arg)
{
    int64_t yields = bench_number(arg, 0, 5000000);
    run_pair(ctx, yield_watched, yields / 10);
    double share = (double)turns / (2.0 * (double)(yields / 10));
    BENCH_CHECK(covey_workers() > 1 || share > 0.9);

    struct bench_span s = bench_span_start();
    run_pair(ctx, yield_plainly, yields);
    bench_span_end(&s);
    bench_print_span("switch", &s, 2 * yields);
    bench_print("switch_turns", share, "share");
    return 0;
}

int main(int argc, char **argv)
{
    return bench_start(argc, argv, measure_switch);
}
