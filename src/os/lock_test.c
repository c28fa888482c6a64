/* SPDX-License-Identifier: MIT
 * lock_test.c - the lock excludes, a holder that loses its CPU does not hang the rest, and debug
 * builds know the order of ranks. */
#include "os/lock.h"

#include "harness.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#define THREADS 8
#define ROUNDS 20000

static struct cvy_lock lock = CVY_LOCK_INIT(CVY_RANK_POOL);
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
    struct cvy_lock l = CVY_LOCK_INIT(CVY_RANK_POOL);

    CHECK(cvy_lock_try(&l));
    CHECK(!cvy_lock_try(&l));
    cvy_unlock(&l);
    CHECK(cvy_lock_try(&l));
}

#if CVY_DEBUG

static struct cvy_lock low = CVY_LOCK_INIT(CVY_RANK_CHAN);
static struct cvy_lock high = CVY_LOCK_INIT(CVY_RANK_TIMERS);
static struct cvy_lock equals[2] = {CVY_LOCK_INIT(CVY_RANK_CHAN), CVY_LOCK_INIT(CVY_RANK_CHAN)};
static struct cvy_lock no_rank;

/* Whether a child that takes first and then second is aborted. */
static bool order_is_fatal(struct cvy_lock *first, struct cvy_lock *second)
{
    int status;
    pid_t child = fork();

    CHECK(child >= 0);
    if (child == 0) {
        cvy_lock(first);
        cvy_lock(second);
        _exit(0);
    }
    CHECK(waitpid(child, &status, 0) == child);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

TEST(ranks_rise)
{
    CHECK(!order_is_fatal(&low, &high));
    CHECK(order_is_fatal(&high, &low));
    CHECK(order_is_fatal(&low, &low));
    CHECK(order_is_fatal(&low, &no_rank));
}

TEST(equal_ranks_go_by_address)
{
    CHECK(!order_is_fatal(&equals[0], &equals[1]));
    CHECK(order_is_fatal(&equals[1], &equals[0]));
}

TEST(what_was_given_back_is_not_held)
{
    cvy_lock(&low);
    cvy_lock(&high);
    CHECK(cvy_lock_any_held());
    cvy_unlock(&low);
    cvy_unlock(&high);
    CHECK(!cvy_lock_any_held());
    cvy_lock(&low);
    cvy_unlock(&low);
}

#endif
