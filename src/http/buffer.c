/* SPDX-License-Identifier: MIT
 * buffer.c - see buffer.h. */
#include "http/buffer.h"

#include <covey/error.h>

#include <stdlib.h>
#include <string.h>

#define CAP_MIN 256u

int cvy_http_buffer_reserve(struct cvy_http_buffer *b, size_t len)
{
    if (len <= b->cap && b->data) {
        return 0;
    }
    char *data = len < SIZE_MAX ? realloc(b->data, len + 1) : NULL;
    if (!data) {
        return -ENOMEM;
    }
    b->data = data;
    b->cap = len;
    return 0;
}

int cvy_http_buffer_append(struct cvy_http_buffer *b, const void *data, size_t len, size_t max)
{
    if (len > max || b->len > max - len) {
        return COVEY_ETOOLARGE;
    }
    size_t need = b->len + len;
    if (need > b->cap || !b->data) {
        size_t cap = b->cap > max / 2 ? max : 2 * b->cap;
        cap = cap < CAP_MIN ? CAP_MIN : cap;
        int code = cvy_http_buffer_reserve(b, need > cap ? need : cap);
        if (code < 0) {
            return code;
        }
    }
    if (len > 0) {
        memcpy(b->data + b->len, data, len);
    }
    b->len = need;
    return 0;
}

void cvy_http_buffer_reset(struct cvy_http_buffer *b, size_t keep)
{
    if (b->cap > keep) {
        free(b->data);
        b->data = NULL;
        b->cap = 0;
    }
    b->len = 0;
}
