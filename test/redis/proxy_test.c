/* SPDX-License-Identifier: MIT
 * proxy_test.c - a real server behind a proxy: contexts that end, and connections that are cut, in
 * every state of a command. Over TLS: tls_test.c. */
#include "proxy.h"

#include <covey/redis.h>

REDIS_TEST(a_command_cancelled_in_any_state_shifts_no_reply)
{
    covey_group *g = covey_group_new(ctx);
    struct proxy p = {.cuts = false};
    covey_redis *far = NULL;

    proxy_start(g, &p, "redis", s->url);
    OK(covey_redis_open(ctx, &far, p.url, NULL));
    for (int n = 0; n < COMMAND; n++) { /* on its way */
        CHECK_EQ(cancel_after(ctx, &p, far, TO_SERVER, n), COVEY_ECANCELED);
        check_well(ctx, far);
    }
    CHECK_EQ(ask(ctx, r, "GET n"), 10 * COMMAND); /* sent, so it took effect */
    for (int n = 0; n < REPLY; n++) {             /* the answer is */
        CHECK_EQ(cancel_after(ctx, &p, far, TO_CLIENT, n), COVEY_ECANCELED);
        check_well(ctx, far);
    }
    CHECK_EQ(atomic_load(&p.connections), 1);
    CHECK_EQ(stats_of(far).abandoned, COMMAND + REPLY);
    covey_redis_close(far);
    proxy_end(g, &p);
}

REDIS_TEST(a_command_cancelled_in_any_state_ends_a_connection_of_ones_own)
{
    covey_group *g = covey_group_new(ctx);
    struct proxy p = {.cuts = false};
    covey_redis *far = NULL, *own = NULL;

    proxy_start(g, &p, "redis", s->url);
    OK(covey_redis_open(ctx, &far, p.url, NULL));
    for (int n = 0; n < COMMAND + REPLY; n += 3) {
        enum way way = n < COMMAND ? TO_SERVER : TO_CLIENT;
        OK(covey_redis_own(ctx, far, &own));
        CHECK_EQ(cancel_after(ctx, &p, own, way, n < COMMAND ? n : n - COMMAND), COVEY_ECANCELED);
        CHECK_EQ(covey_redis_command(ctx, own, NULL, "PING"), -ECONNRESET);
        covey_redis_close(own);
    }
    OK(covey_redis_own(ctx, far, &own));
    check_well(ctx, own);
    covey_redis_close(own);
    covey_redis_close(far);
    proxy_end(g, &p);
}

REDIS_TEST(a_command_cancelled_while_it_is_written_is_written_to_its_end)
{
    covey_group *g = covey_group_new(ctx);
    struct proxy p = {.cuts = false};
    covey_redis *far = NULL;

    proxy_start(g, &p, "redis", s->url);
    OK(covey_redis_open(ctx, &far, p.url, NULL));
    leave_half_sent(ctx, &p, far);
    let_go(&p);
    check_well(ctx, far);
    CHECK_EQ(ask(ctx, r, "STRLEN big"), (int64_t)BIG);
    CHECK_EQ(stats_of(far).connected, 1);
    covey_redis_close(far);
    proxy_end(g, &p);
}

/* What stands in the queue while a large one is written has not been sent. */
REDIS_TEST(a_command_cancelled_before_it_is_sent_has_no_effect)
{
    covey_group *g = covey_group_new(ctx), *calls = covey_group_new(ctx);
    struct proxy p = {.cuts = false};
    struct call c = {0};

    proxy_start(g, &p, "redis", s->url);
    OK(covey_redis_open(ctx, &c.r, p.url, NULL));
    leave_half_sent(ctx, &p, c.r);
    go_waiting(calls, "behind", count_up, &c);
    covey_group_cancel(calls, 0);
    JOIN(calls);
    CHECK_EQ(c.code, COVEY_ECANCELED);
    CHECK_EQ(stats_of(c.r).abandoned, 1);
    let_go(&p);
    check_well(ctx, c.r);
    CHECK_EQ(ask(ctx, r, "EXISTS n"), 0);
    covey_redis_close(c.r);
    proxy_end(g, &p);
}

/* Closed while a write waits for the other side: nobody is left behind. */
REDIS_TEST(a_close_ends_a_write_that_waits)
{
    covey_group *g = covey_group_new(ctx);
    struct proxy p = {.cuts = false};
    covey_redis *far = NULL;

    proxy_start(g, &p, "redis", s->url);
    OK(covey_redis_open(ctx, &far, p.url, NULL));
    leave_half_sent(ctx, &p, far);
    covey_redis_close(far);
    proxy_end(g, &p);
}

REDIS_TEST(a_connection_cut_in_any_state_is_told_and_replaced)
{
    covey_group *g = covey_group_new(ctx);
    struct proxy p = {.cuts = true};
    covey_redis_options opts = {.reconnect = {.base_ns = COVEY_MS, .max_tries = 100}};
    covey_redis *far = NULL;
    struct call c = {0};
    int64_t n = 0;

    proxy_start(g, &p, "redis", s->url);
    OK(covey_redis_open(ctx, &far, p.url, &opts));
    c.r = far;
    for (int at = 0; at < COMMAND + REPLY; at++) {
        enum way way = at < COMMAND ? TO_SERVER : TO_CLIENT;
        stop_after(&p, way, way == TO_SERVER ? at : at - COMMAND);
        CHECK_EQ(count_up(ctx, &c), 0);
        CHECK_EQ(c.code, -ECONNRESET);
        let_go(&p);
        check_well(ctx, far);
        int64_t now = ask(ctx, far, "INCRBY n 0");
        CHECK_EQ(now - n, way == TO_SERVER ? 0 : 10); /* it was not, or was, all there */
        n = now;
    }
    covey_redis_close(far);
    proxy_end(g, &p);
}
