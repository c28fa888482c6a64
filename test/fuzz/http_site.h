/* SPDX-License-Identifier: MIT
 * http_site.h - an HTTP server on one connection, on which an input comes in one piece or byte by
 * byte, and then the end of the stream: the server ends, and nothing is left. */
#ifndef CVY_FUZZ_HTTP_SITE_H
#define CVY_FUZZ_HTTP_SITE_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "fuzz.h"

#include "http/server.h"
#include "http/server_watch.h"

#include <covey/error.h>

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

struct input {
    const char *data;
    size_t size;
    bool is_slow;
    const char *answer; /* what anything that comes back begins with; "": HTTP/2 may be spoken */
};

/* Echoes, and looks at everything there is. */
static inline int handler(covey_ctx *ctx, covey_http_server_request *req, covey_http_writer *w,
                          void *arg)
{
    char buf[64];
    ssize_t n;

    (void)arg;
    (void)covey_http_set_header(w, "Content-Type", "text/plain");
    MUST(req->method && req->target && req->path && req->query && req->host);
    MUST(strlen(req->path) <= strlen(req->target));
    for (size_t i = 0; i < req->header_count; i++) {
        MUST(*req->headers[i].name && !strpbrk(req->headers[i].name, " \t:\r\n"));
        MUST(!strpbrk(req->headers[i].value, "\r\n"));
        MUST(covey_http_request_header(req, req->headers[i].name));
    }
    (void)covey_http_query_param(req, "q", buf, sizeof(buf));
    (void)covey_http_path_param(req, "rest");
    MUST(!covey_http_request_trailer(req, "x"));
    MUST(covey_http_set_trailer(w, "x-seen", "yes") == 0);
    while ((n = covey_http_body_read(ctx, req, buf, sizeof(buf))) > 0) {
        n = covey_http_write(ctx, w, buf, (size_t)n);
        if (n < 0) {
            break;
        }
    }
    const char *trailer = covey_http_request_trailer(req, "x");
    MUST(!trailer || (n == 0 && !strpbrk(trailer, "\r\n")));
    return (int)n;
}

static inline int feed(covey_ctx *ctx, void *arg)
{
    struct input *in = ((void **)arg)[0];
    covey_conn *client = ((void **)arg)[1];
    size_t piece = in->is_slow ? 1 : in->size;

    for (size_t at = 0; at < in->size; at += piece) {
        if (covey_write(ctx, client, in->data + at, piece) < 0) {
            break;
        }
    }
    (void)covey_shutdown_write(client);
    return 0;
}

/* Reads it all. */
static inline int drain(covey_ctx *ctx, void *arg)
{
    const struct input *in = ((void **)arg)[0];
    covey_conn *client = ((void **)arg)[1];
    size_t len = strlen(in->answer);
    char buf[4096];
    size_t total = 0;
    ssize_t n;

    while ((n = covey_read(ctx, client, buf, sizeof(buf))) > 0) {
        MUST(total > 0 || (size_t)n < len || memcmp(buf, in->answer, len) == 0);
        total += (size_t)n;
    }
    return 0;
}

static inline int run(covey_ctx *ctx, void *arg)
{
    struct cvy_http_server s = {.opts = {.max_body = 1 << 20,
                                         .max_stream_window = 1 << 20,
                                         .max_running = 5,
                                         .max_header_count = 20,
                                         .max_header_size = 4096,
                                         .max_streams = 10,
                                         .no_http2 = *((struct input *)arg)->answer != 0,
                                         .gzip = 1,
                                         .gzip_min = 1,
                                         .half_close = true,
                                         .header_timeout_ns = 60 * COVEY_SEC,
                                         .idle_timeout_ns = 60 * COVEY_SEC,
                                         .io_timeout_ns = COVEY_SEC / 50,
                                         .request_timeout_ns = 60 * COVEY_SEC}};
    covey_conn *client, *conn;
    int fds[2];

    MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
    MUST(covey_conn_from_fd(&client, fds[0]) == 0 && covey_conn_from_fd(&conn, fds[1]) == 0);
    covey_http_router *router = covey_http_router_new();
    MUST(covey_http_router_handle(router, "/{rest...}", handler, NULL) == 0);
    s.handler = covey_http_route;
    s.arg = router;
    s.stats = &s.own_stats;
    s.stats->open = 1;
    s.slots = covey_sem_new(1);
    MUST(s.slots && covey_sem_try_acquire(s.slots, 1));
    s.epoll = epoll_create1(EPOLL_CLOEXEC);
    cvy_http_list_init(&s.conns);

    void *feeder[] = {arg, client};
    covey_group *g = covey_group_new(ctx);
    struct cvy_http_server_conn *c = cvy_http_conn_new(&s, conn);
    MUST(c);
    MUST(covey_group_go(g, cvy_http_conn_serve, c) == 0);
    MUST(covey_group_go(g, feed, feeder) == 0);
    MUST(covey_group_go(g, drain, feeder) == 0);
    MUST(covey_group_wait(g) == 0);
    MUST(s.stats->open == 0 && s.stats->running == 0 && s.running == 0);
    MUST(cvy_http_list_is_empty(&s.conns));

    covey_close(client);
    covey_http_router_free(router);
    covey_sem_free(s.slots);
    (void)close(s.epoll);
    return 0;
}

static inline void serve_input(const char *data, size_t size, bool is_slow, const char *answer)
{
    covey_options one = {.workers = 1};
    struct input in = {data, size, is_slow, answer};

    MUST(covey_run_with(&one, run, &in) == 0);
}

#endif
