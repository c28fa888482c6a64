/* SPDX-License-Identifier: MIT
 * server_respondf.c - whole responses of formatted text. */
#include "http/exchange.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

int covey_http_respondf(covey_ctx *ctx, covey_http_writer *w, int status, const char *fmt, ...)
{
    static const char type[] = "text/plain; charset=utf-8";
    char small[256], *text = small;
    va_list args;

    va_start(args, fmt);
    int len = vsnprintf(small, sizeof(small), fmt, args);
    va_end(args);
    if (len >= (int)sizeof(small)) {
        text = malloc((size_t)len + 1);
        if (!text) {
            return -ENOMEM;
        }
        va_start(args, fmt);
        (void)vsnprintf(text, (size_t)len + 1, fmt, args);
        va_end(args);
    }
    int code = len < 0 ? -EINVAL : covey_http_respond(ctx, w, status, type, text, (size_t)len);
    if (text != small) {
        free(text);
    }
    return code;
}
