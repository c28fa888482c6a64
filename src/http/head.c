/* SPDX-License-Identifier: MIT
 * head.c - see head.h. */
#include "http/head.h"

#include <covey/error.h>

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define TEXT_KEPT ((size_t)4 << 10) /* a pooled transfer keeps that much */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* "HTTP/1.1 200 OK", "HTTP/2 200". */
static int status_of(const char *line, size_t len)
{
    const char *p = memchr(line, ' ', len);
    const char *end = line + len;
    int status = 0;

    while (p && p < end && is_blank(*p)) {
        p++;
    }
    for (int i = 0; p && i < 3 && p < end && *p >= '0' && *p <= '9'; i++) {
        status = 10 * status + (*p++ - '0');
    }
    return status;
}

static int append(struct cvy_http_head *h, const char *data, size_t len)
{
    return cvy_http_buffer_append(&h->text, data, len, CVY_HTTP_HEAD_MAX);
}

/* A line that begins with a blank goes on with the value before it. */
static int add_folded(struct cvy_http_head *h, const char *line, size_t len)
{
    if (h->count == 0) {
        return 0;
    }
    h->text.len--; /* the NUL of the value */
    int code = append(h, " ", 1);
    if (code == 0) {
        code = append(h, line, len);
    }
    return code < 0 ? code : append(h, "", 1);
}

static bool is_length(const char *name, size_t len)
{
    static const char length[] = "Content-Length";

    return len == sizeof(length) - 1 && strncasecmp(name, length, len) == 0;
}

/* Before it is appended. libcurl goes by the last one, and by the digits it begins with. */
static int check_length(struct cvy_http_head *h, size_t name_len, const char *value, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (value[i] < '0' || value[i] > '9') {
            return COVEY_EPROTO;
        }
    }
    const char *before = h->length_at > 0 ? h->text.data + h->length_at : NULL;
    if (before && (strlen(before) != len || memcmp(before, value, len) != 0)) {
        return COVEY_EPROTO;
    }
    h->length_at = h->text.len + name_len + 1;
    return 0;
}

static int add_field(struct cvy_http_head *h, const char *line, size_t len)
{
    const char *colon = memchr(line, ':', len);
    if (!colon || colon == line) {
        return 0; /* no header; libcurl tolerates it, so do we */
    }
    size_t name_len = (size_t)(colon - line);
    const char *value = colon + 1, *end = line + len;

    while (value < end && is_blank(*value)) {
        value++;
    }
    int code =
        is_length(line, name_len) ? check_length(h, name_len, value, (size_t)(end - value)) : 0;
    if (code == 0) {
        code = append(h, line, name_len);
    }
    if (code == 0) {
        code = append(h, "", 1);
    }
    if (code == 0) {
        code = append(h, value, (size_t)(end - value));
    }
    if (code == 0) {
        code = append(h, "", 1);
    }
    h->count += code == 0;
    return code;
}

/* A line that does not fit leaves no part of it: what is there ends with a NUL. */
static int add_or_not(struct cvy_http_head *h, const char *line, size_t len)
{
    size_t text_len = h->text.len, length_at = h->length_at, blanks = 0;

    while (is_blank(line[blanks])) {
        blanks++; /* the last character is none */
    }
    int code = blanks > 0 ? add_folded(h, line + blanks, len - blanks) : add_field(h, line, len);
    if (code < 0) {
        h->text.len = text_len;
        h->length_at = length_at;
        if (text_len > 0) {
            h->text.data[text_len - 1] = '\0';
        }
    }
    return code;
}

int cvy_http_head_add(struct cvy_http_head *h, const char *line, size_t len)
{
    if (h->is_closed) {
        return 0;
    }
    while (len > 0 && (line[len - 1] == '\n' || line[len - 1] == '\r' || is_blank(line[len - 1]))) {
        len--;
    }
    if (len == 0) {
        return 0;
    }
    if (memchr(line, '\0', len)) {
        return 0; /* would cut the text of others */
    }
    if (len > 5 && memcmp(line, "HTTP/", 5) == 0) {
        h->text.len = 0;
        h->count = 0;
        h->length_at = 0;
        h->status = status_of(line, len);
        return 0;
    }
    return add_or_not(h, line, len);
}

int cvy_http_head_export(const struct cvy_http_head *h, const char *url, covey_http_response *resp)
{
    size_t url_len = url ? strlen(url) : 0;
    size_t table = h->count * sizeof(covey_http_header);
    char *block = malloc(table + h->text.len + url_len + 1);
    if (!block) {
        return -ENOMEM;
    }
    covey_http_header *headers = (covey_http_header *)(void *)block;
    char *text = block + table;

    if (h->text.len > 0) {
        memcpy(text, h->text.data, h->text.len);
    }
    for (size_t i = 0; i < h->count; i++) {
        headers[i].name = text;
        text += strlen(text) + 1;
        headers[i].value = text;
        text += strlen(text) + 1;
    }
    text = block + table + h->text.len;
    if (url_len > 0) {
        memcpy(text, url, url_len);
    }
    text[url_len] = '\0';
    resp->owned = block;
    resp->headers = headers;
    resp->header_count = h->count;
    resp->effective_url = text;
    resp->status = h->status;
    return 0;
}

void cvy_http_head_reset(struct cvy_http_head *h)
{
    cvy_http_buffer_reset(&h->text, TEXT_KEPT);
    h->count = 0;
    h->length_at = 0;
    h->status = 0;
    h->is_closed = false;
}
