/* SPDX-License-Identifier: MIT
 * server_writer.c - the response: its head, and how its body is framed.
 *
 * Until it is committed a response can be anything. Then its head stands in `out`, and the framing
 * is kept to: a body that cannot be ended as announced is not ended, the connection is closed. */
#define _GNU_SOURCE
#include "http/server.h"

#include <covey/error.h>

#include <http_parser.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#define COLLECT_MAX 4096              /* of a body, before it is sent */
#define COPY_MAX 1024                 /* a body this small goes beside its head */
#define PIECE_MAX ((size_t)256 << 10) /* for which the client has one time-out */
#define KEPT 4096                     /* of each buffer, between requests */

void cvy_http_writer_begin(covey_http_writer *w)
{
    struct cvy_http_buffer fields = w->fields, body = w->body, out = w->out;

    cvy_http_buffer_reset(&fields, KEPT);
    cvy_http_buffer_reset(&body, KEPT);
    cvy_http_buffer_reset(&out, KEPT);
    *w = (covey_http_writer){.status = 200, .fields = fields, .body = body, .out = out};
}

void cvy_http_writer_fini(covey_http_writer *w)
{
    cvy_http_buffer_reset(&w->fields, 0);
    cvy_http_buffer_reset(&w->body, 0);
    cvy_http_buffer_reset(&w->out, 0);
}

/* ---- the head ---- */

static int put(struct cvy_http_buffer *b, const char *text, size_t len)
{
    return cvy_http_buffer_append(b, text, len, SIZE_MAX / 2);
}

static int put_status(covey_http_writer *w)
{
    char line[96];

    if (w->status == 200) {
        return put(&w->out, "HTTP/1.1 200 OK\r\n", 17);
    }
    int n = snprintf(line, sizeof(line), "HTTP/1.1 %d %s\r\n", w->status,
                     http_status_str((enum http_status)w->status));
    return put(&w->out, line, (size_t)n);
}

/* The Date line, made once a second. */
static int put_date(struct cvy_http_server_conn *c)
{
    time_t now = time(NULL);

    if (now != c->date_at) {
        struct tm tm;
        c->date_at = now;
        (void)strftime(c->date, sizeof(c->date), "Date: %a, %d %b %Y %H:%M:%S GMT\r\n",
                       gmtime_r(&now, &tm));
    }
    return put(&c->writer.out, c->date, strlen(c->date));
}

static int put_length(covey_http_writer *w, uint64_t length)
{
    char line[48];
    int n = snprintf(line, sizeof(line), "Content-Length: %llu\r\n", (unsigned long long)length);

    return put(&w->out, line, (size_t)n);
}

static bool has_no_body(const struct cvy_http_server_conn *c)
{
    int status = c->writer.status;

    return status == 204 || status == 304 || (c->req.method && strcmp(c->req.method, "HEAD") == 0);
}

/* How the body will be framed. is_whole: there is nothing to come. */
static int put_framing(struct cvy_http_server_conn *c, bool is_whole)
{
    covey_http_writer *w = &c->writer;
    bool is_known = w->has_length || is_whole;
    bool is_said = is_known && (w->has_length || (w->status != 204 && w->status != 304));
    int code = 0;

    if (is_whole && !w->has_length) {
        w->length = w->total;
        w->has_length = true;
    }
    w->frame = has_no_body(c)              ? CVY_HTTP_FRAME_NONE
               : is_known                  ? CVY_HTTP_FRAME_LENGTH
               : c->req.http_version == 11 ? CVY_HTTP_FRAME_CHUNKED
                                           : CVY_HTTP_FRAME_CLOSE;
    if (is_said) {
        code = put_length(w, w->length);
    } else if (w->frame == CVY_HTTP_FRAME_CHUNKED) {
        code = put(&w->out, "Transfer-Encoding: chunked\r\n", 28);
    }
    c->keep_alive = c->keep_alive && w->frame != CVY_HTTP_FRAME_CLOSE &&
                    !atomic_load_explicit(&c->server->is_draining, memory_order_relaxed) &&
                    cvy_http_body_can_finish(c);
    if (code == 0 && !c->keep_alive) {
        code = put(&w->out, "Connection: close\r\n", 19);
    } else if (code == 0 && c->req.http_version == 10) {
        code = put(&w->out, "Connection: keep-alive\r\n", 24);
    }
    return code;
}

static int commit(struct cvy_http_server_conn *c, bool is_whole)
{
    covey_http_writer *w = &c->writer;

    int code = put_status(w);
    if (code == 0 && !w->has_date) {
        code = put_date(c);
    }
    if (code == 0 && w->fields.len > 0) {
        code = put(&w->out, w->fields.data, w->fields.len);
    }
    if (code == 0) {
        code = put_framing(c, is_whole);
    }
    if (code == 0) {
        code = put(&w->out, "\r\n", 2);
    }
    w->is_committed = code == 0;
    return code;
}

/* ---- sending ---- */

static int fail(covey_http_writer *w, int code)
{
    w->is_failed = true;
    return code;
}

static struct iovec piece(const void *data, size_t len)
{
    return (struct iovec){(void *)data, len};
}

/* `out`, what was collected of the body, and then data, framed as it must be. */
static int send_framed(covey_ctx *ctx, struct cvy_http_server_conn *c, const char *data, size_t len)
{
    covey_http_writer *w = &c->writer;
    bool is_chunk = w->frame == CVY_HTTP_FRAME_CHUNKED && w->body.len + len > 0;
    struct iovec iov[5];
    char size[24];
    int n = 0;

    iov[n++] = piece(w->out.data, w->out.len);
    if (is_chunk) {
        int digits = snprintf(size, sizeof(size), "%zx\r\n", w->body.len + len);
        iov[n++] = piece(size, (size_t)digits);
    }
    iov[n++] = piece(w->body.data, w->body.len);
    iov[n++] = piece(data, len);
    if (is_chunk) {
        iov[n++] = piece("\r\n", 2);
    }
    int code = cvy_http_conn_write(ctx, c, iov, n);
    w->out.len = 0;
    w->body.len = 0;
    return code < 0 ? fail(w, code) : 0;
}

/* The same for any length. */
static int send_all(covey_ctx *ctx, struct cvy_http_server_conn *c, const char *data, size_t len)
{
    int code = 0;

    do {
        size_t n = len < PIECE_MAX ? len : PIECE_MAX;
        code = send_framed(ctx, c, data, n);
        data += n;
        len -= n;
    } while (len > 0 && code == 0);
    return code;
}

static int broken(void)
{
    return covey_errorf(-EPIPE, "http response: it has failed");
}

/* Before len more bytes: counts them. 1: they are not sent. */
static int account(struct cvy_http_server_conn *c, size_t len)
{
    covey_http_writer *w = &c->writer;

    if (w->is_failed) {
        return broken();
    }
    if (w->has_length && len > w->length - w->total && !has_no_body(c)) {
        return fail(
            w, covey_errorf(COVEY_ETOOLARGE, "http response: more than its Content-Length says"));
    }
    w->total += len;
    return has_no_body(c);
}

ssize_t covey_http_write(covey_ctx *ctx, covey_http_writer *w, const void *buf, size_t len)
{
    struct cvy_http_server_conn *c = cvy_http_conn_of_writer(w);
    int code = account(c, len);

    if (code != 0) {
        return code < 0 ? code : (ssize_t)len;
    }
    if (w->body.len + len <= COLLECT_MAX) {
        code = put(&w->body, buf, len);
    } else {
        code = w->is_committed ? 0 : commit(c, false);
        code = code < 0 ? code : send_all(ctx, c, buf, len);
    }
    return code < 0 ? fail(w, code) : (ssize_t)len;
}

int covey_http_flush(covey_ctx *ctx, covey_http_writer *w)
{
    struct cvy_http_server_conn *c = cvy_http_conn_of_writer(w);

    if (w->is_failed) {
        return broken();
    }
    int code = w->is_committed ? 0 : commit(c, false);
    return code < 0 ? fail(w, code) : send_framed(ctx, c, NULL, 0);
}

int cvy_http_writer_go_on(covey_ctx *ctx, struct cvy_http_server_conn *c)
{
    struct iovec line = piece("HTTP/1.1 100 Continue\r\n\r\n", 25);
    int code = cvy_http_conn_write(ctx, c, &line, 1);

    return code < 0 ? fail(&c->writer, code) : 0;
}

/* ---- whole responses ---- */

int covey_http_respond(covey_ctx *ctx, covey_http_writer *w, int status, const char *content_type,
                       const void *body, size_t len)
{
    struct cvy_http_server_conn *c = cvy_http_conn_of_writer(w);

    if (w->total > 0) {
        return cvy_http_writer_already();
    }
    int code = covey_http_set_status(w, status);
    if (code == 0 && content_type) {
        code = covey_http_set_header(w, "Content-Type", content_type);
    }
    w->has_length = w->has_length && has_no_body(c); /* HEAD may say another's */
    code = code < 0 ? code : account(c, len);
    if (code < 0) {
        return code;
    }
    bool is_sent = code == 0;
    code = commit(c, true);
    if (code == 0 && is_sent && len > COPY_MAX) {
        code = send_all(ctx, c, body, len);
    } else if (code == 0 && is_sent && len > 0) {
        code = put(&w->out, body, len);
    }
    return code < 0 ? fail(w, code) : 0;
}

int covey_http_respondf(covey_ctx *ctx, covey_http_writer *w, int status, const char *fmt, ...)
{
    static const char type[] = "text/plain; charset=utf-8";
    char small[256], *text = small;
    va_list args;

    va_start(args, fmt);
    int len = vsnprintf(small, sizeof(small), fmt, args);
    va_end(args);
    if (len >= (int)sizeof(small)) {
        text = malloc((size_t)len + 1);
        if (!text) {
            return -ENOMEM;
        }
        va_start(args, fmt);
        (void)vsnprintf(text, (size_t)len + 1, fmt, args);
        va_end(args);
    }
    int code = len < 0 ? -EINVAL : covey_http_respond(ctx, w, status, type, text, (size_t)len);
    if (text != small) {
        free(text);
    }
    return code;
}

/* ---- the end ---- */

/* The status for a handler that failed before anything was sent. */
static int status_of(const struct cvy_http_server_conn *c)
{
    switch (c->body.code) {
    case COVEY_ETOOLARGE:
        return 413;
    case COVEY_EPROTO:
        return 400;
    case -ETIMEDOUT:
        return 408;
    default:
        return 500;
    }
}

/* So that the client cannot take the end of the connection for that of the body: no goodbye of TLS
 * either. */
static void reset(struct cvy_http_server_conn *c)
{
    struct linger at_once = {.l_onoff = 1};

    (void)setsockopt(covey_conn_fd(c->conn), SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    if (c->server->opts.wrap) {
        covey_conn_abort(c->conn);
    }
}

static int answer_failure(struct cvy_http_server_conn *c)
{
    int status = status_of(c);

    cvy_http_writer_begin(&c->writer);
    c->keep_alive = c->keep_alive && c->body.code == 0;
    return covey_http_respondf(NULL, &c->writer, status, "%d %s\n", status,
                               http_status_str((enum http_status)status));
}

/* Ends the body. */
static int end(struct cvy_http_server_conn *c)
{
    covey_http_writer *w = &c->writer;
    int code = w->is_committed ? 0 : commit(c, true);

    if (code < 0) {
        return code;
    }
    if (w->frame == CVY_HTTP_FRAME_LENGTH && w->total != w->length) {
        return covey_errorf(COVEY_EPROTO, "http response: less than its Content-Length says");
    }
    if (w->frame != CVY_HTTP_FRAME_CHUNKED) {
        return w->out.len + w->body.len > 0 ? send_framed(NULL, c, NULL, 0) : 0;
    }
    if (w->body.len > 0) {
        code = send_framed(NULL, c, NULL, 0);
    }
    code = code < 0 ? code : put(&w->out, "0\r\n\r\n", 5);
    struct iovec last = piece(w->out.data, w->out.len);
    return code < 0 ? code : cvy_http_conn_write(NULL, c, &last, 1);
}

int cvy_http_writer_finish(struct cvy_http_server_conn *c, int code)
{
    covey_http_writer *w = &c->writer;

    if (code < 0 && !w->is_committed && !w->is_failed) {
        code = answer_failure(c);
    }
    if (code >= 0) {
        code = w->is_failed ? broken() : end(c);
    }
    if (code < 0) {
        reset(c);
        return code;
    }
    return 0;
}
