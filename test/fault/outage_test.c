/* SPDX-License-Identifier: MIT
 * outage_test.c - a scripted outage of an upstream as the callers of a guarded client live it, in
 * virtual time: a real client and a real server, whose clock jumps.
 *
 * The table has a row for each second that differs from the one before: what the upstream did, the
 * breaker's state at its end, how the requests that ended in it ended (503: the upstream's answer;
 * refused: by the breaker), the transfers that reached the upstream, and the retries that the
 * budget granted and refused. */
#include "harness.h"

#include <covey.h>
#include <covey/http.h>
#include <covey/test.h>

#include <stdio.h>
#include <string.h>

enum { CALLERS = 10, SECONDS = 150 };

/* ---- the upstream: a script ---- */

enum deed { ANSWERS, REFUSES, BREAKS, CRAWLS };

static const struct scene {
    int from; /* second */
    enum deed deed;
    const char *name;
} scenes[] = {
    {0, ANSWERS, "answers"},   {20, REFUSES, "503"},      {60, BREAKS, "breaks off"},
    {90, CRAWLS, "takes 3 s"}, {110, ANSWERS, "answers"}, {SECONDS, ANSWERS, ""},
};

struct outage {
    int64_t start;
    covey_http_client *client;
    char url[64];
    int transfers;                   /* in this second */
    int good, busy, failed, refused; /* requests that ended in this second */
};

static int second_of(const struct outage *o)
{
    return (int)((covey_now() - o->start) / COVEY_SEC);
}

static const struct scene *scene_of(int second)
{
    const struct scene *s = scenes;

    while (s[1].from <= second) {
        s++;
    }
    return s;
}

static int upstream(covey_ctx *ctx, covey_http_server_request *req, covey_http_writer *w, void *arg)
{
    struct outage *o = arg;

    (void)req;
    o->transfers++;
    switch (scene_of(second_of(o))->deed) {
    case REFUSES:
        (void)covey_http_set_header(w, "Retry-After", "1");
        return covey_http_respondf(ctx, w, 503, "busy\n");
    case BREAKS:
        (void)covey_http_set_header(w, "Content-Length", "100");
        (void)covey_http_write(ctx, w, "half", 4);
        (void)covey_http_flush(ctx, w);
        return -EIO;
    case CRAWLS: {
        int code = covey_sleep(ctx, 3 * COVEY_SEC);
        return code < 0 ? code : covey_http_respondf(ctx, w, 200, "at last\n");
    }
    default:
        return covey_http_respondf(ctx, w, 200, "hello\n");
    }
}

/* ---- the callers: a request a second each ---- */

static int call_once(covey_ctx *ctx, struct outage *o)
{
    covey_ctx *timed = covey_ctx_with_timeout(ctx, 5 * COVEY_SEC);
    covey_http_response r;
    int code = covey_http_get(timed, o->client, o->url, &r);

    o->good += code == 0 && r.status == 200;
    o->busy += code == 0 && r.status == 503;
    o->refused += code == COVEY_EOPEN;
    o->failed += code < 0 && code != COVEY_EOPEN;
    covey_http_response_free(&r);
    covey_ctx_unref(timed);
    return 0;
}

static int caller(covey_ctx *ctx, void *arg)
{
    struct outage *o = arg;

    while (second_of(o) < SECONDS) {
        int64_t next = covey_now() + COVEY_SEC;
        CHECK_EQ(call_once(ctx, o), 0);
        CHECK_EQ(covey_sleep(ctx, next - covey_now()), 0);
    }
    return 0;
}

/* ---- the table ---- */

struct sums {
    int opened_at, closed_at; /* seconds; the first and the last time */
    int let_through;          /* transfers within seconds that the breaker was open all through */
    int transfers, good;
    double budget; /* retries that the budget can have granted */
    uint64_t granted;
};

/* A row, unless it says the same as the one before. */
static void tell_second(const struct outage *o, int second, const covey_http_host_stats *before,
                        const covey_http_host_stats *now)
{
    static char told[160];
    char row[sizeof(told)];

    (void)snprintf(row, sizeof(row), "%-10s  %-9s  %4d  %4d  %6d  %7d  %9d  %7d  %7d",
                   scene_of(second)->name, covey_breaker_state_name(now->breaker.state), o->good,
                   o->busy, o->failed, o->refused, o->transfers,
                   (int)(now->budget.granted - before->budget.granted),
                   (int)(now->budget.refused - before->budget.refused));
    if (strcmp(row, told) != 0) {
        printf("# %6d  %s\n", second, row);
        memcpy(told, row, sizeof(told));
    }
}

static void add_second(struct sums *sums, const struct outage *o, int second,
                       const covey_breaker_stats *before, const covey_breaker_stats *now)
{
    bool is_open = now->state == COVEY_BREAKER_OPEN;

    if (now->opened == 1 && before->opened == 0) {
        sums->opened_at = second;
    }
    if (now->state == COVEY_BREAKER_CLOSED && before->state != COVEY_BREAKER_CLOSED) {
        sums->closed_at = second;
    }
    if (is_open && before->state == COVEY_BREAKER_OPEN && now->opened == before->opened) {
        sums->let_through += o->transfers;
    }
    sums->transfers += o->transfers;
    sums->good += o->good;
}

static void watch(covey_ctx *ctx, struct outage *o, struct sums *sums)
{
    covey_http_host_stats before = {0}, now;

    printf("#                                   requests                     transfers  retries\n"
           "# second  upstream    breaker    good   503  failed  refused             granted  "
           "refused\n");
    for (int second = 0; second < SECONDS; second++) {
        int64_t end = o->start + (second + 1) * COVEY_SEC;
        CHECK_EQ(covey_sleep(ctx, end - covey_now()), 0);
        CHECK_EQ(covey_http_client_host_stats_get(o->client, o->url, &now), 0);
        tell_second(o, second, &before, &now);
        add_second(sums, o, second, &before.breaker, &now.breaker);
        o->good = o->busy = o->failed = o->refused = o->transfers = 0;
        before = now;
    }
    sums->granted = now.budget.granted;
    sums->budget = COVEY_RETRY_BUDGET_BURST + COVEY_RETRY_BUDGET_RATIO * (double)now.budget.calls;
    CHECK_EQ(now.breaker.state, COVEY_BREAKER_CLOSED);
}

/* ---- the test ---- */

struct site {
    covey_listener *listener;
    covey_ctx *ctx;
    struct outage *outage;
};

static int serve(covey_ctx *ctx, void *arg)
{
    struct site *s = arg;

    (void)ctx;
    return covey_http_serve(s->ctx, s->listener, upstream, s->outage, NULL);
}

static int live_through(covey_ctx *ctx, void *arg)
{
    static struct outage o;
    const covey_backoff retry = {.base_ns = 100 * COVEY_MS};
    const covey_breaker_options breaker = {.slow_ns = 2 * COVEY_SEC};
    const covey_http_guards guards = {.retry = &retry, .breaker = &breaker};
    struct site s = {.ctx = covey_ctx_with_cancel(ctx), .outage = &o};
    struct sums sums = {0};

    (void)arg;
    o.client = covey_http_client_new(&(covey_http_client_options){.proxy = "", .guards = &guards});
    CHECK(o.client);
    CHECK_EQ(covey_listen(&s.listener, "tcp://127.0.0.1:0", NULL), 0);
    (void)snprintf(o.url, sizeof(o.url), "http%s/", covey_listener_addr(s.listener) + 3);
    covey_group *site = covey_group_new(ctx), *callers = covey_group_new(ctx);
    CHECK_EQ(covey_group_go(site, serve, &s), 0);
    o.start = covey_now();
    for (int i = 0; i < CALLERS; i++) {
        CHECK_EQ(covey_group_go(callers, caller, &o), 0);
        CHECK_EQ(covey_sleep(ctx, COVEY_MS), 0);
    }
    watch(ctx, &o, &sums);
    CHECK_EQ(covey_group_wait(callers), 0);
    covey_http_client_free(o.client);
    covey_ctx_cancel(s.ctx);
    CHECK_EQ(covey_group_wait(site), 0);
    covey_ctx_unref(s.ctx);
    covey_listener_close(s.listener);
    printf("# opened in second %d, closed in second %d; %d requests, %d transfers\n",
           sums.opened_at, sums.closed_at, CALLERS * SECONDS, sums.transfers);
    /* Most of the window's calls have to fail first, and it sleeps for 30 s at a time. */
    CHECK(sums.opened_at > 20 && sums.opened_at < 50);
    CHECK(sums.closed_at >= 110 && sums.closed_at <= 110 + 31);
    CHECK_EQ(sums.let_through, 0);
    CHECK((double)sums.granted <= sums.budget);
    CHECK(sums.transfers < CALLERS * SECONDS);
    /* All that was asked for while it was up and closed, and in time. */
    CHECK(sums.good >= CALLERS * (20 + SECONDS - sums.closed_at - 2));
    return 0;
}

TEST(the_timeline_of_an_outage_over_http)
{
    const covey_explore_options options = {.jumps_over_io = true, .max_steps = UINT64_MAX};

    CHECK_EQ(covey_test_run_with(&options, 1, live_through, NULL), 0);
}
