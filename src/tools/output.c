/* SPDX-License-Identifier: MIT
 * output.c - see output.h. */
#include "tools/output.h"

#include <limits.h>
#include <unistd.h>

int cvy_output_write(covey_ctx *ctx, struct cvy_output *out, const void *data, size_t len)
{
    const char *at = data;

    while (len > 0) {
        size_t piece = len;
        if (!out->is_file) {
            int code = covey_wait_fd(ctx, out->fd, COVEY_FD_WRITE);
            out->is_file = code == -EPERM;
            if (code < 0 && !out->is_file) {
                return covey_wrapf(code, "%s", out->name);
            }
            /* What poll() promises of a pipe. */
            piece = out->is_file || len < PIPE_BUF ? len : PIPE_BUF;
        }
        ssize_t n = write(out->fd, at, piece);
        if (n < 0) {
            int code = -errno;
            if (code == -EINTR || code == COVEY_EAGAIN) {
                continue;
            }
            return covey_errorf(code, "%s: %s", out->name,
                                code == -EPIPE ? "nobody reads it any more" : covey_strerror(code));
        }
        at += n;
        len -= (size_t)n;
    }
    return 0;
}
