/* SPDX-License-Identifier: MIT
 * redlock.c - lock objects. */
#include "lock/lock.h"

#include <covey/time.h>

#include <stdlib.h>
#include <string.h>

#define TTL_MIN (20 * COVEY_MS)
#define TTL_MAX (366 * 24 * 3600 * COVEY_SEC)
#define NODE_TIMEOUT_MIN (5 * COVEY_MS)
#define PREFIX "covey:lock:"

/* ---- lock objects ---- */

static int64_t or_default(int64_t given, int64_t otherwise)
{
    return given == 0 ? otherwise : given;
}

static bool set_options(covey_redlock *rl, const covey_redlock_options *opts)
{
    covey_redlock_options *o = &rl->options;

    if (opts) {
        *o = *opts;
    }
    o->ttl_ns = or_default(o->ttl_ns, COVEY_REDLOCK_TTL_NS);
    int64_t share = o->ttl_ns / 50;
    o->node_timeout_ns =
        or_default(o->node_timeout_ns, share > NODE_TIMEOUT_MIN ? share : NODE_TIMEOUT_MIN);
    o->extend_every_ns = or_default(o->extend_every_ns, o->ttl_ns / 3);
    o->retry = (covey_backoff){
        .base_ns = or_default(o->retry.base_ns, o->node_timeout_ns),
        .cap_ns = or_default(o->retry.cap_ns, o->ttl_ns / 2),
        .factor = o->retry.factor,
        .max_tries = o->retry.max_tries ? o->retry.max_tries : COVEY_RETRY_UNLIMITED,
        .max_elapsed_ns = o->retry.max_elapsed_ns,
        .budget = o->retry.budget,
    };
    rl->drift_ns = o->ttl_ns / 100 + 2 * COVEY_MS;
    o->prefix = strdup(o->prefix ? o->prefix : PREFIX);
    return o->prefix && o->ttl_ns >= TTL_MIN && o->ttl_ns <= TTL_MAX && o->node_timeout_ns > 0 &&
           o->node_timeout_ns < o->ttl_ns && o->extend_every_ns < o->ttl_ns - rl->drift_ns &&
           o->max_ns >= 0;
}

covey_redlock *covey_redlock_new_on(covey_redlock_node **nodes, size_t n,
                                    const covey_redlock_options *opts)
{
    covey_redlock *rl = n > 0 && n <= COVEY_REDLOCK_NODES_MAX ? calloc(1, sizeof(*rl)) : NULL;

    if (!rl) {
        return NULL;
    }
    rl->n = n;
    rl->quorum = n / 2 + 1;
    rl->nodes = calloc(n, sizeof(void *));
    if (!set_options(rl, opts) || !rl->nodes) {
        covey_redlock_free(rl);
        return NULL;
    }
    memcpy(rl->nodes, nodes, n * sizeof(void *));
    return rl;
}

covey_redlock *covey_redlock_new(covey_redis **nodes, size_t n, const covey_redlock_options *opts)
{
    covey_redlock_node *list[COVEY_REDLOCK_NODES_MAX];

    for (size_t i = 0; i < n && i < COVEY_REDLOCK_NODES_MAX; i++) {
        list[i] = (covey_redlock_node *)nodes[i]; /* what a handle begins with */
    }
    if (n > 0) {
        return covey_redlock_new_on(list, n, opts);
    }
    list[0] = cvy_lock_local_new();
    covey_redlock *rl = list[0] ? covey_redlock_new_on(list, 1, opts) : NULL;
    if (rl) {
        rl->local = list[0];
    } else {
        cvy_lock_local_free(list[0]);
    }
    return rl;
}

void covey_redlock_free(covey_redlock *rl)
{
    if (rl) {
        cvy_lock_local_free(rl->local);
        free((char *)rl->options.prefix);
        free(rl->nodes);
        free(rl);
    }
}

int64_t cvy_lock_valid_until(const covey_redlock *rl, int64_t begun)
{
    return begun + rl->options.ttl_ns - rl->drift_ns;
}
