/* SPDX-License-Identifier: MIT
 * lock_order_test.c - transfers around a ring of accounts, each locking source, then target: all of
 * them at once form a cycle. */
#include "explore.h"

#define ACCOUNTS 3

struct bank {
    covey_mutex locks[ACCOUNTS];
    int balances[ACCOUNTS];
    bool is_ordered;
};

struct transfer {
    struct bank *bank;
    int from, to;
};

static int transfer(covey_ctx *ctx, void *arg)
{
    struct transfer *t = arg;
    struct bank *b = t->bank;
    bool is_swapped = b->is_ordered && t->to < t->from;
    int first = is_swapped ? t->to : t->from;
    int second = is_swapped ? t->from : t->to;

    (void)ctx;
    covey_mutex_lock(&b->locks[first]);
    covey_mutex_lock(&b->locks[second]);
    b->balances[t->from]--;
    b->balances[t->to]++;
    covey_mutex_unlock(&b->locks[second]);
    covey_mutex_unlock(&b->locks[first]);
    return 0;
}

static int transfer_around(covey_ctx *ctx, bool is_ordered)
{
    struct bank b = {.is_ordered = is_ordered};
    covey_group *g = covey_group_new(ctx);

    for (int i = 0; i < ACCOUNTS; i++) {
        struct transfer t = {&b, i, (i + 1) % ACCOUNTS};
        (void)covey_group_go_copy(g, transfer, &t, sizeof(t));
    }
    int code = covey_group_wait(g);
    COVEY_TEST_CHECK(b.balances[0] == 0 && b.balances[1] == 0 && b.balances[2] == 0);
    return code;
}

static int broken(covey_ctx *ctx, void *arg)
{
    (void)arg;
    return transfer_around(ctx, false);
}

static int corrected(covey_ctx *ctx, void *arg)
{
    (void)arg;
    return transfer_around(ctx, true);
}

BUG(lock_order, COVEY_TEST_DEADLOCK, 2000)
