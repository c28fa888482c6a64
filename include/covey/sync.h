/* SPDX-License-Identifier: MIT
 * covey/sync.h - mutexes, read-write mutexes, wait groups, once, conditions, semaphores, calls made
 * once for many. After Go's packages sync and golang.org/x/sync/{semaphore,singleflight}.
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
 * Waiters are woken first come, first served; readers that stand together are let in together. Who
 * runs may come before one that is just being woken, but nobody starves: a waiter of more than 1 ms
 * is handed the lock. */
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

/* Weighted, first come first served: a large request at the head is not overtaken by small ones.
 * Anybody may release. The diagnosis (covey_options.diagnose) takes one for a lock, whose holders
 * others wait for, only if permits have come back from the tasks that had acquired them, and none
 * from anybody else. */
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

/* Callers that ask for the same thing at the same time share one run:
 * golang.org/x/sync/singleflight with cancellation. What runs, in a task of its own:
 *
 * fn(ctx, arg, &result) returns a code, and on success leaves a result. ctx belongs to nobody: it
 * has no caller's values or deadline, and is cancelled when all callers have left, or at the end of
 * covey_run(). fn must not ask for its own key. */
typedef struct covey_singleflight covey_singleflight;
typedef int covey_singleflight_fn(covey_ctx *ctx, void *arg, void **result);

typedef struct covey_singleflight_options {
    /* Counted results, both or none: fn's reference is the flight's; each caller that gets the
     * result gets a reference of its own; what nobody waited for is released. Called by any task,
     * also at the same time; must not block. Without them whoever gets the pointer shares it. */
    void (*result_ref)(void *result);
    void (*result_unref)(void *result);
} covey_singleflight_options;

/* Owned; opts is borrowed for the call, NULL: none. NULL: out of memory, or one callback alone. */
COVEY_API covey_singleflight *covey_singleflight_new(void);
COVEY_API covey_singleflight *covey_singleflight_new_with(const covey_singleflight_options *opts);
/* Runs that go on are seen through. NULL is allowed. */
COVEY_API void covey_singleflight_free(covey_singleflight *f);

/* Joins the run for key that is under way, or starts one, and waits for its end. Returns fn's code,
 * with its message; *result is written if that is no failure; *shared (either may be NULL) says
 * whether another caller joined. key, a string, is copied. arg is borrowed until fn returns, which
 * may be after this caller has left: see covey_singleflight_do_copy(). May switch.
 *
 * COVEY_ECANCELED, COVEY_EDEADLINE: this caller's ctx is done, and it leaves alone; when the last
 * one does, the run is cancelled and forgotten. -ENOMEM, COVEY_ECLOSED (no runtime is up): fn was
 * not called. */
COVEY_API int covey_singleflight_do(covey_ctx *ctx, covey_singleflight *f, const char *key,
                                    covey_singleflight_fn *fn, void *arg, void **result,
                                    bool *shared);
COVEY_API int covey_singleflight_do_at(const covey_site *site, covey_ctx *ctx,
                                       covey_singleflight *f, const char *key,
                                       covey_singleflight_fn *fn, void *arg, void **result,
                                       bool *shared);
#define covey_singleflight_do(ctx, f, key, fn, arg, result, shared)                                \
    covey_singleflight_do_at(COVEY_SITE(#fn), (ctx), (f), (key), (fn), (arg), (result), (shared))
/* The same; fn's arg points to a copy of len bytes, aligned for any type, that lives as long as the
 * run. */
COVEY_API int covey_singleflight_do_copy(covey_ctx *ctx, covey_singleflight *f, const char *key,
                                         covey_singleflight_fn *fn, const void *arg, size_t len,
                                         void **result, bool *shared);
/* Who asks for key from now on starts a new run. The present one goes on for those who wait. */
COVEY_API void covey_singleflight_forget(covey_singleflight *f, const char *key);

COVEY_END
#endif
