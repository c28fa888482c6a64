/* SPDX-License-Identifier: MIT
 * native.c - libcovey-native.so: stands in front of libpthread (LD_PRELOAD) and notes for each
 * thread which mutexes it holds and where it locked them, for COVEY_DEBUG=native.
 *
 * Mutexes alone: also those of C++'s std::mutex, not mtx_lock(), which libc keeps to itself.
 * Waiting on a condition gives the mutex back and takes it again inside libc; the thread holds it
 * before and after, so there is nothing to note. */
#define _GNU_SOURCE
#include "sched/native.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>
#include <unwind.h>

#define HELD_MAX 32

static _Thread_local struct {
    size_t count;
    bool is_walking; /* the unwinder may lock */
    struct cvy_native_lock locks[HELD_MAX];
} held;

typedef int mutex_fn(pthread_mutex_t *m);
typedef int timed_fn(pthread_mutex_t *m, const struct timespec *until);
typedef int clock_fn(pthread_mutex_t *m, clockid_t clock, const struct timespec *until);

#define EXPORT __attribute__((visibility("default")))

EXPORT cvy_native_held_fn covey_native_held;

size_t covey_native_held(const struct cvy_native_lock **locks)
{
    *locks = held.locks;
    return held.count;
}

/* The next library's function of that name; looked up at the first call. */
static void *next_of(void *_Atomic *cache, const char *name)
{
    void *fn = atomic_load_explicit(cache, memory_order_relaxed);

    if (!fn) {
        fn = dlsym(RTLD_NEXT, name);
        atomic_store_explicit(cache, fn, memory_order_relaxed);
    }
    return fn;
}

static _Unwind_Reason_Code on_frame(struct _Unwind_Context *context, void *arg)
{
    struct cvy_native_lock *l = arg;
    uintptr_t pc = _Unwind_GetIP(context);

    if (pc == 0 || l->frame_count == CVY_NATIVE_FRAMES) {
        return _URC_END_OF_STACK;
    }
    l->frames[l->frame_count++] = (void *)(pc - 1);
    return _URC_NO_REASON;
}

/* The stack from the caller on: how many frames are this file's depends on the compiler. */
static void walk(struct cvy_native_lock *l, const void *caller)
{
    size_t skip = 0;

    (void)_Unwind_Backtrace(on_frame, l);
    while (skip < l->frame_count && l->frames[skip] != (const char *)caller - 1) {
        skip++;
    }
    skip = skip < l->frame_count ? skip : 0;
    for (size_t i = skip; i < l->frame_count; i++) {
        l->frames[i - skip] = l->frames[i];
    }
    l->frame_count -= skip;
}

/* What a lock call came to; caller: where it returns to. */
static int note(pthread_mutex_t *m, int code, const void *caller)
{
    if (code != 0 || held.is_walking || held.count == HELD_MAX) {
        return code;
    }
    struct cvy_native_lock *l = &held.locks[held.count];
    l->mutex = m;
    l->frame_count = 0;
    held.is_walking = true;
    walk(l, caller);
    held.is_walking = false;
    held.count++;
    return code;
}

/* The last of it: a recursive mutex may be there more than once. */
static void forget(const pthread_mutex_t *m)
{
    for (size_t i = held.count; i > 0; i--) {
        if (held.locks[i - 1].mutex == m) {
            held.count--;
            for (size_t k = i - 1; k < held.count; k++) {
                held.locks[k] = held.locks[k + 1];
            }
            return;
        }
    }
}

EXPORT int pthread_mutex_lock(pthread_mutex_t *m)
{
    static void *_Atomic next;
    return note(m, ((mutex_fn *)(uintptr_t)next_of(&next, "pthread_mutex_lock"))(m),
                __builtin_return_address(0));
}

EXPORT int pthread_mutex_trylock(pthread_mutex_t *m)
{
    static void *_Atomic next;
    return note(m, ((mutex_fn *)(uintptr_t)next_of(&next, "pthread_mutex_trylock"))(m),
                __builtin_return_address(0));
}

EXPORT int pthread_mutex_timedlock(pthread_mutex_t *m, const struct timespec *until)
{
    static void *_Atomic next;
    return note(m, ((timed_fn *)(uintptr_t)next_of(&next, "pthread_mutex_timedlock"))(m, until),
                __builtin_return_address(0));
}

EXPORT int pthread_mutex_clocklock(pthread_mutex_t *m, clockid_t clock,
                                   const struct timespec *until)
{
    static void *_Atomic next;
    clock_fn *real = (clock_fn *)(uintptr_t)next_of(&next, "pthread_mutex_clocklock");
    return note(m, real(m, clock, until), __builtin_return_address(0));
}

EXPORT int pthread_mutex_unlock(pthread_mutex_t *m)
{
    static void *_Atomic next;
    forget(m);
    return ((mutex_fn *)(uintptr_t)next_of(&next, "pthread_mutex_unlock"))(m);
}
