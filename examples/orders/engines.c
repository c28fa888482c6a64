/* SPDX-License-Identifier: MIT
 * engines.c - where users' leases are held and workers find their jobs: within this process by
 * default, or on Redis servers, where other processes of the service and its workers meet it.
 *
 * The calls on them are the same. In both, who is not heard of for dead_ms is taken for dead: its
 * leases run out, and its jobs are given to others. */
#include "service.h"

int engines_open(covey_ctx *ctx, struct service *s)
{
    int64_t dead_ns = s->config->dead_ms * COVEY_MS;
    const covey_redlock_options lease = {.ttl_ns = dead_ns};
    const covey_fanout_timing timing = {.beat_ns = dead_ns / 10, .dead_ns = dead_ns};

    if (s->config->redis_urls[0]) {
        int code = redis_open(ctx, s, &lease, &timing);
        if (code < 0) {
            return code;
        }
    } else {
        s->users = covey_redlock_new(NULL, 0, &lease);
        s->engine = covey_fanout_local(&timing);
    }
    return s->users && s->engine ? 0 : covey_errorf(-EINVAL, "no memory, or dead-ms too small");
}

void engines_close(struct service *s)
{
    covey_fanout_engine_free(s->engine);
    covey_redlock_free(s->users);
    redis_close(s->redis);
}
