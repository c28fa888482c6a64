/* SPDX-License-Identifier: MIT
 * h1_body.c - the body of a request, read as it is asked for.
 *
 * What came with the head is used first. Bytes of a body then go straight into the handler's
 * buffer; the framing of chunks goes through `in`, behind the head. Chunks are decoded here and not
 * by http-parser, which takes a bare LF where CR LF must stand. */
#include "http/pairs.h"
#include "http/server.h"
#include "http/token.h"

#include <covey/error.h>

#include <string.h>

#define DRAIN_MAX ((uint64_t)256 << 10)  /* of a body that the handler did not read */
#define SIZE_LINE_MAX ((size_t)256)      /* a chunk's size and extension */
#define FRAMING_FREE 16                  /* bytes of such a line, and as many as the chunk has */
#define FRAMING_MAX ((uint64_t)16 << 10) /* more than that, in all */

static int64_t deadline_of(const struct cvy_h1 *h)
{
    return covey_now() + h->x.conn->server->opts.io_timeout_ns;
}

/* The client closed, or took too long. */
static int ended(ssize_t n)
{
    return n == 0 ? covey_errorf(-ECONNRESET, "http body: the client closed the connection")
                  : (int)n;
}

/* Up to len bytes, from what is there or from the client. */
static ssize_t take(covey_ctx *ctx, struct cvy_h1 *h, void *buf, size_t len)
{
    size_t there = h->in.len - h->at;

    if (there == 0) {
        ssize_t n = cvy_http_conn_read(ctx, h->x.conn, buf, len, CVY_HTTP_READING, deadline_of(h));
        return n > 0 ? n : ended(n);
    }
    len = len < there ? len : there;
    memcpy(buf, h->in.data + h->at, len);
    h->at += len;
    return (ssize_t)len;
}

/* ---- chunks ---- */

/* More behind the head; what was used there makes room. */
static int fill(covey_ctx *ctx, struct cvy_h1 *h)
{
    size_t there = h->in.len - h->at;

    memmove(h->in.data + h->body_at, h->in.data + h->at, there);
    h->at = h->body_at;
    h->in.len = h->at + there;
    ssize_t n = cvy_http_conn_read(ctx, h->x.conn, h->in.data + h->in.len, h->in.cap - h->in.len,
                                   CVY_HTTP_READING, deadline_of(h));
    if (n <= 0) {
        return ended(n);
    }
    h->in.len += (size_t)n;
    return 0;
}

/* A line of less than max bytes without its CR LF, valid until the next call; its length, or a
 * code. */
static ssize_t read_line(covey_ctx *ctx, struct cvy_h1 *h, size_t max, const char **line)
{
    for (;;) {
        const char *start = h->in.data + h->at;
        size_t there = h->in.len - h->at;
        const char *end = memchr(start, '\n', there < max ? there : max);
        if (end) {
            size_t len = (size_t)(end - start);
            h->at += len + 1;
            *line = start;
            return len > 0 && end[-1] == '\r' && !memchr(start, '\r', len - 1) &&
                           !memchr(start, '\0', len)
                       ? (ssize_t)len - 1
                       : COVEY_EPROTO;
        }
        if (there >= max) {
            return COVEY_EPROTO;
        }
        int code = fill(ctx, h);
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

/* "1a" or "1a;name=value": hexadecimal digits, at most 15. Blanks stand only before a ';'. */
static int parse_size(const char *line, size_t len, uint64_t *size)
{
    uint64_t value = 0;
    size_t i = 0;

    for (; i < len && digit(line[i]) >= 0; i++) {
        value = 16 * value + (uint64_t)digit(line[i]);
    }
    bool is_number = i > 0 && i <= 15, is_end = i == len;
    while (i < len && cvy_http_is_blank(line[i])) {
        i++;
    }
    if (!is_number || !(is_end || (i < len && line[i] == ';'))) {
        return COVEY_EPROTO;
    }
    *size = value;
    return 0;
}

/* Whether there is more about the chunks than in them: extensions cost a client nothing. */
static bool is_flood(struct cvy_h1 *h, size_t line_len)
{
    uint64_t free = FRAMING_FREE + h->left;

    h->framing += line_len;
    h->framing -= h->framing < free ? h->framing : free;
    return h->framing > FRAMING_MAX;
}

/* "Name: value". */
static int keep_trailer(struct cvy_h1 *h, const char *line, size_t len)
{
    const char *colon = memchr(line, ':', len), *end = line + len;

    if (!colon || colon == line || !cvy_http_is_token(line, (size_t)(colon - line))) {
        return COVEY_EPROTO;
    }
    const char *value = colon + 1;
    while (value < end && cvy_http_is_blank(*value)) {
        value++;
    }
    while (value < end && cvy_http_is_blank(end[-1])) {
        end--;
    }
    return cvy_http_pairs_add(&h->x.trailers, h->x.conn->server->opts.max_header_size, line,
                              (size_t)(colon - line), value, (size_t)(end - value));
}

/* What stands behind the last chunk, up to an empty line. */
static int read_trailers(covey_ctx *ctx, struct cvy_h1 *h)
{
    const char *line;

    for (int i = 0; i <= h->x.conn->server->opts.max_header_count; i++) {
        ssize_t len = read_line(ctx, h, CVY_H1_LINE_MAX, &line);
        int code = len > 0 ? keep_trailer(h, line, (size_t)len) : (int)len;
        if (code < 0) {
            return code;
        }
        if (len == 0) {
            h->body = CVY_H1_BODY_DONE;
            return 0;
        }
    }
    return COVEY_ETOOLARGE;
}

/* To the next chunk's data, or what is behind the last one. */
static int next_chunk(covey_ctx *ctx, struct cvy_h1 *h)
{
    const char *line;
    ssize_t len = 0;

    if (h->in_chunk) {
        len = read_line(ctx, h, SIZE_LINE_MAX, &line);
        if (len != 0) {
            return len > 0 ? COVEY_EPROTO : (int)len;
        }
        h->in_chunk = false;
    }
    len = read_line(ctx, h, SIZE_LINE_MAX, &line);
    int code = len < 0 ? (int)len : parse_size(line, (size_t)len, &h->left);
    code = code == 0 && is_flood(h, (size_t)len) ? COVEY_EPROTO : code;
    if (code < 0) {
        return code;
    }
    h->in_chunk = h->left > 0;
    h->body = h->in_chunk ? CVY_H1_BODY_CHUNKED : CVY_H1_BODY_TRAILERS;
    return 0;
}

/* Whatever stands before data, if anything does. May be called again after a code of ctx. */
static int read_framing(covey_ctx *ctx, struct cvy_h1 *h)
{
    int code = 0;

    if (h->body == CVY_H1_BODY_CHUNKED && h->left == 0) {
        code = next_chunk(ctx, h);
    }
    if (code == 0 && h->body == CVY_H1_BODY_TRAILERS) {
        code = read_trailers(ctx, h);
    }
    return code == COVEY_EPROTO      ? covey_errorf(code, "http body: malformed chunks")
           : code == COVEY_ETOOLARGE ? covey_errorf(code, "http body: too many trailers")
                                     : code;
}

/* ---- all of it ---- */

static bool is_over(const struct cvy_h1 *h)
{
    return h->body == CVY_H1_BODY_NONE || h->body == CVY_H1_BODY_DONE;
}

ssize_t cvy_h1_body_read(covey_ctx *ctx, struct cvy_http_exchange *x, void *buf, size_t len)
{
    struct cvy_h1 *h = cvy_h1_of(x);

    int code = read_framing(ctx, h);
    if (code < 0) {
        return code;
    }
    if (is_over(h)) {
        return 0;
    }
    if (h->left > (uint64_t)x->conn->server->opts.max_body - h->total) {
        return covey_errorf(COVEY_ETOOLARGE, "http body: more than max_body");
    }
    ssize_t n = take(ctx, h, buf, len < h->left ? len : (size_t)h->left);
    if (n > 0) {
        h->left -= (uint64_t)n;
        h->total += (uint64_t)n;
        if (h->left == 0 && h->body == CVY_H1_BODY_LENGTH) {
            h->body = CVY_H1_BODY_DONE;
        }
    }
    return n;
}

bool cvy_h1_body_can_finish(const struct cvy_h1 *h)
{
    return is_over(h) || (h->x.body_code == 0 && !h->x.wants_continue && h->left <= DRAIN_MAX);
}

/* Apart, so that requests without a body do not touch a page of stack for it. */
__attribute__((noinline)) static bool skip(struct cvy_h1 *h)
{
    char buf[4096];
    uint64_t begun = h->total;

    while (!is_over(h)) {
        ssize_t n = cvy_h1_body_read(NULL, &h->x, buf, sizeof(buf));
        if (n < 0 || h->total - begun > DRAIN_MAX) {
            return false;
        }
    }
    return true;
}

bool cvy_h1_body_finish(struct cvy_h1 *h)
{
    return is_over(h) || (cvy_h1_body_can_finish(h) && skip(h));
}
