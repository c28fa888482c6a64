/* SPDX-License-Identifier: MIT
 * client_test.c - the client against a small server in the same process.
 *
 * A request's path says what the server does: /hello, /bytes/N, /chunked/N (a pattern, in chunks),
 * /hang (no answer), /drop (half a body), /to/PATH (a redirect), /echo (the request as the body),
 * /empty (204), /head/N (N bytes of headers), /trickle (a byte each 10 ms, for ever). */
#include <covey.h>
#include <covey/http.h>

#include "harness.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the server ---- */

struct server {
    covey_listener *listener;
    covey_group *group; /* of the accepting task */
    covey_http_client *client;
    char base[64];
    atomic_int connections, open, requests;
};

struct visit {
    struct server *server;
    covey_conn *conn;
};

static char pattern[65536];

static int say(covey_ctx *ctx, covey_conn *c, const char *text)
{
    ssize_t n = covey_write(ctx, c, text, strlen(text));

    return n < 0 ? (int)n : 0;
}

static int say_body(covey_ctx *ctx, covey_conn *c, const char *status, const char *body, size_t len)
{
    char head[256];

    snprintf(head, sizeof(head), "HTTP/1.1 %s\r\nContent-Length: %zu\r\nX-Test: yes\r\n\r\n",
             status, len);
    int code = say(ctx, c, head);
    ssize_t n = code < 0 ? code : covey_write(ctx, c, body, len);
    return n < 0 ? (int)n : 0;
}

static int say_pattern(covey_ctx *ctx, covey_conn *c, size_t size, bool is_chunked)
{
    char head[128];
    int code = 0;

    snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", size);
    code = say(ctx, c, is_chunked ? "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" : head);
    for (size_t done = 0; done < size && code == 0;) {
        size_t piece = size - done < sizeof(pattern) ? size - done : sizeof(pattern);
        if (is_chunked) {
            snprintf(head, sizeof(head), "%zx\r\n", piece);
            code = say(ctx, c, head);
        }
        ssize_t n = code < 0 ? code : covey_write(ctx, c, pattern, piece);
        code = n < 0 ? (int)n : is_chunked ? say(ctx, c, "\r\n") : 0;
        done += piece;
    }
    return code < 0 || !is_chunked ? code : say(ctx, c, "0\r\nX-Trailer: dropped\r\n\r\n");
}

static int say_big_head(covey_ctx *ctx, covey_conn *c, size_t size)
{
    char line[1024];
    int code = say(ctx, c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n");

    memset(line, 'x', sizeof(line));
    memcpy(line, "X: ", 3);
    memcpy(line + sizeof(line) - 3, "\r\n", 3);
    for (size_t done = 0; done < size && code == 0; done += sizeof(line) - 1) {
        code = say(ctx, c, line);
    }
    return code < 0 ? code : say(ctx, c, "\r\n");
}

static int trickle(covey_ctx *ctx, covey_conn *c)
{
    int code = say(ctx, c, "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n");

    while (code == 0) {
        code = say(ctx, c, "x");
        if (code == 0) {
            code = covey_sleep(ctx, 10 * COVEY_MS);
        }
    }
    return code;
}

/* Answers one request; a code ends the connection. */
static int answer(covey_ctx *ctx, covey_conn *c, const char *request, size_t len)
{
    char path[512] = "", head[640];
    size_t n = 0;
    bool is_head = strncmp(request, "HEAD ", 5) == 0;

    sscanf(request, "%*s %511s", path);
    if (is_head) {
        return say(ctx, c, "HTTP/1.1 200 OK\r\nContent-Length: 12345\r\n\r\n");
    }
    if (sscanf(path, "/bytes/%zu", &n) == 1) {
        return say_pattern(ctx, c, n, false);
    }
    if (sscanf(path, "/chunked/%zu", &n) == 1) {
        return say_pattern(ctx, c, n, true);
    }
    if (sscanf(path, "/head/%zu", &n) == 1) {
        return say_big_head(ctx, c, n);
    }
    if (strncmp(path, "/to/", 4) == 0) {
        snprintf(
            head, sizeof(head),
            "HTTP/1.1 302 Found\r\nLocation: %s\r\nX-First: 1\r\nContent-Length: 4\r\n\r\ngone",
            path + 3);
        return say(ctx, c, head);
    }
    if (strcmp(path, "/hang") == 0) {
        int code =
            covey_wait_fd(ctx, covey_conn_fd(c), COVEY_FD_READ); /* until the client leaves */
        return code < 0 ? code : COVEY_ECLOSED;
    }
    if (strcmp(path, "/drop") == 0) {
        int code = say(ctx, c, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf.");
        return code < 0 ? code : COVEY_ECLOSED;
    }
    if (strcmp(path, "/trickle") == 0) {
        return trickle(ctx, c);
    }
    if (strcmp(path, "/empty") == 0) {
        return say(ctx, c, "HTTP/1.1 204 No Content\r\n\r\n");
    }
    if (strcmp(path, "/echo") == 0) {
        return say_body(ctx, c, "200 OK", request, len);
    }
    return strcmp(path, "/hello") == 0 ? say_body(ctx, c, "200 OK", "hello", 5)
                                       : say_body(ctx, c, "404 Not Found", "no", 2);
}

/* A request with its body, which must fit. Its length; 0 or a code at the end. */
static ssize_t read_request(covey_ctx *ctx, covey_conn *c, char *buf, size_t size)
{
    size_t len = 0, need = 0;

    while (need == 0 || len < need) {
        ssize_t n = covey_read(ctx, c, buf + len, size - 1 - len);
        if (n <= 0) {
            return n;
        }
        len += (size_t)n;
        buf[len] = '\0';
        if (buf[0] == 0x16) {
            return 0; /* TLS */
        }
        const char *end = strstr(buf, "\r\n\r\n");
        if (need == 0 && end) {
            const char *field = strstr(buf, "Content-Length: ");
            need = (size_t)(end + 4 - buf) + (field ? strtoul(field + 16, NULL, 10) : 0);
        }
    }
    return (ssize_t)len;
}

static int serve_visit(covey_ctx *ctx, void *arg)
{
    struct visit *v = arg;
    char *buf = malloc(65536);
    ssize_t len;

    while ((len = read_request(ctx, v->conn, buf, 65536)) > 0) {
        atomic_fetch_add(&v->server->requests, 1);
        if (answer(ctx, v->conn, buf, (size_t)len) < 0) {
            break;
        }
    }
    free(buf);
    covey_close(v->conn);
    atomic_fetch_sub(&v->server->open, 1);
    return 0;
}

static int serve(covey_ctx *ctx, void *arg)
{
    struct server *s = arg;
    covey_group *visits = covey_group_new(ctx);

    for (;;) {
        struct visit v = {.server = s};
        if (covey_accept(ctx, s->listener, &v.conn) < 0) {
            break;
        }
        atomic_fetch_add(&s->connections, 1);
        atomic_fetch_add(&s->open, 1);
        CHECK_EQ(covey_group_go_copy(visits, serve_visit, &v, sizeof(v)), 0);
    }
    covey_group_cancel(visits, 0);
    return covey_group_wait(visits);
}

static void start_server(covey_ctx *ctx, struct server *s, const covey_http_client_options *options)
{
    covey_http_client_options defaults = {.proxy = ""};

    for (size_t i = 0; i < sizeof(pattern); i++) {
        pattern[i] = (char)('a' + i % 26);
    }
    memset(s, 0, sizeof(*s));
    CHECK_EQ(covey_listen(&s->listener, "tcp://127.0.0.1:0", NULL), 0);
    snprintf(s->base, sizeof(s->base), "http%s", covey_listener_addr(s->listener) + 3);
    s->group = covey_group_new(ctx);
    CHECK_EQ(covey_group_go(s->group, serve, s), 0);
    s->client = covey_http_client_new(options ? options : &defaults);
    CHECK(s->client != NULL);
}

static void stop_server(struct server *s)
{
    covey_http_client_free(s->client);
    covey_group_cancel(s->group, 0);
    CHECK_EQ(covey_group_wait(s->group), 0);
    covey_listener_close(s->listener);
}

static const char *url_of(struct server *s, const char *path)
{
    static char urls[8][256];
    static int next;
    char *url = urls[next++ % 8];

    snprintf(url, sizeof(urls[0]), "%s%s", s->base, path);
    return url;
}

static void run_in_task(covey_fn *fn)
{
    int code = covey_run(fn, NULL);

    if (code < 0) {
        fprintf(stderr, "# %s\n", covey_errmsg());
    }
    CHECK_EQ(code, 0);
}

/* A test whose body runs as the main task, with a server and a client. */
#define HTTP_TEST(name)                                                                            \
    static void body_##name(covey_ctx *ctx, struct server *s);                                     \
    static int task_##name(covey_ctx *ctx, void *arg)                                              \
    {                                                                                              \
        static struct server server;                                                               \
        (void)arg;                                                                                 \
        start_server(ctx, &server, NULL);                                                          \
        body_##name(ctx, &server);                                                                 \
        stop_server(&server);                                                                      \
        return 0;                                                                                  \
    }                                                                                              \
    TEST(name)                                                                                     \
    {                                                                                              \
        run_in_task(task_##name);                                                                  \
    }                                                                                              \
    static void body_##name(covey_ctx *ctx, struct server *s)

/* Waits until a counter has that value. */
static void wait_until(covey_ctx *ctx, atomic_int *counter, int value)
{
    while (atomic_load(counter) != value) {
        CHECK_EQ(covey_sleep(ctx, COVEY_MS), 0);
    }
}

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

HTTP_TEST(a_chunked_body_is_put_together_and_its_trailer_dropped)
{
    covey_http_response r;

    CHECK_EQ(covey_http_get(ctx, s->client, url_of(s, "/chunked/300000"), &r), 0);
    CHECK_EQ(r.len, 300000);
    CHECK_EQ(r.content_length, -1);
    CHECK(covey_http_response_header(&r, "X-Trailer") == NULL);
    for (size_t i = 0; i < r.len; i++) {
        CHECK_EQ(r.body[i], pattern[i % sizeof(pattern)]);
    }
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

/* ---- bodies ---- */

struct reader {
    size_t len, largest;
    int64_t pause_ns;
    size_t fail_at;
    bool saw_head, saw_body_first;
    int fail_head;
    int status;
};

static int read_piece(covey_ctx *ctx, const void *data, size_t len, void *arg)
{
    struct reader *r = arg;
    const char *bytes = data;

    r->saw_body_first = r->saw_body_first || !r->saw_head;
    for (size_t i = 0; i < len; i++) {
        CHECK_EQ(bytes[i], pattern[(r->len + i) % sizeof(pattern)]);
    }
    r->len += len;
    r->largest = len > r->largest ? len : r->largest;
    if (r->fail_at && r->len >= r->fail_at) {
        return covey_errorf(-ENOSPC, "no more");
    }
    return r->pause_ns ? covey_sleep(ctx, r->pause_ns) : 0;
}

static int read_head(covey_ctx *ctx, const covey_http_response *resp, void *arg)
{
    struct reader *r = arg;
    (void)ctx;

    r->saw_head = true;
    r->status = resp->status;
    if (resp->status == 200) {
        CHECK(resp->effective_url && resp->http_version == 11);
    }
    return r->fail_head;
}

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

struct crowd {
    struct server *server;
    const char *path;
    int64_t timeout_ns;
    atomic_int ended, codes[8];
    const char *url;
};

static int get_one(covey_ctx *ctx, void *arg)
{
    struct crowd *c = arg;
    covey_http_response r;
    char url[256];

    snprintf(url, sizeof(url), "%s%s", c->url ? c->url : c->server->base, c->path);
    int code = covey_http_get(ctx, c->server->client, url, &r);
    covey_http_response_free(&r);
    atomic_fetch_add(&c->ended, 1);
    atomic_fetch_add(&c->codes[code == 0                 ? 0
                               : code == COVEY_ECANCELED ? 1
                               : code == COVEY_EDEADLINE ? 2
                               : code == COVEY_EDNS      ? 3
                                                         : 4],
                     1);
    return code;
}

static void start_crowd(covey_group *g, struct crowd *c, int n)
{
    for (int i = 0; i < n; i++) {
        CHECK_EQ(covey_group_go(g, get_one, c), 0);
    }
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

HTTP_TEST(a_trickle_is_cut_off)
{
    struct reader r = {0};
    covey_http_request req = {.url = url_of(s, "/trickle"), .discard_body = true, .body_arg = &r};
    covey_ctx *timed = covey_ctx_with_timeout(ctx, 50 * COVEY_MS);
    covey_http_response resp;

    CHECK_EQ(covey_http_do(timed, s->client, &req, &resp), COVEY_EDEADLINE);
    CHECK(resp.len > 0 && resp.status == 200);
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
