/* SPDX-License-Identifier: MIT
 * run_test.c - runs of new and relay: what is counted is told one by one again, no more and no
 * less, whatever comes between, and while the writer goes on counting. */
#include "trace/emit.h"
#include "trace/expand.h"

#include "harness.h"

#include <pthread.h>

#define STEP 3
#define SITE 0x5500
#define OTHER_SITE 0x5600
#define GROUP 0x7700

static covey_trace_event raw[8 * CVY_RING_CHUNK];
static covey_trace_event all[64 * CVY_RING_CHUNK];

/* A ring in a burst: many events to a stamp. */
static struct cvy_ring *ring_new(void)
{
    static struct cvy_ring ring;
    struct cvy_ring *r = &ring;

    CHECK_EQ(cvy_ring_make(r, 0), 0);
    cvy_ring_set_step(r, STEP);
    cvy_store_relaxed(&r->is_resumed, false);
    cvy_store_relaxed(&r->share_max, CVY_RING_SHARE_MAX);
    r->shares = CVY_RING_SHARE_MAX;
    r->ticks = cvy_cycles();
    return r;
}

/* As cvy_recording_new() and cvy_recording_hand_over() do. */
static void start(struct cvy_ring *r, uint32_t id, uint64_t site, uint64_t group)
{
    if (!cvy_run_new(r, site, group)) {
        cvy_trace_put_new(r, id, site, group);
    }
}

static void relay(struct cvy_ring *r, uint32_t ended, uint32_t next)
{
    if (!cvy_run_relay(r, (uint64_t)next - ended)) {
        cvy_trace_put_relay(r, ended, next, false);
    }
}

/* What a file would have of the ring; how many. */
static size_t told(struct cvy_ring *r)
{
    struct cvy_expansion x = {0};
    uint64_t from = 0;
    size_t n = cvy_ring_read(r, &from, raw, sizeof(raw) / sizeof(*raw));
    size_t count = 0;

    for (size_t i = 0; i < n; i++) {
        size_t stands_for = cvy_expand_count(&x, &raw[i]);
        for (size_t k = 0; k < stands_for; k++) {
            CHECK(count < sizeof(all) / sizeof(*all));
            all[count++] = cvy_expand(&x, &raw[i], k);
        }
    }
    return count;
}

/* The next event of a type from *at on; what stands between is of the ring's own account. */
static const covey_trace_event *next_of(size_t *at, size_t count, unsigned type)
{
    while (*at < count) {
        const covey_trace_event *e = &all[(*at)++];
        unsigned is = e->meta & 0xFF;
        if (is == type) {
            return e;
        }
        CHECK(is == COVEY_TRACE_clock || is == COVEY_TRACE_run || is == COVEY_TRACE_group);
    }
    CHECK(!"there is one");
    return NULL;
}

TEST(tasks_started_in_a_row_are_few_events_and_told_one_by_one)
{
    struct cvy_ring *r = ring_new();
    size_t at = 0;

    for (uint32_t i = 0; i < 1000; i++) {
        start(r, 7 + i * STEP, SITE, GROUP);
        /* The first stamp is good for so many, at whatever pace they come. */
        CHECK(i > CVY_RING_SHARE_MAX / 3 || cvy_ring_written(r) <= 4 + (i > 0));
    }
    size_t count = told(r);
    for (uint32_t i = 0; i < 1000; i++) {
        const covey_trace_event *e = next_of(&at, count, COVEY_TRACE_new);
        CHECK_EQ(e->id, 7 + i * STEP);
        CHECK_EQ(e->meta >> 8, (uint64_t)SITE << 8);
    }
    CHECK_EQ(at, count);
}

/* What goes to a file is read event by event: one that is counted later would be lost. */
TEST(where_each_event_has_its_own_stamp_no_run_begins_though_the_counter_is_slow)
{
    struct cvy_ring *r = ring_new();

    cvy_store_relaxed(&r->share_max, 0);
    r->shares = 0;
    struct cvy_ring_slot *s = cvy_ring_prepare(r);
    uint64_t stamp = r->stamp;
    cvy_run_put_new(r, s, 7, SITE);
    uint64_t written = cvy_ring_written(r);
    s = cvy_ring_prepare(r);
    r->stamp = stamp; /* it has not moved on */
    cvy_run_put_new(r, s, 7 + STEP, SITE);
    CHECK_EQ(cvy_ring_written(r), written + 1);
}

TEST(tasks_ended_in_a_row_are_few_events_and_told_one_by_one)
{
    struct cvy_ring *r = ring_new();
    size_t at = 0;

    for (uint32_t i = 0; i < 1000; i++) {
        relay(r, 7 + i * STEP, 7 + (i + 1) * STEP);
        CHECK(i > CVY_RING_SHARE_MAX / 3 || cvy_ring_written(r) == 3);
    }
    size_t count = told(r);
    for (uint32_t i = 0; i < 1000; i++) {
        const covey_trace_event *e = next_of(&at, count, COVEY_TRACE_relay);
        CHECK_EQ(e->meta >> 8, (uint64_t)(7 + i * STEP) << 8);
        CHECK_EQ(e->id, 7 + (i + 1) * STEP);
    }
    CHECK_EQ(at, count);
}

TEST(a_run_ends_with_its_site_its_group_its_step_and_any_other_event)
{
    struct cvy_ring *r = ring_new();
    static const struct {
        uint32_t id;
        uint64_t site, group;
    } starts[] = {{4, SITE, GROUP},        {7, SITE, GROUP},        {10, SITE, GROUP},
                  {13, OTHER_SITE, GROUP}, {16, OTHER_SITE, GROUP}, {19, OTHER_SITE, GROUP},
                  {22, OTHER_SITE, SITE},  {25, OTHER_SITE, SITE},  {28, OTHER_SITE, SITE}};
    size_t at = 0;

    for (size_t i = 0; i < 9; i++) {
        start(r, starts[i].id, starts[i].site, starts[i].group);
    }
    cvy_ring_put(r, 4, COVEY_TRACE_run);
    relay(r, 4, 7);
    relay(r, 7, 10);
    relay(r, 10, 13);
    relay(r, 13, 100); /* not the next */
    relay(r, 100, 103);
    relay(r, 103, 0);
    cvy_ring_put(r, 9, COVEY_TRACE_ready);
    size_t count = told(r);
    uint64_t group = 0;
    for (size_t i = 0; i < 9; at++) {
        if ((all[at].meta & 0xFF) == COVEY_TRACE_group) {
            group = all[at].meta >> 16;
        } else if ((all[at].meta & 0xFF) == COVEY_TRACE_new) {
            CHECK_EQ(all[at].id, starts[i].id);
            CHECK_EQ(all[at].meta >> 16, starts[i].site);
            CHECK_EQ(group, starts[i].group);
            i++;
        }
    }
    static const uint32_t ends[][2] = {{4, 7}, {7, 10}, {10, 13}, {13, 100}, {100, 103}, {103, 0}};
    for (size_t i = 0; i < 6; i++) {
        const covey_trace_event *e = next_of(&at, count, COVEY_TRACE_relay);
        CHECK_EQ(e->meta >> 16, ends[i][0]);
        CHECK_EQ(e->id, ends[i][1]);
    }
    CHECK_EQ(next_of(&at, count, COVEY_TRACE_ready)->id, 9);
    CHECK_EQ(at, count);
}

TEST(tasks_without_a_site_are_told_too)
{
    struct cvy_ring *r = ring_new();
    size_t at = 0;

    for (uint32_t i = 1; i <= 10; i++) {
        start(r, i * STEP, 0, GROUP);
        cvy_ring_put(r, 9, COVEY_TRACE_run);
    }
    size_t count = told(r);
    for (uint32_t i = 1; i <= 10; i++) {
        CHECK_EQ(next_of(&at, count, COVEY_TRACE_new)->id, i * STEP);
    }
}

TEST(a_run_that_goes_on_is_told_as_far_as_it_has_come)
{
    struct cvy_ring *r = ring_new();

    for (uint32_t i = 1; i <= 20; i++) {
        start(r, i * STEP, SITE, GROUP);
        size_t count = told(r);
        CHECK_EQ(all[count - 1].meta & 0xFF, COVEY_TRACE_new);
        CHECK_EQ(all[count - 1].id, i * STEP);
    }
    CHECK(cvy_load_relaxed(&r->run) != NULL);
}

TEST(a_run_takes_no_more_of_a_stamp_than_its_events_would)
{
    struct cvy_ring *r = ring_new();
    uint32_t first = 0;

    start(r, STEP, SITE, GROUP);
    uint64_t stamp = r->ticks;
    uint32_t shares = r->shares;
    for (uint32_t i = 2; r->ticks == stamp; i++) {
        start(r, i * STEP, SITE, GROUP);
        first = i;
    }
    /* The group's, and the one with the new stamp. */
    CHECK_EQ(first - 1, shares);
}

TEST(a_restamp_ends_a_run)
{
    struct cvy_ring *r = ring_new();

    for (uint32_t i = 1; i <= 5; i++) {
        start(r, i * STEP, SITE, GROUP);
    }
    uint64_t stamp = r->ticks;
    cvy_ring_restamp(r);
    start(r, 6 * STEP, SITE, GROUP);
    CHECK(r->ticks != stamp);
    size_t count = told(r);
    CHECK_EQ(all[count - 1].id, 6 * STEP);
    CHECK_EQ(all[count - 1].ticks, (uint32_t)r->ticks);
    CHECK_EQ(all[count - 2].id, 5 * STEP);
    CHECK_EQ(all[count - 2].ticks, (uint32_t)stamp);
}

TEST(after_a_run_a_chunk_knows_who_runs)
{
    struct cvy_ring *r = ring_new();
    uint64_t from = CVY_RING_CHUNK + 1;

    while (cvy_ring_written(r) < CVY_RING_CHUNK - 100) {
        cvy_ring_put(r, 1, COVEY_TRACE_ready);
    }
    r->shares = CVY_RING_SHARE_MAX;
    cvy_ring_restamp(r);
    for (uint32_t i = 1; i <= 20; i++) {
        relay(r, i * STEP, (i + 1) * STEP);
    }
    CHECK(cvy_load_relaxed(&r->run) != NULL);
    while (cvy_ring_written(r) < CVY_RING_CHUNK + 2) {
        cvy_ring_put(r, 1, COVEY_TRACE_ready);
    }
    CHECK_EQ(cvy_ring_read(r, &from, raw, 1), 1);
    CHECK_EQ(raw[0].meta & 0xFF, COVEY_TRACE_run);
    CHECK_EQ(raw[0].id, 21 * STEP);
}

TEST(a_chunk_tells_the_group_of_its_first_start)
{
    struct cvy_ring *r = ring_new();
    uint32_t id = STEP;
    uint64_t group = 0;
    unsigned starts = 0;

    while (cvy_ring_written(r) < 2 * CVY_RING_CHUNK + 10) {
        start(r, id, SITE, GROUP);
        cvy_ring_put(r, 1, COVEY_TRACE_ready);
        id += STEP;
    }
    size_t count = told(r);
    for (size_t i = 0; i < count; i++) {
        unsigned type = all[i].meta & 0xFF;
        /* A reader may begin with any chunk. */
        group = type == COVEY_TRACE_clock   ? 0
                : type == COVEY_TRACE_group ? all[i].meta >> 16
                                            : group;
        CHECK(type != COVEY_TRACE_new || group == GROUP);
        starts += type == COVEY_TRACE_new;
    }
    CHECK_EQ(starts, id / STEP - 1);
}

TEST(what_comes_late_follows_the_run_that_was_open)
{
    struct cvy_ring *r = ring_new();
    size_t at = 0;

    for (uint32_t i = 1; i <= 5; i++) {
        start(r, i * STEP, SITE, GROUP);
    }
    cvy_ring_put_late(r, 9, COVEY_TRACE_ready);
    start(r, 6 * STEP, SITE, GROUP);
    size_t count = told(r);
    for (uint32_t i = 1; i <= 5; i++) {
        CHECK_EQ(next_of(&at, count, COVEY_TRACE_new)->id, i * STEP);
    }
    CHECK_EQ(next_of(&at, count, COVEY_TRACE_ready)->id, 9);
    CHECK_EQ(next_of(&at, count, COVEY_TRACE_new)->id, 6 * STEP);
    CHECK_EQ(at, count);
}

/* Where the counter is slow a stamp may follow its like: the first event of the new one's share
 * then goes on with the last of the old one's. */
TEST(a_run_is_no_longer_than_its_event_can_tell)
{
    struct cvy_ring *r = ring_new();
    size_t at = 0;

    start(r, STEP, SITE, GROUP);
    cvy_store_relaxed(&r->stop, cvy_load_relaxed(&r->at) + 1 + CVY_RING_SHARE_MAX);
    for (uint32_t i = 2; i <= 600; i++) {
        start(r, i * STEP, SITE, GROUP);
    }
    cvy_ring_put(r, 9, COVEY_TRACE_ready);
    size_t count = told(r);
    for (uint32_t i = 1; i <= 600; i++) {
        const covey_trace_event *e = next_of(&at, count, COVEY_TRACE_new);
        CHECK_EQ(e->id, i * STEP);
        CHECK_EQ(e->meta >> 16, SITE);
    }
    CHECK_EQ(next_of(&at, count, COVEY_TRACE_ready)->id, 9);
    CHECK_EQ(at, count);
}

TEST(a_switch_to_who_was_woken_for_it_is_told_with_the_wake)
{
    struct cvy_ring *r = ring_new();
    size_t at = 0;

    cvy_ring_put(r, 5, cvy_ring_what(COVEY_TRACE_park | CVY_RING_WOKE, 2, 0x1234));
    cvy_ring_put(r, 6, COVEY_TRACE_yield | CVY_RING_WOKE);
    cvy_trace_put_relay(r, 6, 7, true);
    size_t count = told(r);
    const covey_trace_event *e = next_of(&at, count, COVEY_TRACE_pass);
    CHECK_EQ(e->id, 5);
    CHECK_EQ(e->meta >> 8, (uint64_t)0x1234 << 8 | 2);
    CHECK_EQ(next_of(&at, count, COVEY_TRACE_ready)->id, 6);
    CHECK_EQ(next_of(&at, count, COVEY_TRACE_yield)->id, 6);
    CHECK_EQ(next_of(&at, count, COVEY_TRACE_ready)->id, 7);
    e = next_of(&at, count, COVEY_TRACE_relay);
    CHECK_EQ(e->id, 7);
    CHECK_EQ(e->meta >> 16, 6);
    CHECK_EQ(at, count);
}

/* Somebody asks for a new stamp between the writer's look at its room and its use. */
TEST(a_restamp_in_the_middle_of_an_event_opens_no_run)
{
    struct cvy_ring *r = ring_new();

    start(r, STEP, SITE, GROUP);
    struct cvy_ring_slot *s = cvy_load_relaxed(&r->at);
    cvy_ring_restamp(r);
    cvy_run_put_new(r, s, 2 * STEP, SITE);
    CHECK(cvy_load_relaxed(&r->run) == NULL);
    s = cvy_load_relaxed(&r->at);
    cvy_run_put_relay(r, s, 2 * STEP, 3 * STEP);
    CHECK(cvy_load_relaxed(&r->run) == NULL);
    CHECK_EQ(told(r), 6);
}

#define STARTS 4000000u

/* Runs of all lengths, and other events between them. */
static void *start_many(void *arg)
{
    struct cvy_ring *r = arg;

    for (uint32_t i = 1; i <= STARTS; i++) {
        start(r, i * STEP, i / 500 % 2 ? SITE : OTHER_SITE, GROUP);
        if (i % 97 == 0) {
            cvy_ring_put(r, i, COVEY_TRACE_ready);
        }
        if (i % 1001 == 0) {
            cvy_ring_restamp(r);
        }
    }
    cvy_ring_put(r, 1, COVEY_TRACE_idle);
    return NULL;
}

/* The ring goes round while a run is written into it, and is read all the while: whoever reads gets
 * numbers one after the other, and after a gap a chunk's beginning. */
TEST(a_reader_behind_a_writers_back_sees_no_torn_run)
{
    struct cvy_ring *r = ring_new();
    struct cvy_expansion x = {0};
    pthread_t writer;
    uint64_t pos = 0;
    uint32_t last = 0;
    bool has_gap = false; /* since the last start that was seen */
    bool is_over = false;

    CHECK_EQ(pthread_create(&writer, NULL, start_many, r), 0);
    while (!is_over) {
        uint64_t from = pos;
        size_t n = cvy_ring_read(r, &from, raw, 500);
        has_gap |= from != pos;
        CHECK(from == pos || n == 0 || from % CVY_RING_CHUNK == 0);
        /* The last one read may be a run that still grew: what it grew by is seen no more. */
        bool may_have_grown = true;
        pos = from + n;
        for (size_t i = 0; i < n; i++) {
            size_t count = cvy_expand_count(&x, &raw[i]);
            for (size_t k = 0; k < count; k++) {
                covey_trace_event e = cvy_expand(&x, &raw[i], k);
                if ((e.meta & 0xFF) == COVEY_TRACE_new) {
                    CHECK(e.id == last + STEP || (e.id > last && (has_gap || may_have_grown)));
                    CHECK_EQ(e.id % STEP, 0);
                    CHECK_EQ(e.meta >> 16, e.id / STEP / 500 % 2 ? SITE : OTHER_SITE);
                    last = e.id;
                    has_gap = may_have_grown = false;
                }
                is_over |= (e.meta & 0xFF) == COVEY_TRACE_idle;
            }
        }
    }
    CHECK_EQ(pthread_join(writer, NULL), 0);
    CHECK_EQ(last, STARTS * STEP);
}
