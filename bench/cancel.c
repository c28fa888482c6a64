/* SPDX-License-Identifier: MIT
 * cancel.c - row 16: cancel a group whose tasks all wait, until the last is joined; the best of the
 * rounds. "ctx": they wait for the context alone, as in Go for ctx.Done(); "recv": they receive
 * under it from a channel that nobody sends to. */
#include "bench.h"

struct crowd {
    covey_waitgroup started;
    covey_chan *silent; /* NULL: wait for the context alone */
};

static int wait_for_end(covey_ctx *ctx, void *arg)
{
    struct crowd *c = arg;
    covey_waitgroup_done(&c->started);
    int code =
        c->silent != NULL ? covey_chan_recv(ctx, c->silent, NULL) : covey_select_n(ctx, NULL, 0);
    return code == COVEY_ECANCELED ? 0 : -EINVAL;
}

static void run_round(covey_ctx *ctx, int64_t tasks, bool receives, struct bench_span *best)
{
    struct crowd c = {.silent = receives ? covey_chan_new(0, 0) : NULL};
    covey_group *g = covey_group_new(ctx);
    covey_waitgroup_add(&c.started, (int)tasks);
    for (int64_t i = 0; i < tasks; i++) {
        bench_go(g, wait_for_end, &c);
    }
    BENCH_CHECK(covey_waitgroup_wait(ctx, &c.started) == 0);
    BENCH_CHECK(covey_sleep(ctx, 2 * COVEY_MS) == 0); /* the last ones park */

    struct bench_span s = bench_span_start();
    covey_group_cancel(g, 0);
    BENCH_CHECK(covey_group_wait(g) == 0);
    bench_span_end(&s);
    if (s.wall_ns < best->wall_ns) {
        *best = s;
    }
    covey_chan_unref(c.silent);
}

static int measure_cancel(covey_ctx *ctx, void *arg)
{
    int64_t tasks = bench_number(arg, 0, 10000), rounds = bench_number(arg, 1, 10);
    bool receives = strcmp(bench_word(arg, 2, "ctx"), "recv") == 0;
    struct bench_span best = {INT64_MAX, 0};
    run_round(ctx, tasks / 10, receives, &best);
    best.wall_ns = INT64_MAX;

    for (int64_t i = 0; i < rounds; i++) {
        run_round(ctx, tasks, receives, &best);
    }
    bench_print("cancel", (double)best.wall_ns / COVEY_MS, "ms");
    bench_print("cancel_cpu", (double)best.cpu_ns / COVEY_MS, "ms");
    return 0;
}

int main(int argc, char **argv)
{
    return bench_start(argc, argv, measure_cancel);
}
