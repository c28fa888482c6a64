/* SPDX-License-Identifier: MIT
 * pingpong.c - row 7: a number goes to and fro between two tasks over two unbuffered channels.
 * One round trip is two sends, two receives and two switches.
 *
 * "null" passes no context; "group" passes the group's, so that every call can be cancelled: in Go
 * that takes a select with ctx.Done() at each of the four places. */
#include "bench.h"

struct court {
    covey_chan *ping, *pong;
    int64_t trips;
    bool cancellable;
};

static int run_server(covey_ctx *ctx, void *arg)
{
    struct court *c = arg;
    covey_ctx *under = c->cancellable ? ctx : NULL;
    int64_t ball = -1;
    for (int64_t i = 0; i < c->trips; i++) {
        BENCH_CHECK(covey_chan_send(under, c->ping, &i) == 0);
        BENCH_CHECK(covey_chan_recv(under, c->pong, &ball) == 0);
        BENCH_CHECK(ball == i + 1);
    }
    return covey_chan_close(c->ping);
}

static int run_returner(covey_ctx *ctx, void *arg)
{
    struct court *c = arg;
    covey_ctx *under = c->cancellable ? ctx : NULL;
    int64_t ball;
    while (covey_chan_recv(under, c->ping, &ball) == 0) {
        ball++;
        BENCH_CHECK(covey_chan_send(under, c->pong, &ball) == 0);
    }
    return 0;
}

static void run_match(covey_ctx *ctx, int64_t trips, bool cancellable)
{
    struct court c = {covey_chan_new(sizeof(int64_t), 0), covey_chan_new(sizeof(int64_t), 0), trips,
                      cancellable};
    BENCH_CHECK(c.ping != NULL && c.pong != NULL);
    covey_group *g = covey_group_new(ctx);
    bench_go(g, run_server, &c);
    bench_go(g, run_returner, &c);
    BENCH_CHECK(covey_group_wait(g) == 0);
    covey_chan_unref(c.ping);
    covey_chan_unref(c.pong);
}

static int measure_pingpong(covey_ctx *ctx, void *arg)
{
    int64_t trips = bench_number(arg, 0, 2000000);
    bool cancellable = strcmp(bench_word(arg, 1, "null"), "group") == 0;
    run_match(ctx, trips / 10, cancellable);

    struct bench_span s = bench_span_start();
    run_match(ctx, trips, cancellable);
    bench_span_end(&s);
    bench_print_span("pingpong", &s, trips);
    return 0;
}

int main(int argc, char **argv)
{
    return bench_start(argc, argv, measure_pingpong);
}
