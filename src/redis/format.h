/* SPDX-License-Identifier: MIT
 * format.h - commands as bytes, and which of them a shared connection takes. */
#ifndef CVY_REDIS_FORMAT_H
#define CVY_REDIS_FORMAT_H

#include <covey/redis.h>

/* How many bytes a command takes. -EINVAL: it has no word; COVEY_ETOOLARGE. */
int64_t cvy_redis_format_len(const covey_redis_args *a);
/* Writes them; where they end. */
char *cvy_redis_format(char *to, const covey_redis_args *a);

/* The bytes of a command's first argument. */
struct cvy_redis_word {
    const char *at;
    size_t len;
};

struct cvy_redis_word cvy_redis_first_word(const covey_redis_args *a);
/* Of a text that hiredis has made; of one without arguments: an empty one. */
struct cvy_redis_word cvy_redis_first_word_of(const char *text);
bool cvy_redis_word_is(struct cvy_redis_word w, const char *name);
/* -EINVAL: it changes the connection for all who share it, or holds them up. */
int cvy_redis_check_shared(struct cvy_redis_word w);

#endif
