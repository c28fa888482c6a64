/* SPDX-License-Identifier: MIT
 * covey/fanout_engine.h - what an engine of distributed groups must do (covey/fanout.h). Not needed
 * to use one, and not part of <covey.h>.
 *
 * An engine keeps fan-outs and their jobs. Each function below that changes a job is one atomic
 * transition, whoever else calls at the time, and can be repeated if its caller does not know
 * whether it took effect:
 *
 *     waiting --take--> running --finish--> ended (one result), or waiting again
 *     running, no beat for dead_ns --take--> running elsewhere, or ended: dead
 *     waiting --cancel--> ended: canceled
 *     any --close, or the fan-out was not kept for dead_ns--> gone
 *
 * A run of a job is known by its attempt, which grows: finish and beat of an earlier one change
 * nothing. Functions return 0 or what is said, or a code with words; one that takes a context
 * returns soon after it is done. They are called by any number of tasks at the same time; a group,
 * and a worker, is opened and closed by one task, while nobody else uses it. */
#ifndef COVEY_FANOUT_ENGINE_H
#define COVEY_FANOUT_ENGINE_H

#include <covey/fanout.h>

COVEY_BEGIN

/* A fan-out's options, with the defaults in place. Borrowed for the call. */
typedef struct covey_fanout_spec {
    const char *queue;
    int max_failures, max_crashes;
    int64_t keep_dead_ns;
} covey_fanout_spec;

/* A job that a worker holds; the engine's own struct may begin with it. Texts have a NUL behind
 * them. */
typedef struct covey_fanout_task {
    const char *name, *key;
    const void *data; /* aligned for any type */
    size_t len;
    uint64_t id;
    int attempt;
} covey_fanout_task;

/* How a run ended. */
typedef enum covey_fanout_how {
    COVEY_FANOUT_SUCCEEDED,
    COVEY_FANOUT_FAILING,   /* waits again at the end of the queue, or has failed */
    COVEY_FANOUT_HOPELESS,  /* failed, whatever its limit is */
    COVEY_FANOUT_STOPPED,   /* by the cancel of its fan-out: canceled */
    COVEY_FANOUT_GIVEN_BACK /* waits again; of a canceled fan-out: canceled */
} covey_fanout_how;

typedef struct covey_fanout_report {
    covey_fanout_how how;
    int code;
    const char *message;
    const void *data;
    size_t len;
} covey_fanout_report;

/* One job's beat. */
typedef struct covey_fanout_beat {
    covey_fanout_task *task;
    int verdict; /* out. 0: go on; COVEY_ECANCELED: its fan-out was canceled; COVEY_ELOST: the job
                    is another's, or gone */
    int cause;   /* out, with COVEY_ECANCELED */
} covey_fanout_beat;

typedef struct covey_fanout_ops {
    const char *name; /* opens messages: "redis" */

    /* ---- the coordinator's ---- */

    /* Makes a fan-out that *group stands for. From now on it must be kept. */
    int (*open)(covey_ctx *ctx, covey_fanout_engine *e, const covey_fanout_spec *spec,
                void **group);
    /* Adds a job. 0, also if it was added by an earlier call with this id; 1: another has its key,
     * whose id is *first. job->key is not NULL. COVEY_ELOST: the fan-out is gone. */
    int (*submit)(covey_ctx *ctx, covey_fanout_engine *e, void *group, uint64_t id,
                  const covey_fanout_job *job, uint64_t *first);
    /* Waits until there are results; writes at most max of them (owned), and says how many. Each is
     * given out once. After a code none is lost. COVEY_ELOST. One task at a time. */
    int (*collect)(covey_ctx *ctx, covey_fanout_engine *e, void *group,
                   covey_fanout_result **results, size_t max);
    /* The coordinator's beat. Of a canceled fan-out it also ends the jobs that wait, as one may
     * have come after the cancel, and those that run without a beat for dead_ns, as no worker may
     * come to do it. COVEY_ELOST: the fan-out is gone. */
    int (*keep)(covey_ctx *ctx, covey_fanout_engine *e, void *group);
    /* Ends all jobs that wait, and lets the beats of the others tell. COVEY_ELOST. */
    int (*cancel)(covey_ctx *ctx, covey_fanout_engine *e, void *group, int cause);
    /* Removes all of it, and frees group, whatever it returns. */
    int (*close)(covey_ctx *ctx, covey_fanout_engine *e, void *group);

    /* ---- the worker's ---- */

    /* Makes a worker that *worker stands for. Need not reach the engine's server. */
    int (*join)(covey_ctx *ctx, covey_fanout_engine *e, const char *queue, const char *name,
                void **worker);
    /* Gives out at most max jobs: those of the dead first, then in their order. Waits for the first
     * one, but not for long beyond a beat. How many. */
    int (*take)(covey_ctx *ctx, covey_fanout_engine *e, void *worker, covey_fanout_task **tasks,
                size_t max);
    /* Fills in each verdict. After a code none of them holds. */
    int (*beat)(covey_ctx *ctx, covey_fanout_engine *e, void *worker, covey_fanout_beat *beats,
                size_t n);
    /* COVEY_ELOST: the job is another's, or gone, and the report does not count. */
    int (*finish)(covey_ctx *ctx, covey_fanout_engine *e, void *worker, covey_fanout_task *task,
                  const covey_fanout_report *report);
    /* Frees it here; in the engine nothing happens. */
    void (*drop)(covey_fanout_engine *e, void *worker, covey_fanout_task *task);
    /* Frees worker, all of whose tasks were dropped. */
    void (*leave)(covey_ctx *ctx, covey_fanout_engine *e, void *worker);

    void (*free)(covey_fanout_engine *e);
} covey_fanout_ops;

/* An engine's own struct begins with this. */
struct covey_fanout_engine {
    const covey_fanout_ops *ops;
    covey_fanout_timing timing; /* with the defaults in place: covey_fanout_timing_of() */
};

/* The defaults for what is 0; timing may be NULL. -EINVAL: out of range. Does not switch. */
COVEY_API int covey_fanout_timing_of(const covey_fanout_timing *timing, covey_fanout_timing *out);

/* What a result is made of; strings and data are borrowed and copied. NULL: out of memory. Does not
 * switch. */
COVEY_API covey_fanout_result *covey_fanout_result_new(const covey_fanout_result *from);

COVEY_END
#endif
