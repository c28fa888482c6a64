/* SPDX-License-Identifier: MIT
 * http_server_test.c - what covey_http_serve() promises, seen by a client that sends bytes. */
#include "http_support.h"

#include <covey/http.h>

#include <sys/socket.h>

#define HOST "Host: x\r\n"
#define CLOSE "Connection: close\r\n"

/* ---- handlers ---- */

/* Answers with the path, after waiting for arg (a channel) if it is not NULL. */
static int path_of(covey_ctx *ctx, covey_http_server_request *req, covey_http_writer *w, void *arg)
{
    if (arg) {
        int code = covey_chan_recv(ctx, arg, NULL);
        if (code < 0 && code != COVEY_ECLOSED) {
            return code;
        }
    }
    return covey_http_respondf(ctx, w, 200, "%s", req->path);
}

/* Waits for the end of its context, and tells by what it ended. */
struct ends {
    atomic_int canceled, deadline, cause;
};

static int until_done(covey_ctx *ctx, covey_http_server_request *req, covey_http_writer *w,
                      void *arg)
{
    struct ends *e = arg;

    (void)req;
    (void)w;
    int code = covey_select(ctx, COVEY_AFTER(600 * COVEY_SEC));
    CHECK(code == COVEY_ECANCELED || code == COVEY_EDEADLINE);
    atomic_store(&e->cause, covey_ctx_cause(ctx));
    atomic_fetch_add(code == COVEY_ECANCELED ? &e->canceled : &e->deadline, 1);
    return code;
}

/* ---- responses ---- */

TASK_TEST(a_whole_response_has_a_length_and_a_date)
{
    struct site s = {.handler = hello};
    site_open(&s);

    char *text = get(&s, "/");
    CHECK_EQ(status_in(text), 200);
    CHECK_EQ(count_of(text, "\r\nContent-Length: 5\r\n"), 1);
    CHECK_EQ(count_of(text, "\r\nDate: "), 1);
    CHECK_EQ(count_of(text, "\r\nConnection: close\r\n"), 1);
    CHECK_STR(strstr(text, "\r\n\r\n") + 4, "hello");
    free(text);
    CHECK_EQ(site_close(&s), 0);
    CHECK_EQ(s.stats.requests, 1);
    CHECK_EQ(s.stats.accepted, 1);
}

TASK_TEST(requests_on_one_connection_are_answered_in_order)
{
    struct site s = {.handler = path_of};
    char buf[4096];
    site_open(&s);

    covey_conn *c = dial(&s);
    say(c, "GET /1 HTTP/1.1\r\n" HOST "\r\n\r\nGET /2 HTTP/1.1\r\n" HOST "\r\nGET /3 HT");
    hear_until(c, buf, sizeof(buf), "/1");
    hear_until(c, buf, sizeof(buf), "/2");
    CHECK_EQ(count_of(buf, "Connection:"), 0);
    say(c, "TP/1.1\r\n" HOST CLOSE "\r\n");
    char *text = hear_all(c);
    CHECK_EQ(count_of(text, "/3"), 1);
    free(text);
    covey_close(c);
    CHECK_EQ(site_close(&s), 0);
    CHECK_EQ(s.stats.accepted, 1);
    CHECK_EQ(s.stats.requests, 3);
}

TASK_TEST(a_request_may_come_byte_by_byte)
{
    static const char request[] =
        "POST /x HTTP/1.1\r\n" HOST CLOSE "Transfer-Encoding: chunked\r\n\r\n"
        "3;ext=1\r\nabc\r\n10\r\n0123456789abcdef\r\n0\r\nX-Trailer: no part of it\r\n\r\n";
    struct site s = {.handler = echo};
    site_open(&s);

    covey_conn *c = dial(&s);
    for (size_t i = 0; i + 1 < sizeof(request); i++) {
        say_bytes(c, request + i, 1);
        covey_yield();
    }
    char *text = hear_all(c);
    CHECK_STR(strstr(text, "\r\n\r\n") + 4, "abc0123456789abcdef");
    free(text);
    covey_close(c);
    CHECK_EQ(site_close(&s), 0);
}

static int send_large(covey_ctx *ctx, void *arg)
{
    char block[4096];
    char head[128];

    memset(block, 'x', sizeof(block));
    int n =
        snprintf(head, sizeof(head), "POST / HTTP/1.1\r\n" HOST CLOSE "Content-Length: %zu\r\n\r\n",
                 1024 * sizeof(block));
    CHECK_EQ(covey_write(ctx, arg, head, (size_t)n), n);
    for (int i = 0; i < 1024; i++) {
        CHECK_EQ(covey_write(ctx, arg, block, sizeof(block)), (ssize_t)sizeof(block));
    }
    return 0;
}

TASK_TEST(bodies_larger_than_all_buffers_go_both_ways_at_once)
{
    struct site s = {.handler = echo};
    site_open(&s);

    covey_conn *c = dial(&s);
    covey_group *g = covey_group_new(NULL);
    GO(g, send_large, c);
    char *text = hear_all(c);
    JOIN(g);
    CHECK_EQ(count_of(text, "Transfer-Encoding: chunked"), 1);
    size_t xs = 0;
    for (const char *at = strstr(text, "\r\n\r\n"); *at; at++) {
        xs += *at == 'x';
    }
    CHECK_EQ(xs, 1024 * 4096);
    CHECK(strlen(text) > 5 && strcmp(text + strlen(text) - 7, "\r\n0\r\n\r\n") == 0);
    free(text);
    covey_close(c);
    CHECK_EQ(site_close(&s), 0);
}

static int large(covey_ctx *ctx, covey_http_server_request *req, covey_http_writer *w, void *arg)
{
    static char body[1000000];

    (void)req;
    (void)arg;
    memset(body, 'y', sizeof(body));
    return covey_http_respond(ctx, w, 200, NULL, body, sizeof(body));
}

TASK_TEST(head_has_the_length_and_no_body)
{
    struct site s = {.handler = large};
    char buf[4096];
    site_open(&s);

    covey_conn *c = dial(&s);
    say(c, "HEAD / HTTP/1.1\r\n" HOST "\r\nHEAD / HTTP/1.1\r\n" HOST CLOSE "\r\n");
    hear_until(c, buf, sizeof(buf), "\r\n\r\n");
    CHECK_EQ(count_of(buf, "Content-Length: 1000000"), 1);
    char *text = hear_all(c);
    CHECK_EQ(status_in(text), 200);
    CHECK_STR(strstr(text, "\r\n\r\n"), "\r\n\r\n");
    free(text);
    covey_close(c);

    text = get(&s, "/");
    CHECK_EQ(strlen(strstr(text, "\r\n\r\n") + 4), 1000000);
    free(text);
    CHECK_EQ(site_close(&s), 0);
}

/* Writes as long as it may. */
static int writes_on(covey_ctx *ctx, covey_http_server_request *req, covey_http_writer *w,
                     void *arg)
{
    static const char block[4096];
    ssize_t n;

    (void)req;
    do {
        n = covey_http_write(ctx, w, block, sizeof(block));
    } while (n > 0);
    atomic_store((atomic_int *)arg, (int)n);
    return (int)n;
}

TASK_TEST(a_body_that_is_not_sent_ends_with_its_context)
{
    atomic_int code = 0;
    struct site s = {.handler = writes_on, .arg = &code};
    site_open(&s);

    covey_conn *c = dial(&s);
    say(c, "HEAD / HTTP/1.1\r\n" HOST "\r\n");
    await_running(&s, 1);
    covey_close(c);
    CHECK_EQ(site_close(&s), 0);
    CHECK_EQ(atomic_load(&code), COVEY_ECANCELED);

    s = (struct site){.handler = writes_on, .arg = &code, .opts.request_timeout_ns = 20 * COVEY_MS};
    static const char head[] = "HEAD / HTTP/1.1\r\n" HOST CLOSE "\r\n";
    site_open(&s);
    CHECK_EQ(status_for(&s, head, sizeof(head) - 1), 500);
    CHECK_EQ(site_close(&s), 0);
    CHECK_EQ(atomic_load(&code), COVEY_EDEADLINE);
}

TASK_TEST(http_1_0_keeps_the_connection_only_if_asked_and_knows_no_chunks)
{
    struct site s = {.handler = echo};
    char buf[8192];
    site_open(&s);

    covey_conn *c = dial(&s);
    say(c, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    hear_until(c, buf, sizeof(buf), "\r\n\r\n");
    CHECK_EQ(count_of(buf, "Connection: keep-alive"), 1);
    memset(buf, 'z', sizeof(buf));
    say(c, "POST / HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 8192\r\n\r\n");
    say_bytes(c, buf, sizeof(buf));
    char *text = hear_all(c);
    CHECK_EQ(count_of(text, "chunked"), 0);
    CHECK_EQ(count_of(text, "Connection: close"), 1);
    CHECK_EQ(strlen(strstr(text, "\r\n\r\n") + 4), sizeof(buf));
    free(text);
    covey_close(c);
    CHECK_EQ(site_close(&s), 0);
}

/* ---- handlers that fail ---- */

static int fails(covey_ctx *ctx, covey_http_server_request *req, covey_http_writer *w, void *arg)
{
    bool is_late = strcmp(req->path, "/late") == 0;

    (void)arg;
    CHECK_EQ(covey_http_set_header(w, "X-Secret", "1"), 0);
    CHECK_EQ(covey_http_write(ctx, w, "secret", 6), 6);
    if (is_late) {
        CHECK_EQ(covey_http_flush(ctx, w), 0);
    }
    return covey_errorf(-EIO, "secret");
}

TASK_TEST(a_failure_before_anything_was_sent_is_500_and_tells_nothing)
{
    struct site s = {.handler = fails};
    site_open(&s);

    char *text = get(&s, "/");
    CHECK_EQ(status_in(text), 500);
    CHECK(!strcasestr(text, "secret"));
    free(text);
    CHECK_EQ(site_close(&s), 0);
    CHECK_EQ(s.stats.failed, 1);
}

TASK_TEST(a_failure_later_never_looks_like_an_end)
{
    struct site s = {.handler = fails};
    site_open(&s);

    char *text = get(&s, "/late");
    CHECK_EQ(count_of(text, "\r\n6\r\nsecret\r\n"), 1);
    CHECK_EQ(count_of(text, "\r\n0\r\n"), 0);
    free(text);
    CHECK_EQ(site_close(&s), 0);
}

static int too_short(covey_ctx *ctx, covey_http_server_request *req, covey_http_writer *w,
                     void *arg)
{
    (void)req;
    (void)arg;
    CHECK_EQ(covey_http_set_header(w, "Content-Length", "10"), 0);
    CHECK_EQ(covey_http_write(ctx, w, "12345678", 8), 8);
    CHECK_EQ(covey_http_write(ctx, w, "9abc", 4), COVEY_ETOOLARGE);
    return 0;
}

TASK_TEST(a_body_that_is_not_as_long_as_announced_closes_the_connection)
{
    struct site s = {.handler = too_short};
    site_open(&s);

    covey_conn *c = dial(&s);
    say(c, "GET / HTTP/1.1\r\n" HOST "\r\n");
    char *text = hear_all(c);
    CHECK(strlen(text) == 0 || !strstr(text, "9abc"));
    free(text);
    covey_close(c);
    CHECK_EQ(site_close(&s), 0);
}

static int sets(covey_ctx *ctx, covey_http_server_request *req, covey_http_writer *w, void *arg)
{
    (void)req;
    (void)arg;
    CHECK_EQ(covey_http_set_header(w, "X-A", "1\r\nX-Evil: 1"), -EINVAL);
    CHECK_EQ(covey_http_set_header(w, "X A", "1"), -EINVAL);
    CHECK_EQ(covey_http_set_header(w, "", "1"), -EINVAL);
    CHECK_EQ(covey_http_set_header(w, "Transfer-Encoding", "chunked"), -EINVAL);
    CHECK_EQ(covey_http_set_header(w, "Content-Length", "-1"), -EINVAL);
    CHECK_EQ(covey_http_set_status(w, 101), -EINVAL);
    CHECK_EQ(covey_http_set_header(w, "X-A", "first"), 0);
    CHECK_EQ(covey_http_add_header(w, "x-a", "second"), 0);
    CHECK_EQ(covey_http_set_header(w, "X-B", "old"), 0);
    CHECK_EQ(covey_http_set_header(w, "x-b", "new"), 0);
    CHECK_EQ(covey_http_set_status(w, 201), 0);
    CHECK_EQ(covey_http_flush(ctx, w), 0);
    CHECK_EQ(covey_http_set_header(w, "X-C", "late"), -EALREADY);
    CHECK_EQ(covey_http_set_status(w, 200), -EALREADY);
    CHECK_EQ(covey_http_respond(ctx, w, 200, NULL, "", 0), -EALREADY);
    return 0;
}

TASK_TEST(headers_are_replaced_or_added_and_cannot_be_split)
{
    struct site s = {.handler = sets};
    site_open(&s);

    char *text = get(&s, "/");
    CHECK_EQ(status_in(text), 201);
    CHECK_EQ(count_of(text, "X-A: first\r\n"), 1);
    CHECK_EQ(count_of(text, "x-a: second\r\n"), 1);
    CHECK_EQ(count_of(text, "old"), 0);
    CHECK_EQ(count_of(text, "x-b: new\r\n"), 1);
    CHECK_EQ(count_of(text, "Evil"), 0);
    free(text);
    CHECK_EQ(site_close(&s), 0);
}

/* ---- what the handler is told ---- */

static int looks(covey_ctx *ctx, covey_http_server_request *req, covey_http_writer *w, void *arg)
{
    char value[8];

    (void)arg;
    CHECK_STR(req->method, "PUT");
    CHECK_STR(req->path, "/a b/c");
    CHECK_STR(req->query, "q=a+b%21&empty&long=0123456789");
    CHECK_STR(req->host, "example.org:80");
    CHECK_EQ(req->http_version, 11);
    CHECK_STR(covey_http_request_header(req, "x-none"), "");
    CHECK_STR(covey_http_request_header(req, "X-PAD"), "a  b");
    CHECK_STR(covey_http_request_header(req, "Nothing"), NULL);
    CHECK_EQ(covey_http_query_param(req, "q", value, sizeof(value)), 4);
    CHECK_STR(value, "a b!");
    CHECK_EQ(covey_http_query_param(req, "empty", value, sizeof(value)), 0);
    CHECK_STR(value, "");
    CHECK_EQ(covey_http_query_param(req, "long", value, sizeof(value)), 10);
    CHECK_STR(value, "0123456");
    CHECK_EQ(covey_http_query_param(req, "lon", value, sizeof(value)), -ENOENT);
    CHECK(strncmp(covey_http_request_peer(req), "tcp://127.0.0.1:", 16) == 0);
    return covey_http_respond(ctx, w, 204, NULL, NULL, 0);
}

/* A body has a length, and need not end with a NUL. */
TEST(a_forms_fields_are_read_as_a_querys)
{
    static const char form[] = {'u', 's', 'e', 'r', '=', 'a', 'n', 'n', '+', '%', '2', '1',
                                '&', 'n', '=', '&', '&', 'u', 's', 'e', 'r', '=', 'b', '%'};
    static const char binary[] = "a=x\0y&b\0=2";
    char value[8];

    CHECK_EQ(covey_http_form_param(form, sizeof(form), "user", value, sizeof(value)), 5);
    CHECK_STR(value, "ann !");
    CHECK_EQ(covey_http_form_param(form, sizeof(form), "n", value, sizeof(value)), 0);
    CHECK_STR(value, "");
    CHECK_EQ(covey_http_form_param(form, sizeof(form), "use", value, sizeof(value)), -ENOENT);
    CHECK_EQ(covey_http_form_param(form + 17, sizeof(form) - 17, "user", value, 2), 2);
    CHECK_STR(value, "b");
    CHECK_EQ(covey_http_form_param(form, 8, "user", value, sizeof(value)), 3);
    CHECK_STR(value, "ann");
    CHECK_EQ(covey_http_form_param(form, 3, "use", NULL, 0), 0);
    CHECK_EQ(covey_http_form_param(NULL, 0, "user", value, sizeof(value)), -ENOENT);
    CHECK_EQ(covey_http_form_param(binary, sizeof(binary) - 1, "a", value, sizeof(value)), 3);
    CHECK_EQ(covey_http_form_param(binary, sizeof(binary) - 1, "b", value, sizeof(value)), -ENOENT);
}

TASK_TEST(a_request_is_told_as_it_was_meant)
{
    static const char origin[] =
        "PUT /a%20b/c?q=a+b%21&empty&long=0123456789 HTTP/1.1\r\n"
        "Host: example.org:80\r\nX-None:\r\nX-Pad:  a  b \t\r\n" CLOSE "\r\n";
    static const char absolute[] =
        "PUT http://example.org:80/a%20b/c?q=a+b%21&empty&long=0123456789 HTTP/1.1\r\n"
        "Host: other\r\nX-None: \r\nX-Pad:a  b\r\n" CLOSE "\r\n";
    struct site s = {.handler = looks};
    site_open(&s);

    CHECK_EQ(status_for(&s, origin, sizeof(origin) - 1), 204);
    CHECK_EQ(status_for(&s, absolute, sizeof(absolute) - 1), 204);
    CHECK_EQ(site_close(&s), 0);
}

TASK_TEST(an_upgrade_is_not_taken_and_the_body_is_one)
{
    struct site s = {.handler = echo};
    char buf[4096];
    site_open(&s);

    covey_conn *c = dial(&s);
    say(c, "POST / HTTP/1.1\r\n" HOST "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
           "HTTP2-Settings: AAMAAABkAAQAAP__\r\nContent-Length: 3\r\n\r\nabc"
           "POST / HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\ndef");
    hear_until(c, buf, sizeof(buf), "\r\n\r\nabc");
    CHECK_EQ(status_in(buf), 200);
    hear_until(c, buf, sizeof(buf), "\r\n\r\ndef");
    CHECK_EQ(status_in(buf), 200);
    covey_close(c);
    CHECK_EQ(site_close(&s), 0);
}

/* ---- Expect: 100-continue ---- */

TASK_TEST(continue_is_said_when_the_body_is_asked_for)
{
    struct site s = {.handler = echo};
    char buf[4096];
    site_open(&s);

    covey_conn *c = dial(&s);
    say(c, "POST / HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 3\r\n\r\n");
    hear_until(c, buf, sizeof(buf), "\r\n\r\n");
    CHECK_STR(buf, "HTTP/1.1 100 Continue\r\n\r\n");
    say(c, "abc");
    hear_until(c, buf, sizeof(buf), "abc");
    CHECK_EQ(status_in(buf), 200);
    covey_close(c);
    CHECK_EQ(site_close(&s), 0);
}

TASK_TEST(a_body_that_nobody_asked_for_is_not_waited_for)
{
    static const char expects[] =
        "POST / HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 3\r\n\r\n";
    static const char other[] = "POST / HTTP/1.1\r\n" HOST "Expect: wonders\r\n\r\n";
    struct site s = {.handler = hello};
    site_open(&s);

    CHECK_EQ(status_for(&s, expects, sizeof(expects) - 1), 200);
    CHECK_EQ(status_for(&s, other, sizeof(other) - 1), 417);
    CHECK_EQ(site_close(&s), 0);
}

TASK_TEST(a_body_left_unread_is_skipped_if_it_is_short)
{
    struct site s = {.handler = hello};
    char buf[4096];
    site_open(&s);

    covey_conn *c = dial(&s);
    say(c, "POST / HTTP/1.1\r\n" HOST "Content-Length: 10\r\n\r\n0123456789"
           "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n"
           "GET / HTTP/1.1\r\n" HOST "\r\n");
    for (int i = 0; i < 3; i++) {
        hear_until(c, buf, sizeof(buf), "hello");
    }
    say(c, "POST / HTTP/1.1\r\n" HOST "Content-Length: 10000000\r\n\r\n");
    char *text = hear_all(c);
    CHECK_EQ(status_in(text), 200);
    CHECK_EQ(count_of(text, "Connection: close"), 1);
    free(text);
    covey_close(c);
    CHECK_EQ(site_close(&s), 0);
}

/* ---- the request's context ---- */

static int get_under_a_password(covey_ctx *ctx, void *arg)
{
    struct site *s = arg;
    covey_http_client *client = covey_http_client_new(NULL);
    covey_http_response resp;
    char url[128];

    (void)snprintf(url, sizeof(url), "http://me:secret@%s/slow",
                   covey_listener_addr(s->listener) + strlen("tcp://"));
    int code = covey_http_get(ctx, client, url, &resp);
    covey_http_response_free(&resp);
    covey_http_client_free(client);
    return code == COVEY_ECANCELED ? 0 : code;
}

TASK_TEST(a_dump_says_which_transfer_a_client_waits_for_and_which_request_is_answered)
{
    struct ends ends = {0};
    struct site s = {.handler = until_done, .arg = &ends};
    site_open(&s);
    covey_group *g = covey_group_new(ctx);

    GO(g, get_under_a_password, &s);
    await_running(&s, 1);
    while (!dump_says(", awaiting HTTP transfer \"GET http://me:***@127.0.0.1:")) {
        covey_yield();
    }
    CHECK(!dump_says("secret"));
    while (!dump_says(", at work on request \"/slow\"")) { /* once its handler waits */
        covey_yield();
    }
    covey_group_cancel(g, 0);
    JOIN(g);
    CHECK_EQ(site_close(&s), 0);
}

TASK_TEST(the_context_ends_when_the_client_goes_away)
{
    struct ends ends = {0};
    struct site s = {.handler = until_done, .arg = &ends};
    site_open(&s);

    for (int i = 0; i < 3; i++) {
        covey_conn *c = dial(&s);
        say(c, "GET / HTTP/1.1\r\n" HOST "\r\n");
        await_running(&s, 1);
        if (i == 1) { /* a reset */
            struct linger at_once = {.l_onoff = 1};
            CHECK_EQ(setsockopt(covey_conn_fd(c), SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)),
                     0);
        }
        if (i == 2) { /* bytes that nobody reads come before the end */
            say(c, "GET /next HTTP/1.1\r\n");
        }
        covey_close(c);
        while (atomic_load(&ends.canceled) != i + 1) {
            covey_yield();
        }
        CHECK_EQ(atomic_load(&ends.cause), -ECONNRESET);
    }
    CHECK_EQ(site_close(&s), 0);
    CHECK_EQ(s.stats.gone, 3);
}

TASK_TEST(a_half_closed_client_is_gone_unless_told_otherwise)
{
    struct ends ends = {0};
    struct site s = {.handler = until_done, .arg = &ends};
    site_open(&s);

    covey_conn *c = dial(&s);
    say(c, "GET / HTTP/1.1\r\n" HOST "\r\n");
    await_running(&s, 1);
    CHECK_EQ(covey_shutdown_write(c), 0);
    await_running(&s, 0);
    covey_close(c);
    CHECK_EQ(site_close(&s), 0);

    covey_chan *gate = covey_chan_new(0, 0);
    struct site patient = {.handler = path_of, .arg = gate, .opts.half_close = true};
    site_open(&patient);
    c = dial(&patient);
    say(c, "GET /there HTTP/1.1\r\n" HOST "\r\n");
    CHECK_EQ(covey_shutdown_write(c), 0);
    await_running(&patient, 1);
    settle();
    CHECK_EQ(covey_chan_send(NULL, gate, NULL), 0);
    char *text = hear_all(c);
    CHECK_EQ(count_of(text, "/there"), 1);
    free(text);
    covey_close(c);
    CHECK_EQ(site_close(&patient), 0);
    covey_chan_unref(gate);
}

TASK_TEST(the_context_ends_at_the_requests_deadline)
{
    struct ends ends = {0};
    struct site s = {.handler = until_done, .arg = &ends, .opts.request_timeout_ns = 20 * COVEY_MS};
    site_open(&s);

    char *text = get(&s, "/");
    CHECK_EQ(status_in(text), 500);
    CHECK_EQ(atomic_load(&ends.deadline), 1);
    free(text);
    CHECK_EQ(site_close(&s), 0);
}

/* ---- draining ---- */

TASK_TEST(a_drain_lets_requests_finish_and_closes_idle_connections)
{
    covey_chan *gate = covey_chan_new(0, 0);
    struct site s = {.handler = path_of, .arg = gate, .opts.grace_ns = COVEY_HTTP_UNLIMITED};
    char buf[4096];
    site_open(&s);

    covey_conn *idle = dial(&s), *fresh = dial(&s), *busy = dial(&s);
    say(idle, "GET /idle HTTP/1.1\r\n" HOST "\r\n");
    CHECK_EQ(covey_chan_send(NULL, gate, NULL), 0);
    hear_until(idle, buf, sizeof(buf), "/idle");
    say(busy, "GET /busy HTTP/1.1\r\n" HOST "\r\n");
    await_running(&s, 1);
    while (site_stats(&s).accepted != 3) {
        covey_yield();
    }
    covey_ctx_cancel(s.ctx);
    CHECK_EQ(covey_read(NULL, idle, buf, sizeof(buf)), 0);
    CHECK_EQ(covey_read(NULL, fresh, buf, sizeof(buf)), 0);
    CHECK_EQ(site_stats(&s).running, 1);
    CHECK_EQ(covey_chan_send(NULL, gate, NULL), 0);
    char *text = hear_all(busy);
    CHECK_EQ(status_in(text), 200);
    CHECK_EQ(count_of(text, "Connection: close"), 1);
    CHECK_EQ(count_of(text, "/busy"), 1);
    free(text);
    covey_close(idle);
    covey_close(fresh);
    covey_close(busy);
    CHECK_EQ(site_close(&s), 0);
    covey_chan_unref(gate);
}

TASK_TEST(what_outlasts_the_grace_period_is_cut)
{
    struct ends ends = {0};
    struct site s = {.handler = until_done, .arg = &ends, .opts.grace_ns = 20 * COVEY_MS};
    site_open(&s);

    covey_conn *c = dial(&s);
    say(c, "GET / HTTP/1.1\r\n" HOST "\r\n");
    await_running(&s, 1);
    CHECK_EQ(site_close(&s), -ETIMEDOUT);
    CHECK_EQ(atomic_load(&ends.canceled), 1);
    char *text = hear_all(c);
    CHECK_EQ(count_of(text, "200"), 0);
    free(text);
    covey_close(c);
}

TASK_TEST(a_closed_listener_ends_the_server)
{
    struct site s = {.handler = hello};
    site_open(&s);
    char *text = get(&s, "/");
    free(text);
    covey_listener_close(s.listener);
    JOIN(s.group);
    CHECK_EQ(s.code, COVEY_ECLOSED);
    covey_ctx_unref(s.ctx);
}

/* ---- limits ---- */

TASK_TEST(limits_have_their_status)
{
    struct site s = {.handler = echo,
                     .opts = {.max_body = 100, .max_header_size = 1024, .max_header_count = 5}};
    char text[4096];
    site_open(&s);

#define STATUS(request) status_for(&s, request, strlen(request))
    CHECK_EQ(STATUS("POST / HTTP/1.1\r\n" HOST "Content-Length: 101\r\n\r\n"), 413);
    CHECK_EQ(STATUS("POST / HTTP/1.1\r\n" HOST "Content-Length: 99999999999999999999\r\n\r\n"),
             400);
    CHECK_EQ(STATUS("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n65\r\n"), 413);
    CHECK_EQ(STATUS("GET / HTTP/1.1\r\n" HOST "A: 1\r\nB: 1\r\nC: 1\r\nD: 1\r\nE: 1\r\n\r\n"), 431);
    memset(text, 'x', sizeof(text));
    memcpy(text, "GET /", 5);
    CHECK_EQ(status_for(&s, text, 2000), 414);
    memcpy(text, "GET / HTTP/1.1\r\nHost: x\r\nX: ", 29);
    CHECK_EQ(status_for(&s, text, 2000), 431);
    CHECK_EQ(site_close(&s), 0);
}

TASK_TEST(more_handlers_than_may_run_are_503)
{
    covey_chan *gate = covey_chan_new(0, 0);
    struct site s = {.handler = path_of, .arg = gate, .opts.max_running = 1};
    site_open(&s);

    covey_conn *c = dial(&s);
    say(c, "GET / HTTP/1.1\r\n" HOST CLOSE "\r\n");
    await_running(&s, 1);
    char *text = get(&s, "/");
    CHECK_EQ(status_in(text), 503);
    CHECK_EQ(count_of(text, "Retry-After: 1\r\n"), 1);
    free(text);
    CHECK_EQ(covey_chan_close(gate), 0);
    text = hear_all(c);
    CHECK_EQ(status_in(text), 200);
    free(text);
    covey_close(c);
    text = get(&s, "/");
    CHECK_EQ(status_in(text), 200);
    free(text);
    CHECK_EQ(site_close(&s), 0);
    covey_chan_unref(gate);
}

TASK_TEST(more_connections_than_may_be_wait_for_their_turn)
{
    struct site s = {.handler = path_of, .opts.max_connections = 2};
    char buf[4096];
    site_open(&s);

    covey_conn *c[3];
    for (int i = 0; i < 3; i++) {
        c[i] = dial(&s);
        say(c[i], "GET /x HTTP/1.1\r\n" HOST "\r\n");
    }
    hear_until(c[0], buf, sizeof(buf), "/x");
    hear_until(c[1], buf, sizeof(buf), "/x");
    settle();
    CHECK_EQ(site_stats(&s).open, 2);
    CHECK_EQ(site_stats(&s).requests, 2);
    covey_close(c[0]);
    hear_until(c[2], buf, sizeof(buf), "/x");
    covey_close(c[1]);
    covey_close(c[2]);
    CHECK_EQ(site_close(&s), 0);
}

TASK_TEST(options_out_of_range_are_refused)
{
    covey_listener *l;
    covey_http_server_options negative = {.max_running = -2},
                              large_head = {.max_header_size = (size_t)1 << 20};

    CHECK_EQ(covey_listen(&l, "tcp://127.0.0.1:0", NULL), 0);
    CHECK_EQ(covey_http_serve(NULL, l, hello, NULL, &negative), -EINVAL);
    CHECK_EQ(covey_http_serve(NULL, l, hello, NULL, &large_head), -EINVAL);
    covey_listener_close(l);
}

/* ---- the access log ---- */

struct log {
    atomic_int n, status, code;
    atomic_long len;
};

static void on_access(const covey_http_access *a, void *arg)
{
    struct log *log = arg;

    atomic_store(&log->status, a->status);
    atomic_store(&log->code, a->code);
    atomic_store(&log->len, (long)a->body_len);
    CHECK(a->duration_ns >= 0);
    CHECK(!a->req == (a->status == 400));
    atomic_fetch_add(&log->n, 1);
}

TASK_TEST(each_answer_is_told_to_the_access_log)
{
    struct log log = {0};
    struct site s = {.handler = fails, .opts = {.on_access = on_access, .access_arg = &log}};
    site_open(&s);

    free(get(&s, "/"));
    while (atomic_load(&log.n) != 1) {
        covey_yield();
    }
    CHECK_EQ(atomic_load(&log.status), 500);
    CHECK_EQ(atomic_load(&log.code), -EIO);
    CHECK_EQ(STATUS("nonsense\r\n\r\n"), 400);
    while (atomic_load(&log.n) != 2) {
        covey_yield();
    }
    CHECK_EQ(site_close(&s), 0);
    CHECK_EQ(s.stats.refused, 1);
}

/* ---- requests that two programs could read in two ways ---- */

static int count_and_echo(covey_ctx *ctx, covey_http_server_request *req, covey_http_writer *w,
                          void *arg)
{
    int code = echo(ctx, req, w, NULL);

    if (code == 0) {
        atomic_fetch_add((atomic_int *)arg, 1);
    }
    return code;
}

#define BAD(status, text)                                                                          \
    {                                                                                              \
        status, text, sizeof(text) - 1                                                             \
    }
#define POST "POST / HTTP/1.1\r\nHost: x\r\n"
#define CHUNKED POST "Transfer-Encoding: chunked\r\n\r\n"

static const struct {
    int status;
    const char *text;
    size_t len;
} smuggled[] = {
    BAD(400, POST "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd"),
    BAD(400, POST "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc"),
    BAD(400, POST "Content-Length: 3, 3\r\n\r\nabc"),
    BAD(400, POST "Content-Length: +3\r\n\r\nabc"),
    BAD(400, POST "Content-Length: -3\r\n\r\nabc"),
    BAD(400, POST "Content-Length: 3 3\r\n\r\nabc"),
    BAD(400, POST "Content-Length: 0x3\r\n\r\nabc"),
    BAD(400, POST "Content-Length:\r\n\r\nabc"),
    BAD(400, POST "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    BAD(400, POST "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n"),
    BAD(400, POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    BAD(400, POST "Transfer-Encoding: identity\r\n\r\n"),
    BAD(501, POST "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
    BAD(400, POST "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
    BAD(400, POST "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n"),
    BAD(400, POST "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n"),
    BAD(400, POST "Transfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n"),
    BAD(400, POST "Transfer-Encoding:\x0b"
                  "chunked\r\n\r\n0\r\n\r\n"),
    BAD(400, "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    BAD(400, POST "X: a\r\n Content-Length: 3\r\n\r\nabc"),
    BAD(400, POST "X:\r\n\tb\r\n\r\n"),
    BAD(400, " GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
    BAD(400, "GET / HTTP/1.1\nHost: x\n\n"),
    BAD(400, "GET / HTTP/1.1\r\nHost: x\nX: y\r\n\r\n"),
    BAD(400, "GET / HTTP/1.1\r\nHost: x\r\n\n"),
    BAD(400, "\nGET / HTTP/1.1\r\nHost: x\r\n\r\n"),
    BAD(400, "GET / HTTP/1.1\r\nHost: x\r\nX: a\rb\r\n\r\n"),
    BAD(400, "GET / HTTP/1.1\r\nHost: x\r\nX: a\0b\r\n\r\n"),
    BAD(400, "GET / HTTP/1.1\r\nHost: x\r\nX\0Y: a\r\n\r\n"),
    BAD(400, "GET /\0 HTTP/1.1\r\nHost: x\r\n\r\n"),
    BAD(400, "GET /%00 HTTP/1.1\r\nHost: x\r\n\r\n"),
    BAD(400, "GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n"),
    BAD(400, "GET /% HTTP/1.1\r\nHost: x\r\n\r\n"),
    BAD(400, "GET /#a HTTP/1.1\r\nHost: x\r\n\r\n"),
    BAD(400, "GET / HTTP/1.1\r\nHost: x\r\nnonsense\r\n\r\n"),
    BAD(400, "GET / HTTP/1.1\r\nHost: x\r\n: nameless\r\n\r\n"),
    BAD(400, "GET / HTTP/1.1\r\nHost: x\r\nX(Y): a\r\n\r\n"),
    BAD(400, "GET / HTTP/1.1\r\n\r\n"),
    BAD(400, "GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n"),
    BAD(400, "GET / HTTP/1.1\r\nHost: x, y\r\n\r\n"),
    BAD(400, "GET / HTTP/1.1\r\nHost: a@b\r\n\r\n"),
    BAD(400, "GET /\r\n\r\n"),
    BAD(400, "GET / HTTP/1.1 \r\nHost: x\r\n\r\n"),
    BAD(400, "GET  HTTP/1.1\r\nHost: x\r\n\r\n"),
    BAD(400, "GET / HTTQ/1.1\r\nHost: x\r\n\r\n"),
    BAD(400, "G\x01T / HTTP/1.1\r\nHost: x\r\n\r\n"),
    BAD(501, "BREW / HTTP/1.1\r\nHost: x\r\n\r\n"),
    BAD(400, "G ET / HTTP/1.1\r\nHost: x\r\n\r\n"),
    BAD(400, "BREW  / HTTP/1.1\r\nHost: x\r\n\r\n"),
    BAD(400, "BREW /\r\nHost: x\r\n\r\n"),
    BAD(501, "CONNECT x:80 HTTP/1.1\r\nHost: x:80\r\n\r\n"),
    BAD(505, "GET / HTTP/2.0\r\nHost: x\r\n\r\n"),
    BAD(505, "GET / HTTP/1.2\r\nHost: x\r\n\r\n"),
    BAD(505, "GET / HTTP/3.0\r\nHost: x\r\n\r\n"),
    BAD(501, "PRI / HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    /* bodies */
    BAD(400, CHUNKED "x\r\n"),
    BAD(400, CHUNKED "\r\n"),
    BAD(400, CHUNKED "-1\r\n"),
    BAD(400, CHUNKED "+1\r\na\r\n0\r\n\r\n"),
    BAD(400, CHUNKED "0x1\r\na\r\n0\r\n\r\n"),
    BAD(400, CHUNKED "1 \r\na\r\n0\r\n\r\n"),
    BAD(400, CHUNKED " 1\r\na\r\n0\r\n\r\n"),
    BAD(400, CHUNKED "1\na\r\n0\r\n\r\n"),
    BAD(400, CHUNKED "1;a\nb\r\na\r\n0\r\n\r\n"),
    BAD(400, CHUNKED "1;a\rb\r\na\r\n0\r\n\r\n"),
    BAD(400, CHUNKED "1\r\nab\r\n0\r\n\r\n"),
    BAD(400, CHUNKED "1\r\na\n0\r\n\r\n"),
    BAD(400, CHUNKED "1\r\na0\r\n\r\n"),
    BAD(400, CHUNKED "10000000000000001\r\na\r\n0\r\n\r\n"),
    BAD(413, CHUNKED "fffffffffffffff\r\na\r\n0\r\n\r\n"),
    BAD(400, CHUNKED "0\r\n folded: x\r\n\r\n"),
    BAD(400, CHUNKED "0\r\nnonsense\r\n\r\n"),
    BAD(400, CHUNKED "0\r\nA: b\n\r\n"),
};

TASK_TEST(what_could_be_read_in_two_ways_is_refused_and_ends_the_connection)
{
    atomic_int served = 0;
    int bad = 0;
    struct site s = {.handler = count_and_echo,
                     .arg = &served,
                     .opts = {.idle_timeout_ns = COVEY_SEC, .header_timeout_ns = COVEY_SEC}};
    static const char second[] = "GET /second HTTP/1.1\r\nHost: x\r\n\r\n";
    site_open(&s);

    for (size_t i = 0; i < sizeof(smuggled) / sizeof(smuggled[0]); i++) {
        char text[1024];
        size_t len = smuggled[i].len;
        memcpy(text, smuggled[i].text, len);
        memcpy(text + len, second, sizeof(second));
        int status = status_for(&s, text, len + sizeof(second) - 1);
        if (status != smuggled[i].status) {
            fprintf(stderr, "# %d, not %d: %s\n", status, smuggled[i].status, smuggled[i].text);
        }
        bad += status != smuggled[i].status;
        CHECK_EQ(atomic_load(&served), 0);
    }
    CHECK_EQ(bad, 0);
    CHECK_EQ(site_close(&s), 0);
}
