/* SPDX-License-Identifier: MIT
 * skynet.c - row 12: a tree of tasks, ten wide. A leaf sends its number to its parent, a node the
 * sum of what its children sent. After github.com/atemerev/skynet. The figure is the whole tree's.
 *
 * Tasks of one group, as Go's are of none. A child holds a reference to its parent's channel, since
 * the parent may be gone before the child's send returned; Go's collector stands for that. */
#include "bench.h"

enum { WIDTH = 10 };

struct node {
    covey_group *g;
    covey_chan *up; /* shares a reference */
    int64_t first, leaves;
};

static int run_node(covey_ctx *ctx, void *arg)
{
    struct node *n = arg;
    int64_t sum = n->first;
    if (n->leaves > 1) {
        covey_chan *down = covey_chan_new(sizeof(int64_t), 0);
        BENCH_CHECK(down != NULL);
        int64_t each = n->leaves / WIDTH;
        for (int i = 0; i < WIDTH; i++) {
            struct node child = {n->g, covey_chan_ref(down), n->first + i * each, each};
            BENCH_CHECK(covey_group_go_copy(n->g, run_node, &child, sizeof child) == 0);
        }
        sum = 0;
        for (int i = 0; i < WIDTH; i++) {
            int64_t part;
            BENCH_CHECK(covey_chan_recv(ctx, down, &part) == 0);
            sum += part;
        }
        covey_chan_unref(down);
    }
    BENCH_CHECK(covey_chan_send(ctx, n->up, &sum) == 0);
    covey_chan_unref(n->up);
    return 0;
}

static void run_tree(covey_ctx *ctx, int64_t leaves)
{
    covey_group *g = covey_group_new(ctx);
    covey_chan *result = covey_chan_new(sizeof(int64_t), 0);
    BENCH_CHECK(result != NULL);
    struct node root = {g, covey_chan_ref(result), 0, leaves};
    bench_go(g, run_node, &root);
    int64_t sum = -1;
    BENCH_CHECK(covey_chan_recv(ctx, result, &sum) == 0);
    BENCH_CHECK(sum == leaves * (leaves - 1) / 2);
    BENCH_CHECK(covey_group_wait(g) == 0);
    covey_chan_unref(result);
}

static int measure_skynet(covey_ctx *ctx, void *arg)
{
    int64_t leaves = bench_number(arg, 0, 1000000);
    run_tree(ctx, leaves / WIDTH);

    struct bench_span s = bench_span_start();
    run_tree(ctx, leaves);
    bench_span_end(&s);
    bench_print("skynet", (double)s.wall_ns / COVEY_MS, "ms");
    bench_print("skynet_cpu", (double)s.cpu_ns / COVEY_MS, "ms");
    return 0;
}

int main(int argc, char **argv)
{
    return bench_start(argc, argv, measure_skynet);
}
