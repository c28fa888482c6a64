/* SPDX-License-Identifier: MIT
 * target.c - the path and the query that a request names. */
#include "http/exchange.h"

#include <covey/error.h>

#include <string.h>

static int hex(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

ssize_t cvy_http_decode(char *out, const char *in, size_t len, bool is_query)
{
    size_t n = 0;

    for (size_t i = 0; i < len; i++) {
        char c = in[i];
        if (c == '%') {
            int high = i + 1 < len ? hex(in[i + 1]) : -1, low = i + 2 < len ? hex(in[i + 2]) : -1;
            if (high < 0 || low < 0 || (high | low) == 0) {
                return -EINVAL;
            }
            c = (char)(16 * high + low);
            i += 2;
        } else if (c == '+' && is_query) {
            c = ' ';
        }
        out[n++] = c;
    }
    return (ssize_t)n;
}

/* ---- the host ---- */

static size_t name_len(const char *text)
{
    static const char others[] = "-._~!$&'()*+;=";
    size_t n = 0;

    for (;;) {
        char c = text[n];
        if (c == '%' && hex(text[n + 1]) >= 0 && hex(text[n + 2]) >= 0) {
            n += 3;
        } else if ((c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') ||
                   (c && strchr(others, c))) {
            n++;
        } else {
            return n;
        }
    }
}

/* "[::1]" */
static size_t literal_len(const char *text)
{
    size_t n = 1 + strspn(text + 1, "0123456789abcdefABCDEF:.");

    return n > 1 && text[n] == ']' ? n + 1 : 0;
}

bool cvy_http_is_authority(const char *text)
{
    size_t len = *text == '[' ? literal_len(text) : name_len(text);

    if (text[len] == ':' && len > 0) {
        len += 1 + strspn(text + len + 1, "0123456789");
    }
    return text[len] == '\0';
}

/* ---- the path ---- */

int cvy_http_exchange_set_path(struct cvy_http_exchange *x, const char *path, size_t spare)
{
    size_t len = strcspn(path, "?");

    x->req.query = path[len] ? path + len + 1 : "";
    x->raw_path = len > 0 ? path : "/";
    x->raw_len = len > 0 ? len : 1;
    /* Once for the path, and once for as many parameters as there may be. */
    if (cvy_http_buffer_reserve(&x->text, 2 * (x->raw_len + 1) + CVY_HTTP_PARAMS_MAX + spare) < 0) {
        return 503;
    }
    ssize_t n = cvy_http_decode(x->text.data, x->raw_path, x->raw_len, false);
    if (n < 0) {
        return 400;
    }
    x->text.data[n] = '\0';
    x->text.len = (size_t)n + 1;
    x->req.path = x->text.data;
    return 0;
}
