/* SPDX-License-Identifier: MIT
 * http_client_fault_test.c - the HTTP client sent round in circles, to where it must not go, or
 * left alone at any byte. A server says what its script has for each request in turn, on whatever
 * connection it comes, and keeps the requests. */
#include "harness.h"

#include <covey.h>
#include <covey/http.h>

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ANSWERS_MAX 4

struct script {
    const char *answers[ANSWERS_MAX]; /* then the last again; "%s": the other's URL; "": a close */
    const char *address;
    const struct script *other;
    covey_listener *listener;
    covey_group *group;
    char url[64];
    atomic_int requests, open;
    char heard[8][1024];
};

struct visit {
    struct script *script;
    covey_conn *conn;
};

/* ---- the server ---- */

/* A request with its body. False: the client has left. */
static bool hear(covey_ctx *ctx, covey_conn *c, char *buf, size_t size)
{
    size_t len = 0, need = 0;

    while (need == 0 || len < need) {
        ssize_t n = covey_read(ctx, c, buf + len, size - 1 - len);
        if (n <= 0) {
            return false;
        }
        len += (size_t)n;
        buf[len] = '\0';
        const char *end = strstr(buf, "\r\n\r\n"), *field = strstr(buf, "Content-Length: ");
        if (end) {
            need = (size_t)(end + 4 - buf) + (field ? strtoul(field + 16, NULL, 10) : 0);
        }
    }
    return true;
}

static int serve_visit(covey_ctx *ctx, void *arg)
{
    const struct visit *v = arg;
    struct script *s = v->script;
    char request[1024], answer[1024];

    while (hear(ctx, v->conn, request, sizeof(request))) {
        int i = atomic_load(&s->requests), last = ANSWERS_MAX - 1;
        memcpy(s->heard[i % 8], request, sizeof(request));
        atomic_fetch_add(&s->requests, 1);
        while (last > 0 && !s->answers[last]) {
            last--;
        }
        const char *says = s->answers[i < last ? i : last];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        int n = snprintf(answer, sizeof(answer), says, s->other ? s->other->url : "");
#pragma GCC diagnostic pop
        if (n == 0 || covey_write(ctx, v->conn, answer, (size_t)n) < 0) {
            break;
        }
    }
    covey_close(v->conn);
    atomic_fetch_sub(&s->open, 1);
    return 0;
}

static int serve(covey_ctx *ctx, void *arg)
{
    struct script *s = arg;
    covey_group *visits = covey_group_new(ctx);
    struct visit v = {.script = s};

    while (covey_accept(ctx, s->listener, &v.conn) == 0) {
        atomic_fetch_add(&s->open, 1);
        CHECK_EQ(covey_group_go_copy(visits, serve_visit, &v, sizeof(v)), 0);
    }
    covey_group_cancel(visits, 0);
    return covey_group_wait(visits);
}

static void start(covey_ctx *ctx, struct script *s)
{
    CHECK_EQ(covey_listen(&s->listener, s->address ? s->address : "tcp://127.0.0.1:0", NULL), 0);
    (void)snprintf(s->url, sizeof(s->url), "http%s", covey_listener_addr(s->listener) + 3);
    s->group = covey_group_new(ctx);
    CHECK_EQ(covey_group_go(s->group, serve, s), 0);
}

static void stop(struct script *s)
{
    covey_group_cancel(s->group, 0);
    CHECK_EQ(covey_group_wait(s->group), 0);
    covey_listener_close(s->listener);
}

/* One request; its code, and the response's status. */
static int ask(covey_ctx *ctx, covey_http_client *c, covey_http_request req, int *status)
{
    covey_http_response r;
    int code = covey_http_do(ctx, c, &req, &r);

    *status = r.status;
    covey_http_response_free(&r);
    return code;
}

/* A test as the main task. */
#define CLIENT_TEST(name)                                                                          \
    static void body_##name(covey_ctx *ctx, covey_http_client *client);                            \
    static int task_##name(covey_ctx *ctx, void *arg)                                              \
    {                                                                                              \
        covey_http_client *c = covey_http_client_new(&(covey_http_client_options){.proxy = ""});   \
        (void)arg;                                                                                 \
        CHECK(c);                                                                                  \
        body_##name(ctx, c);                                                                       \
        covey_http_client_free(c);                                                                 \
        return 0;                                                                                  \
    }                                                                                              \
    TEST(name)                                                                                     \
    {                                                                                              \
        CHECK_EQ(covey_run(task_##name, NULL), 0);                                                 \
    }                                                                                              \
    static void body_##name(covey_ctx *ctx, covey_http_client *client)

#define HELLO "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
#define TO(status, url)                                                                            \
    "HTTP/1.1 " status " Over there\r\nContent-Length: 4\r\nLocation: " url "\r\n\r\ngone"

/* ---- redirects ---- */

static const covey_http_header secrets[] = {
    {"Authorization", "Bearer secret"}, {"Cookie", "id=secret"}, {"X-Mine", "yes"}};

/* Asks `from` under a user and a password as well; whether the last request heard has a secret. */
static bool is_secret_told(covey_ctx *ctx, covey_http_client *client, const struct script *from,
                           const struct script *to, bool in_url)
{
    char url[128];
    int status;

    (void)snprintf(url, sizeof(url), "http://%s%s/", in_url ? "me:secret@" : "", from->url + 7);
    covey_http_request req = {
        .url = url, .headers = secrets + (in_url ? 2 : 0), .header_count = in_url ? 1 : 3};
    CHECK_EQ(ask(ctx, client, req, &status), 0);
    CHECK_EQ(status, 200);
    int n = atomic_load(&to->requests);
    CHECK(n > 0);
    const char *heard = to->heard[(n - 1) % 8];
    CHECK(strstr(heard, "X-Mine: yes"));
    return strstr(heard, "secret") || strstr(heard, "Authorization") || strstr(heard, "Cookie");
}

CLIENT_TEST(credentials_follow_to_the_same_host_only)
{
    struct script there = {.answers = {HELLO}, .address = "tcp://127.0.0.2:0"},
                  beside = {.answers = {HELLO}},
                  away = {.answers = {TO("302", "%s/")}, .other = &there},
                  aside = {.answers = {TO("307", "%s/")}, .other = &beside},
                  home = {.answers = {TO("301", "/here"), HELLO, TO("301", "/here"), HELLO}};
    struct script *const all[] = {&there, &beside, &away, &aside, &home};

    for (int i = 0; i < 5; i++) {
        start(ctx, all[i]);
    }
    for (int in_url = 0; in_url < 2; in_url++) {
        CHECK(!is_secret_told(ctx, client, &away, &there, in_url));
        CHECK(!is_secret_told(ctx, client, &aside, &beside, in_url)); /* another port */
        CHECK(is_secret_told(ctx, client, &home, &home, in_url));
    }
    for (int i = 0; i < 5; i++) {
        stop(all[i]);
    }
}

CLIENT_TEST(a_redirect_leads_nowhere_but_to_http)
{
    static const char *const urls[] = {
        TO("302", "file:///etc/passwd"),  TO("302", "ftp://127.0.0.1/x"),
        TO("302", "gopher://127.0.0.1/"), TO("302", "dict://127.0.0.1/d:x"),
        TO("302", "javascript:alert(1)"), TO("302", "unix:///tmp/x"),
        TO("302", "http://[::1"),         TO("302", "http://127.0.0.1:99999/"),
    };

    for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
        struct script s = {.answers = {urls[i]}};
        int status;
        start(ctx, &s);
        CHECK_EQ(ask(ctx, client, (covey_http_request){.url = s.url}, &status), COVEY_EPROTO);
        CHECK_EQ(status, 302);
        stop(&s);
    }
}

CLIENT_TEST(a_circle_of_redirects_ends)
{
    struct script there = {.answers = {TO("308", "%s/")}},
                  here = {.answers = {TO("307", "%s/")}, .other = &there};
    int status;

    there.other = &here;
    start(ctx, &here);
    start(ctx, &there);
    covey_http_request req = {.url = here.url, .body = "x", .body_len = 1};
    CHECK_EQ(ask(ctx, client, req, &status), COVEY_EPROTO);
    CHECK_EQ(atomic_load(&here.requests) + atomic_load(&there.requests), 11);
    stop(&here);
    stop(&there);
}

/* What becomes of a method and its body (RFC 9110, 15.4). */
CLIENT_TEST(redirects_change_methods_only_as_they_may)
{
    static const struct {
        const char *method, *answer, *then;
    } cases[] = {
        {"GET", TO("303", "/b"), "GET"},      {"HEAD", TO("303", "/b"), "HEAD"},
        {"POST", TO("301", "/b"), "GET"},     {"POST", TO("302", "/b"), "GET"},
        {"POST", TO("303", "/b"), "GET"},     {"POST", TO("307", "/b"), "POST+"},
        {"POST", TO("308", "/b"), "POST+"},   {"PUT", TO("301", "/b"), "PUT+"},
        {"PUT", TO("302", "/b"), "PUT+"},     {"PUT", TO("303", "/b"), "GET"},
        {"PUT", TO("307", "/b"), "PUT+"},     {"DELETE", TO("302", "/b"), "DELETE"},
        {"DELETE", TO("303", "/b"), "GET"},   {"DELETE", TO("308", "/b"), "DELETE"},
        {"OPTIONS", TO("303", "/b"), "GET"},  {"PATCH", TO("303", "/b"), "GET"},
        {"PATCH", TO("308", "/b"), "PATCH+"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        bool has_body = cases[i].method[0] == 'P';
        bool is_head = strcmp(cases[i].method, "HEAD") == 0;
        struct script s = {
            .answers = {is_head ? "HTTP/1.1 303 x\r\nLocation: /b\r\n\r\n" : cases[i].answer,
                        is_head ? "HTTP/1.1 200 OK\r\n\r\n" : HELLO}};
        covey_http_request req = {.url = s.url, .method = cases[i].method};
        char line[64];
        int status;

        req.body = has_body ? "content" : NULL;
        req.body_len = has_body ? 7 : 0;
        start(ctx, &s);
        CHECK_EQ(ask(ctx, client, req, &status), 0);
        CHECK_EQ(status, 200);
        CHECK_EQ(atomic_load(&s.requests), 2);
        (void)snprintf(line, sizeof(line), "%.*s /b HTTP/1.1\r\n", (int)strcspn(cases[i].then, "+"),
                       cases[i].then);
        CHECK(strncmp(s.heard[1], line, strlen(line)) == 0);
        CHECK_EQ(strstr(s.heard[1], "\r\n\r\ncontent") != NULL, strchr(cases[i].then, '+') != NULL);
        stop(&s);
    }
}

/* ---- once or twice ---- */

/* A connection that was kept is closed when the second request comes; whether the server has acted
 * on it nobody knows. */
CLIENT_TEST(only_what_may_be_repeated_is_sent_again)
{
    static const covey_http_header key = {"Idempotency-Key", "42"};
    static const struct {
        covey_http_request req;
        int code, requests;
    } cases[] = {
        {{.method = "GET"}, 0, 3},
        {{.method = "PUT", .body = "x", .body_len = 1}, 0, 3},
        {{.method = "GET", .repeat = COVEY_HTTP_REPEAT_NEVER}, -ECONNRESET, 2},
        {{.body = "x", .body_len = 1}, -ECONNRESET, 2},
        {{.method = "PATCH"}, -ECONNRESET, 2},
        {{.body = "x", .body_len = 1, .headers = &key, .header_count = 1}, 0, 3},
        {{.body = "x", .body_len = 1, .repeat = COVEY_HTTP_REPEAT_ALWAYS}, 0, 3},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct script s = {.answers = {HELLO, "", HELLO}};
        covey_http_request req = cases[i].req;
        int status;
        start(ctx, &s);
        CHECK_EQ(ask(ctx, client, (covey_http_request){.url = s.url}, &status), 0);
        req.url = s.url;
        CHECK_EQ(ask(ctx, client, req, &status), cases[i].code);
        CHECK(cases[i].code == 0 || strstr(covey_errmsg(), "without an answer"));
        CHECK_EQ(atomic_load(&s.requests), cases[i].requests);
        stop(&s);
    }
}

/* ---- silence at any byte ---- */

struct stall {
    const char *says;
    size_t len;
    covey_listener *listener;
    _Atomic(covey_ctx *) ctx; /* ended when that much has been said */
};

/* Whether the client closes its connection then. */
static int stall_at_each(covey_ctx *ctx, void *arg)
{
    struct stall *s = arg;
    char request[1024];

    for (size_t at = 0; at < s->len; at++) {
        covey_conn *c;
        CHECK_EQ(covey_accept(ctx, s->listener, &c), 0);
        CHECK(hear(ctx, c, request, sizeof(request)));
        CHECK_EQ(covey_write(ctx, c, s->says, at), (ssize_t)at);
        if (at % 2) {
            covey_yield(); /* let it come, or not */
        }
        covey_ctx *until = covey_ctx_ref(atomic_load(&s->ctx)); /* its owner goes on at once */
        covey_ctx_cancel(until);
        covey_ctx_unref(until);
        ssize_t n = covey_read(ctx, c, request, sizeof(request));
        CHECK(n == 0 || n == -ECONNRESET);
        covey_close(c);
    }
    return 0;
}

static const char whole[] = "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
                            "HTTP/1.1 200 OK\r\nX: y\r\nTransfer-Encoding: chunked\r\n\r\n"
                            "5;a=b\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n";

static int take_piece(covey_ctx *ctx, const void *data, size_t len, void *arg)
{
    (void)ctx;
    (void)data;
    (void)len;
    (void)arg;
    return 0;
}

CLIENT_TEST(a_cancel_at_any_byte_ends_the_transfer_and_closes_its_connection)
{
    for (int is_stream = 0; is_stream < 2; is_stream++) {
        struct stall s = {.says = whole, .len = sizeof(whole) - 1};
        char url[64];

        CHECK_EQ(covey_listen(&s.listener, "tcp://127.0.0.1:0", NULL), 0);
        (void)snprintf(url, sizeof(url), "http%s", covey_listener_addr(s.listener) + 3);
        covey_group *g = covey_group_new(ctx);
        covey_ctx *until = covey_ctx_with_cancel(ctx);
        atomic_store(&s.ctx, until);
        CHECK_EQ(covey_group_go(g, stall_at_each, &s), 0);
        for (size_t i = 0; i < s.len; i++) {
            covey_http_response r;
            covey_http_request req = {.url = url, .on_body = is_stream ? take_piece : NULL};
            CHECK_EQ(covey_http_do(until, client, &req, &r), COVEY_ECANCELED);
            CHECK_EQ(r.trailer_count, 0);
            covey_http_response_free(&r);
            covey_ctx *next = covey_ctx_with_cancel(ctx);
            atomic_store(&s.ctx, next);
            covey_ctx_unref(until);
            until = next;
        }
        CHECK_EQ(covey_group_wait(g), 0);
        covey_ctx_unref(until);
        covey_listener_close(s.listener);
    }
}
