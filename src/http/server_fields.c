/* SPDX-License-Identifier: MIT
 * server_fields.c - the status and the headers that a handler sets, kept as the lines to be sent.
 */
#include "http/exchange.h"

#include <covey/error.h>

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define FIELDS_MAX ((size_t)64 << 10)

int cvy_http_writer_already(void)
{
    return covey_errorf(-EALREADY, "http response: its head has been sent");
}

int covey_http_set_status(covey_http_writer *w, int status)
{
    if (w->is_committed) {
        return cvy_http_writer_already();
    }
    if (status < 200 || status > 599) {
        return covey_errorf(-EINVAL, "http response: %d is no final status", status);
    }
    w->status = status;
    return 0;
}

static bool is_header(const char *name, const char *value)
{
    static const char token[] = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"
                                "ABCDEFGHIJKLMNOPQRSTUVWXYZ";

    return *name && name[strspn(name, token)] == '\0' && value[strcspn(value, "\r\n")] == '\0';
}

static int set_length(covey_http_writer *w, const char *value)
{
    char *end;

    if (!*value || value[strspn(value, "0123456789")]) {
        return -EINVAL;
    }
    errno = 0;
    w->length = strtoull(value, &end, 10);
    w->has_length = true;
    return errno ? -EINVAL : 0;
}

/* Headers that decide how the response is framed. 1: any other. */
static int set_own(covey_http_writer *w, const char *name, const char *value)
{
    if (strcasecmp(name, "Content-Length") == 0) {
        return set_length(w, value);
    }
    if (strcasecmp(name, "Connection") == 0) {
        if (strcasecmp(value, "close") != 0) {
            return -EINVAL;
        }
        struct cvy_http_exchange *x = cvy_http_exchange_of_writer(w);
        x->via->close(x);
        return 0;
    }
    return strcasecmp(name, "Transfer-Encoding") == 0 ? -EINVAL : 1;
}

static int add(covey_http_writer *w, const char *name, const char *value)
{
    const char *parts[] = {name, ": ", value, "\r\n"};
    size_t before = w->fields.len;
    int code = 0;

    for (int i = 0; i < 4 && code == 0; i++) {
        code = cvy_http_buffer_append(&w->fields, parts[i], strlen(parts[i]), FIELDS_MAX);
    }
    if (code < 0) {
        w->fields.len = before;
        return code;
    }
    w->has_date = w->has_date || strcasecmp(name, "Date") == 0;
    return 0;
}

/* The next line of that name, from *at on, which is moved there; its length, or 0. */
static size_t find(const covey_http_writer *w, const char *name, size_t *at)
{
    size_t name_len = strlen(name);

    while (*at < w->fields.len) {
        const char *line = w->fields.data + *at;
        size_t len = (size_t)((const char *)memchr(line, '\n', w->fields.len - *at) - line) + 1;
        if (strncasecmp(line, name, name_len) == 0 && line[name_len] == ':') {
            return len;
        }
        *at += len;
    }
    return 0;
}

const char *cvy_http_writer_field(const covey_http_writer *w, const char *name, size_t *len)
{
    size_t at = 0, line_len = find(w, name, &at), before = strlen(name) + 2;

    if (line_len == 0) {
        return NULL;
    }
    *len = line_len - before - 2;
    return w->fields.data + at + before;
}

void cvy_http_writer_drop(covey_http_writer *w, const char *name)
{
    size_t at = 0, len;

    while ((len = find(w, name, &at)) > 0) {
        char *line = w->fields.data + at;
        memmove(line, line + len, w->fields.len - at - len);
        w->fields.len -= len;
    }
}

static int set(covey_http_writer *w, const char *name, const char *value, bool replaces)
{
    if (w->is_committed) {
        return cvy_http_writer_already();
    }
    int code = is_header(name, value) ? set_own(w, name, value) : -EINVAL;
    if (code == 1) {
        if (replaces) {
            cvy_http_writer_drop(w, name);
        }
        code = add(w, name, value);
    }
    return code < 0 ? covey_errorf(code, "http response: header: %s", covey_strerror(code)) : 0;
}

int covey_http_set_header(covey_http_writer *w, const char *name, const char *value)
{
    return set(w, name, value, true);
}

int covey_http_add_header(covey_http_writer *w, const char *name, const char *value)
{
    return set(w, name, value, false);
}
