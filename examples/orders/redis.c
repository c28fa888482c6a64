/* SPDX-License-Identifier: MIT
 * redis.c - leases over all the Redis servers of the configuration (an odd number of them, on
 * machines of their own), and jobs on the first.
 *
 * A lease needs a majority of the servers. So they are opened lazily: one may be down when the
 * service begins, and come later. */
#include "service.h"

#include <covey/redis.h>
#include <covey/redis_fanout.h>

#include <stdlib.h>

struct redis {
    covey_redis *servers[COVEY_REDLOCK_NODES_MAX];
    int n;
};

int redis_open(covey_ctx *ctx, struct service *s, const covey_redlock_options *lease,
               const covey_fanout_timing *timing)
{
    const covey_redis_options lazy = {.lazy = true};

    s->redis = calloc(1, sizeof(*s->redis));
    if (!s->redis) {
        return covey_errorf(-ENOMEM, "out of memory");
    }
    struct redis *r = s->redis;
    r->n = covey_redis_open_list(ctx, r->servers, COVEY_REDLOCK_NODES_MAX, s->config->redis_urls,
                                 &lazy);
    if (r->n < 0) {
        return r->n;
    }
    s->users = covey_redlock_new(r->servers, (size_t)r->n, lease);
    s->engine = covey_redis_fanout(r->servers[0], timing);
    return 0;
}

void redis_close(struct redis *r)
{
    for (int i = 0; r && i < r->n; i++) {
        covey_redis_close(r->servers[i]);
    }
    free(r);
}
