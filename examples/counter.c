/* SPDX-License-Identifier: MIT
 * counter.c - one number, many tasks: four ways to share it, and what each costs.
 *
 * The first way shares nothing: a task owns the counter, the others send it what to add and ask it
 * over a channel. Beside it the same under a mutex, under a read-write mutex, and as an atomic. All
 * four are right; the measured costs say when to take which. An owner costs most a step, and is the
 * one that can also wait, time out and refuse. */
#include "example.h"

struct counter {
    covey_chan *adds;  /* of int64_t, to the owner */
    covey_chan *reads; /* of int64_t, from the owner: its number at that moment */
    covey_mutex mutex;
    covey_rwmutex rwmutex;
    int64_t plain; /* the owner's, or guarded by one of the two */
    atomic_llong atomic;
    int64_t turns;
};

/* One way to share: add one; read. */
struct way {
    const char *name;
    int (*add)(covey_ctx *ctx, struct counter *c);
    int (*read)(covey_ctx *ctx, struct counter *c, int64_t *n);
};

/* Owns the counter: nobody else touches c->plain. Ends when the adds are closed. */
static int own_counter(covey_ctx *ctx, void *arg)
{
    struct counter *c = arg;
    int64_t n;

    for (;;) {
        bool ok = true;
        int which =
            covey_select(ctx, COVEY_RECV_OK(c->adds, &n, &ok), COVEY_SEND(c->reads, &c->plain));
        if (which < 0) {
            return which;
        }
        if (!ok) {
            return 0;
        }
        c->plain += which == 0 ? n : 0;
    }
}

static int add_by_channel(covey_ctx *ctx, struct counter *c)
{
    int64_t one = 1;
    return covey_chan_send(ctx, c->adds, &one);
}

static int read_by_channel(covey_ctx *ctx, struct counter *c, int64_t *n)
{
    return covey_chan_recv(ctx, c->reads, n);
}

static int add_by_mutex(covey_ctx *ctx, struct counter *c)
{
    (void)ctx;
    covey_mutex_lock(&c->mutex);
    c->plain++;
    covey_mutex_unlock(&c->mutex);
    return 0;
}

static int read_by_mutex(covey_ctx *ctx, struct counter *c, int64_t *n)
{
    (void)ctx;
    covey_mutex_lock(&c->mutex);
    *n = c->plain;
    covey_mutex_unlock(&c->mutex);
    return 0;
}

static int add_by_rwmutex(covey_ctx *ctx, struct counter *c)
{
    (void)ctx;
    covey_rwmutex_lock(&c->rwmutex);
    c->plain++;
    covey_rwmutex_unlock(&c->rwmutex);
    return 0;
}

static int read_by_rwmutex(covey_ctx *ctx, struct counter *c, int64_t *n)
{
    (void)ctx;
    covey_rwmutex_rlock(&c->rwmutex);
    *n = c->plain;
    covey_rwmutex_runlock(&c->rwmutex);
    return 0;
}

static int add_by_atomic(covey_ctx *ctx, struct counter *c)
{
    (void)ctx;
    atomic_fetch_add(&c->atomic, 1);
    return 0;
}

static int read_by_atomic(covey_ctx *ctx, struct counter *c, int64_t *n)
{
    (void)ctx;
    *n = atomic_load(&c->atomic);
    return 0;
}

static const struct way ways[] = {
    {"owner task", add_by_channel, read_by_channel},
    {"mutex", add_by_mutex, read_by_mutex},
    {"rwmutex", add_by_rwmutex, read_by_rwmutex},
    {"atomic", add_by_atomic, read_by_atomic},
};

struct worker {
    const struct way *way;
    struct counter *counter;
};

/* Adds, and reads every eighth time: what it reads never falls, and holds its own additions. */
static int work(covey_ctx *ctx, void *arg)
{
    struct worker *w = arg;
    int64_t last = 0;
    int err = 0;

    for (int64_t i = 1; i <= w->counter->turns && err == 0; i++) {
        err = w->way->add(ctx, w->counter);
        if (err == 0 && i % 8 == 0) {
            int64_t n = 0;
            err = w->way->read(ctx, w->counter, &n);
            if (err == 0 && (n < last || n < i)) {
                err = covey_errorf(-EPROTO, "%s: read %lld after %lld", w->way->name, (long long)n,
                                   (long long)last);
            }
            last = n;
        }
    }
    return err;
}

/* tasks of work(), then the final count; nanoseconds an addition. */
static int count_together(covey_ctx *ctx, const struct way *way, struct counter *c, int64_t tasks,
                          int64_t *total, double *ns)
{
    struct worker w = {way, c};
    covey_group *g = covey_group_new(ctx);
    int64_t begun = covey_now();
    int err = 0;

    for (int64_t i = 0; i < tasks && err == 0; i++) {
        err = covey_group_go(g, work, &w);
    }
    int failed = covey_group_wait(g);
    *ns = (double)(covey_now() - begun) / (double)(tasks * c->turns);
    err = failed < 0 ? failed : err;
    return err < 0 ? err : way->read(ctx, c, total);
}

struct plan {
    int64_t tasks, turns;
};

static int tour(covey_ctx *ctx, void *arg)
{
    struct plan *plan = arg;

    printf("%lld tasks add 1 to a counter %lld times each, %d workers:\n", (long long)plan->tasks,
           (long long)plan->turns, covey_workers());
    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        struct counter c = {.turns = plan->turns};
        covey_group *owner = covey_group_new(ctx);
        int64_t total = 0;
        double ns = 0;

        c.adds = covey_chan_new(sizeof(int64_t), 0);
        c.reads = covey_chan_new(sizeof(int64_t), 0);
        int err = covey_group_go(owner, own_counter, &c);
        if (err == 0) {
            err = count_together(covey_group_ctx(owner), &ways[i], &c, plan->tasks, &total, &ns);
        }
        expect(err == 0 && total == plan->tasks * plan->turns, "%-10s %lld, %7.1f ns an addition",
               ways[i].name, (long long)total, ns);
        (void)covey_chan_close(c.adds);
        (void)covey_group_wait(owner);
        covey_chan_unref(c.adds);
        covey_chan_unref(c.reads);
    }
    return 0;
}

int main(int argc, char **argv)
{
    struct plan plan = {16, EXAMPLE_SANITIZED ? 500 : 10000};
    const struct example_option options[] = {{"--tasks", &plan.tasks, "tasks that count"},
                                             {"--turns", &plan.turns, "additions of each"}};

    example_options(argc, argv, "Four ways to share a counter, with their costs.", options, 2);
    return example_result(covey_run(tour, &plan));
}
