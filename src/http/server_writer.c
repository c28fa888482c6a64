/* SPDX-License-Identifier: MIT
 * server_writer.c - the response: what its length is, and what is collected before it is sent.
 *
 * Until it is committed a response can be anything. Then its head has been made, and a body that
 * cannot be ended as announced is not ended but cut. */
#include "http/coding.h"
#include "http/server.h"

#include <covey/error.h>

#include <http_parser.h>
#include <stdlib.h>
#include <string.h>

#define COLLECT_MAX 4096            /* of a body, before it is sent */
#define CODE_MAX ((size_t)64 << 10) /* compressed at once */
#define COPY_MAX 1024               /* a body this small is copied, and sent with its head */

void cvy_http_writer_begin(covey_http_writer *w)
{
    struct cvy_http_buffer fields = w->fields, body = w->body;

    cvy_gzip_free(w->coder);
    cvy_http_buffer_reset(&fields, CVY_HTTP_KEPT);
    cvy_http_buffer_reset(&body, CVY_HTTP_KEPT);
    cvy_http_buffer_reset(&w->trailers, 0);
    *w = (covey_http_writer){.status = 200, .fields = fields, .body = body};
}

void cvy_http_writer_fini(covey_http_writer *w)
{
    cvy_gzip_free(w->coder);
    cvy_http_buffer_reset(&w->fields, 0);
    cvy_http_buffer_reset(&w->body, 0);
    cvy_http_buffer_reset(&w->trailers, 0);
}

static int fail(covey_http_writer *w, int code)
{
    w->is_failed = true;
    return code;
}

static int broken(void)
{
    return covey_errorf(-EPIPE, "http response: it has failed");
}

static bool has_no_body(const struct cvy_http_exchange *x)
{
    int status = x->writer.status;

    return status == 204 || status == 205 || status == 304 ||
           (x->req.method && strcmp(x->req.method, "HEAD") == 0);
}

/* Of what is not sent only HEAD's length is known, and a 304's if it was set; a 204 has none. */
static bool says_length(const covey_http_writer *w, bool is_whole)
{
    return w->status == 205 ||
           (w->status != 204 && (w->has_length || (is_whole && w->status != 304)));
}

/* Makes the head. is_whole: data is all of the body that is to come; it was not counted among what
 * is collected. 1: it has been taken. */
static int commit(struct cvy_http_exchange *x, bool is_whole, const char *data, size_t len)
{
    covey_http_writer *w = &x->writer;

    w->is_bodiless = has_no_body(x);
    w->says_length = says_length(w, is_whole);
    if (is_whole && !w->has_length) {
        w->length = w->total;
        w->has_length = true;
    }
    w->said = w->status == 205 ? 0 : w->length;
    int taken = cvy_http_coding_begin(x, is_whole, data, len);
    int code = taken < 0 ? taken : x->via->begin(x);
    w->is_committed = code == 0;
    return code < 0 ? code : taken;
}

/* ---- the body ---- */

static int put(covey_http_writer *w, const char *data, size_t len)
{
    return cvy_http_buffer_append(&w->body, data, len, SIZE_MAX / 2);
}

/* Before len more bytes: counts them. 1: they are not sent. */
static int account(struct cvy_http_exchange *x, size_t len)
{
    covey_http_writer *w = &x->writer;

    if (w->is_failed) {
        return broken();
    }
    if (w->has_length && len > w->length - w->total && !has_no_body(x)) {
        return fail(
            w, covey_errorf(COVEY_ETOOLARGE, "http response: more than its Content-Length says"));
    }
    w->total += len;
    return has_no_body(x);
}

/* What is more than can be collected. */
static int send_plain(covey_ctx *ctx, struct cvy_http_exchange *x, const char *data, size_t len)
{
    covey_http_writer *w = &x->writer;

    return w->body.len + len <= COLLECT_MAX ? put(w, data, len) : x->via->send(ctx, x, data, len);
}

/* The same through the coder, a piece at a time: what that leaves is collected. */
static int send_coded(covey_ctx *ctx, struct cvy_http_exchange *x, const char *data, size_t len)
{
    covey_http_writer *w = &x->writer;
    int code = 0;

    while (len > 0 && code == 0) {
        size_t n = len < CODE_MAX ? len : CODE_MAX;
        code = cvy_gzip_add(w->coder, data, n, CVY_GZIP_MORE, &w->body);
        if (code == 0 && w->body.len > COLLECT_MAX) {
            code = x->via->send(ctx, x, NULL, 0);
        }
        data += n;
        len -= n;
    }
    return code;
}

static int send_body(covey_ctx *ctx, struct cvy_http_exchange *x, const char *data, size_t len)
{
    return x->writer.coder ? send_coded(ctx, x, data, len) : send_plain(ctx, x, data, len);
}

/* Sent nowhere, it never waits; its writer must notice all the same when nobody wants it. */
static ssize_t write_nothing(covey_ctx *ctx, size_t len)
{
    return covey_ctx_err(ctx) < 0 ? covey_select(ctx, COVEY_DEFAULT) : (ssize_t)len;
}

ssize_t covey_http_write(covey_ctx *ctx, covey_http_writer *w, const void *buf, size_t len)
{
    struct cvy_http_exchange *x = cvy_http_exchange_of_writer(w);
    int code = account(x, len);

    if (code != 0) {
        return code < 0 ? code : write_nothing(ctx, len);
    }
    if (!w->is_committed && w->body.len + len > COLLECT_MAX) {
        code = commit(x, false, NULL, 0);
    }
    code = code < 0 ? code : send_body(ctx, x, buf, len);
    return code < 0 ? fail(w, code) : (ssize_t)len;
}

int covey_http_flush(covey_ctx *ctx, covey_http_writer *w)
{
    struct cvy_http_exchange *x = cvy_http_exchange_of_writer(w);

    if (w->is_failed) {
        return broken();
    }
    int code = w->is_committed ? 0 : commit(x, false, NULL, 0);
    if (code == 0 && w->coder) {
        code = cvy_gzip_add(w->coder, NULL, 0, CVY_GZIP_FLUSH, &w->body);
    }
    code = code < 0 ? code : x->via->send(ctx, x, NULL, 0);
    return code < 0 ? fail(w, code) : 0;
}

/* ---- whole responses ---- */

static int send_whole(covey_ctx *ctx, struct cvy_http_exchange *x, const char *data, size_t len)
{
    return x->writer.coder ? send_coded(ctx, x, data, len) : x->via->send(ctx, x, data, len);
}

int covey_http_respond(covey_ctx *ctx, covey_http_writer *w, int status, const char *content_type,
                       const void *body, size_t len)
{
    struct cvy_http_exchange *x = cvy_http_exchange_of_writer(w);

    if (w->total > 0) {
        return cvy_http_writer_already();
    }
    int code = covey_http_set_status(w, status);
    if (code == 0 && content_type) {
        code = covey_http_set_header(w, "Content-Type", content_type);
    }
    w->has_length = w->has_length && has_no_body(x); /* HEAD may say another's */
    code = code < 0 ? code : account(x, len);
    if (code < 0) {
        return code;
    }
    bool is_sent = code == 0;
    code = commit(x, true, body, len);
    if (code == 0 && is_sent && len > 0) {
        code = len > COPY_MAX || w->coder ? send_whole(ctx, x, body, len) : put(w, body, len);
    }
    return code < 0 ? fail(w, code) : 0;
}

/* ---- the end ---- */

/* The status for a handler that failed before anything was sent. */
static int status_of(const struct cvy_http_exchange *x)
{
    switch (x->body_code) {
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

static int answer_failure(struct cvy_http_exchange *x)
{
    int status = status_of(x);

    cvy_http_writer_begin(&x->writer);
    return covey_http_respondf(NULL, &x->writer, status, "%d %s\n", status,
                               http_status_str((enum http_status)status));
}

/* Ends the body. */
static int end(struct cvy_http_exchange *x)
{
    covey_http_writer *w = &x->writer;
    int code = w->is_committed ? 0 : commit(x, true, NULL, 0);

    if (code < 0) {
        return code;
    }
    if (w->has_length && !w->is_bodiless && w->total != w->length) {
        return covey_errorf(COVEY_EPROTO, "http response: less than its Content-Length says");
    }
    if (w->coder) {
        code = cvy_gzip_add(w->coder, NULL, 0, CVY_GZIP_LAST, &w->body);
    }
    return code < 0 ? code : x->via->end(x);
}

int cvy_http_writer_finish(struct cvy_http_exchange *x, int code)
{
    covey_http_writer *w = &x->writer;

    if (code < 0 && !w->is_committed && !w->is_failed) {
        code = answer_failure(x);
    }
    if (code >= 0) {
        code = w->is_failed ? broken() : end(x);
    }
    if (code < 0) {
        x->via->cut(x);
        return code;
    }
    return 0;
}
