/* SPDX-License-Identifier: MIT
 * server_fields.c - the status and the headers that a handler sets, kept as the lines to be sent.
 */
#include "http/exchange.h"
#include "http/token.h"

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

/* Line ends above all; but no control character has a meaning there, and HTTP/2's clients give a
 * response up for one. */
static bool is_value(const char *value)
{
    for (; *value; value++) {
        if (((unsigned char)*value < ' ' && *value != '\t') || *value == 127) {
            return false;
        }
    }
    return true;
}

static bool is_header(const char *name, const char *value)
{
    return *name && cvy_http_is_token(name, strlen(name)) && is_value(value);
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

/* ---- lines ---- */

/* Without the blanks around the value, which are none of it and not allowed in HTTP/2. */
static int add(struct cvy_http_buffer *lines, const char *name, const char *value)
{
    size_t before = lines->len, len;

    value += strspn(value, " \t");
    for (len = strlen(value); len > 0 && cvy_http_is_blank(value[len - 1]); len--) {
    }
    int code = cvy_http_buffer_append(lines, name, strlen(name), FIELDS_MAX);
    code = code < 0 ? code : cvy_http_buffer_append(lines, ": ", 2, FIELDS_MAX);
    code = code < 0 ? code : cvy_http_buffer_append(lines, value, len, FIELDS_MAX);
    code = code < 0 ? code : cvy_http_buffer_append(lines, "\r\n", 2, FIELDS_MAX);
    if (code < 0) {
        lines->len = before;
    }
    return code;
}

/* The next line of that name, from *at on, which is moved there; its length, or 0. */
static size_t find(const struct cvy_http_buffer *lines, const char *name, size_t *at)
{
    size_t name_len = strlen(name);

    while (*at < lines->len) {
        const char *line = lines->data + *at;
        size_t len = (size_t)((const char *)memchr(line, '\n', lines->len - *at) - line) + 1;
        if (strncasecmp(line, name, name_len) == 0 && line[name_len] == ':') {
            return len;
        }
        *at += len;
    }
    return 0;
}

static void drop(struct cvy_http_buffer *lines, const char *name)
{
    size_t at = 0, len;

    while ((len = find(lines, name, &at)) > 0) {
        char *line = lines->data + at;
        memmove(line, line + len, lines->len - at - len);
        lines->len -= len;
    }
}

int cvy_http_lines_set(struct cvy_http_buffer *lines, const char *name, const char *value)
{
    if (!is_header(name, value)) {
        return -EINVAL;
    }
    drop(lines, name);
    return add(lines, name, value);
}

/* ---- headers ---- */

const char *cvy_http_writer_field(const covey_http_writer *w, const char *name, size_t *len)
{
    size_t at = 0, line_len = find(&w->fields, name, &at), before = strlen(name) + 2;

    if (line_len == 0) {
        return NULL;
    }
    *len = line_len - before - 2;
    return w->fields.data + at + before;
}

void cvy_http_writer_drop(covey_http_writer *w, const char *name)
{
    drop(&w->fields, name);
}

static int set(covey_http_writer *w, const char *name, const char *value, bool replaces)
{
    if (w->is_committed) {
        return cvy_http_writer_already();
    }
    int code = is_header(name, value) ? set_own(w, name, value) : -EINVAL;
    if (code == 1) {
        if (replaces) {
            drop(&w->fields, name);
        }
        code = add(&w->fields, name, value);
        w->has_date = w->has_date || (code == 0 && strcasecmp(name, "Date") == 0);
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
