/* SPDX-License-Identifier: MIT
 * output.h - writing to a descriptor that somebody else may read slowly, under a context.
 *
 * A pipe, a terminal or a socket is waited for and then given no more than surely fits, so neither
 * the thread nor a cancelled task gets stuck. A regular file is just written. */
#ifndef CVY_TOOLS_OUTPUT_H
#define CVY_TOOLS_OUTPUT_H

#include <covey.h>

struct cvy_output {
    int fd;
    const char *name; /* for messages */
    bool is_file;     /* it never makes one wait; found out at the first write */
};

/* All of it. 0, or a code with a message: -EPIPE if the reader is gone, -ENOSPC, of ctx. May
 * switch. */
int cvy_output_write(covey_ctx *ctx, struct cvy_output *out, const void *data, size_t len);

#endif
