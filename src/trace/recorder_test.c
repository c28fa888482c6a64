/* SPDX-License-Identifier: MIT
 * recorder_test.c - the tasks alive at a trace's start: listed while all is recorded already, by a
 * thread whose trace may meanwhile have been stopped by another; the clocks in a file; and traces
 * one after the other. */
#include "trace/emit.h"
#include "trace/recorder.h"

#include "trace_file.h"

#include <covey/error.h>

#include <pthread.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define MANY 10000u /* more than are written in one turn */

/* What a file holds. */
struct content {
    uint64_t listed, listed_sum, ended;
    int clocks, clocks_before; /* before: the events */
};

static void see(const covey_trace_section *s, const char *body, void *arg)
{
    struct content *c = arg;

    if (s->kind == COVEY_TRACE_TASK) {
        c->listed++;
        c->listed_sum += ((const covey_trace_task *)(const void *)body)->id;
    }
    c->clocks += s->kind == COVEY_TRACE_CLOCK;
    if (s->kind == COVEY_TRACE_EVENTS && c->clocks_before == 0) {
        c->clocks_before = c->clocks;
    }
    for (size_t i = 0; s->kind == COVEY_TRACE_EVENTS && i < trace_file_count(s); i++) {
        covey_trace_event e = trace_file_event(body, i);
        c->ended += (e.meta & 0xFF) == COVEY_TRACE_end ? e.id : 0;
    }
}

static const char *path_of(int number)
{
    static char paths[2][64];

    (void)snprintf(paths[number], sizeof(paths[number]), "/tmp/covey-recorder-test-%d-%d",
                   (int)getpid(), number);
    return paths[number];
}

static struct content read_file(int number)
{
    struct content c = {0};

    (void)trace_file_each(path_of(number), see, &c);
    return c;
}

/* Tasks 1 to n. */
static void list(size_t n, struct cvy_trace_alive *out)
{
    out->tasks = calloc(n, sizeof(*out->tasks));
    CHECK(out->tasks);
    for (size_t i = 0; i < n; i++) {
        out->tasks[i].id = i + 1;
    }
    out->task_count = n;
}

static void list_none(struct cvy_trace_alive *out)
{
    (void)out;
}

static void list_many(struct cvy_trace_alive *out)
{
    list(MANY, out);
}

static void list_while_one_ends(struct cvy_trace_alive *out)
{
    CVY_EMIT(NULL, end, 7, 0, 0);
    list(1, out);
}

TEST(a_task_that_ends_while_the_others_are_listed_has_its_end_in_the_file)
{
    CHECK_EQ(cvy_trace_start(path_of(0), list_while_one_ends), 0);
    CHECK_EQ(cvy_trace_stop(), 0);
    struct content c = read_file(0);
    CHECK_EQ(c.listed, 1);
    CHECK_EQ(c.ended, 7);
}

TEST(all_tasks_are_in_the_file_of_a_trace_that_is_stopped_at_once)
{
    CHECK_EQ(cvy_trace_start(path_of(0), list_many), 0);
    CHECK_EQ(cvy_trace_stop(), 0);
    struct content c = read_file(0);
    CHECK_EQ(c.listed, MANY);
    CHECK_EQ(c.listed_sum, (uint64_t)MANY * (MANY + 1) / 2);
}

static void list_while_it_is_stopped(struct cvy_trace_alive *out)
{
    CHECK_EQ(cvy_trace_stop(), 0);
    CHECK_EQ(cvy_trace_start(path_of(1), list_none), 0);
    list(3, out);
}

TEST(tasks_listed_too_late_are_not_in_the_file_of_the_next_trace)
{
    CHECK_EQ(cvy_trace_start(path_of(0), list_while_it_is_stopped), 0);
    CHECK_EQ(cvy_trace_stop(), 0);
    CHECK_EQ(read_file(0).listed, 0);
    CHECK_EQ(read_file(1).listed, 0);
}

/* Of the first worker. */
struct told {
    size_t count;
    covey_trace_event events[16];
};

static void see_told(const covey_trace_section *s, const char *body, void *arg)
{
    struct told *t = arg;

    for (size_t i = 0; s->kind == COVEY_TRACE_EVENTS && i < trace_file_count(s); i++) {
        CHECK_EQ(s->ring, 0);
        CHECK(t->count < sizeof(t->events) / sizeof(*t->events));
        t->events[t->count++] = trace_file_event(body, i);
    }
}

/* What is in the ring from the first is not in the second, which says that it does not know who
 * runs, and then all that a reader needs. */
TEST(a_trace_has_nothing_of_the_one_before_it)
{
    static const uint64_t whats[] = {COVEY_TRACE_clock,
                                     COVEY_TRACE_run | COVEY_TRACE_RUN_UNKNOWN << 8,
                                     COVEY_TRACE_group | UINT64_C(0x70) << 16, COVEY_TRACE_new};
    struct cvy_ring *r = &cvy_trace_rings[0];
    struct told t = {0};

    CHECK_EQ(cvy_trace_attach(1, 1), 0);
    CHECK_EQ(cvy_trace_start(path_of(0), list_none), 0);
    CVY_EMIT(r, run, 5, 0, 0);
    cvy_trace_put_new(r, 6, 0, 0x70);
    CHECK_EQ(cvy_trace_stop(), 0);
    CHECK_EQ(cvy_trace_start(path_of(1), list_none), 0);
    cvy_trace_put_new(r, 7, 0, 0x70);
    CHECK_EQ(cvy_trace_stop(), 0);
    cvy_trace_detach();
    (void)read_file(0);
    (void)trace_file_each(path_of(1), see_told, &t);
    CHECK_EQ(t.count, 4);
    for (size_t i = 0; i < 4; i++) {
        CHECK_EQ(t.events[i].meta, whats[i]);
    }
    CHECK_EQ(t.events[1].id, 0);
    CHECK_EQ(t.events[3].id, 7);
}

static void list_nobody_asks_for(struct cvy_trace_alive *out)
{
    CHECK(!"nothing is listed for a trace that did not begin");
    list_none(out);
}

TEST(a_trace_that_cannot_begin_lists_nothing)
{
    CHECK_EQ(cvy_trace_start("/nowhere/at/all", list_nobody_asks_for), -ENOENT);
    CHECK_EQ(cvy_trace_start("/dev/full", list_many), 0);
    CHECK_EQ(cvy_trace_start(path_of(0), list_nobody_asks_for), -EBUSY);
    CHECK_EQ(cvy_trace_stop(), -ENOSPC);
    CHECK_EQ(cvy_trace_stop(), -ENOENT);
    CHECK_EQ(cvy_trace_threads(), 0);
}

static void *start_and_stop(void *arg)
{
    for (int i = 0; i < 200; i++) {
        int code = cvy_trace_start("/dev/null", list_many);
        CHECK(code == 0 || code == -EBUSY);
        code = cvy_trace_stop();
        CHECK(code == 0 || code == -ENOENT);
    }
    return arg;
}

TEST(two_threads_may_start_and_stop_traces)
{
    pthread_t threads[2];

    for (int i = 0; i < 2; i++) {
        CHECK_EQ(pthread_create(&threads[i], NULL, start_and_stop, NULL), 0);
    }
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    }
    CHECK_EQ(cvy_trace_stop(), -ENOENT);
}

/* When recording began, when the rings were read, when all was written. */
TEST(a_snapshot_has_a_clock_of_its_end)
{
    CHECK_EQ(cvy_trace_flight_start(0), 0);
    CVY_EMIT(NULL, end, 7, 0, 0);
    CHECK_EQ(cvy_trace_snapshot(path_of(0), list_many, true), 0);
    CHECK_EQ(cvy_trace_flight_stop(), 0);
    struct content c = read_file(0);
    CHECK_EQ(c.listed, MANY);
    CHECK_EQ(c.ended, 7);
    CHECK_EQ(c.clocks_before, 2);
    CHECK_EQ(c.clocks, 3);
}

static int64_t now_ms(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* A turn takes a millisecond or more. */
TEST(a_file_has_two_clocks_long_before_its_hundredth_millisecond)
{
    const off_t two = (off_t)(sizeof(covey_trace_header) +
                              2 * (sizeof(covey_trace_section) + sizeof(covey_trace_clock)));
    struct stat s = {0};

    /* Again if the machine did not let the thread run. */
    for (int i = 0; i < 20 && s.st_size < two; i++) {
        int64_t began = now_ms();
        CHECK_EQ(cvy_trace_start(path_of(0), list_none), 0);
        do {
            (void)usleep(1000); /* sleeps: the thread has to run */
            CHECK_EQ(stat(path_of(0), &s), 0);
        } while (s.st_size < two && now_ms() - began < 100);
        CHECK_EQ(cvy_trace_stop(), 0);
        CHECK(read_file(0).clocks >= 2);
    }
    CHECK(s.st_size >= two);
}
