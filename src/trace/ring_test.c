/* SPDX-License-Identifier: MIT
 * ring_test.c - the ring of events: what a reader gets is whole and in order, or counted as lost.
 */
#define _GNU_SOURCE
#include "trace/emit.h"

#include "harness.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

#define STRESS_EVENTS 3000000u
#define BATCH 3000u

static covey_trace_event batch[BATCH];

static unsigned type_of(const covey_trace_event *e)
{
    return e->meta & 0xFF;
}

static struct cvy_ring *ring_new(void)
{
    static struct cvy_ring ring;

    CHECK_EQ(cvy_ring_make(&ring, 0), 0);
    return &ring;
}

static void put(struct cvy_ring *r, uint8_t type, uint32_t id, uint8_t arg, uint64_t object)
{
    cvy_ring_put(r, id, cvy_ring_what(type, arg, object));
}

TEST(a_chunk_begins_with_its_clock_and_who_runs)
{
    struct cvy_ring *r = ring_new();
    uint64_t from = 0;

    put(r, COVEY_TRACE_ready, 42, 3, 0x123456789ABC);
    CHECK_EQ(cvy_ring_read(r, &from, batch, BATCH), 3);
    CHECK_EQ(from, 0);
    CHECK_EQ(type_of(&batch[0]), COVEY_TRACE_clock);
    CHECK_EQ((uint64_t)batch[0].id << 32 | batch[0].ticks, r->ticks);
    CHECK_EQ(type_of(&batch[1]), COVEY_TRACE_run);
    CHECK_EQ(batch[1].id, 0);
    CHECK_EQ(type_of(&batch[2]), COVEY_TRACE_ready);
    CHECK_EQ(batch[2].id, 42);
    CHECK_EQ(batch[2].meta >> 8 & 0xFF, 3);
    CHECK_EQ(batch[2].meta >> 16, 0x123456789ABC);
}

/* Writes one event of a type, then others until a chunk begins; who runs, it says. */
static uint32_t running_after(uint8_t type, uint32_t id)
{
    struct cvy_ring *r = ring_new();
    uint64_t from = 0;

    put(r, COVEY_TRACE_run, 5, 0, 0);
    put(r, type, id, 0, 0);
    while (cvy_ring_written(r) <= CVY_RING_CHUNK) {
        put(r, COVEY_TRACE_ready, 9, 0, 0);
    }
    CHECK(cvy_ring_read(r, &from, batch, BATCH) > CVY_RING_CHUNK + 1);
    CHECK_EQ(type_of(&batch[CVY_RING_CHUNK]), COVEY_TRACE_clock);
    CHECK_EQ(type_of(&batch[CVY_RING_CHUNK + 1]), COVEY_TRACE_run);
    uint32_t running = batch[CVY_RING_CHUNK + 1].id;
    cvy_ring_drop(r);
    return running;
}

TEST(a_chunk_knows_who_runs_from_the_one_before)
{
    CHECK_EQ(running_after(COVEY_TRACE_ready, 7), 5);
    CHECK_EQ(running_after(COVEY_TRACE_run, 7), 7);
    CHECK_EQ(running_after(COVEY_TRACE_park, 7), 7);
    CHECK_EQ(running_after(COVEY_TRACE_yield, 7), 7);
    CHECK_EQ(running_after(COVEY_TRACE_park | CVY_RING_WOKE, 7), 7);
    CHECK_EQ(running_after(COVEY_TRACE_relay, 7), 7);
    CHECK_EQ(running_after(COVEY_TRACE_end, 5), 0);
}

TEST(after_a_pause_nobody_knows_who_runs)
{
    struct cvy_ring *r = ring_new();
    uint64_t from = 3;

    put(r, COVEY_TRACE_run, 5, 0, 0);
    cvy_store_relaxed(&r->is_resumed, true);
    cvy_ring_restamp(r);
    cvy_ring_put_late(r, 8, COVEY_TRACE_ready); /* of the time before */
    put(r, COVEY_TRACE_ready, 9, 0, 0);
    CHECK_EQ(cvy_ring_read(r, &from, batch, BATCH), 3);
    CHECK_EQ(type_of(&batch[0]), COVEY_TRACE_clock); /* a reader may begin here */
    CHECK_EQ((uint64_t)batch[0].id << 32 | batch[0].ticks, r->ticks);
    CHECK_EQ(batch[1].meta, cvy_ring_what(COVEY_TRACE_run, COVEY_TRACE_RUN_UNKNOWN, 0));
    CHECK_EQ(batch[1].id, 0);
    CHECK_EQ(batch[2].id, 9);
}

TEST(after_a_pause_a_chunk_does_not_say_who_ran_before_it)
{
    /* The chunk begins with the first event, or between the two that tell of the pause. */
    for (uint64_t left = 0; left < 2; left++) {
        struct cvy_ring *r = ring_new();
        uint64_t from = CVY_RING_CHUNK;
        put(r, COVEY_TRACE_run, 5, 0, 0);
        while (cvy_ring_written(r) < CVY_RING_CHUNK - left) {
            put(r, COVEY_TRACE_ready, 9, 0, 0);
        }
        cvy_store_relaxed(&r->is_resumed, true);
        cvy_ring_restamp(r);
        put(r, COVEY_TRACE_ready, 9, 0, 0);
        CHECK_EQ(cvy_ring_read(r, &from, batch, BATCH), 4);
        CHECK_EQ(type_of(&batch[0]), COVEY_TRACE_clock);
        for (size_t i = 1; i < 3; i++) {
            CHECK_EQ(batch[i].meta, cvy_ring_what(COVEY_TRACE_run, COVEY_TRACE_RUN_UNKNOWN, 0));
            CHECK_EQ(batch[i].id, 0);
        }
        CHECK_EQ(batch[3].id, 9);
        cvy_ring_drop(r);
    }
}

TEST(what_was_overwritten_is_skipped_to_the_next_chunk)
{
    struct cvy_ring *r = ring_new();
    uint64_t size = r->mask + 1;
    uint64_t from = 5;

    for (uint32_t i = 0; i < size * 2; i++) {
        put(r, COVEY_TRACE_ready, i, 0, i);
    }
    size_t n = cvy_ring_read(r, &from, batch, BATCH);
    CHECK(n > 0);
    CHECK_EQ(from % CVY_RING_CHUNK, 0);
    CHECK(from >= size);
    CHECK_EQ(type_of(&batch[0]), COVEY_TRACE_clock);
}

TEST(what_was_written_is_counted_at_each_event_of_two_rounds)
{
    struct cvy_ring *r = ring_new();
    uint64_t all = (r->mask + 1) * 2 + 5;

    put(r, COVEY_TRACE_ready, 1, 0, 0);
    for (uint64_t written = cvy_ring_written(r); written < all;) {
        put(r, COVEY_TRACE_ready, 1, 0, 0);
        uint64_t now = cvy_ring_written(r);
        CHECK_EQ(now - written, written % CVY_RING_CHUNK == 0 ? 3 : 1);
        written = now;
    }
}

/* All chunks are full: at is where the last one ends. */
static void fill(struct cvy_ring *r)
{
    while (cvy_ring_written(r) <= r->mask) {
        put(r, COVEY_TRACE_ready, 1, 0, 0);
    }
}

TEST(a_chunk_that_is_begun_and_has_no_event_counts_nothing)
{
    struct cvy_ring *r = ring_new();

    put(r, COVEY_TRACE_ready, 1, 0, 0);
    for (uint64_t chunk = 1; chunk <= 8; chunk++) {
        while (cvy_ring_written(r) < chunk * CVY_RING_CHUNK) {
            put(r, COVEY_TRACE_ready, 1, 0, 0);
        }
        CHECK_EQ(cvy_load_relaxed(&r->begun), chunk);
        /* As it is between the first two stores of begin_chunk(). */
        cvy_store_relaxed(&r->begun, chunk + 1);
        CHECK_EQ(cvy_ring_written(r), chunk * CVY_RING_CHUNK);
        cvy_store_relaxed(&r->begun, chunk);
    }
}

/* What is where a chunk begins is its clock. */
static void check_chunks(struct cvy_ring *r)
{
    uint64_t last = (cvy_ring_written(r) - 1) / CVY_RING_CHUNK;

    for (uint64_t chunk = last > 7 ? last - 7 : 0; chunk <= last; chunk++) {
        uint64_t from = chunk * CVY_RING_CHUNK;
        CHECK_EQ(cvy_ring_read(r, &from, batch, 1), 1);
        CHECK_EQ(from, chunk * CVY_RING_CHUNK);
        CHECK_EQ(type_of(&batch[0]), COVEY_TRACE_clock);
    }
}

TEST(what_comes_late_where_the_ring_ends_begins_a_chunk_like_all_others)
{
    struct cvy_ring *r = ring_new();

    cvy_store_relaxed(&r->share_max, CVY_RING_SHARE_MAX);
    fill(r);
    cvy_ring_put_late(r, 1, COVEY_TRACE_ready);
    CHECK_EQ(cvy_ring_written(r), r->mask + 1 + 3);
    for (uint32_t i = 0; i < 3 * CVY_RING_CHUNK; i++) {
        put(r, COVEY_TRACE_ready, 1, 0, 0);
        check_chunks(r);
    }
}

TEST(a_clock_follows_a_long_pause)
{
    struct cvy_ring *r = ring_new();
    uint64_t from = 3;

    put(r, COVEY_TRACE_ready, 1, 0, 0);
    r->ticks -= UINT64_C(1) << 33;
    put(r, COVEY_TRACE_ready, 2, 0, 0);
    CHECK_EQ(cvy_ring_read(r, &from, batch, BATCH), 2);
    CHECK_EQ(type_of(&batch[0]), COVEY_TRACE_clock);
    CHECK_EQ((uint64_t)batch[0].id << 32 | batch[0].ticks, r->ticks);
    CHECK_EQ(batch[1].id, 2);
}

TEST(a_ring_tells_that_its_step_has_changed)
{
    struct cvy_ring *r = ring_new();
    uint64_t from = 3;

    put(r, COVEY_TRACE_ready, 1, 0, 0);
    cvy_ring_set_step(r, 7);
    put(r, COVEY_TRACE_ready, 2, 0, 0);
    CHECK_EQ(cvy_ring_read(r, &from, batch, BATCH), 3);
    CHECK_EQ(type_of(&batch[1]), COVEY_TRACE_run);
    CHECK_EQ(batch[1].meta >> 16, 7);
}

/* As after many stamps close together. */
static void make_busy(struct cvy_ring *r)
{
    cvy_store_relaxed(&r->share_max, CVY_RING_SHARE_MAX);
    r->ticks = cvy_cycles();
    r->shares = CVY_RING_SHARE_MAX;
    put(r, COVEY_TRACE_ready, 1, 0, 0);
}

TEST(a_burst_shares_stamps_and_a_restamp_ends_that)
{
    struct cvy_ring *r = ring_new();

    make_busy(r);
    uint64_t stamp = r->ticks;
    put(r, COVEY_TRACE_ready, 1, 0, 0);
    CHECK_EQ(r->ticks, stamp);
    cvy_ring_restamp(r);
    put(r, COVEY_TRACE_ready, 1, 0, 0);
    CHECK(r->ticks != stamp);
}

TEST(a_sleep_has_a_stamp_and_what_comes_after_it)
{
    struct cvy_ring *r = ring_new();

    make_busy(r);
    uint64_t before = r->ticks;
    cvy_trace_put_exact(r, 0, COVEY_TRACE_idle);
    uint64_t slept = r->ticks;
    put(r, COVEY_TRACE_run, 1, 0, 0);
    CHECK(slept != before);
    CHECK(r->ticks != slept);
}

TEST(what_is_written_late_has_the_last_stamp_or_that_of_the_last_look)
{
    struct cvy_ring *r = ring_new();

    make_busy(r);
    uint64_t stamp = r->ticks;
    cvy_ring_restamp(r);
    cvy_ring_put_late(r, 1, COVEY_TRACE_ready);
    CHECK_EQ(r->ticks, stamp);
    cvy_store_relaxed(&r->free_ticks, stamp + 5);
    cvy_ring_put_late(r, 1, COVEY_TRACE_ready);
    CHECK_EQ(r->ticks, stamp + 5);
    /* Not before what is written, nor where only a clock could say it. */
    cvy_store_relaxed(&r->free_ticks, stamp + 2);
    cvy_ring_put_late(r, 1, COVEY_TRACE_ready);
    CHECK_EQ(r->ticks, stamp + 5);
    cvy_store_relaxed(&r->free_ticks, stamp + (UINT64_C(1) << 33));
    cvy_ring_put_late(r, 1, COVEY_TRACE_ready);
    CHECK_EQ(r->ticks, stamp + 5);
}

#define DEEDS 200000u

static uint32_t deeds[DEEDS]; /* not atomic: TSan would speak of it */

static void *do_and_tell(void *arg)
{
    for (uint32_t i = 0; i < DEEDS; i++) {
        deeds[i] = i;
        put(arg, COVEY_TRACE_ready, i, 0, 0);
    }
    return NULL;
}

TEST(what_was_done_before_an_event_is_seen_by_who_has_read_it)
{
    struct cvy_ring *r = ring_new();
    pthread_t writer;
    uint64_t pos = 0;
    bool is_over = false;

    CHECK_EQ(pthread_create(&writer, NULL, do_and_tell, r), 0);
    while (!is_over) {
        size_t n = cvy_ring_read(r, &pos, batch, BATCH);
        pos += n;
        for (size_t i = 0; i < n; i++) {
            if (type_of(&batch[i]) == COVEY_TRACE_ready) {
                CHECK_EQ(deeds[batch[i].id], batch[i].id);
                is_over |= batch[i].id == DEEDS - 1;
            }
        }
    }
    CHECK_EQ(pthread_join(writer, NULL), 0);
}

/* The calling thread, and those that it starts: whoever runs is preempted in the middle of what he
 * does, and the other goes on for long. */
static void stay_on_one_cpu(void)
{
    cpu_set_t one;

    CPU_ZERO(&one);
    CPU_SET(sched_getcpu(), &one);
    (void)pthread_setaffinity_np(pthread_self(), sizeof(one), &one);
}

static _Atomic bool is_written;

static void *write_for_long(void *arg)
{
    struct cvy_ring *r = arg;

    for (uint32_t i = 1; i <= 2 * STRESS_EVENTS; i++) {
        put(r, COVEY_TRACE_ready, i, (uint8_t)i, (uint64_t)i * 3);
    }
    cvy_store_release(&is_written, true);
    return NULL;
}

/* It begins with the oldest each time, which is overwritten next. */
TEST(a_reader_that_is_overtaken_in_the_middle_keeps_nothing_that_was_overwritten)
{
    struct cvy_ring *r = ring_new();
    pthread_t writer;

    stay_on_one_cpu();
    CHECK_EQ(pthread_create(&writer, NULL, write_for_long, r), 0);
    while (!cvy_load_acquire(&is_written)) {
        uint64_t from = 0;
        uint32_t last = 0;
        size_t n = cvy_ring_read(r, &from, batch, BATCH);
        CHECK(n == 0 || type_of(&batch[0]) == COVEY_TRACE_clock);
        for (size_t i = 0; i < n; i++) {
            if (type_of(&batch[i]) == COVEY_TRACE_ready) {
                CHECK(last == 0 || batch[i].id == last + 1);
                last = batch[i].id;
                CHECK_EQ(batch[i].meta >> 16, (uint64_t)last * 3);
            }
        }
    }
    CHECK_EQ(pthread_join(writer, NULL), 0);
}

static void *write_numbers(void *arg)
{
    struct cvy_ring *r = arg;

    for (uint32_t i = 1; i <= STRESS_EVENTS; i++) {
        /* Both words depend on i: a torn event shows. */
        put(r, COVEY_TRACE_ready, i, (uint8_t)i, (uint64_t)i * 3);
    }
    return NULL;
}

TEST(a_reader_behind_a_writers_back_sees_no_torn_event)
{
    struct cvy_ring *r = ring_new();
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
    CHECK_EQ(pos, cvy_ring_written(r));
}
