/* SPDX-License-Identifier: MIT
 * support.h - what the conformance tests share: tests that run as a task, a wait until another task
 * waits, counts of this process's threads and descriptors.
 *
 * "It blocks" is shown by order, never by time: the other side has not happened yet (settle() gives
 * it every chance to go wrong), then it is let happen. */
#ifndef CVY_CONFORMANCE_SUPPORT_H
#define CVY_CONFORMANCE_SUPPORT_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "harness.h"
#include "task.h"

#include <dirent.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#define WITH_ASAN 1
#elif defined(__SANITIZE_THREAD__)
#define WITH_TSAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WITH_ASAN 1
#elif __has_feature(thread_sanitizer)
#define WITH_TSAN 1
#endif
#endif
#ifndef WITH_ASAN
#define WITH_ASAN 0
#endif
#ifndef WITH_TSAN
#define WITH_TSAN 0
#endif

/* n turns at the scale asked for: COVEY_STRESS_SCALE=X multiplies them (a decimal number;
 * ordinarily 1, and half under TSan, where a turn takes ten times as long). */
static inline int turns(int n)
{
    const char *scale = getenv("COVEY_STRESS_SCALE");
    double scaled = n * (scale && *scale ? atof(scale) : WITH_TSAN ? 0.5 : 1.0);

    return scaled < 1 ? 1 : scaled > 1e9 ? 1000000000 : (int)scaled;
}

/* Gives whatever could run now the chance to. Proves nothing about what did not happen. */
static inline void settle(void)
{
    for (int i = 0; i < 100; i++) {
        covey_yield();
    }
}

static inline bool dump_says(const char *words)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    bool found;

    CHECK(out);
    covey_dump(out);
    CHECK_EQ(fclose(out), 0);
    found = strstr(text, words) != NULL;
    free(text);
    return found;
}

/* Whether the dump says: task 7 "name" waiting in ... */
static inline bool is_waiting(const char *name)
{
    char words[64];

    (void)snprintf(words, sizeof(words), "\"%s\" waiting", name);
    return dump_says(words);
}

/* Needed where the order of waiters matters: the dump is the one view of a task from outside. */
static inline void await_waiting(const char *name)
{
    while (!is_waiting(name)) {
        covey_yield();
    }
}

/* Starts a task that will wait, and returns once it does. */
static inline void go_waiting(covey_group *g, const char *name, covey_fn *fn, void *arg)
{
    covey_task_options opts = {.name = name};

    CHECK_EQ(covey_group_go_with(g, &opts, fn, arg), 0);
    await_waiting(name);
}

/* The same for one of several: "name-3". */
static inline void go_waiting_nth(covey_group *g, const char *name, int i, covey_fn *fn, void *arg)
{
    char full[32];

    (void)snprintf(full, sizeof(full), "%s-%d", name, i);
    go_waiting(g, full, fn, arg);
}

static inline int count_entries(const char *path)
{
    DIR *dir = opendir(path);
    int n = 0;

    CHECK(dir);
    while (readdir(dir)) {
        n++;
    }
    (void)closedir(dir);
    return n;
}

static inline int count_threads(void)
{
    return count_entries("/proc/self/task");
}

static inline int count_fds(void)
{
    return count_entries("/proc/self/fd");
}

/* A thread that was joined is listed for a moment more; TSan starts one of its own with the first.
 */
static inline void await_threads(int n)
{
    if (WITH_TSAN) {
        return;
    }
    while (count_threads() != n) {
        (void)sched_yield();
    }
}

/* A context that is done already, with this code. */
static inline covey_ctx *done_ctx(int code)
{
    covey_ctx *c;

    if (code == COVEY_EDEADLINE) {
        c = covey_ctx_with_timeout(NULL, 0);
    } else {
        c = covey_ctx_with_cancel(NULL);
        covey_ctx_cancel(c);
    }
    CHECK_EQ(covey_ctx_err(c), code);
    return c;
}

#endif
