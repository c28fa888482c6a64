/* SPDX-License-Identifier: MIT
 * run.c - one job in a worker: its task, which runs the handler. */
#include "fanout/worker.h"

#include <stdlib.h>
#include <string.h>

int covey_fanout_reply(covey_fanout_call *call, const void *data, size_t len)
{
    if (len > COVEY_FANOUT_DATA_MAX) {
        return covey_errorf(COVEY_ETOOLARGE, "fan-out: a result of %zu bytes", len);
    }
    char *copy = malloc(len + 1);
    if (!copy) {
        return covey_errorf(-ENOMEM, "fan-out: out of memory for a result");
    }
    if (len > 0) {
        memcpy(copy, data, len);
    }
    free(call->reply_);
    call->reply_ = copy;
    call->reply_len_ = len;
    return 0;
}

static const covey_fanout_handler *find_handler(const struct cvy_fanout_worker *w, const char *name)
{
    for (size_t i = 0; i < w->handler_count; i++) {
        if (strcmp(w->handlers[i].name, name) == 0) {
            return &w->handlers[i];
        }
    }
    return NULL;
}

/* ---- in the list of runs ---- */

static void link_run(struct cvy_fanout_run *run)
{
    struct cvy_fanout_worker *w = run->worker;

    covey_mutex_lock(&w->lock);
    run->next = w->runs;
    if (run->next) {
        run->next->prev = run;
    }
    w->runs = run;
    covey_mutex_unlock(&w->lock);
}

static void unlink_run(struct cvy_fanout_run *run)
{
    struct cvy_fanout_worker *w = run->worker;

    covey_mutex_lock(&w->lock);
    *(run->prev ? &run->prev->next : &w->runs) = run->next;
    if (run->next) {
        run->next->prev = run->prev;
    }
    covey_mutex_unlock(&w->lock);
}

void cvy_fanout_run_unref(struct cvy_fanout_run *run)
{
    struct cvy_fanout_worker *w = run->worker;

    covey_mutex_lock(&w->lock);
    bool is_last = --run->references == 0;
    covey_mutex_unlock(&w->lock);
    if (is_last) {
        w->engine->ops->drop(w->engine, w->worker, run->task);
        covey_ctx_unref(run->ctx);
        free(run->call.reply_);
        free(run);
    }
}

/* ---- the task ---- */

static int run_main(covey_ctx *ctx, void *arg)
{
    struct cvy_fanout_run *run = arg;
    struct cvy_fanout_worker *w = run->worker;
    const covey_fanout_handler *h = find_handler(w, run->call.name);
    int64_t begun = covey_now();
    int code = h ? h->fn(run->ctx, &run->call, h->arg)
                 : COVEY_PERMANENT(covey_errorf(-ENOSYS, "no handler for \"%s\"", run->call.name));

    (void)ctx;
    covey_histogram_add(&w->times, covey_now() - begun);
    /* Further calls of covey may replace the words. */
    bool has_words = code < 0 && covey_plain_code(covey_errcode()) == covey_plain_code(code);
    char *words = has_words ? strdup(covey_errmsg()) : NULL;
    const char *plain = code < 0 ? covey_strerror(covey_plain_code(code)) : "";
    cvy_fanout_report(run, code, words ? words : plain);
    free(words);
    unlink_run(run);
    cvy_fanout_run_unref(run);
    covey_sem_release(w->slots, 1);
    return 0;
}

static struct cvy_fanout_run *make_run(struct cvy_fanout_worker *w, covey_fanout_task *task,
                                       int64_t taken_at)
{
    struct cvy_fanout_run *run = calloc(1, sizeof(*run));

    if (!run) {
        return NULL;
    }
    *run = (struct cvy_fanout_run){
        .call = {.name = task->name,
                 .key = task->key,
                 .data = task->data,
                 .len = task->len,
                 .id = task->id,
                 .attempt = task->attempt},
        .worker = w,
        .task = task,
        .ctx = covey_ctx_with_cancel(w->leaving),
        .references = 1,
        .beaten_at = taken_at,
    };
    return run;
}

void cvy_fanout_run_start(struct cvy_fanout_worker *w, covey_fanout_task *task, int64_t taken_at)
{
    struct cvy_fanout_run *run = make_run(w, task, taken_at);
    const covey_fanout_handler *h = find_handler(w, task->name);
    const covey_task_options opts = {.name = task->name, .stack_size = h ? h->stack_size : 0};

    if (!run) {
        cvy_fanout_give_back(w, task);
        w->engine->ops->drop(w->engine, w->worker, task);
        covey_sem_release(w->slots, 1);
        return;
    }
    link_run(run);
    if (covey_ctx_cause(run->ctx) == -ENOMEM ||
        covey_group_go_with(w->tasks, &opts, run_main, run) < 0) {
        cvy_fanout_give_back(w, task);
        unlink_run(run);
        cvy_fanout_run_unref(run);
        covey_sem_release(w->slots, 1);
    }
}
