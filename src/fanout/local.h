/* SPDX-License-Identifier: MIT
 * local.h - the engine within a process: queues of jobs under one lock. local.c has the engine and
 * its queues, local_group.c a fan-out's beginning and end, local_coordinator.c what its coordinator
 * does in between, local_worker.c the worker's side, local_job.c what both do to a job.
 *
 * A job is in one list at a time: waiting, or running in the order of the last beats, or in none
 * when it has ended. Its fan-out's reference to it goes with that; those of workers that held it
 * may last longer. Nothing is done by a clock of the engine's own: who comes first after a time has
 * passed does what is due. */
#ifndef CVY_FANOUT_LOCAL_H
#define CVY_FANOUT_LOCAL_H

#include <covey.h>
#include <covey/fanout_engine.h>

struct cvy_local_link {
    struct cvy_local_link *prev, *next;
};

static inline void cvy_local_list_init(struct cvy_local_link *head)
{
    head->prev = head->next = head;
}

static inline bool cvy_local_list_is_empty(const struct cvy_local_link *head)
{
    return head->next == head;
}

static inline void cvy_local_list_append(struct cvy_local_link *head, struct cvy_local_link *link)
{
    link->prev = head->prev;
    link->next = head;
    head->prev->next = link;
    head->prev = link;
}

static inline void cvy_local_list_remove(struct cvy_local_link *link)
{
    link->prev->next = link->next;
    link->next->prev = link->prev;
}

/* Lives as long as the engine. */
struct cvy_local_queue {
    struct cvy_local_queue *next;
    struct cvy_local_link waiting, running;
    struct cvy_local_group *groups;
    covey_chan *work; /* capacity 1: somebody is to look for jobs */
    char name[];
};

struct cvy_local {
    covey_fanout_engine engine;
    covey_mutex lock; /* guards all that is below */
    struct cvy_local_queue *queues;
};

/* A result that waits to be collected. */
struct cvy_local_result {
    struct cvy_local_result *next;
    covey_fanout_result *result;
};

/* Freed with its last reference: its coordinator's, and its jobs'. */
struct cvy_local_group {
    struct cvy_local_group *next;
    struct cvy_local_queue *queue;
    covey_fanout_spec spec; /* without texts */
    int references;
    bool is_gone, is_canceled;
    int cause;
    int64_t kept_at;
    covey_map *ids, *keys; /* of all jobs it ever had; the value of a key is the id */
    struct cvy_local_result *results, **last;
    covey_chan *arrived; /* capacity 1: there are results, or it is gone */
};

enum cvy_local_state { CVY_LOCAL_WAITING, CVY_LOCAL_RUNNING, CVY_LOCAL_ENDED };

struct cvy_local_job {
    struct cvy_local_link link; /* first */
    struct cvy_local_group *group;
    enum cvy_local_state state;
    int references;
    int attempts, failures, crashes;
    int64_t beaten_at;
    covey_fanout_task task;
    _Alignas(max_align_t) char bytes[]; /* its texts and data */
};

/* What a worker holds. */
struct cvy_local_held {
    covey_fanout_task task; /* first */
    struct cvy_local_job *job;
};

static inline struct cvy_local *cvy_local_of(covey_fanout_engine *e)
{
    return (struct cvy_local *)e;
}

/* Local functions below are called with the engine's lock held. */

struct cvy_local_queue *cvy_local_queue_named(struct cvy_local *l, const char *name);
void cvy_local_group_unref(struct cvy_local_group *g);
/* The end of a fan-out that was closed, or not kept: its jobs are gone. */
void cvy_local_group_end(struct cvy_local_group *g);
/* Whether it is gone, also just now, as nobody kept it. */
bool cvy_local_group_is_gone(struct cvy_local *l, struct cvy_local_group *g);

struct cvy_local_job *cvy_local_job_new(struct cvy_local_group *g, uint64_t id,
                                        const covey_fanout_job *from);
void cvy_local_job_unref(struct cvy_local_job *job);
void cvy_local_job_wait(struct cvy_local_job *job);
void cvy_local_job_run(struct cvy_local_job *job);
/* Ends it with a result; -ENOMEM: nothing changed. */
int cvy_local_job_end(struct cvy_local_job *job, covey_fanout_end end,
                      const covey_fanout_report *report);
int cvy_local_job_cancel(struct cvy_local_job *job);
/* Workers died over it so often that it has to end. */
int cvy_local_job_bury(struct cvy_local_job *job);

/* The coordinator's side. */
int cvy_local_open(covey_ctx *ctx, covey_fanout_engine *e, const covey_fanout_spec *spec,
                   void **group);
int cvy_local_submit(covey_ctx *ctx, covey_fanout_engine *e, void *group, uint64_t id,
                     const covey_fanout_job *job, uint64_t *first);
int cvy_local_collect(covey_ctx *ctx, covey_fanout_engine *e, void *group,
                      covey_fanout_result **results, size_t max);
int cvy_local_keep(covey_ctx *ctx, covey_fanout_engine *e, void *group);
int cvy_local_cancel(covey_ctx *ctx, covey_fanout_engine *e, void *group, int cause);
int cvy_local_close(covey_ctx *ctx, covey_fanout_engine *e, void *group);

/* The worker's side. */
int cvy_local_join(covey_ctx *ctx, covey_fanout_engine *e, const char *queue, const char *name,
                   void **worker);
int cvy_local_take(covey_ctx *ctx, covey_fanout_engine *e, void *worker, covey_fanout_task **tasks,
                   size_t max);
int cvy_local_beat(covey_ctx *ctx, covey_fanout_engine *e, void *worker, covey_fanout_beat *beats,
                   size_t n);
int cvy_local_finish(covey_ctx *ctx, covey_fanout_engine *e, void *worker, covey_fanout_task *task,
                     const covey_fanout_report *report);
void cvy_local_drop(covey_fanout_engine *e, void *worker, covey_fanout_task *task);
void cvy_local_leave(covey_ctx *ctx, covey_fanout_engine *e, void *worker);

#endif
