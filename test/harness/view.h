/* SPDX-License-Identifier: MIT
 * view.h - what others do, seen from outside: whether another task waits, and how many threads and
 * descriptors this process has. Include harness.h first. */
#ifndef CVY_TEST_VIEW_H
#define CVY_TEST_VIEW_H

#include "task.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

#endif
