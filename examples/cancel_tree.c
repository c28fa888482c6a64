/* SPDX-License-Identifier: MIT
 * cancel_tree.c - cancelling a context ends what hangs on it, and nothing else.
 *
 * A tree of contexts under one root, 5 deep and 5 wide: 3,906 in all, with one task waiting on
 * each. One context of every level is cancelled, each with a cause of its own. Exactly the tasks of
 * that context's subtree end, and they see its cause. Values and deadlines come down the tree too.
 */
#include "example.h"

enum { WIDTH = 5, DEPTH = 5, NODES = 1 + 5 + 25 + 125 + 625 + 3125 };

/* The nodes stand in an array, level by level: the children of i are 5 i + 1 to 5 i + 5. */
struct node {
    covey_ctx *ctx;
    covey_chan *ended; /* of struct node *: those whose task has ended */
    int index;
    int cause; /* that its task saw */
};

static struct node nodes[NODES];

static int parent_of(int i)
{
    return (i - 1) / WIDTH;
}

static bool is_in_subtree(int i, int top)
{
    while (i > top) {
        i = parent_of(i);
    }
    return i == top;
}

/* The nodes of level 1 are branches 0 to 4, and all below belong to theirs. */
static int branch_of(int i)
{
    while (i > WIDTH) {
        i = parent_of(i);
    }
    return i - 1;
}

/* Contexts: each branch carries its name; the root has a deadline, branch 2 an earlier one. */

static const char branch_key; /* its address is the key */
static char *branch_names[WIDTH] = {"ash", "beech", "cedar", "date", "elm"};

static covey_ctx *make_branch(covey_ctx *root, int branch, int64_t early)
{
    covey_ctx *named = covey_ctx_with_value(root, &branch_key, branch_names[branch]);
    covey_ctx *ctx =
        branch == 2 ? covey_ctx_with_deadline(named, early) : covey_ctx_with_cancel(named);

    covey_ctx_unref(named); /* ctx keeps what it needs of its parent */
    return ctx;
}

static void make_tree(covey_ctx *ctx, covey_chan *ended, int64_t late, int64_t early)
{
    for (int i = 0; i < NODES; i++) {
        nodes[i] = (struct node){.ended = ended, .index = i};
        if (i == 0) {
            nodes[i].ctx = covey_ctx_with_deadline(ctx, late);
        } else if (i <= WIDTH) {
            nodes[i].ctx = make_branch(nodes[0].ctx, branch_of(i), early);
        } else {
            nodes[i].ctx = covey_ctx_with_cancel(nodes[parent_of(i)].ctx);
        }
    }
}

static void check_inheritance(int64_t late, int64_t early)
{
    int values = 0, deadlines = 0;

    for (int i = 1; i < NODES; i++) {
        int64_t at = 0;
        values += covey_ctx_value(nodes[i].ctx, &branch_key) == branch_names[branch_of(i)];
        deadlines +=
            covey_ctx_deadline(nodes[i].ctx, &at) && at == (branch_of(i) == 2 ? early : late);
    }
    expect(values == NODES - 1, "all %d contexts below the root have their branch's value", values);
    expect(deadlines == NODES - 1, "and the nearest deadline above them");
}

/* Waits for the end of its node's context, and tells. */
static int wait_for_end(covey_ctx *ctx, void *arg)
{
    struct node *node = arg;

    (void)covey_select_n(node->ctx, NULL, 0); /* no case: only the context can end it */
    node->cause = covey_ctx_cause(node->ctx);
    return covey_chan_send(ctx, node->ended, &node);
}

/* Cancels one node and checks who ends. gone: how many nodes ended before. */
static int cancel_node(covey_ctx *ctx, covey_chan *ended, int top, int cause, int *gone)
{
    int expected = 0, right = 0, done = 0;

    for (int i = 0; i < NODES; i++) {
        expected += is_in_subtree(i, top) && covey_ctx_err(nodes[i].ctx) == 0;
    }
    covey_ctx_cancel_cause(nodes[top].ctx, cause);
    for (int i = 0; i < NODES; i++) {
        done += covey_ctx_err(nodes[i].ctx) == COVEY_ECANCELED;
    }
    for (int i = 0; i < expected; i++) {
        struct node *node;
        int err = covey_chan_recv(ctx, ended, &node);
        if (err < 0) {
            return err;
        }
        right += is_in_subtree(node->index, top) && node->cause == cause;
    }
    expect(right == expected, "node %d: its %d task%s ended with the cause \"%s\"", top, expected,
           expected == 1 ? "" : "s", covey_strerror(cause));
    *gone += expected;
    return expect(done == *gone && covey_chan_len(ended) == 0, "the other %d live", NODES - *gone)
               ? 0
               : -EINVAL;
}

static int tour(covey_ctx *ctx, void *arg)
{
    /* One node of each level, from a leaf of branch 0 up to branch 4, and at last the root. */
    static const int tops[] = {781, 156 + 125, 31 + 50, 6 + 15, 5, 0};
    static const int causes[] = {-EIO, -ENOSPC, -ENODEV, -ESTALE, -EPROTO, -ESHUTDOWN};
    int64_t late = covey_now() + 3600 * COVEY_SEC, early = late - 1800 * COVEY_SEC;
    covey_group *g = covey_group_new(ctx);

    (void)arg;
    if (!g) {
        return -ENOMEM;
    }
    covey_chan *ended = covey_chan_new(sizeof(struct node *), NODES);
    int err = ended ? 0 : -ENOMEM, gone = 0;
    printf("%d contexts, %d deep and %d wide:\n", NODES, DEPTH, WIDTH);
    make_tree(ctx, ended, late, early);
    check_inheritance(late, early);
    for (int i = 0; i < NODES && err == 0; i++) {
        err = covey_group_go(g, wait_for_end, &nodes[i]);
    }
    for (size_t i = 0; i < sizeof(tops) / sizeof(tops[0]) && err == 0; i++) {
        err = cancel_node(ctx, ended, tops[i], causes[i], &gone);
    }
    covey_ctx_cancel(nodes[0].ctx); /* so that an error above leaves nobody waiting */
    int failed = covey_group_wait(g);
    for (int i = 0; i < NODES; i++) {
        covey_ctx_unref(nodes[i].ctx);
    }
    covey_chan_unref(ended);
    return err < 0 ? err : failed;
}

int main(int argc, char **argv)
{
    example_options(argc, argv, "Cancels contexts of a tree and shows who ends.", NULL, 0);
    return example_result(covey_run(tour, NULL));
}
