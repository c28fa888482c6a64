/* SPDX-License-Identifier: MIT */
#include "http/transfer.h"

#include "harness.h"

#include <string.h>

static struct cvy_http_transfer *t;

static uint32_t orders(void)
{
    return atomic_load(&t->orders);
}

TEST(an_order_is_pushed_once_until_it_is_taken)
{
    t = cvy_http_transfer_new();
    CHECK(cvy_http_order(t, CVY_HTTP_START));
    CHECK(!cvy_http_order(t, CVY_HTTP_CANCEL));
    CHECK_EQ(orders(), CVY_HTTP_START | CVY_HTTP_CANCEL);
    atomic_store(&t->orders, 0);
    CHECK(cvy_http_order(t, CVY_HTTP_RESUME));
    cvy_http_transfer_free(t);
}

/* The driver takes a bit beside CLOSED to mean that the node is in the inbox, and waits for it. */
TEST(an_order_that_comes_too_late_leaves_no_trace)
{
    t = cvy_http_transfer_new();
    atomic_store(&t->orders, CVY_HTTP_CLOSED);
    CHECK(!cvy_http_order(t, CVY_HTTP_CANCEL));
    CHECK_EQ(orders(), CVY_HTTP_CLOSED);
    cvy_http_transfer_free(t);
}

TEST(a_piece_is_offered_when_the_last_one_is_taken)
{
    uint32_t word = 0;

    t = cvy_http_transfer_new();
    cvy_http_transfer_reset(t);
    t->keep = CVY_HTTP_STREAM;
    cvy_http_offer(t); /* nothing to offer */
    CHECK_EQ(atomic_load(&t->word), 0);
    CHECK_EQ(cvy_http_buffer_append(&t->fill, "one", 3, 100), 0);
    cvy_http_offer(t);
    CHECK_EQ(cvy_http_buffer_append(&t->fill, "two", 3, 100), 0);
    cvy_http_offer(t); /* the task still has "one" */
    CHECK_EQ(cvy_http_await(NULL, t, &word), 0);
    CHECK(word & CVY_HTTP_DATA);
    CHECK(t->full.len == 3 && memcmp(t->full.data, "one", 3) == 0);
    CHECK(cvy_http_taken(t)); /* it asked to be told */
    cvy_http_offer(t);
    CHECK_EQ(cvy_http_await(NULL, t, &word), 0);
    CHECK(t->full.len == 3 && memcmp(t->full.data, "two", 3) == 0);
    CHECK(!cvy_http_taken(t));
    cvy_http_transfer_free(t);
}

static int await_under_short_deadline(covey_ctx *ctx, void *arg)
{
    covey_ctx *timed = covey_ctx_with_timeout(ctx, 5 * COVEY_MS);
    uint32_t word = 0;
    (void)arg;

    CHECK_EQ(cvy_http_await(timed, t, &word), COVEY_EDEADLINE);
    CHECK_EQ(atomic_load(&t->word), 0); /* it does not wait any more */
    cvy_http_publish(t, CVY_HTTP_DATA);
    CHECK_EQ(cvy_http_await(timed, t, &word), COVEY_EDEADLINE); /* data does not excuse it */
    cvy_http_publish(t, CVY_HTTP_DONE);
    CHECK_EQ(cvy_http_await(timed, t, &word), 0); /* what is done is done */
    covey_ctx_unref(timed);
    return 0;
}

TEST(an_await_ends_with_its_context)
{
    t = cvy_http_transfer_new();
    CHECK_EQ(covey_run(await_under_short_deadline, NULL), 0);
    cvy_http_transfer_free(t);
}

static int publish_late(covey_ctx *ctx, void *arg)
{
    (void)arg;
    CHECK_EQ(covey_sleep(ctx, 2 * COVEY_MS), 0); /* sleeps: for the other to wait */
    cvy_http_publish(t, CVY_HTTP_DONE);
    return 0;
}

static int await_another_task(covey_ctx *ctx, void *arg)
{
    covey_group *g = covey_group_new(ctx);
    uint32_t word = 0;
    (void)arg;

    CHECK_EQ(covey_group_go(g, publish_late, NULL), 0);
    CHECK_EQ(cvy_http_await(ctx, t, &word), 0);
    CHECK_EQ(word, CVY_HTTP_DONE);
    CHECK_EQ(covey_chan_len(t->wake), 0); /* the one wake was received */
    return covey_group_wait(g);
}

TEST(a_publish_wakes_who_waits)
{
    t = cvy_http_transfer_new();
    CHECK_EQ(covey_run(await_another_task, NULL), 0);
    cvy_http_transfer_free(t);
}
