/* SPDX-License-Identifier: MIT
 * h1_writer.c - the response of an HTTP/1 exchange: its head, and how its body is framed.
 *
 * The head stands in `out` until something is sent, and its framing is kept to: a body that cannot
 * be ended as announced is not ended, the connection is broken off. */
#include "http/number.h"
#include "http/server.h"

#include <http_parser.h>
#include <stdio.h>
#include <string.h>

#define PIECE_MAX ((size_t)256 << 10) /* for which the client has one time-out */

/* ---- the head ---- */

static int put(struct cvy_h1 *h, const char *text, size_t len)
{
    return cvy_http_buffer_append(&h->out, text, len, SIZE_MAX / 2);
}

/* Of a status that the parser does not know: none. */
static const char *reason_of(int status)
{
    const char *reason = http_status_str((enum http_status)status);

    return *reason == '<' ? "" : reason;
}

static int put_status(struct cvy_h1 *h)
{
    int status = h->x.writer.status;
    char line[96];

    if (status == 200) {
        return put(h, "HTTP/1.1 200 OK\r\n", 17);
    }
    int n = snprintf(line, sizeof(line), "HTTP/1.1 %d %s\r\n", status, reason_of(status));
    return put(h, line, (size_t)n);
}

static int put_date(struct cvy_h1 *h)
{
    const char *date = cvy_http_conn_date(h->x.conn);

    return put(h, date, strlen(date));
}

static int put_length(struct cvy_h1 *h)
{
    static const char name[] = "Content-Length: ";
    char line[sizeof(name) + CVY_HTTP_DIGITS_MAX + 2], *end = line + sizeof(line);

    memcpy(end - 2, "\r\n", 2);
    char *at = cvy_http_digits(end - 2, h->x.writer.said, 10) - (sizeof(name) - 1);
    memcpy(at, name, sizeof(name) - 1);
    return put(h, at, (size_t)(end - at));
}

/* How the body will be framed: only chunks have room for trailers. */
static int put_framing(struct cvy_h1 *h)
{
    covey_http_writer *w = &h->x.writer;
    struct cvy_http_server *s = h->x.conn->server;
    int version = h->x.req.http_version, code = 0;
    bool says_length = w->says_length && (w->trailers.len == 0 || version == 10 || w->is_bodiless);

    h->frame = w->is_bodiless  ? CVY_H1_FRAME_NONE
               : says_length   ? CVY_H1_FRAME_LENGTH
               : version == 11 ? CVY_H1_FRAME_CHUNKED
                               : CVY_H1_FRAME_CLOSE;
    if (says_length) {
        code = put_length(h);
    } else if (h->frame == CVY_H1_FRAME_CHUNKED) {
        code = put(h, "Transfer-Encoding: chunked\r\n", 28);
    }
    h->keep_alive = h->keep_alive && h->frame != CVY_H1_FRAME_CLOSE &&
                    !atomic_load_explicit(&s->is_draining, memory_order_relaxed) &&
                    cvy_h1_body_can_finish(h);
    if (code == 0 && !h->keep_alive) {
        code = put(h, "Connection: close\r\n", 19);
    } else if (code == 0 && version == 10) {
        code = put(h, "Connection: keep-alive\r\n", 24);
    }
    return code;
}

static int begin(struct cvy_http_exchange *x)
{
    struct cvy_h1 *h = cvy_h1_of(x);
    const struct cvy_http_buffer *fields = &x->writer.fields;
    int code = put_status(h);

    if (code == 0 && !x->writer.has_date) {
        code = put_date(h);
    }
    if (code == 0 && fields->len > 0) {
        code = put(h, fields->data, fields->len);
    }
    if (code == 0) {
        code = put_framing(h);
    }
    return code < 0 ? code : put(h, "\r\n", 2);
}

/* ---- the body ---- */

static struct iovec piece(const void *data, size_t len)
{
    return (struct iovec){(void *)data, len};
}

/* `out`, what was collected of the body, and then data, framed as it must be. */
static int send_piece(covey_ctx *ctx, struct cvy_h1 *h, const char *data, size_t len)
{
    struct cvy_http_buffer *body = &h->x.writer.body;
    bool is_chunk = h->frame == CVY_H1_FRAME_CHUNKED && body->len + len > 0;
    struct iovec iov[5];
    char size[CVY_HTTP_DIGITS_MAX + 2], *end = size + sizeof(size);
    int n = 0;

    iov[n++] = piece(h->out.data, h->out.len);
    if (is_chunk) {
        memcpy(end - 2, "\r\n", 2);
        const char *at = cvy_http_digits(end - 2, body->len + len, 16);
        iov[n++] = piece(at, (size_t)(end - at));
    }
    iov[n++] = piece(body->data, body->len);
    iov[n++] = piece(data, len);
    if (is_chunk) {
        iov[n++] = piece("\r\n", 2);
    }
    int code = cvy_http_conn_write(ctx, h->x.conn, iov, n);
    h->out.len = 0;
    body->len = 0;
    return code;
}

static int send_body(covey_ctx *ctx, struct cvy_http_exchange *x, const char *data, size_t len)
{
    int code = 0;

    do {
        size_t n = len < PIECE_MAX ? len : PIECE_MAX;
        code = send_piece(ctx, cvy_h1_of(x), data, n);
        data = n > 0 ? data + n : data; /* which may be NULL */
        len -= n;
    } while (len > 0 && code == 0);
    return code;
}

/* The last chunk goes beside the end. */
static int end_chunks(struct cvy_h1 *h)
{
    int code = h->x.writer.body.len > 0 ? send_piece(NULL, h, NULL, 0) : 0;

    code = code < 0 ? code : put(h, "0\r\n", 3);
    code = code < 0 ? code : put(h, h->x.writer.trailers.data, h->x.writer.trailers.len);
    code = code < 0 ? code : put(h, "\r\n", 2);
    struct iovec last = piece(h->out.data, h->out.len);
    return code < 0 ? code : cvy_http_conn_write(NULL, h->x.conn, &last, 1);
}

static int end(struct cvy_http_exchange *x)
{
    struct cvy_h1 *h = cvy_h1_of(x);

    if (h->frame == CVY_H1_FRAME_CHUNKED) {
        return end_chunks(h);
    }
    return h->out.len + x->writer.body.len > 0 ? send_piece(NULL, h, NULL, 0) : 0;
}

/* ---- the rest ---- */

static int go_on(covey_ctx *ctx, struct cvy_http_exchange *x)
{
    struct iovec line = piece("HTTP/1.1 100 Continue\r\n\r\n", 25);

    return cvy_http_conn_write(ctx, x->conn, &line, 1);
}

static void cut(struct cvy_http_exchange *x)
{
    cvy_http_conn_break(x->conn);
}

static void close_after(struct cvy_http_exchange *x)
{
    cvy_h1_of(x)->keep_alive = false;
}

const struct cvy_http_protocol cvy_h1_protocol = {
    .read = cvy_h1_body_read,
    .go_on = go_on,
    .begin = begin,
    .send = send_body,
    .end = end,
    .cut = cut,
    .close = close_after,
};
