/* SPDX-License-Identifier: MIT
 * head.c - see head.h. */
#include "http/head.h"
#include "http/pairs.h"

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

static int append(struct cvy_http_lines *l, const char *data, size_t len)
{
    return cvy_http_buffer_append(&l->text, data, len, CVY_HTTP_HEAD_MAX);
}

/* A line that begins with a blank goes on with the value before it. One that does not fit leaves no
 * part of it: what is there ends with a NUL. */
static int add_folded(struct cvy_http_lines *l, const char *line, size_t len)
{
    size_t before = l->text.len;

    if (l->count == 0) {
        return 0;
    }
    l->text.len--; /* the NUL of the value */
    int code = append(l, " ", 1);
    code = code < 0 ? code : append(l, line, len);
    code = code < 0 ? code : append(l, "", 1);
    if (code < 0) {
        l->text.len = before;
        l->text.data[before - 1] = '\0';
    }
    return code;
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
    const struct cvy_http_buffer *text = &h->headers.text;
    const char *before = h->length_at > 0 ? text->data + h->length_at : NULL;
    if (before && (strlen(before) != len || memcmp(before, value, len) != 0)) {
        return COVEY_EPROTO;
    }
    h->length_at = text->len + name_len + 1;
    return 0;
}

static int add_field(struct cvy_http_head *h, struct cvy_http_lines *to, const char *line,
                     size_t len)
{
    const char *colon = memchr(line, ':', len);
    if (!colon || colon == line) {
        return 0; /* no header; libcurl tolerates it, so do we */
    }
    size_t name_len = (size_t)(colon - line), length_at = h->length_at;
    const char *value = colon + 1, *end = line + len;

    while (value < end && is_blank(*value)) {
        value++;
    }
    size_t value_len = (size_t)(end - value);
    bool counts = to == &h->headers && is_length(line, name_len);
    int code = counts ? check_length(h, name_len, value, value_len) : 0;
    if (code == 0) {
        code = cvy_http_pairs_add(&to->text, CVY_HTTP_HEAD_MAX, line, name_len, value, value_len);
    }
    to->count += code == 0;
    h->length_at = code < 0 ? length_at : h->length_at;
    return code;
}

/* An interim response is part of what comes before the final one, and counts with it. */
static void begin(struct cvy_http_head *h, const char *line, size_t len)
{
    bool was_interim = h->status >= 100 && h->status < 200;

    h->spent = was_interim ? h->spent : len;
    h->headers.text.len = h->trailers.text.len = 0;
    h->headers.count = h->trailers.count = 0;
    h->length_at = 0;
    h->is_ended = false;
    h->status = status_of(line, len);
}

static int add_line(struct cvy_http_head *h, const char *line, size_t len)
{
    struct cvy_http_lines *to = h->is_ended || h->is_closed ? &h->trailers : &h->headers;
    size_t blanks = 0;

    if (len > 5 && memcmp(line, "HTTP/", 5) == 0 && !h->is_closed) {
        begin(h, line, len);
        return 0;
    }
    while (is_blank(line[blanks])) {
        blanks++; /* the last character is none */
    }
    return blanks > 0 ? add_folded(to, line + blanks, len - blanks) : add_field(h, to, line, len);
}

int cvy_http_head_add(struct cvy_http_head *h, const char *line, size_t len)
{
    h->spent += len;
    if (h->spent > CVY_HTTP_HEAD_MAX) {
        return COVEY_ETOOLARGE;
    }
    if (len > 0 && (line[0] == '\r' || line[0] == '\n')) {
        h->is_ended = true;
        return 0;
    }
    while (len > 0 && (line[len - 1] == '\n' || line[len - 1] == '\r' || is_blank(line[len - 1]))) {
        len--;
    }
    if (len == 0 || memchr(line, '\0', len)) {
        return 0; /* a NUL would cut the text of others */
    }
    return add_line(h, line, len);
}

/* The table with its text behind it and spare bytes behind that, in one block. NULL: out of memory.
 */
static covey_http_header *make_table(const struct cvy_http_lines *l, size_t spare)
{
    size_t table = l->count * sizeof(covey_http_header);
    char *block = malloc(table + l->text.len + spare);
    if (!block) {
        return NULL;
    }
    covey_http_header *headers = (covey_http_header *)(void *)block;
    char *text = block + table;

    if (l->text.len > 0) {
        memcpy(text, l->text.data, l->text.len);
    }
    for (size_t i = 0; i < l->count; i++) {
        headers[i].name = text;
        text += strlen(text) + 1;
        headers[i].value = text;
        text += strlen(text) + 1;
    }
    return headers;
}

int cvy_http_head_export(const struct cvy_http_head *h, const char *url, covey_http_response *resp)
{
    size_t url_len = url ? strlen(url) : 0;
    covey_http_header *headers = make_table(&h->headers, url_len + 1);
    if (!headers) {
        return -ENOMEM;
    }
    char *shown = (char *)(headers + h->headers.count) + h->headers.text.len;

    if (url_len > 0) {
        memcpy(shown, url, url_len);
    }
    shown[url_len] = '\0';
    resp->owned = headers;
    resp->headers = headers;
    resp->header_count = h->headers.count;
    resp->effective_url = shown;
    resp->status = h->status;
    return 0;
}

int cvy_http_head_export_trailers(const struct cvy_http_head *h, covey_http_response *resp)
{
    if (h->trailers.count == 0) {
        return 0;
    }
    resp->trailers = make_table(&h->trailers, 0);
    resp->trailer_count = resp->trailers ? h->trailers.count : 0;
    return resp->trailers ? 0 : -ENOMEM;
}

static void reset(struct cvy_http_head *h, size_t kept)
{
    struct cvy_http_buffer headers = h->headers.text, trailers = h->trailers.text;

    cvy_http_buffer_reset(&headers, kept);
    cvy_http_buffer_reset(&trailers, 0); /* few have some */
    *h = (struct cvy_http_head){.headers.text = headers, .trailers.text = trailers};
}

void cvy_http_head_reset(struct cvy_http_head *h)
{
    reset(h, TEXT_KEPT);
}

void cvy_http_head_fini(struct cvy_http_head *h)
{
    reset(h, 0);
}
