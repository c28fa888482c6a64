/* SPDX-License-Identifier: MIT
 * top_source.h - asks a debug server (covey_debug_serve) over TCP or a Unix socket. */
#ifndef CVY_TOOLS_TOP_SOURCE_H
#define CVY_TOOLS_TOP_SOURCE_H

#include <covey.h>

struct cvy_top_source {
    char addr[256]; /* as in covey/net.h */
    char host[256]; /* for the Host header */
};

/* "http://127.0.0.1:6060", what may follow; "127.0.0.1:6060"; "unix:///run/x.sock", "unix://@name",
 * or a socket's path. False: it is none of these. */
bool cvy_top_source_parse(struct cvy_top_source *s, const char *text);
/* The answer's body, malloc'd, and followed by a zero byte. 0, or a code with a message; an answer
 * that is no success is -EPROTO, and without a byte for so long it is COVEY_EDEADLINE. May switch.
 */
int cvy_top_source_get(covey_ctx *ctx, const struct cvy_top_source *s, const char *target,
                       int64_t patience_ns, char **body, size_t *len);

#endif
