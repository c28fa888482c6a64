/* SPDX-License-Identifier: MIT
 * ring.c - row 11: one token goes round a ring of tasks, each of which receives it from its left
 * and sends it to its right over unbuffered channels. Only one task is ever ready: what is measured
 * is the wake-up of a task that is no longer in the cache. The time is a hop's; the ring stands
 * before it starts. */
#include "bench.h"

struct place {
    covey_chan *left, *right, *arrived;
    bool is_last;
};

/* The token is the number of hops it still has to make. */
static int pass_on(covey_ctx *ctx, void *arg)
{
    struct place *p = arg;
    int64_t token;
    while (covey_chan_recv(ctx, p->left, &token) == 0) {
        token--;
        BENCH_CHECK(covey_chan_send(ctx, token == 0 ? p->arrived : p->right, &token) == 0);
    }
    return p->is_last ? 0 : covey_chan_close(p->right);
}

static void send_round(covey_ctx *ctx, struct place *first, int64_t hops)
{
    BENCH_CHECK(covey_chan_send(ctx, first->left, &hops) == 0);
    BENCH_CHECK(covey_chan_recv(ctx, first->arrived, &hops) == 0);
    BENCH_CHECK(hops == 0);
}

static int measure_ring(covey_ctx *ctx, void *arg)
{
    int64_t tasks = bench_number(arg, 0, 10000), hops = bench_number(arg, 1, 1000000);
    struct place *ring = calloc((size_t)tasks, sizeof *ring);
    covey_chan *arrived = covey_chan_new(sizeof(int64_t), 0);
    BENCH_CHECK(ring != NULL && arrived != NULL);
    for (int64_t i = 0; i < tasks; i++) {
        ring[i].left = covey_chan_new(sizeof(int64_t), 0);
        BENCH_CHECK(ring[i].left != NULL);
        ring[i].arrived = arrived;
    }
    covey_group *g = covey_group_new(ctx);
    for (int64_t i = 0; i < tasks; i++) {
        ring[i].right = ring[(i + 1) % tasks].left;
        ring[i].is_last = i == tasks - 1;
        bench_go(g, pass_on, &ring[i]);
    }
    send_round(ctx, ring, hops / 10);

    struct bench_span s = bench_span_start();
    send_round(ctx, ring, hops);
    bench_span_end(&s);
    bench_print_span("ring", &s, hops);

    BENCH_CHECK(covey_chan_close(ring[0].left) == 0);
    BENCH_CHECK(covey_group_wait(g) == 0);
    for (int64_t i = 0; i < tasks; i++) {
        covey_chan_unref(ring[i].left);
    }
    covey_chan_unref(arrived);
    free(ring);
    return 0;
}

int main(int argc, char **argv)
{
    return bench_start(argc, argv, measure_ring);
}
