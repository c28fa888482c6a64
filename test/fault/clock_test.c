/* SPDX-License-Identifier: MIT
 * clock_test.c - what a clock that leaps by a year does to everything that counts time, in virtual
 * time; and times that would overflow if they were added to the time that it is. */
#include "harness.h"

#include <covey.h>
#include <covey/http.h>
#include <covey/test.h>

#include <stdio.h>
#include <string.h>

#define HOUR (3600 * COVEY_SEC)
#define YEAR (365 * 24 * HOUR)

/* A test whose body is the first task of a run in virtual time. */
#define LEAP_TEST(test)                                                                            \
    static int body_##test(covey_ctx *ctx, void *arg);                                             \
    TEST(test)                                                                                     \
    {                                                                                              \
        const covey_explore_options over_io = {.jumps_over_io = true};                             \
        CHECK_EQ(covey_test_run_with(&over_io, 1, body_##test, NULL), 0);                          \
    }                                                                                              \
    static int body_##test(__attribute__((unused)) covey_ctx *ctx,                                 \
                           __attribute__((unused)) void *arg)

static void leap(covey_ctx *ctx)
{
    CHECK_EQ(covey_sleep(ctx, YEAR), 0);
}

LEAP_TEST(a_limiter_has_its_burst_and_no_more)
{
    covey_limiter *l = covey_limiter_new(1e9, 5);

    CHECK(covey_limiter_allow(l, 5));
    leap(ctx);
    CHECK(covey_limiter_allow(l, 5));
    CHECK(!covey_limiter_allow(l, 1));
    CHECK_EQ(covey_limiter_wait(ctx, l, 1), 0);
    covey_limiter_free(l);
    return 0;
}

LEAP_TEST(a_budget_has_its_burst_and_no_more)
{
    covey_retry_budget *b =
        covey_retry_budget_new(&(covey_retry_budget_options){.per_second = 1e9, .burst = 2});

    leap(ctx);
    CHECK(covey_retry_budget_take(b) && covey_retry_budget_take(b) && !covey_retry_budget_take(b));
    covey_retry_budget_free(b);
    return 0;
}

LEAP_TEST(a_breaker_forgets_its_window_and_its_tickets)
{
    covey_breaker *b = covey_breaker_new(NULL);
    covey_breaker_stats stats;
    uint64_t ticket;

    for (int i = 0; i < 9; i++) {
        CHECK_EQ(covey_breaker_allow(b, &ticket), 0);
        covey_breaker_report(b, ticket, -EIO);
    }
    CHECK_EQ(covey_breaker_allow(b, &ticket), 0);
    leap(ctx);
    covey_breaker_report(b, ticket, -EIO); /* would have been the tenth */
    covey_breaker_stats_of(b, &stats);
    CHECK(stats.state == COVEY_BREAKER_CLOSED && stats.window_calls == 0 && stats.expired == 1);

    covey_breaker_trip(b);
    leap(ctx);
    CHECK_EQ(covey_breaker_retry_in(b), 0);
    CHECK_EQ(covey_breaker_state_of(b), COVEY_BREAKER_HALF_OPEN);
    covey_breaker_free(b);
    return 0;
}

static int fail_late(covey_ctx *ctx, void *arg)
{
    ++*(int *)arg;
    leap(ctx);
    return -EIO;
}

LEAP_TEST(no_try_follows_one_that_outlasted_its_time)
{
    covey_backoff hour = {.max_elapsed_ns = HOUR};
    int tries = 0;

    CHECK_EQ(covey_retry(ctx, &hour, fail_late, &tries), -EIO);
    CHECK_EQ(tries, 1);
    return 0;
}

LEAP_TEST(a_ticker_keeps_one_tick)
{
    covey_ticker *t = covey_ticker_new(HOUR);
    int64_t at;

    leap(ctx);
    CHECK_EQ(covey_chan_try_recv(covey_ticker_chan(t), &at), 0);
    CHECK_EQ(covey_chan_try_recv(covey_ticker_chan(t), &at), COVEY_EAGAIN);
    covey_ticker_free(t);
    return 0;
}

static int wait_for_end(covey_ctx *ctx, void *arg)
{
    return covey_chan_recv(ctx, arg, NULL);
}

LEAP_TEST(times_beyond_the_end_of_time_never_come)
{
    covey_ctx *endless = covey_ctx_with_timeout(ctx, INT64_MAX);
    covey_ctx *last = covey_ctx_with_deadline(endless, INT64_MAX);
    covey_chan *never = covey_chan_new(0, 0);
    covey_group *g = covey_group_new(last);

    CHECK_EQ(covey_group_go(g, wait_for_end, never), 0);
    leap(ctx);
    CHECK_EQ(covey_ctx_err(last), 0);
    CHECK_EQ(covey_chan_close(never), 0);
    CHECK_EQ(covey_group_wait(g), COVEY_ECLOSED);
    covey_chan_unref(never);
    covey_ctx_unref(last);
    covey_ctx_unref(endless);
    return 0;
}

/* ---- a client and a server ---- */

struct site {
    covey_listener *listener;
    covey_ctx *ctx;
    covey_group *group;
    char url[64];
};

/* GET /slow takes a year. */
static int handle(covey_ctx *ctx, covey_http_server_request *req, covey_http_writer *w, void *arg)
{
    (void)arg;
    int code = strcmp(req->path, "/slow") == 0 ? covey_sleep(ctx, YEAR) : 0;

    return code < 0 ? code : covey_http_respondf(ctx, w, 200, "hello\n");
}

static int serve(covey_ctx *ctx, void *arg)
{
    struct site *s = arg;

    (void)ctx;
    return covey_http_serve(s->ctx, s->listener, handle, NULL, NULL);
}

static void open_site(covey_ctx *ctx, struct site *s)
{
    s->ctx = covey_ctx_with_cancel(ctx);
    CHECK_EQ(covey_listen(&s->listener, "tcp://127.0.0.1:0", NULL), 0);
    (void)snprintf(s->url, sizeof(s->url), "http%s/", covey_listener_addr(s->listener) + 3);
    s->group = covey_group_new(ctx);
    CHECK_EQ(covey_group_go(s->group, serve, s), 0);
}

static void close_site(struct site *s)
{
    covey_ctx_cancel(s->ctx);
    CHECK_EQ(covey_group_wait(s->group), 0);
    covey_ctx_unref(s->ctx);
    covey_listener_close(s->listener);
}

static int get(covey_ctx *ctx, covey_http_client *c, const char *url, covey_http_response *r)
{
    int code = covey_http_get(ctx, c, url, r);

    covey_http_response copy = *r;
    covey_http_response_free(r);
    *r = copy; /* its numbers */
    return code;
}

/* Of minutes only: a server looks at its connections twice a second. */
LEAP_TEST(a_connection_that_slept_too_long_is_replaced)
{
    covey_http_client *c = covey_http_client_new(&(covey_http_client_options){.proxy = ""});
    struct site s;
    covey_http_response r;

    open_site(ctx, &s);
    CHECK_EQ(get(ctx, c, s.url, &r), 0);
    CHECK_EQ(get(ctx, c, s.url, &r), 0);
    CHECK(r.status == 200 && r.connection_reused);
    CHECK_EQ(covey_sleep(ctx, 600 * COVEY_SEC), 0);
    CHECK_EQ(get(ctx, c, s.url, &r), 0);
    CHECK(r.status == 200 && !r.connection_reused);
    covey_http_client_free(c);
    close_site(&s);
    return 0;
}

LEAP_TEST(a_request_that_would_take_a_year_ends_with_its_deadline)
{
    covey_http_client *c = covey_http_client_new(&(covey_http_client_options){.proxy = ""});
    struct site s;
    char url[80];
    covey_http_response r;

    open_site(ctx, &s);
    (void)snprintf(url, sizeof(url), "%sslow", s.url);
    int64_t start = covey_now();
    CHECK_EQ(get(ctx, c, url, &r), 0);
    CHECK_EQ(r.status, 500); /* its handler's deadline, a minute, passed */
    CHECK(covey_now() - start < HOUR);
    covey_http_client_free(c);
    close_site(&s);
    return 0;
}
