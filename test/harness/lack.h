/* SPDX-License-Identifier: MIT
 * lack.h - a heap that fails when a test says so: for one file of a program that covey_wrap_heap()
 * links. The functions here stand in the place of malloc() and its kin, for what is linked
 * statically; foreign libraries are not touched. */
#ifndef TEST_HARNESS_LACK_H
#define TEST_HARNESS_LACK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#ifndef WITH_WRAPPED_HEAP
#define WITH_WRAPPED_HEAP 0 /* the test skips */
#endif

static atomic_int countdown; /* > 0: allocations until the one that fails */
static atomic_bool has_failed;
static _Thread_local bool is_spared; /* this thread's allocations do not fail, nor count */

#if WITH_WRAPPED_HEAP
void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
char *__real_strdup(const char *s);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);
char *__wrap_strdup(const char *s);
#endif

/* The loop over attempts: true for n = 1, 2, ... while an allocation failed in the last one. */
static inline bool lack_next(int *n)
{
    if (*n > 0 && !atomic_load(&has_failed)) {
        fprintf(stderr, "# %d allocations, each failed once\n", *n - 1);
        return false;
    }
    atomic_store(&has_failed, false);
    ++*n;
    return true;
}

static inline bool lack_comes_now(void)
{
    if (is_spared || atomic_load(&countdown) <= 0 || atomic_fetch_sub(&countdown, 1) != 1) {
        return false;
    }
    atomic_store(&has_failed, true);
    return true;
}

#if WITH_WRAPPED_HEAP
void *__wrap_malloc(size_t size)
{
    return lack_comes_now() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return lack_comes_now() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t size)
{
    return lack_comes_now() ? NULL : __real_realloc(p, size);
}

char *__wrap_strdup(const char *s)
{
    return lack_comes_now() ? NULL : __real_strdup(s);
}
#endif

#endif
