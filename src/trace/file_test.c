/* SPDX-License-Identifier: MIT
 * file_test.c - the trace file: what was lost is counted, each place is named once, the first
 * failure stays. */
#include "trace/emit.h"
#include "trace/file.h"

#include "trace_file.h"

#include <covey/error.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define SITES 1000u

static char path[64];
static struct cvy_trace_file file;

/* What a file holds. */
struct content {
    uint64_t events, lost;
    unsigned sites, ends;
    uint64_t next;   /* position behind the last event */
    bool is_gapless; /* each section must follow the one before */
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

static void see(const covey_trace_section *s, const char *body, void *arg)
{
    struct content *c = arg;

    c->sites += s->kind == COVEY_TRACE_SITE;
    c->ends += s->kind == COVEY_TRACE_END;
    if (s->kind == COVEY_TRACE_LOST) {
        c->lost += trace_file_position(body);
    } else if (s->kind == COVEY_TRACE_EVENTS) {
        CHECK(!c->is_gapless || trace_file_position(body) == c->next);
        c->events += trace_file_count(s);
        c->next = trace_file_position(body) + trace_file_count(s);
    }
}

static struct content read_file_as(bool is_gapless)
{
    struct content c = {.is_gapless = is_gapless};

    (void)trace_file_each(path, see, &c);
    return c;
}

static struct content read_file(void)
{
    return read_file_as(false);
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

TEST(positions_count_what_a_run_stands_for)
{
    struct cvy_ring *r = ring_new();
    struct cvy_trace_place place = {0};

    cvy_ring_set_step(r, 1);
    cvy_store_relaxed(&r->share_max, CVY_RING_SHARE_MAX);
    open_file();
    for (uint32_t i = 1; i <= 20000; i++) {
        if (!cvy_run_relay(r, 1)) {
            cvy_trace_put_relay(r, i, i + 1, false);
        }
        if (i % 4000 == 0) {
            put_many(r, 1);
            drain(r, &place, false);
        }
    }
    CHECK_EQ(cvy_trace_file_close(&file), 0);
    struct content c = read_file_as(true);
    CHECK(c.events > 20000 && c.events > cvy_ring_written(r));
    CHECK_EQ(c.next, c.events);
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

/* Nobody has told the file of the ring's worker. */
TEST(a_header_has_the_workers_whose_rings_are_in_the_file)
{
    struct cvy_ring *r = ring_new();
    struct cvy_trace_place place = {0};
    struct content c = {0};

    open_file();
    put_many(r, 1);
    CHECK(!cvy_trace_file_drain(&file, 4, r, &place, true));
    CHECK(!cvy_trace_file_drain(&file, UINT32_MAX, r, &(struct cvy_trace_place){0}, true));
    CHECK_EQ(cvy_trace_file_close(&file), 0);
    CHECK_EQ(trace_file_each(path, see, &c).workers, 5);
}

/* It cannot be written once more at its beginning. */
TEST(a_trace_goes_into_a_pipe_too)
{
    struct cvy_ring *r = ring_new();
    struct cvy_trace_place place = {0};
    covey_trace_header h;

    (void)snprintf(path, sizeof(path), "/tmp/covey-file-test-%d", (int)getpid());
    CHECK_EQ(mkfifo(path, 0600), 0);
    int in = open(path, O_RDONLY | O_NONBLOCK);
    CHECK(in >= 0);
    CHECK_EQ(cvy_trace_file_open(&file, path, 1, false), 0);
    put_many(r, 1);
    (void)cvy_trace_file_drain(&file, 4, r, &place, true);
    CHECK_EQ(cvy_trace_file_close(&file), 0);
    CHECK_EQ(read(in, &h, sizeof(h)), (ssize_t)sizeof(h));
    CHECK_EQ(h.workers, 1);
    (void)close(in);
    (void)remove(path);
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
