/* SPDX-License-Identifier: MIT
 * map_stress_test.c - maps under every operation at once, from tasks and plain threads: no value is
 * touched after its last reference went, none is lost, what is there is always found, and a key's
 * history is never read backwards. Each test runs on both kinds. */
#include "stress.h"

enum { TASKS = 8, THREADS = 2, KEYS = 24 };

/* A value. Its memory stays until the end of the test, so that a late touch is seen in any build:
 * 0 references are never counted up again. */
struct thing {
    atomic_int refs;
    int number, twin; /* written before it is stored, equal */
};

struct arena {
    covey_map *m;
    struct thing *things;
    int total;
    atomic_int used;
    atomic_bool is_over;
};

struct fighter {
    struct arena *a;
    int index;
};

static void thing_ref(void *value)
{
    static atomic_uint calls;

    /* The map has read the pointer and not yet counted: stay there now and then. */
    if (atomic_fetch_add_explicit(&calls, 1, memory_order_relaxed) % 16 == 0) {
        (void)sched_yield();
    }
    CHECK(atomic_fetch_add_explicit(&((struct thing *)value)->refs, 1, memory_order_relaxed) > 0);
}

static void thing_unref(void *value)
{
    CHECK(atomic_fetch_sub(&((struct thing *)value)->refs, 1) > 0);
}

static struct thing *thing_new(struct arena *a, int number)
{
    int i = atomic_fetch_add_explicit(&a->used, 1, memory_order_relaxed);
    struct thing *t = &a->things[i];

    CHECK(i < a->total);
    t->number = t->twin = number;
    atomic_store_explicit(&t->refs, 1, memory_order_relaxed);
    return t;
}

static void thing_look(const struct thing *t, int number)
{
    CHECK_EQ(t->number, number);
    CHECK_EQ(t->twin, number);
    CHECK(atomic_load_explicit(&t->refs, memory_order_relaxed) > 0);
}

/* Looks at a value that is ours, some time later, and lets go. */
static void thing_use(uint64_t *random, struct thing *t, int number)
{
    if (t) {
        thing_look(t, number);
        random_pause(random);
        thing_look(t, number);
        thing_unref(t);
    }
}

static bool look_at(const void *key, size_t len, void *value, void *arg)
{
    int number;

    CHECK_EQ(len, sizeof(number));
    memcpy(&number, key, sizeof(number));
    if (value) {
        thing_look(value, number);
    }
    return --*(int *)arg > 0;
}

struct replacement {
    struct arena *a;
    int number;
    bool stays;
};

static bool replace(void **value, bool present, void *arg)
{
    struct replacement *r = arg;

    CHECK(present || !*value);
    if (r->stays) {
        *value = thing_new(r->a, r->number);
    }
    return r->stays;
}

static void strike(struct arena *a, uint64_t *random)
{
    int k = random_below(random, KEYS), n;
    struct replacement r = {a, k, random_below(random, 2)};
    struct thing *mine;
    void *got = NULL;

    switch (random_below(random, 12)) {
    case 0:
        CHECK_EQ(covey_map_store(a->m, &k, sizeof(k), thing_new(a, k)), 0);
        break;
    case 1:
        mine = thing_new(a, k);
        if (covey_map_load_or_store(a->m, &k, sizeof(k), mine, &got)) {
            thing_unref(mine);
        }
        thing_use(random, got, k);
        break;
    case 2:
        if (covey_map_load_and_delete(a->m, &k, sizeof(k), &got)) {
            thing_use(random, got, k);
        }
        break;
    case 3:
        (void)covey_map_delete(a->m, &k, sizeof(k));
        break;
    case 4:
        (void)covey_map_swap(a->m, &k, sizeof(k), thing_new(a, k), &got);
        thing_use(random, got, k);
        break;
    case 5:
        if (covey_map_load(a->m, &k, sizeof(k), &got)) {
            mine = thing_new(a, k);
            if (!covey_map_compare_and_swap(a->m, &k, sizeof(k), got, mine)) {
                thing_unref(mine);
            }
            thing_use(random, got, k);
        }
        break;
    case 6:
        if (covey_map_load(a->m, &k, sizeof(k), &got)) {
            (void)covey_map_compare_and_delete(a->m, &k, sizeof(k), got);
            thing_use(random, got, k);
        }
        break;
    case 7:
        CHECK_EQ(covey_map_update(a->m, &k, sizeof(k), replace, &r), 0);
        break;
    case 8:
        n = 1 + random_below(random, KEYS);
        covey_map_range(a->m, look_at, &n);
        break;
    default:
        for (int i = 0; i < 20; i++, k = (k + 7) % KEYS) {
            if (covey_map_load(a->m, &k, sizeof(k), &got)) {
                thing_use(random, got, k);
            }
        }
    }
    if (random_below(random, 500) == 0) {
        covey_map_clear(a->m);
    }
}

static void fight(void *arg)
{
    struct fighter *f = arg;
    uint64_t random = random_of(f->index);

    for (int i = 0; i < turns(3000); i++) {
        strike(f->a, &random);
    }
}

static void check_counts(covey_ctx *ctx, covey_map_kind kind)
{
    struct arena a = {.total = turns(3000) * (TASKS + THREADS)};
    struct fighter f[TASKS + THREADS];

    a.m = covey_map_new(&(covey_map_options){kind, 2, thing_ref, thing_unref});
    a.things = calloc((size_t)a.total, sizeof(*a.things));
    CHECK(a.m && a.things);
    for (int i = 0; i < TASKS + THREADS; i++) {
        f[i] = (struct fighter){&a, i};
    }
    fight_all(ctx, fight, f, sizeof(f[0]), THREADS, TASKS);
    covey_map_free(a.m);
    for (int i = 0; i < a.used; i++) {
        CHECK_EQ(atomic_load(&a.things[i].refs), 0);
    }
    free(a.things);
}

STRESS_TASK_TEST(counted_values_are_released_once_and_never_early_read_mostly)
{
    check_counts(ctx, COVEY_MAP_READ_MOSTLY);
}

STRESS_TASK_TEST(counted_values_are_released_once_and_never_early_sharded)
{
    check_counts(ctx, COVEY_MAP_SHARDED);
}

/* Some keys are always there, with growing values; others come and go around them, so that links
 * are cut, entries freed and buckets split under the readers. */

enum { STABLE = 40, CHURN = 4000 };

static void key_of(char key[32], const char *name, int i)
{
    (void)snprintf(key, 32, "%s-%d", name, i);
}

static int churn(covey_ctx *ctx, void *arg)
{
    struct fighter *f = arg;
    char key[32];

    (void)ctx;
    for (int round = 0; round < turns(4); round++) {
        for (int pass = 0; pass < 2; pass++) {
            for (int i = 0; i < CHURN; i++) {
                key_of(key, f->index ? "churn" : "other", i);
                if (pass == 0) {
                    CHECK_EQ(covey_map_store(f->a->m, key, strlen(key), key), 0);
                } else {
                    CHECK(covey_map_delete(f->a->m, key, strlen(key)));
                }
                if (i % 50 == 0) {
                    covey_yield();
                }
            }
        }
    }
    return 0;
}

static int raise_values(covey_ctx *ctx, void *arg)
{
    struct fighter *f = arg;
    char key[32];

    (void)ctx;
    for (uintptr_t n = 1; !atomic_load(&f->a->is_over); n++) {
        for (int i = 0; i < STABLE; i++) {
            void *before = NULL;
            key_of(key, "stable", i);
            CHECK(covey_map_swap(f->a->m, key, strlen(key), (void *)n, &before));
            CHECK_EQ((uintptr_t)before, n - 1);
        }
        covey_yield();
    }
    return 0;
}

static void read_upwards(struct arena *a)
{
    uintptr_t last[STABLE] = {0};
    char key[32];

    while (!atomic_load(&a->is_over)) {
        for (int i = 0; i < STABLE; i++) {
            void *value;
            key_of(key, "stable", i);
            CHECK(covey_map_load(a->m, key, strlen(key), &value));
            CHECK((uintptr_t)value >= last[i]);
            last[i] = (uintptr_t)value;
        }
        covey_yield();
    }
}

static int read_task(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    read_upwards(((struct fighter *)arg)->a);
    return 0;
}

static void *read_thread(void *arg)
{
    read_upwards(arg);
    return NULL;
}

static bool mark_stable(const void *key, size_t len, void *value, void *arg)
{
    int *marks = arg, i;
    char text[32] = {0};

    (void)value;
    CHECK(len < sizeof(text));
    memcpy(text, key, len);
    if (sscanf(text, "stable-%d", &i) == 1) {
        marks[i]++;
    }
    return true;
}

static int range_task(covey_ctx *ctx, void *arg)
{
    struct fighter *f = arg;

    (void)ctx;
    while (!atomic_load(&f->a->is_over)) {
        int marks[STABLE] = {0};
        covey_map_range(f->a->m, mark_stable, marks);
        for (int i = 0; i < STABLE; i++) {
            CHECK_EQ(marks[i], 1);
        }
        covey_yield();
    }
    return 0;
}

static void check_stable(covey_ctx *ctx, covey_map_kind kind)
{
    struct arena a = {.m = covey_map_new(&(covey_map_options){.kind = kind, .shards = 1})};
    struct fighter f[2] = {{&a, 0}, {&a, 1}};
    covey_group *churners = covey_group_new(ctx), *others = covey_group_new(ctx);
    pthread_t thread;
    char key[32];

    for (int i = 0; i < STABLE; i++) {
        key_of(key, "stable", i);
        CHECK_EQ(covey_map_store(a.m, key, strlen(key), NULL), 0);
    }
    CHECK_EQ(pthread_create(&thread, NULL, read_thread, &a), 0);
    GO(others, raise_values, &f[0]);
    GO(others, read_task, &f[0]);
    GO(others, read_task, &f[0]);
    GO(others, range_task, &f[0]);
    GO(churners, churn, &f[0]);
    GO(churners, churn, &f[1]);
    JOIN(churners);
    atomic_store(&a.is_over, true);
    JOIN(others);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK_EQ(covey_map_len(a.m), STABLE);
    covey_map_free(a.m);
}

STRESS_TASK_TEST(what_is_there_is_always_found_read_mostly)
{
    check_stable(ctx, COVEY_MAP_READ_MOSTLY);
}

STRESS_TASK_TEST(what_is_there_is_always_found_sharded)
{
    check_stable(ctx, COVEY_MAP_SHARDED);
}
