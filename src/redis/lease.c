/* SPDX-License-Identifier: MIT
 * lease.c - what a server does for leases (covey/lock.h): a script for each step, so that each is
 * atomic, and may be sent again if the connection is lost.
 *
 * KEYS[1] holds the value of whoever has the name; KEYS[2] the last token, for a day longer. A
 * token is above the last one and no lower than the time in microseconds: so one that was
 * forgotten, or lost with the server's data, is passed all the same. Up to 2^53, which Lua counts
 * to, that lasts until the year 2255. */
#include "redis/client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TOKEN_KEPT_MS "86400000"

static covey_redis_script acquire_script =
    COVEY_REDIS_SCRIPT("local held = redis.call('GET', KEYS[1])\n"
                       "if held and held ~= ARGV[1] then return false end\n"
                       "local t = redis.call('TIME')\n"
                       "local token = math.max(tonumber(redis.call('GET', KEYS[2]) or '0') + 1,\n"
                       "                       t[1] * 1000000 + t[2])\n"
                       "redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])\n"
                       "redis.call('SET', KEYS[2], string.format('%.0f', token), 'PX', ARGV[3])\n"
                       "return token\n");

static covey_redis_script extend_script =
    COVEY_REDIS_SCRIPT("local held = redis.call('GET', KEYS[1])\n"
                       "if held and held ~= ARGV[1] then return 0 end\n"
                       "redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])\n"
                       "local last = tonumber(redis.call('GET', KEYS[2]) or '0')\n"
                       "local token = math.max(last, tonumber(ARGV[4]))\n"
                       "redis.call('SET', KEYS[2], string.format('%.0f', token), 'PX', ARGV[3])\n"
                       "return 1\n");

static covey_redis_script release_script = COVEY_REDIS_SCRIPT(
    "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end\n"
    "return 0\n");

/* Runs a script for key; its integer, or a nil as *n = -1. */
static int run(covey_ctx *ctx, covey_redlock_node *node, covey_redis_script *script,
               const covey_redlock_key *key, uint64_t token, int64_t *n)
{
    size_t size = strlen(key->prefix) + strlen(key->name) + sizeof(":token");
    char *names = malloc(2 * size), ttl[24], told[24];
    covey_redis_reply *reply = NULL;

    if (!names) {
        return covey_errorf(-ENOMEM, "out of memory");
    }
    (void)snprintf(names, size, "%s%s", key->prefix, key->name);
    (void)snprintf(names + size, size, "%s%s:token", key->prefix, key->name);
    (void)snprintf(ttl, sizeof(ttl), "%lld", (long long)(key->ttl_ns / COVEY_MS));
    (void)snprintf(told, sizeof(told), "%llu", (unsigned long long)token);
    const char *argv[] = {names, names + size, key->value, ttl, TOKEN_KEPT_MS, told};
    int code = covey_redis_eval(ctx, (covey_redis *)node, &reply, script, 2, 6, argv, NULL,
                                COVEY_REDIS_AGAIN);
    free(names);
    if (code < 0) {
        return code;
    }
    *n = -1;
    if (!covey_redis_is_nil(reply) && covey_redis_int(reply, n) < 0) {
        code = covey_errorf(COVEY_EPROTO, "redis: a script's answer is no integer");
    }
    covey_redis_reply_free(reply);
    return code;
}

static int acquire(covey_ctx *ctx, covey_redlock_node *node, const covey_redlock_key *key,
                   uint64_t *token)
{
    int64_t n = 0;

    int code = run(ctx, node, &acquire_script, key, 0, &n);
    if (code == 0 && n < 0) {
        code = -EBUSY;
    }
    if (code == 0) {
        *token = (uint64_t)n;
    }
    return code;
}

static int extend(covey_ctx *ctx, covey_redlock_node *node, const covey_redlock_key *key,
                  uint64_t token)
{
    int64_t n = 0;

    int code = run(ctx, node, &extend_script, key, token, &n);
    return code == 0 && n != 1 ? -EBUSY : code;
}

static int release(covey_ctx *ctx, covey_redlock_node *node, const covey_redlock_key *key)
{
    int64_t n = 0;

    int code = run(ctx, node, &release_script, key, 0, &n);
    return code == 0 && n != 1 ? COVEY_ELOST : code;
}

const covey_redlock_ops cvy_redis_lease_ops = {
    .acquire = acquire, .extend = extend, .release = release};
