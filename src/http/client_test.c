/* SPDX-License-Identifier: MIT
 * client_test.c - requests of the client and the answers to them. */
#include "harness.h"

#include "http/fixture.h"

/* ---- answers ---- */

HTTP_TEST(get_gives_status_headers_and_body)
{
    covey_http_response r;

    CHECK_EQ(covey_http_get(ctx, s->client, url_of(s, "/hello"), &r), 0);
    CHECK_EQ(r.status, 200);
    CHECK_STR(r.body, "hello");
    CHECK_EQ(r.len, 5);
    CHECK_EQ(r.content_length, 5);
    CHECK_EQ(r.http_version, 11);
    CHECK_STR(covey_http_response_header(&r, "x-test"), "yes");
    CHECK_STR(r.effective_url, url_of(s, "/hello"));
    CHECK(!r.connection_reused && r.ttfb_ns > 0 && r.total_ns >= r.ttfb_ns);
    covey_http_response_free(&r);
    covey_http_response_free(&r); /* {0} again */
    covey_http_response_free(NULL);

    CHECK_EQ(covey_http_get(ctx, s->client, url_of(s, "/nope"), &r), 0);
    CHECK_EQ(r.status, 404);
    CHECK_STR(r.body, "no");
    CHECK(r.connection_reused);
    covey_http_response_free(&r);
}

HTTP_TEST(a_response_without_a_body_has_an_empty_one)
{
    covey_http_response r;

    CHECK_EQ(covey_http_get(ctx, s->client, url_of(s, "/empty"), &r), 0);
    CHECK_EQ(r.status, 204);
    CHECK_STR(r.body, "");
    CHECK_EQ(r.len, 0);
    covey_http_response_free(&r);
    CHECK_EQ(covey_http_do(ctx, s->client,
                           &(covey_http_request){.url = url_of(s, "/hello"), .method = "HEAD"}, &r),
             0);
    CHECK_EQ(r.content_length, 12345);
    CHECK_STR(r.body, "");
    covey_http_response_free(&r);
}

HTTP_TEST(a_chunked_body_is_put_together_and_its_trailer_kept_apart)
{
    covey_http_response r;

    CHECK_EQ(covey_http_get(ctx, s->client, url_of(s, "/chunked/300000"), &r), 0);
    CHECK_EQ(r.len, 300000);
    CHECK_EQ(r.content_length, -1);
    CHECK(covey_http_response_header(&r, "X-Trailer") == NULL);
    CHECK_EQ(r.trailer_count, 1);
    CHECK_STR(covey_http_response_trailer(&r, "x-trailer"), "kept apart");
    for (size_t i = 0; i < r.len; i++) {
        CHECK_EQ(r.body[i], pattern[i % sizeof(pattern)]);
    }
    covey_http_response_free(&r);
    CHECK_EQ(covey_http_get(ctx, s->client, url_of(s, "/to/chunked/0"), &r), 0);
    CHECK_EQ(r.len, 0);
    CHECK(covey_http_response_header(&r, "X-Trailer") == NULL);
    CHECK_STR(covey_http_response_trailer(&r, "X-Trailer"), "kept apart");
    covey_http_response_free(&r);
    CHECK_EQ(covey_http_get(ctx, s->client, url_of(s, "/hello"), &r), 0);
    CHECK_EQ(r.trailer_count, 0);
    covey_http_response_free(&r);
}

HTTP_TEST(redirects_are_followed)
{
    covey_http_response r;

    CHECK_EQ(covey_http_get(ctx, s->client, url_of(s, "/to/to/hello"), &r), 0);
    CHECK_EQ(r.status, 200);
    CHECK_STR(r.body, "hello");
    CHECK_STR(r.effective_url, url_of(s, "/hello"));
    CHECK(covey_http_response_header(&r, "X-First") == NULL);
    covey_http_response_free(&r);
    CHECK_EQ(
        covey_http_get(ctx, s->client, url_of(s, "/to/to/to/to/to/to/to/to/to/to/to/to/hello"), &r),
        COVEY_EPROTO);
    covey_http_response_free(&r);
}

static int no_redirects(covey_ctx *ctx, void *arg)
{
    static struct server server;
    covey_http_response r;
    (void)arg;

    start_server(ctx, &server, &(covey_http_client_options){.max_redirects = -1, .proxy = ""});
    CHECK_EQ(covey_http_get(ctx, server.client, url_of(&server, "/to/hello"), &r), 0);
    CHECK_EQ(r.status, 302);
    CHECK_STR(r.body, "gone");
    covey_http_response_free(&r);
    stop_server(&server);
    return 0;
}

TEST(a_redirect_can_be_the_answer)
{
    run_in_task(no_redirects);
}

/* ---- requests ---- */

static bool echo_has(covey_ctx *ctx, struct server *s, const covey_http_request *req,
                     const char *text)
{
    covey_http_response r;

    CHECK_EQ(covey_http_do(ctx, s->client, req, &r), 0);
    bool has = strstr(r.body, text) != NULL;
    covey_http_response_free(&r);
    return has;
}

HTTP_TEST(methods_headers_and_bodies_are_sent)
{
    const covey_http_header headers[] = {{"X-One", "1"}, {"X-Empty", ""}};
    covey_http_request req = {.url = url_of(s, "/echo")};

    CHECK(echo_has(ctx, s, &req, "GET /echo HTTP/1.1\r\n"));
    CHECK(echo_has(ctx, s, &req, "User-Agent: covey/" COVEY_VERSION "\r\n"));
    req.headers = headers;
    req.header_count = 2;
    CHECK(echo_has(ctx, s, &req, "\r\nX-One: 1\r\n"));
    CHECK(echo_has(ctx, s, &req, "\r\nX-Empty:"));
    req.body = "abc";
    req.body_len = 3;
    CHECK(echo_has(ctx, s, &req, "POST /echo HTTP/1.1\r\n"));
    CHECK(echo_has(ctx, s, &req, "\r\n\r\nabc"));
    req.method = "PUT";
    CHECK(echo_has(ctx, s, &req, "PUT /echo HTTP/1.1\r\n"));
    CHECK(echo_has(ctx, s, &req, "\r\n\r\nabc"));
    req = (covey_http_request){.url = url_of(s, "/echo"), .method = "DELETE"};
    CHECK(echo_has(ctx, s, &req, "DELETE /echo HTTP/1.1\r\n"));
    req = (covey_http_request){.url = url_of(s, "/echo"), .resume_from = 100};
    CHECK(echo_has(ctx, s, &req, "\r\nRange: bytes=100-\r\n"));

    /* A used handle forgets all that. */
    req = (covey_http_request){.url = url_of(s, "/echo")};
    CHECK(echo_has(ctx, s, &req, "GET /echo HTTP/1.1\r\n"));
    CHECK(!echo_has(ctx, s, &req, "X-One"));
    CHECK(!echo_has(ctx, s, &req, "Range"));
    CHECK(!echo_has(ctx, s, &req, "abc"));
}

HTTP_TEST(bad_requests_are_refused)
{
    static const char *const urls[] = {
        "",          "http://", "ftp://h/", "file:///etc/passwd", "http://a b/", "http://h:99999/",
        "gopher://h"};
    covey_http_header header = {"A", "b\r\nEvil: 1"};
    covey_http_request req = {.url = url_of(s, "/echo"), .headers = &header, .header_count = 1};
    covey_http_response r;

    for (size_t i = 0; i < sizeof(urls) / sizeof(*urls); i++) {
        CHECK_EQ(covey_http_get(ctx, s->client, urls[i], &r), -EINVAL);
        covey_http_response_free(&r);
    }
    CHECK_EQ(covey_http_do(ctx, s->client, &req, &r), -EINVAL);
    header = (covey_http_header){"A: x", "b"};
    CHECK_EQ(covey_http_do(ctx, s->client, &req, &r), -EINVAL);
    header = (covey_http_header){"", "b"};
    CHECK_EQ(covey_http_do(ctx, s->client, &req, &r), -EINVAL);
    req = (covey_http_request){.url = url_of(s, "/echo"), .method = "GET /\r\n"};
    CHECK_EQ(covey_http_do(ctx, s->client, &req, &r), -EINVAL);
    CHECK_EQ(covey_http_get(ctx, s->client, NULL, &r), -EINVAL);
    CHECK_EQ(covey_http_get(ctx, NULL, "http://h/", &r), -EINVAL);
    CHECK_EQ(atomic_load(&s->requests), 0);
}
