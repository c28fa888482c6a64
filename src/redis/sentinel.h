/* SPDX-License-Identifier: MIT
 * sentinel.h - where the master is that sentinels watch over: asked of them for each connection. */
#ifndef CVY_REDIS_SENTINEL_H
#define CVY_REDIS_SENTINEL_H

#include "redis/wire.h"

/* Asks one sentinel after the other, until one knows it. *master is the caller's:
 * cvy_redis_place_fini(). -ENOENT: none does. */
int cvy_redis_sentinel_find(covey_ctx *ctx, const struct cvy_redis_config *config,
                            struct cvy_redis_place *master);
/* Whether who was found there is a master, or a replica that is to be one, or was: -ENOTCONN. */
int cvy_redis_sentinel_check(covey_ctx *ctx, struct cvy_redis_wire *wire,
                             const struct cvy_redis_place *found);

#endif
