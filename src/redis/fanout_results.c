/* SPDX-License-Identifier: MIT
 * fanout_results.c - how results of jobs come home from Redis: read by XREAD, and deleted by the
 * read that follows, so that none is lost with a reply. */
#include "redis/fanout.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static covey_fanout_end end_named(const char *name)
{
    for (int end = 0; end < COVEY_FANOUT_LOST; end++) {
        if (strcmp(covey_fanout_end_name(end), name) == 0) {
            return end;
        }
    }
    return COVEY_FANOUT_LOST;
}

/* The value of one of the fields of an entry, whose names are a letter. */
static const char *value_of(const covey_redis_reply *fields, char name, size_t *len)
{
    for (size_t i = 0; fields && i + 1 < fields->count; i += 2) {
        const char *field = covey_redis_text(covey_redis_at(fields, i), NULL);
        const char *value = covey_redis_text(covey_redis_at(fields, i + 1), len);
        if (field && value && field[0] == name) {
            return value;
        }
    }
    *len = 0;
    return "";
}

static long long number_of(const covey_redis_reply *fields, char name)
{
    size_t len;

    return strtoll(value_of(fields, name, &len), NULL, 10);
}

static covey_fanout_result *read_result(const covey_redis_reply *fields)
{
    size_t len, ignored;
    covey_fanout_result result = {
        .id = (uint64_t)number_of(fields, 'i'),
        .end = end_named(value_of(fields, 'e', &ignored)),
        .code = (int)number_of(fields, 'c'),
        .message = value_of(fields, 'w', &ignored),
        .name = value_of(fields, 'n', &ignored),
        .key = value_of(fields, 'k', &ignored),
        .data = value_of(fields, 'd', &len),
        .attempts = (int)number_of(fields, 'a'),
        .failures = (int)number_of(fields, 'f'),
        .crashes = (int)number_of(fields, 'x'),
    };

    result.len = len;
    return covey_fanout_result_new(&result);
}

/* XREAD's answer: the only stream's name and entries. Reads up to where memory lasts. */
static int read_results(struct cvy_redis_fanout_group *g, const covey_redis_reply *reply,
                        covey_fanout_result **results, size_t max)
{
    const covey_redis_reply *entries = covey_redis_at(covey_redis_at(reply, 0), 1);
    int n = 0;

    for (size_t i = 0; entries && i < entries->count && (size_t)n < max; i++) {
        const covey_redis_reply *entry = covey_redis_at(entries, i);
        const char *id = covey_redis_text(covey_redis_at(entry, 0), NULL);
        covey_fanout_result *r = id ? read_result(covey_redis_at(entry, 1)) : NULL;
        if (!r) {
            return n > 0 ? n : covey_errorf(-ENOMEM, "fan-out: out of memory for a result");
        }
        (void)snprintf(g->last, sizeof(g->last), "%s", id);
        results[n++] = r;
    }
    return n;
}

/* What was read is deleted by the read that follows; if that fails, by the next. */
static void trim(covey_ctx *ctx, struct cvy_redis_fanout *e, const struct cvy_redis_fanout_group *g)
{
    char next[64];
    const char *dash = strchr(g->last, '-');

    if (strcmp(g->last, "0-0") != 0 && dash) {
        (void)snprintf(next, sizeof(next), "%.*s-%llu", (int)(dash - g->last), g->last,
                       strtoull(dash + 1, NULL, 10) + 1);
        (void)covey_redis_command_again(ctx, e->redis, NULL, "XTRIM %s MINID %s", g->results, next);
    }
}

int cvy_redis_fanout_collect(covey_ctx *ctx, covey_fanout_engine *e, void *group,
                             covey_fanout_result **results, size_t max)
{
    struct cvy_redis_fanout *engine = cvy_redis_fanout_of(e);
    struct cvy_redis_fanout_group *g = group;
    int n = 0;

    trim(ctx, engine, g);
    while (n == 0) {
        covey_redis_reply *reply = NULL;
        n = cvy_redis_fanout_hear(ctx, engine, &g->ear, g->results, g->last, max, &reply);
        if (n == 0 && reply) {
            n = read_results(g, reply, results, max);
        }
        covey_redis_reply_free(reply);
    }
    return n;
}
