/* SPDX-License-Identifier: MIT
 * fanout.c - the engine of distributed groups on Redis, and its coordinator's side but for the
 * results. */
#include "redis/fanout.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int lost(void)
{
    return covey_errorf(COVEY_ELOST, "redis: the fan-out is gone");
}

/* ---- steps ---- */

/* A step of g whose answer is a number. */
static int step(covey_ctx *ctx, covey_fanout_engine *e, struct cvy_redis_fanout_group *g,
                covey_redis_script *script, const struct cvy_redis_fanout_args *more,
                int64_t *answer)
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
static int plain_step(covey_ctx *ctx, covey_fanout_engine *e, struct cvy_redis_fanout_group *g,
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
    struct cvy_redis_fanout_group *g = calloc(1, sizeof(*g));

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
    struct cvy_redis_fanout_group *g = group;
    int code = plain_step(ctx, e, g, &cvy_redis_fanout_lua_close, NULL);

    cvy_redis_fanout_deafen(&g->ear);
    free(g);
    return code;
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
    .collect = cvy_redis_fanout_collect,
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
