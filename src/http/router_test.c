/* SPDX-License-Identifier: MIT
 * The router by itself: requests without a connection. A short response only fills a buffer. */
#define _GNU_SOURCE
#include "http/server.h"

#include "harness.h"

#include <covey/error.h>
#include <covey/trace.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Writes its arg and its parameters into said. */
static char said[256];

static int says(covey_ctx *ctx, covey_http_server_request *req, covey_http_writer *w, void *arg)
{
    const struct cvy_http_exchange *x = cvy_http_exchange_of_request(req);
    size_t len = (size_t)snprintf(said, sizeof(said), "%s", (const char *)arg);

    (void)ctx;
    (void)w;
    for (size_t i = 0; i < x->param_count; i++) {
        const char *value = covey_http_path_param(req, x->param_names[i]);
        len += (size_t)snprintf(said + len, sizeof(said) - len, " %s=%s", x->param_names[i], value);
    }
    CHECK_STR(covey_http_path_param(req, "no such"), NULL);
    return 0;
}

/* What the route said, or the status. */
static const char *route(covey_http_router *r, const char *method, const char *target)
{
    struct cvy_http_server s = {0};
    struct cvy_http_server_conn c = {.server = &s};
    struct cvy_http_exchange *x = &c.h1.x;

    CHECK_EQ(cvy_h1_init(&c.h1, &c), 0);
    x->req.method = method;
    x->req.http_version = 11;
    CHECK_EQ(cvy_http_exchange_set_path(x, target, 0), 0);
    cvy_http_writer_begin(&x->writer);
    said[0] = '\0';
    CHECK_EQ(covey_http_route(NULL, &x->req, &x->writer, r), 0);
    if (!said[0]) {
        c.h1.out.data[c.h1.out.len] = '\0';
        const char *allow = strstr(c.h1.out.data, "Allow: ");
        int n = snprintf(said, sizeof(said), "%d", x->writer.status);
        if (x->writer.status == 405 && allow) {
            (void)snprintf(said + n, sizeof(said) - (size_t)n, "%.*s",
                           (int)strcspn(allow + 6, "\r"), allow + 6);
        }
    }
    cvy_h1_fini(&c.h1);
    return said;
}

static void handle(covey_http_router *r, const char *pattern)
{
    CHECK_EQ(covey_http_router_handle(r, pattern, says, (void *)pattern), 0);
}

TEST(the_most_specific_pattern_wins)
{
    covey_http_router *r = covey_http_router_new();
    static const char *const patterns[] = {
        "GET /orders/{id}",
        "GET /orders/latest",
        "POST /orders/{new}",
        "/orders/{id}/{item}",
        "/files/{path...}",
        "GET /files/{name}/raw",
        "/images/",
        "GET /{$}",
        "/a/{x}/c",
        "/a/b/{y}",
        "/any",
        "GET /any",
    };

    for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++) {
        handle(r, patterns[i]);
    }
    static const struct {
        const char *method, *target, *said;
    } cases[] = {
        {"GET", "/orders/7", "GET /orders/{id} id=7"},
        {"HEAD", "/orders/7", "GET /orders/{id} id=7"},
        {"GET", "/orders/latest", "GET /orders/latest"},
        {"POST", "/orders/latest", "POST /orders/{new} new=latest"},
        {"PUT", "/orders/7/8", "/orders/{id}/{item} id=7 item=8"},
        {"GET", "/orders/a%2Fb", "GET /orders/{id} id=a/b"},
        {"GET", "/order%73/%6catest", "GET /orders/latest"},
        {"GET", "/orders/", "404"},
        {"GET", "/orders", "404"},
        {"GET", "/orders/7/", "404"},
        {"GET", "/files/a/b%20c", "/files/{path...} path=a/b c"},
        {"GET", "/files/a/raw", "GET /files/{name}/raw name=a"},
        {"PUT", "/files/a/raw", "/files/{path...} path=a/raw"},
        {"GET", "/files/", "/files/{path...} path="},
        {"GET", "/files", "404"},
        {"GET", "/images/", "/images/"},
        {"GET", "/images/x/y", "/images/"},
        {"GET", "/", "GET /{$}"},
        {"POST", "/", "405 GET, HEAD"},
        {"GET", "/a/b/c", "/a/b/{y} y=c"},
        {"GET", "/a/z/c", "/a/{x}/c x=z"},
        {"GET", "/any", "GET /any"},
        {"PUT", "/any", "/any"},
        {"DELETE", "/orders/7", "405 POST, GET, HEAD"},
        {"OPTIONS", "*", "204"},
        {"GET", "//", "404"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        CHECK_STR(route(r, cases[i].method, cases[i].target), cases[i].said);
    }
    covey_http_router_free(r);
}

TEST(patterns_that_are_none_or_double_are_refused)
{
    static const char *const bad[] = {"",       "GET",      "GET orders", "orders",
                                      "GET/a",  "/{",       "/{}",        "/a{b}",
                                      "/{a}b",  "/{...}/a", "/{$}/a",     "/{a...}/b",
                                      "/{a.b}", "/a}",      "/{a}/{a}",   "/{a}/b/{a...}"};
    covey_http_router *r = covey_http_router_new();

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        CHECK_EQ(covey_http_router_handle(r, bad[i], says, NULL), -EINVAL);
    }
    handle(r, "GET /a/{x}");
    handle(r, "/a/{x}");
    CHECK_EQ(covey_http_router_handle(r, "GET /a/{y}", says, NULL), -EEXIST);
    CHECK_EQ(covey_http_router_handle(r, "/a/{y}", says, NULL), -EEXIST);
    CHECK_EQ(covey_http_router_handle(NULL, "/", says, NULL), -ENOMEM);
    covey_http_router_free(r);
    covey_http_router_free(NULL);
}

/* Whether the file has this name; it is deleted. */
static bool file_names(const char *path, const char *name)
{
    static char data[1 << 16];
    FILE *in = fopen(path, "rb");

    CHECK(in);
    size_t n = fread(data, 1, sizeof(data), in);
    (void)fclose(in);
    (void)unlink(path);
    return memmem(data, n, name, strlen(name) + 1) != NULL;
}

TEST(a_request_is_in_a_trace_by_its_routes_name)
{
    covey_http_router *r = covey_http_router_new();
    char path[64];

    (void)snprintf(path, sizeof(path), "/tmp/covey-router-%d", (int)getpid());
    handle(r, "GET /orders/{id}");
    handle(r, "GET /never");
    CHECK_EQ(covey_trace_start(path), 0);
    (void)route(r, "GET", "/orders/7");
    /* What was recorded outlives the router. */
    covey_http_router_free(r);
    CHECK_EQ(covey_trace_stop(), 0);
    CHECK(file_names(path, "GET /orders/{id}"));
    CHECK_EQ(covey_trace_start(path), 0);
    CHECK_EQ(covey_trace_stop(), 0);
    CHECK(!file_names(path, "GET /never"));
}
