/* SPDX-License-Identifier: MIT
 * h2_fields.c - the head of a response as nghttp2 wants it: from the lines that a handler has set.
 */
#include "http/h2_conn.h"
#include "http/number.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static nghttp2_nv field(const char *name, size_t name_len, const char *value, size_t value_len)
{
    return (nghttp2_nv){(uint8_t *)name, (uint8_t *)value, name_len, value_len,
                        NGHTTP2_NV_FLAG_NONE};
}

/* Its digits stand before end. */
static void add_number(struct cvy_h2_fields *f, const char *name, uint64_t n, char *end)
{
    const char *at = cvy_http_digits(end, n, 10);

    f->list[f->count++] = field(name, strlen(name), at, (size_t)(end - at));
}

/* What has no place here (RFC 9113, 8.2.2). */
static bool is_of_connection(const char *name, size_t len)
{
    static const char *const names[] = {"keep-alive", "proxy-connection", "upgrade"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strlen(names[i]) == len && memcmp(names[i], name, len) == 0) {
            return true;
        }
    }
    return false;
}

/* Lines of HTTP/1, whose names become small letters where they stand. */
static void add_lines(struct cvy_h2_fields *f, struct cvy_http_buffer *lines)
{
    char *at = lines->data, *end = lines->len > 0 ? at + lines->len : at;

    while (at < end) {
        char *colon = memchr(at, ':', (size_t)(end - at));
        char *next = (char *)memchr(colon, '\n', (size_t)(end - colon)) + 1;
        for (char *c = at; c < colon; c++) {
            *c = (char)tolower((unsigned char)*c);
        }
        if (!is_of_connection(at, (size_t)(colon - at))) {
            f->list[f->count++] =
                field(at, (size_t)(colon - at), colon + 2, (size_t)(next - 2 - (colon + 2)));
        }
        at = next;
    }
}

static size_t count_lines(const struct cvy_http_buffer *lines)
{
    size_t n = 0;

    for (size_t i = 0; i < lines->len; i++) {
        n += lines->data[i] == '\n';
    }
    return n;
}

/* Room for lines and more. */
static bool begin(struct cvy_h2_fields *f, const struct cvy_http_buffer *lines, size_t more)
{
    size_t most = count_lines(lines) + more;

    f->count = 0;
    f->list = most > CVY_H2_FIELDS_FEW ? calloc(most, sizeof(*f->list)) : f->few;
    return f->list != NULL;
}

bool cvy_h2_fields_make(struct cvy_h2_fields *f, struct cvy_http_exchange *x)
{
    covey_http_writer *w = &x->writer;

    if (!begin(f, &w->fields, 3)) {
        return false;
    }
    add_number(f, ":status", (uint64_t)w->status, f->status + sizeof(f->status));
    if (!w->has_date) {
        const char *date = cvy_http_conn_date(x->conn) + strlen("Date: ");
        f->list[f->count++] = field("date", 4, date, strlen(date) - 2);
    }
    if (w->says_length) {
        add_number(f, "content-length", w->said, f->length + sizeof(f->length));
    }
    add_lines(f, &w->fields);
    return true;
}

bool cvy_h2_fields_make_trailers(struct cvy_h2_fields *f, covey_http_writer *w)
{
    if (!begin(f, &w->trailers, 0)) {
        return false;
    }
    add_lines(f, &w->trailers);
    return true;
}

void cvy_h2_fields_free(struct cvy_h2_fields *f)
{
    if (f->list != f->few) {
        free(f->list);
    }
}
