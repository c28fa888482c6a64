/* SPDX-License-Identifier: MIT
 * hello_https.c - an HTTPS server: the same handlers over HTTP/2 and HTTP/1.1, as the client has
 * it, and compressed if it likes.
 *
 *   GET  /               a page that says which protocol brought it
 *   POST /echo           the request's body, as it comes
 *
 * usage: hello_https ADDRESS CERTIFICATE KEY (PEM files). The first line on standard output is the
 * address. SIGINT and SIGTERM drain it. */
#include <covey.h>
#include <covey/http.h>
#include <covey/tls.h>

#include <signal.h>
#include <stdio.h>
#include <string.h>

static int page(covey_ctx *ctx, covey_http_server_request *req, covey_http_writer *w, void *arg)
{
    const covey_tls_info *tls = covey_tls_info_of(covey_http_request_conn(req));
    char html[512];

    (void)arg;
    int len = snprintf(html, sizeof(html),
                       "<!doctype html><title>Hello</title><h1>Hello</h1>"
                       "<p>HTTP version %d, %s</p>\n",
                       req->http_version, tls->version);
    return covey_http_respond(ctx, w, 200, "text/html; charset=utf-8", html, (size_t)len);
}

static int echo(covey_ctx *ctx, covey_http_server_request *req, covey_http_writer *w, void *arg)
{
    const char *type = covey_http_request_header(req, "Content-Type");
    char buf[16384];
    ssize_t n;

    (void)arg;
    if (type) {
        covey_http_set_header(w, "Content-Type", type);
    }
    while ((n = covey_http_body_read(ctx, req, buf, sizeof(buf))) > 0) {
        n = covey_http_write(ctx, w, buf, (size_t)n);
        if (n < 0) {
            break;
        }
    }
    return n < 0 ? (int)n : 0;
}

static int serve(covey_ctx *ctx, covey_listener *listener, covey_tls_config *tls)
{
    const covey_http_server_options opts = {
        .wrap = covey_tls_wrap,
        .wrap_arg = tls,
        .gzip = 1,
    };
    covey_http_router *router = covey_http_router_new();
    int code = covey_http_router_handle(router, "GET /{$}", page, NULL);

    if (code == 0) {
        code = covey_http_router_handle(router, "POST /echo", echo, NULL);
    }
    if (code == 0) {
        code = covey_http_serve(ctx, listener, covey_http_route, router, &opts);
    }
    covey_http_router_free(router);
    return code;
}

static int run(covey_ctx *ctx, void *arg)
{
    static const int signals[] = {SIGINT, SIGTERM};
    char **args = arg;
    const covey_tls_identity identity = {.cert_file = args[2], .key_file = args[3]};
    const covey_tls_options opts = {
        .identities = &identity,
        .identity_count = 1,
        .alpn = covey_http_alpn(), /* what the server can speak */
    };
    covey_tls_config *tls;
    covey_listener *listener;

    int code = covey_tls_config_new(&tls, &opts);
    if (code < 0) {
        return code;
    }
    code = covey_listen(&listener, args[1], NULL);
    if (code == 0) {
        printf("%s\n", covey_listener_addr(listener));
        fflush(stdout);
        covey_ctx *until = covey_ctx_with_signals(ctx, signals, 2);
        code = serve(until, listener, tls);
        covey_ctx_unref(until);
        covey_listener_close(listener);
    }
    covey_tls_config_unref(tls);
    return code;
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: hello_https ADDRESS CERTIFICATE KEY\n");
        return 2;
    }
    int code = covey_run(run, argv);
    if (code < 0) {
        fprintf(stderr, "hello_https: %s\n", covey_errmsg());
    }
    return code < 0;
}
