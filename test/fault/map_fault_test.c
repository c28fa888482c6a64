/* SPDX-License-Identifier: MIT
 * map_fault_test.c - maps, values and singleflight when the n-th allocation fails, for every n: the
 * call says so, nothing has changed, and what was to be stored is still the caller's. */
#include "../conformance/support.h"

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/* Shared with the children: 1 once everything is up that is not what is tested. A task that finds
 * no memory for its stack ends the process. */
static int *is_armed;

/* Runs fn in a child in which the n-th allocation of covey fails, for n from 2 to last. The first
 * is the record of the thread itself, without which there is nothing. */
static void with_each_failure(void (*fn)(void), int last)
{
    is_armed =
        mmap(NULL, sizeof(*is_armed), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(is_armed != MAP_FAILED);
    for (int n = 2; n <= last; n++) {
        *is_armed = 0;
        pid_t child = fork();
        int status;

        CHECK(child >= 0);
        if (child == 0) {
            char knob[32];
            (void)snprintf(knob, sizeof(knob), "alloc=%d", n);
            CHECK_EQ(setenv("COVEY_DEBUG", knob, 1), 0);
            CHECK_EQ(covey_errcode(), 0); /* makes the record */
            fn();
            _exit(0);
        }
        CHECK_EQ(waitpid(child, &status, 0), child);
        if (status != 0 && *is_armed) {
            fprintf(stderr, "# with alloc=%d\n", n);
            CHECK_EQ(status, 0);
        }
    }
}

struct thing {
    int refs; /* one thread */
};

static void thing_ref(void *value)
{
    ((struct thing *)value)->refs++;
}

static void thing_unref(void *value)
{
    CHECK(((struct thing *)value)->refs-- > 0);
}

enum { KEYS = 20, WAYS = 4 };

static bool put(void **value, bool present, void *arg)
{
    CHECK(!present);
    *value = arg;
    return true;
}

/* Stores t under an unused key in one of the ways; whether it did. The reference passes if so. */
static bool store_somehow(covey_map *m, int way, const int *key, struct thing *t)
{
    void *other = m;
    int code;

    switch (way) {
    case 0:
        code = covey_map_store(m, key, sizeof(*key), t);
        break;
    case 1:
        code = covey_map_update(m, key, sizeof(*key), put, t);
        break;
    case 2:
        CHECK(!covey_map_load_or_store(m, key, sizeof(*key), t, &other));
        CHECK(other == NULL || other == t);
        if (other) {
            thing_unref(other);
        }
        return other != NULL;
    default:
        CHECK(!covey_map_swap(m, key, sizeof(*key), t, &other));
        CHECK(other == NULL || other == t);
        return other == NULL;
    }
    CHECK(code == 0 || code == -ENOMEM);
    CHECK(code == 0 || covey_errcode() == -ENOMEM);
    return code == 0;
}

static void fill_map(covey_map_kind kind)
{
    struct thing things[KEYS];
    covey_map *m = covey_map_new(&(covey_map_options){kind, 1, thing_ref, thing_unref});
    size_t stored = 0;

    *is_armed = 1;
    for (int i = 0; m && i < KEYS; i++) {
        things[i].refs = 1;
        bool ok = store_somehow(m, i % WAYS, &i, &things[i]);
        stored += ok;
        CHECK_EQ(covey_map_load(m, &i, sizeof(i), NULL), ok);
        CHECK_EQ(covey_map_len(m), stored);
        CHECK_EQ(things[i].refs, 1);
        if (!ok) {
            thing_unref(&things[i]);
        }
    }
    covey_map_free(m);
    for (int i = 0; m && i < KEYS; i++) {
        CHECK_EQ(things[i].refs, 0);
    }
}

static void fill_read_mostly(void)
{
    fill_map(COVEY_MAP_READ_MOSTLY);
}

static void fill_sharded(void)
{
    fill_map(COVEY_MAP_SHARDED);
}

TEST(a_failed_store_leaves_the_value_with_the_caller_read_mostly)
{
    with_each_failure(fill_read_mostly, KEYS + 8);
}

TEST(a_failed_store_leaves_the_value_with_the_caller_sharded)
{
    with_each_failure(fill_sharded, KEYS + 8);
}

/* Reads all snapshots on, so that each store needs a record. */
static void store_snapshots(void)
{
    static int snapshots[12];
    covey_value *v = covey_value_new(&snapshots[0], NULL);
    int present = 0;

    *is_armed = 1;
    for (int i = 1; v && i < 12; i++) {
        CHECK(covey_value_acquire(v) == &snapshots[present]);
        int code = covey_value_store(v, &snapshots[i]);
        CHECK(code == 0 || (code == -ENOMEM && i >= 4));
        if (code == 0) {
            present = i;
        }
    }
    covey_value_free(v);
}

TEST(a_failed_store_leaves_the_present_snapshot)
{
    with_each_failure(store_snapshots, 14);
}

static int result;

static int give(covey_ctx *ctx, void *arg, void **out)
{
    (void)ctx;
    *out = &result;
    return *(bool *)arg ? covey_errorf(-EDOM, "no") : 0;
}

static int ask(covey_ctx *ctx, void *arg)
{
    covey_singleflight *f = covey_singleflight_new();

    (void)arg;
    for (int i = 0; f && i < 8; i++) {
        bool fails = i % 2;
        *is_armed = i > 0; /* the first has brought up what tasks need */
        void *out = NULL;
        int code =
            covey_singleflight_do_copy(ctx, f, "key", give, &fails, sizeof(fails), &out, NULL);
        CHECK(code == -ENOMEM || code == (fails ? -EDOM : 0));
        CHECK(out == (code == 0 ? &result : NULL));
    }
    covey_singleflight_free(f);
    return 0;
}

static void ask_in_a_runtime(void)
{
    int code = covey_run_with(&(covey_options){.workers = 1}, ask, NULL);
    CHECK(code == 0 || code == -ENOMEM || code == COVEY_EAGAIN);
}

TEST(a_failed_run_is_told_to_who_asked)
{
    with_each_failure(ask_in_a_runtime, 80);
}
