/* SPDX-License-Identifier: MIT
 * park.c - rows 4, 5 and 6: a crowd of tasks parked on one channel.
 *
 * park_create: from the first start until the last task is about to park, a task. park_bytes:
 * resident plus page-table bytes that came with the crowd, a task. park_release: close the channel
 * and join, a task. park_after: memory afterwards, relative to before the crowd came; it is given
 * five seconds, since both sides give memory back late.
 *
 * The warm-up is a crowd of a hundredth: the first touch of memory belongs to what is measured, on
 * both sides. bench/run touches and frees as much just before, so that the host has it. */
#include "bench.h"

struct crowd {
    covey_chan *gate;
    covey_waitgroup started;
};

static int wait_at_gate(covey_ctx *ctx, void *arg)
{
    struct crowd *c = arg;
    covey_waitgroup_done(&c->started);
    return covey_chan_recv(ctx, c->gate, NULL) == COVEY_ECLOSED ? 0 : -EINVAL;
}

struct result {
    struct bench_span create, release;
    int64_t bytes_before, bytes_parked;
};

static void run_crowd(covey_ctx *ctx, int64_t tasks, bool compact, struct result *r)
{
    struct crowd c = {.gate = covey_chan_new(0, 0)};
    BENCH_CHECK(c.gate != NULL);
    covey_task_options options = {.compact = compact};
    covey_group *g = covey_group_new(ctx);
    r->bytes_before = bench_memory();

    r->create = bench_span_start();
    covey_waitgroup_add(&c.started, (int)tasks);
    for (int64_t i = 0; i < tasks; i++) {
        BENCH_CHECK(covey_group_go_with(g, &options, wait_at_gate, &c) == 0);
    }
    BENCH_CHECK(covey_waitgroup_wait(ctx, &c.started) == 0);
    bench_span_end(&r->create);
    r->bytes_parked = bench_memory();

    r->release = bench_span_start();
    BENCH_CHECK(covey_chan_close(c.gate) == 0);
    BENCH_CHECK(covey_group_wait(g) == 0);
    bench_span_end(&r->release);
    covey_chan_unref(c.gate);
}

static int measure_park(covey_ctx *ctx, void *arg)
{
    int64_t tasks = bench_number(arg, 0, 1000000);
    bool compact = strcmp(bench_word(arg, 1, "default"), "compact") == 0;
    struct result r;
    run_crowd(ctx, tasks / 100 + 1, compact, &r);
    run_crowd(ctx, tasks, compact, &r);
    bench_print_span("park_create", &r.create, tasks);
    bench_print("park_bytes", (double)(r.bytes_parked - r.bytes_before) / (double)tasks, "B");
    bench_print_span("park_release", &r.release, tasks);

    int64_t after = bench_memory();
    for (int i = 0; i < 50 && after > r.bytes_before + r.bytes_before / 10; i++) {
        BENCH_CHECK(covey_sleep(ctx, 100 * COVEY_MS) == 0);
        after = bench_memory();
    }
    bench_print("park_after", (double)after / (double)r.bytes_before, "ratio");
    return 0;
}

int main(int argc, char **argv)
{
    return bench_start(argc, argv, measure_park);
}
