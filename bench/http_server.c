/* SPDX-License-Identifier: MIT
 * http_server.c - row 20: an HTTP server that says hello. It prints "port N" and serves until
 * SIGTERM; wrk makes the load (bench/http_load.py). */
#include "server.h"

#include <covey/http.h>

#include <signal.h>

static int hello(covey_ctx *ctx, covey_http_server_request *req, covey_http_writer *w, void *arg)
{
    (void)req;
    (void)arg;
    return covey_http_respond(ctx, w, 200, "text/plain", "Hello, world\n", 13);
}

static int serve(covey_ctx *parent, void *arg)
{
    (void)arg;
    const int stop[] = {SIGTERM, SIGINT};
    covey_http_server_options opts = {.max_connections = COVEY_HTTP_UNLIMITED,
                                      .idle_timeout_ns = 600 * COVEY_SEC,
                                      .header_timeout_ns = 600 * COVEY_SEC};
    covey_ctx *ctx = covey_ctx_with_signals(parent, stop, 2);
    covey_http_router *router = covey_http_router_new();
    covey_listener *l = bench_listen();

    BENCH_CHECK(covey_http_router_handle(router, "GET /hello", hello, NULL) == 0);
    int code = covey_http_serve(ctx, l, covey_http_route, router, &opts);
    covey_http_router_free(router);
    covey_listener_close(l);
    covey_ctx_unref(ctx);
    return code;
}

int main(int argc, char **argv)
{
    bench_raise_descriptor_limit();
    return bench_start(argc, argv, serve);
}
