/* SPDX-License-Identifier: MIT
 * fanout_keys.c - names of keys, calls of scripts, and the connection that waits on a stream. */
#include "redis/fanout.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>

void cvy_redis_fanout_queue_init(struct cvy_redis_fanout_queue *q, const char *name)
{
    (void)snprintf(q->prefix, sizeof(q->prefix), "covey:fanout:{%s}", name);
    (void)snprintf(q->jobs, sizeof(q->jobs), "covey:fanout:{%s}:jobs", name);
}

void cvy_redis_fanout_make_id(char id[17])
{
    uint64_t number = 0;

    if (getrandom(&number, sizeof(number), 0) != sizeof(number)) {
        number = (uint64_t)covey_now() * UINT64_C(0x9e3779b97f4a7c15) ^ (uint64_t)(uintptr_t)id;
    }
    (void)snprintf(id, 17, "%016llx", (unsigned long long)number);
}

/* ---- scripts ---- */

void cvy_redis_fanout_arg(struct cvy_redis_fanout_args *args, const void *bytes, size_t len)
{
    args->argv[args->argc] = bytes ? bytes : "";
    args->lens[args->argc++] = len;
}

void cvy_redis_fanout_arg_text(struct cvy_redis_fanout_args *args, const char *text)
{
    cvy_redis_fanout_arg(args, text, strlen(text));
}

int cvy_redis_fanout_run(covey_ctx *ctx, struct cvy_redis_fanout *e, covey_redis_reply **reply,
                         covey_redis_script *script, const struct cvy_redis_fanout_queue *q,
                         const struct cvy_redis_fanout_args *args, unsigned flags)
{
    struct cvy_redis_fanout_args all = {0};

    cvy_redis_fanout_arg_text(&all, q->jobs);
    cvy_redis_fanout_arg_text(&all, q->prefix);
    cvy_redis_fanout_arg_text(&all, e->dead_ms);
    for (int i = 0; i < args->argc; i++) {
        cvy_redis_fanout_arg(&all, args->argv[i], args->lens[i]);
    }
    return covey_redis_eval(ctx, e->redis, reply, script, 1, all.argc, all.argv, all.lens, flags);
}

/* ---- waiting ---- */

void cvy_redis_fanout_deafen(struct cvy_redis_fanout_ear *ear)
{
    covey_redis_close(ear->own);
    ear->own = NULL;
}

int cvy_redis_fanout_hear(covey_ctx *ctx, struct cvy_redis_fanout *e,
                          struct cvy_redis_fanout_ear *ear, const char *stream, const char *after,
                          size_t max, covey_redis_reply **reply)
{
    const covey_fanout_timing *t = &e->engine.timing;
    covey_ctx *limited = covey_ctx_with_timeout(ctx, t->beat_ns + t->dead_ns / 2);
    int code = ear->own ? 0 : covey_redis_own(limited, e->redis, &ear->own);

    if (code == 0) {
        code =
            covey_redis_command(limited, ear->own, reply, "XREAD COUNT %lu BLOCK %s STREAMS %s %s",
                                (unsigned long)max, e->beat_ms, stream, after);
        if (code < 0) {
            cvy_redis_fanout_deafen(ear); /* it may be lost, or have a reply on its way */
        } else if (covey_redis_is_nil(*reply)) {
            covey_redis_reply_free(*reply);
            *reply = NULL;
        }
    }
    covey_ctx_unref(limited);
    if (code == COVEY_EDEADLINE && covey_ctx_err(ctx) == 0) {
        return covey_errorf(-ETIMEDOUT, "redis: no answer in time");
    }
    return code;
}
