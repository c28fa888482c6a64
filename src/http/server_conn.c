/* SPDX-License-Identifier: MIT
 * server_conn.c - the task of a connection: reads a head, runs the handler, ends the response, and
 * so on as long as both sides keep the connection.
 *
 * Its own reads and writes have no context: the watch ends them by shutting the socket down, which
 * costs nothing as long as it does not happen. Reads of a connection that was wrapped do: TLS takes
 * a socket that is shut for a stream cut short, and would not let the answer be written. */
#define _GNU_SOURCE
#include "http/server.h"
#include "http/server_watch.h"

#include <covey/error.h>

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define IN_SIZE 2048 /* to begin with; kept by an idle connection */
#define IN_KEPT ((size_t)16 << 10)
#define LINGER_NS (2 * COVEY_SEC)
#define LINGER_MAX ((size_t)1 << 20)

struct cvy_http_server_conn *cvy_http_conn_new(struct cvy_http_server *s, covey_conn *conn)
{
    struct cvy_http_server_conn *c = calloc(1, sizeof(*c));

    if (c && cvy_http_buffer_reserve(&c->in, IN_SIZE) < 0) {
        free(c);
        c = NULL;
    }
    if (c) {
        c->server = s;
        c->conn = conn;
        c->phase = CVY_HTTP_RUNNING;
        cvy_http_list_init(&c->link);
    }
    return c;
}

void cvy_http_conn_free(struct cvy_http_server_conn *c)
{
    struct cvy_http_server *s = c->server;

    covey_close(c->conn);
    covey_ctx_unref(c->ctx);
    cvy_http_writer_fini(&c->writer);
    cvy_http_buffer_reset(&c->text, 0);
    cvy_http_buffer_reset(&c->in, 0);
    free(c->headers);
    free(c);
    CVY_HTTP_COUNT(s, open, -1);
    covey_sem_release(s->slots, 1);
}

/* ---- waits that the watch knows of ---- */

/* The deadline first: the watch reads them the other way round. */
static void wait_begin(struct cvy_http_server_conn *c, enum cvy_http_phase phase, int64_t deadline)
{
    atomic_store_explicit(&c->deadline, deadline, memory_order_relaxed);
    c->phase = (int)phase;
}

/* Release: a deadline that the watch read for the earlier phase was not a later one's. */
static void wait_end(struct cvy_http_server_conn *c)
{
    atomic_store_explicit(&c->phase, CVY_HTTP_RUNNING, memory_order_release);
}

static ssize_t too_slow(void)
{
    return covey_errorf(-ETIMEDOUT, "http: the client sent nothing for too long");
}

/* A stream that ends without TLS's goodbye has ended. */
static ssize_t read_wrapped(covey_ctx *ctx, struct cvy_http_server_conn *c, void *buf, size_t len,
                            enum cvy_http_phase phase, int64_t deadline)
{
    covey_ctx *parent = phase == CVY_HTTP_IDLE ? c->server->until_drain : ctx;
    covey_ctx *until = covey_ctx_with_deadline(parent, deadline);
    ssize_t n = covey_read(until, c->conn, buf, len);

    if (n == COVEY_EDEADLINE && covey_ctx_err(parent) == 0) {
        n = too_slow();
    }
    covey_ctx_unref(until);
    return n == COVEY_EPROTO ? 0 : n;
}

ssize_t cvy_http_conn_read(covey_ctx *ctx, struct cvy_http_server_conn *c, void *buf, size_t len,
                           enum cvy_http_phase phase, int64_t deadline)
{
    if (c->server->opts.wrap) {
        return read_wrapped(ctx, c, buf, len, phase, deadline);
    }
    wait_begin(c, phase, deadline);
    if (phase == CVY_HTTP_IDLE && c->server->is_draining) {
        cvy_http_watch_end_read(c);
    }
    ssize_t n = covey_read(ctx, c->conn, buf, len);
    wait_end(c);
    return n == 0 && c->is_overdue ? too_slow() : n;
}

int cvy_http_conn_write(covey_ctx *ctx, struct cvy_http_server_conn *c, const struct iovec *iov,
                        int n)
{
    wait_begin(c, CVY_HTTP_WRITING, covey_now() + c->server->opts.io_timeout_ns);
    ssize_t sent = covey_writev(ctx, c->conn, iov, n);
    wait_end(c);
    if (sent < 0 && c->is_overdue) {
        return covey_errorf(-ETIMEDOUT, "http: the client took nothing for too long");
    }
    return sent < 0 ? (int)sent : 0;
}

/* ---- the head ---- */

/* What was read of the next request moves to the front; a large buffer is given back. */
static void tidy(struct cvy_http_server_conn *c)
{
    size_t there = c->in.len - c->at;

    if (there > 0) {
        memmove(c->in.data, c->in.data + c->at, there);
    } else if (c->in.cap > IN_KEPT) {
        cvy_http_buffer_reset(&c->in, 0);
    }
    c->in.len = there;
    c->at = 0;
}

/* Empty lines before a request are allowed. */
static void skip_empty_lines(struct cvy_http_server_conn *c)
{
    while (c->in.len - c->at >= 2 && memcmp(c->in.data + c->at, "\r\n", 2) == 0) {
        c->at += 2;
    }
}

/* The status for a head that is longer than it may be. */
static int too_large(const struct cvy_http_server_conn *c)
{
    return memchr(c->in.data + c->at, '\n', c->in.len - c->at) ? -431 : -414;
}

static int64_t head_deadline(const struct cvy_http_server_conn *c, bool is_begun)
{
    const covey_http_server_options *o = &c->server->opts;

    return covey_now() + (is_begun || !c->has_served ? o->header_timeout_ns : o->idle_timeout_ns);
}

/* More of the head. 1; 0: the connection is to be closed; negative: refused with that status. */
static int read_more(struct cvy_http_server_conn *c, int64_t *deadline)
{
    bool is_begun = c->in.len > c->at;
    size_t max = c->server->opts.max_header_size;

    if (c->in.len - c->at >= max) {
        return too_large(c);
    }
    if (*deadline == 0 || !is_begun) {
        *deadline = head_deadline(c, is_begun);
    }
    size_t cap = c->in.len == c->in.cap ? 2 * c->in.cap : c->in.cap;
    if (cvy_http_buffer_reserve(&c->in, cap > 0 ? cap : IN_SIZE) < 0) {
        return -503;
    }
    ssize_t n = cvy_http_conn_read(NULL, c, c->in.data + c->in.len, c->in.cap - c->in.len,
                                   is_begun ? CVY_HTTP_READING : CVY_HTTP_IDLE, *deadline);
    if (n <= 0) {
        return n == -ETIMEDOUT && is_begun ? -408 : 0;
    }
    if (!is_begun) {
        *deadline = 0;
    }
    c->in.len += (size_t)n;
    return 1;
}

/* The length of the next head, which begins at c->at; else as read_more(). */
static int read_head(struct cvy_http_server_conn *c)
{
    int64_t deadline = 0;
    size_t seen = 0;

    tidy(c);
    for (;;) {
        if (seen == 0) {
            skip_empty_lines(c);
        }
        int len = cvy_http_head_scan(c->in.data + c->at, c->in.len - c->at, &seen);
        if (len != 0) {
            return (size_t)(len > 0 ? len : 0) > c->server->opts.max_header_size ? too_large(c)
                                                                                 : len;
        }
        int code = read_more(c, &deadline);
        if (code <= 0) {
            return code;
        }
    }
}

/* ---- one request ---- */

static void tell(struct cvy_http_server_conn *c, bool is_read, int code, int64_t begun)
{
    const covey_http_server_options *o = &c->server->opts;

    if (o->on_access) {
        covey_http_access a = {
            .req = is_read ? &c->req : NULL,
            .status = c->writer.is_committed ? c->writer.status : 0,
            .code = code,
            .body_len = c->writer.total,
            .duration_ns = covey_now() - begun,
        };
        o->on_access(&a, o->access_arg);
    }
}

/* Answers with a status instead of the handler, and closes. */
static void refuse(struct cvy_http_server_conn *c, int status)
{
    CVY_HTTP_COUNT(c->server, refused, 1);
    c->keep_alive = false;
    c->lingers = true;
    cvy_http_writer_begin(&c->writer);
    if (status == 503) {
        (void)covey_http_set_header(&c->writer, "Retry-After", "1");
    }
    (void)covey_http_respondf(NULL, &c->writer, status, "%d\n", status);
    int code = cvy_http_writer_finish(c, 0);
    tell(c, false, code, covey_now());
}

/* The request's context ends with its handler. */
static int run(struct cvy_http_server_conn *c)
{
    struct cvy_http_server *s = c->server;
    covey_ctx *ctx = covey_ctx_with_timeout(c->ctx, s->opts.request_timeout_ns);

    if (!ctx) {
        return -ENOMEM;
    }
    CVY_HTTP_COUNT(s, requests, 1);
    CVY_HTTP_COUNT(s, running, 1);
    int code = s->handler(ctx, &c->req, &c->writer, s->arg);
    CVY_HTTP_COUNT(s, running, -1);
    covey_ctx_cancel(ctx);
    covey_ctx_unref(ctx);
    if (code < 0) {
        CVY_HTTP_COUNT(s, failed, 1);
    }
    if (c->is_gone) {
        CVY_HTTP_COUNT(s, gone, 1);
    }
    return code;
}

/* Whether there is room for one more handler; then it is taken. */
static bool enter(struct cvy_http_server *s)
{
    if (atomic_fetch_add_explicit(&s->running, 1, memory_order_relaxed) < s->opts.max_running) {
        return true;
    }
    atomic_fetch_sub_explicit(&s->running, 1, memory_order_relaxed);
    return false;
}

/* Whether the connection goes on. */
static bool answer(struct cvy_http_server_conn *c)
{
    struct cvy_http_server *s = c->server;
    int64_t begun = s->opts.on_access ? covey_now() : 0;

    cvy_http_writer_begin(&c->writer);
    if (!enter(s)) {
        refuse(c, 503);
        return false;
    }
    int code = run(c);
    int sent = cvy_http_writer_finish(c, code);
    atomic_fetch_sub_explicit(&s->running, 1, memory_order_relaxed);
    tell(c, true, sent < 0 ? sent : code, begun);
    c->has_served = true;
    if (sent < 0) {
        return false;
    }
    if (c->keep_alive && cvy_http_body_finish(c)) {
        return true;
    }
    c->lingers = true;
    return false;
}

static bool serve_one(struct cvy_http_server_conn *c)
{
    cvy_http_request_forget(c);
    int len = read_head(c);
    int status = len < 0 ? -len : 0;

    if (len == 0) {
        return false;
    }
    if (len > 0) {
        status = cvy_http_request_parse(c, (size_t)len);
    }
    if (status != 0) {
        refuse(c, status);
        return false;
    }
    return answer(c);
}

/* A close while the client still sends would reset the connection, and could take the answer with
 * it before the client has read it. */
static void linger(struct cvy_http_server_conn *c)
{
    int64_t deadline = covey_now() + LINGER_NS;
    size_t dropped = 0;
    char buf[4096];
    ssize_t n = covey_shutdown_write(c->conn);

    while (n >= 0 && dropped < LINGER_MAX) {
        n = cvy_http_conn_read(c->ctx, c, buf, sizeof(buf), CVY_HTTP_READING, deadline);
        if (n <= 0) {
            break;
        }
        dropped += (size_t)n;
    }
}

/* Before the watch knows the connection: on failure its socket is closed. */
static int wrap(struct cvy_http_server_conn *c)
{
    const covey_http_server_options *o = &c->server->opts;

    if (!o->wrap) {
        return 0;
    }
    covey_ctx *ctx = covey_ctx_with_timeout(c->server->until_drain, o->header_timeout_ns);
    int code = o->wrap(ctx, &c->conn, &c->protocol, o->wrap_arg);
    covey_ctx_unref(ctx);
    if (code < 0) {
        CVY_HTTP_COUNT(c->server, wrap_failures, 1);
    }
    return code;
}

int cvy_http_conn_serve(covey_ctx *ctx, void *conn)
{
    struct cvy_http_server_conn *c = conn;

    c->ctx = covey_ctx_with_cancel(ctx);
    if (wrap(c) == 0 && cvy_http_watch_add(c) == 0) {
        while (serve_one(c)) {
        }
        if (c->lingers) {
            linger(c);
        }
        cvy_http_watch_remove(c);
    }
    cvy_http_conn_free(c);
    return 0;
}
