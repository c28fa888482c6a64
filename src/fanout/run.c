/* SPDX-License-Identifier: MIT
 * run.c - one job in a worker: its handler, and the report.
 *
 * A report is repeated until the engine has heard it, or says that the job is another's, or the
 * beater finds that it must be. Meanwhile the job keeps its beat. */
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
    w->stats.taken++;
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

void cvy_fanout_trouble(struct cvy_fanout_worker *w)
{
    covey_mutex_lock(&w->lock);
    w->stats.troubles++;
    covey_mutex_unlock(&w->lock);
}

/* ---- the report ---- */

/* What the handler's code means. False: nothing is to be reported. */
static bool judge(struct cvy_fanout_run *run, covey_fanout_report *report)
{
    int code = report->code;

    covey_mutex_lock(&run->worker->lock);
    bool is_stopped = run->is_stopped, is_lost = run->is_lost;
    covey_mutex_unlock(&run->worker->lock);
    report->code = covey_plain_code(code);
    if (code >= 0) {
        report->how = COVEY_FANOUT_SUCCEEDED;
    } else if (is_stopped) {
        report->how = COVEY_FANOUT_STOPPED;
    } else if (is_lost) {
        return false;
    } else if (covey_ctx_err(run->ctx) < 0) {
        report->how = COVEY_FANOUT_GIVEN_BACK;
    } else {
        report->how = covey_is_permanent(code) ? COVEY_FANOUT_HOPELESS : COVEY_FANOUT_FAILING;
    }
    return true;
}

static bool is_lost(struct cvy_fanout_run *run)
{
    covey_mutex_lock(&run->worker->lock);
    bool lost = run->is_lost;
    covey_mutex_unlock(&run->worker->lock);
    return lost;
}

/* Until it was heard, or no longer counts. */
static int send_report(struct cvy_fanout_run *run, const covey_fanout_report *report)
{
    struct cvy_fanout_worker *w = run->worker;

    for (;;) {
        covey_ctx *limited = cvy_fanout_in_time(NULL, w->engine);
        int code = w->engine->ops->finish(limited, w->engine, w->worker, run->task, report);
        covey_ctx_unref(limited);
        if (code == 0 || code == COVEY_ELOST || is_lost(run)) {
            return code;
        }
        cvy_fanout_trouble(w);
        (void)covey_sleep(NULL, cvy_fanout_pause(w->engine));
    }
}

static void report_run(struct cvy_fanout_run *run, int code, const char *words)
{
    struct cvy_fanout_worker *w = run->worker;
    covey_fanout_report report = {
        .code = code,
        .message = words,
        .data = run->call.reply_,
        .len = code >= 0 ? run->call.reply_len_ : 0,
    };
    bool is_counted = judge(run, &report) && send_report(run, &report) == 0;

    covey_mutex_lock(&w->lock);
    if (!is_counted) {
        w->stats.lost++;
    } else if (report.how == COVEY_FANOUT_GIVEN_BACK) {
        w->stats.returned++;
    } else {
        w->stats.reported++;
    }
    covey_mutex_unlock(&w->lock);
}

/* ---- the task ---- */

static int run_main(covey_ctx *ctx, void *arg)
{
    struct cvy_fanout_run *run = arg;
    struct cvy_fanout_worker *w = run->worker;
    const covey_fanout_handler *h = find_handler(w, run->call.name);
    int code = h ? h->fn(run->ctx, &run->call, h->arg)
                 : COVEY_PERMANENT(covey_errorf(-ENOSYS, "no handler for \"%s\"", run->call.name));

    (void)ctx;
    /* Further calls of covey may replace the words. */
    bool has_words = code < 0 && covey_plain_code(covey_errcode()) == covey_plain_code(code);
    char *words = has_words ? strdup(covey_errmsg()) : NULL;
    const char *plain = code < 0 ? covey_strerror(covey_plain_code(code)) : "";
    report_run(run, code, words ? words : plain);
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

/* For want of memory; without an answer the job is given to another when this one is taken for
 * dead. */
static void give_back(struct cvy_fanout_worker *w, covey_fanout_task *task)
{
    const covey_fanout_report report = {.how = COVEY_FANOUT_GIVEN_BACK, .message = ""};
    covey_ctx *limited = cvy_fanout_in_time(NULL, w->engine);

    (void)w->engine->ops->finish(limited, w->engine, w->worker, task, &report);
    covey_ctx_unref(limited);
    cvy_fanout_trouble(w);
}

void cvy_fanout_run_start(struct cvy_fanout_worker *w, covey_fanout_task *task, int64_t taken_at)
{
    struct cvy_fanout_run *run = make_run(w, task, taken_at);
    const covey_fanout_handler *h = find_handler(w, task->name);
    const covey_task_options opts = {.name = task->name, .stack_size = h ? h->stack_size : 0};

    if (!run) {
        give_back(w, task);
        w->engine->ops->drop(w->engine, w->worker, task);
        covey_sem_release(w->slots, 1);
        return;
    }
    link_run(run);
    if (covey_ctx_cause(run->ctx) == -ENOMEM ||
        covey_group_go_with(w->tasks, &opts, run_main, run) < 0) {
        give_back(w, task);
        unlink_run(run);
        cvy_fanout_run_unref(run);
        covey_sem_release(w->slots, 1);
    }
}
