/* SPDX-License-Identifier: MIT
 * fanout_faults.h - an engine of distributed groups in front of another, whose calls fail as a test
 * wants: before they were made (the request is lost), or after (the reply is). And what tests of
 * fan-outs share: workers in tasks, a coordinator that counts what comes home. */
#ifndef CVY_FANOUT_FAULTS_H
#define CVY_FANOUT_FAULTS_H

#include "support.h"

#include <covey/fanout_engine.h>

enum fault_call { AT_SUBMIT, AT_COLLECT, AT_KEEP, AT_CANCEL, AT_TAKE, AT_BEAT, AT_FINISH };

struct faults;

/* Asked before and after each call: 0, or the code it fails with. who: the worker's name. */
typedef int fault_hook(struct faults *f, enum fault_call at, const char *who, bool is_after);

struct faults {
    covey_fanout_engine engine; /* first */
    covey_fanout_engine *below;
    _Atomic(fault_hook *) hook; /* may be NULL */
    void *arg;
};

struct faults_worker {
    void *below;
    char name[32];
};

static inline int faults_ask(struct faults *f, enum fault_call at, const char *who, bool is_after)
{
    fault_hook *hook = atomic_load(&f->hook);
    int code = hook ? hook(f, at, who, is_after) : 0;

    return code < 0 ? covey_errorf(code, "a fault of the test's") : 0;
}

#define FAULTS_CALL(at, who, call)                                                                 \
    do {                                                                                           \
        int fault_ = faults_ask((struct faults *)e, (at), (who), false);                           \
        if (fault_ < 0) {                                                                          \
            return fault_;                                                                         \
        }                                                                                          \
        int code_ = (call);                                                                        \
        fault_ = code_ < 0 ? 0 : faults_ask((struct faults *)e, (at), (who), true);                \
        return fault_ < 0 ? fault_ : code_;                                                        \
    } while (0)

#define FAULTS_BELOW ((struct faults *)e)->below
#define FAULTS_OPS FAULTS_BELOW->ops

static inline int faults_open(covey_ctx *ctx, covey_fanout_engine *e, const covey_fanout_spec *spec,
                              void **group)
{
    return FAULTS_OPS->open(ctx, FAULTS_BELOW, spec, group);
}

static inline int faults_submit(covey_ctx *ctx, covey_fanout_engine *e, void *group, uint64_t id,
                                const covey_fanout_job *job, uint64_t *first)
{
    FAULTS_CALL(AT_SUBMIT, "", FAULTS_OPS->submit(ctx, FAULTS_BELOW, group, id, job, first));
}

/* What was collected must not be lost: it fails before or not at all. */
static inline int faults_collect(covey_ctx *ctx, covey_fanout_engine *e, void *group,
                                 covey_fanout_result **results, size_t max)
{
    int fault = faults_ask((struct faults *)e, AT_COLLECT, "", false);
    return fault < 0 ? fault : FAULTS_OPS->collect(ctx, FAULTS_BELOW, group, results, max);
}

static inline int faults_keep(covey_ctx *ctx, covey_fanout_engine *e, void *group)
{
    FAULTS_CALL(AT_KEEP, "", FAULTS_OPS->keep(ctx, FAULTS_BELOW, group));
}

static inline int faults_cancel(covey_ctx *ctx, covey_fanout_engine *e, void *group, int cause)
{
    FAULTS_CALL(AT_CANCEL, "", FAULTS_OPS->cancel(ctx, FAULTS_BELOW, group, cause));
}

static inline int faults_close(covey_ctx *ctx, covey_fanout_engine *e, void *group)
{
    return FAULTS_OPS->close(ctx, FAULTS_BELOW, group);
}

static inline int faults_join(covey_ctx *ctx, covey_fanout_engine *e, const char *queue,
                              const char *name, void **worker)
{
    struct faults_worker *w = calloc(1, sizeof(*w));

    CHECK(w);
    (void)snprintf(w->name, sizeof(w->name), "%s", name);
    *worker = w;
    return FAULTS_OPS->join(ctx, FAULTS_BELOW, queue, name, &w->below);
}

#define FAULTS_WORKER ((struct faults_worker *)worker)

static inline int faults_take(covey_ctx *ctx, covey_fanout_engine *e, void *worker,
                              covey_fanout_task **tasks, size_t max)
{
    int code = faults_ask((struct faults *)e, AT_TAKE, FAULTS_WORKER->name, false);
    int n = code < 0 ? code : FAULTS_OPS->take(ctx, FAULTS_BELOW, FAULTS_WORKER->below, tasks, max);

    if (n <= 0 || faults_ask((struct faults *)e, AT_TAKE, FAULTS_WORKER->name, true) == 0) {
        return n;
    }
    for (int i = 0; i < n; i++) { /* nobody knows that they were given out */
        FAULTS_OPS->drop(FAULTS_BELOW, FAULTS_WORKER->below, tasks[i]);
    }
    return -ECONNRESET;
}

static inline int faults_beat(covey_ctx *ctx, covey_fanout_engine *e, void *worker,
                              covey_fanout_beat *beats, size_t n)
{
    FAULTS_CALL(AT_BEAT, FAULTS_WORKER->name,
                FAULTS_OPS->beat(ctx, FAULTS_BELOW, FAULTS_WORKER->below, beats, n));
}

static inline int faults_finish(covey_ctx *ctx, covey_fanout_engine *e, void *worker,
                                covey_fanout_task *task, const covey_fanout_report *report)
{
    FAULTS_CALL(AT_FINISH, FAULTS_WORKER->name,
                FAULTS_OPS->finish(ctx, FAULTS_BELOW, FAULTS_WORKER->below, task, report));
}

static inline void faults_drop(covey_fanout_engine *e, void *worker, covey_fanout_task *task)
{
    FAULTS_OPS->drop(FAULTS_BELOW, FAULTS_WORKER->below, task);
}

static inline void faults_leave(covey_ctx *ctx, covey_fanout_engine *e, void *worker)
{
    FAULTS_OPS->leave(ctx, FAULTS_BELOW, FAULTS_WORKER->below);
    free(worker);
}

static inline void faults_free(covey_fanout_engine *e)
{
    covey_fanout_engine_free(FAULTS_BELOW);
}

static const covey_fanout_ops faults_ops = {
    .name = "faults",
    .open = faults_open,
    .submit = faults_submit,
    .collect = faults_collect,
    .keep = faults_keep,
    .cancel = faults_cancel,
    .close = faults_close,
    .join = faults_join,
    .take = faults_take,
    .beat = faults_beat,
    .finish = faults_finish,
    .drop = faults_drop,
    .leave = faults_leave,
    .free = faults_free,
};

/* In front of an engine, which it owns from now on. */
static inline covey_fanout_engine *faults_init(struct faults *f, covey_fanout_engine *below)
{
    CHECK(below);
    f->below = below;
    f->engine = (covey_fanout_engine){.ops = &faults_ops, .timing = f->below->timing};
    return &f->engine;
}

/* ---- workers ---- */

struct crew {
    covey_fanout_engine *engine;
    const covey_fanout_handler *handlers;
    size_t handler_count;
    covey_fanout_worker_options options;
    covey_ctx *ctx;
    covey_group *group;
    covey_fanout_worker_stats stats[16]; /* each worker's */
    int workers;
    atomic_int next;
};

static inline int crew_main(covey_ctx *ctx, void *arg)
{
    struct crew *c = arg;
    int i = atomic_fetch_add(&c->next, 1);
    covey_fanout_worker_options opts = c->options;
    char name[32];

    (void)snprintf(name, sizeof(name), "worker-%d", i);
    opts.name = name;
    opts.stats = &c->stats[i];
    int code = covey_fanout_serve(ctx, c->engine, c->handlers, c->handler_count, &opts);
    return code == COVEY_ECANCELED ? 0 : code; /* it was to end before it began */
}

static inline void crew_start(struct crew *c, int workers)
{
    c->ctx = covey_ctx_with_cancel(NULL);
    c->group = covey_group_new(c->ctx);
    for (c->workers = 0; c->workers < workers; c->workers++) {
        GO(c->group, crew_main, c);
    }
}

static inline void crew_end(struct crew *c)
{
    covey_ctx_cancel(c->ctx);
    JOIN(c->group);
    covey_ctx_unref(c->ctx);
}

/* ---- an engine by itself ---- */

/* A job that was taken over: what its first worker says of it does not count. */
static inline void check_fence(covey_ctx *ctx, covey_fanout_engine *e)
{
    const covey_fanout_spec spec = {.queue = "fence", .max_failures = 1, .max_crashes = 9};
    const covey_fanout_job job = {.name = "job", .key = "key"};
    const covey_fanout_report late = {COVEY_FANOUT_FAILING, -EIO, "late", NULL, 0};
    const covey_fanout_report good = {COVEY_FANOUT_SUCCEEDED, 7, "", NULL, 0};
    covey_fanout_task *first = NULL, *second = NULL;
    covey_fanout_result *result;
    void *group, *a, *b;
    uint64_t id;

    CHECK_EQ(e->ops->open(ctx, e, &spec, &group), 0);
    CHECK_EQ(e->ops->join(ctx, e, "fence", "a", &a), 0);
    CHECK_EQ(e->ops->join(ctx, e, "fence", "b", &b), 0);
    CHECK_EQ(e->ops->submit(ctx, e, group, 1, &job, &id), 0);
    CHECK_EQ(e->ops->submit(ctx, e, group, 1, &job, &id), 0); /* repeated: nothing is added */
    CHECK_EQ(e->ops->take(ctx, e, a, &first, 1), 1);
    while (e->ops->take(ctx, e, b, &second, 1) != 1) { /* until a is taken for dead */
        CHECK_EQ(e->ops->keep(ctx, e, group), 0);
    }
    CHECK_EQ(first->attempt, 1);
    CHECK_EQ(second->attempt, 2);
    covey_fanout_beat beats[] = {{.task = first}, {.task = second}};
    CHECK_EQ(e->ops->beat(ctx, e, b, beats, 2), 0);
    CHECK_EQ(beats[0].verdict, COVEY_ELOST);
    CHECK_EQ(beats[1].verdict, 0);
    CHECK_EQ(e->ops->finish(ctx, e, a, first, &late), COVEY_ELOST);
    CHECK_EQ(e->ops->finish(ctx, e, b, second, &good), 0);
    CHECK_EQ(e->ops->finish(ctx, e, b, second, &good), COVEY_ELOST);
    CHECK_EQ(e->ops->collect(ctx, e, group, &result, 1), 1);
    CHECK_EQ(result->end, COVEY_FANOUT_DONE);
    CHECK_EQ(result->crashes, 1);
    covey_fanout_result_free(result);
    e->ops->drop(e, a, first);
    e->ops->drop(e, b, second);
    e->ops->leave(ctx, e, a);
    e->ops->leave(ctx, e, b);
    CHECK_EQ(e->ops->close(ctx, e, group), 0);
}

/* ---- what comes home ---- */

struct home {
    covey_chan *results; /* with a reference */
    int count;
    int by_end[COVEY_FANOUT_LOST + 1];
    int by_id[2048]; /* results of each id */
    int attempts, failures, crashes;
};

static inline int home_main(covey_ctx *ctx, void *arg)
{
    struct home *h = arg;
    covey_fanout_result *r;

    (void)ctx;
    while (covey_chan_recv(NULL, h->results, &r) == 0) {
        h->count++;
        h->by_end[r->end]++;
        CHECK(r->id > 0 && r->id < 2048);
        CHECK_EQ(++h->by_id[r->id], 1);
        h->attempts += r->attempts;
        h->failures += r->failures;
        h->crashes += r->crashes;
        CHECK((r->code < 0) == (r->end != COVEY_FANOUT_DONE));
        covey_fanout_result_free(r);
    }
    covey_chan_unref(h->results);
    return 0;
}

static inline void home_start(struct home *h, covey_group *g, covey_fanout *f)
{
    *h = (struct home){.results = covey_chan_ref(covey_fanout_results(f))};
    GO(g, home_main, h);
}

#endif
