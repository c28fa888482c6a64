/* SPDX-License-Identifier: MIT
 * http_trailers_test.c - headers behind a body, over HTTP/1: a request's are told once the body has
 * ended, a response's are sent where there is room for them. */
#include "http_support.h"

#include <covey/http.h>

#define HEAD "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
#define CHUNKED HEAD "Transfer-Encoding: chunked\r\n\r\n"

static const char *or_none(const char *text)
{
    return text ? text : "-";
}

/* The body, then two trailers, which cannot be seen before. */
static int tells(covey_ctx *ctx, covey_http_server_request *req, covey_http_writer *w, void *arg)
{
    char body[64] = "";
    size_t len = 0;
    ssize_t n;

    (void)arg;
    do {
        CHECK(!covey_http_request_trailer(req, "X-Sum"));
        n = covey_http_body_read(ctx, req, body + len, sizeof(body) - 1 - len);
        len += n > 0 ? (size_t)n : 0;
    } while (n > 0);
    if (n < 0) {
        return (int)n;
    }
    body[len] = '\0';
    CHECK(!covey_http_request_header(req, "X-Sum"));
    return covey_http_respondf(ctx, w, 200, "%s sum=%s other=%s", body,
                               or_none(covey_http_request_trailer(req, "x-SUM")),
                               or_none(covey_http_request_trailer(req, "X-Other")));
}

/* The body of the answer to a request. */
static void check_body(struct site *s, const char *request, const char *body)
{
    covey_conn *c = dial(s);

    say(c, request);
    char *text = hear_all(c);
    CHECK_EQ(status_in(text), 200);
    CHECK_STR(strstr(text, "\r\n\r\n") + 4, body);
    free(text);
    covey_close(c);
}

TASK_TEST(trailers_are_told_when_the_body_has_ended)
{
    struct site s = {.handler = tells};
    site_open(&s);

    check_body(&s, CHUNKED "3\r\nabc\r\n0\r\nX-Sum:  12 \r\nX-Sum: 13\r\nX-Other:\r\n\r\n",
               "abc sum=12 other=");
    check_body(&s, CHUNKED "0\r\nX-Other: a: b\r\n\r\n", " sum=- other=a: b");
    check_body(&s, CHUNKED "0\r\n\r\n", " sum=- other=-");
    check_body(&s, HEAD "Content-Length: 3\r\n\r\nabc", "abc sum=- other=-");
    check_body(&s, HEAD "\r\n", " sum=- other=-");
    CHECK_EQ(site_close(&s), 0);
}

TASK_TEST(trailers_of_one_request_are_not_those_of_the_next)
{
    struct site s = {.handler = tells};
    char buf[1024];
    site_open(&s);

    covey_conn *c = dial(&s);
    say(c, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
           "0\r\nX-Sum: 12\r\n\r\n" HEAD "\r\n");
    hear_until(c, buf, sizeof(buf), " sum=12 other=-");
    char *text = hear_all(c);
    CHECK_EQ(count_of(text, " sum=- other=-"), 1);
    free(text);
    covey_close(c);
    CHECK_EQ(site_close(&s), 0);
}

TASK_TEST(trailers_that_are_none_or_too_many_have_their_status)
{
    struct site s = {.handler = tells, .opts = {.max_header_count = 5, .max_header_size = 2048}};
    char large[4096];
    site_open(&s);

    static const char *const bad[] = {
        CHUNKED "0\r\nX Sum: 12\r\n\r\n",  CHUNKED "0\r\nX-Sum : 12\r\n\r\n",
        CHUNKED "0\r\n: 12\r\n\r\n",       CHUNKED "0\r\nX-Sum\r\n\r\n",
        CHUNKED "0\r\n X-Sum: 12\r\n\r\n", CHUNKED "0\r\nX-Sum: 1\n\r\n",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        CHECK_EQ(status_for(&s, bad[i], strlen(bad[i])), 400);
    }
    static const char five[] = CHUNKED "0\r\nA: 1\r\nB: 2\r\nC: 3\r\nD: 4\r\nE: 5\r\n";
    int n = snprintf(large, sizeof(large), "%s\r\n", five);
    CHECK_EQ(status_for(&s, large, (size_t)n), 200);
    n = snprintf(large, sizeof(large), "%sF: 6\r\n\r\n", five);
    CHECK_EQ(status_for(&s, large, (size_t)n), 413);
    n = snprintf(large, sizeof(large), CHUNKED "0\r\nA: %0900d\r\nB: %0900d\r\nC: %0900d\r\n\r\n",
                 1, 2, 3);
    CHECK_EQ(status_for(&s, large, (size_t)n), 413);
    n = snprintf(large, sizeof(large), CHUNKED "0\r\nA: %01100d\r\n\r\n", 1); /* a line too long */
    CHECK_EQ(status_for(&s, large, (size_t)n), 400);
    CHECK_EQ(site_close(&s), 0);
}

/* Reads under a context that ends while a trailer is coming, then goes on. */
static int hesitates(covey_ctx *ctx, covey_http_server_request *req, covey_http_writer *w,
                     void *arg)
{
    covey_ctx *hasty = covey_ctx_with_cancel(ctx);
    char buf[16];
    int code = 0;

    atomic_store((_Atomic(covey_ctx *) *)arg, covey_ctx_ref(hasty)); /* who ends it, lets it go */
    CHECK_EQ(covey_http_body_read(hasty, req, buf, sizeof(buf)), 3);
    code = (int)covey_http_body_read(hasty, req, buf, sizeof(buf));
    CHECK_EQ(code, COVEY_ECANCELED);
    CHECK(!covey_http_request_trailer(req, "X")); /* it has come, but not all of them */
    covey_ctx_unref(hasty);
    CHECK_EQ(covey_http_body_read(ctx, req, buf, sizeof(buf)), 0);
    return covey_http_respondf(ctx, w, 200, "sum=%s",
                               or_none(covey_http_request_trailer(req, "1")));
}

TASK_TEST(an_interrupted_read_goes_on_among_the_trailers)
{
    _Atomic(covey_ctx *) hasty = NULL;
    struct site s = {.handler = hesitates, .arg = &hasty};
    site_open(&s);

    covey_conn *c = dial(&s);
    say(c, CHUNKED "3\r\nabc\r\n0\r\nX: y\r\n");
    while (!atomic_load(&hasty)) {
        covey_yield();
    }
    settle();
    covey_ctx_cancel(atomic_load(&hasty));
    covey_ctx_unref(atomic_load(&hasty));
    await_running(&s, 1);
    settle();
    say(c, "1: 12\r\n\r\n"); /* would be a chunk's size, and its data */
    char *text = hear_all(c);
    CHECK_EQ(count_of(text, "sum=12"), 1);
    free(text);
    covey_close(c);
    CHECK_EQ(site_close(&s), 0);
}

/* ---- responses ---- */

/* By path: in one piece, in several, or with a length that was said. */
static int sums(covey_ctx *ctx, covey_http_server_request *req, covey_http_writer *w, void *arg)
{
    (void)arg;
    CHECK_EQ(covey_http_set_trailer(w, "X-Sum", "0"), 0);
    CHECK_EQ(covey_http_set_trailer(w, "x-sum", "12"), 0);
    if (strcmp(req->path, "/whole") == 0) {
        return covey_http_respond(ctx, w, 200, "text/plain", "hello", 5);
    }
    if (strcmp(req->path, "/said") == 0) {
        CHECK_EQ(covey_http_set_header(w, "Content-Length", "5"), 0);
    }
    if (strcmp(req->path, "/none") == 0) {
        return covey_http_respond(ctx, w, 204, NULL, NULL, 0);
    }
    if (strcmp(req->path, "/fails") == 0) {
        return -EIO;
    }
    CHECK_EQ(covey_http_write(ctx, w, "hello", 5), 5);
    CHECK_EQ(covey_http_flush(ctx, w), 0);
    CHECK_EQ(covey_http_set_trailer(w, "X-Late", "yes"), 0);
    return 0;
}

TASK_TEST(a_response_with_trailers_is_chunked)
{
    static const char *const paths[] = {"/whole", "/pieces", "/said"};
    struct site s = {.handler = sums};
    site_open(&s);

    for (size_t i = 0; i < 3; i++) {
        char *text = get(&s, paths[i]);
        CHECK_EQ(status_in(text), 200);
        CHECK_EQ(count_of(text, "Content-Length"), 0);
        CHECK_EQ(count_of(text, "\r\nTransfer-Encoding: chunked\r\n"), 1);
        CHECK_STR(strstr(text, "\r\n\r\n") + 4,
                  i == 0 ? "5\r\nhello\r\n0\r\nx-sum: 12\r\n\r\n"
                         : "5\r\nhello\r\n0\r\nx-sum: 12\r\nX-Late: yes\r\n\r\n");
        free(text);
    }
    CHECK_EQ(site_close(&s), 0);
}

TASK_TEST(trailers_without_room_are_dropped)
{
    struct site s = {.handler = sums};
    site_open(&s);

    char *text = get(&s, "/none");
    CHECK_EQ(status_in(text), 204);
    CHECK_STR(strstr(text, "\r\n\r\n") + 4, "");
    free(text);
    text = get(&s, "/fails"); /* an answer of the server's own */
    CHECK_EQ(status_in(text), 500);
    CHECK_EQ(count_of(text, "sum"), 0);
    free(text);
    covey_conn *c = dial(&s);
    say(c, "GET /whole HTTP/1.0\r\n\r\n");
    text = hear_all(c);
    CHECK_EQ(count_of(text, "\r\nContent-Length: 5\r\n"), 1);
    CHECK_STR(strstr(text, "\r\n\r\n") + 4, "hello");
    free(text);
    covey_close(c);
    c = dial(&s);
    say(c, "HEAD /whole HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    text = hear_all(c);
    CHECK_EQ(status_in(text), 200);
    CHECK_STR(strstr(text, "\r\n\r\n") + 4, "");
    free(text);
    covey_close(c);
    CHECK_EQ(site_close(&s), 0);
}

static int refuses(covey_ctx *ctx, covey_http_server_request *req, covey_http_writer *w, void *arg)
{
    static const char *const names[] = {"Content-Length", "transfer-encoding", "Trailer", "Host",
                                        "Content-Type",   "Set-Cookie",        "",        "X Sum",
                                        "X-Sum:"};

    (void)req;
    (void)arg;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        CHECK_EQ(covey_http_set_trailer(w, names[i], "1"), -EINVAL);
    }
    CHECK_EQ(covey_http_set_trailer(w, "X-Sum", "1\r\nSet-Cookie: a"), -EINVAL);
    return covey_http_respondf(ctx, w, 200, "as ever");
}

TASK_TEST(what_must_be_known_before_is_no_trailer)
{
    struct site s = {.handler = refuses};
    site_open(&s);

    char *text = get(&s, "/");
    CHECK_EQ(count_of(text, "\r\nContent-Length: 7\r\n"), 1);
    free(text);
    CHECK_EQ(site_close(&s), 0);
}
