/* SPDX-License-Identifier: MIT
 * ring_test.c - the ring of events: what a reader gets is whole and in order, or counted as lost.
 */
#include "trace/ring.h"

#include "harness.h"

#include <pthread.h>
#include <stdlib.h>

#define STRESS_EVENTS 3000000u
#define BATCH 3000u

static covey_trace_event batch[BATCH];

static unsigned type_of(const covey_trace_event *e)
{
    return e->meta & 0xFF;
}

TEST(a_chunk_begins_with_its_clock_and_who_runs)
{
    struct cvy_ring *r = cvy_ring_new(0);
    uint64_t from = 0;

    CHECK(r);
    cvy_store_relaxed(&r->running, 7);
    cvy_ring_put(r, COVEY_TRACE_ready, 42, 3, 0x123456789ABC);
    CHECK_EQ(cvy_ring_read(r, &from, batch, BATCH), 3);
    CHECK_EQ(from, 0);
    CHECK_EQ(type_of(&batch[0]), COVEY_TRACE_clock);
    CHECK_EQ((uint64_t)batch[0].id << 32 | batch[0].ticks, r->ticks);
    CHECK_EQ(type_of(&batch[1]), COVEY_TRACE_run);
    CHECK_EQ(batch[1].id, 7);
    CHECK_EQ(type_of(&batch[2]), COVEY_TRACE_ready);
    CHECK_EQ(batch[2].id, 42);
    CHECK_EQ(batch[2].meta >> 8 & 0xFF, 3);
    CHECK_EQ(batch[2].meta >> 16, 0x123456789ABC);
    cvy_ring_free(r);
}

TEST(what_was_overwritten_is_skipped_to_the_next_chunk)
{
    struct cvy_ring *r = cvy_ring_new(0);
    uint64_t size = r->mask + 1;
    uint64_t from = 5;

    for (uint32_t i = 0; i < size * 2; i++) {
        cvy_ring_put(r, COVEY_TRACE_ready, i, 0, i);
    }
    size_t n = cvy_ring_read(r, &from, batch, BATCH);
    CHECK(n > 0);
    CHECK_EQ(from % CVY_RING_CHUNK, 0);
    CHECK(from >= size);
    CHECK_EQ(type_of(&batch[0]), COVEY_TRACE_clock);
    cvy_ring_free(r);
}

TEST(a_burst_shares_stamps_and_a_restamp_ends_that)
{
    struct cvy_ring *r = cvy_ring_new(0);

    cvy_store_relaxed(&r->share_max, CVY_RING_SHARE_MAX);
    /* As after many stamps close together. */
    r->ticks = cvy_cycles();
    r->shares = CVY_RING_SHARE_MAX;
    cvy_ring_put(r, COVEY_TRACE_ready, 1, 0, 0);
    uint64_t stamp = r->ticks;
    cvy_ring_put(r, COVEY_TRACE_ready, 1, 0, 0);
    CHECK_EQ(r->ticks, stamp);
    cvy_ring_restamp(r);
    cvy_ring_put(r, COVEY_TRACE_ready, 1, 0, 0);
    CHECK(r->ticks != stamp);
    cvy_ring_free(r);
}

static void *write_numbers(void *arg)
{
    struct cvy_ring *r = arg;

    for (uint32_t i = 1; i <= STRESS_EVENTS; i++) {
        /* Both words depend on i: a torn event shows. */
        cvy_ring_put(r, COVEY_TRACE_ready, i, (uint8_t)i, (uint64_t)i * 3);
    }
    return NULL;
}

TEST(a_reader_behind_a_writers_back_sees_no_torn_event)
{
    struct cvy_ring *r = cvy_ring_new(0);
    pthread_t writer;
    uint64_t pos = 0;
    uint64_t seen = 0;
    uint64_t lost = 0;
    uint32_t last = 0;

    CHECK_EQ(pthread_create(&writer, NULL, write_numbers, r), 0);
    while (last < STRESS_EVENTS) {
        uint64_t from = pos;
        size_t n = cvy_ring_read(r, &from, batch, BATCH);
        lost += from - pos;
        pos = from + n;
        for (size_t i = 0; i < n; i++) {
            if (type_of(&batch[i]) != COVEY_TRACE_ready) {
                CHECK(type_of(&batch[i]) == COVEY_TRACE_clock ||
                      type_of(&batch[i]) == COVEY_TRACE_run);
                continue;
            }
            CHECK(batch[i].id > last);
            last = batch[i].id;
            CHECK_EQ(batch[i].meta >> 8 & 0xFF, (uint8_t)last);
            CHECK_EQ(batch[i].meta >> 16, (uint64_t)last * 3);
            seen++;
        }
    }
    CHECK_EQ(pthread_join(writer, NULL), 0);
    /* Nothing is missing that was not counted. */
    CHECK(seen + lost >= STRESS_EVENTS);
    CHECK_EQ(pos, cvy_load_relaxed(&r->pos));
    cvy_ring_free(r);
}
