/* SPDX-License-Identifier: MIT
 * serve.c - covey_debug_serve: a small HTTP server for what covey/debug.h, trace.h and metrics.h
 * write. One task a connection, which has one request; a limit on how many there are, and on how
 * long each piece may take.
 *
 * What it tells is for who may debug the process: serve_guard.h says who that is. */
#include "base/alloc.h"
#include "os/net.h"
#include "debug/serve_guard.h"
#include "debug/serve_pages.h"

#include <covey/ctx.h>
#include <covey/debug.h>
#include <covey/error.h>
#include <covey/group.h>
#include <covey/time.h>

#include <string.h>

#undef errno

#define PATIENCE_NS (10 * COVEY_SEC)
#define CONNECTIONS_MAX 32
#define TRACE_BYTES_MAX ((int64_t)1 << 30)

struct server {
    covey_debug_options options;
    covey_listener *listener;
    covey_group *group;
    _Atomic int dumps; /* of all tasks, that are made or sent */
    /* A descriptor, for a client where there are none left; -1: it is in use. Whoever takes it out
     * closes it. Relaxed: nothing is published with it. */
    _Atomic int spare;
};

struct served {
    struct server *server;
    covey_conn *conn;
};

/* Nothing happens if it is there, or cannot be had. */
static void spare_take(struct server *s)
{
    int none = -1;
    int fd =
        cvy_load_relaxed(&s->spare) >= 0 ? -1 : cvy_net_duplicate(covey_listener_fd(s->listener));

    if (fd >= 0 && !atomic_compare_exchange_strong_explicit(
                       &s->spare, &none, fd, memory_order_relaxed, memory_order_relaxed)) {
        cvy_net_close(fd);
    }
}

static void spare_give(struct server *s)
{
    int fd = atomic_exchange_explicit(&s->spare, -1, memory_order_relaxed);

    if (fd >= 0) {
        cvy_net_close(fd);
    }
}

/* ---- a connection ---- */

/* Reads until the head is whole. Its length; 0: the client has gone, or says too much too slowly.
 */
static size_t read_head(struct cvy_client *c, char *head)
{
    /* For all of it: a byte now and then is no progress. */
    covey_ctx *ctx = covey_ctx_with_timeout(c->ctx, c->patience_ns);
    size_t len = 0;
    size_t end = 0;

    while (end == 0 && len < CVY_REQUEST_HEAD_MAX) {
        ssize_t n = covey_read(ctx, c->conn, head + len, CVY_REQUEST_HEAD_MAX - len);
        if (n <= 0) {
            break;
        }
        len += (size_t)n;
        end = cvy_request_head_len(head, len);
    }
    covey_ctx_unref(ctx);
    if (end == 0 && len == CVY_REQUEST_HEAD_MAX) {
        (void)cvy_answer_text(c, 431, "the request's head is longer than 8 KiB");
    }
    return end;
}

static const char *words_for(int status)
{
    switch (status) {
    case 405:
        return "only GET and HEAD";
    case 505:
        return "only HTTP/1.1 and HTTP/1.0";
    default:
        return "this is no HTTP request";
    }
}

static void answer(struct cvy_client *c, const struct server *s, char *head, size_t len)
{
    struct cvy_request r;
    int status = cvy_request_parse(head, len, &r);
    const char *refusal = status == 0 ? cvy_guard_request(c, covey_listener_addr(s->listener),
                                                          s->options.any_address, &r)
                                      : words_for(status);

    c->is_head = r.is_head;
    if (refusal) {
        (void)cvy_answer_text(c, status ? status : 403, refusal);
    } else {
        (void)cvy_page_answer(c, &r);
    }
}

static void serve_client(struct cvy_client *c, const struct server *s)
{
    /* A task's stack may be small. */
    char *head = cvy_alloc(CVY_REQUEST_HEAD_MAX + 1);
    size_t len = head ? read_head(c, head) : 0;

    if (len > 0) {
        answer(c, s, head, len);
    }
    free(head);
}

/* What is left unread when a connection is closed would reset it, and the answer be lost: takes in
 * a little of it. */
static void close_gently(struct cvy_client *c)
{
    char rest[1024];
    covey_ctx *ctx = covey_ctx_with_timeout(c->ctx, c->patience_ns / 10);

    (void)covey_shutdown_write(c->conn);
    for (int i = 0; i < 64 && covey_read(ctx, c->conn, rest, sizeof(rest)) > 0; i++) {
    }
    covey_ctx_unref(ctx);
    covey_close(c->conn);
}

static int debug_client(covey_ctx *ctx, void *arg)
{
    const struct served *served = arg;
    struct cvy_client c = {.ctx = ctx,
                           .conn = served->conn,
                           .patience_ns = served->server->options.patience_ns,
                           .trace_bytes_max = served->server->options.trace_bytes_max,
                           .dumps = &served->server->dumps};

    serve_client(&c, served->server);
    close_gently(&c);
    spare_take(served->server);
    return 0;
}

/* ---- the server ---- */

static void start_one(struct server *s, covey_conn *conn)
{
    struct served served = {.server = s, .conn = conn};

    if (covey_group_try_go_copy(s->group, debug_client, &served, sizeof(served)) < 0) {
        /* As many as may be are here, or there is no memory: the client sees the end of it. */
        covey_close(conn);
    }
}

static int options_fill(covey_debug_options *o)
{
    o->patience_ns = o->patience_ns ? o->patience_ns : PATIENCE_NS;
    o->connections_max = o->connections_max ? o->connections_max : CONNECTIONS_MAX;
    o->trace_bytes_max = o->trace_bytes_max ? o->trace_bytes_max : TRACE_BYTES_MAX;
    return o->patience_ns > 0 && o->connections_max > 0 && o->trace_bytes_max > 0 ? 0 : -EINVAL;
}

static int accept_all(covey_ctx *ctx, struct server *s)
{
    covey_conn *conn;
    int code;

    spare_take(s);
    /* Out of descriptors, which covey_accept() has waited for: there is the spare one, and others
     * may close some. */
    while ((code = covey_accept(ctx, s->listener, &conn)) == 0 || code == -EMFILE ||
           code == -ENFILE) {
        if (code == 0) {
            start_one(s, conn);
        } else {
            spare_give(s);
        }
    }
    return code;
}

int covey_debug_serve_with(covey_ctx *ctx, const char *addr, const covey_debug_options *options)
{
    struct server s = {.options = options ? *options : (covey_debug_options){0}, .spare = -1};
    covey_group_options group = {.policy = COVEY_ALL};
    int code = options_fill(&s.options);

    if (code < 0) {
        return covey_errorf(code, "covey_debug_serve: an option is out of range");
    }
    if (!s.options.any_address && !cvy_guard_address(addr)) {
        return covey_errorf(-EACCES, "%s is not of this machine alone; any_address allows it",
                            addr);
    }
    code = covey_listen(&s.listener, addr, NULL);
    if (code < 0) {
        return code;
    }
    group.limit = s.options.connections_max;
    s.group = covey_group_new_with(ctx, &group);
    if (s.options.on_listen) {
        s.options.on_listen(covey_listener_addr(s.listener), s.options.arg);
    }
    code = accept_all(ctx, &s);
    covey_group_cancel(s.group, COVEY_ECANCELED);
    (void)covey_group_wait(s.group);
    spare_give(&s);
    covey_listener_close(s.listener);
    /* That its context ends is how it ends. */
    return ctx && covey_ctx_err(ctx) == code ? 0 : code;
}

int covey_debug_serve(covey_ctx *ctx, const char *addr)
{
    return covey_debug_serve_with(ctx, addr, NULL);
}
