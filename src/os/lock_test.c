/* SPDX-License-Identifier: MIT
 * lock_test.c - the lock excludes, and a holder that loses its CPU does not hang the rest. */
#include "os/lock.h"

#include "harness.h"

#include <pthread.h>
#include <sched.h>

#define THREADS 8
#define ROUNDS 20000

static struct cvy_lock lock;
static long counter;

static void *count(void *arg)
{
    (void)arg;
    for (int i = 0; i < ROUNDS; i++) {
        cvy_lock(&lock);
        counter++;
        if (i % 1000 == 0) {
            (void)sched_yield();
        }
        cvy_unlock(&lock);
    }
    return NULL;
}

TEST(excludes_among_more_threads_than_cpus)
{
    pthread_t threads[THREADS];

    for (int i = 0; i < THREADS; i++) {
        CHECK(pthread_create(&threads[i], NULL, count, NULL) == 0);
    }
    for (int i = 0; i < THREADS; i++) {
        CHECK(pthread_join(threads[i], NULL) == 0);
    }
    CHECK_EQ(counter, (long)THREADS * ROUNDS);
}

TEST(try_fails_while_it_is_held)
{
    struct cvy_lock l = {0};

    CHECK(cvy_lock_try(&l));
    CHECK(!cvy_lock_try(&l));
    cvy_unlock(&l);
    CHECK(cvy_lock_try(&l));
}
