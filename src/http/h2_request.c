/* SPDX-License-Identifier: MIT
 * h2_request.c - the head of a stream's request. nghttp2 has seen to it that it is well formed;
 * what the server has no use for, or a path must not be, is refused here as in HTTP/1. */
#include "http/h2_conn.h"
#include "http/pairs.h"

#include <http_parser.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define OVERHEAD 32 /* of a header, in RFC 9113's count */

void cvy_h2_request_add(struct cvy_h2_stream *st, const void *name, size_t name_len,
                        const void *value, size_t value_len)
{
    size_t max = st->h2->conn->server->opts.max_header_size;

    st->size += name_len + value_len + OVERHEAD;
    if (st->size > max) {
        st->status = 431;
    }
    if (st->status != 0) {
        return; /* the rest only keeps the compression's state */
    }
    if (cvy_http_pairs_add(&st->text, SIZE_MAX / 2, name, name_len, value, value_len) < 0) {
        st->status = 503;
        return;
    }
    st->count++;
}

/* What is gathered before the request can be made. */
struct head {
    const char *method, *path, *authority, *host, *expect, *length;
    size_t cookies, cookies_len;
};

/* ---- the headers ---- */

static void note_pseudo(struct head *head, const char *name, const char *value)
{
    if (strcmp(name, ":method") == 0) {
        head->method = value;
    } else if (strcmp(name, ":path") == 0) {
        head->path = value;
    } else if (strcmp(name, ":authority") == 0) {
        head->authority = value;
    }
}

static void note(struct head *head, const char *name, const char *value)
{
    if (strcmp(name, "host") == 0) {
        head->host = value;
    } else if (strcmp(name, "expect") == 0) {
        head->expect = value;
    } else if (strcmp(name, "content-length") == 0) {
        head->length = value;
    } else if (strcmp(name, "cookie") == 0) {
        head->cookies++;
        head->cookies_len += strlen(value) + 2;
    }
}

/* All but the pseudo headers; of cookies, which come in crumbs, the first. 0, or a status. */
static int list(struct cvy_h2_stream *st, struct head *head)
{
    struct cvy_http_exchange *x = &st->x;
    const char *name = st->text.data;
    size_t count = 0;

    for (size_t i = 0; i < st->count; i++) {
        const char *value = name + strlen(name) + 1;
        if (*name == ':') {
            note_pseudo(head, name, value);
        } else {
            note(head, name, value);
        }
        if (*name != ':' && !(head->cookies > 1 && strcmp(name, "cookie") == 0)) {
            int status = cvy_http_exchange_grow(x, count);
            if (status != 0) {
                return status;
            }
            x->headers[count++] = (covey_http_header){name, value};
        }
        name = value + strlen(value) + 1;
    }
    x->req.headers = x->headers;
    x->req.header_count = count;
    return 0;
}

/* The crumbs, put together behind the path in text, where there is room. */
static void join_cookies(struct cvy_h2_stream *st)
{
    struct cvy_http_buffer *text = &st->x.text;
    const char *name = st->text.data, *joined = text->data + text->len;
    char *to = text->data + text->len;

    for (size_t i = 0; i < st->count; i++) {
        const char *value = name + strlen(name) + 1;
        size_t len = strlen(value);
        if (strcmp(name, "cookie") == 0) {
            if (to != joined) {
                memcpy(to, "; ", 2);
                to += 2;
            }
            memcpy(to, value, len);
            to += len;
        }
        name = value + len + 1;
    }
    *to++ = '\0';
    text->len = (size_t)(to - text->data);
    for (size_t i = 0; i < st->x.req.header_count; i++) {
        if (strcmp(st->x.headers[i].name, "cookie") == 0) {
            st->x.headers[i].value = joined;
        }
    }
}

/* ---- what they must be ---- */

/* The server's own word for it; NULL: it knows no such method. */
static const char *method_of(const char *name)
{
    for (int i = 0; i <= HTTP_SOURCE; i++) {
        const char *known = http_method_str((enum http_method)i);
        if (i != HTTP_CONNECT && strcmp(known, name) == 0) {
            return known;
        }
    }
    return NULL;
}

static bool is_path(const char *path, const char *method)
{
    for (const char *at = path; *at; at++) {
        if (*at <= ' ' || *at == 127 || *at == '#') {
            return false;
        }
    }
    return *path == '/' || (strcmp(path, "*") == 0 && strcmp(method, "OPTIONS") == 0);
}

static int set_host(struct cvy_http_exchange *x, const struct head *head)
{
    const char *host = head->authority ? head->authority : head->host;

    if (!host) {
        return 0;
    }
    x->req.host = host;
    bool is_other = head->host && strcmp(head->host, host) != 0;
    return is_other || !cvy_http_is_authority(host) ? 400 : 0;
}

static int set_body(struct cvy_h2_stream *st, const struct head *head, bool has_body)
{
    covey_http_server_request *req = &st->x.req;
    uint64_t length = head->length ? strtoull(head->length, NULL, 10) : 0;

    req->content_length = !has_body ? 0 : head->length ? (int64_t)length : -1;
    if (head->expect) {
        st->x.wants_continue = has_body;
        if (strcasecmp(head->expect, "100-continue") != 0) {
            return 417;
        }
    }
    return length > (uint64_t)st->h2->conn->server->opts.max_body ? 413 : 0;
}

static int make(struct cvy_h2_stream *st, bool has_body)
{
    struct cvy_http_exchange *x = &st->x;
    struct head head = {0};
    int status = list(st, &head);

    if (status != 0) {
        return status;
    }
    x->req.http_version = 20;
    x->req.method = head.method ? method_of(head.method) : NULL;
    if (!x->req.method) {
        return 501;
    }
    if (!head.path || strlen(head.path) > CVY_HTTP_TARGET_MAX ||
        !is_path(head.path, x->req.method)) {
        return head.path && strlen(head.path) > CVY_HTTP_TARGET_MAX ? 414 : 400;
    }
    x->req.target = head.path;
    status = cvy_http_exchange_set_path(x, head.path, head.cookies_len + 1);
    status = status != 0 ? status : set_host(x, &head);
    status = status != 0 ? status : set_body(st, &head, has_body);
    if (status == 0 && head.cookies > 1) {
        join_cookies(st);
    }
    return status;
}

void cvy_h2_request_make(struct cvy_h2_stream *st, bool has_body)
{
    if (st->status == 0) {
        st->status = make(st, has_body);
    }
}
