/* SPDX-License-Identifier: MIT
 * subscribe_test.c - messages as they come, over a server's restart, under slow receivers, and at
 * the end. */
#include "server.h"

#include <covey/redis.h>

static const covey_backoff patient = {
    .base_ns = COVEY_MS, .cap_ns = 20 * COVEY_MS, .max_tries = COVEY_RETRY_UNLIMITED};

static covey_redis_subscription *subscribe(covey_ctx *ctx, covey_redis *r, const char *channel)
{
    covey_redis_subscription *s = NULL;

    OK(covey_redis_subscribe(ctx, r, &s, &channel, 1, NULL));
    return s;
}

static covey_redis_message *next(covey_ctx *ctx, covey_redis_subscription *s)
{
    covey_redis_message *m = NULL;

    OK(covey_chan_recv(ctx, covey_redis_messages(s), &m));
    return m;
}

static void check_next(covey_ctx *ctx, covey_redis_subscription *s, const char *data)
{
    covey_redis_message *m = next(ctx, s);

    CHECK_EQ(m->kind, COVEY_REDIS_MESSAGE);
    CHECK_STR(m->data, data);
    CHECK_EQ(m->len, strlen(data));
    covey_redis_message_free(m);
}

REDIS_TEST(messages_come_in_order)
{
    covey_redis_subscription *sub = subscribe(ctx, r, "news");

    for (int i = 0; i < 50; i++) {
        CHECK_EQ(ask(ctx, r, "PUBLISH news %d", i), 1);
    }
    for (int i = 0; i < 50; i++) {
        char data[16];
        (void)snprintf(data, sizeof(data), "%d", i);
        check_next(ctx, sub, data);
    }
    CHECK_EQ(stats_of(r).subscriptions, 1);
    covey_redis_unsubscribe(sub);
}

REDIS_TEST(a_pattern_says_what_it_matched)
{
    const char *patterns[] = {"orders.*", "users.*"};
    covey_redis_subscribe_options opts = {.patterns = true};
    covey_redis_subscription *sub = NULL;

    OK(covey_redis_subscribe(ctx, r, &sub, patterns, 2, &opts));
    CHECK_EQ(ask(ctx, r, "PUBLISH users.7 %b", "a\0b", (size_t)3), 1);
    covey_redis_message *m = next(ctx, sub);
    CHECK_STR(m->pattern, "users.*");
    CHECK_STR(m->channel, "users.7");
    CHECK_EQ(m->channel_len, 7);
    CHECK_EQ(m->len, 3);
    CHECK_EQ(memcmp(m->data, "a\0b", 4), 0);
    covey_redis_message_free(m);
    covey_redis_unsubscribe(sub);
    CHECK_EQ(covey_redis_subscribe(ctx, r, &sub, patterns, 0, NULL), -EINVAL);
}

REDIS_TEST_WITH(a_restart_of_the_server_shows_as_a_gap, .reconnect = patient)
{
    covey_redis_subscription *sub = subscribe(ctx, r, "news");

    OK(covey_redis_command(ctx, r, NULL, "PUBLISH news before"));
    check_next(ctx, sub, "before");
    for (int i = 0; i < 2; i++) {
        server_kill(s);
        while (stats_of(r).connections > 0) {
            covey_yield(); /* so that no command below is sent to nobody */
        }
        server_start(s);
        covey_redis_message *m = next(ctx, sub);
        CHECK_EQ(m->kind, COVEY_REDIS_GAP);
        CHECK_STR(m->data, "");
        covey_redis_message_free(m);
        CHECK_EQ(ask(ctx, r, "PUBLISH news after"), 1); /* the gap ends when it is subscribed */
        check_next(ctx, sub, "after");
    }
    covey_redis_unsubscribe(sub);
}

REDIS_TEST_WITH(a_server_that_falls_silent_is_noticed, .reconnect = patient,
                .connect_timeout_ns = COVEY_SEC)
{
    const char *channel = "news";
    covey_redis_subscribe_options opts = {.keepalive_ns = COVEY_SEC};
    covey_redis_subscription *sub = NULL;

    OK(covey_redis_subscribe(ctx, r, &sub, &channel, 1, &opts));
    covey_ctx *while_well = covey_ctx_with_timeout(ctx, 2400 * COVEY_MS);
    CHECK_EQ(covey_chan_recv(while_well, covey_redis_messages(sub), NULL), COVEY_EDEADLINE);
    covey_ctx_unref(while_well);
    CHECK_EQ(stats_of(r).lost, 0); /* its PINGs were answered */
    server_signal(s, SIGSTOP);
    while (stats_of(r).lost == 0) {
        OK(covey_sleep(ctx, COVEY_MS)); /* sleeps: the loss is seen by time alone */
    }
    server_signal(s, SIGCONT);
    covey_redis_message *m = next(ctx, sub);
    CHECK_EQ(m->kind, COVEY_REDIS_GAP);
    covey_redis_message_free(m);
    covey_redis_unsubscribe(sub);
}

REDIS_TEST(a_slow_receiver_holds_up_its_own_subscription_alone)
{
    const char *channel = "news";
    covey_redis_subscribe_options opts = {.capacity = 2};
    covey_redis_subscription *slow = NULL, *quick = subscribe(ctx, r, channel);

    OK(covey_redis_subscribe(ctx, r, &slow, &channel, 1, &opts));
    for (int i = 0; i < 30; i++) {
        OK(covey_redis_command(ctx, r, NULL, "PUBLISH news %d", i));
    }
    for (int i = 0; i < 30; i++) {
        covey_redis_message_free(next(ctx, quick));
    }
    CHECK_EQ(covey_chan_len(covey_redis_messages(slow)), 2);
    check_next(ctx, slow, "0");
    covey_redis_unsubscribe(slow); /* with messages in it, and a sender that waits */
    covey_redis_unsubscribe(quick);
    covey_redis_unsubscribe(NULL);
}

static int receive(covey_ctx *ctx, void *arg)
{
    covey_redis_message *m = NULL;

    CHECK_EQ(covey_chan_recv(ctx, covey_redis_messages(arg), &m), COVEY_ECLOSED);
    CHECK(!m);
    return 0;
}

static int close_under_receiver(covey_ctx *ctx, void *arg)
{
    const struct server *s = arg;
    covey_group *g = covey_group_new(ctx);
    covey_redis *r;

    OK(covey_redis_open(ctx, &r, s->url, NULL));
    covey_redis_subscription *sub = subscribe(ctx, r, "news");
    go_waiting(g, "receive", receive, sub);
    covey_redis_close(r);
    JOIN(g);
    covey_redis_unsubscribe(sub);
    return 0;
}

TEST(a_close_of_the_handle_closes_the_channel)
{
    struct server s = {0};

    server_start(&s);
    int fds = count_fds();
    CHECK_EQ(covey_run(close_under_receiver, &s), 0);
    CHECK_EQ(count_fds(), fds);
    server_end(&s);
}

struct kept {
    struct server server;
    covey_redis *r;
    covey_redis_subscription *sub;
};

static int leave_subscribed(covey_ctx *ctx, void *arg)
{
    struct kept *k = arg;

    OK(covey_redis_open(ctx, &k->r, k->server.url, NULL));
    k->sub = subscribe(ctx, k->r, "news");
    OK(covey_redis_command(ctx, k->r, NULL, "PUBLISH news unread"));
    return 0;
}

TEST(the_runtimes_end_closes_the_channel)
{
    struct kept k = {0};

    server_start(&k.server);
    CHECK_EQ(covey_run(leave_subscribed, &k), 0);
    covey_redis_close(k.r);
    covey_redis_unsubscribe(k.sub);
    server_end(&k.server);
}
