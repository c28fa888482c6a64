/* SPDX-License-Identifier: MIT
 * fanout.h - a fan-out as its coordinator sees it: coordinator.c opens and ends it, submit.c adds
 * jobs, keeper.c beats and cancels, collect.c brings results home, metrics.c shows it.
 *
 * Two tasks, in a group of the caller's: the keeper and the collector. Both end with `life`, which
 * is cancelled once no job can come or end any more, or when the engine has lost the fan-out. */
#ifndef CVY_FANOUT_FANOUT_H
#define CVY_FANOUT_FANOUT_H

#include <covey.h>
#include <covey/fanout_engine.h>

struct covey_fanout {
    /* Immutable after covey_fanout_open(). */
    covey_fanout_engine *engine;
    void *group; /* the engine's */
    covey_fanout_options options;
    covey_ctx *parent;
    covey_ctx *life;
    covey_ctx *accepting; /* done: no more submits */
    covey_ctx *reading;   /* done: results that nobody waits for are dropped */
    covey_group *tasks;
    covey_chan *results; /* NULL: they are not wanted */
    covey_chan *permits; /* one a job that may still be submitted */
    covey_chan *poke;    /* capacity 1: the keeper is to look */
    covey_map *ids;      /* of jobs that have not ended; the value is when it was submitted */
    uint64_t nonce;      /* for keys */
    covey_metrics_source source; /* the registry's; registered if there is a name */
    covey_histogram times;       /* from a job's submit to its end */

    /* Guarded by lock. */
    covey_mutex lock;
    uint64_t last_id; /* also of submits that came to nothing */
    size_t open;      /* jobs without a result that was received or dropped */
    bool is_closed, is_canceled, is_lost;
    bool is_orphaned; /* the cancel came from the parent */
    bool is_won;      /* a first success */
    int cause;        /* of the cancel */
    int code;         /* the first failure */
    char *words;      /* its own; NULL without memory */
    covey_fanout_stats stats;
};

extern const covey_metrics_kind cvy_fanout_metrics, cvy_fanout_worker_metrics;

/* The collector's task. */
covey_fn cvy_fanout_collect;
/* The keeper's. */
covey_fn cvy_fanout_keep;

/* Stops submits, and has the keeper cancel it in the engine. */
void cvy_fanout_cancel(struct covey_fanout *f, int cause);
/* The engine does not have it any more: both tasks end. */
void cvy_fanout_lose(struct covey_fanout *f);
/* A failure with the task's words; does not cancel. */
void cvy_fanout_fail_locked(struct covey_fanout *f, int code, const char *words);
/* n jobs have ended, and nobody waits for their results. */
void cvy_fanout_settle_locked(struct covey_fanout *f, size_t n);

/* Whether a failure cancels the rest. */
static inline bool cvy_fanout_is_strict(const struct covey_fanout *f)
{
    return f->options.policy == COVEY_FIRST_ERROR;
}

/* A call of the engine that finds its server silent should not take up all the time until one is
 * taken for dead. */
static inline covey_ctx *cvy_fanout_in_time(covey_ctx *ctx, const covey_fanout_engine *e)
{
    return covey_ctx_with_timeout(ctx, e->timing.dead_ns / 2);
}

/* How long to wait after a call of the engine failed. */
static inline int64_t cvy_fanout_pause(const covey_fanout_engine *e)
{
    return e->timing.beat_ns / 4;
}

#endif
