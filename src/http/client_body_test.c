/* SPDX-License-Identifier: MIT
 * client_body_test.c - bodies, kept and streamed. */
#include "harness.h"

#include "http/fixture_client.h"

HTTP_TEST(a_streamed_body_comes_in_order_and_in_small_pieces)
{
    struct reader r = {0};
    covey_http_request req = {.url = url_of(s, "/bytes/5000000"),
                              .on_body = read_piece,
                              .on_headers = read_head,
                              .body_arg = &r};
    covey_http_response resp;

    CHECK_EQ(covey_http_do(ctx, s->client, &req, &resp), 0);
    CHECK_EQ(r.len, 5000000);
    CHECK_EQ(resp.len, 5000000);
    CHECK(r.largest <= 65536);
    CHECK(r.saw_head && !r.saw_body_first && r.status == 200);
    CHECK(resp.body == NULL && resp.status == 200);
    covey_http_response_free(&resp);
}

HTTP_TEST(a_slow_reader_holds_the_sender_back)
{
    struct reader r = {.pause_ns = 2 * COVEY_MS};
    covey_http_request req = {
        .url = url_of(s, "/bytes/8000000"), .on_body = read_piece, .body_arg = &r};
    covey_http_response resp;

    CHECK_EQ(covey_http_do(ctx, s->client, &req, &resp), 0);
    CHECK_EQ(r.len, 8000000);
    covey_http_response_free(&resp);
}

HTTP_TEST(a_reader_can_end_the_transfer)
{
    struct reader r = {.fail_at = 100000};
    covey_http_request req = {.url = url_of(s, "/bytes/50000000"),
                              .on_body = read_piece,
                              .on_headers = read_head,
                              .body_arg = &r};
    covey_http_response resp;

    CHECK_EQ(covey_http_do(ctx, s->client, &req, &resp), -ENOSPC);
    CHECK_STR(covey_errmsg(), "no more");
    CHECK_EQ(resp.status, 200);
    covey_http_response_free(&resp);

    r = (struct reader){.fail_at = 1}; /* the last piece of a short one */
    req.url = url_of(s, "/bytes/10");
    CHECK_EQ(covey_http_do(ctx, s->client, &req, &resp), -ENOSPC);
    covey_http_response_free(&resp);

    r = (struct reader){.fail_head = -EPERM};
    req.url = url_of(s, "/bytes/50000000");
    CHECK_EQ(covey_http_do(ctx, s->client, &req, &resp), -EPERM);
    CHECK_EQ(r.len, 0);
    covey_http_response_free(&resp);
    while (atomic_load(&s->open) > 1) { /* all but, perhaps, that of the short one */
        CHECK_EQ(covey_sleep(ctx, COVEY_MS), 0);
    }
}

HTTP_TEST(the_head_is_seen_before_a_kept_or_dropped_body)
{
    for (int discard = 0; discard < 2; discard++) {
        struct reader r = {0};
        covey_http_request req = {.url = url_of(s, "/bytes/300000"),
                                  .discard_body = discard,
                                  .on_headers = read_head,
                                  .body_arg = &r};
        covey_http_response resp;

        CHECK_EQ(covey_http_do(ctx, s->client, &req, &resp), 0);
        CHECK(r.saw_head);
        CHECK_EQ(resp.len, 300000);
        CHECK((resp.body == NULL) == discard);
        covey_http_response_free(&resp);

        r = (struct reader){.fail_head = -EPERM};
        CHECK_EQ(covey_http_do(ctx, s->client, &req, &resp), -EPERM);
        CHECK_EQ(resp.len, 0);
        CHECK(resp.body == NULL);
        covey_http_response_free(&resp);

        r = (struct reader){0};
        req.url = url_of(s, "/empty");
        CHECK_EQ(covey_http_do(ctx, s->client, &req, &resp), 0);
        CHECK(r.saw_head && r.status == 204);
        covey_http_response_free(&resp);
    }
}

static int small_bodies(covey_ctx *ctx, void *arg)
{
    static struct server server;
    covey_http_response r;
    (void)arg;

    start_server(ctx, &server, &(covey_http_client_options){.max_body = 1000, .proxy = ""});
    CHECK_EQ(covey_http_get(ctx, server.client, url_of(&server, "/bytes/1000"), &r), 0);
    covey_http_response_free(&r);
    CHECK_EQ(covey_http_get(ctx, server.client, url_of(&server, "/bytes/1001"), &r),
             COVEY_ETOOLARGE);
    CHECK(strstr(covey_errmsg(), "longer than 1000 bytes") != NULL);
    covey_http_response_free(&r);
    CHECK_EQ(covey_http_get(ctx, server.client, url_of(&server, "/chunked/1001"), &r),
             COVEY_ETOOLARGE);
    covey_http_response_free(&r);
    stop_server(&server);
    return 0;
}

TEST(a_kept_body_has_a_limit)
{
    run_in_task(small_bodies);
}

HTTP_TEST(a_head_has_a_limit)
{
    covey_http_response r;

    CHECK_EQ(covey_http_get(ctx, s->client, url_of(s, "/head/20000"), &r), 0);
    CHECK(r.header_count > 10);
    covey_http_response_free(&r);
    CHECK(covey_http_get(ctx, s->client, url_of(s, "/head/1000000"), &r) < 0);
    covey_http_response_free(&r);
}
