/* SPDX-License-Identifier: MIT
 * host_limit.h - at most so many transfers at once to one host. Hosts that nobody uses are
 * forgotten. */
#ifndef CVY_TOOLS_HOST_LIMIT_H
#define CVY_TOOLS_HOST_LIMIT_H

#include "tools/url.h"

#include <covey.h>

#define CVY_HOST_BUCKETS 1024u

struct cvy_host;

struct cvy_host_limit {
    int per_host;
    covey_mutex mutex;
    struct cvy_host *buckets[CVY_HOST_BUCKETS]; /* guarded by mutex */
};

/* Waits for one of the host's permits. *host is owned: cvy_host_release(). 0, -ENOMEM, of ctx. */
int cvy_host_acquire(covey_ctx *ctx, struct cvy_host_limit *l, struct cvy_text name,
                     struct cvy_host **host);
void cvy_host_release(struct cvy_host_limit *l, struct cvy_host *host);

#endif
