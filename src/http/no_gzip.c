/* SPDX-License-Identifier: MIT
 * no_gzip.c - in the place of gzip.c, where zlib is not: nobody asks for it then. */
#include "http/gzip.h"

#include <errno.h>

const bool cvy_gzip_is_built = false;

struct cvy_gzip *cvy_gzip_new(int level)
{
    (void)level;
    return NULL;
}

int cvy_gzip_add(struct cvy_gzip *z, const void *data, size_t len, enum cvy_gzip_end end,
                 struct cvy_http_buffer *out)
{
    (void)z;
    (void)data;
    (void)len;
    (void)end;
    (void)out;
    return -ENOMEM;
}

void cvy_gzip_free(struct cvy_gzip *z)
{
    (void)z;
}
