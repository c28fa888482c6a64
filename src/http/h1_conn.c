/* SPDX-License-Identifier: MIT
 * h1_conn.c - reads a head, lets the exchange be answered, and so on as long as both sides keep the
 * connection. */
#include "http/server.h"

#include <string.h>

#define IN_SIZE 2048 /* to begin with; kept by an idle connection */
#define IN_KEPT ((size_t)16 << 10)

int cvy_h1_init(struct cvy_h1 *h, struct cvy_http_server_conn *c)
{
    h->x.conn = c;
    h->x.via = &cvy_h1_protocol;
    return cvy_http_buffer_reserve(&h->in, IN_SIZE);
}

void cvy_h1_fini(struct cvy_h1 *h)
{
    cvy_http_exchange_fini(&h->x);
    cvy_http_buffer_reset(&h->out, 0);
    cvy_http_buffer_reset(&h->in, 0);
}

/* ---- the head ---- */

/* What was read of the next request moves to the front; a large buffer is given back. */
static void tidy(struct cvy_h1 *h)
{
    size_t there = h->in.len - h->at;

    if (there > 0) {
        memmove(h->in.data, h->in.data + h->at, there);
    } else if (h->in.cap > IN_KEPT) {
        cvy_http_buffer_reset(&h->in, 0);
    }
    h->in.len = there;
    h->at = 0;
}

/* Empty lines before a request are allowed. They begin none: its time does not start with them. */
static void skip_empty_lines(struct cvy_h1 *h)
{
    while (h->in.len - h->at >= 2 && memcmp(h->in.data + h->at, "\r\n", 2) == 0) {
        h->at += 2;
    }
}

/* The status for a head that is longer than it may be. */
static int too_large(const struct cvy_h1 *h)
{
    return memchr(h->in.data + h->at, '\n', h->in.len - h->at) ? -431 : -414;
}

static int64_t head_deadline(const struct cvy_h1 *h, bool is_begun)
{
    const covey_http_server_options *o = &h->x.conn->server->opts;

    return covey_now() + (is_begun || !h->has_served ? o->header_timeout_ns : o->idle_timeout_ns);
}

/* A CR alone may be half of an empty line. */
static bool is_head_begun(const struct cvy_h1 *h)
{
    size_t there = h->in.len - h->at;

    return there > 1 || (there == 1 && h->in.data[h->at] != '\r');
}

/* How long a head may take; from its first byte on as long as any. */
struct patience {
    int64_t deadline;
    bool is_begun;
};

static int64_t deadline_of(const struct cvy_h1 *h, struct patience *p, bool is_begun)
{
    if (p->deadline == 0 || (is_begun && !p->is_begun)) {
        p->deadline = head_deadline(h, is_begun);
        p->is_begun = is_begun;
    }
    return p->deadline;
}

/* Room for more, by moving what was read to the front before the buffer grows. */
static int make_room(struct cvy_h1 *h)
{
    if (h->in.len == h->in.cap && h->at > 0) {
        tidy(h);
    }
    size_t cap = h->in.len == h->in.cap ? 2 * h->in.cap : h->in.cap;
    return cvy_http_buffer_reserve(&h->in, cap > 0 ? cap : IN_SIZE);
}

/* More of the head. 1; 0: the connection is to be closed; negative: refused with that status. */
static int read_more(struct cvy_http_server_conn *c, struct patience *p)
{
    struct cvy_h1 *h = &c->h1;
    bool is_begun = is_head_begun(h);

    if (h->in.len - h->at >= c->server->opts.max_header_size) {
        return too_large(h);
    }
    if (c->is_overdue && !is_begun) {
        return 0; /* what came in time to be read was an empty line */
    }
    if (make_room(h) < 0) {
        return -503;
    }
    ssize_t n = cvy_http_conn_read(NULL, c, h->in.data + h->in.len, h->in.cap - h->in.len,
                                   is_begun ? CVY_HTTP_READING : CVY_HTTP_IDLE,
                                   deadline_of(h, p, is_begun));
    if (n <= 0) {
        return n == -ETIMEDOUT && is_begun ? -408 : 0;
    }
    h->in.len += (size_t)n;
    return 1;
}

/* The length of the next head, which begins at h->at; else as read_more(). */
static int read_head(struct cvy_http_server_conn *c)
{
    struct cvy_h1 *h = &c->h1;
    struct patience patience = {0};
    size_t seen = 0;

    tidy(h);
    for (;;) {
        if (seen == 0) {
            skip_empty_lines(h);
        }
        int len = cvy_h1_head_scan(h->in.data + h->at, h->in.len - h->at, &seen);
        if (len != 0) {
            return (size_t)(len > 0 ? len : 0) > c->server->opts.max_header_size ? too_large(h)
                                                                                 : len;
        }
        int code = read_more(c, &patience);
        if (code <= 0) {
            return code;
        }
    }
}

/* ---- one request ---- */

static void forget(struct cvy_h1 *h)
{
    cvy_http_exchange_forget(&h->x);
    h->body = CVY_H1_BODY_NONE;
    h->in_chunk = false;
    h->left = h->total = h->framing = 0;
    h->keep_alive = false;
    cvy_http_buffer_reset(&h->out, CVY_HTTP_KEPT);
}

/* Answers with a status, and closes. False. */
static bool refuse(struct cvy_h1 *h, int status)
{
    h->keep_alive = false;
    h->x.conn->lingers = true;
    cvy_http_exchange_refuse(&h->x, status);
    return false;
}

/* Whether the connection goes on. */
static bool answer(struct cvy_http_server_conn *c)
{
    struct cvy_h1 *h = &c->h1;
    covey_ctx *ctx = cvy_http_exchange_ctx(c->ctx, &h->x);
    int code = cvy_http_exchange_answer(ctx, &h->x);

    covey_ctx_unref(ctx);
    if (code == COVEY_EAGAIN) {
        return refuse(h, 503);
    }
    h->has_served = true;
    if (code < 0) {
        return false;
    }
    if (h->keep_alive && cvy_h1_body_finish(h)) {
        return true;
    }
    c->lingers = true;
    return false;
}

/* HTTP/2 begins with what looks like a head of ours. */
static bool is_preface(const struct cvy_http_server_conn *c, int len)
{
    static const char preface[] = "PRI * HTTP/2.0\r\n\r\n";
    const struct cvy_h1 *h = &c->h1;

    return len == sizeof(preface) - 1 && !h->has_served && !c->protocol && cvy_h2_is_built &&
           !c->server->opts.no_http2 && memcmp(h->in.data + h->at, preface, (size_t)len) == 0;
}

static bool serve_one(struct cvy_http_server_conn *c)
{
    struct cvy_h1 *h = &c->h1;

    forget(h);
    int len = read_head(c);
    if (len == 0) {
        return false;
    }
    if (is_preface(c, len)) {
        h->is_h2 = true;
        return false;
    }
    int status = len < 0 ? -len : cvy_h1_head_parse(h, (size_t)len);
    return status != 0 ? refuse(h, status) : answer(c);
}

bool cvy_h1_serve(struct cvy_http_server_conn *c)
{
    while (serve_one(c)) {
    }
    return !c->h1.is_h2;
}
