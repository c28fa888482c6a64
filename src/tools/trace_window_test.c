/* SPDX-License-Identifier: MIT
 * trace_window_test.c - from when to when a trace tells, of which workers, by which clock, and in
 * which versions of the format. */
#include "trace_made.h"

/* The report's text; the caller's. */
static char *report_of(const struct cvy_trace_model *m)
{
    char *table = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&table, &len);

    CHECK(out);
    cvy_trace_report(m, 20, out);
    CHECK_EQ(fclose(out), 0);
    return table;
}

/* It is written 7000 ns after its first event. */
TEST(a_snapshot_began_before_it_was_written)
{
    begin(COVEY_TRACE_VERSION);
    struct events e = {
        .list = {event(2000, COVEY_TRACE_clock, 0, 0), event(2000, COVEY_TRACE_run, 1, 0)}};
    struct cvy_trace *t = end(&e, 2);
    CHECK(t);
    CHECK_EQ(cvy_trace_wall_start(t), 993000);
    t->header.is_snapshot = 0;
    CHECK_EQ(cvy_trace_wall_start(t), 1000000);
    t->header.wall_ns = -1;
    CHECK_EQ(cvy_trace_wall_start(t), 0);
    cvy_trace_free(t);
}

/* The ring of worker 0 has gone round, that of worker 1 and the shared one have not for long. 1
 * accepts, 4 and 5 were woken by a plain thread, 6 was started and is not in the list, 7 holds
 * worker 1. */
TEST(a_snapshot_begins_when_all_workers_are_known)
{
    begin(COVEY_TRACE_VERSION);
    put_task(1, 0);
    put_task(4, 0);
    put_task(5, 0);
    put_task(7, 0x700);
    struct events shared = {.list = {event(2000, COVEY_TRACE_clock, 0, 0),
                                     event(2100, COVEY_TRACE_ready, 4, 0),
                                     event(2100, COVEY_TRACE_ready, 5, 0)}};
    put_events(CVY_TRACE_RING_SHARED, &shared, 3);
    struct events quiet = {
        .list = {
            event(2000, COVEY_TRACE_clock, 0, 0), event(2000, COVEY_TRACE_run, 1, 0),
            event(2100, COVEY_TRACE_log, 1, SITE), event(2100, COVEY_TRACE_value, 0, 0),
            event(2200, COVEY_TRACE_group_open, 1, 0x700), event(2200, COVEY_TRACE_site, 0, SITE),
            event(2200, COVEY_TRACE_group, 0, 0x700), event(2300, COVEY_TRACE_new, 6, SITE),
            event(2300, COVEY_TRACE_new, 7, SITE), event(2400, COVEY_TRACE_group_open, 1, 0x800),
            event(2400, COVEY_TRACE_site, 0, SITE), event(2500, COVEY_TRACE_group_join, 1, 0x800),
            event(2500, COVEY_TRACE_steal, 0, 1),
            event(3000, COVEY_TRACE_park | 16 << 8, 7, 0x900)}};
    put_events(1, &quiet, 14);
    struct events e = {
        .position = 4096,
        .list = {event(7000, COVEY_TRACE_clock, 0, 0), event(7000, COVEY_TRACE_run, 2, 0),
                 event(7500, COVEY_TRACE_park, 5, 0), event(8000, COVEY_TRACE_run, 0, 0)}};
    struct cvy_trace_model *m = model_of(&e, 4);
    CHECK_EQ(m->end, 1000);
    CHECK_EQ(m->workers[0].running, 1000);
    CHECK_EQ(m->workers[1].running, 1000);
    CHECK_EQ(m->workers[1].switches, 0);
    CHECK_EQ(m->workers[1].stolen, 0);
    CHECK_EQ(m->mark_count, 0);
    CHECK_EQ(m->counts[COVEY_TRACE_park], 1);
    CHECK_EQ(m->counts[COVEY_TRACE_ready], 0);
    const struct cvy_trace_life *accepts = find_life(m, 1);
    CHECK_EQ(accepts->waiting, 1000);
    CHECK_EQ(m->segments[accepts->first].reason, 16);
    CHECK_EQ(find_life(m, 4)->queued, 0);
    CHECK_EQ(find_life(m, 4)->waiting, 1000);
    CHECK_EQ(find_life(m, 5)->queued, 0);
    CHECK_EQ(find_life(m, 5)->waiting, 0);
    CHECK_EQ(find_life(m, 6)->waiting, 0);
    CHECK_EQ(find_life(m, 7)->running, 1000);
    CHECK(find_life(m, 7)->was_there_before);
    CHECK_EQ(m->groups[find_life(m, 7)->group].object, 0x700);
    CHECK_EQ(m->groups[find_life(m, 7)->group].opener, life_of(m, 1));
    char *table = report_of(m);
    CHECK(strstr(table, ": 1.00 us, "));
    CHECK(strstr(table, "Tasks: 5 (5 there before, 5 alive at the end); 1 parks"));
    CHECK(strstr(table, "          1         2   1.00 us "));
    CHECK(!strstr(table, "          2         2 "));
    free(table);
    free_model(m);
}

/* Ring 1 comes before the shared one, whose oldest event is older. */
TEST(a_snapshot_whose_rings_are_whole_begins_with_its_workers)
{
    begin(COVEY_TRACE_VERSION);
    struct events shared = {
        .list = {event(2000, COVEY_TRACE_clock, 0, 0), event(2000, COVEY_TRACE_ready, 1, 0)}};
    put_events(CVY_TRACE_RING_SHARED, &shared, 2);
    struct events other = {
        .list = {event(4000, COVEY_TRACE_clock, 0, 0), event(4000, COVEY_TRACE_run, 0, 0)}};
    put_events(1, &other, 2);
    struct events e = {
        .list = {event(3000, COVEY_TRACE_clock, 0, 0), event(3000, COVEY_TRACE_run, 1, 0)}};
    struct cvy_trace *t = end(&e, 2);
    CHECK(t);
    CHECK_EQ(t->origin, 3000);
    cvy_trace_free(t);

    begin(COVEY_TRACE_VERSION);
    put_events(CVY_TRACE_RING_SHARED, &shared, 2);
    t = end(&(struct events){0}, 0);
    CHECK(t);
    CHECK_EQ(t->origin, 2000);
    cvy_trace_free(t);
}

/* 1 waited and was woken, 2 set the group; all before the trace began. */
static struct cvy_trace_model *model_of_early_wake(uint32_t other_ring_from)
{
    begin_trace();
    put_task(1, 0);
    put_task(2, 0);
    put_group(0x700, 2);
    struct events other = {.position = 1024,
                           .list = {event(other_ring_from, COVEY_TRACE_clock, 0, 0),
                                    event(other_ring_from, COVEY_TRACE_run, 0, 0)}};
    put_events(1, &other, 2);
    struct events e = {
        .position = 1024,
        .list = {event(400, COVEY_TRACE_clock, 0, 0), event(400, COVEY_TRACE_run, 1, 0),
                 event(500, COVEY_TRACE_park | 4 << 8, 2, 0),
                 event(600, COVEY_TRACE_group, 0, 0x700), event(700, COVEY_TRACE_ready, 1, 0),
                 event(1500, COVEY_TRACE_new, 3, SITE), event(2000, COVEY_TRACE_park, 1, 0),
                 event(3000, COVEY_TRACE_park, 0, 0)}};
    return model_of(&e, 8);
}

TEST(what_was_recorded_before_a_trace_says_who_was_woken_and_which_group_was_set)
{
    struct cvy_trace_model *m = model_of_early_wake(450);
    CHECK_EQ(find_life(m, 1)->queued, 1000);
    CHECK_EQ(find_life(m, 1)->running, 1000);
    CHECK_EQ(m->groups[find_life(m, 3)->group].object, 0x700);
    CHECK_EQ(m->counts[COVEY_TRACE_ready], 0);
    CHECK_EQ(m->counts[COVEY_TRACE_park], 2);
    CHECK_EQ(m->workers[0].switches, 1);
    free_model(m);
}

TEST(what_was_recorded_before_a_trace_says_what_a_descriptor_is_connected_to)
{
    begin_trace();
    struct events e = {.list = {event(500, COVEY_TRACE_clock, 0, 0),
                                event(500, COVEY_TRACE_run, 1, 0),
                                event(600, COVEY_TRACE_peer, 9, 0), text_event("first", true),
                                event(700, COVEY_TRACE_peer, 9, 0), text_event("second", true),
                                event(2000, COVEY_TRACE_park | 14 << 8, 0, 9)}};
    e.list[3].ticks = 600;
    e.list[5].ticks = 700;
    struct cvy_trace_model *m = model_of(&e, 7);
    const struct cvy_trace_life *l = find_life(m, 1);
    CHECK_EQ(l->count, 2);
    CHECK_STR(cvy_trace_peer_of(m, &m->segments[l->first + 1]), "second");
    free_model(m);
}

/* It may have run on the other worker since, and waited again. */
TEST(who_was_woken_before_all_workers_are_known_need_not_be_in_the_queue)
{
    struct cvy_trace_model *m = model_of_early_wake(900);
    CHECK_EQ(find_life(m, 1)->queued, 0);
    CHECK_EQ(find_life(m, 1)->running, 1000);
    CHECK_EQ(m->groups[find_life(m, 3)->group].object, 0x700);
    free_model(m);
}

/* 1 has ended, and 2 runs on. */
TEST(a_trace_lasts_until_its_last_clock)
{
    struct events e = {
        .list = {event(2000, COVEY_TRACE_clock, 0, 0), event(2000, COVEY_TRACE_run, 2, 0)}};
    struct events other = {
        .list = {event(2000, COVEY_TRACE_clock, 0, 0), event(2000, COVEY_TRACE_run, 1, 0),
                 event(3000, COVEY_TRACE_end, 1, 0), event(3100, COVEY_TRACE_ready, 5, 0)}};

    begin_trace();
    put_events(1, &other, 4);
    struct cvy_trace_model *m = model_of(&e, 2);
    CHECK_EQ(m->end, 8000);
    CHECK_EQ(find_life(m, 1)->running, 1100);
    CHECK_EQ(find_life(m, 2)->running, 7000);
    CHECK_EQ(find_life(m, 5)->queued, 5900);
    free_model(m);
}

/* The clock before its rings; the one behind them is later, and older files have no other. */
TEST(a_snapshot_lasts_until_its_rings_are_read)
{
    struct events e = {.list = {event(2000, COVEY_TRACE_clock, 0, 0),
                                event(2000, COVEY_TRACE_run, 1, 0),
                                event(3000, COVEY_TRACE_run, 2, 0)}};

    begin(COVEY_TRACE_VERSION);
    put_clock(6000);
    struct cvy_trace_model *m = model_of(&e, 3);
    CHECK_EQ(m->end, 4000);
    CHECK_EQ(find_life(m, 2)->running, 3000);
    free_model(m);

    begin(COVEY_TRACE_VERSION);
    m = model_of(&e, 3);
    CHECK_EQ(m->end, 1000);
    free_model(m);
}

static void set_workers(uint32_t workers)
{
    memcpy(file + offsetof(covey_trace_header, workers), &workers, sizeof(workers));
}

TEST(a_worker_that_slept_all_the_time_is_one_too)
{
    char *json = NULL;
    char *page = NULL;
    size_t len = 0;

    begin_trace();
    set_workers(3);
    struct events e = {.list = {event(2000, COVEY_TRACE_clock, 0, 0),
                                event(2000, COVEY_TRACE_run, 1, 0),
                                event(3000, COVEY_TRACE_run, 0, 0)}};
    struct cvy_trace_model *m = model_of(&e, 3);
    CHECK_EQ(m->trace->ring_count, 3);
    char *table = report_of(m);
    CHECK(strstr(table, "\n  2            0.0%          0 "));
    FILE *out = open_memstream(&json, &len);
    CHECK(out);
    cvy_trace_write_chrome(m, out);
    CHECK_EQ(fclose(out), 0);
    CHECK(strstr(json, "\"tid\":3,\"name\":\"thread_name\",\"args\":{\"name\":\"worker 2\"}"));
    out = open_memstream(&page, &len);
    CHECK(out);
    CHECK(cvy_trace_write_html(m, "t", out));
    CHECK_EQ(fclose(out), 0);
    CHECK(strstr(page, "\"rings\":[0,1,2],\"workers\":[[0,0,1,0],[1,1,1,1],[2,1,1,2]]"));
    free(page);
    free(json);
    free(table);
    free_model(m);
}

TEST(a_header_may_tell_of_any_number_of_workers)
{
    begin(COVEY_TRACE_VERSION);
    set_workers(UINT32_MAX);
    struct events e = {
        .list = {event(2000, COVEY_TRACE_clock, 0, 0), event(2000, COVEY_TRACE_run, 1, 0)}};
    put_events(CVY_TRACE_RING_SHARED, &e, 1);
    put_events(5000, &e, 2);
    struct cvy_trace *t = end(&e, 2);
    CHECK(t);
    CHECK_EQ(t->ring_count, 1025);
    CHECK_EQ(t->rings[1024].number, CVY_TRACE_RING_SHARED);
    cvy_trace_free(t);
}

/* A program that was killed at once. */
TEST(times_are_said_to_be_ticks_where_there_is_one_clock)
{
    struct events e = {
        .list = {event(2000, COVEY_TRACE_clock, 0, 0), event(2000, COVEY_TRACE_run, 1, 0)}};

    for (int clocks = 1; clocks <= 2; clocks++) {
        begin_trace();
        put_events(0, &e, 2);
        if (clocks == 2) {
            put_clock(5000);
        }
        struct cvy_trace_model *m = model_of_parsed(parse());
        char *table = report_of(m);
        CHECK_EQ(strstr(table, "TIMES ARE IN TICKS") != NULL, clocks == 1);
        free(table);
        free_model(m);
    }
}

/* The opener yields all the time. */
static char *critical_path_of(size_t segments)
{
    struct cvy_trace t = {0};
    struct cvy_trace_segment *list = calloc(segments, sizeof(*list));
    struct cvy_trace_life lives[2] = {[1] = {.id = 1, .end = -1, .count = segments}};
    struct cvy_trace_group groups[2] = {[1] = {.opener = 1, .end = (int64_t)segments}};
    struct cvy_trace_model m = {.trace = &t,
                                .lives = lives,
                                .life_count = 2,
                                .segments = list,
                                .segment_count = segments,
                                .groups = groups,
                                .group_count = 2};
    char *table = NULL;
    size_t len = 0;

    CHECK(list);
    for (size_t i = 0; i < segments; i++) {
        list[i] = (struct cvy_trace_segment){.start = (int64_t)i,
                                             .end = (int64_t)i + 1,
                                             .task = 1,
                                             .state = i % 2 ? CVY_TRACE_QUEUED : CVY_TRACE_RUNNING};
    }
    FILE *out = open_memstream(&table, &len);
    CHECK(out);
    CHECK(cvy_trace_report_group(&m, "task", 20, out));
    CHECK_EQ(fclose(out), 0);
    free(list);
    return table;
}

TEST(a_critical_path_that_is_cut_is_said_to_be)
{
    char *table = critical_path_of(1000);
    CHECK(!strstr(table, "CUT"));
    free(table);
    table = critical_path_of(1002000);
    CHECK(
        strstr(table, "  CUT: it is too long; these are its last 1000000 steps, from 0.002 ms\n"));
    free(table);
}

TEST(workers_come_by_number)
{
    begin(COVEY_TRACE_VERSION);
    struct events e = {
        .list = {event(2000, COVEY_TRACE_clock, 0, 0), event(2000, COVEY_TRACE_run, 1, 0)}};
    put_events(CVY_TRACE_RING_SHARED, &e, 1);
    put_events(2, &e, 2);
    put_events(1, &e, 2);
    struct cvy_trace *t = end(&e, 2);
    CHECK(t);
    CHECK_EQ(t->ring_count, 4);
    for (uint32_t i = 0; i < 3; i++) {
        CHECK_EQ(t->rings[i].number, i);
    }
    CHECK_EQ(t->rings[3].number, CVY_TRACE_RING_SHARED);
    cvy_trace_free(t);
}

TEST(older_versions_are_read_and_later_ones_refused)
{
    struct events e = {
        .list = {event(2000, COVEY_TRACE_clock, 0, 0), event(2000, COVEY_TRACE_run, 1, 0)}};

    for (uint32_t version = 0; version < 5; version++) {
        begin(version);
        struct cvy_trace *t = end(&e, 2);
        CHECK_EQ(t != NULL, version >= 1 && version <= COVEY_TRACE_VERSION);
        if (!t) {
            CHECK(strstr(error, "a version of the format that this covey does not know"));
        }
        cvy_trace_free(t);
    }
}
