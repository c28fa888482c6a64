/* SPDX-License-Identifier: MIT
 * queue.c - rows 8 and 9: producers and consumers of numbers over one buffered channel. The figure
 * is the time an item; the sum of what was consumed is checked. */
#include "bench.h"

#include <stdatomic.h>

struct queue {
    covey_chan *ch;
    int64_t items_each; /* of one producer */
    _Atomic int64_t sum;
    covey_waitgroup producing;
};

static int produce(covey_ctx *ctx, void *arg)
{
    struct queue *q = arg;
    for (int64_t i = 1; i <= q->items_each; i++) {
        BENCH_CHECK(covey_chan_send(ctx, q->ch, &i) == 0);
    }
    covey_waitgroup_done(&q->producing);
    return 0;
}

static int consume(covey_ctx *ctx, void *arg)
{
    struct queue *q = arg;
    int64_t item, sum = 0;
    while (covey_chan_recv(ctx, q->ch, &item) == 0) {
        sum += item;
    }
    atomic_fetch_add(&q->sum, sum);
    return 0;
}

static void run_queue(covey_ctx *ctx, int64_t producers, int64_t consumers, int64_t capacity,
                      int64_t items)
{
    struct queue q = {.ch = covey_chan_new(sizeof(int64_t), (size_t)capacity),
                      .items_each = items / producers};
    BENCH_CHECK(q.ch != NULL);
    covey_group *g = covey_group_new(ctx);
    covey_waitgroup_add(&q.producing, (int)producers);
    for (int64_t i = 0; i < producers; i++) {
        bench_go(g, produce, &q);
    }
    for (int64_t i = 0; i < consumers; i++) {
        bench_go(g, consume, &q);
    }
    BENCH_CHECK(covey_waitgroup_wait(ctx, &q.producing) == 0);
    BENCH_CHECK(covey_chan_close(q.ch) == 0);
    BENCH_CHECK(covey_group_wait(g) == 0);
    BENCH_CHECK(q.sum == producers * (q.items_each * (q.items_each + 1) / 2));
    covey_chan_unref(q.ch);
}

static int measure_queue(covey_ctx *ctx, void *arg)
{
    int64_t producers = bench_number(arg, 0, 1), consumers = bench_number(arg, 1, 1);
    int64_t capacity = bench_number(arg, 2, 100), items = bench_number(arg, 3, 10000000);
    run_queue(ctx, producers, consumers, capacity, items / 10);

    struct bench_span s = bench_span_start();
    run_queue(ctx, producers, consumers, capacity, items);
    bench_span_end(&s);
    bench_print_span("queue", &s, items);
    return 0;
}

int main(int argc, char **argv)
{
    return bench_start(argc, argv, measure_queue);
}
