/* SPDX-License-Identifier: MIT
 * file.h - a file below a folder, opened to be served. */
#ifndef CVY_HTTP_FILE_H
#define CVY_HTTP_FILE_H

#include "http/date.h"

#include <covey.h>

struct cvy_http_file {
    int fd;
    int64_t size;
    time_t modified;
    char etag[48], date[CVY_HTTP_DATE_SIZE];
};

/* Opens name, which cannot leave root: each segment is opened in the directory before it, "." and
 * ".." are refused, and symbolic links are not followed. A regular file, or -ENOENT, -ENOTDIR,
 * -ELOOP, -ENAMETOOLONG (there is none); another code. Off the workers. May switch. */
int cvy_http_file_open(covey_ctx *ctx, struct cvy_http_file *f, const char *root, const char *name);
/* Up to len bytes from at on: what is in memory at once, else off the workers. -EIO: it has become
 * shorter. May switch. */
ssize_t cvy_http_file_read(covey_ctx *ctx, const struct cvy_http_file *f, void *buf, size_t len,
                           int64_t at);
void cvy_http_file_close(struct cvy_http_file *f);

#endif
