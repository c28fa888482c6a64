/* SPDX-License-Identifier: MIT
 * report.c - what a worker tells the engine of a job.
 *
 * A report is repeated until the engine has heard it, or says that the job is another's, or the
 * beater finds that it must be. Meanwhile the job keeps its beat. */
#include "fanout/worker.h"

void cvy_fanout_trouble(struct cvy_fanout_worker *w)
{
    covey_mutex_lock(&w->lock);
    w->stats.troubles++;
    covey_mutex_unlock(&w->lock);
}

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

static void count(struct cvy_fanout_worker *w, covey_fanout_how how, bool is_counted)
{
    covey_mutex_lock(&w->lock);
    if (!is_counted) {
        w->stats.lost++;
    } else if (how == COVEY_FANOUT_GIVEN_BACK) {
        w->stats.returned++;
    } else {
        w->stats.reported++;
    }
    covey_mutex_unlock(&w->lock);
}

void cvy_fanout_report(struct cvy_fanout_run *run, int code, const char *words)
{
    struct cvy_fanout_worker *w = run->worker;
    covey_fanout_report report = {
        .code = code,
        .message = words,
        .data = run->call.reply_,
        .len = code >= 0 ? run->call.reply_len_ : 0,
    };
    bool is_counted = judge(run, &report) && send_report(run, &report) == 0;

    count(w, report.how, is_counted);
}

/* Without an answer the job is given to another when this worker is taken for dead. */
void cvy_fanout_give_back(struct cvy_fanout_worker *w, covey_fanout_task *task)
{
    const covey_fanout_report report = {.how = COVEY_FANOUT_GIVEN_BACK, .message = ""};
    covey_ctx *limited = cvy_fanout_in_time(NULL, w->engine);

    int code = w->engine->ops->finish(limited, w->engine, w->worker, task, &report);
    covey_ctx_unref(limited);
    cvy_fanout_trouble(w);
    count(w, report.how, code == 0);
}
