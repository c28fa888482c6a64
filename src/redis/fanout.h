/* SPDX-License-Identifier: MIT
 * fanout.h - the engine of distributed groups on Redis: fanout.c has the coordinator's side,
 * fanout_results.c its results, fanout_worker.c the worker's side, fanout_scripts.c the steps,
 * fanout_keys.c the names of keys and the connection that waits. */
#ifndef CVY_REDIS_FANOUT_H
#define CVY_REDIS_FANOUT_H

#include <covey.h>
#include <covey/fanout_engine.h>
#include <covey/redis_fanout.h>

struct cvy_redis_fanout {
    covey_fanout_engine engine; /* first */
    covey_redis *redis;
    char dead_ms[24], beat_ms[24]; /* as arguments */
};

enum { CVY_REDIS_FANOUT_KEY = sizeof("covey:fanout:{}:jobs:") + COVEY_FANOUT_NAME_MAX + 32 };

/* Where a queue's keys begin, and its stream. */
struct cvy_redis_fanout_queue {
    char prefix[CVY_REDIS_FANOUT_KEY], jobs[CVY_REDIS_FANOUT_KEY];
};

/* A connection that waits on a stream, made again when it was lost. One task at a time. */
struct cvy_redis_fanout_ear {
    covey_redis *own; /* NULL: none yet */
};

/* A fan-out. */
struct cvy_redis_fanout_group {
    struct cvy_redis_fanout_queue queue;
    struct cvy_redis_fanout_ear ear;
    char id[17];
    char results[CVY_REDIS_FANOUT_KEY]; /* the stream */
    char last[48];                      /* the entry up to which it was read */
};

/* As arguments of a script. */
struct cvy_redis_fanout_args {
    const char *argv[16];
    size_t lens[16];
    int argc;
};

extern covey_redis_script cvy_redis_fanout_lua_open, cvy_redis_fanout_lua_submit,
    cvy_redis_fanout_lua_keep, cvy_redis_fanout_lua_cancel, cvy_redis_fanout_lua_close,
    cvy_redis_fanout_lua_take, cvy_redis_fanout_lua_beat, cvy_redis_fanout_lua_finish,
    cvy_redis_fanout_lua_leave;

static inline struct cvy_redis_fanout *cvy_redis_fanout_of(covey_fanout_engine *e)
{
    return (struct cvy_redis_fanout *)e;
}

void cvy_redis_fanout_queue_init(struct cvy_redis_fanout_queue *q, const char *name);
/* 16 hexadecimal digits that nobody else has, and a NUL. */
void cvy_redis_fanout_make_id(char id[17]);

/* Reads what stands behind the entry after in a stream, at most max entries; waits for one, but
 * not much longer than a beat. *reply is NULL if there was none. */
int cvy_redis_fanout_hear(covey_ctx *ctx, struct cvy_redis_fanout *e,
                          struct cvy_redis_fanout_ear *ear, const char *stream, const char *after,
                          size_t max, covey_redis_reply **reply);
void cvy_redis_fanout_deafen(struct cvy_redis_fanout_ear *ear);

/* A script whose only key is the queue's stream; the first argument is the queue's prefix. */
int cvy_redis_fanout_run(covey_ctx *ctx, struct cvy_redis_fanout *e, covey_redis_reply **reply,
                         covey_redis_script *script, const struct cvy_redis_fanout_queue *q,
                         const struct cvy_redis_fanout_args *args, unsigned flags);
void cvy_redis_fanout_arg(struct cvy_redis_fanout_args *args, const void *bytes, size_t len);
void cvy_redis_fanout_arg_text(struct cvy_redis_fanout_args *args, const char *text);

/* The coordinator's side. */
int cvy_redis_fanout_collect(covey_ctx *ctx, covey_fanout_engine *e, void *group,
                             covey_fanout_result **results, size_t max);

/* The worker's side. */
int cvy_redis_fanout_join(covey_ctx *ctx, covey_fanout_engine *e, const char *queue,
                          const char *name, void **worker);
int cvy_redis_fanout_take(covey_ctx *ctx, covey_fanout_engine *e, void *worker,
                          covey_fanout_task **tasks, size_t max);
int cvy_redis_fanout_beat(covey_ctx *ctx, covey_fanout_engine *e, void *worker,
                          covey_fanout_beat *beats, size_t n);
int cvy_redis_fanout_finish(covey_ctx *ctx, covey_fanout_engine *e, void *worker,
                            covey_fanout_task *task, const covey_fanout_report *report);
void cvy_redis_fanout_drop(covey_fanout_engine *e, void *worker, covey_fanout_task *task);
void cvy_redis_fanout_leave(covey_ctx *ctx, covey_fanout_engine *e, void *worker);

#endif
