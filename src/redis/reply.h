/* SPDX-License-Identifier: MIT
 * reply.h - replies as hiredis' reader finds them, each in memory of its own that goes as a whole.
 *
 * A root holds the reply that the user sees and the pieces of memory that it points to. While one
 * is being read it belongs to the builder; what is read is bounded by the builder's max. */
#ifndef CVY_REDIS_REPLY_H
#define CVY_REDIS_REPLY_H

#include <covey/redis.h>

#include <hiredis/read.h>
#include <stdalign.h>

struct cvy_redis_chunk;

struct cvy_redis_root {
    covey_redis_reply reply; /* first: the user's pointer is the root's */
    struct cvy_redis_chunk *chunks;
    struct cvy_redis_root *parts; /* of a batch's reply: those of its commands, by next */
    struct cvy_redis_root *next;
    size_t used; /* bytes handed out, against max */
    size_t room; /* of inside that is left: a small reply is one allocation */
    alignas(max_align_t) char inside[];
};

/* A reader's privdata. */
struct cvy_redis_builder {
    struct cvy_redis_root *root; /* of the reply that is being read; NULL: between two */
    size_t max;
    int code; /* why reading stopped: COVEY_ETOOLARGE, -ENOMEM, COVEY_EPROTO; 0: hiredis knows */
};

extern redisReplyObjectFunctions cvy_redis_reply_functions;

void cvy_redis_root_free(struct cvy_redis_root *root); /* NULL is allowed */
/* An array of the n roots of this list, which it takes in any case. NULL: out of memory. */
struct cvy_redis_root *cvy_redis_root_gather(struct cvy_redis_root *parts, size_t n);
/* The code, with the server's words, if this is a refusal; else 0. */
int cvy_redis_refusal(const covey_redis_reply *reply);

#endif
