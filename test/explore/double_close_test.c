/* SPDX-License-Identifier: MIT
 * double_close_test.c - the last of several producers closes the channel; "the last" is found out
 * in two steps, so two of them may be it. */
#include "explore.h"

struct feed {
    covey_chan *ch;
    covey_mutex mutex;
    int alive;
};

static int leave_in_two_steps(struct feed *f)
{
    covey_mutex_lock(&f->mutex);
    f->alive--;
    covey_mutex_unlock(&f->mutex);
    covey_mutex_lock(&f->mutex);
    bool is_last = f->alive == 0;
    covey_mutex_unlock(&f->mutex);
    return is_last ? covey_chan_close(f->ch) : 0;
}

static int leave(struct feed *f)
{
    covey_mutex_lock(&f->mutex);
    bool is_last = --f->alive == 0;
    covey_mutex_unlock(&f->mutex);
    return is_last ? covey_chan_close(f->ch) : 0;
}

static int produce_and_close_twice(covey_ctx *ctx, void *arg)
{
    struct feed *f = arg;
    (void)covey_chan_send(ctx, f->ch, NULL);
    return leave_in_two_steps(f);
}

static int produce(covey_ctx *ctx, void *arg)
{
    struct feed *f = arg;
    (void)covey_chan_send(ctx, f->ch, NULL);
    return leave(f);
}

static int consume_all(covey_ctx *ctx, covey_fn *producer)
{
    struct feed f = {.ch = covey_chan_new(0, 1), .alive = 2};
    covey_group *g = covey_group_new(ctx);
    int received = 0;

    (void)covey_group_go(g, producer, &f);
    (void)covey_group_go(g, producer, &f);
    while (covey_chan_recv(NULL, f.ch, NULL) == 0) {
        received++;
    }
    int code = covey_group_wait(g);
    covey_chan_unref(f.ch);
    COVEY_TEST_CHECK(received == 2);
    return code;
}

static int broken(covey_ctx *ctx, void *arg)
{
    (void)arg;
    return consume_all(ctx, produce_and_close_twice);
}

static int corrected(covey_ctx *ctx, void *arg)
{
    (void)arg;
    return consume_all(ctx, produce);
}

BUG(double_close, COVEY_TEST_FAILED, 300)
