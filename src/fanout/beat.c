/* SPDX-License-Identifier: MIT
 * beat.c - a worker's beats: one call of the engine for all its runs, whose answer cancels those
 * that are not to go on.
 *
 * A run without a beat for dead_ns is another's by now. As a beat is only as old as the call that
 * made it, and a call may be answered late, a run is given up one beat before that. */
#include "fanout/worker.h"

static int64_t given_up_at(const struct cvy_fanout_run *run)
{
    const covey_fanout_timing *timing = &run->worker->engine->timing;

    return run->beaten_at + timing->dead_ns - timing->beat_ns;
}

static bool ends_before(const struct cvy_fanout_run *run, int64_t at)
{
    return given_up_at(run) < at;
}

/* References all runs. How many; *until is when the first of them would have to be given up. */
static size_t hold_runs(struct cvy_fanout_worker *w, int64_t *until)
{
    size_t n = 0;

    covey_mutex_lock(&w->lock);
    for (struct cvy_fanout_run *run = w->runs; run && n < w->jobs; run = run->next) {
        if (run->is_lost) {
            continue;
        }
        *until = ends_before(run, *until) ? given_up_at(run) : *until;
        run->references++;
        w->beats[n] = (covey_fanout_beat){.task = run->task};
        w->beaten[n++] = run;
    }
    covey_mutex_unlock(&w->lock);
    return n;
}

/* What the engine said of one run, or code, if it did not. */
static void apply(struct cvy_fanout_run *run, const covey_fanout_beat *beat, int code, int64_t at)
{
    struct cvy_fanout_worker *w = run->worker;
    int cause = 0;

    covey_mutex_lock(&w->lock);
    if (code < 0) {
        run->is_lost = ends_before(run, covey_now() + 1);
    } else if (beat->verdict == COVEY_ELOST) {
        run->is_lost = true;
    } else {
        run->beaten_at = at;
        run->is_stopped = beat->verdict == COVEY_ECANCELED;
        cause = run->is_stopped ? beat->cause : 0;
    }
    cause = run->is_lost ? COVEY_ELOST : cause;
    covey_mutex_unlock(&w->lock);
    if (cause) {
        covey_ctx_cancel_cause(run->ctx, cause);
    }
}

/* 0 or the engine's code. */
static int beat_once(struct cvy_fanout_worker *w)
{
    int64_t at = covey_now(), until = at + w->engine->timing.dead_ns / 2;
    size_t n = hold_runs(w, &until);

    if (n == 0) {
        return 0;
    }
    covey_ctx *limited = covey_ctx_with_deadline(NULL, until > at ? until : at + COVEY_MS);
    int code = w->engine->ops->beat(limited, w->engine, w->worker, w->beats, n);
    covey_ctx_unref(limited);
    for (size_t i = 0; i < n; i++) {
        apply(w->beaten[i], &w->beats[i], code, at);
        cvy_fanout_run_unref(w->beaten[i]);
    }
    if (code < 0) {
        cvy_fanout_trouble(w);
    }
    return code;
}

int cvy_fanout_beat(covey_ctx *ctx, void *arg)
{
    struct cvy_fanout_worker *w = arg;
    int64_t pause = w->engine->timing.beat_ns;

    while (covey_sleep(ctx, pause) == 0) {
        pause = beat_once(w) == 0 ? w->engine->timing.beat_ns : cvy_fanout_pause(w->engine);
    }
    return 0;
}
