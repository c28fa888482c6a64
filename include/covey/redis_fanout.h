/* SPDX-License-Identifier: MIT
 * covey/redis_fanout.h - the engine of distributed groups (covey/fanout.h) on Redis Streams, for
 * coordinators and workers in different processes and hosts (library libcovey-redis).
 *
 * Redis 6.2 or later. Everything stands under "covey:fanout:{queue}", and all of it has a time to
 * live: a fan-out whose coordinator was killed is gone dead_ns later, its place in the queue after
 * twice that. A fan-out that has ended has left nothing, nor has a worker. (docs/design/0022 names
 * the keys.)
 *
 * Each step is one script, so a Redis that was interrupted has made it or not. What Redis forgets
 * is lost: after a restart without its data, or FLUSHALL, fan-outs end with COVEY_ELOST. A server
 * that was stopped for dead_ns or more finds them expired. With a replica that takes over, the last
 * steps may be missing; a job may then be run again, or be lost with its fan-out. */
#ifndef COVEY_REDIS_FANOUT_H
#define COVEY_REDIS_FANOUT_H

#include <covey/fanout.h>
#include <covey/redis.h>

COVEY_BEGIN

/* Owned: covey_fanout_engine_free(), before r is closed, which is borrowed. Each fan-out and each
 * worker takes one more connection of r (covey_redis_own()), to wait on; the rest goes over the
 * shared ones, in replies of up to 33 MiB (options.max_reply). timing is borrowed, NULL: the
 * defaults; at least a millisecond each. NULL: out of memory, or timing out of range. Does not
 * switch. */
COVEY_API covey_fanout_engine *covey_redis_fanout(covey_redis *r,
                                                  const covey_fanout_timing *timing);

COVEY_END
#endif
