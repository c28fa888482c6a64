/* SPDX-License-Identifier: MIT
 * gzip.c - see gzip.h; by zlib. */
#include "http/gzip.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <zlib.h>

#define ROOM 4096 /* in out, for one step */
#define GZIP_WINDOW (15 + 16)
#define MEMORY 8

const bool cvy_gzip_is_built = true;

struct cvy_gzip {
    z_stream stream;
};

struct cvy_gzip *cvy_gzip_new(int level)
{
    struct cvy_gzip *z = calloc(1, sizeof(*z));

    if (z && deflateInit2(&z->stream, level, Z_DEFLATED, GZIP_WINDOW, MEMORY, Z_DEFAULT_STRATEGY) !=
                 Z_OK) {
        free(z);
        z = NULL;
    }
    return z;
}

void cvy_gzip_free(struct cvy_gzip *z)
{
    if (z) {
        (void)deflateEnd(&z->stream);
        free(z);
    }
}

/* One step, into ROOM bytes of out. Whether there may be more; or -ENOMEM. */
static int step(z_stream *s, int flush, struct cvy_http_buffer *out)
{
    size_t cap = out->len + ROOM > out->cap ? 2 * out->cap + ROOM : out->cap;

    if (cvy_http_buffer_reserve(out, cap) < 0) {
        return -ENOMEM;
    }
    s->next_out = (Bytef *)out->data + out->len;
    s->avail_out = ROOM;
    (void)deflate(s, flush); /* Z_BUF_ERROR: there was nothing to do */
    out->len += ROOM - s->avail_out;
    return s->avail_out == 0;
}

static int add_some(struct cvy_gzip *z, const char *data, size_t len, int flush,
                    struct cvy_http_buffer *out)
{
    int code = 1;

    z->stream.next_in = (Bytef *)data;
    z->stream.avail_in = (uInt)len;
    while (code > 0) {
        code = step(&z->stream, flush, out);
    }
    return code;
}

int cvy_gzip_add(struct cvy_gzip *z, const void *data, size_t len, enum cvy_gzip_end end,
                 struct cvy_http_buffer *out)
{
    static const int flushes[] = {
        [CVY_GZIP_MORE] = Z_NO_FLUSH, [CVY_GZIP_FLUSH] = Z_SYNC_FLUSH, [CVY_GZIP_LAST] = Z_FINISH};

    for (; len > INT_MAX; len -= INT_MAX, data = (const char *)data + INT_MAX) {
        if (add_some(z, data, INT_MAX, Z_NO_FLUSH, out) < 0) {
            return -ENOMEM;
        }
    }
    return add_some(z, data, len, flushes[end], out);
}
