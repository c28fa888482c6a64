/* SPDX-License-Identifier: MIT
 * client_end_test.c - how transfers fail, and end with their contexts. */
#include "harness.h"

#include "http/fixture_client.h"

/* ---- failures ---- */

HTTP_TEST(failures_have_codes_and_words)
{
    covey_http_response r;
    char words[128];

    CHECK_EQ(covey_http_get(ctx, s->client, "http://127.0.0.1:1/x", &r), -ECONNREFUSED);
    CHECK_STR(covey_errmsg(), "fetch http://127.0.0.1:1/x: connection refused");
    covey_http_response_free(&r);
    CHECK_EQ(covey_http_get(ctx, s->client, "http://u:secret@127.0.0.1:1/", &r), -ECONNREFUSED);
    CHECK_STR(covey_errmsg(), "fetch http://u:***@127.0.0.1:1/: connection refused");
    covey_http_response_free(&r);
    CHECK_EQ(covey_http_get(ctx, s->client, "http://nowhere.invalid/", &r), COVEY_EDNS);
    CHECK_STR(covey_errmsg(), "fetch http://nowhere.invalid/: cannot resolve host nowhere.invalid");
    covey_http_response_free(&r);
    CHECK_EQ(covey_http_get(ctx, s->client, url_of(s, "/drop"), &r), -ECONNRESET);
    CHECK(strstr(covey_errmsg(), "before the whole body came") != NULL);
    CHECK_EQ(r.status, 200);
    CHECK_EQ(r.len, 5);
    CHECK(r.body == NULL);
    covey_http_response_free(&r);
    /* A plain server does not speak TLS. */
    snprintf(words, sizeof(words), "https%s/", s->base + 4);
    CHECK_EQ(covey_http_get(ctx, s->client, words, &r), COVEY_ETLS);
    covey_http_response_free(&r);
    CHECK_EQ(covey_http_get(ctx, s->client, "http://127.0.0.1:1/", NULL), -ECONNREFUSED);
}

HTTP_TEST(many_look_a_name_up_together)
{
    struct crowd c = {.server = s, .url = "http://nowhere.invalid", .path = "/"};
    covey_group *g = covey_group_new_with(ctx, &(covey_group_options){.policy = COVEY_ALL});

    start_crowd(g, &c, 500);
    CHECK_EQ(covey_group_wait(g), COVEY_EDNS);
    CHECK_EQ(atomic_load(&c.codes[3]), 500);
}

HTTP_TEST(names_are_reached_like_addresses)
{
    char url[64];
    struct crowd c = {.server = s, .url = url, .path = "/hello"};
    covey_group *g = covey_group_new(ctx);

    snprintf(url, sizeof(url), "http://localhost%s", strrchr(s->base, ':'));
    start_crowd(g, &c, 500);
    CHECK_EQ(covey_group_wait(g), 0);
    CHECK_EQ(atomic_load(&c.codes[0]), 500);
}

/* ---- the end of a context ---- */

HTTP_TEST(a_deadline_ends_the_transfer_and_its_connection)
{
    covey_ctx *timed = covey_ctx_with_timeout(ctx, 30 * COVEY_MS);
    covey_http_response r;

    CHECK_EQ(covey_http_get(timed, s->client, url_of(s, "/hang"), &r), COVEY_EDEADLINE);
    CHECK(strstr(covey_errmsg(), "/hang: deadline exceeded") != NULL);
    covey_http_response_free(&r);
    wait_until(ctx, &s->open, 0);
    /* Done before it began. */
    CHECK_EQ(covey_http_get(timed, s->client, url_of(s, "/hello"), &r), COVEY_EDEADLINE);
    covey_http_response_free(&r);
    CHECK(atomic_load(&s->requests) <= 1); /* on a slow machine not even the first */
    covey_ctx_unref(timed);
}

HTTP_TEST(a_cancelled_crowd_ends_at_once)
{
    struct crowd c = {.server = s, .path = "/hang"};
    covey_group *g = covey_group_new(ctx);
    covey_http_client_stats stats;

    start_crowd(g, &c, 500);
    wait_until(ctx, &s->requests, 500);
    int64_t start = covey_now();
    covey_group_cancel(g, 0);
    CHECK_EQ(covey_group_wait(g), COVEY_ECANCELED);
    printf("# 500 transfers cancelled in %lld us\n", (long long)(covey_now() - start) / 1000);
    CHECK_EQ(atomic_load(&c.codes[1]), 500);
    wait_until(ctx, &s->open, 0);
    covey_http_client_stats_get(s->client, &stats);
    CHECK_EQ(stats.started, 500);
    CHECK_EQ(stats.finished, 500);
    CHECK_EQ(stats.failed, 500);
    CHECK_EQ(stats.connections_opened, 500);
}

HTTP_TEST(a_stream_that_never_runs_dry_notices_its_deadline)
{
    struct reader r = {0};
    covey_http_request req = {
        .url = url_of(s, "/bytes/100000000000"), .on_body = read_piece, .body_arg = &r};
    covey_ctx *timed = covey_ctx_with_timeout(ctx, 50 * COVEY_MS);
    covey_http_response resp;

    CHECK_EQ(covey_http_do(timed, s->client, &req, &resp), COVEY_EDEADLINE);
    covey_http_response_free(&resp);
    covey_ctx_unref(timed);
    wait_until(ctx, &s->open, 0);
}

static int cancel_at_a_piece(covey_ctx *ctx, const void *data, size_t len, void *arg)
{
    (void)ctx;
    (void)data;
    (void)len;
    covey_ctx_cancel(arg);
    return 0;
}

HTTP_TEST(a_trickle_is_cut_off)
{
    covey_ctx *mine = covey_ctx_with_cancel(ctx), *timed;
    covey_http_request req = {
        .url = url_of(s, "/trickle"), .on_body = cancel_at_a_piece, .body_arg = mine};
    covey_http_response resp;

    CHECK_EQ(covey_http_do(mine, s->client, &req, &resp), COVEY_ECANCELED);
    CHECK(resp.len > 0 && resp.status == 200);
    covey_http_response_free(&resp);
    covey_ctx_unref(mine);

    req = (covey_http_request){.url = req.url, .discard_body = true};
    timed = covey_ctx_with_timeout(ctx, 50 * COVEY_MS);
    CHECK_EQ(covey_http_do(timed, s->client, &req, &resp), COVEY_EDEADLINE);
    CHECK(resp.len == 0 || resp.status == 200); /* as far as it came in time */
    covey_http_response_free(&resp);
    covey_ctx_unref(timed);
}

/* Contexts that end at every moment of a transfer: before it starts, while it connects, with the
 * answer on its way. Nothing may be lost, doubled or touched late (ASan, TSan). */
static int get_hastily(covey_ctx *ctx, void *arg)
{
    static const char *const paths[] = {"/hello", "/bytes/200000",  "/hang",
                                        "/drop",  "/chunked/70000", "/to/hello"};
    struct crowd *c = arg;
    int n = atomic_fetch_add(&c->ended, 1);
    struct reader r = {.pause_ns = n % 5 == 0 ? 50 * COVEY_US : 0};
    char url[256];
    covey_http_request req = {.url = url, .body_arg = &r};
    covey_http_response resp;

    snprintf(url, sizeof(url), "%s%s", c->server->base, paths[n % 6]);
    req.on_body = n % 6 == 1 || n % 6 == 4 ? read_piece : NULL;
    req.on_headers = n % 4 == 0 ? read_head : NULL;
    req.discard_body = n % 6 == 0;
    covey_ctx *timed = covey_ctx_with_timeout(ctx, (int64_t)((n * 7919) % 3000) * COVEY_US);
    int code = covey_http_do(timed, c->server->client, &req, &resp);
    CHECK(code == 0 || code == COVEY_EDEADLINE || code == -ECONNRESET);
    if (code == 0) {
        CHECK(resp.status == 200);
    }
    covey_http_response_free(&resp);
    covey_ctx_unref(timed);
    return 0;
}

HTTP_TEST(contexts_may_end_at_any_moment)
{
    struct crowd c = {.server = s};
    covey_group *g = covey_group_new_with(ctx, &(covey_group_options){.limit = 64});
    covey_http_client_stats stats;

    for (int i = 0; i < 3000; i++) {
        CHECK_EQ(covey_group_go(g, get_hastily, &c), 0);
    }
    CHECK_EQ(covey_group_wait(g), 0);
    covey_http_client_stats_get(s->client, &stats);
    CHECK_EQ(stats.started, stats.finished);
}
