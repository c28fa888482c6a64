/* SPDX-License-Identifier: MIT
 * Maps, values and singleflight: a store before the load that sees it, a release before the
 * snapshot's destruction, a shared call before all its callers return. */
#include "litmus.h"

static void open_map(struct litmus *l, covey_map_kind kind)
{
    covey_map_options opts = {.kind = kind};
    l->object = covey_map_new(&opts);
}

static void open_read_mostly(struct litmus *l)
{
    open_map(l, COVEY_MAP_READ_MOSTLY);
}

static void open_sharded(struct litmus *l)
{
    open_map(l, COVEY_MAP_SHARDED);
}

static void close_map(struct litmus *l)
{
    covey_map_free(l->object);
}

static void write_then_store(struct litmus *l)
{
    litmus_write(l);
    CHECK_EQ(covey_map_store(l->object, "k", 1, l), 0);
}

static void load_then_read(struct litmus *l)
{
    void *value;
    while (!covey_map_load(l->object, "k", 1, &value)) {
        covey_yield();
    }
    CHECK(value == l);
    litmus_read(value);
}

static void take_then_read(struct litmus *l)
{
    void *value;
    while (!covey_map_load_and_delete(l->object, "k", 1, &value)) {
        covey_yield();
    }
    litmus_read(value);
}

/* A second store: the place is there already, and its value changes under a reader. */
static void open_stored(struct litmus *l)
{
    open_read_mostly(l);
    CHECK_EQ(covey_map_store(l->object, "k", 1, NULL), 0);
}

static void load_changed_then_read(struct litmus *l)
{
    for (void *value = NULL; !value; covey_yield()) {
        CHECK(covey_map_load(l->object, "k", 1, &value));
    }
    litmus_read(l);
}

LITMUS(store_before_the_load_that_sees_it_read_mostly, open_read_mostly, write_then_store,
       load_then_read, close_map)
LITMUS(store_before_the_load_that_sees_it_sharded, open_sharded, write_then_store, load_then_read,
       close_map)
LITMUS(change_before_the_load_that_sees_it, open_stored, write_then_store, load_changed_then_read,
       close_map)
LITMUS(store_before_the_take_that_gets_it, open_read_mostly, write_then_store, take_then_read,
       close_map)

/* ---- snapshots ---- */

static void open_value(struct litmus *l)
{
    l->object = covey_value_new(NULL, NULL);
}

static void close_value(struct litmus *l)
{
    covey_value_free(l->object);
}

static void write_then_publish(struct litmus *l)
{
    litmus_write(l);
    CHECK_EQ(covey_value_store(l->object, l), 0);
}

static void acquire_then_read(struct litmus *l)
{
    for (;; covey_yield()) {
        const struct litmus *now = covey_value_acquire(l->object);
        if (now) {
            litmus_read(now);
        }
        covey_value_release(l->object, now);
        if (now) {
            return;
        }
    }
}

static void destroy(void *snapshot)
{
    memset(snapshot, 0, sizeof(struct litmus));
    free(snapshot);
}

static void open_destroyed(struct litmus *l)
{
    struct litmus *snapshot = calloc(1, sizeof(*snapshot));
    CHECK(snapshot);
    litmus_write(snapshot);
    l->object = covey_value_new(snapshot, destroy);
}

static void read_then_release(struct litmus *l)
{
    const struct litmus *now = covey_value_acquire(l->object);
    if (now) {
        litmus_read(now);
    }
    covey_value_release(l->object, now);
}

static void replace_with_nothing(struct litmus *l)
{
    CHECK_EQ(covey_value_store(l->object, NULL), 0);
}

LITMUS(publish_before_the_acquire_that_sees_it, open_value, write_then_publish, acquire_then_read,
       close_value)
LITMUS(release_before_the_snapshots_destruction, open_destroyed, read_then_release,
       replace_with_nothing, close_value)

/* ---- singleflight ---- */

struct fresh {
    struct litmus l;
    atomic_int holds;
};

static void hold(void *result)
{
    atomic_fetch_add_explicit(&((struct fresh *)result)->holds, 1, memory_order_relaxed);
}

static void unhold(void *result)
{
    struct fresh *f = result;
    if (atomic_fetch_sub_explicit(&f->holds, 1, memory_order_acq_rel) == 1) {
        free(f);
    }
}

static void open_flight(struct litmus *l)
{
    covey_singleflight_options opts = {.result_ref = hold, .result_unref = unhold};
    l->object = covey_singleflight_new_with(&opts);
}

static void close_flight(struct litmus *l)
{
    covey_singleflight_free(l->object);
}

static int fetch(covey_ctx *ctx, void *arg, void **result)
{
    struct fresh *f = calloc(1, sizeof(*f));
    (void)ctx;
    (void)arg;
    CHECK(f);
    atomic_store_explicit(&f->holds, 1, memory_order_relaxed);
    litmus_write(&f->l);
    *result = f;
    return 0;
}

static void call_then_read(struct litmus *l)
{
    void *result = NULL;
    bool shared;
    CHECK_EQ(covey_singleflight_do(NULL, l->object, "k", fetch, l, &result, &shared), 0);
    litmus_read(&((struct fresh *)result)->l);
    unhold(result);
}

LITMUS(shared_call_before_all_its_callers_return, open_flight, call_then_read, call_then_read,
       close_flight)
