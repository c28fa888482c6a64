/* SPDX-License-Identifier: MIT
 * no_redis.c - stands in for redis.c where libcovey-redis is not built. */
#include "service.h"

int redis_open(covey_ctx *ctx, struct service *s, const covey_redlock_options *lease,
               const covey_fanout_timing *timing)
{
    (void)ctx;
    (void)s;
    (void)lease;
    (void)timing;
    return covey_errorf(-ENOTSUP, "redis: this program was built without it");
}

void redis_close(struct redis *r)
{
    (void)r;
}
