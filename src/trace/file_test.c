/* SPDX-License-Identifier: MIT
 * file_test.c - the trace file: what was lost is counted, each place is named once, the first
 * failure stays. */
#include "trace/emit.h"
#include "trace/file.h"

#include "harness.h"

#include <covey/error.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SITES 1000u

static char path[64];
static struct cvy_trace_file file;

/* What a file holds. */
struct content {
    uint64_t events, ready, lost, sections;
    unsigned sites, clocks, ends;
    uint64_t position, next; /* of the last section's first event, and behind its last */
    uint32_t first_type;     /* of the last section */
};

static struct cvy_ring *ring_new(void)
{
    static struct cvy_ring ring;

    CHECK_EQ(cvy_ring_make(&ring, 0), 0);
    return &ring;
}

static void open_file(void)
{
    (void)snprintf(path, sizeof(path), "/tmp/covey-file-test-%d", (int)getpid());
    CHECK_EQ(cvy_trace_file_open(&file, path, 1, false), 0);
}

static void see_events(struct content *c, const char *body, size_t bytes)
{
    size_t count = (bytes - sizeof(uint64_t)) / sizeof(covey_trace_event);

    memcpy(&c->position, body, sizeof(c->position));
    for (size_t i = 0; i < count; i++) {
        covey_trace_event e;
        memcpy(&e, body + sizeof(uint64_t) + i * sizeof(e), sizeof(e));
        c->first_type = i == 0 ? e.meta & 0xFF : c->first_type;
        c->ready += (e.meta & 0xFF) == COVEY_TRACE_ready;
    }
    c->events += count;
    c->next = c->position + count;
    c->sections++;
}

static struct content read_file(void)
{
    struct content c = {0};
    covey_trace_header h;
    covey_trace_section s;
    FILE *in = fopen(path, "rb");

    CHECK(in && fread(&h, sizeof(h), 1, in) == 1);
    while (fread(&s, sizeof(s), 1, in) == 1) {
        size_t padded = (s.bytes + 7) & ~(size_t)7;
        char *body = calloc(1, padded + 8);
        CHECK(body && fread(body, 1, padded, in) == padded);
        if (s.kind == COVEY_TRACE_EVENTS) {
            see_events(&c, body, s.bytes);
        } else if (s.kind == COVEY_TRACE_LOST) {
            uint64_t n;
            memcpy(&n, body, sizeof(n));
            c.lost += n;
        }
        c.sites += s.kind == COVEY_TRACE_SITE;
        c.clocks += s.kind == COVEY_TRACE_CLOCK;
        c.ends += s.kind == COVEY_TRACE_END;
        free(body);
    }
    CHECK(feof(in));
    (void)fclose(in);
    (void)unlink(path);
    return c;
}

static void put_many(struct cvy_ring *r, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++) {
        cvy_ring_put(r, 1, COVEY_TRACE_ready);
    }
}

static void drain(struct cvy_ring *r, struct cvy_trace_place *place, bool is_first)
{
    while (cvy_trace_file_drain(&file, 0, r, place, is_first)) {
        is_first = false;
    }
}

TEST(what_was_overwritten_between_two_turns_is_counted)
{
    struct cvy_ring *r = ring_new();
    struct cvy_trace_place place = {0};

    open_file();
    put_many(r, 10);
    drain(r, &place, true);
    put_many(r, 3 * (r->mask + 1));
    drain(r, &place, false);
    CHECK_EQ(cvy_trace_file_close(&file), 0);
    struct content c = read_file();
    CHECK(c.lost > 0);
    CHECK_EQ(c.events + c.lost, cvy_ring_written(r));
    CHECK_EQ(c.next, cvy_ring_written(r));
    CHECK_EQ(c.ends, 1);
}

TEST(what_a_ring_has_forgotten_before_is_not_missed)
{
    struct cvy_ring *r = ring_new();
    struct cvy_trace_place place = {0};

    open_file();
    put_many(r, 3 * (r->mask + 1));
    drain(r, &place, true);
    CHECK_EQ(cvy_trace_file_close(&file), 0);
    struct content c = read_file();
    CHECK_EQ(c.lost, 0);
    CHECK(c.events > r->mask / 2);
}

TEST(a_tail_begins_with_a_chunk_and_is_no_longer_than_the_ring)
{
    struct cvy_ring *r = ring_new();

    open_file();
    put_many(r, 100);
    CHECK_EQ(cvy_trace_file_tail(&file, r), 0);
    put_many(r, 3 * (r->mask + 1));
    struct cvy_trace_place place = {.at = cvy_trace_file_tail(&file, r)};
    CHECK_EQ(place.at % CVY_RING_CHUNK, 0);
    CHECK(cvy_ring_written(r) - place.at <= r->mask + 1);
    CHECK(cvy_ring_written(r) - place.at > r->mask / 2);
    drain(r, &place, true);
    CHECK_EQ(cvy_trace_file_close(&file), 0);
    struct content c = read_file();
    CHECK_EQ(c.lost, 0);
    CHECK_EQ(c.next, cvy_ring_written(r));
}

/* A run stands for many: a tail has what the ring has room for, and a chunk's worth more. */
TEST(a_tail_of_runs_is_as_long_as_asked_for)
{
    struct cvy_ring *r = ring_new();
    struct cvy_expansion x = {.step = 1};
    static covey_trace_event chunk[CVY_RING_CHUNK];
    uint64_t stands_for = 0;

    cvy_ring_set_step(r, 1);
    cvy_store_relaxed(&r->share_max, CVY_RING_SHARE_MAX);
    open_file();
    for (uint32_t i = 1; i < 3000000; i++) {
        if (!cvy_run_relay(r, 1)) {
            cvy_trace_put_relay(r, i, i + 1, false);
        }
    }
    uint64_t tail = cvy_trace_file_tail(&file, r);
    uint64_t written = cvy_ring_written(r);
    for (uint64_t from = tail; from < written - written % CVY_RING_CHUNK;) {
        size_t n = cvy_ring_read(r, &from, chunk, CVY_RING_CHUNK);
        CHECK_EQ(n, CVY_RING_CHUNK);
        for (size_t i = 0; i < n; i++) {
            stands_for += cvy_expand_count(&x, &chunk[i]);
        }
        from += n;
    }
    CHECK(stands_for <= r->mask + CVY_RING_CHUNK * (1 + CVY_RING_SHARE_MAX));
    CHECK(tail == 0 || stands_for > r->mask);
    CHECK_EQ(cvy_trace_file_close(&file), 0);
    (void)unlink(path);
}

TEST(each_place_is_named_once_however_many_there_are)
{
    static covey_site sites[SITES];
    struct cvy_ring *r = ring_new();
    struct cvy_trace_place place = {0};

    open_file();
    for (uint32_t round = 0; round < 3; round++) {
        for (uint32_t i = 0; i < SITES; i++) {
            sites[i] = (covey_site){.name = "a place", .file = "file.c", .line = (int)i};
            cvy_ring_put(r, 1, cvy_ring_what(COVEY_TRACE_region_begin, 0, (uintptr_t)&sites[i]));
        }
        drain(r, &place, false);
    }
    cvy_trace_file_task(&file, &(covey_trace_task){.id = 1, .site = (uintptr_t)&sites[0]});
    cvy_trace_file_task(&file, &(covey_trace_task){.id = 2});
    CHECK_EQ(cvy_trace_file_close(&file), 0);
    struct content c = read_file();
    CHECK_EQ(c.sites, SITES);
    CHECK_EQ(c.lost, 0);
}

TEST(the_first_failure_stays_and_nothing_is_written_after_it)
{
    struct cvy_ring *r = ring_new();
    struct cvy_trace_place place = {0};

    CHECK_EQ(cvy_trace_file_open(&file, "/dev/full", 1, false), 0);
    put_many(r, 1);
    drain(r, &place, true);
    cvy_trace_file_flush(&file);
    CHECK_EQ(file.code, -ENOSPC);
    for (int i = 0; i < 100; i++) {
        put_many(r, r->mask / 2);
        drain(r, &place, false);
        CHECK_EQ(file.len, 0);
    }
    CHECK_EQ(cvy_trace_file_close(&file), -ENOSPC);
}
