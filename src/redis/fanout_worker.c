/* SPDX-License-Identifier: MIT
 * fanout_worker.c - the engine of distributed groups on Redis: its worker's side.
 *
 * A take is seen through whatever becomes of its context: jobs that were given out without anybody
 * knowing would wait until this worker is taken for dead, and count as crashes. */
#include "redis/fanout.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct worker {
    struct cvy_redis_fanout_queue queue;
    struct cvy_redis_fanout_ear ear;
    char name[COVEY_FANOUT_NAME_MAX + 24]; /* the consumer's */
    int64_t looked_at; /* for the dead: all that run are gone through, once a beat */
};

/* What a worker holds: the answer of Redis, of which it is a part. Texts have a NUL behind them. */
struct held {
    covey_fanout_task task; /* first */
    const char *entry, *group;
    char id[24], attempt[16]; /* as arguments */
    _Alignas(max_align_t) char bytes[];
};

int cvy_redis_fanout_join(covey_ctx *ctx, covey_fanout_engine *e, const char *queue,
                          const char *name, void **worker)
{
    char id[17];
    struct worker *w = calloc(1, sizeof(*w));

    (void)ctx;
    (void)e;
    if (!w) {
        return -ENOMEM;
    }
    cvy_redis_fanout_queue_init(&w->queue, queue);
    cvy_redis_fanout_make_id(id);
    (void)snprintf(w->name, sizeof(w->name), "%s:%s", name, id);
    *worker = w;
    return 0;
}

void cvy_redis_fanout_leave(covey_ctx *ctx, covey_fanout_engine *e, void *worker)
{
    struct worker *w = worker;
    struct cvy_redis_fanout_args args = {0};

    cvy_redis_fanout_arg_text(&args, w->name);
    (void)cvy_redis_fanout_run(ctx, cvy_redis_fanout_of(e), NULL, &cvy_redis_fanout_lua_leave,
                               &w->queue, &args, COVEY_REDIS_AGAIN);
    cvy_redis_fanout_deafen(&w->ear);
    free(w);
}

/* ---- taking ---- */

/* Copies an element's text to *at, which moves on behind its NUL. */
static const char *copy(char **at, const covey_redis_reply *element)
{
    size_t len;
    const char *text = covey_redis_text(element, &len);
    char *start = *at;

    if (len > 0) {
        memcpy(start, text, len);
    }
    start[len] = '\0';
    *at += len + 1;
    return start;
}

/* Of each job: entry, fan-out, id, attempt, name, key, payload. NULL: out of memory. */
static covey_fanout_task *read_task(const covey_redis_reply *reply)
{
    size_t sum = 0, len;
    int64_t id = 0, attempt = 0;

    for (size_t i = 0; i < 7; i++) {
        (void)covey_redis_text(covey_redis_at(reply, i), &len);
        sum += len + 1;
    }
    struct held *held = malloc(sizeof(*held) + sum);
    if (!held) {
        return NULL;
    }
    (void)covey_redis_int(covey_redis_at(reply, 2), &id);
    (void)covey_redis_int(covey_redis_at(reply, 3), &attempt);
    char *at = held->bytes;
    (void)covey_redis_text(covey_redis_at(reply, 6), &len);
    *held = (struct held){.task = {.len = len, .id = (uint64_t)id, .attempt = (int)attempt}};
    held->task.data = copy(&at, covey_redis_at(reply, 6)); /* first: it may want to be aligned */
    held->entry = copy(&at, covey_redis_at(reply, 0));
    held->group = copy(&at, covey_redis_at(reply, 1));
    held->task.name = copy(&at, covey_redis_at(reply, 4));
    held->task.key = copy(&at, covey_redis_at(reply, 5));
    (void)snprintf(held->id, sizeof(held->id), "%" PRId64, id);
    (void)snprintf(held->attempt, sizeof(held->attempt), "%d", (int)attempt);
    return &held->task;
}

/* Takes what there is. *last: the entry up to which all were given out. */
static int take_now(struct cvy_redis_fanout *e, struct worker *w, covey_fanout_task **tasks,
                    size_t max, char *last, size_t size)
{
    char most[16];
    struct cvy_redis_fanout_args args = {0};
    covey_redis_reply *reply = NULL;
    covey_ctx *limited = covey_ctx_with_timeout(NULL, e->engine.timing.dead_ns / 2);
    int64_t now = covey_now();
    bool is_looking = now - w->looked_at >= e->engine.timing.beat_ns;
    int n = 0;

    w->looked_at = is_looking ? now : w->looked_at;
    (void)snprintf(most, sizeof(most), "%zu", max);
    cvy_redis_fanout_arg_text(&args, w->name);
    cvy_redis_fanout_arg_text(&args, most);
    cvy_redis_fanout_arg_text(&args, is_looking ? "1" : "0");
    int code =
        cvy_redis_fanout_run(limited, e, &reply, &cvy_redis_fanout_lua_take, &w->queue, &args, 0);
    covey_ctx_unref(limited);
    if (code < 0) {
        return code == COVEY_EDEADLINE ? covey_errorf(-ETIMEDOUT, "redis: no answer in time")
                                       : code;
    }
    const char *id = covey_redis_text(covey_redis_at(reply, 0), NULL);
    (void)snprintf(last, size, "%s", id ? id : "0-0");
    for (size_t i = 1; i < reply->count && (size_t)n < max; i++) {
        tasks[n] = read_task(covey_redis_at(reply, i));
        n += tasks[n] != NULL; /* without memory for it, it is a crash */
    }
    covey_redis_reply_free(reply);
    return n;
}

int cvy_redis_fanout_take(covey_ctx *ctx, covey_fanout_engine *e, void *worker,
                          covey_fanout_task **tasks, size_t max)
{
    struct cvy_redis_fanout *engine = cvy_redis_fanout_of(e);
    struct worker *w = worker;
    covey_redis_reply *reply = NULL;
    char last[48];
    int n = covey_ctx_err(ctx) < 0 ? covey_ctx_err(ctx)
                                   : take_now(engine, w, tasks, max, last, sizeof(last));

    if (n != 0) {
        return n;
    }
    int code = cvy_redis_fanout_hear(ctx, engine, &w->ear, w->queue.jobs, last, 1, &reply);
    covey_redis_reply_free(reply);
    return code < 0 ? code : take_now(engine, w, tasks, max, last, sizeof(last));
}

void cvy_redis_fanout_drop(covey_fanout_engine *e, void *worker, covey_fanout_task *task)
{
    (void)e;
    (void)worker;
    free(task);
}

/* ---- what becomes of a job that was taken ---- */

static void apply(covey_fanout_beat *beat, const covey_redis_reply *verdict)
{
    int64_t number = 1;

    (void)covey_redis_int(verdict, &number);
    beat->verdict = number == 0 ? 0 : number < 0 ? COVEY_ECANCELED : COVEY_ELOST;
    beat->cause = number < 0 ? (int)number : 0;
}

int cvy_redis_fanout_beat(covey_ctx *ctx, covey_fanout_engine *e, void *worker,
                          covey_fanout_beat *beats, size_t n)
{
    struct cvy_redis_fanout *engine = cvy_redis_fanout_of(e);
    struct worker *w = worker;
    const char **argv = calloc(4 + 4 * n, sizeof(*argv));
    covey_redis_reply *reply = NULL;
    int argc = 0;

    if (!argv) {
        return covey_errorf(-ENOMEM, "fan-out: out of memory for a beat");
    }
    argv[argc++] = w->queue.jobs;
    argv[argc++] = w->queue.prefix;
    argv[argc++] = engine->dead_ms;
    argv[argc++] = w->name;
    for (size_t i = 0; i < n; i++) {
        const struct held *held = (const struct held *)beats[i].task;
        argv[argc++] = held->group;
        argv[argc++] = held->id;
        argv[argc++] = held->attempt;
        argv[argc++] = held->entry;
    }
    int code = covey_redis_eval(ctx, engine->redis, &reply, &cvy_redis_fanout_lua_beat, 1, argc,
                                argv, NULL, COVEY_REDIS_AGAIN);
    for (size_t i = 0; code == 0 && i < n; i++) {
        apply(&beats[i], covey_redis_at(reply, i));
    }
    covey_redis_reply_free(reply);
    free(argv);
    return code;
}

int cvy_redis_fanout_finish(covey_ctx *ctx, covey_fanout_engine *e, void *worker,
                            covey_fanout_task *task, const covey_fanout_report *report)
{
    static const char *const hows[] = {"done", "failing", "hopeless", "stopped", "back"};
    const struct worker *w = worker;
    const struct held *held = (const struct held *)task;
    char number[16];
    struct cvy_redis_fanout_args args = {0};
    covey_redis_reply *reply = NULL;
    int64_t answer = 0;

    (void)snprintf(number, sizeof(number), "%d", report->code);
    cvy_redis_fanout_arg_text(&args, held->group);
    cvy_redis_fanout_arg_text(&args, held->id);
    cvy_redis_fanout_arg_text(&args, held->attempt);
    cvy_redis_fanout_arg_text(&args, hows[report->how]);
    cvy_redis_fanout_arg_text(&args, number);
    cvy_redis_fanout_arg_text(&args, report->message);
    cvy_redis_fanout_arg(&args, report->data, report->len);
    int code =
        cvy_redis_fanout_run(ctx, cvy_redis_fanout_of(e), &reply, &cvy_redis_fanout_lua_finish,
                             &w->queue, &args, COVEY_REDIS_AGAIN);
    if (code == 0) {
        code = covey_redis_int(reply, &answer);
    }
    covey_redis_reply_free(reply);
    if (code == 0 && answer < 0) {
        return covey_errorf(COVEY_ELOST, "redis: the job is another's, or gone");
    }
    return code;
}
