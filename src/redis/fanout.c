/* SPDX-License-Identifier: MIT
 * fanout.c - the engine of distributed groups on Redis, and its coordinator's side. */
#include "redis/fanout.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A fan-out. */
struct group {
    struct cvy_redis_fanout_queue queue;
    struct cvy_redis_fanout_ear ear;
    char id[17];
    char results[CVY_REDIS_FANOUT_KEY]; /* the stream */
    char last[48];                      /* the entry up to which it was read */
};

static int lost(void)
{
    return covey_errorf(COVEY_ELOST, "redis: the fan-out is gone");
}

/* ---- steps ---- */

/* A step of g whose answer is a number. */
static int step(covey_ctx *ctx, covey_fanout_engine *e, struct group *g, covey_redis_script *script,
                const struct cvy_redis_fanout_args *more, int64_t *answer)
{
    struct cvy_redis_fanout_args args = {0};
    covey_redis_reply *reply = NULL;

    cvy_redis_fanout_arg_text(&args, g->id);
    for (int i = 0; more && i < more->argc; i++) {
        cvy_redis_fanout_arg(&args, more->argv[i], more->lens[i]);
    }
    int code = cvy_redis_fanout_run(ctx, cvy_redis_fanout_of(e), &reply, script, &g->queue, &args,
                                    COVEY_REDIS_AGAIN);
    if (code == 0) {
        code = covey_redis_int(reply, answer);
    }
    covey_redis_reply_free(reply);
    return code;
}

/* One that says no more than whether the fan-out is there. */
static int plain_step(covey_ctx *ctx, covey_fanout_engine *e, struct group *g,
                      covey_redis_script *script, const char *arg)
{
    struct cvy_redis_fanout_args args = {0};
    int64_t answer = 0;

    if (arg) {
        cvy_redis_fanout_arg_text(&args, arg);
    }
    int code = step(ctx, e, g, script, &args, &answer);
    return code < 0 ? code : answer < 0 ? lost() : 0;
}

static int open_group(covey_ctx *ctx, covey_fanout_engine *e, const covey_fanout_spec *spec,
                      void **group)
{
    char numbers[3][24];
    struct cvy_redis_fanout_args args = {0};
    int64_t answer = 0;
    struct group *g = calloc(1, sizeof(*g));

    if (!g) {
        return covey_errorf(-ENOMEM, "fan-out: out of memory");
    }
    cvy_redis_fanout_queue_init(&g->queue, spec->queue);
    cvy_redis_fanout_make_id(g->id);
    (void)snprintf(g->results, sizeof(g->results), "%.*s:r:%s",
                   (int)(sizeof(g->results) - sizeof(g->id) - 4), g->queue.prefix, g->id);
    strcpy(g->last, "0-0");
    (void)snprintf(numbers[0], sizeof(numbers[0]), "%d", spec->max_failures);
    (void)snprintf(numbers[1], sizeof(numbers[1]), "%d", spec->max_crashes);
    (void)snprintf(numbers[2], sizeof(numbers[2]), "%lld",
                   (long long)(spec->keep_dead_ns / COVEY_MS));
    for (int i = 0; i < 3; i++) {
        cvy_redis_fanout_arg_text(&args, numbers[i]);
    }
    int code = step(ctx, e, g, &cvy_redis_fanout_lua_open, &args, &answer);
    if (code < 0) {
        free(g);
        return code;
    }
    *group = g;
    return 0;
}

static int submit(covey_ctx *ctx, covey_fanout_engine *e, void *group, uint64_t id,
                  const covey_fanout_job *job, uint64_t *first)
{
    char number[24];
    struct cvy_redis_fanout_args args = {0};
    int64_t answer = 0;

    (void)snprintf(number, sizeof(number), "%" PRIu64, id);
    cvy_redis_fanout_arg_text(&args, number);
    cvy_redis_fanout_arg_text(&args, job->name);
    cvy_redis_fanout_arg_text(&args, job->key);
    cvy_redis_fanout_arg(&args, job->data, job->len);
    int code = step(ctx, e, group, &cvy_redis_fanout_lua_submit, &args, &answer);
    if (code < 0 || answer == 0) {
        return code;
    }
    if (answer < 0) {
        return lost();
    }
    *first = (uint64_t)answer;
    return 1;
}

static int keep(covey_ctx *ctx, covey_fanout_engine *e, void *group)
{
    return plain_step(ctx, e, group, &cvy_redis_fanout_lua_keep, NULL);
}

static int cancel(covey_ctx *ctx, covey_fanout_engine *e, void *group, int cause)
{
    char number[16];

    (void)snprintf(number, sizeof(number), "%d", cause);
    return plain_step(ctx, e, group, &cvy_redis_fanout_lua_cancel, number);
}

static int close_group(covey_ctx *ctx, covey_fanout_engine *e, void *group)
{
    struct group *g = group;
    int code = plain_step(ctx, e, g, &cvy_redis_fanout_lua_close, NULL);

    cvy_redis_fanout_deafen(&g->ear);
    free(g);
    return code;
}

/* ---- results ---- */

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

    return atoll(value_of(fields, name, &len));
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
static int read_results(struct group *g, const covey_redis_reply *reply,
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
static void trim(covey_ctx *ctx, struct cvy_redis_fanout *e, const struct group *g)
{
    char next[64];
    const char *dash = strchr(g->last, '-');

    if (strcmp(g->last, "0-0") != 0 && dash) {
        (void)snprintf(next, sizeof(next), "%.*s-%llu", (int)(dash - g->last), g->last,
                       strtoull(dash + 1, NULL, 10) + 1);
        (void)covey_redis_command_again(ctx, e->redis, NULL, "XTRIM %s MINID %s", g->results, next);
    }
}

static int collect(covey_ctx *ctx, covey_fanout_engine *e, void *group,
                   covey_fanout_result **results, size_t max)
{
    struct cvy_redis_fanout *engine = cvy_redis_fanout_of(e);
    struct group *g = group;
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

/* ---- the engine ---- */

static void free_engine(covey_fanout_engine *e)
{
    free(e);
}

static const covey_fanout_ops ops = {
    .name = "redis",
    .open = open_group,
    .submit = submit,
    .collect = collect,
    .keep = keep,
    .cancel = cancel,
    .close = close_group,
    .join = cvy_redis_fanout_join,
    .take = cvy_redis_fanout_take,
    .beat = cvy_redis_fanout_beat,
    .finish = cvy_redis_fanout_finish,
    .drop = cvy_redis_fanout_drop,
    .leave = cvy_redis_fanout_leave,
    .free = free_engine,
};

covey_fanout_engine *covey_redis_fanout(covey_redis *r, const covey_fanout_timing *timing)
{
    covey_fanout_timing in_place;

    if (covey_fanout_timing_of(timing, &in_place) < 0) {
        return NULL;
    }
    struct cvy_redis_fanout *e = calloc(1, sizeof(*e));
    if (!e) {
        return NULL;
    }
    e->engine = (covey_fanout_engine){.ops = &ops, .timing = in_place};
    e->redis = r;
    (void)snprintf(e->dead_ms, sizeof(e->dead_ms), "%lld",
                   (long long)(in_place.dead_ns / COVEY_MS));
    (void)snprintf(e->beat_ms, sizeof(e->beat_ms), "%lld",
                   (long long)(in_place.beat_ns / COVEY_MS));
    return &e->engine;
}
