/* SPDX-License-Identifier: MIT
 * keeper.c - the task that beats for a coordinator, hears of its parent's end, and cancels.
 *
 * A cancel is a wish until the engine has heard it: the keeper repeats it as it repeats its beats,
 * until the engine says that the fan-out is gone, or nothing for dead_ns. */
#include "fanout/fanout.h"

void cvy_fanout_cancel(struct covey_fanout *f, int cause)
{
    covey_mutex_lock(&f->lock);
    if (!f->is_canceled) {
        f->is_canceled = true;
        f->cause = cause < 0 ? cause : COVEY_ECANCELED;
    }
    covey_mutex_unlock(&f->lock);
    covey_ctx_cancel(f->accepting);
    (void)covey_chan_try_send(f->poke, NULL);
}

void cvy_fanout_lose(struct covey_fanout *f)
{
    covey_mutex_lock(&f->lock);
    f->is_lost = true;
    cvy_fanout_fail_locked(f, COVEY_ELOST, "fan-out: the engine has lost it");
    covey_mutex_unlock(&f->lock);
    covey_ctx_cancel(f->accepting);
    covey_ctx_cancel(f->life);
}

/* The parent's end. */
static void orphan(struct covey_fanout *f)
{
    covey_mutex_lock(&f->lock);
    f->is_orphaned = !f->is_canceled;
    covey_mutex_unlock(&f->lock);
    cvy_fanout_cancel(f, covey_ctx_cause(f->parent));
    covey_ctx_cancel(f->reading);
}

/* One beat, with the cancel first if it has not been heard yet. */
static int beat(covey_ctx *ctx, struct covey_fanout *f, bool *is_heard)
{
    const covey_fanout_ops *ops = f->engine->ops;
    covey_ctx *limited = cvy_fanout_in_time(ctx, f->engine);
    int code = 0;

    covey_mutex_lock(&f->lock);
    bool is_canceled = f->is_canceled;
    int cause = f->cause;
    covey_mutex_unlock(&f->lock);
    if (is_canceled && !*is_heard) {
        code = ops->cancel(limited, f->engine, f->group, cause);
        *is_heard = code == 0;
    }
    if (code == 0) {
        code = ops->keep(limited, f->engine, f->group);
    }
    covey_ctx_unref(limited);
    return code;
}

int cvy_fanout_keep(covey_ctx *ctx, void *arg)
{
    struct covey_fanout *f = arg;
    const covey_fanout_timing *timing = &f->engine->timing;
    covey_ctx *parent = f->parent;
    int64_t heard_at = covey_now(), next = heard_at + timing->beat_ns;
    bool is_heard = false;

    for (;;) {
        int ran = covey_select(ctx, COVEY_DONE(parent), COVEY_RECV(f->poke, NULL),
                               COVEY_AFTER(next - covey_now()));
        if (covey_ctx_err(ctx) < 0) {
            return 0;
        }
        if (ran == 0) {
            parent = NULL; /* once is enough */
            orphan(f);
        }
        int64_t now = covey_now();
        int code = beat(ctx, f, &is_heard);
        if (code == 0) {
            heard_at = now;
        } else if (code == COVEY_ELOST || covey_now() - heard_at >= timing->dead_ns) {
            cvy_fanout_lose(f);
            return 0;
        }
        next = covey_now() + (code == 0 ? timing->beat_ns : cvy_fanout_pause(f->engine));
    }
}
