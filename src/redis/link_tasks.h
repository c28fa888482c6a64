/* SPDX-License-Identifier: MIT
 * link_tasks.h - what the two tasks of a link, and its end, need of each other. */
#ifndef CVY_REDIS_LINK_TASKS_H
#define CVY_REDIS_LINK_TASKS_H

#include "redis/client.h"

/* Until there is something to send. A code: life is over; 1: the connection is dead. */
int cvy_redis_link_wait(struct cvy_redis_link *l);
/* Writes until the connection or life is over. */
void cvy_redis_link_write(struct cvy_redis_link *l, struct cvy_redis_wire *wire);
/* Reads the link's connection and ends requests, until it is over. */
int cvy_redis_link_read(covey_ctx *ctx, void *arg);

/* The connection is over, with this code and the task's message (words); the first says why. */
void cvy_redis_link_die(struct cvy_redis_link *l, int code);
void cvy_redis_link_die_locked(struct cvy_redis_link *l, int code, const char *words);

/* Lets the callers of requests that have ended go on. */
void cvy_redis_link_release(struct cvy_redis_link *l, struct cvy_redis_requests *ended);

#endif
