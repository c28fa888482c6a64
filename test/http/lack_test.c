/* SPDX-License-Identifier: MIT
 * lack_test.c - every allocation of a client and a server fails once: a scenario with a server, a
 * client and all that guards its host is run with the n-th one failing, for n = 1, 2, ... until
 * none did. Each request must end well, or with the code of a lack or of a connection that the
 * other end had to give up; no descriptor is left and, under ASan, no byte. */
#include "harness.h"
#include "lack.h"

#include "../conformance/support.h"

#include <covey/http.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* -ECONNRESET: the server had no memory for the connection or the request. */
static bool is_lack(int code)
{
    return code == -ENOMEM || code == -ECONNRESET || code == COVEY_EAGAIN;
}

/* ---- the server ---- */

struct site {
    covey_listener *listener;
    covey_ctx *ctx;
    covey_group *group;
    char url[64];
    atomic_int requests;
};

/* The first request of each attempt is told to come again. */
static int handle(covey_ctx *ctx, covey_http_server_request *req, covey_http_writer *w, void *arg)
{
    struct site *s = arg;

    (void)covey_http_set_header(w, "X-Path", req->path);
    return covey_http_respondf(ctx, w, atomic_fetch_add(&s->requests, 1) == 0 ? 503 : 200, "%s",
                               covey_http_path_param(req, "name"));
}

static int serve(covey_ctx *ctx, void *arg)
{
    struct site *s = arg;
    covey_http_router *router = covey_http_router_new();
    int code = covey_http_router_handle(router, "GET /{name}", handle, s);

    (void)ctx;
    if (code == 0) {
        covey_http_server_options opts = {.name = "lack"};
        code = covey_http_serve(s->ctx, s->listener, covey_http_route, router, &opts);
    }
    covey_http_router_free(router);
    if (code < 0) {
        covey_listener_close(s->listener); /* or clients would wait in its backlog */
        s->listener = NULL;
    }
    return code;
}

/* ---- the client ---- */

static int take_piece(covey_ctx *ctx, const void *data, size_t len, void *arg)
{
    (void)ctx;
    (void)data;
    *(size_t *)arg += len;
    return 0;
}

/* A kept answer, with a header of ours; and a stream. */
static int ask(covey_ctx *ctx, covey_http_client *c, struct site *s)
{
    const covey_http_header header = {"X-Mine", "yes"};
    char url[80];
    size_t len = 0;
    covey_http_response r;

    snprintf(url, sizeof(url), "%sone", s->url);
    covey_http_request req = {.url = url, .headers = &header, .header_count = 1};
    int code = covey_http_do(ctx, c, &req, &r);
    if (code == 0 && r.status == 200) {
        CHECK_STR(r.body, "one");
    }
    covey_http_response_free(&r);
    if (code < 0) {
        return code;
    }
    req.on_body = take_piece;
    req.body_arg = &len;
    code = covey_http_do(ctx, c, &req, &r);
    if (code == 0 && r.status == 200) {
        CHECK_EQ(len, 3);
    }
    covey_http_response_free(&r);
    return code;
}

static int attempt(covey_ctx *ctx, struct site *s, bool is_hedged)
{
    const covey_backoff retry = {.base_ns = COVEY_US};
    const covey_breaker_options breaker = {.min_calls = 100};
    const covey_hedge_options hedge = {.delay_ns = COVEY_SEC};
    const covey_http_guards guards = {.retry = &retry,
                                      .breaker = &breaker,
                                      .hedge = is_hedged ? &hedge : NULL,
                                      .per_second = 1e6,
                                      .burst = 1000};
    covey_http_client *c = covey_http_client_new(
        &(covey_http_client_options){.proxy = "", .name = "lack", .guards = &guards});

    if (!c) {
        return -ENOMEM;
    }
    int code = ask(ctx, c, s);
    covey_http_client_free(c);
    return code;
}

static int sweep(covey_ctx *ctx, void *arg)
{
    bool is_hedged = *(bool *)arg;
    int n = 0;

    while (lack_next(&n)) {
        struct site s = {.ctx = covey_ctx_with_cancel(NULL), .group = covey_group_new(NULL)};
        CHECK_EQ(covey_listen(&s.listener, "tcp://127.0.0.1:0", NULL), 0);
        snprintf(s.url, sizeof(s.url), "http%s/", covey_listener_addr(s.listener) + 3);
        atomic_store(&countdown, n);
        CHECK_EQ(covey_group_go(s.group, serve, &s), 0);
        int code = attempt(ctx, &s, is_hedged);
        covey_ctx_cancel(s.ctx);
        int served = covey_group_wait(s.group);
        atomic_store(&countdown, 0);
        covey_ctx_unref(s.ctx);
        covey_listener_close(s.listener);
        if (code != 0 && !is_lack(code) && served == 0) {
            fprintf(stderr, "# allocation %d: %d: %s\n", n, code, covey_errmsg());
        }
        CHECK(code == 0 || is_lack(code) || (code == -ECONNREFUSED && served < 0));
        CHECK(served == 0 || is_lack(served));
    }
    CHECK(n > 10);
    return 0;
}

static void sweep_run(bool is_hedged)
{
    if (!WITH_WRAPPED_HEAP) {
        SKIP("the library is linked dynamically");
    }
    CHECK_EQ(covey_run(sweep, &is_hedged), 0);
}

TEST(each_allocation_fails_once)
{
    sweep_run(false);
}

TEST(each_allocation_of_hedged_requests_fails_once)
{
    sweep_run(true);
}
