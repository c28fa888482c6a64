/* SPDX-License-Identifier: MIT
 * redis_reply_fuzz.c - what a server may send, through hiredis' reader into replies of covey's.
 * fuzz-layer: redis
 *
 * Whatever comes, in whatever pieces: replies are whole, within the limit, and all given back. The
 * first byte says how large the pieces are. */
#include "fuzz.h"

#include "redis/reply.h"

#define LIMIT 4096

static size_t walk(const covey_redis_reply *r)
{
    size_t bytes = 0;

    switch (r->type) {
    case COVEY_REDIS_STRING:
    case COVEY_REDIS_STATUS:
    case COVEY_REDIS_ERROR:
        MUST(r->text[r->len] == '\0');
        bytes = r->len;
        break;
    case COVEY_REDIS_ARRAY:
        for (size_t i = 0; i < r->count; i++) {
            bytes += sizeof(*r) + walk(&r->elements[i]);
        }
        break;
    default:
        break;
    }
    return bytes;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cvy_redis_builder b = {.max = LIMIT};
    redisReader *reader = redisReaderCreateWithFunctions(&cvy_redis_reply_functions);
    size_t piece = size > 0 ? 1 + data[0] : 1;
    int code = REDIS_OK;

    MUST(reader);
    reader->privdata = &b;
    for (size_t at = 1; at < size && code == REDIS_OK; at += piece) {
        size_t len = size - at < piece ? size - at : piece;
        void *object = NULL;
        MUST(redisReaderFeed(reader, (const char *)data + at, len) == REDIS_OK);
        while ((code = redisReaderGetReply(reader, &object)) == REDIS_OK && object) {
            b.root = NULL;
            MUST(walk(object) <= LIMIT);
            covey_redis_reply_free(object);
        }
    }
    redisReaderFree(reader);
    cvy_redis_root_free(b.root);
    return 0;
}
