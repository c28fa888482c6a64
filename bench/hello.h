/* SPDX-License-Identifier: MIT
 * hello.h - the HTTP server of row 20, in clear text and over TLS: says hello until SIGTERM. */
#ifndef BENCH_HELLO_H
#define BENCH_HELLO_H

#include "server.h"

#include <covey/http.h>

#include <signal.h>

static inline int bench_hello(covey_ctx *ctx, covey_http_server_request *req, covey_http_writer *w,
                              void *arg)
{
    (void)req;
    (void)arg;
    return covey_http_respond(ctx, w, 200, "text/plain", "Hello, world\n", 13);
}

/* With opts, but for its limits. */
static inline int bench_serve_hello(covey_ctx *parent, covey_http_server_options opts)
{
    const int stop[] = {SIGTERM, SIGINT};
    opts.max_connections = COVEY_HTTP_UNLIMITED;
    opts.idle_timeout_ns = opts.header_timeout_ns = 600 * COVEY_SEC;
    covey_ctx *ctx = covey_ctx_with_signals(parent, stop, 2);
    covey_http_router *router = covey_http_router_new();
    covey_listener *l = bench_listen();

    BENCH_CHECK(covey_http_router_handle(router, "GET /hello", bench_hello, NULL) == 0);
    int code = covey_http_serve(ctx, l, covey_http_route, router, &opts);
    covey_http_router_free(router);
    covey_listener_close(l);
    covey_ctx_unref(ctx);
    return code;
}

#endif
