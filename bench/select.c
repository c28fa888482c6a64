/* SPDX-License-Identifier: MIT
 * select.c - row 10: one task selects over four unbuffered channels, each fed by a producer. The
 * figure is the time an item; what came from each channel is counted and summed. */
#include "bench.h"

enum { FEEDS = 4 };

struct feed {
    covey_chan *ch;
    int64_t items, received, sum;
};

static int produce(covey_ctx *ctx, void *arg)
{
    struct feed *f = arg;
    for (int64_t i = 1; i <= f->items; i++) {
        BENCH_CHECK(covey_chan_send(ctx, f->ch, &i) == 0);
    }
    return 0;
}

static void run_select(covey_ctx *ctx, int64_t items)
{
    struct feed f[FEEDS];
    covey_group *g = covey_group_new(ctx);
    for (int i = 0; i < FEEDS; i++) {
        f[i] = (struct feed){.ch = covey_chan_new(sizeof(int64_t), 0), .items = items / FEEDS};
        BENCH_CHECK(f[i].ch != NULL);
        bench_go(g, produce, &f[i]);
    }
    for (int64_t n = 0; n < FEEDS * (items / FEEDS); n++) {
        int64_t v;
        int i = covey_select(ctx, COVEY_RECV(f[0].ch, &v), COVEY_RECV(f[1].ch, &v),
                             COVEY_RECV(f[2].ch, &v), COVEY_RECV(f[3].ch, &v));
        BENCH_CHECK(i >= 0);
        f[i].received++;
        f[i].sum += v;
    }
    BENCH_CHECK(covey_group_wait(g) == 0);
    for (int i = 0; i < FEEDS; i++) {
        BENCH_CHECK(f[i].received == f[i].items && f[i].sum == f[i].items * (f[i].items + 1) / 2);
        covey_chan_unref(f[i].ch);
    }
}

static int measure_select(covey_ctx *ctx, void *arg)
{
    int64_t items = bench_number(arg, 0, 2000000);
    run_select(ctx, items / 10);

    struct bench_span s = bench_span_start();
    run_select(ctx, items);
    bench_span_end(&s);
    bench_print_span("select", &s, items);
    return 0;
}

int main(int argc, char **argv)
{
    return bench_start(argc, argv, measure_select);
}
