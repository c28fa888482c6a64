/* SPDX-License-Identifier: MIT
 * trace_model_test.c - what the model says of tasks, groups and regions, and of who woke whom. */
#include "tools/trace_peers.h"

#include "trace_made.h"

/* 9 was started before the ring's oldest event, and has ended; 12 is there whole. */
TEST(a_task_whose_start_was_overwritten_is_nobody_elses)
{
    begin(COVEY_TRACE_VERSION);
    struct events e = {
        .list = {event(2000, COVEY_TRACE_clock, 0, 0), event(2000, COVEY_TRACE_run, 9, 0),
                 event(2100, COVEY_TRACE_new, 12, SITE), event(3000, COVEY_TRACE_relay, 12, 9),
                 event(4000, COVEY_TRACE_relay, 0, 12)}};
    struct cvy_trace_model *m = model_of(&e, 5);
    char place[64];
    uint32_t old = life_of(m, 9);
    uint32_t young = life_of(m, 12);
    CHECK(old && young);
    CHECK_STR(cvy_trace_name(m, old), "task");
    CHECK_STR(cvy_trace_place(m, m->lives[old].site, place, sizeof(place)), "?");
    CHECK(m->lives[old].was_there_before);
    CHECK_EQ(m->lives[old].end, 1000);
    CHECK_STR(cvy_trace_name(m, young), "work");
    CHECK_STR(cvy_trace_place(m, m->lives[young].site, place, sizeof(place)), "shop.c:7");
    CHECK_EQ(m->lives[young].creator, old);
    CHECK_EQ(m->lives[young].running, 1000);
    free_model(m);
}

/* A wake may be told once more with the switch (src/sched/recording.h). */
TEST(a_wake_that_is_told_twice_counts_from_the_first)
{
    begin(COVEY_TRACE_VERSION);
    struct events e = {
        .list = {event(2000, COVEY_TRACE_clock, 0, 0), event(2000, COVEY_TRACE_run, 1, 0),
                 event(2000, COVEY_TRACE_park, 2, 0), event(3000, COVEY_TRACE_ready, 1, 0),
                 event(4000, COVEY_TRACE_pass, 1, 0), event(5000, COVEY_TRACE_run, 0, 0)}};
    struct cvy_trace_model *m = model_of(&e, 6);
    const struct cvy_trace_life *l = find_life(m, 1);
    CHECK_EQ(l->waiting, 1000);
    CHECK_EQ(l->queued, 1000);
    CHECK_EQ(l->running, 1000);
    CHECK_EQ(m->segments[l->first].waker, life_of(m, 2));
    CHECK_EQ(m->ran_at_once, 0);
    free_model(m);
}

/* 1 has opened one with 2 in it, and 3 starts in it; then there is another one at its address. 4 is
 * in none, whatever its file says: older ones told other things there. */
TEST(a_group_that_was_open_before_the_trace_has_its_place_its_opener_and_its_tasks)
{
    char *table = NULL;
    size_t len = 0;

    begin_trace();
    put_task(1, 0);
    put_task(2, 0x700);
    put_task(4, 0x900);
    put_group(0x700, 1);
    struct events e = {
        .list = {event(2000, COVEY_TRACE_clock, 0, 0), event(2000, COVEY_TRACE_run, 1, 0),
                 event(2100, COVEY_TRACE_group, 0, 0x700), event(2100, COVEY_TRACE_new, 3, SITE),
                 event(3000, COVEY_TRACE_group_join, 1, 0x700),
                 event(3100, COVEY_TRACE_group_open, 4, 0x700), event(3100, COVEY_TRACE_site, 0, 0),
                 event(3200, COVEY_TRACE_new, 5, SITE)}};
    struct cvy_trace_model *m = model_of(&e, 8);
    CHECK_EQ(m->group_count, 3);
    CHECK_EQ(m->groups[1].start, 0);
    CHECK_EQ(m->groups[1].end, 2000);
    CHECK_EQ(m->groups[1].opener, life_of(m, 1));
    CHECK_EQ(m->groups[1].members, 2);
    CHECK_EQ(m->groups[2].opener, life_of(m, 4));
    CHECK_EQ(m->groups[2].members, 1);
    CHECK_EQ(find_life(m, 2)->group, 1);
    CHECK_EQ(find_life(m, 3)->group, 1);
    CHECK_EQ(find_life(m, 4)->group, 0);
    CHECK_EQ(find_life(m, 5)->group, 2);
    CHECK_EQ(cvy_trace_group_by_name(m, "shop.c:7"), 1);
    FILE *out = open_memstream(&table, &len);
    CHECK(out);
    cvy_trace_report_groups(m, 20, out);
    CHECK_EQ(fclose(out), 0);
    CHECK(strstr(table, "          1         2   2.00 us "));
    CHECK(strstr(table, "  shop.c:7 (work)\n"));
    free(table);
    free_model(m);
}

/* The list of a task may be older than the recording of its start. */
TEST(a_task_of_a_group_from_before_counts_once)
{
    begin_trace();
    put_task(2, 0x700);
    put_group(0x700, 0);
    struct events e = {
        .list = {event(2000, COVEY_TRACE_clock, 0, 0), event(2000, COVEY_TRACE_group, 0, 0x700),
                 event(2100, COVEY_TRACE_new, 2, SITE), event(2200, COVEY_TRACE_run, 2, 0)}};
    struct cvy_trace_model *m = model_of(&e, 4);
    CHECK_EQ(m->groups[1].opener, 0);
    CHECK_EQ(m->groups[1].members, 1);
    free_model(m);
}

/* Groups are listed when events are recorded already. */
TEST(a_listed_group_whose_opening_is_in_the_trace_is_one)
{
    begin_trace();
    put_task(1, 0);
    put_task(2, 0x700);
    put_group(0x700, 1);
    struct events e = {
        .list = {event(2000, COVEY_TRACE_clock, 0, 0), event(2000, COVEY_TRACE_run, 1, 0),
                 event(2100, COVEY_TRACE_group_open, 1, 0x700),
                 event(2100, COVEY_TRACE_site, 0, SITE), event(2200, COVEY_TRACE_group, 0, 0x700),
                 event(2200, COVEY_TRACE_new, 2, SITE),
                 event(3000, COVEY_TRACE_group_join, 1, 0x700)}};
    struct cvy_trace_model *m = model_of(&e, 7);
    CHECK_EQ(m->group_count, 2);
    CHECK_EQ(m->groups[1].start, 1100);
    CHECK_EQ(m->groups[1].end, 2000);
    CHECK_EQ(m->groups[1].members, 1);
    free_model(m);
}

/* 0x700 was opened while the flight recorder ran, which still has the start of 3, but not of 2;
 * 0x800 before. */
TEST(a_snapshots_list_of_groups_is_of_its_end)
{
    begin(COVEY_TRACE_VERSION);
    put_task(1, 0);
    put_task(2, 0x700);
    put_task(3, 0x700);
    put_task(4, 0x800);
    put_group(0x700, 1);
    put_group(0x800, 1);
    struct events e = {
        .list = {event(2000, COVEY_TRACE_clock, 0, 0), event(2000, COVEY_TRACE_run, 1, 0),
                 event(2500, COVEY_TRACE_group_open, 1, 0x700),
                 event(2500, COVEY_TRACE_site, 0, SITE), event(2600, COVEY_TRACE_group, 0, 0x700),
                 event(2600, COVEY_TRACE_new, 3, SITE), event(3000, COVEY_TRACE_run, 0, 0)}};
    struct cvy_trace_model *m = model_of(&e, 7);
    CHECK_EQ(m->group_count, 3);
    CHECK_EQ(m->groups[1].start, 500);
    CHECK_EQ(m->groups[1].site, SITE);
    CHECK_EQ(m->groups[1].opener, life_of(m, 1));
    CHECK_EQ(m->groups[1].members, 2);
    CHECK_EQ(m->groups[2].start, 0);
    CHECK_EQ(m->groups[2].end, -1);
    CHECK_EQ(m->groups[2].members, 1);
    CHECK_EQ(find_life(m, 4)->group, 2);
    free_model(m);
}

/* The first one at the address was opened before the oldest event, and the second one is there at
 * the end, with 2 in it. */
TEST(a_group_that_ended_before_a_snapshot_is_not_the_one_in_its_list)
{
    begin(COVEY_TRACE_VERSION);
    put_task(1, 0);
    put_task(2, 0x700);
    put_group(0x700, 1);
    struct events e = {
        .list = {event(2000, COVEY_TRACE_clock, 0, 0), event(2000, COVEY_TRACE_run, 1, 0),
                 event(2100, COVEY_TRACE_group_join, 1, 0x700),
                 event(2500, COVEY_TRACE_group_open, 1, 0x700),
                 event(2500, COVEY_TRACE_site, 0, SITE), event(3000, COVEY_TRACE_run, 0, 0)}};
    struct cvy_trace_model *m = model_of(&e, 6);
    CHECK_EQ(m->group_count, 3);
    CHECK_EQ(m->groups[1].start, 0);
    CHECK_EQ(m->groups[1].end, 100);
    CHECK_EQ(m->groups[1].site, 0);
    CHECK_EQ(m->groups[1].opener, 0);
    CHECK_EQ(m->groups[1].members, 0);
    CHECK_EQ(m->groups[2].start, 500);
    CHECK_EQ(m->groups[2].end, -1);
    CHECK_EQ(m->groups[2].members, 1);
    CHECK_EQ(find_life(m, 2)->group, 2);
    free_model(m);
}

TEST(a_group_that_is_cut_short_in_the_file_is_told)
{
    struct events e = {.list = {event(2000, COVEY_TRACE_clock, 0, 0)}};

    begin(COVEY_TRACE_VERSION);
    put_section(COVEY_TRACE_GROUP, "1234567", 8);
    CHECK(!end(&e, 1));
    CHECK_STR(error, "a group is damaged");
}

/* What was freed is used again, and the recorder does not tell the address once more. */
TEST(groups_at_one_address_one_after_the_other_have_their_own_tasks)
{
    begin(COVEY_TRACE_VERSION);
    struct events e = {
        .list = {
            event(2000, COVEY_TRACE_clock, 0, 0), event(2000, COVEY_TRACE_run, 1, 0),
            event(2100, COVEY_TRACE_group_open, 1, 0x700), event(2100, COVEY_TRACE_site, 0, SITE),
            event(2200, COVEY_TRACE_group, 0, 0x700), event(2200, COVEY_TRACE_new, 2, SITE),
            event(2300, COVEY_TRACE_group_join, 1, 0x700),
            event(2400, COVEY_TRACE_group_open, 1, 0x700), event(2400, COVEY_TRACE_site, 0, SITE),
            event(2500, COVEY_TRACE_new, 3, SITE), event(2600, COVEY_TRACE_new, 4, SITE)}};
    struct cvy_trace_model *m = model_of(&e, 11);
    CHECK_EQ(m->group_count, 3);
    CHECK_EQ(m->groups[1].members, 1);
    CHECK_EQ(m->groups[2].members, 2);
    CHECK_EQ(find_life(m, 4)->group, 2);
    free_model(m);
}

/* Each of many tasks begins a region, and the one that began first ends first. */
TEST(a_region_ends_however_many_are_open)
{
    const uint32_t tasks = 5000;

    begin(COVEY_TRACE_VERSION);
    struct events e = {
        .list = {event(2000, COVEY_TRACE_clock, 0, 0), event(2000, COVEY_TRACE_run, 1, 0)}};
    put_events(0, &e, 2);
    for (uint32_t i = 0; i < 2 * tasks; i++) {
        bool is_begin = i < tasks;
        e.position = 2 + i;
        e.list[0] = event(is_begin ? 3000 : 4000,
                          is_begin ? COVEY_TRACE_region_begin : COVEY_TRACE_region_end,
                          2 + i % tasks, SITE);
        put_events(0, &e, 1);
    }
    e.position++;
    e.list[0] = event(5000, COVEY_TRACE_run, 0, 0);
    struct cvy_trace_model *m = model_of(&e, 1);
    CHECK_EQ(m->region_count, tasks);
    for (size_t i = 0; i < m->region_count; i++) {
        CHECK_EQ(m->regions[i].start, 1000);
        CHECK_EQ(m->regions[i].end, 2000);
    }
    free_model(m);
}

/* One within one of the same site, and one across; the last end is of a beginning that is not
 * there. */
TEST(an_end_is_that_of_its_tasks_innermost_region_of_its_site)
{
    static const int64_t ends[] = {700, 600, 400, 800};

    begin(COVEY_TRACE_VERSION);
    struct events e = {.list = {event(2000, COVEY_TRACE_clock, 0, 0),
                                event(2000, COVEY_TRACE_run, 1, 0),
                                event(2100, COVEY_TRACE_region_begin, 1, 0x5000),
                                event(2200, COVEY_TRACE_region_begin, 1, 0x6000),
                                event(2300, COVEY_TRACE_region_begin, 1, 0x5000),
                                event(2300, COVEY_TRACE_region_begin, 2, 0x5000),
                                event(2400, COVEY_TRACE_region_end, 1, 0x5000),
                                event(2600, COVEY_TRACE_region_end, 1, 0x6000),
                                event(2700, COVEY_TRACE_region_end, 1, 0x5000),
                                event(2800, COVEY_TRACE_region_end, 2, 0x5000),
                                event(2900, COVEY_TRACE_region_end, 1, 0x5000)}};
    struct cvy_trace_model *m = model_of(&e, 11);
    CHECK_EQ(m->region_count, 4);
    for (size_t i = 0; i < 4; i++) {
        CHECK_EQ(m->regions[i].end, ends[i]);
    }
    free_model(m);
}

/* Whether the outermost region ends, with so many of another site open within it. */
static bool ends_within(uint32_t others)
{
    begin(COVEY_TRACE_VERSION);
    struct events e = {.list = {event(2000, COVEY_TRACE_clock, 0, 0),
                                event(2000, COVEY_TRACE_run, 1, 0),
                                event(2100, COVEY_TRACE_region_begin, 1, 0x6000)}};
    put_events(0, &e, 3);
    for (uint32_t i = 0; i < others; i++) {
        e.position = 3 + i;
        e.list[0] = event(2200, COVEY_TRACE_region_begin, 1, 0x5000);
        put_events(0, &e, 1);
    }
    e.position = 3 + others;
    e.list[0] = event(3000, COVEY_TRACE_region_end, 1, 0x6000);
    struct cvy_trace_model *m = model_of(&e, 1);
    CHECK_EQ(m->region_count, 1 + others);
    bool has_ended = m->regions[0].end == 1000;
    CHECK(has_ended || m->regions[0].end == -1);
    free_model(m);
    return has_ended;
}

/* A file that ends many which it has not begun takes no time without end. */
TEST(a_region_is_looked_for_in_a_thousand_that_are_open)
{
    CHECK(ends_within(999));
    CHECK(!ends_within(1000));
}

/* A worker that polls: what is due, then a deadline, then the wakes of all of them. */
TEST(each_wake_of_a_batch_says_what_it_came_from)
{
    static const struct {
        uint32_t id;
        uint8_t by;
    } wanted[] = {{1, CVY_TRACE_BY_TIMER},
                  {2, CVY_TRACE_BY_IO},
                  {3, CVY_TRACE_BY_DEADLINE},
                  {4, CVY_TRACE_BY_CALL},
                  {5, CVY_TRACE_BY_TASK}};

    begin(COVEY_TRACE_VERSION);
    struct events shared = {.list = {event(2000, COVEY_TRACE_clock, 0, 0),
                                     event(2800, COVEY_TRACE_blocking_end, 4, 0),
                                     event(2800, COVEY_TRACE_ready, 4, 0)}};
    put_events(CVY_TRACE_RING_SHARED, &shared, 3);
    struct events e = {
        .list = {event(2000, COVEY_TRACE_clock, 0, 0), event(2000, COVEY_TRACE_run, 1, 0),
                 event(2100, COVEY_TRACE_park, 2, 0), event(2200, COVEY_TRACE_park, 3, 0),
                 event(2300, COVEY_TRACE_park, 4, 0), event(2400, COVEY_TRACE_park, 5, 0),
                 event(2500, COVEY_TRACE_park, 0, 0), event(3000, COVEY_TRACE_timer, 1, 0),
                 event(3000, COVEY_TRACE_io, 2, 7), event(3000, COVEY_TRACE_cancel, 0, 0x700),
                 event(3100, COVEY_TRACE_ready, 1, 0), event(3100, COVEY_TRACE_ready, 2, 0),
                 event(3100, COVEY_TRACE_ready, 3, 0), event(3200, COVEY_TRACE_run, 1, 0),
                 event(3300, COVEY_TRACE_cancel, 0, 0x800), event(3400, COVEY_TRACE_ready, 5, 0)}};
    struct cvy_trace_model *m = model_of(&e, 16);
    for (size_t i = 0; i < sizeof(wanted) / sizeof(*wanted); i++) {
        const struct cvy_trace_life *l = find_life(m, wanted[i].id);
        const struct cvy_trace_segment *s = &m->segments[l->first + 1];
        CHECK_EQ(s->state, CVY_TRACE_WAITING);
        CHECK_EQ(s->by, wanted[i].by);
        CHECK_EQ(s->waker, wanted[i].id == 5 ? life_of(m, 1) : 0);
    }
    free_model(m);
}

/* In a snapshot a wake and the run after it often share a stamp. */
TEST(a_run_right_after_its_wake_is_counted_too)
{
    begin(COVEY_TRACE_VERSION);
    struct events e = {
        .list = {event(2000, COVEY_TRACE_clock, 0, 0), event(2000, COVEY_TRACE_run, 1, 0),
                 event(2000, COVEY_TRACE_park, 2, 0), event(3000, COVEY_TRACE_pass, 1, 0)}};
    struct cvy_trace_model *m = model_of(&e, 4);
    CHECK_EQ(m->ran_at_once, 1);
    CHECK_EQ(find_life(m, 1)->queued, 0);
    free_model(m);
}

TEST(a_name_can_do_no_harm_to_a_terminal_or_a_page)
{
    char *json = NULL;
    size_t len = 0;

    begin(COVEY_TRACE_VERSION);
    struct events e = {
        .list = {event(2000, COVEY_TRACE_clock, 0, 0), event(2000, COVEY_TRACE_run, 1, 0),
                 event(2000, COVEY_TRACE_name, 1, 0), text_event("</script>\n", false),
                 text_event("\33[m gr\303\266\377", true)}};
    struct cvy_trace_model *m = model_of(&e, 5);
    CHECK_STR(cvy_trace_name(m, life_of(m, 1)), "</script>??[m gr\303\266?");
    FILE *out = open_memstream(&json, &len);
    CHECK(out);
    cvy_trace_write_json_text(cvy_trace_name(m, life_of(m, 1)), out);
    CHECK_EQ(fclose(out), 0);
    CHECK_STR(json, "\\u003c/script>??[m gr\303\266?");
    free(json);
    free_model(m);
}

/* Two parts meet within a character, or make one of what were none; the third one has not come. */
TEST(a_text_is_made_printable_as_a_whole)
{
    begin(COVEY_TRACE_VERSION);
    struct events e = {
        .list = {event(2000, COVEY_TRACE_clock, 0, 0), event(2000, COVEY_TRACE_run, 1, 0),
                 event(2000, COVEY_TRACE_name, 1, 0), text_event("123456789\303", false),
                 text_event("\266", true), event(2000, COVEY_TRACE_peer, 1, 0),
                 text_event("fd 7 to a\302", false), text_event("\2332J\302", false)}};
    struct cvy_trace_model *m = model_of(&e, 8);
    CHECK_STR(cvy_trace_name(m, life_of(m, 1)), "123456789\303\266");
    CHECK_STR(m->peers[0].text, "fd 7 to a??2J?");
    free_model(m);
}

/* 1 holds its thread; the worker goes on, and runs 2; 1 comes back. */
TEST(a_task_whose_worker_was_taken_over_is_without_one_until_it_returns)
{
    begin(COVEY_TRACE_VERSION);
    struct events shared = {.list = {event(2000, COVEY_TRACE_clock, 0, 0),
                                     event(2003000, COVEY_TRACE_takeover, 0, 0),
                                     event(2005000, COVEY_TRACE_return, 1, 0)}};
    put_events(CVY_TRACE_RING_SHARED, &shared, 3);
    struct events e = {
        .list = {event(2000, COVEY_TRACE_clock, 0, 0), event(2000, COVEY_TRACE_run, 1, 0),
                 event(2004000, COVEY_TRACE_ready, 3, 0), event(2004000, COVEY_TRACE_run, 2, 0),
                 event(2006000, COVEY_TRACE_park, 1, 0), event(2007000, COVEY_TRACE_park, 0, 0)}};
    struct cvy_trace_model *m = model_of(&e, 6);
    const struct cvy_trace_life *l = find_life(m, 1);
    static const uint8_t states[] = {CVY_TRACE_RUNNING, CVY_TRACE_ASTRAY, CVY_TRACE_QUEUED,
                                     CVY_TRACE_RUNNING};
    CHECK_EQ(l->count, 4);
    for (size_t i = 0; i < 4; i++) {
        CHECK_EQ(m->segments[l->first + i].state, states[i]);
    }
    CHECK_EQ(m->segments[l->first + 1].end - m->segments[l->first + 1].start, 2000);
    CHECK_EQ(m->segments[find_life(m, 3)->first].waker, 0);
    free_model(m);
}

/* In a snapshot a take-over may seem to be no later than the run of the task that it is about. */
TEST(a_task_is_without_a_worker_that_goes_on_without_it)
{
    begin(COVEY_TRACE_VERSION);
    struct events shared = {.list = {event(2000, COVEY_TRACE_clock, 0, 0),
                                     event(2100, COVEY_TRACE_takeover, 0, 0),
                                     event(5000, COVEY_TRACE_return, 1, 0)}};
    put_events(CVY_TRACE_RING_SHARED, &shared, 3);
    struct events e = {
        .list = {event(2000, COVEY_TRACE_clock, 0, 0), event(2000, COVEY_TRACE_run, 1, 0),
                 event(3000, COVEY_TRACE_run, 2, 0), event(4000, COVEY_TRACE_end, 2, 0),
                 event(4000, COVEY_TRACE_run, 0, 0), event(6000, COVEY_TRACE_run, 1, 0)}};
    struct cvy_trace_model *m = model_of(&e, 6);
    const struct cvy_trace_life *l = find_life(m, 1);
    CHECK_EQ(l->running, 1000);
    CHECK_EQ(m->segments[l->first + 1].state, CVY_TRACE_ASTRAY);
    CHECK_EQ(m->segments[l->first + 1].end - m->segments[l->first + 1].start, 2000);
    CHECK_EQ(find_life(m, 2)->running, 1000);
    free_model(m);
}

/* 1 and 2 take turns; then 7 events are missing, and whatever they did meanwhile is not told. */
TEST(while_events_are_missing_nothing_is_told_of_a_worker_and_of_the_queue)
{
    begin(COVEY_TRACE_VERSION);
    struct events before = {.list = {event(2000, COVEY_TRACE_clock, 0, 0),
                                     event(2000, COVEY_TRACE_run, 1, 0),
                                     event(3000, COVEY_TRACE_yield, 2, 0)}};
    put_events(0, &before, 3);
    struct events after = {
        .position = 10,
        .list = {event(8000, COVEY_TRACE_clock, 0, 0), event(8000, COVEY_TRACE_run, 1, 0),
                 event(8500, COVEY_TRACE_yield, 2, 0), event(8700, COVEY_TRACE_yield, 1, 0)}};
    struct cvy_trace_model *m = model_of(&after, 4);
    const struct cvy_trace_life *one = find_life(m, 1);
    const struct cvy_trace_life *two = find_life(m, 2);
    CHECK_EQ(one->running, 1500);
    CHECK_EQ(one->queued, 200);
    CHECK_EQ(two->running, 200);
    CHECK_EQ(two->queued, 0);
    CHECK_EQ(m->workers[0].unknown, 5000);
    free_model(m);
}

/* 3 was started, has run and has ended where events are missing; 4 is there. */
TEST(a_task_that_ended_while_events_are_missing_was_not_in_the_queue_all_the_time)
{
    begin(COVEY_TRACE_VERSION);
    struct events before = {
        .list = {event(2000, COVEY_TRACE_clock, 0, 0), event(2000, COVEY_TRACE_run, 1, 0),
                 event(2500, COVEY_TRACE_new, 3, SITE), event(3000, COVEY_TRACE_yield, 2, 0)}};
    put_events(0, &before, 4);
    struct events after = {
        .position = 10,
        .list = {event(8000, COVEY_TRACE_clock, 0, 0), event(8000, COVEY_TRACE_run, 1, 0),
                 event(8100, COVEY_TRACE_new, 4, SITE), event(8600, COVEY_TRACE_yield, 0, 0)}};
    struct cvy_trace_model *m = model_of(&after, 4);
    CHECK_EQ(find_life(m, 3)->queued, 0);
    CHECK_EQ(find_life(m, 4)->queued, 500);
    free_model(m);
}

/* 1 ran when the flight recorder was stopped; it is on again, and 1 waits or runs. */
TEST(a_worker_that_nobody_knows_of_has_not_lost_its_task)
{
    begin(COVEY_TRACE_VERSION);
    struct events e = {
        .list = {event(2000, COVEY_TRACE_clock, 0, 0), event(2000, COVEY_TRACE_run, 1, 0),
                 event(6000, COVEY_TRACE_clock, 0, 0), event(6000, COVEY_TRACE_run | 1 << 8, 0, 0),
                 event(7000, COVEY_TRACE_run, 1, 0), event(7500, COVEY_TRACE_park, 0, 0)}};
    struct cvy_trace_model *m = model_of(&e, 6);
    const struct cvy_trace_life *l = find_life(m, 1);
    CHECK_EQ(l->count, 1);
    CHECK_EQ(l->running, 500);
    CHECK_EQ(l->state, CVY_TRACE_WAITING);
    free_model(m);
}

/* The clock is the first of the chunk whose rest is missing. */
TEST(events_may_be_missing_behind_a_clock)
{
    begin(COVEY_TRACE_VERSION);
    struct events before = {.list = {event(2000, COVEY_TRACE_clock, 0, 0),
                                     event(2000, COVEY_TRACE_run, 1, 0),
                                     event(3000, COVEY_TRACE_clock, 0, 0)}};
    put_events(0, &before, 3);
    struct events after = {.position = 10,
                           .list = {event(8000, COVEY_TRACE_clock, 0, 0),
                                    event(8000, COVEY_TRACE_run, 1, 0),
                                    event(8600, COVEY_TRACE_park, 0, 0)}};
    struct cvy_trace_model *m = model_of(&after, 3);
    CHECK_EQ(find_life(m, 1)->running, 600);
    CHECK_EQ(m->workers[0].unknown, 6000);
    free_model(m);
}

/* A name of which a part is missing is not another task's. */
TEST(the_rest_of_a_text_is_not_looked_for_behind_a_gap)
{
    begin(COVEY_TRACE_VERSION);
    struct events before = {.list = {event(2000, COVEY_TRACE_clock, 0, 0),
                                     event(2000, COVEY_TRACE_run, 1, 0),
                                     event(2500, COVEY_TRACE_name, 1, 0)}};
    put_events(0, &before, 3);
    struct events after = {.position = 10,
                           .list = {event(8000, COVEY_TRACE_clock, 0, 0),
                                    event(8000, COVEY_TRACE_run, 1, 0), text_event("other", true),
                                    event(8600, COVEY_TRACE_park, 0, 0)}};
    struct cvy_trace_model *m = model_of(&after, 4);
    CHECK_STR(cvy_trace_name(m, life_of(m, 1)), "task");
    free_model(m);
}

/* Of two groups at one address, one after the other, the opening of the second is missing. */
TEST(a_group_that_has_ended_does_not_end_again)
{
    begin(COVEY_TRACE_VERSION);
    struct events before = {.list = {event(2000, COVEY_TRACE_clock, 0, 0),
                                     event(2000, COVEY_TRACE_run, 1, 0),
                                     event(2000, COVEY_TRACE_group_open, 1, 0x7000),
                                     event(3000, COVEY_TRACE_group_join, 1, 0x7000)}};
    put_events(0, &before, 4);
    struct events after = {.position = 10,
                           .list = {event(8000, COVEY_TRACE_clock, 0, 0),
                                    event(8000, COVEY_TRACE_run, 1, 0),
                                    event(8100, COVEY_TRACE_group_join, 1, 0x7000)}};
    struct cvy_trace_model *m = model_of(&after, 3);
    CHECK_EQ(m->group_count, 2);
    CHECK_EQ(m->groups[1].end, 1000);
    free_model(m);
}

/* ---- two workers whose stamps differ: what was first comes second ---- */

/* 5 runs on the other worker before its start, in the same moment or for long; 6 has ended by then.
 */
TEST(a_task_may_seem_to_run_before_it_was_started)
{
    begin(COVEY_TRACE_VERSION);
    struct events other = {
        .list = {event(2000, COVEY_TRACE_clock, 0, 0), event(2000, COVEY_TRACE_run, 6, 0),
                 event(2100, COVEY_TRACE_end, 6, 0), event(2100, COVEY_TRACE_run, 5, 0),
                 event(6000, COVEY_TRACE_end, 5, 0), event(6000, COVEY_TRACE_run, 0, 0)}};
    put_events(1, &other, 6);
    struct events e = {
        .list = {event(2000, COVEY_TRACE_clock, 0, 0), event(2000, COVEY_TRACE_run, 1, 0),
                 event(2200, COVEY_TRACE_new, 6, SITE), event(2300, COVEY_TRACE_new, 5, SITE),
                 event(7000, COVEY_TRACE_park, 0, 0)}};
    struct cvy_trace_model *m = model_of(&e, 5);
    CHECK_EQ(m->life_count, 4);
    const struct cvy_trace_life *l = find_life(m, 5);
    CHECK_EQ(l->running, 3900);
    CHECK_EQ(l->queued, 0);
    CHECK_EQ(l->start, 100);
    CHECK_EQ(l->end, 4000);
    CHECK_EQ(l->site, SITE);
    CHECK_EQ(l->creator, life_of(m, 1));
    CHECK(!l->was_there_before);
    l = find_life(m, 6);
    CHECK_EQ(l->queued, 0);
    CHECK_EQ(l->end, 100);
    free_model(m);
}

/* 5 runs on the other worker before it has left the first one, which says so too late. */
TEST(a_task_may_seem_to_run_before_it_has_left_its_worker)
{
    begin(COVEY_TRACE_VERSION);
    struct events other = {
        .list = {event(2000, COVEY_TRACE_clock, 0, 0), event(2000, COVEY_TRACE_run, 2, 0),
                 event(2100, COVEY_TRACE_ready, 5, 0), event(2100, COVEY_TRACE_park, 5, 0),
                 event(8000, COVEY_TRACE_park, 0, 0)}};
    put_events(1, &other, 5);
    struct events e = {
        .list = {event(2000, COVEY_TRACE_clock, 0, 0), event(2000, COVEY_TRACE_run, 5, 0),
                 event(2200, COVEY_TRACE_park, 3, 0), event(4000, COVEY_TRACE_park, 0, 0),
                 event(9000, COVEY_TRACE_idle, 0, 0)}};
    struct cvy_trace_model *m = model_of(&e, 5);
    const struct cvy_trace_life *l = find_life(m, 5);
    CHECK_EQ(l->running, 100 + 5900);
    CHECK_EQ(l->queued, 0);
    CHECK_EQ(l->waiting, 1000);
    CHECK_EQ(find_life(m, 3)->running, 1800);
    CHECK_EQ(m->workers[0].running + m->workers[1].running, 100 + 1800 + 100 + 5900);
    free_model(m);
}

/* 5 waited when the trace began; the other worker ran it before it was woken. */
TEST(the_wake_of_a_listed_task_that_runs_already_is_not_for_its_next_wait)
{
    begin(COVEY_TRACE_VERSION);
    put_task(5, 0);
    struct events other = {
        .list = {event(2000, COVEY_TRACE_clock, 0, 0), event(2000, COVEY_TRACE_run, 0, 0),
                 event(2100, COVEY_TRACE_run, 5, 0), event(3000, COVEY_TRACE_park, 0, 0),
                 event(8000, COVEY_TRACE_run, 5, 0), event(8500, COVEY_TRACE_park, 0, 0)}};
    put_events(1, &other, 6);
    struct events e = {
        .list = {event(2000, COVEY_TRACE_clock, 0, 0), event(2000, COVEY_TRACE_run, 1, 0),
                 event(2200, COVEY_TRACE_ready, 5, 0), event(7900, COVEY_TRACE_ready, 5, 0)}};
    struct cvy_trace_model *m = model_of(&e, 4);
    const struct cvy_trace_life *l = find_life(m, 5);
    CHECK_EQ(l->running, 1400);
    CHECK_EQ(l->queued, 100);
    CHECK_EQ(l->waiting, 4900);
    free_model(m);
}

/* Ten ports of one host, and one of another. */
TEST(a_servers_clients_are_added_up_by_their_host)
{
    struct cvy_trace_peer peers[11];
    struct cvy_trace_segment waits[11];
    struct cvy_trace_model m = {
        .peers = peers, .segments = waits, .peer_count = 11, .segment_count = 11};
    char texts[11][40];
    char *table = NULL;
    size_t len = 0;

    for (uint32_t i = 0; i < 11; i++) {
        (void)snprintf(texts[i], sizeof(texts[i]), "fd %u to tcp://[::%u]:%u", i, 1 + i / 10,
                       50000 + i);
        peers[i] = (struct cvy_trace_peer){.object = i, .text = texts[i]};
        waits[i] = (struct cvy_trace_segment){
            .end = 1000, .object = i, .state = CVY_TRACE_WAITING, .reason = 14};
    }
    FILE *out = open_memstream(&table, &len);
    CHECK(out);
    cvy_trace_report_peers(&m, 20, out);
    CHECK_EQ(fclose(out), 0);
    CHECK(strstr(table, "10.0 us        10   1.00 us   1.00 us  to tcp://[::1], 10 ports\n"));
    CHECK(strstr(table, "1.00 us         1   1.00 us   1.00 us  to tcp://[::2]:50010\n"));
    free(table);
}

/* 1 is woken, 2 is not. */
TEST(a_wait_that_nothing_has_ended_is_said_to_last)
{
    char *table = NULL;
    size_t len = 0;

    begin(COVEY_TRACE_VERSION);
    struct events e = {
        .list = {event(2000, COVEY_TRACE_clock, 0, 0), event(2000, COVEY_TRACE_run, 1, 0),
                 event(2100, COVEY_TRACE_park | 4 << 8, 2, 0),
                 event(2200, COVEY_TRACE_park | 4 << 8, 0, 0), event(2300, COVEY_TRACE_ready, 1, 0),
                 event(2300, COVEY_TRACE_run, 1, 0), event(3000, COVEY_TRACE_end, 1, 0)}};
    struct cvy_trace_model *m = model_of(&e, 7);
    FILE *out = open_memstream(&table, &len);
    CHECK(out);
    cvy_trace_report(m, 20, out);
    CHECK_EQ(fclose(out), 0);
    CHECK(strstr(table, "  mutex            1.00 us         2    500 ns    800 ns  "
                        "task (?), 1 still at the end\n"));
    free(table);
    free_model(m);
}

/* The trace began before the runtime: its header knows of no worker. */
TEST(in_chromes_rows_regions_come_behind_the_workers_whatever_the_header_knows)
{
    const uint32_t none = 0;
    char *json = NULL;
    size_t len = 0;

    begin(COVEY_TRACE_VERSION);
    memcpy(file + offsetof(covey_trace_header, workers), &none, sizeof(none));
    struct events e = {.list = {event(2000, COVEY_TRACE_clock, 0, 0),
                                event(2000, COVEY_TRACE_run, 1, 0),
                                event(2000, COVEY_TRACE_region_begin, 1, SITE)}};
    put_events(CVY_TRACE_RING_SHARED, &e, 1);
    put_events(1, &e, 2);
    struct cvy_trace_model *m = model_of(&e, 3);
    FILE *out = open_memstream(&json, &len);
    CHECK(out);
    cvy_trace_write_chrome(m, out);
    CHECK_EQ(fclose(out), 0);
    CHECK(strstr(json, "\"tid\":2,\"name\":\"thread_name\",\"args\":{\"name\":\"worker 1\"}"));
    CHECK(strstr(json, "\"tid\":3,\"name\":\"thread_name\",\"args\":{\"name\":\"regions, logs\"}"));
    CHECK(strstr(json, "\"cat\":\"region\",\"pid\":0,\"tid\":3,"));
    free(json);
    free_model(m);
}

/* 2 wakes 1, which then waits again without having run for a nanosecond. */
static struct cvy_trace_model *model_of_waits_without_runs(uint32_t waits)
{
    size_t bytes = sizeof(uint64_t) + (size_t)3 * waits * sizeof(covey_trace_event);
    char *body = calloc(1, bytes);
    struct events e = {
        .list = {event(2000, COVEY_TRACE_clock, 0, 0), event(2000, COVEY_TRACE_run, 1, 0)}};

    CHECK(body);
    begin(COVEY_TRACE_VERSION);
    put_events(0, &e, 2);
    e.position = 2;
    memcpy(body, &e.position, sizeof(e.position));
    for (uint32_t i = 0; i < waits; i++) {
        uint32_t at = 2000 + 2 * i;
        covey_trace_event three[] = {event(at, COVEY_TRACE_park, 2, 0),
                                     event(at + 1, COVEY_TRACE_ready, 1, 0),
                                     event(at + 2, COVEY_TRACE_yield, 1, 0)};
        memcpy(body + sizeof(e.position) + i * sizeof(three), three, sizeof(three));
    }
    put_section(COVEY_TRACE_EVENTS, body, bytes);
    free(body);
    e.position += (uint64_t)3 * waits;
    e.list[0] = event(2000 + 2 * waits, COVEY_TRACE_park, 0, 0);
    return model_of(&e, 1);
}

TEST(there_is_no_arrow_to_a_run_that_never_comes)
{
    const uint32_t waits = 1000;
    struct cvy_trace_model *m = model_of_waits_without_runs(waits);
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);

    CHECK(out);
    CHECK_EQ(find_life(m, 1)->count, 2 * (size_t)waits);
    CHECK_EQ(find_life(m, 1)->running, 0);
    cvy_trace_write_chrome(m, out);
    CHECK_EQ(fclose(out), 0);
    CHECK(!strstr(text, "\"cat\":\"wake\""));
    free(text);
    free_model(m);
}

/* Tasks are listed while events are recorded already: 1 ran when the trace began, and has ended; 2
 * has even been started meanwhile. */
TEST(a_task_that_was_listed_and_has_ended_did_not_wait)
{
    begin(COVEY_TRACE_VERSION);
    put_task(1, 0);
    put_task(2, 0);
    put_task(3, 0);
    struct events e = {
        .list = {event(2000, COVEY_TRACE_clock, 0, 0), event(2000, COVEY_TRACE_run, 0, 0),
                 event(2100, COVEY_TRACE_end, 1, 0), event(2200, COVEY_TRACE_new, 2, SITE),
                 event(2300, COVEY_TRACE_run, 2, 0), event(2800, COVEY_TRACE_end, 2, 0),
                 event(3000, COVEY_TRACE_run, 0, 0)}};
    struct cvy_trace_model *m = model_of(&e, 7);
    CHECK_EQ(m->life_count, 4);
    const struct cvy_trace_life *l = find_life(m, 1);
    CHECK_EQ(l->end, 100);
    CHECK_EQ(l->waiting, 0);
    l = find_life(m, 2);
    CHECK(!l->was_there_before);
    CHECK_EQ(l->waiting, 0);
    CHECK_EQ(l->running, 700);
    l = find_life(m, 3);
    CHECK_EQ(l->end, -1);
    CHECK_EQ(l->waiting, 1000);
    free_model(m);
}
