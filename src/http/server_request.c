/* SPDX-License-Identifier: MIT
 * server_request.c - what a handler asks of a request. */
#include "http/server.h"

#include <covey/error.h>

#include <string.h>
#include <strings.h>

const char *covey_http_request_header(const covey_http_server_request *req, const char *name)
{
    for (size_t i = 0; i < req->header_count; i++) {
        if (strcasecmp(req->headers[i].name, name) == 0) {
            return req->headers[i].value;
        }
    }
    return NULL;
}

const char *covey_http_path_param(const covey_http_server_request *req, const char *name)
{
    const struct cvy_http_exchange *x = cvy_http_exchange_of_request(req);

    for (size_t i = 0; i < x->param_count; i++) {
        if (strcmp(x->param_names[i], name) == 0) {
            return x->param_values[i];
        }
    }
    return NULL;
}

const char *covey_http_request_peer(const covey_http_server_request *req)
{
    return covey_conn_peer(covey_http_request_conn(req));
}

const covey_conn *covey_http_request_conn(const covey_http_server_request *req)
{
    return cvy_http_exchange_of_request(req)->conn->conn;
}

/* ---- the body ---- */

/* A failure of the client stays; one of ctx does not. */
static ssize_t remember(struct cvy_http_exchange *x, ssize_t n)
{
    x->has_read_all = n == 0;
    if (n < 0 && n != COVEY_ECANCELED && n != COVEY_EDEADLINE) {
        x->body_code = (int)n;
    }
    return n;
}

ssize_t covey_http_body_read(covey_ctx *ctx, covey_http_server_request *req, void *buf, size_t len)
{
    struct cvy_http_exchange *x = cvy_http_exchange_of_request(req);

    if (x->body_code < 0) {
        return covey_errorf(x->body_code, "http body: %s", covey_strerror(x->body_code));
    }
    if (len == 0) {
        return 0;
    }
    if (x->wants_continue && !x->writer.is_committed) {
        int code = x->via->go_on(ctx, x);
        if (code < 0) {
            x->writer.is_failed = true;
            return code;
        }
        x->wants_continue = false;
    }
    return remember(x, x->via->read(ctx, x, buf, len));
}

/* ---- values in a query, or a form ---- */

/* One character of in[*i ...], decoded; what is malformed stands for itself. */
static char next(const char *in, size_t len, size_t *i)
{
    char c;

    if (in[*i] == '%' && *i + 2 < len && cvy_http_decode(&c, in + *i, 3, true) == 1) {
        *i += 3;
        return c;
    }
    c = in[*i] == '+' ? ' ' : in[*i];
    (*i)++;
    return c;
}

static bool is_name(const char *in, size_t len, const char *name)
{
    size_t i = 0;

    while (i < len && *name) {
        if (next(in, len, &i) != *name++) {
            return false;
        }
    }
    return i == len && !*name;
}

static ssize_t decode(const char *in, size_t len, char *buf, size_t size)
{
    size_t n = 0;

    for (size_t i = 0; i < len; n++) {
        char c = next(in, len, &i);
        if (n + 1 < size) {
            buf[n] = c;
        }
    }
    if (size > 0) {
        buf[n < size ? n : size - 1] = '\0';
    }
    return (ssize_t)n;
}

/* How many bytes stand before the first c; len: it is not there. */
static size_t span(const char *text, size_t len, char c)
{
    const char *at = len > 0 ? memchr(text, c, len) : NULL;
    return at ? (size_t)(at - text) : len;
}

ssize_t covey_http_form_param(const char *form, size_t len, const char *name, char *buf,
                              size_t size)
{
    for (size_t at = 0; at < len;) {
        size_t pair = span(form + at, len - at, '&'), name_len = span(form + at, pair, '=');
        if (is_name(form + at, name_len, name)) {
            size_t skip = name_len < pair ? name_len + 1 : pair;
            return decode(form + at + skip, pair - skip, buf, size);
        }
        at += pair + 1;
    }
    return -ENOENT;
}

ssize_t covey_http_query_param(const covey_http_server_request *req, const char *name, char *buf,
                               size_t size)
{
    return covey_http_form_param(req->query, strlen(req->query), name, buf, size);
}
