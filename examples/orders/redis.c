/* SPDX-License-Identifier: MIT
 * redis.c - leases over all the Redis servers of the configuration (an odd number of them, on
 * machines of their own), and jobs on the first.
 *
 * A lease needs a majority of the servers. So they are opened lazily: one may be down when the
 * service begins, and come later. */
#include "service.h"

#include <covey/redis.h>
#include <covey/redis_fanout.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct redis {
    covey_redis *servers[COVEY_REDLOCK_NODES_MAX];
    size_t n;
};

static int open_servers(covey_ctx *ctx, struct redis *r, const char *urls)
{
    const covey_redis_options lazy = {.lazy = true};
    char url[256];

    for (const char *at = urls; *at; at += strspn(at, ",")) {
        int len = (int)strcspn(at, ",");
        if (r->n == COVEY_REDLOCK_NODES_MAX || len >= (int)sizeof(url)) {
            return covey_errorf(-EINVAL, "redis: too many servers, or too long a URL");
        }
        snprintf(url, sizeof(url), "%.*s", len, at);
        int code = covey_redis_open(ctx, &r->servers[r->n], url, &lazy);
        if (code < 0) {
            return covey_wrapf(code, "%s", url);
        }
        r->n++;
        at += len;
    }
    return r->n > 0 ? 0 : covey_errorf(-EINVAL, "redis: no server is named");
}

int redis_open(covey_ctx *ctx, struct service *s, const covey_redlock_options *lease,
               const covey_fanout_timing *timing)
{
    s->redis = calloc(1, sizeof(*s->redis));
    if (!s->redis) {
        return covey_errorf(-ENOMEM, "out of memory");
    }
    int code = open_servers(ctx, s->redis, s->config->redis_urls);
    if (code == 0) {
        s->users = covey_redlock_new(s->redis->servers, s->redis->n, lease);
        s->engine = covey_redis_fanout(s->redis->servers[0], timing);
    }
    return code;
}

void redis_close(struct redis *r)
{
    for (size_t i = 0; r && i < r->n; i++) {
        covey_redis_close(r->servers[i]);
    }
    free(r);
}
