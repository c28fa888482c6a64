/* SPDX-License-Identifier: MIT
 * http_server.c - row 20: an HTTP server that says hello. It prints "port N" and serves until
 * SIGTERM; wrk makes the load (bench/http_load.py). */
#include "hello.h"

#include <covey/http.h>

static int serve(covey_ctx *ctx, void *arg)
{
    (void)arg;
    return bench_serve_hello(ctx, (covey_http_server_options){0});
}

int main(int argc, char **argv)
{
    bench_raise_descriptor_limit();
    return bench_start(argc, argv, serve);
}
