/* SPDX-License-Identifier: MIT
 * grace_test.c - what a reader found in a section stays until it leaves it. Threads that do nothing
 * else, since the faults to be seen are a few dozen nanoseconds wide. */
#include "sched/grace.h"

#include "harness.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

/* One reader, so that it and the writer run at the same time on two cores; long enough inside to
 * see a writer that did not wait. Without the membarrier this fails within a second on idle cores.
 */
enum { READERS = 1, CELLS = 4, LOOKS = 1000 };

struct cell {
    _Alignas(CVY_CACHE_LINE) _Atomic uint32_t is_valid;
};

static struct {
    struct cell cells[CELLS];
    _Alignas(CVY_CACHE_LINE) struct cell *_Atomic current;
    _Alignas(CVY_CACHE_LINE) _Atomic bool is_over;
} shared;

static void *read_on(void *arg)
{
    (void)arg;
    while (!cvy_load_relaxed(&shared.is_over)) {
        struct cvy_thread *th = cvy_read_begin();
        struct cell *c = cvy_load_acquire(&shared.current);
        for (int i = 0; i < LOOKS; i++) {
            CHECK(cvy_load_relaxed(&c->is_valid));
        }
        cvy_read_end(th);
    }
    return NULL;
}

static void replace_for(int64_t ns)
{
    int64_t until = cvy_clock_now() + ns;

    for (uint32_t i = 1; cvy_clock_now() < until; i++) {
        struct cell *next = &shared.cells[i % CELLS];
        struct cell *before = cvy_load_relaxed(&shared.current);
        cvy_store_relaxed(&next->is_valid, 1);
        cvy_store_release(&shared.current, next);
        cvy_grace_wait();
        cvy_store_relaxed(&before->is_valid, 0);
    }
}

TEST(what_a_section_found_stays_until_its_end)
{
    pthread_t readers[READERS];

    cvy_grace_init();
    cvy_store_relaxed(&shared.cells[0].is_valid, 1);
    cvy_store_relaxed(&shared.current, &shared.cells[0]);
    for (int i = 0; i < READERS; i++) {
        CHECK_EQ(pthread_create(&readers[i], NULL, read_on, NULL), 0);
    }
    replace_for(COVEY_SEC);
    cvy_store_relaxed(&shared.is_over, true);
    for (int i = 0; i < READERS; i++) {
        CHECK_EQ(pthread_join(readers[i], NULL), 0);
    }
}

/* A reader that is inside, and says so; then it is let out. */
static _Atomic int inside, let_out, was_freed;

static void *stay_inside(void *arg)
{
    struct cvy_thread *th = cvy_read_begin();

    (void)arg;
    cvy_store_seq_cst(&inside, 1);
    while (!cvy_load_seq_cst(&let_out)) {
        (void)sched_yield();
    }
    CHECK(!cvy_load_seq_cst(&was_freed));
    cvy_read_end(th);
    return NULL;
}

static void *wait_and_free(void *arg)
{
    (void)arg;
    cvy_grace_wait();
    cvy_store_seq_cst(&was_freed, 1);
    return NULL;
}

TEST(a_writer_waits_for_who_is_inside)
{
    pthread_t reader, writer;

    cvy_grace_init();
    CHECK_EQ(pthread_create(&reader, NULL, stay_inside, NULL), 0);
    while (!cvy_load_seq_cst(&inside)) {
        (void)sched_yield();
    }
    CHECK_EQ(pthread_create(&writer, NULL, wait_and_free, NULL), 0);
    for (int i = 0; i < 2000; i++) {
        (void)sched_yield(); /* gives the writer every chance to go wrong */
    }
    CHECK(!cvy_load_seq_cst(&was_freed));
    cvy_store_seq_cst(&let_out, 1);
    CHECK_EQ(pthread_join(reader, NULL), 0);
    CHECK_EQ(pthread_join(writer, NULL), 0);
    CHECK(cvy_load_seq_cst(&was_freed));
}

static void *come_and_go(void *arg)
{
    (void)arg;
    cvy_read_end(cvy_read_begin());
    return NULL;
}

TEST(threads_may_end_meanwhile)
{
    pthread_t writer;

    cvy_grace_init();
    for (int i = 0; i < 200; i++) {
        pthread_t readers[4];
        CHECK_EQ(pthread_create(&writer, NULL, wait_and_free, NULL), 0);
        for (int k = 0; k < 4; k++) {
            CHECK_EQ(pthread_create(&readers[k], NULL, come_and_go, NULL), 0);
        }
        for (int k = 0; k < 4; k++) {
            CHECK_EQ(pthread_join(readers[k], NULL), 0);
        }
        CHECK_EQ(pthread_join(writer, NULL), 0);
    }
}
