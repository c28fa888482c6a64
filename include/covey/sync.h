/* SPDX-License-Identifier: MIT
 * covey/sync.h - mutexes, read-write mutexes, wait groups, once, conditions, semaphores. After Go's
 * packages sync and golang.org/x/sync/semaphore.
 *
 * The value types work from = {0}, live anywhere, must not move while in use, and need no destroy.
 * Any thread may use everything. What is marked "may switch" blocks only the calling task (or, in a
 * plain thread, that thread). Fields ending in _ are covey's. */
#ifndef COVEY_SYNC_H
#define COVEY_SYNC_H

#include <covey/defs.h>

COVEY_BEGIN

/* Not recursive. May be unlocked by another task than the one that locked it. Nobody starves: a
 * waiter of more than 1 ms is handed the lock. Unlocking an unlocked mutex is fatal. */
typedef struct covey_mutex {
    uint32_t state_;
} covey_mutex;
COVEY_API void covey_mutex_lock(covey_mutex *m); /* may switch */
/* 0; COVEY_ECANCELED, COVEY_EDEADLINE: it is not locked. May switch. */
COVEY_API int covey_mutex_lock_ctx(covey_ctx *ctx, covey_mutex *m);
COVEY_API bool covey_mutex_try_lock(covey_mutex *m);
COVEY_API void covey_mutex_unlock(covey_mutex *m);

/* Many readers or one writer; a waiting writer stops new readers, so do not rlock recursively.
 * Waiters are served first come, first served; readers that stand together are let in together. */
typedef struct covey_rwmutex {
    uint32_t state_;
} covey_rwmutex;
COVEY_API void covey_rwmutex_rlock(covey_rwmutex *m); /* may switch */
COVEY_API int covey_rwmutex_rlock_ctx(covey_ctx *ctx, covey_rwmutex *m);
COVEY_API bool covey_rwmutex_try_rlock(covey_rwmutex *m);
COVEY_API void covey_rwmutex_runlock(covey_rwmutex *m);
COVEY_API void covey_rwmutex_lock(covey_rwmutex *m); /* may switch */
COVEY_API int covey_rwmutex_lock_ctx(covey_ctx *ctx, covey_rwmutex *m);
COVEY_API bool covey_rwmutex_try_lock(covey_rwmutex *m);
COVEY_API void covey_rwmutex_unlock(covey_rwmutex *m);

/* Counts tasks; wait returns when the count is 0. A count below 0 is fatal. An add that lifts the
 * count from 0 must happen before the wait. */
typedef struct covey_waitgroup {
    uint64_t state_;
} covey_waitgroup;
COVEY_API void covey_waitgroup_add(covey_waitgroup *wg, int n);
COVEY_API void covey_waitgroup_done(covey_waitgroup *wg);
/* 0; COVEY_ECANCELED, COVEY_EDEADLINE. May switch. */
COVEY_API int covey_waitgroup_wait(covey_ctx *ctx, covey_waitgroup *wg);
/* Go 1.25's WaitGroup.Go: adds 1, starts fn as a detached task under the root context, and counts
 * it done at its end. The codes of covey_go(); on failure nothing was added. */
COVEY_API int covey_waitgroup_go(covey_waitgroup *wg, covey_fn *fn, void *arg);
COVEY_API int covey_waitgroup_go_at(const covey_site *site, covey_waitgroup *wg, covey_fn *fn,
                                    void *arg);
#define covey_waitgroup_go(wg, fn, arg) covey_waitgroup_go_at(COVEY_SITE(#fn), (wg), (fn), (arg))

/* fn(arg) runs once; whoever calls meanwhile waits for its end, which happens before their return.
 */
typedef struct covey_once_flag {
    uint32_t state_;
} covey_once_flag;
COVEY_API void covey_once(covey_once_flag *o, void (*fn)(void *), void *arg); /* may switch */

/* Wait unlocks m, waits for a signal, and locks m again, always, also when it fails. Waiters are
 * woken first come, first served. No spurious wake-ups, but check the condition in a loop: another
 * task may have changed it first. */
typedef struct covey_cond {
    uint32_t state_;
} covey_cond;
/* 0; COVEY_ECANCELED, COVEY_EDEADLINE: no signal was consumed. May switch. */
COVEY_API int covey_cond_wait(covey_ctx *ctx, covey_cond *c, covey_mutex *m);
COVEY_API void covey_cond_signal(covey_cond *c);
COVEY_API void covey_cond_broadcast(covey_cond *c);

/* Weighted, first come first served: a large request at the head is not overtaken by small ones. */
typedef struct covey_sem covey_sem;
COVEY_API covey_sem *covey_sem_new(int64_t permits); /* owned; NULL: out of memory or negative */
/* n >= 0. 0; -EINVAL: more than it has in all, or negative; COVEY_ECANCELED, COVEY_EDEADLINE:
 * nothing was taken. May switch. */
COVEY_API int covey_sem_acquire(covey_ctx *ctx, covey_sem *s, int64_t n);
/* False too while others wait: it does not overtake. */
COVEY_API bool covey_sem_try_acquire(covey_sem *s, int64_t n);
/* Releasing more than is held is fatal. */
COVEY_API void covey_sem_release(covey_sem *s, int64_t n);
COVEY_API void covey_sem_free(covey_sem *s); /* nobody may wait on it; NULL is allowed */

COVEY_END
#endif
