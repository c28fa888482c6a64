/* SPDX-License-Identifier: MIT
 * guarded_test.c - retry, hedge, breaker and limiter of a client, against a server that fails by
 * script. Pauses are microseconds: a time line with real figures is in
 * test/fault/outage_test.c. */
#include "harness.h"

#include "http/fixture_client.h"

static const covey_backoff quick = {.base_ns = 10 * COVEY_US, .cap_ns = 100 * COVEY_US};
static const covey_hedge_options quick_hedge = {.delay_ns = COVEY_MS};
/* Longer than a request needs to the server, so that they come in order. */
static const covey_hedge_options calm_hedge = {.delay_ns = 100 * COVEY_MS};

/* A test with a client that has these guards. */
#define GUARDED_TEST(name, ...)                                                                    \
    static void body_##name(covey_ctx *ctx, struct server *s);                                     \
    static int task_##name(covey_ctx *ctx, void *arg)                                              \
    {                                                                                              \
        static struct server server;                                                               \
        const covey_http_guards guards = {__VA_ARGS__};                                            \
        (void)arg;                                                                                 \
        start_server(ctx, &server, &(covey_http_client_options){.proxy = "", .guards = &guards});  \
        body_##name(ctx, &server);                                                                 \
        stop_server(&server);                                                                      \
        return 0;                                                                                  \
    }                                                                                              \
    TEST(name)                                                                                     \
    {                                                                                              \
        run_in_task(task_##name);                                                                  \
    }                                                                                              \
    static void body_##name(covey_ctx *ctx, struct server *s)

struct expected {
    int code, status, attempts, requests; /* requests: that reached the server */
};

/* One request, on a server that begins to count anew. */
static void ask(covey_ctx *ctx, struct server *s, covey_http_request req, struct expected want)
{
    covey_http_response r;

    atomic_store(&s->requests, 0);
    int code = covey_http_do(ctx, s->client, &req, &r);
    if (code != want.code) {
        fprintf(stderr, "# %s\n", covey_errmsg());
    }
    CHECK_EQ(code, want.code);
    CHECK_EQ(r.status, want.status);
    CHECK_EQ(r.attempts, want.attempts);
    CHECK_EQ(atomic_load(&s->requests), want.requests);
    covey_http_response_free(&r);
}

#define GET(path) ((covey_http_request){.url = url_of(s, path)})
#define WANT(...) ((struct expected){__VA_ARGS__})

/* ---- retry ---- */

GUARDED_TEST(what_may_pass_is_tried_again, .retry = &quick)
{
    covey_http_client_stats stats;

    /* The reset first: a connection that is used again libcurl replaces by itself. */
    ask(ctx, s, GET("/reset/2"), WANT(0, 200, 3, 3));
    ask(ctx, s, GET("/busy/2"), WANT(0, 200, 3, 3));
    ask(ctx, s, GET("/hello"), WANT(0, 200, 1, 1));
    ask(ctx, s, GET("/nope"), WANT(0, 404, 1, 1));
    covey_http_client_stats_get(s->client, &stats);
    CHECK_EQ(stats.retries, 4);
    CHECK_EQ(stats.started, 8);
}

GUARDED_TEST(the_last_answer_or_failure_is_the_result, .retry = &quick)
{
    ask(ctx, s, GET("/busy/99"), WANT(0, 503, 3, 3));
    ask(ctx, s, GET("/reset/99"), WANT(-ECONNRESET, 0, 3, 3));
    CHECK(strncmp(covey_errmsg(), "after 3 tries: fetch http://127.0.0.1:", 38) == 0);
    ask(ctx, s, (covey_http_request){.url = "http://127.0.0.1:1/"}, WANT(-ECONNREFUSED, 0, 3, 0));
    ask(ctx, s, (covey_http_request){.url = "gopher://127.0.0.1/"}, WANT(-EINVAL, 0, 1, 0));
}

GUARDED_TEST(only_what_may_be_sent_twice_is, .retry = &quick)
{
    const covey_http_header key = {"idempotency-key", "42"};
    covey_http_request post = {.url = url_of(s, "/busy/2"), .body = "x", .body_len = 1};
    covey_http_request put = post;
    covey_http_request get = GET("/busy/2");

    ask(ctx, s, post, WANT(0, 503, 1, 1));
    put.method = "PUT";
    ask(ctx, s, put, WANT(0, 200, 3, 3));
    post.headers = &key;
    post.header_count = 1;
    ask(ctx, s, post, WANT(0, 200, 3, 3));
    post.repeat = get.repeat = COVEY_HTTP_REPEAT_NEVER;
    ask(ctx, s, post, WANT(0, 503, 1, 1));
    ask(ctx, s, get, WANT(0, 503, 1, 1));
    post = (covey_http_request){.url = post.url, .method = "PATCH"};
    ask(ctx, s, post, WANT(0, 503, 1, 1));
    post.repeat = COVEY_HTTP_REPEAT_ALWAYS;
    ask(ctx, s, post, WANT(0, 200, 3, 3));
}

GUARDED_TEST(a_body_is_sent_again_whole, .retry = &quick)
{
    covey_http_request req = {.url = url_of(s, "/reset/1"),
                              .method = "PUT",
                              .body = pattern,
                              .body_len = sizeof(pattern) / 2};

    ask(ctx, s, req, WANT(0, 200, 2, 2));
}

GUARDED_TEST(retry_after_is_waited_for, .retry = &quick)
{
    int64_t start = covey_now();

    ask(ctx, s, GET("/busy/1/1"), WANT(0, 200, 2, 2));
    CHECK(covey_now() - start >= COVEY_SEC);
}

GUARDED_TEST(a_wish_that_is_too_long_is_not, .retry = &quick)
{
    covey_ctx *timed = covey_ctx_with_timeout(ctx, 30 * COVEY_SEC);

    ask(timed, s, GET("/busy/1/40"), WANT(0, 503, 1, 1)); /* after the deadline */
    covey_ctx_unref(timed);
    ask(ctx, s, GET("/busy/1/61"), WANT(0, 503, 1, 1));
}

static const covey_backoff patient = {.base_ns = 10 * COVEY_US, .try_ns = 500 * COVEY_MS};

GUARDED_TEST(a_try_may_have_its_own_deadline, .retry = &patient)
{
    ask(ctx, s, GET("/hang-first"), WANT(0, 200, 2, 2));
    ask(ctx, s, GET("/hang"), WANT(COVEY_EDEADLINE, 0, 3, 3));
}

static atomic_int pauses;

static void count_pause(const covey_retry_event *event, void *arg)
{
    CHECK(event->attempt == 1 && event->code == -EREMOTEIO && strstr(covey_errmsg(), "status 503"));
    atomic_fetch_add((atomic_int *)arg, 1);
}

/* A pause of less than a minute is as good as never drawn. */
static const covey_backoff slow = {
    .base_ns = INT64_MAX / 4, .cap_ns = INT64_MAX / 4, .on_retry = count_pause, .arg = &pauses};

GUARDED_TEST(a_pause_ends_with_its_context, .retry = &slow)
{
    covey_ctx *mine = covey_ctx_with_cancel(ctx);
    struct crowd c = {.server = s, .path = "/busy/999"};
    covey_group_options all = {.policy = COVEY_ALL};
    covey_group *g = covey_group_new_with(mine, &all);

    start_crowd(g, &c, 10); /* as many retries as the budget begins with */
    wait_until(ctx, &pauses, 10);
    covey_ctx_cancel(mine);
    CHECK_EQ(covey_group_wait(g), COVEY_ECANCELED);
    CHECK_EQ(atomic_load(&c.codes[1]), 10);
    covey_ctx_unref(mine);
}

static const covey_retry_budget_options three = {.per_call = 1e-9, .burst = 3};

GUARDED_TEST(all_callers_of_a_host_share_a_budget, .retry = &quick, .budget = &three)
{
    covey_http_host_stats stats;
    struct crowd c = {.server = s, .path = "/busy/9999"};
    covey_group *g = covey_group_new(ctx);

    start_crowd(g, &c, 100);
    CHECK_EQ(covey_group_wait(g), 0);
    CHECK_EQ(atomic_load(&s->requests), 103);
    CHECK_EQ(covey_http_client_host_stats_get(s->client, s->base, &stats), 0);
    CHECK_EQ(stats.budget.calls, 100);
    CHECK_EQ(stats.budget.granted, 3);
}

/* ---- streams ---- */

struct told {
    int heads, status, fail;
    char body[64];
    size_t len;
};

static int told_head(covey_ctx *ctx, const covey_http_response *resp, void *arg)
{
    struct told *t = arg;

    (void)ctx;
    t->heads++;
    t->status = resp->status;
    return 0;
}

static int told_piece(covey_ctx *ctx, const void *data, size_t len, void *arg)
{
    struct told *t = arg;

    (void)ctx;
    CHECK_EQ(t->heads, 1);
    memcpy(t->body + t->len, data, len);
    t->len += len;
    return t->fail ? covey_errorf(t->fail, "no more") : 0;
}

static struct told stream(covey_ctx *ctx, struct server *s, const char *path, int fail,
                          struct expected want)
{
    struct told t = {.fail = fail};
    covey_http_request req = {
        .url = url_of(s, path), .on_headers = told_head, .on_body = told_piece, .body_arg = &t};

    ask(ctx, s, req, want);
    return t;
}

GUARDED_TEST(a_stream_is_told_of_one_answer, .retry = &quick)
{
    struct told t = stream(ctx, s, "/busy/2", 0, WANT(0, 200, 3, 3));
    CHECK(t.heads == 1 && t.status == 200 && t.len == 5 && memcmp(t.body, "hello", 5) == 0);

    t = stream(ctx, s, "/busy/9", 0, WANT(0, 503, 3, 3));
    CHECK(t.heads == 1 && t.status == 503 && t.len == 4 && memcmp(t.body, "busy", 4) == 0);

    t = stream(ctx, s, "/drop", 0, WANT(-ECONNRESET, 200, 1, 1));
    CHECK(t.heads == 1 && t.len == 5); /* given, so not asked for again */
    t = stream(ctx, s, "/hello", -ENOSPC, WANT(-ENOSPC, 200, 1, 1));
    CHECK_STR(covey_errmsg(), "no more");
    t = stream(ctx, s, "/busy/9", -ENOSPC, WANT(-ENOSPC, 503, 3, 3));
}

/* ---- breaker ---- */

struct changes {
    atomic_int opened;
    char name[64];
};

static struct changes changes;

static void note_change(const covey_breaker_change *change, void *arg)
{
    struct changes *c = arg;

    if (change->to == COVEY_BREAKER_OPEN) {
        atomic_fetch_add(&c->opened, 1);
    }
    snprintf(c->name, sizeof(c->name), "%s", change->name);
}

static const covey_breaker_options touchy = {
    .min_calls = 5, .on_change = note_change, .arg = &changes};

GUARDED_TEST(a_host_that_fails_is_left_alone, .breaker = &touchy)
{
    covey_http_client_stats stats;
    covey_breaker *b = covey_http_client_breaker(s->client, s->base);

    for (int i = 0; i < 5; i++) {
        ask(ctx, s, GET("/busy/9"), WANT(0, 503, 1, 1));
    }
    CHECK_EQ(covey_breaker_state_of(b), COVEY_BREAKER_OPEN);
    ask(ctx, s, GET("/hello"), WANT(COVEY_EOPEN, 0, 0, 0));
    char words[128];
    snprintf(words, sizeof(words), "fetch %s/hello: %s: circuit breaker is open", s->base,
             s->base + strlen("http://"));
    CHECK_STR(covey_errmsg(), words);
    CHECK_EQ(atomic_load(&changes.opened), 1);
    CHECK_STR(changes.name, s->base + strlen("http://"));
    covey_http_client_stats_get(s->client, &stats);
    CHECK_EQ(stats.refused, 1);

    covey_breaker_reset(b);
    ask(ctx, s, GET("/hello"), WANT(0, 200, 1, 1));
}

GUARDED_TEST(hosts_have_breakers_of_their_own, .breaker = &touchy, .retry = &quick)
{
    covey_http_request nobody = {.url = "http://127.0.0.1:1/"};

    ask(ctx, s, nobody, WANT(-ECONNREFUSED, 0, 3, 0));
    ask(ctx, s, nobody, WANT(COVEY_EOPEN, 0, 2, 0)); /* its fifth failure opened it */
    ask(ctx, s, nobody, WANT(COVEY_EOPEN, 0, 0, 0));
    ask(ctx, s, GET("/hello"), WANT(0, 200, 1, 1));
    CHECK(covey_http_client_breaker(s->client, "http://127.0.0.1:1/x") !=
          covey_http_client_breaker(s->client, s->base));
}

GUARDED_TEST(what_is_the_callers_does_not_count, .breaker = &touchy)
{
    covey_http_host_stats stats;
    covey_ctx *mine = covey_ctx_with_cancel(ctx);
    struct crowd c = {.server = s, .path = "/hang"};
    covey_group_options all = {.policy = COVEY_ALL};
    covey_group *g = covey_group_new_with(mine, &all);

    start_crowd(g, &c, 10);
    wait_until(ctx, &s->requests, 10);
    covey_ctx_cancel(mine);
    CHECK_EQ(covey_group_wait(g), COVEY_ECANCELED);
    covey_ctx_unref(mine);
    for (int i = 0; i < 10; i++) {
        (void)stream(ctx, s, "/hello", -ENOSPC, WANT(-ENOSPC, 200, 1, 1));
        ask(ctx, s, GET("/nope"), WANT(0, 404, 1, 1));
        ask(ctx, s, GET("/head/300000"), WANT(COVEY_ETOOLARGE, 200, 1, 1));
    }
    CHECK_EQ(covey_http_client_host_stats_get(s->client, s->base, &stats), 0);
    CHECK_EQ(stats.breaker.state, COVEY_BREAKER_CLOSED);
    CHECK_EQ(stats.breaker.ignored, 30);
    CHECK_EQ(stats.breaker.succeeded, 10);
    CHECK_EQ(stats.breaker.in_flight, 0);
}

/* ---- limiter ---- */

GUARDED_TEST(requests_wait_for_their_hosts_limiter, .per_second = 1000, .burst = 1)
{
    int64_t start = covey_now();

    for (int i = 0; i < 21; i++) {
        ask(ctx, s, GET("/hello"), WANT(0, 200, 1, 1));
    }
    CHECK(covey_now() - start >= 20 * COVEY_MS);
    covey_ctx *timed = covey_ctx_with_timeout(ctx, 0);
    ask(timed, s, GET("/hello"), WANT(COVEY_EDEADLINE, 0, 0, 0));
    covey_ctx_unref(timed);
}

/* ---- hedge ---- */

GUARDED_TEST(a_slow_read_has_another_beside_it, .hedge = &calm_hedge)
{
    covey_http_client_stats stats;

    ask(ctx, s, GET("/hang-first"), WANT(0, 200, 2, 2));
    covey_http_client_stats_get(s->client, &stats);
    CHECK_EQ(stats.hedges, 1);
    CHECK_EQ(stats.hedges_won, 1);
    ask(ctx, s, GET("/busy/1"), WANT(0, 200, 2, 2)); /* a failure needs no delay */
    ask(ctx, s, GET("/busy/9"), WANT(0, 503, 2, 2));
    ask(ctx, s, GET("/reset/9"), WANT(-ECONNRESET, 0, 2, 2));
}

static int put_and_hang(covey_ctx *ctx, void *arg)
{
    struct server *s = arg;

    return covey_http_do(
        ctx, s->client,
        &(covey_http_request){.url = url_of(s, "/hang"), .method = "PUT", .body = ""}, NULL);
}

static int stream_and_hang(covey_ctx *ctx, void *arg)
{
    struct server *s = arg;
    struct told t = {0};

    return covey_http_do(
        ctx, s->client,
        &(covey_http_request){.url = url_of(s, "/hang"), .on_body = told_piece, .body_arg = &t},
        NULL);
}

/* As many delays as there is time for pass, and no other request comes. */
static void hang_alone(covey_ctx *ctx, struct server *s, covey_fn *fn)
{
    covey_ctx *mine = covey_ctx_with_cancel(ctx);
    covey_group *g = covey_group_new(mine);

    atomic_store(&s->requests, 0);
    CHECK_EQ(covey_group_go(g, fn, s), 0);
    wait_until(ctx, &s->requests, 1);
    CHECK_EQ(covey_sleep(ctx, 20 * quick_hedge.delay_ns), 0); /* sleeps: for what must not come */
    CHECK_EQ(atomic_load(&s->requests), 1);
    covey_ctx_cancel(mine);
    CHECK_EQ(covey_group_wait(g), COVEY_ECANCELED);
    covey_ctx_unref(mine);
}

GUARDED_TEST(writes_and_streams_are_not_hedged, .hedge = &quick_hedge)
{
    hang_alone(ctx, s, put_and_hang);
    hang_alone(ctx, s, stream_and_hang);
}

GUARDED_TEST(a_cancelled_crowd_of_hedges_leaves_nothing, .hedge = &quick_hedge, .retry = &quick)
{
    covey_ctx *timed = covey_ctx_with_timeout(ctx, 30 * COVEY_MS);
    struct crowd c = {.server = s, .path = "/hang"};
    covey_group_options all = {.policy = COVEY_ALL};
    covey_group *g = covey_group_new_with(timed, &all);

    start_crowd(g, &c, 300);
    CHECK_EQ(covey_group_wait(g), COVEY_EDEADLINE);
    CHECK_EQ(atomic_load(&c.codes[2]), 300);
    covey_ctx_unref(timed);
    wait_until(ctx, &s->open, 0);
}

/* ---- clients ---- */

TEST(guards_out_of_range_make_no_client)
{
    const covey_hedge_options many = {.max_attempts = COVEY_HTTP_HEDGES_MAX + 1};
    const covey_breaker_options odd = {.failure_percent = 100};
    const covey_http_guards bad[] = {
        {.hedge = &many}, {.breaker = &odd}, {.burst = -1}, {.per_second = 5}};

    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        CHECK(!covey_http_client_new(&(covey_http_client_options){.guards = &bad[i]}));
    }
}

TEST(a_client_without_guards_has_none)
{
    covey_http_host_stats stats;
    covey_http_client *c = covey_http_client_new(NULL);

    CHECK(c);
    CHECK(!covey_http_client_breaker(c, "http://h/"));
    CHECK_EQ(covey_http_client_host_stats_get(c, "http://h/", &stats), -ENOENT);
    covey_http_client_free(c);
}

TEST(what_is_transient)
{
    CHECK(covey_http_is_transient(0, 408));
    CHECK(covey_http_is_transient(0, 429));
    CHECK(covey_http_is_transient(0, 500));
    CHECK(covey_http_is_transient(0, 503));
    CHECK(covey_http_is_transient(-ECONNREFUSED, 0));
    CHECK(covey_http_is_transient(-ECONNRESET, 200));
    CHECK(covey_http_is_transient(-ETIMEDOUT, 0));
    CHECK(!covey_http_is_transient(0, 404));
    CHECK(!covey_http_is_transient(0, 301));
    CHECK(!covey_http_is_transient(COVEY_EDNS, 0));
    CHECK(!covey_http_is_transient(COVEY_ETLS, 0));
    CHECK(!covey_http_is_transient(-ENOSPC, 200));
    CHECK(!covey_http_is_transient(COVEY_ECANCELED, 503));
}
