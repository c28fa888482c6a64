/* SPDX-License-Identifier: MIT
 * covey/fanout.h - distributed groups: jobs that tasks of other processes or hosts run, and that
 * end with the group that submitted them.
 *
 * A coordinator opens a fan-out under a context, submits jobs (a name, bytes), receives their
 * results from a channel, and waits, as for a group of its own tasks. Workers serve a queue: they
 * take jobs, run each as a task under a context of its own, and report. Both meet in an engine:
 * covey_fanout_local() within a process, covey_redis_fanout() (covey/redis_fanout.h) between them;
 * covey/fanout_engine.h says how to write another.
 *
 * What is promised. A job that was submitted ends once, with one result: done, failed, dead,
 * canceled or lost. Until then it is run at least once, and perhaps more often: a worker shows that
 * it lives by a beat for each job that it has; without one for dead_ns the job is given to another
 * worker (a crash; the first may only have been paused, and still be running). So what a handler
 * does to the outside must be guarded by the job's key: where it is written down, the key is looked
 * up or unique. Of several runs one report counts.
 *
 * The end of the coordinator's context, covey_fanout_cancel() and, by the policy, a job's failure
 * cancel the fan-out: jobs that wait are dropped, and the contexts of running handlers are done,
 * with the cause, at their next beat. The coordinator beats too: when it died its jobs are
 * forgotten, and running handlers are cancelled with COVEY_ELOST as the cause. So are those of a
 * worker that reached the engine for dead_ns in vain. When a fan-out has ended nothing of it is
 * left in the engine.
 *
 * Nobody is flooded: a submit waits while `window` jobs have no result yet that was received, and a
 * worker takes no more than it has tasks for. Everything here needs a runtime. */
#ifndef COVEY_FANOUT_H
#define COVEY_FANOUT_H

#include <covey/defs.h>
#include <covey/error.h>
#include <covey/group.h>

COVEY_BEGIN

#define COVEY_FANOUT_QUEUE "default"
#define COVEY_FANOUT_WINDOW 1024
#define COVEY_FANOUT_WINDOW_MAX (1 << 20)
#define COVEY_FANOUT_CRASHES 3
#define COVEY_FANOUT_BEAT_NS COVEY_SEC
#define COVEY_FANOUT_DEAD_NS (10 * COVEY_SEC)
#define COVEY_FANOUT_NAME_MAX 255 /* bytes of a queue's, job's or worker's name, and of a key */
/* Bytes of a payload, and of a result. What is larger is put where both sides reach it. */
#define COVEY_FANOUT_DATA_MAX (1u << 20)

/* ---- the engine ---- */

/* Where coordinators and workers meet. One may serve any number of both, at the same time. */
typedef struct covey_fanout_engine covey_fanout_engine;

/* The same for all who meet, in whatever process: the dead are told from the living by it. */
typedef struct covey_fanout_timing {
    int64_t beat_ns; /* 0: COVEY_FANOUT_BEAT_NS. How often one shows that it lives */
    int64_t dead_ns; /* 0: COVEY_FANOUT_DEAD_NS; at least four times beat_ns. Who did not for so
                        long is dead */
} covey_fanout_timing;

/* The engine within this process. Owned; timing is borrowed, NULL: the defaults. NULL: out of
 * memory, or timing out of range. Does not switch. */
COVEY_API covey_fanout_engine *covey_fanout_local(const covey_fanout_timing *timing);
/* Of any engine. No coordinator and no worker may use it any more. NULL is allowed. May switch. */
COVEY_API void covey_fanout_engine_free(covey_fanout_engine *e);

/* ---- results ---- */

typedef enum covey_fanout_end {
    COVEY_FANOUT_DONE,
    COVEY_FANOUT_FAILED,   /* its handler failed, max_failures times */
    COVEY_FANOUT_DEAD,     /* workers died over it, max_crashes times: poison. code: -EOWNERDEAD */
    COVEY_FANOUT_CANCELED, /* with the fan-out, before it began or in its handler */
    COVEY_FANOUT_LOST /* the engine lost it, or was not reached for dead_ns. code: COVEY_ELOST */
} covey_fanout_end;

/* The receiver's, in one allocation: covey_fanout_result_free(). */
typedef struct covey_fanout_result {
    uint64_t id;
    covey_fanout_end end;
    int code;            /* the handler's: 0 or positive if it is done, negative otherwise */
    const char *message; /* its words; "" if it is done */
    const char *name;    /* the job's; of a lost one "", as its key is */
    const char *key;
    const void *data; /* done: what the handler left with covey_fanout_reply(); dead: the payload;
                         with a NUL behind it */
    size_t len;
    int attempts; /* times it was given to a worker, */
    int failures; /* of which so many failed, */
    int crashes;  /* and so many were not heard of again; the rest were given back */
} covey_fanout_result;
COVEY_API void covey_fanout_result_free(covey_fanout_result *r); /* NULL is allowed */
/* "dead". */
COVEY_API const char *covey_fanout_end_name(covey_fanout_end end);

/* ---- the coordinator ---- */

typedef struct covey_fanout covey_fanout;

typedef struct covey_fanout_stats {
    uint64_t submitted;                          /* jobs that the fan-out has, or had */
    uint64_t repeated;                           /* submits of a key that it had already */
    uint64_t done, failed, dead, canceled, lost; /* how they ended */
    uint64_t dropped;                     /* results that nobody was waiting for after a cancel */
    uint64_t attempts, failures, crashes; /* of all that ended */
} covey_fanout_stats;

/* What is 0 or NULL has the default named beside it. */
typedef struct covey_fanout_options {
    const char *queue;         /* COVEY_FANOUT_QUEUE. Whose workers run the jobs */
    covey_group_policy policy; /* COVEY_FIRST_ERROR; as a group's, with jobs for tasks */
    size_t window;             /* COVEY_FANOUT_WINDOW; at most COVEY_FANOUT_WINDOW_MAX */
    int max_failures;  /* 1. A job whose handler failed so often has failed. One that fails earlier
                          goes to the end of the queue */
    int max_crashes;   /* COVEY_FANOUT_CRASHES */
    bool with_results; /* they are received from covey_fanout_results(); else they are counted */
    int64_t keep_dead_ns; /* > 0: the engine keeps failed and dead jobs with their payload for so
                             long, for people to look at, whatever becomes of the fan-out. The local
                             engine keeps none */
    covey_fanout_stats *stats; /* borrowed; filled in by covey_fanout_wait() */
    const char *name; /* copied. With one covey_metrics_write() shows it, as fanout="name" */
} covey_fanout_options;

/* Opens a fan-out under ctx, which is its parent and may be NULL, and e, which must outlive it.
 * opts is borrowed, NULL: the defaults. *f is owned: the task that opened it must call
 * covey_fanout_wait() before it ends; one that does not is a fatal error, as with a group. 0;
 * COVEY_ECANCELED, COVEY_EDEADLINE; -EINVAL: an option out of range; -ENOMEM; the engine's codes.
 * May switch. */
COVEY_API int covey_fanout_open(covey_ctx *ctx, covey_fanout **f, covey_fanout_engine *e,
                                const covey_fanout_options *opts);
COVEY_API int covey_fanout_open_at(const covey_site *site, covey_ctx *ctx, covey_fanout **f,
                                   covey_fanout_engine *e, const covey_fanout_options *opts);
#define covey_fanout_open(ctx, f, e, opts)                                                         \
    covey_fanout_open_at(COVEY_SITE("fan-out"), (ctx), (f), (e), (opts))

typedef struct covey_fanout_job {
    const char *name; /* which handler; at most COVEY_FANOUT_NAME_MAX bytes */
    const char *key;  /* tells one effect from another, wherever it is submitted; NULL: the fan-out
                         makes one up that is this job's alone */
    const void *data; /* the payload, of len bytes; at most COVEY_FANOUT_DATA_MAX */
    size_t len;
} covey_fanout_job;

/* Adds a job; all of it is copied. Waits while the window is full. 0: the fan-out has it, under the
 * number *id (1, 2, ...; id may be NULL). 1: it has one with this key already, or had: that one's
 * number is *id, and nothing was added. Any task may call it until covey_fanout_close().
 *
 * COVEY_ECANCELED, COVEY_EDEADLINE: ctx is done, which is no failure of the fan-out.
 * COVEY_ECANCELED: or the fan-out was cancelled.
 * COVEY_ECLOSED: it was closed. -EINVAL, COVEY_ETOOLARGE: the job. -ENOMEM, or a code of the
 * engine's: the fan-out counts it as a job that failed, as a group does a start. After a code a
 * handler may still see the job (the reply was lost, not the request); no result of it comes. */
COVEY_API int covey_fanout_submit(covey_ctx *ctx, covey_fanout *f, const covey_fanout_job *job,
                                  uint64_t *id);

/* The channel of covey_fanout_result *, without capacity; NULL unless options.with_results. Each
 * job's comes once, in the order in which they ended, and the channel is closed after the last one
 * once no more jobs come (covey_fanout_close()). Receive until then, or cancel the fan-out: while
 * one waits to be received, others do too, and so does covey_fanout_wait(). After a
 * covey_fanout_cancel() or the end of the parent, results that nobody waits for at that moment are
 * dropped. It is f's own: a task that may still use it when covey_fanout_wait() returns takes a
 * reference. */
COVEY_API covey_chan *covey_fanout_results(covey_fanout *f);

/* No more jobs come. Does not wait; may switch, for a short lock. */
COVEY_API void covey_fanout_close(covey_fanout *f);
/* Cancels it: handlers see COVEY_ECANCELED, and this cause (0: COVEY_ECANCELED). The first cause
 * stays. It is no failure of the fan-out. Does not wait; may switch, for a short lock. */
COVEY_API void covey_fanout_cancel(covey_fanout *f, int cause);
/* A moment's view. May switch, for a short lock. */
COVEY_API void covey_fanout_stats_of(covey_fanout *f, covey_fanout_stats *stats);

/* Closes it, waits until every job has ended and its result was received, removes what it has in
 * the engine, frees f, and returns the first failure by the policy with its words: "job 7
 * "resize": no such file"; 0 if there was none, also when it was cancelled by
 * covey_fanout_cancel(). COVEY_ECANCELED, COVEY_EDEADLINE: the end of its parent has cancelled a
 * job. COVEY_ELOST: the engine lost it. May switch. Takes no context: the parent's end, or a
 * cancel, hurries it. Then it waits for running handlers, which may take a beat to hear of it, and
 * for an engine that cannot be reached no longer than dead_ns. */
COVEY_API int covey_fanout_wait(covey_fanout *f);

/* ---- the worker ---- */

/* What a handler gets; the worker's, gone when the handler has returned. Fields ending in _ are
 * covey's. */
typedef struct covey_fanout_call {
    const char *name;
    const char *key;  /* the same in every run of the job: guard effects by it */
    const void *data; /* with a NUL behind it; aligned for any type */
    size_t len;
    uint64_t id; /* in its fan-out */
    int attempt; /* 1, 2, ...: a later run of the same job has a larger one */
    char *reply_;
    size_t reply_len_;
} covey_fanout_call;

/* Runs one job. ctx is the job's own: done when its fan-out is cancelled or gone, when the job was
 * given to another worker (covey_ctx_cause(): COVEY_ELOST), or when the worker leaves. 0 or
 * positive: done, even then. Negative: failed, with the task's message; COVEY_PERMANENT(code): at
 * once, whatever max_failures is. A failure with ctx done counts as none. */
typedef int covey_fanout_fn(covey_ctx *ctx, covey_fanout_call *call, void *arg);

/* The result's bytes, copied; the last call counts. 0; -ENOMEM; COVEY_ETOOLARGE. By the handler's
 * task. Does not switch. */
COVEY_API int covey_fanout_reply(covey_fanout_call *call, const void *data, size_t len);

typedef struct covey_fanout_handler {
    const char *name;
    covey_fanout_fn *fn;
    void *arg;
    size_t stack_size; /* of its task; 0: the runtime's */
} covey_fanout_handler;

typedef struct covey_fanout_worker_stats {
    uint64_t taken;    /* jobs, */
    uint64_t reported; /* of which so many ended in a report that counted, */
    uint64_t returned; /* were given back, as the worker left, */
    uint64_t lost;     /* or were another's by then, or nobody's */
    uint64_t troubles; /* calls of the engine that failed */
} covey_fanout_worker_stats;

/* What is 0 or NULL has the default named beside it. */
typedef struct covey_fanout_worker_options {
    const char *queue; /* COVEY_FANOUT_QUEUE */
    const char *name;  /* for people, who look into the engine: "worker". With one, which should be
                          its alone in this process, covey_metrics_write() shows the worker, as
                          fanout_worker="name" */
    int jobs;          /* at once; 0: covey_workers(); at most 4096 */
    int64_t grace_ns;  /* 0: none. How long running jobs may take to end after ctx is done, before
                          theirs are */
    covey_fanout_worker_stats *stats; /* borrowed; filled in at the end */
} covey_fanout_worker_options;

/* Runs jobs of a queue until ctx is done: then it takes no more, lets those that run end within the
 * grace period, cancels the rest, gives back what its handlers left undone, and returns 0. A job
 * that none of the n handlers is for fails with -ENOSYS, so all workers of a queue should know the
 * same names. handlers is borrowed; so is opts, NULL: the defaults.
 *
 * An engine in trouble (its server restarts) is waited for. COVEY_ECANCELED, COVEY_EDEADLINE: ctx
 * was done before. -EINVAL; -ENOMEM: it could not begin. May switch. */
COVEY_API int covey_fanout_serve(covey_ctx *ctx, covey_fanout_engine *e,
                                 const covey_fanout_handler *handlers, size_t n,
                                 const covey_fanout_worker_options *opts);

COVEY_END
#endif
