/* SPDX-License-Identifier: MIT
 * hello_http.c - an HTTP server: hello, an echo that streams, and a wait that ends with its client.
 *
 *   GET  /hello/{name}   a greeting
 *   POST /echo           the request's body, as it comes
 *   GET  /wait/{ms}      an answer after so many milliseconds; nobody waits once the client has
 * gone
 *
 * usage: hello_http [ADDRESS]. The first line on standard output is the address. SIGINT and SIGTERM
 * drain it: running requests are finished, then it ends. */
#include <covey.h>
#include <covey/http.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

static int hello(covey_ctx *ctx, covey_http_server_request *req, covey_http_writer *w, void *arg)
{
    (void)arg;
    return covey_http_respondf(ctx, w, 200, "Hello, %s\n", covey_http_path_param(req, "name"));
}

static int echo(covey_ctx *ctx, covey_http_server_request *req, covey_http_writer *w, void *arg)
{
    char buf[4096];
    ssize_t n;

    (void)arg;
    while ((n = covey_http_body_read(ctx, req, buf, sizeof(buf))) > 0) {
        n = covey_http_write(ctx, w, buf, (size_t)n);
        if (n < 0) {
            break;
        }
    }
    return n < 0 ? (int)n : 0;
}

static int wait(covey_ctx *ctx, covey_http_server_request *req, covey_http_writer *w, void *arg)
{
    int64_t ms = atoll(covey_http_path_param(req, "ms"));
    int code = covey_sleep(ctx, ms * COVEY_MS);

    (void)arg;
    return code < 0 ? code : covey_http_respondf(ctx, w, 200, "waited %lld ms\n", (long long)ms);
}

static int serve(covey_ctx *ctx, void *arg)
{
    static const int signals[] = {SIGINT, SIGTERM};
    const char *addr = arg;
    covey_listener *listener;
    int code = covey_listen(&listener, addr, NULL);

    if (code < 0) {
        return code;
    }
    printf("%s\n", covey_listener_addr(listener));
    fflush(stdout);

    covey_http_router *router = covey_http_router_new();
    covey_http_router_handle(router, "GET /hello/{name}", hello, NULL);
    covey_http_router_handle(router, "POST /echo", echo, NULL);
    code = covey_http_router_handle(router, "GET /wait/{ms}", wait, NULL);
    if (code == 0) {
        covey_ctx *until = covey_ctx_with_signals(ctx, signals, 2);
        code = covey_http_serve(until, listener, covey_http_route, router, NULL);
        covey_ctx_unref(until);
    }
    covey_http_router_free(router);
    covey_listener_close(listener);
    return code;
}

int main(int argc, char **argv)
{
    int code = covey_run(serve, argc > 1 ? argv[1] : "tcp://127.0.0.1:8080");

    if (code < 0) {
        fprintf(stderr, "hello_http: %s\n", covey_errmsg());
    }
    return code < 0;
}
