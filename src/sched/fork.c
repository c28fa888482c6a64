/* SPDX-License-Identifier: MIT
 * fork.c - after a fork the child has one thread and none of the runtime's: a covey call in it
 * (exec aside) is told as what it is, instead of waiting for threads that do not exist. */
#include "sched/worker.h"

static atomic_bool is_forked_child;

static void in_child(void)
{
    struct cvy_thread *th = cvy_thread_self();

    if (!cvy_runtime_get()) {
        return;
    }
    cvy_store_relaxed(&is_forked_child, true);
    /* The hook would wait for locks that other threads held at the fork. */
    cvy_store_relaxed(&cvy_fatal_hook, NULL);
    if (th) {
        cvy_store_relaxed(&th->retake, 1);
    }
}

static void install(void)
{
    (void)pthread_atfork(NULL, NULL, in_child);
}

void cvy_fork_watch(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, install);
}

void cvy_fork_check(void)
{
    COVEY_REQUIRE(!cvy_load_relaxed(&is_forked_child),
                  "a covey call in the child of a fork, whose runtime stayed with the parent");
}
