/* SPDX-License-Identifier: MIT
 * server_query.c - what a handler asks of a request. */
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
    const struct cvy_http_server_conn *c = cvy_http_conn_of_request(req);

    for (size_t i = 0; i < c->param_count; i++) {
        if (strcmp(c->param_names[i], name) == 0) {
            return c->param_values[i];
        }
    }
    return NULL;
}

const char *covey_http_request_peer(const covey_http_server_request *req)
{
    return covey_conn_peer(cvy_http_conn_of_request(req)->conn);
}

const covey_conn *covey_http_request_conn(const covey_http_server_request *req)
{
    return cvy_http_conn_of_request(req)->conn;
}

/* ---- values in a query ---- */

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

ssize_t covey_http_query_param(const covey_http_server_request *req, const char *name, char *buf,
                               size_t size)
{
    for (const char *at = req->query; *at;) {
        size_t len = strcspn(at, "&"), name_len = strcspn(at, "=&");
        if (is_name(at, name_len, name)) {
            size_t skip = name_len < len ? name_len + 1 : len;
            return decode(at + skip, len - skip, buf, size);
        }
        at += len + (at[len] == '&');
    }
    return -ENOENT;
}
