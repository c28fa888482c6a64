/* SPDX-License-Identifier: MIT
 * serve_file.c - a file as the response: conditional requests and one range (RFC 9110). */
#include "http/conditions.h"
#include "http/file.h"
#include "http/media_type.h"

#include <covey/error.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PIECE ((size_t)64 << 10)

/* What is sent: [from, to). */
struct part {
    int status;
    int64_t from, to;
};

static int set_range(covey_http_writer *w, const struct cvy_http_file *f, const struct part *p)
{
    char text[96];

    if (p->status == 416) {
        (void)snprintf(text, sizeof(text), "bytes */%lld", (long long)f->size);
    } else {
        (void)snprintf(text, sizeof(text), "bytes %lld-%lld/%lld", (long long)p->from,
                       (long long)p->to - 1, (long long)f->size);
    }
    return covey_http_set_header(w, "Content-Range", text);
}

static int set_content(covey_http_writer *w, const struct part *p, const char *name)
{
    char length[24];

    (void)snprintf(length, sizeof(length), "%lld", (long long)(p->to - p->from));
    int code = covey_http_set_header(w, "Content-Length", length);
    return code < 0 ? code : covey_http_set_header(w, "Content-Type", cvy_http_media_type_of(name));
}

static int set_headers(covey_http_writer *w, const struct cvy_http_file *f, const struct part *p,
                       const char *name)
{
    int code = covey_http_set_status(w, p->status);

    code = code < 0 ? code : covey_http_set_header(w, "ETag", f->etag);
    code = code < 0 ? code : covey_http_set_header(w, "Last-Modified", f->date);
    code = code < 0 ? code : covey_http_set_header(w, "Accept-Ranges", "bytes");
    if (code == 0 && (p->status == 206 || p->status == 416)) {
        code = set_range(w, f, p);
    }
    if (code == 0 && (p->status == 200 || p->status == 206)) {
        code = set_content(w, p, name);
    }
    return code;
}

static int send_body(covey_ctx *ctx, covey_http_writer *w, const struct cvy_http_file *f,
                     const struct part *p)
{
    char *buf = malloc(PIECE);
    ssize_t n = buf ? 0 : -ENOMEM;

    for (int64_t at = p->from; n >= 0 && at < p->to; at += n) {
        size_t len = p->to - at < (int64_t)PIECE ? (size_t)(p->to - at) : PIECE;
        n = cvy_http_file_read(ctx, f, buf, len, at);
        if (n > 0) {
            n = covey_http_write(ctx, w, buf, (size_t)n);
        }
    }
    free(buf);
    return n < 0 ? (int)n : 0;
}

static int answer(covey_ctx *ctx, covey_http_server_request *req, covey_http_writer *w,
                  const struct cvy_http_file *f, const char *name)
{
    const struct cvy_http_state state = {f->etag, f->date, f->modified, f->size};
    struct part p = {.status = cvy_http_conditions_check(req, &state)};

    if (p.status == 0) {
        p.status = cvy_http_range_of(req, &state, &p.from, &p.to);
    }
    int code = set_headers(w, f, &p, name);
    if (code < 0 || p.status == 304 || (p.status < 300 && strcmp(req->method, "HEAD") == 0)) {
        return code;
    }
    if (p.status == 412) {
        return covey_http_respondf(ctx, w, 412, "precondition failed\n");
    }
    if (p.status == 416) {
        return covey_http_respondf(ctx, w, 416, "range not satisfiable\n");
    }
    return send_body(ctx, w, f, &p);
}

int covey_http_serve_file(covey_ctx *ctx, covey_http_server_request *req, covey_http_writer *w,
                          const char *root, const char *name)
{
    struct cvy_http_file f;

    if (strcmp(req->method, "GET") != 0 && strcmp(req->method, "HEAD") != 0) {
        int set = covey_http_set_header(w, "Allow", "GET, HEAD");
        return set < 0 ? set : covey_http_respondf(ctx, w, 405, "method not allowed\n");
    }
    int code = cvy_http_file_open(ctx, &f, root, name);
    if (code == 0) {
        code = answer(ctx, req, w, &f, name);
        cvy_http_file_close(&f);
    } else if (code == -ENOENT || code == -ENOTDIR || code == -ELOOP || code == -ENAMETOOLONG) {
        code = covey_http_respondf(ctx, w, 404, "not found\n");
    } else if (code == -EACCES) {
        code = covey_http_respondf(ctx, w, 403, "forbidden\n");
    }
    return code;
}
