/* SPDX-License-Identifier: MIT
 * resolve.h - name lookup that a task can give up waiting for. */
#ifndef CVY_IO_RESOLVE_H
#define CVY_IO_RESOLVE_H

#include "sched/wait.h"

struct sockaddr_storage;

/* covey_resolve() for callers in the runtime. May switch. */
int cvy_resolve(struct cvy_thread **thp, covey_ctx *ctx, const char *host, const char *port,
                struct sockaddr_storage *addrs, size_t n);

#endif
