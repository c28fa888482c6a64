/* SPDX-License-Identifier: MIT
 * link_reader.h - what the two tasks of a link need of each other. */
#ifndef CVY_REDIS_LINK_READER_H
#define CVY_REDIS_LINK_READER_H

#include "redis/client.h"

/* Reads the link's connection and ends requests, until it is over. */
int cvy_redis_link_read(covey_ctx *ctx, void *arg);

/* The connection is over, with this code and the task's message (words); the first says why. */
void cvy_redis_link_die(struct cvy_redis_link *l, int code);
void cvy_redis_link_die_locked(struct cvy_redis_link *l, int code, const char *words);

/* Lets the callers of requests that have ended go on. */
void cvy_redis_link_release(struct cvy_redis_link *l, struct cvy_redis_requests *ended);

#endif
