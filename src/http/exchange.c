/* SPDX-License-Identifier: MIT
 * exchange.c - runs the handler of a request, or refuses it, and tells who wants to know. */
#include "http/server.h"

#include <covey/error.h>

#include <stdlib.h>

#define HEADERS_MIN 16

void cvy_http_exchange_forget(struct cvy_http_exchange *x)
{
    x->req = (covey_http_server_request){.host = "", .query = "", .path = "", .target = ""};
    x->wants_continue = x->has_read_all = false;
    x->body_code = 0;
    x->param_count = 0;
    cvy_http_buffer_reset(&x->trailers, 0);
}

void cvy_http_exchange_fini(struct cvy_http_exchange *x)
{
    cvy_http_writer_fini(&x->writer);
    cvy_http_buffer_reset(&x->text, 0);
    cvy_http_buffer_reset(&x->trailers, 0);
    free(x->headers);
}

int cvy_http_exchange_grow(struct cvy_http_exchange *x, size_t count)
{
    size_t cap = x->headers_cap ? 2 * x->headers_cap : HEADERS_MIN;

    if (count >= (size_t)x->conn->server->opts.max_header_count) {
        return 431;
    }
    if (count < x->headers_cap) {
        return 0;
    }
    covey_http_header *grown = realloc(x->headers, cap * sizeof(*grown));
    if (!grown) {
        return 503;
    }
    x->headers = grown;
    x->headers_cap = cap;
    return 0;
}

static void tell(struct cvy_http_exchange *x, bool is_read, int code, int64_t begun)
{
    const covey_http_server_options *o = &x->conn->server->opts;

    if (o->on_access) {
        covey_http_access a = {
            .req = is_read ? &x->req : NULL,
            .status = x->writer.is_committed ? x->writer.status : 0,
            .code = code,
            .body_len = x->writer.total,
            .duration_ns = covey_now() - begun,
        };
        o->on_access(&a, o->access_arg);
    }
}

void cvy_http_exchange_refuse(struct cvy_http_exchange *x, int status)
{
    CVY_HTTP_COUNT(x->conn->server, refused, 1);
    cvy_http_writer_begin(&x->writer);
    if (status == 503) {
        (void)covey_http_set_header(&x->writer, "Retry-After", "1");
    }
    (void)covey_http_respondf(NULL, &x->writer, status, "%d\n", status);
    int code = cvy_http_writer_finish(x, 0);
    tell(x, false, code, covey_now());
}

covey_ctx *cvy_http_exchange_ctx(covey_ctx *parent, struct cvy_http_exchange *x)
{
    static const covey_site site = {"request", "covey_http_server_options.request_timeout_ns", 0};
    return covey_ctx_with_timeout_at(&site, parent, x->conn->server->opts.request_timeout_ns);
}

static int run(covey_ctx *ctx, struct cvy_http_exchange *x)
{
    struct cvy_http_server *s = x->conn->server;
    /* Without the query, which may hold what no dump should. */
    covey_wait_note note = {.what = "request", .text = x->req.path, .is_work = true};

    CVY_HTTP_COUNT(s, requests, 1);
    CVY_HTTP_COUNT(s, running, 1);
    covey_wait_note_begin(&note);
    int code = s->handler(ctx, &x->req, &x->writer, s->arg);
    covey_wait_note_end(&note);
    CVY_HTTP_COUNT(s, running, -1);
    covey_ctx_cancel(ctx);
    if (code < 0) {
        CVY_HTTP_COUNT(s, failed, 1);
    }
    if (x->conn->is_gone || x->is_reset) {
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

int cvy_http_exchange_answer(covey_ctx *ctx, struct cvy_http_exchange *x)
{
    struct cvy_http_server *s = x->conn->server;
    int64_t begun = s->opts.on_access ? covey_now() : 0;

    if (!enter(s)) {
        return COVEY_EAGAIN;
    }
    cvy_http_writer_begin(&x->writer);
    int code = run(ctx, x);
    int sent = cvy_http_writer_finish(x, code);
    atomic_fetch_sub_explicit(&s->running, 1, memory_order_relaxed);
    tell(x, true, sent < 0 ? sent : code, begun);
    return sent;
}
