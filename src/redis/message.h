/* SPDX-License-Identifier: MIT
 * message.h - what a subscription's connection brings: pushes, some of which are messages. */
#ifndef CVY_REDIS_MESSAGE_H
#define CVY_REDIS_MESSAGE_H

#include <covey/redis.h>

/* Whether an array's first element is this word. */
bool cvy_redis_opens_with(const covey_redis_reply *push, const char *word);
bool cvy_redis_is_message(const covey_redis_reply *push);
/* The message in it; a gap. Owned; NULL: out of memory. */
covey_redis_message *cvy_redis_message_of(const covey_redis_reply *push);
covey_redis_message *cvy_redis_message_gap(void);

#endif
