/* SPDX-License-Identifier: MIT
 * sync.h: an unlock before the next lock, and what stands for it in each primitive. */
#include "litmus.h"

/* ---- mutex: the second looks until it locks after the first ---- */

static void write_then_unlock(struct litmus *l)
{
    covey_mutex_lock(&l->mutex);
    litmus_write(l);
    l->is_there = true;
    covey_mutex_unlock(&l->mutex);
}

static void lock_then_read(struct litmus *l)
{
    for (bool is_there = false; !is_there; covey_yield()) {
        covey_mutex_lock(&l->mutex);
        is_there = l->is_there;
        covey_mutex_unlock(&l->mutex);
    }
    litmus_read(l);
}

static void lock_ctx_then_read(struct litmus *l)
{
    for (bool is_there = false; !is_there; covey_yield()) {
        CHECK_EQ(covey_mutex_lock_ctx(NULL, &l->mutex), 0);
        is_there = l->is_there;
        covey_mutex_unlock(&l->mutex);
    }
    litmus_read(l);
}

static void try_lock_then_read(struct litmus *l)
{
    for (bool is_there = false; !is_there; covey_yield()) {
        if (covey_mutex_try_lock(&l->mutex)) {
            is_there = l->is_there;
            covey_mutex_unlock(&l->mutex);
        }
    }
    litmus_read(l);
}

LITMUS(unlock_before_the_next_lock, NULL, write_then_unlock, lock_then_read, NULL)
LITMUS(unlock_before_the_next_lock_under_a_context, NULL, write_then_unlock, lock_ctx_then_read,
       NULL)
LITMUS(unlock_before_the_next_try_lock, NULL, write_then_unlock, try_lock_then_read, NULL)

/* ---- rwmutex ---- */

static void write_then_rw_unlock(struct litmus *l)
{
    covey_rwmutex_lock(&l->rwmutex);
    litmus_write(l);
    l->is_there = true;
    covey_rwmutex_unlock(&l->rwmutex);
}

static void rlock_then_read(struct litmus *l)
{
    for (bool is_there = false; !is_there; covey_yield()) {
        covey_rwmutex_rlock(&l->rwmutex);
        is_there = l->is_there;
        covey_rwmutex_runlock(&l->rwmutex);
    }
    litmus_read(l);
}

static void rw_lock_then_read(struct litmus *l)
{
    for (bool is_there = false; !is_there; covey_yield()) {
        covey_rwmutex_lock(&l->rwmutex);
        is_there = l->is_there;
        covey_rwmutex_unlock(&l->rwmutex);
    }
    litmus_read(l);
}

/* A reader's reads come before what the next writer writes. */
static void read_under_rlock(struct litmus *l)
{
    covey_rwmutex_rlock(&l->rwmutex);
    CHECK(l->data[0] == 0 || l->data[0] == 1);
    CHECK_EQ(l->data[3], l->data[0] * 4);
    covey_rwmutex_runlock(&l->rwmutex);
}

LITMUS(writers_unlock_before_the_next_rlock, NULL, write_then_rw_unlock, rlock_then_read, NULL)
LITMUS(writers_unlock_before_the_next_writers_lock, NULL, write_then_rw_unlock, rw_lock_then_read,
       NULL)
LITMUS(runlock_before_the_next_writers_lock, NULL, read_under_rlock, write_then_rw_unlock, NULL)

/* ---- condition ---- */

static void open_cond(struct litmus *l)
{
    l->object = calloc(1, sizeof(covey_cond));
    CHECK(l->object);
}

static void close_cond(struct litmus *l)
{
    free(l->object);
}

static void write_then_signal(struct litmus *l)
{
    covey_mutex_lock(&l->turn);
    litmus_write(l);
    l->is_there = true;
    covey_mutex_unlock(&l->turn);
    covey_cond_signal(l->object);
}

static void wait_then_read(struct litmus *l)
{
    covey_mutex_lock(&l->turn);
    while (!l->is_there) {
        CHECK_EQ(covey_cond_wait(NULL, l->object, &l->turn), 0);
    }
    covey_mutex_unlock(&l->turn);
    litmus_read(l);
}

LITMUS(signal_before_the_wait_that_sees_it, open_cond, write_then_signal, wait_then_read,
       close_cond)

/* ---- semaphore ---- */

static void open_sem(struct litmus *l)
{
    l->object = covey_sem_new(1);
    CHECK_EQ(covey_sem_acquire(NULL, l->object, 1), 0);
}

static void close_sem(struct litmus *l)
{
    covey_sem_free(l->object);
}

static void write_then_release(struct litmus *l)
{
    litmus_write(l);
    covey_sem_release(l->object, 1);
}

static void acquire_then_read(struct litmus *l)
{
    CHECK_EQ(covey_sem_acquire(NULL, l->object, 1), 0);
    litmus_read(l);
}

static void try_acquire_then_read(struct litmus *l)
{
    while (!covey_sem_try_acquire(l->object, 1)) {
        covey_yield();
    }
    litmus_read(l);
}

LITMUS(release_before_the_acquire_it_lets_in, open_sem, write_then_release, acquire_then_read,
       close_sem)
LITMUS(release_before_the_next_try_acquire, open_sem, write_then_release, try_acquire_then_read,
       close_sem)

/* ---- once ---- */

static void write_once(void *arg)
{
    litmus_write(arg);
}

static void once_then_read(struct litmus *l)
{
    covey_once(&l->once, write_once, l);
    litmus_read(l);
}

LITMUS(once_before_every_call_returns, NULL, once_then_read, once_then_read, NULL)

/* ---- wait group ---- */

static void open_waitgroup(struct litmus *l)
{
    covey_waitgroup_add(&l->waitgroup, 1);
}

static void write_then_done(struct litmus *l)
{
    litmus_write(l);
    covey_waitgroup_done(&l->waitgroup);
}

static void wait_group_then_read(struct litmus *l)
{
    CHECK_EQ(covey_waitgroup_wait(NULL, &l->waitgroup), 0);
    litmus_read(l);
}

static int member(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    litmus_write(arg);
    return 0;
}

static void go_then_wait(struct litmus *l)
{
    CHECK_EQ(covey_waitgroup_go(&l->waitgroup, member, l), 0);
    wait_group_then_read(l);
}

LITMUS(done_before_wait_returns, open_waitgroup, write_then_done, wait_group_then_read, NULL)
LITMUS(end_of_a_waitgroups_task_before_wait_returns, NULL, go_then_wait, NULL, NULL)
