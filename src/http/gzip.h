/* SPDX-License-Identifier: MIT
 * gzip.h - a stream that is compressed as it comes, if zlib was there (gzip.c; else no_gzip.c). */
#ifndef CVY_HTTP_GZIP_H
#define CVY_HTTP_GZIP_H

#include "http/buffer.h"

#include <stdbool.h>

extern const bool cvy_gzip_is_built;

struct cvy_gzip;

enum cvy_gzip_end {
    CVY_GZIP_MORE,
    CVY_GZIP_FLUSH, /* what was added so far can be read */
    CVY_GZIP_LAST,
};

/* level: 1 ... 9. NULL: out of memory. */
struct cvy_gzip *cvy_gzip_new(int level);
/* Appends to out what data comes to. 0 or -ENOMEM, which is for good. */
int cvy_gzip_add(struct cvy_gzip *z, const void *data, size_t len, enum cvy_gzip_end end,
                 struct cvy_http_buffer *out);
void cvy_gzip_free(struct cvy_gzip *z); /* NULL is allowed */

#endif
