/* SPDX-License-Identifier: MIT
 * file.c - see file.h. */
#define _GNU_SOURCE
#include "http/file.h"

#include <covey/error.h>

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define SEGMENT_MAX 255

/* ---- opening ---- */

static bool is_plain(const char *segment, size_t len)
{
    return len > 0 && len <= SEGMENT_MAX && !(len == 1 && segment[0] == '.') &&
           !(len == 2 && segment[0] == '.' && segment[1] == '.');
}

/* The descriptor of name under root, or -errno. */
static int open_beneath(const char *root, const char *name)
{
    int dir = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);

    name += strspn(name, "/");
    while (dir >= 0) {
        char segment[SEGMENT_MAX + 1];
        size_t len = strcspn(name, "/");
        bool is_last = name[len] == '\0';
        int flags = is_last ? O_RDONLY | O_NONBLOCK : O_PATH | O_DIRECTORY;
        if (!is_plain(name, len)) {
            (void)close(dir);
            return -ENOENT;
        }
        memcpy(segment, name, len);
        segment[len] = '\0';
        int next = openat(dir, segment, flags | O_NOFOLLOW | O_CLOEXEC);
        int code = -errno;
        (void)close(dir);
        if (is_last || next < 0) {
            return next < 0 ? code : next;
        }
        dir = next;
        name += len + 1;
    }
    return -errno;
}

/* What is to be opened. */
struct opening {
    struct cvy_http_file *file;
    const char *root, *name;
};

static int open_blocking(covey_ctx *ctx, void *arg)
{
    const struct opening *o = arg;
    struct cvy_http_file *f = o->file;
    struct stat st;

    (void)ctx;
    f->fd = open_beneath(o->root, o->name);
    if (f->fd < 0) {
        return f->fd;
    }
    if (fstat(f->fd, &st) < 0 || !S_ISREG(st.st_mode)) {
        cvy_http_file_close(f);
        return -ENOENT;
    }
    f->size = st.st_size;
    f->modified = st.st_mtim.tv_sec;
    (void)snprintf(f->etag, sizeof(f->etag), "\"%llx.%lx-%llx\"",
                   (unsigned long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec,
                   (unsigned long long)st.st_size);
    cvy_http_date_write(f->date, f->modified);
    return 0;
}

int cvy_http_file_open(covey_ctx *ctx, struct cvy_http_file *f, const char *root, const char *name)
{
    struct opening o = {f, root, name};

    return covey_blocking(ctx, open_blocking, &o);
}

void cvy_http_file_close(struct cvy_http_file *f)
{
    (void)close(f->fd);
}

/* ---- reading ---- */

struct reading {
    int fd;
    void *buf;
    size_t len;
    int64_t at;
    ssize_t got;
};

static int read_blocking(covey_ctx *ctx, void *arg)
{
    struct reading *r = arg;

    (void)ctx;
    r->got = pread(r->fd, r->buf, r->len, r->at);
    return r->got < 0 ? -errno : 0;
}

ssize_t cvy_http_file_read(covey_ctx *ctx, const struct cvy_http_file *f, void *buf, size_t len,
                           int64_t at)
{
    struct iovec iov = {buf, len};
    struct reading r = {f->fd, buf, len, at, preadv2(f->fd, &iov, 1, at, RWF_NOWAIT)};

    if (r.got <= 0) {
        int code = covey_blocking(ctx, read_blocking, &r);
        if (code < 0) {
            return code;
        }
    }
    return r.got > 0 ? r.got : covey_errorf(-EIO, "serve a file: it has become shorter");
}
