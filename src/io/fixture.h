/* SPDX-License-Identifier: MIT
 * fixture.h - what the tests of io/ share: pairs of connections, a wait until another task waits.
 * Include harness.h first. */
#ifndef CVY_IO_FIXTURE_H
#define CVY_IO_FIXTURE_H

#include "task.h"

#include <dirent.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Whether the dump says: task 7 "name" waiting in ... */
static inline bool is_waiting(const char *name)
{
    char pattern[64], *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);

    CHECK(out);
    covey_dump(out);
    CHECK_EQ(fclose(out), 0);
    (void)snprintf(pattern, sizeof(pattern), "\"%s\" waiting", name);
    bool waits = strstr(text, pattern) != NULL;
    free(text);
    return waits;
}

/* Starts a task that will wait, and returns once it does. */
static inline void go_waiting(covey_group *g, const char *name, covey_fn *fn, void *arg)
{
    covey_task_options opts = {.name = name};

    CHECK_EQ(covey_group_go_with(g, &opts, fn, arg), 0);
    while (!is_waiting(name)) {
        covey_yield();
    }
}

static inline int count_fds(void)
{
    DIR *dir = opendir("/proc/self/fd");
    int n = 0;

    CHECK(dir);
    while (readdir(dir)) {
        n++;
    }
    (void)closedir(dir);
    return n;
}

/* Two ends of a TCP connection over loopback. */
static inline void tcp_pair(covey_ctx *ctx, covey_conn **client, covey_conn **server)
{
    covey_listener *l;

    CHECK_EQ(covey_listen(&l, "tcp://127.0.0.1:0", NULL), 0);
    CHECK_EQ(covey_dial(ctx, client, covey_listener_addr(l)), 0);
    CHECK_EQ(covey_accept(ctx, l, server), 0);
    covey_listener_close(l);
}

#endif
