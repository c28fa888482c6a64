/* SPDX-License-Identifier: MIT
 * thread.c - the records of plain threads: made at their first call, forgotten at their end. */
#include "base/alloc.h"
#include "sched/grace.h"
#include "os/lack.h"
#include "sched/view.h"
#include "sched/wait.h"

#include <time.h>

static pthread_once_t key_once = PTHREAD_ONCE_INIT;
static pthread_key_t key;

/* All plain threads that have called covey, so that the end of a runtime can wait until none of
 * them is inside it. Guarded by foreign_lock. */
static struct cvy_thread *foreign_threads;
static struct cvy_lock foreign_lock = CVY_LOCK_INIT(CVY_RANK_POOL);

void cvy_foreign_quiesce(void)
{
    /* Pairs with the light fence in cvy_enter(): who is not seen inside from here on sees what the
     * caller has stored before. */
    cvy_membarrier();
    struct cvy_thread *self = cvy_thread_self();
    cvy_lock(&foreign_lock);
    for (struct cvy_thread *th = foreign_threads; th; th = th->all_next) {
        if (th == self || !cvy_load_acquire(&th->in_runtime)) {
            continue;
        }
        /* Nobody stays inside for long: a thread that waits leaves for that time. One that is soon
         * back clears retake as it comes: it is in another call then. Acquire: pairs with the
         * release in cvy_leave(), or in cvy_enter_slow(). */
        cvy_store_release(&th->retake, 1);
        while (cvy_load_acquire(&th->in_runtime) && cvy_load_acquire(&th->retake)) {
            cvy_futex_wait(&th->in_runtime, 1, 20 * COVEY_US);
        }
    }
    cvy_unlock(&foreign_lock);
}

/* Claims th's wait if it cannot end any more. Whether it is still to end. */
static bool end_wait(struct cvy_thread *th, struct cvy_wakelist *list)
{
    /* Acq_rel: acquire pairs with the release in cvy_io_wait_end(). */
    uint32_t needs =
        atomic_fetch_or_explicit(&th->needs_runtime, CVY_NEED_ASKED, memory_order_acq_rel);
    if (needs >= CVY_NEED && cvy_claim(&th->self, CVY_INDEX_ENDED)) {
        cvy_wakelist_add(list, &th->self);
    }
    /* Release: to the acquire in cvy_io_wait_end(). */
    atomic_fetch_and_explicit(&th->needs_runtime, ~CVY_NEED_ASKED, memory_order_release);
    return needs >= CVY_NEED;
}

/* How many waits are not over yet. */
static size_t end_waits(struct cvy_wakelist *list)
{
    size_t n = 0;

    cvy_lock(&foreign_lock);
    for (struct cvy_thread *th = foreign_threads; th; th = th->all_next) {
        n += end_wait(th, list);
    }
    cvy_unlock(&foreign_lock);
    return n;
}

void cvy_foreign_release(void)
{
    struct cvy_wakelist list = {0};

    /* Who begins such a wait after the runtime was closed sees that; the others are parked by now,
     * or on their way out. */
    cvy_foreign_quiesce();
    while (end_waits(&list) > 0) {
        cvy_ready_all(cvy_thread_self(), &list);
        (void)nanosleep(&(struct timespec){.tv_nsec = 20000}, NULL);
    }
}

size_t cvy_foreign_waiting(struct cvy_runtime *rt, struct cvy_view *views, size_t max)
{
    size_t n = 0;

    /* Held over the looks: none of them ends meanwhile. Whoever ends the runtime holds it until the
     * caller, if that is a plain thread, has left. */
    while (!cvy_lock_try(&foreign_lock)) {
        if (cvy_load_seq_cst(&rt->closed)) {
            return 0;
        }
        (void)nanosleep(&(struct timespec){.tv_nsec = 20000}, NULL);
    }
    for (struct cvy_thread *th = foreign_threads; th && n < max; th = th->all_next) {
        n += cvy_view_take_thread(th, &views[n]);
    }
    cvy_unlock(&foreign_lock);
    return n;
}

static void foreign_forget(struct cvy_thread *th)
{
    cvy_lock(&foreign_lock);
    struct cvy_thread **at = &foreign_threads;
    while (*at != th) {
        at = &(*at)->all_next;
    }
    *at = th->all_next;
    cvy_unlock(&foreign_lock);
}

/* A plain thread ends: give back what it holds in covey. */
static void foreign_end(void *arg)
{
    struct cvy_thread *th = arg;

    foreign_forget(th);
    cvy_grace_leave(th);

    cvy_cancel_unregister(&th->self);
    cvy_task_clear(&th->self);
    cvy_self_set(NULL);
    free(th);
}

static void key_make(void)
{
    if (pthread_key_create(&key, foreign_end) != 0) {
        cvy_fatal("out of thread keys");
    }
}

struct cvy_thread *cvy_thread_foreign(void)
{
    struct cvy_thread *th;
    unsigned tries = 0;

    cvy_fork_check();
    (void)pthread_once(&key_once, key_make);
    while (!(th = cvy_alloc_lines(sizeof(*th))) && cvy_lack_wait(&tries)) {
    }
    if (!th) {
        cvy_fatal("out of memory for a thread's record");
    }
    th->errno_ptr = cvy_errno_ptr();
    cvy_thread_carry(th, NULL);
    cvy_store_relaxed(&th->id, cvy_thread_id());
    th->self.is_foreign = true;
    cvy_store_relaxed(&th->self.on_cpu, 1);
    th->task = &th->self;
    cvy_lock(&foreign_lock);
    th->all_next = foreign_threads;
    foreign_threads = th;
    cvy_unlock(&foreign_lock);
    cvy_grace_join(th);
    (void)pthread_setspecific(key, th);
    cvy_self_set(th);
    return th;
}
