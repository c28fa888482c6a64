/* SPDX-License-Identifier: MIT
 * server_body.c - the body of a request, read as it is asked for.
 *
 * What came with the head is used first. Bytes of a body then go straight into the handler's
 * buffer; the framing of chunks goes through `in`, behind the head. Chunks are decoded here and not
 * by http-parser, which takes a bare LF where CR LF must stand. */
#include "http/server.h"

#include <covey/error.h>

#include <string.h>

#define DRAIN_MAX ((uint64_t)256 << 10) /* of a body that the handler did not read */
#define LINE_MAX 256                    /* a chunk's size and extension; one trailer */
#define TRAILERS_MAX 32

static int64_t deadline_of(const struct cvy_http_server_conn *c)
{
    return covey_now() + c->server->opts.io_timeout_ns;
}

/* The client closed, or took too long. */
static int ended(ssize_t n)
{
    return n == 0 ? covey_errorf(-ECONNRESET, "http body: the client closed the connection")
                  : (int)n;
}

/* Up to len bytes, from what is there or from the client. */
static ssize_t take(covey_ctx *ctx, struct cvy_http_server_conn *c, void *buf, size_t len)
{
    size_t there = c->in.len - c->at;

    if (there == 0) {
        ssize_t n = cvy_http_conn_read(ctx, c, buf, len, CVY_HTTP_READING, deadline_of(c));
        return n > 0 ? n : ended(n);
    }
    len = len < there ? len : there;
    memcpy(buf, c->in.data + c->at, len);
    c->at += len;
    return (ssize_t)len;
}

/* ---- chunks ---- */

/* More behind the head; what was used there makes room. */
static int fill(covey_ctx *ctx, struct cvy_http_server_conn *c)
{
    size_t there = c->in.len - c->at;

    memmove(c->in.data + c->body_at, c->in.data + c->at, there);
    c->at = c->body_at;
    c->in.len = c->at + there;
    ssize_t n = cvy_http_conn_read(ctx, c, c->in.data + c->in.len, c->in.cap - c->in.len,
                                   CVY_HTTP_READING, deadline_of(c));
    if (n <= 0) {
        return ended(n);
    }
    c->in.len += (size_t)n;
    return 0;
}

/* A line without its CR LF, valid until the next call; its length, or a code. */
static ssize_t read_line(covey_ctx *ctx, struct cvy_http_server_conn *c, const char **line)
{
    for (;;) {
        const char *start = c->in.data + c->at;
        size_t there = c->in.len - c->at;
        const char *end = memchr(start, '\n', there < LINE_MAX ? there : LINE_MAX);
        if (end) {
            size_t len = (size_t)(end - start);
            c->at += len + 1;
            *line = start;
            return len > 0 && end[-1] == '\r' && !memchr(start, '\r', len - 1) &&
                           !memchr(start, '\0', len)
                       ? (ssize_t)len - 1
                       : COVEY_EPROTO;
        }
        if (there >= LINE_MAX) {
            return COVEY_EPROTO;
        }
        int code = fill(ctx, c);
        if (code < 0) {
            return code;
        }
    }
}

static int digit(char c)
{
    static const char digits[] = "0123456789abcdef";
    const char *at = c ? strchr(digits, c >= 'A' && c <= 'F' ? c | 0x20 : c) : NULL;

    return at ? (int)(at - digits) : -1;
}

/* "1a" or "1a;name=value": hexadecimal digits, at most 15, and nothing between them and the ';'. */
static int parse_size(const char *line, size_t len, uint64_t *size)
{
    uint64_t value = 0;
    size_t i = 0;

    for (; i < len && digit(line[i]) >= 0; i++) {
        value = 16 * value + (uint64_t)digit(line[i]);
    }
    if (i == 0 || i > 15 || (i < len && line[i] != ';')) {
        return COVEY_EPROTO;
    }
    *size = value;
    return 0;
}

/* Trailers are dropped. */
static int read_trailers(covey_ctx *ctx, struct cvy_http_server_conn *c)
{
    const char *line;

    for (int i = 0; i < TRAILERS_MAX; i++) {
        ssize_t len = read_line(ctx, c, &line);
        if (len <= 0) {
            return (int)len;
        }
        if (*line == ' ' || *line == '\t' || !memchr(line, ':', (size_t)len)) {
            return COVEY_EPROTO;
        }
    }
    return COVEY_EPROTO;
}

/* To the next chunk's data, or the end of the body. */
static int next_chunk(covey_ctx *ctx, struct cvy_http_server_conn *c)
{
    const char *line;
    ssize_t len = 0;

    if (c->body.in_chunk) {
        len = read_line(ctx, c, &line);
        if (len != 0) {
            return len > 0 ? COVEY_EPROTO : (int)len;
        }
        c->body.in_chunk = false;
    }
    len = read_line(ctx, c, &line);
    int code = len < 0 ? (int)len : parse_size(line, (size_t)len, &c->body.left);
    if (code < 0) {
        return code;
    }
    if (c->body.left > 0) {
        c->body.in_chunk = true;
        return 0;
    }
    code = read_trailers(ctx, c);
    if (code == 0) {
        c->body.kind = CVY_HTTP_BODY_DONE;
    }
    return code;
}

/* ---- all of it ---- */

static bool is_over(const struct cvy_http_body *b)
{
    return b->kind == CVY_HTTP_BODY_NONE || b->kind == CVY_HTTP_BODY_DONE;
}

static ssize_t read_some(covey_ctx *ctx, struct cvy_http_server_conn *c, void *buf, size_t len)
{
    struct cvy_http_body *b = &c->body;

    if (b->kind == CVY_HTTP_BODY_CHUNKED && b->left == 0) {
        int code = next_chunk(ctx, c);
        if (code < 0 || is_over(b)) {
            return code;
        }
    }
    if (b->left > (uint64_t)c->server->opts.max_body - b->total) {
        return covey_errorf(COVEY_ETOOLARGE, "http body: more than max_body");
    }
    ssize_t n = take(ctx, c, buf, len < b->left ? len : (size_t)b->left);
    if (n > 0) {
        b->left -= (uint64_t)n;
        b->total += (uint64_t)n;
        if (b->left == 0 && b->kind == CVY_HTTP_BODY_LENGTH) {
            b->kind = CVY_HTTP_BODY_DONE;
        }
    }
    return n;
}

/* A failure of the client stays; one of ctx does not. */
static ssize_t remember(struct cvy_http_body *b, ssize_t n)
{
    if (n == COVEY_EPROTO) {
        (void)covey_errorf(COVEY_EPROTO, "http body: malformed chunks");
    }
    if (n < 0 && n != COVEY_ECANCELED && n != COVEY_EDEADLINE) {
        b->code = (int)n;
    }
    return n;
}

ssize_t covey_http_body_read(covey_ctx *ctx, covey_http_server_request *req, void *buf, size_t len)
{
    struct cvy_http_server_conn *c = cvy_http_conn_of_request(req);
    struct cvy_http_body *b = &c->body;

    if (b->code < 0) {
        return covey_errorf(b->code, "http body: %s", covey_strerror(b->code));
    }
    if (is_over(b) || len == 0) {
        return 0;
    }
    if (b->wants_continue && !c->writer.is_committed) {
        int code = cvy_http_writer_go_on(ctx, c);
        if (code < 0) {
            return code;
        }
        b->wants_continue = false;
    }
    return remember(b, read_some(ctx, c, buf, len));
}

bool cvy_http_body_can_finish(const struct cvy_http_server_conn *c)
{
    const struct cvy_http_body *b = &c->body;

    return is_over(b) || (b->code == 0 && !b->wants_continue && b->left <= DRAIN_MAX);
}

bool cvy_http_body_finish(struct cvy_http_server_conn *c)
{
    char buf[4096];
    uint64_t begun = c->body.total;

    if (!cvy_http_body_can_finish(c)) {
        return false;
    }
    while (!is_over(&c->body)) {
        ssize_t n = remember(&c->body, read_some(NULL, c, buf, sizeof(buf)));
        if (n < 0 || c->body.total - begun > DRAIN_MAX) {
            return false;
        }
    }
    return true;
}
