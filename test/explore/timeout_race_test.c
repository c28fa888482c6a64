/* SPDX-License-Identifier: MIT
 * timeout_race_test.c - a payment is given up after 10 s. That it was given up is taken to mean
 * that it was not made; but it may be made in the very instant. */
#include "explore.h"

enum state { PENDING, PAID, GIVEN_UP };

struct payment {
    covey_chan *done;
    covey_mutex mutex;
    enum state state; /* corrected: who moves it from PENDING decides */
    bool asks_state;
    bool is_paid, is_refunded;
};

static bool move_to(struct payment *p, enum state state)
{
    if (!p->asks_state) {
        return true;
    }
    covey_mutex_lock(&p->mutex);
    bool is_first = p->state == PENDING;
    if (is_first) {
        p->state = state;
    }
    covey_mutex_unlock(&p->mutex);
    return is_first;
}

static int pay(covey_ctx *ctx, void *arg)
{
    struct payment *p = arg;
    int code = covey_sleep(ctx, (8 + covey_test_choose(4)) * COVEY_SEC);

    if (code == 0 && move_to(p, PAID)) {
        p->is_paid = true;
        code = covey_chan_send(NULL, p->done, NULL);
    }
    return code;
}

static int order(covey_ctx *ctx, bool asks_state)
{
    struct payment p = {.done = covey_chan_new(0, 1), .asks_state = asks_state};
    covey_group *g = covey_group_new(ctx);

    (void)covey_group_go(g, pay, &p);
    int which = covey_select(ctx, COVEY_RECV(p.done, NULL), COVEY_AFTER(10 * COVEY_SEC));
    if (which == 1 && move_to(&p, GIVEN_UP)) {
        p.is_refunded = true;
        covey_group_cancel(g, 0);
    }
    (void)covey_group_wait(g);
    covey_chan_unref(p.done);
    COVEY_TEST_CHECK(p.is_paid || p.is_refunded);
    return p.is_paid && p.is_refunded ? covey_errorf(-EINVAL, "paid and refunded") : 0;
}

static int broken(covey_ctx *ctx, void *arg)
{
    (void)arg;
    return order(ctx, false);
}

static int corrected(covey_ctx *ctx, void *arg)
{
    (void)arg;
    return order(ctx, true);
}

BUG(timeout_race, COVEY_TEST_FAILED, 200)
