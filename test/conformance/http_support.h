/* SPDX-License-Identifier: MIT
 * http_support.h - a server to test, with handlers, and a client that sends bytes as they are and
 * shows what came. */
#ifndef CVY_CONFORMANCE_HTTP_SUPPORT_H
#define CVY_CONFORMANCE_HTTP_SUPPORT_H

#include "support.h"

#include <covey/http.h>

/* ---- handlers ---- */

static inline int hello(covey_ctx *ctx, covey_http_server_request *req, covey_http_writer *w,
                        void *arg)
{
    (void)req;
    (void)arg;
    return covey_http_respond(ctx, w, 200, "text/plain", "hello", 5);
}

/* arg: NULL, or an atomic_int for what the body ended with. */
static inline int echo(covey_ctx *ctx, covey_http_server_request *req, covey_http_writer *w,
                       void *arg)
{
    char buf[4096];
    ssize_t n;

    while ((n = covey_http_body_read(ctx, req, buf, sizeof(buf))) > 0) {
        n = covey_http_write(ctx, w, buf, (size_t)n);
        if (n < 0) {
            break;
        }
    }
    if (arg) {
        atomic_store((atomic_int *)arg, (int)n);
    }
    return (int)n;
}

/* ---- the server ---- */

/* A running server. */
struct site {
    covey_listener *listener;
    covey_http_server_options opts;
    covey_http_server_stats stats;
    covey_http_handler *handler;
    void *arg;
    covey_ctx *ctx; /* ends it */
    covey_group *group;
    int code; /* covey_http_serve's */
};

static inline int site_main(covey_ctx *ctx, void *arg)
{
    struct site *s = arg;

    (void)ctx;
    s->code = covey_http_serve(s->ctx, s->listener, s->handler, s->arg, &s->opts);
    return 0;
}

/* s->opts, handler and arg are set. */
static inline void site_open(struct site *s)
{
    CHECK_EQ(covey_listen(&s->listener, "tcp://127.0.0.1:0", NULL), 0);
    s->opts.stats = &s->stats;
    s->ctx = covey_ctx_with_cancel(NULL);
    s->group = covey_group_new(NULL);
    GO(s->group, site_main, s);
}

/* Drains it. What covey_http_serve returned. */
static inline int site_close(struct site *s)
{
    covey_ctx_cancel(s->ctx);
    JOIN(s->group);
    covey_ctx_unref(s->ctx);
    covey_listener_close(s->listener);
    CHECK_EQ(s->stats.open, 0);
    CHECK_EQ(s->stats.running, 0);
    return s->code;
}

static inline covey_http_server_stats site_stats(struct site *s)
{
    covey_http_server_stats out;

    covey_http_server_stats_get(&s->stats, &out);
    return out;
}

/* ---- the client ---- */

static inline covey_conn *dial(struct site *s)
{
    covey_conn *c;

    CHECK_EQ(covey_dial(NULL, &c, covey_listener_addr(s->listener)), 0);
    return c;
}

static inline void say_bytes(covey_conn *c, const char *data, size_t len)
{
    CHECK_EQ(covey_write(NULL, c, data, len), (ssize_t)len);
}

static inline void say(covey_conn *c, const char *text)
{
    say_bytes(c, text, strlen(text));
}

/* Everything up to the end of the stream, or its reset: NUL-terminated, malloc'd. */
static inline char *hear_all(covey_conn *c)
{
    size_t len = 0, cap = 4096;
    char *text = malloc(cap);

    for (;;) {
        CHECK(text);
        ssize_t n = covey_read(NULL, c, text + len, cap - len - 1);
        if (n <= 0) {
            text[len] = '\0';
            return text;
        }
        len += (size_t)n;
        if (cap - len < 2) {
            cap *= 2;
            text = realloc(text, cap);
        }
    }
}

/* Up to and with the end of the first head or whatever until says. */
static inline void hear_until(covey_conn *c, char *buf, size_t size, const char *until)
{
    size_t len = 0;

    buf[0] = '\0';
    while (!strstr(buf, until)) {
        CHECK(len + 1 < size);
        ssize_t n = covey_read(NULL, c, buf + len, 1);
        CHECK_EQ(n, 1);
        len++;
        buf[len] = '\0';
    }
}

static inline int status_in(const char *text)
{
    return strncmp(text, "HTTP/1.1 ", 9) == 0 ? atoi(text + 9) : 0;
}

static inline int count_of(const char *text, const char *word)
{
    int n = 0;

    for (const char *at = text; (at = strstr(at, word)) != NULL; at++) {
        n++;
    }
    return n;
}

/* Sends bytes on a connection of their own; the status of the only answer, 0 without one, -1 with
 * several. The server closes the connection. */
static inline int status_for(struct site *s, const char *data, size_t len)
{
    covey_conn *c = dial(s);

    (void)covey_write(NULL, c, data, len);
    char *text = hear_all(c);
    int status = count_of(text, "HTTP/1.1 ") <= 1 ? status_in(text) : -1;
    free(text);
    covey_close(c);
    return status;
}

/* One GET; the whole response. */
static inline char *get(struct site *s, const char *path)
{
    char request[512];
    covey_conn *c = dial(s);

    (void)snprintf(request, sizeof(request),
                   "GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", path);
    say(c, request);
    char *text = hear_all(c);
    covey_close(c);
    return text;
}

/* A handler that others wait for. */
static inline void await_running(struct site *s, uint64_t n)
{
    while (site_stats(s).running != n) {
        covey_yield();
    }
}

/* Writes until nobody takes it any more; arg (an atomic int) gets the code. */
static inline int pour(covey_ctx *ctx, covey_http_server_request *req, covey_http_writer *w,
                       void *arg)
{
    static const char block[8192];
    ssize_t n;

    (void)req;
    do {
        n = covey_http_write(ctx, w, block, sizeof(block));
    } while (n > 0);
    CHECK(covey_http_flush(ctx, w) < 0);
    atomic_store((atomic_int *)arg, (int)n);
    return (int)n;
}

#endif
