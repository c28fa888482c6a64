/* SPDX-License-Identifier: MIT
 * value_stress_test.c - snapshots are stored, read, held and let go by tasks and plain threads at
 * once: no reader sees half of one or one that is destroyed, and each ends exactly once. */
#include "stress.h"

#include <pthread.h>

enum { READERS = 6, STORERS = 2, THREADS = 2, HELD = 3 };

/* Memory stays until the end of the test, so that early ends and second ends are seen. */
struct snapshot {
    uint64_t number, twin; /* equal; 0 once destroyed */
    atomic_int ends;
};

struct arena {
    covey_value *v;
    struct snapshot *all;
    int total;
    atomic_int used;
};

struct fighter {
    struct arena *a;
    int index;
};

static void snapshot_end(void *value)
{
    struct snapshot *s = value;

    CHECK_EQ(atomic_fetch_add(&s->ends, 1), 0);
    s->number = s->twin = 0;
}

static struct snapshot *snapshot_new(struct arena *a)
{
    int i = atomic_fetch_add(&a->used, 1);

    CHECK(i < a->total);
    a->all[i].number = a->all[i].twin = (uint64_t)i + 1;
    return &a->all[i];
}

static void look(const struct snapshot *s)
{
    uint64_t number = s->number;

    CHECK(number > 0);
    CHECK_EQ(s->twin, number);
}

static void read_often(struct fighter *f)
{
    uint64_t random = random_of(f->index);
    const struct snapshot *held[HELD] = {0};

    for (int i = 0; i < turns(6000); i++) {
        int k = random_below(&random, HELD);
        if (held[k]) {
            look(held[k]);
            covey_value_release(f->a->v, held[k]);
        }
        held[k] = covey_value_acquire(f->a->v);
        look(held[k]);
        random_pause(&random);
    }
    for (int k = 0; k < HELD; k++) {
        if (held[k]) {
            look(held[k]);
            covey_value_release(f->a->v, held[k]);
        }
    }
}

static int read_task(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    read_often(arg);
    return 0;
}

static void *read_thread(void *arg)
{
    read_often(arg);
    return NULL;
}

static int store_often(covey_ctx *ctx, void *arg)
{
    struct fighter *f = arg;
    uint64_t random = random_of(f->index);

    (void)ctx;
    for (int i = 0; i < turns(3000); i++) {
        CHECK_EQ(covey_value_store(f->a->v, snapshot_new(f->a)), 0);
        random_pause(&random);
    }
    return 0;
}

STRESS_TASK_TEST(snapshots_are_whole_and_end_once)
{
    struct arena a = {.total = 1 + turns(3000) * STORERS};
    struct fighter f[READERS + STORERS + THREADS];
    pthread_t threads[THREADS];
    covey_group *g = covey_group_new(ctx);
    int n = 0;

    a.all = calloc((size_t)a.total, sizeof(*a.all));
    CHECK(a.all);
    a.v = covey_value_new(snapshot_new(&a), snapshot_end);
    for (int i = 0; i < READERS + STORERS + THREADS; i++) {
        f[i] = (struct fighter){&a, i};
    }
    for (int i = 0; i < THREADS; i++) {
        CHECK_EQ(pthread_create(&threads[i], NULL, read_thread, &f[n++]), 0);
    }
    for (int i = 0; i < READERS; i++) {
        GO(g, read_task, &f[n++]);
    }
    for (int i = 0; i < STORERS; i++) {
        GO(g, store_often, &f[n++]);
    }
    JOIN(g);
    for (int i = 0; i < THREADS; i++) {
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    }
    /* All readers have let go: only the last one is left. */
    for (int i = 0, left = 0; i < a.used; i++) {
        left += atomic_load(&a.all[i].ends) == 0;
        CHECK(left <= 1);
    }
    covey_value_free(a.v);
    for (int i = 0; i < a.used; i++) {
        CHECK_EQ(atomic_load(&a.all[i].ends), 1);
    }
    free(a.all);
}

/* Few snapshots go round and round, so that old ones come back while they are still read. */

enum { ROUND = 6 };

static int store_round(covey_ctx *ctx, void *arg)
{
    struct fighter *f = arg;
    uint64_t random = random_of(f->index);

    (void)ctx;
    for (int i = 0; i < turns(3000); i++) {
        CHECK_EQ(covey_value_store(f->a->v, &f->a->all[random_below(&random, ROUND)]), 0);
        random_pause(&random);
    }
    return 0;
}

STRESS_TASK_TEST(snapshots_that_come_back_keep_their_readers)
{
    struct arena a = {.total = ROUND};
    struct fighter f[READERS + STORERS];
    covey_group *g = covey_group_new(ctx);

    a.all = calloc((size_t)a.total, sizeof(*a.all));
    CHECK(a.all);
    a.v = covey_value_new(snapshot_new(&a), NULL);
    while (a.used < ROUND) {
        (void)snapshot_new(&a);
    }
    for (int i = 0; i < READERS + STORERS; i++) {
        f[i] = (struct fighter){&a, i};
        if (i < READERS) {
            GO(g, read_task, &f[i]);
        } else {
            GO(g, store_round, &f[i]);
        }
    }
    JOIN(g);
    covey_value_free(a.v);
    free(a.all);
}
