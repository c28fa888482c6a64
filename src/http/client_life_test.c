/* SPDX-License-Identifier: MIT
 * client_life_test.c - connections, and the lifetimes of clients. */
#include "harness.h"

#include "http/fixture_client.h"

/* ---- connections ---- */

HTTP_TEST(connections_are_used_again)
{
    covey_http_client_stats stats;

    for (int i = 0; i < 200; i++) {
        covey_http_response r;
        CHECK_EQ(covey_http_get(ctx, s->client, url_of(s, "/hello"), &r), 0);
        CHECK_EQ(r.connection_reused, i > 0);
        covey_http_response_free(&r);
    }
    CHECK_EQ(atomic_load(&s->connections), 1);
    covey_http_client_stats_get(s->client, &stats);
    CHECK_EQ(stats.connections_opened, 1);
    CHECK_EQ(stats.finished, 200);
    CHECK_EQ(stats.failed, 0);
}

HTTP_TEST(a_thousand_at_once)
{
    struct crowd c = {.server = s, .path = "/bytes/2000"};
    covey_group *g = covey_group_new(ctx);

    start_crowd(g, &c, 1000);
    CHECK_EQ(covey_group_wait(g), 0);
    CHECK_EQ(atomic_load(&c.codes[0]), 1000);
}

static int few_connections(covey_ctx *ctx, void *arg)
{
    static struct server server;
    struct crowd c = {.server = &server, .path = "/hello"};
    (void)arg;

    start_server(ctx, &server, &(covey_http_client_options){.max_connections = 3, .proxy = ""});
    covey_group *g = covey_group_new(ctx);
    start_crowd(g, &c, 300);
    CHECK_EQ(covey_group_wait(g), 0);
    CHECK(atomic_load(&server.connections) <= 3);
    stop_server(&server);
    return 0;
}

TEST(connections_have_a_limit)
{
    run_in_task(few_connections);
}

/* ---- lifetimes ---- */

static int forget_client(covey_ctx *ctx, void *arg)
{
    static struct server server;
    covey_http_response r;

    start_server(ctx, &server, NULL);
    CHECK_EQ(covey_http_get(ctx, server.client, url_of(&server, "/hello"), &r), 0);
    covey_http_response_free(&r);
    *(covey_http_client **)arg = server.client;
    server.client = NULL;
    stop_server(&server);
    return 0;
}

TEST(a_forgotten_client_does_not_hold_covey_run_up)
{
    covey_http_client *client;

    CHECK_EQ(covey_run(forget_client, &client), 0);
    covey_http_client_free(client); /* no runtime is up any more */
}

static int use_client(covey_ctx *ctx, void *arg)
{
    static struct server server;
    covey_http_client *client = arg;
    covey_http_response r;

    start_server(ctx, &server, NULL);
    CHECK_EQ(covey_http_get(ctx, client, url_of(&server, "/hello"), &r), 0);
    covey_http_response_free(&r);
    stop_server(&server);
    return 0;
}

TEST(a_client_may_be_made_before_and_used_in_several_runs)
{
    covey_http_client *client = covey_http_client_new(&(covey_http_client_options){.proxy = ""});

    for (int i = 0; i < 3; i++) {
        CHECK_EQ(covey_run(use_client, client), 0);
    }
    covey_http_client_free(client);
    covey_http_client_free(NULL);
    covey_http_client_free(covey_http_client_new(NULL)); /* never used */
}

static int hang_without_ctx(covey_ctx *ctx, void *arg)
{
    struct server *s = arg;
    covey_http_response r;
    char url[256];
    (void)ctx;

    snprintf(url, sizeof(url), "%s/hang", s->base);
    for (int i = 0; i < 2; i++) {
        /* Nothing but the end of covey_run() can end it. */
        CHECK_EQ(covey_http_get(NULL, s->client, url, &r), COVEY_ECANCELED);
        covey_http_response_free(&r);
    }
    return 0;
}

static int leave_transfers_to_a_silent_peer(covey_ctx *ctx, void *arg)
{
    struct server *s = arg;

    start_server(ctx, s, NULL);
    covey_group_cancel(s->group, 0);
    CHECK_EQ(covey_group_wait(s->group), 0); /* nobody accepts: connected, and no answer */
    for (int i = 0; i < 20; i++) {
        CHECK_EQ(covey_go(hang_without_ctx, s), 0);
    }
    CHECK_EQ(covey_sleep(ctx, 20 * COVEY_MS), 0); /* sleeps: for all to be under way */
    return 0;
}

TEST(the_end_of_covey_run_ends_transfers_that_nothing_else_could)
{
    static struct server s;

    CHECK_EQ(covey_run(leave_transfers_to_a_silent_peer, &s), 0);
    covey_http_client_free(s.client);
    covey_listener_close(s.listener);
}

/* Fails one time in three. */
static int ignore_piece(covey_ctx *ctx, const void *data, size_t len, void *arg)
{
    const struct reader *r = arg;
    (void)ctx;
    (void)data;
    (void)len;

    return r->fail_at == 1 ? -ENOSPC : 0;
}

static int get_until_canceled(covey_ctx *ctx, void *arg)
{
    struct server *s = arg;
    char url[256];
    int code = 0;

    snprintf(url, sizeof(url), "%s/hello", s->base);
    while (code != COVEY_ECANCELED) {
        struct reader r = {.fail_at = covey_task_id() % 3};
        covey_http_request req = {.url = url, .on_body = ignore_piece, .body_arg = &r};
        covey_ctx *timed = covey_ctx_with_timeout(covey_task_id() % 2 ? NULL : ctx, 100 * COVEY_US);
        covey_http_response resp;

        code = covey_http_do(timed, s->client, &req, &resp);
        CHECK(code == 0 || code == COVEY_EDEADLINE || code == COVEY_ECANCELED || code == -ENOSPC ||
              code == -ECONNRESET || code == -ECONNREFUSED);
        code = code != COVEY_ECANCELED && covey_ctx_err(ctx) < 0 ? COVEY_ECANCELED : code;
        covey_http_response_free(&resp);
        covey_ctx_unref(timed);
    }
    return 0;
}

static int leave_a_crowd(covey_ctx *ctx, void *arg)
{
    struct server *s = arg;

    CHECK_EQ(covey_go(serve, s), 0);
    for (int i = 0; i < 40; i++) {
        CHECK_EQ(covey_go(get_until_canceled, s), 0);
    }
    int64_t moment = (int64_t)(covey_task_id() % 7) * 300 * COVEY_US; /* another in each run */
    return covey_sleep(ctx, moment);                                  /* sleeps: see there */
}

TEST(covey_run_may_end_at_any_moment)
{
    static struct server s;

    s.client = covey_http_client_new(&(covey_http_client_options){.proxy = ""});
    for (int i = 0; i < 30; i++) {
        CHECK_EQ(covey_listen(&s.listener, "tcp://127.0.0.1:0", NULL), 0);
        snprintf(s.base, sizeof(s.base), "http%s", covey_listener_addr(s.listener) + 3);
        CHECK_EQ(covey_run(leave_a_crowd, &s), 0);
        covey_listener_close(s.listener);
    }
    covey_http_client_free(s.client);
}
