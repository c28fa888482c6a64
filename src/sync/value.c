/* SPDX-License-Identifier: MIT
 * value.c - covey_value: snapshots, counted.
 *
 * A snapshot has one record while it lives. The record's holds are one for each reader and one for
 * each store whose snapshot it is, or was until that store's replacement has waited for a grace
 * period. So a reader that finds the record as the current one inside a read section may count
 * itself: the store's hold cannot go before that section ends.
 *
 * Holds go to 0 only under the lock, and only for a record that is not current: a release that
 * meets its record as the current one inside a section leaves the store's hold behind. Who brings
 * it to 0 destroys the snapshot, after the unlock. */
#include "base/alloc.h"
#include "base/list.h"
#include "base/panic.h"
#include "os/lock.h"
#include "sched/grace.h"

#include <covey/error.h>
#include <covey/value.h>

#include <stdlib.h>

#undef errno

#define OWN_RECORDS 4

struct record {
    void *snapshot; /* immutable while it is current or old */
    /* Relaxed to count in and out in sections; acq_rel where it can be the last. */
    _Atomic size_t holds;
    struct cvy_node node; /* in old or unused; guarded by the lock */
    bool is_own;          /* one of own[] */
};

struct covey_value {
    void (*destroy)(void *); /* immutable */
    /* Release by the store, acquire by readers: what the snapshot points to. Changes under lock. */
    struct record *_Atomic current;

    /* Guarded by lock. */
    struct cvy_lock lock;   /* rank CVY_RANK_GROUP */
    struct cvy_node old;    /* was current, has holds */
    struct cvy_node unused; /* of own[] */
    struct record own[OWN_RECORDS];
};

static struct record *record_of(struct cvy_node *n)
{
    return CVY_CONTAINER_OF(n, struct record, node);
}

static struct record *old_find_locked(covey_value *v, const void *snapshot)
{
    for (struct cvy_node *n = v->old.next; n != &v->old; n = n->next) {
        if (record_of(n)->snapshot == snapshot) {
            return record_of(n);
        }
    }
    return NULL;
}

/* NULL: none of its own is unused. */
static struct record *unused_pop_locked(covey_value *v)
{
    struct cvy_node *n = cvy_list_pop_head(&v->unused);
    return n ? record_of(n) : NULL;
}

static void destroy_snapshot(covey_value *v, void *snapshot)
{
    if (v->destroy && snapshot) {
        v->destroy(snapshot);
    }
}

/* Gives up one hold of a record that may be the last; unlocks, and destroys the snapshot then. */
static void unhold_locked(covey_value *v, struct record *r)
{
    void *snapshot = r->snapshot;
    struct record *garbage = NULL;

    /* Acq_rel: every reader's reads happen before the snapshot is destroyed. */
    bool is_last = atomic_fetch_sub_explicit(&r->holds, 1, memory_order_acq_rel) == 1;
    if (is_last) {
        COVEY_REQUIRE(r != cvy_load_relaxed(&v->current),
                      "release of a snapshot that nobody holds");
        cvy_list_remove(&r->node);
        if (r->is_own) {
            cvy_list_push_head(&v->unused, &r->node);
        } else {
            garbage = r;
        }
    }
    cvy_unlock(&v->lock);
    free(garbage);
    if (is_last) {
        destroy_snapshot(v, snapshot);
    }
}

covey_value *covey_value_new(void *initial, void (*destroy)(void *))
{
    covey_value *v = cvy_alloc_zeroed(sizeof(*v));

    if (!v) {
        return NULL;
    }
    cvy_grace_init();
    cvy_lock_init(&v->lock, CVY_RANK_GROUP);
    v->destroy = destroy;
    cvy_list_init(&v->old);
    cvy_list_init(&v->unused);
    for (size_t i = 0; i < OWN_RECORDS; i++) {
        v->own[i].is_own = true;
        cvy_list_push_tail(&v->unused, &v->own[i].node);
    }
    struct record *r = unused_pop_locked(v);
    r->snapshot = initial;
    cvy_store_relaxed(&r->holds, 1);
    cvy_store_relaxed(&v->current, r);
    return v;
}

/* The record for a snapshot that is to be current, out of every list; NULL: memory is needed. */
static struct record *record_take_locked(covey_value *v, void *snapshot, struct record **spare)
{
    struct record *r = old_find_locked(v, snapshot);

    if (r) {
        cvy_list_remove(&r->node);
        return r;
    }
    r = unused_pop_locked(v);
    if (!r && *spare) {
        r = *spare;
        *spare = NULL;
    }
    if (r) {
        r->snapshot = snapshot;
    }
    return r;
}

/* Makes snapshot the current one. -EAGAIN: a spare record is needed. *replaced: the one before,
 * whose hold by its store is to be given up after a grace period; NULL: nothing changed. */
static int replace(covey_value *v, void *snapshot, struct record **spare, struct record **replaced)
{
    int code = 0;

    *replaced = NULL;
    cvy_lock(&v->lock);
    struct record *before = cvy_load_relaxed(&v->current);
    if (before->snapshot != snapshot) {
        struct record *r = record_take_locked(v, snapshot, spare);
        if (r) {
            /* Relaxed: published by current. */
            atomic_fetch_add_explicit(&r->holds, 1, memory_order_relaxed);
            /* Release: pairs with the acquires in covey_value_acquire() and _release(). */
            cvy_store_release(&v->current, r);
            cvy_list_push_head(&v->old, &before->node);
            *replaced = before;
        } else {
            code = -EAGAIN;
        }
    }
    cvy_unlock(&v->lock);
    return code;
}

int covey_value_store(covey_value *v, void *snapshot)
{
    struct record *spare = NULL;
    struct record *replaced;

    cvy_test_point();
    if (replace(v, snapshot, &spare, &replaced) < 0) {
        spare = cvy_alloc_zeroed(sizeof(*spare));
        if (!spare) {
            return cvy_fail(cvy_task_self(), -ENOMEM);
        }
        (void)replace(v, snapshot, &spare, &replaced);
        free(spare);
    }
    if (replaced) {
        cvy_grace_wait();
        cvy_lock(&v->lock);
        unhold_locked(v, replaced);
    }
    return 0;
}

const void *covey_value_acquire(covey_value *v)
{
    cvy_test_point();
    struct cvy_thread *reader = cvy_read_begin();
    /* Acquire: pairs with the release in replace(). */
    struct record *r = cvy_load_acquire(&v->current);

    CVY_WINDOW();
    /* Relaxed: the store's hold is there until we leave the section. */
    atomic_fetch_add_explicit(&r->holds, 1, memory_order_relaxed);
    const void *snapshot = r->snapshot;
    cvy_read_end(reader);
    return snapshot;
}

/* Gives the hold up if snapshot is the current one. */
static bool release_current(covey_value *v, const void *snapshot)
{
    struct cvy_thread *reader = cvy_read_begin();
    struct record *r = cvy_load_acquire(&v->current);
    bool is_current = r->snapshot == snapshot;
    size_t holds = 2;

    CVY_WINDOW();
    if (is_current) {
        /* Relaxed: the end of the section orders our reads before the grace period that must come
         * before the snapshot's end. Cannot be the last: see the top. */
        holds = atomic_fetch_sub_explicit(&r->holds, 1, memory_order_relaxed);
    }
    cvy_read_end(reader);
    COVEY_REQUIRE(holds > 1, "release of a snapshot that nobody holds");
    return is_current;
}

void covey_value_release(covey_value *v, const void *snapshot)
{
    cvy_test_point();
    if (release_current(v, snapshot)) {
        return;
    }
    cvy_lock(&v->lock);
    struct record *r = old_find_locked(v, snapshot);
    if (!r && cvy_load_relaxed(&v->current)->snapshot == snapshot) {
        r = cvy_load_relaxed(&v->current); /* revived meanwhile */
    }
    if (!r) {
        cvy_unlock(&v->lock);
        cvy_fatal("release of a snapshot that nobody holds");
    }
    unhold_locked(v, r);
}

/* The end of a record that nobody uses any more. */
static void record_end(covey_value *v, struct record *r)
{
    destroy_snapshot(v, r->snapshot);
    if (!r->is_own) {
        free(r);
    }
}

void covey_value_free(covey_value *v)
{
    if (!v) {
        return;
    }
    for (struct cvy_node *n = v->old.next, *next; n != &v->old; n = next) {
        next = n->next;
        record_end(v, record_of(n));
    }
    record_end(v, cvy_load_relaxed(&v->current));
    free(v);
}
