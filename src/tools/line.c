/* SPDX-License-Identifier: MIT
 * line.c - see line.h. */
#include "tools/line.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CAP_MIN 256u

void cvy_line_fini(struct cvy_line *l)
{
    free(l->data);
    *l = (struct cvy_line){0};
}

void cvy_line_clear(struct cvy_line *l)
{
    l->len = 0;
    l->is_broken = false;
    if (l->data) {
        l->data[0] = '\0';
    }
}

static bool reserve(struct cvy_line *l, size_t more)
{
    if (l->is_broken) {
        return false;
    }
    if (l->len + more + 1 > l->cap) {
        size_t cap = l->cap ? 2 * l->cap : CAP_MIN;
        cap = cap < l->len + more + 1 ? l->len + more + 1 : cap;
        char *data = realloc(l->data, cap);
        if (!data) {
            l->is_broken = true;
            return false;
        }
        l->data = data;
        l->cap = cap;
    }
    return true;
}

static void append(struct cvy_line *l, const char *data, size_t len)
{
    if (reserve(l, len)) {
        memcpy(l->data + l->len, data, len);
        l->len += len;
        l->data[l->len] = '\0';
    }
}

void cvy_line_printf(struct cvy_line *l, const char *fmt, ...)
{
    va_list args, again;

    va_start(args, fmt);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, fmt, args);
    if (len >= 0 && reserve(l, (size_t)len)) {
        (void)vsnprintf(l->data + l->len, (size_t)len + 1, fmt, again);
        l->len += (size_t)len;
    }
    va_end(again);
    va_end(args);
}

size_t cvy_line_sequence_at(const char *text)
{
    const unsigned char *s = (const unsigned char *)text;
    size_t len = s[0] < 0x80                   ? 1
                 : s[0] >= 0xc2 && s[0] < 0xe0 ? 2
                 : s[0] >= 0xe0 && s[0] < 0xf0 ? 3
                 : s[0] >= 0xf0 && s[0] < 0xf5 ? 4
                                               : 0;

    for (size_t i = 1; i < len; i++) {
        if ((s[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    bool is_bad = (s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
                  (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f);
    return is_bad ? 0 : len;
}

void cvy_line_json(struct cvy_line *l, const char *text)
{
    if (!text) {
        append(l, "null", 4);
        return;
    }
    append(l, "\"", 1);
    for (const char *s = text; *s;) {
        size_t len = cvy_line_sequence_at(s);
        if (len == 0) {
            append(l, "\\ufffd", 6);
            len = 1;
        } else if (*s == '"' || *s == '\\') {
            cvy_line_printf(l, "\\%c", *s);
        } else if ((unsigned char)*s < 0x20 || *s == 0x7f) {
            cvy_line_printf(l, "\\u%04x", (unsigned char)*s);
        } else {
            append(l, s, len);
        }
        s += len;
    }
    append(l, "\"", 1);
}

const char *cvy_bytes_text(double bytes, char *buf, size_t size)
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB"};
    size_t unit = 0;

    while (bytes >= 999.5 && unit + 1 < sizeof(units) / sizeof(*units)) {
        bytes /= 1000;
        unit++;
    }
    (void)snprintf(buf, size, unit == 0 || bytes >= 99.95 ? "%.0f %s" : "%.1f %s", bytes,
                   units[unit]);
    return buf;
}

/* Also U+0080 to U+009F, which terminals take for ESC and a letter. */
static bool is_control(const unsigned char *s)
{
    return s[0] < 0x20 || s[0] == 0x7f || (s[0] == 0xc2 && s[1] < 0xa0);
}

void cvy_line_make_printable(char *text)
{
    while (*text) {
        size_t len = cvy_line_sequence_at(text);
        if (len == 0 || is_control((const unsigned char *)text)) {
            len = len ? len : 1;
            memset(text, '?', len);
        }
        text += len;
    }
}
