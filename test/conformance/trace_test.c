/* SPDX-License-Identifier: MIT
 * trace_test.c - recording (covey/trace.h): what is in the files, and what is told when it fails.
 */
#include "support.h"
#include "trace_file.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What a file holds. */
struct content {
    covey_trace_header header;
    uint64_t counts[256]; /* events by type */
    uint64_t lost;
    int clocks, tasks, rings;
    covey_trace_group groups[32];
    int group_count;
    uint64_t members_of[32]; /* each task's group */
    bool has_end;
    const char *site, *task; /* sought */
    bool has_site, has_task;
    char texts[2][256]; /* of the last name, of the last message */
    char *text;         /* one of them */
};

static char path[64];

static const char *temporary(const char *name)
{
    (void)snprintf(path, sizeof(path), "/tmp/covey-%s-%d", name, (int)getpid());
    return path;
}

static void add_events(struct content *c, const covey_trace_section *s, const char *body)
{
    c->rings++;
    for (size_t i = 0; i < trace_file_count(s); i++) {
        covey_trace_event e = trace_file_event(body, i);
        unsigned type = e.meta & 0xFF;
        CHECK(type > 0 && type <= COVEY_TRACE_relay);
        c->counts[type]++;
        if (type == COVEY_TRACE_message || type == COVEY_TRACE_name) {
            c->text = c->texts[type == COVEY_TRACE_message];
            c->text[0] = '\0';
        } else if (type == COVEY_TRACE_text) {
            trace_file_add_text(c->text, sizeof(c->texts[0]), &e);
        }
    }
}

static void add_section(const covey_trace_section *s, const char *body, void *arg)
{
    struct content *c = arg;
    const covey_trace_task *t = (const void *)body;

    switch (s->kind) {
    case COVEY_TRACE_EVENTS:
        add_events(c, s, body);
        break;
    case COVEY_TRACE_SITE:
        c->has_site |= c->site && strcmp(body + 12, c->site) == 0;
        break;
    case COVEY_TRACE_TASK:
        c->members_of[c->tasks % 32] = t->group;
        c->tasks++;
        c->has_task |= c->task && strcmp(t->name, c->task) == 0;
        break;
    case COVEY_TRACE_GROUP:
        CHECK(c->group_count < 32);
        memcpy(&c->groups[c->group_count++], body, sizeof(c->groups[0]));
        break;
    case COVEY_TRACE_LOST:
        c->lost += trace_file_position(body);
        break;
    case COVEY_TRACE_CLOCK:
        c->clocks++;
        break;
    default:
        CHECK_EQ(s->kind, COVEY_TRACE_END);
        c->has_end = true;
    }
}

static struct content *read_file(const char *site, const char *task)
{
    struct content *c = calloc(1, sizeof(*c));

    CHECK(c);
    c->site = site;
    c->task = task;
    c->header = trace_file_each(path, add_section, c);
    return c;
}

static int echo(covey_ctx *ctx, void *arg)
{
    covey_chan **chans = arg;
    int n;

    while (covey_chan_recv(ctx, chans[0], &n) == 0 && n >= 0) {
        CHECK_EQ(covey_chan_send(ctx, chans[1], &n), 0);
    }
    return 0;
}

/* round_trips between two tasks of a group, one of which may keep its thread. */
static void converse_with(covey_ctx *ctx, int round_trips, bool is_pinned)
{
    covey_chan *chans[2] = {covey_chan_new(sizeof(int), 0), covey_chan_new(sizeof(int), 0)};
    covey_group *g = covey_group_new(ctx);
    covey_task_options o = {.name = "the one that echoes", .pinned = is_pinned};

    CHECK_EQ(covey_group_go_with(g, &o, echo, chans), 0);
    for (int i = round_trips; i >= -1; i--) {
        CHECK_EQ(covey_chan_send(ctx, chans[0], &i), 0);
        int got;
        if (i >= 0) {
            CHECK_EQ(covey_chan_recv(ctx, chans[1], &got), 0);
        }
    }
    CHECK_EQ(covey_group_wait(g), 0);
    covey_chan_unref(chans[0]);
    covey_chan_unref(chans[1]);
}

static void converse(covey_ctx *ctx, int round_trips)
{
    converse_with(ctx, round_trips, false);
}

static int traced(covey_ctx *ctx, void *arg)
{
    (void)arg;
    CHECK_EQ(covey_trace_start(temporary("trace")), 0);
    CHECK_EQ(covey_trace_start("/tmp/another"), -EBUSY);
    covey_trace_region r = covey_trace_region_begin("a region");
    converse(ctx, 1000);
    covey_trace_log("a number", -5);
    covey_trace_message("words that are longer than one event holds");
    covey_trace_region_end(&r);
    CHECK_EQ(covey_trace_stop(), 0);
    CHECK_EQ(covey_trace_stop(), -ENOENT);
    return 0;
}

TEST(a_trace_has_every_event_from_start_to_stop)
{
    CHECK_EQ(covey_run(traced, NULL), 0);
    struct content *c = read_file("a region", NULL);
    CHECK(c->has_end && c->has_site);
    CHECK_EQ(c->lost, 0);
    CHECK(c->clocks >= 2);
    CHECK_EQ(c->counts[COVEY_TRACE_chan_send], 2003);
    CHECK_EQ(c->counts[COVEY_TRACE_new], 1);
    CHECK_EQ(c->counts[COVEY_TRACE_end], 1);
    CHECK_EQ(c->counts[COVEY_TRACE_group_open], 1);
    CHECK_EQ(c->counts[COVEY_TRACE_group_join], 1);
    CHECK_EQ(c->counts[COVEY_TRACE_region_begin], 1);
    CHECK_EQ(c->counts[COVEY_TRACE_region_end], 1);
    CHECK_EQ(c->counts[COVEY_TRACE_log], 1);
    CHECK(c->counts[COVEY_TRACE_park] >= 1);
    CHECK(c->counts[COVEY_TRACE_ready] >= 1);
    CHECK_STR(c->texts[0], "the one that echoes");
    CHECK_STR(c->texts[1], "words that are longer than one event holds");
    free(c);
}

static int nothing(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    return 0;
}

static int crowd(covey_ctx *ctx, void *arg)
{
    (void)arg;
    covey_group *g = covey_group_new(ctx);
    for (int i = 0; i < 20000; i++) {
        CHECK_EQ(covey_group_go(g, nothing, NULL), 0);
    }
    return covey_group_wait(g);
}

TEST(a_trace_around_the_whole_run_counts_every_task)
{
    CHECK_EQ(covey_trace_start(temporary("around")), 0);
    CHECK_EQ(covey_run(crowd, NULL), 0);
    CHECK_EQ(covey_trace_stop(), 0);
    struct content *c = read_file("nothing", NULL);
    CHECK(c->has_end && c->has_site);
    /* A crowd may outrun the drain on a loaded machine: then it is told. */
    if (c->lost == 0) {
        CHECK_EQ(c->counts[COVEY_TRACE_new], 20001);
        CHECK_EQ(c->counts[COVEY_TRACE_end], 20001);
    }
    free(c);
}

static int flight(covey_ctx *ctx, void *arg)
{
    (void)arg;
    CHECK_EQ(covey_trace_snapshot(temporary("none")), -ENOENT);
    CHECK_EQ(covey_trace_flight_start((size_t)1 << 17), 0);
    converse(ctx, 20000);
    covey_chan *ch = covey_chan_new(0, 0);
    covey_chan *chans[2] = {ch, ch};
    covey_group *g = covey_group_new(ctx);
    covey_task_options o = {.name = "still here"};
    CHECK_EQ(covey_group_go_with(g, &o, echo, chans), 0);
    CHECK_EQ(covey_trace_snapshot(temporary("flight")), 0);
    covey_group_cancel(g, 0);
    CHECK_EQ(covey_group_wait(g), 0);
    covey_chan_unref(ch);
    CHECK_EQ(covey_trace_flight_stop(), 0);
    CHECK_EQ(covey_trace_flight_stop(), -ENOENT);
    return 0;
}

TEST(a_snapshot_has_the_last_events_and_the_tasks_alive)
{
    CHECK_EQ(covey_run(flight, NULL), 0);
    struct content *c = read_file(NULL, "still here");
    CHECK(c->has_end && c->has_task);
    CHECK_EQ(c->header.is_snapshot, 1);
    /* The one that ended may still be on its way out. */
    CHECK(c->tasks >= 2);
    CHECK(c->counts[COVEY_TRACE_park] + c->counts[COVEY_TRACE_pass] > 100);
    CHECK_EQ(c->counts[COVEY_TRACE_chan_send], 0);
    free(c);
}

/* ---- each switch has its wake ---- */

#define TASKS 4096u

/* What the events of the only worker say, in their order. */
struct life {
    enum { UNKNOWN, WAITS, MAY_RUN } states[TASKS];
    uint32_t running;
    uint64_t switches, wakes;
};

static void lives_switch(struct life *l, uint32_t id)
{
    CHECK(id < TASKS);
    /* Nobody runs who waited and was not woken. */
    CHECK(l->states[id] != WAITS);
    l->states[id] = UNKNOWN;
    l->running = id;
    l->switches++;
}

static void lives_wait(struct life *l)
{
    bool was_woken_before = l->states[l->running] == MAY_RUN;

    l->states[l->running] = l->running && !was_woken_before ? WAITS : MAY_RUN;
}

static void lives_see(struct life *l, const covey_trace_event *e)
{
    switch (e->meta & 0xFF) {
    case COVEY_TRACE_ready:
        CHECK(e->id < TASKS);
        l->states[e->id] = MAY_RUN;
        l->wakes++;
        break;
    case COVEY_TRACE_pass:
        CHECK(e->id > 0);
        l->states[e->id] = MAY_RUN;
        l->wakes++;
        lives_wait(l);
        lives_switch(l, e->id);
        break;
    case COVEY_TRACE_park:
        lives_wait(l);
        lives_switch(l, e->id);
        break;
    case COVEY_TRACE_yield:
        l->states[l->running] = MAY_RUN;
        lives_switch(l, e->id);
        break;
    case COVEY_TRACE_relay:
        CHECK_EQ(e->meta >> 16, l->running);
        lives_switch(l, e->id);
        break;
    case COVEY_TRACE_run:
        lives_switch(l, e->id);
        break;
    default:
        break;
    }
}

static void lives_read(const covey_trace_section *s, const char *body, void *arg)
{
    for (size_t i = 0; s->kind == COVEY_TRACE_EVENTS && s->ring == 0 && i < trace_file_count(s);
         i++) {
        covey_trace_event e = trace_file_event(body, i);
        lives_see(arg, &e);
    }
}

struct crowd {
    covey_mutex mutex;
    covey_cond cond;
    int turn;
};

/* One broadcast wakes many, a lock one, a yield none. */
static int crowded(covey_ctx *ctx, void *arg)
{
    struct crowd *c = arg;

    for (int i = 0; i < 50; i++) {
        covey_mutex_lock(&c->mutex);
        if (++c->turn % 7 == 0) {
            covey_cond_broadcast(&c->cond);
        } else if (i % 5 == 0 && c->turn < 300) {
            CHECK_EQ(covey_cond_wait(ctx, &c->cond, &c->mutex), 0);
        }
        covey_mutex_unlock(&c->mutex);
        covey_yield();
    }
    covey_mutex_lock(&c->mutex);
    covey_cond_broadcast(&c->cond);
    covey_mutex_unlock(&c->mutex);
    return 0;
}

static int take_all(covey_ctx *ctx, void *arg)
{
    int n;

    while (covey_chan_recv(ctx, arg, &n) == 0) {
    }
    return 0;
}

/* Wakes one that waits, then another, then waits: the first loses its place. */
static void wake_two(covey_ctx *ctx, int times)
{
    covey_chan *chans[2] = {covey_chan_new(sizeof(int), 0), covey_chan_new(sizeof(int), 0)};
    covey_group *g = covey_group_new(ctx);

    for (int i = 0; i < 2; i++) {
        CHECK_EQ(covey_group_go(g, take_all, chans[i]), 0);
    }
    for (int i = 0; i < times; i++) {
        CHECK_EQ(covey_chan_send(ctx, chans[i % 2], &i), 0);
    }
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(covey_chan_close(chans[i]), 0);
        covey_chan_unref(chans[i]);
    }
    CHECK_EQ(covey_group_wait(g), 0);
}

static int send_and_fail(covey_ctx *ctx, void *arg)
{
    int n = 0;
    CHECK_EQ(covey_sleep(ctx, 1), 0); /* who joins the group waits by then */
    CHECK_EQ(covey_chan_send(ctx, arg, &n), 0);
    return -EBUSY;
}

/* Who wakes another, and is over at once. */
static void wake_and_fail(covey_ctx *ctx, int times)
{
    covey_chan *ch = covey_chan_new(sizeof(int), 0);
    covey_group *g = covey_group_new(ctx);
    covey_group_options all = {.policy = COVEY_ALL}; /* a failure cancels nothing */

    CHECK_EQ(covey_group_go(g, take_all, ch), 0);
    for (int i = 0; i < times; i++) {
        covey_group *one = covey_group_new_with(ctx, &all);
        CHECK_EQ(covey_group_go(one, send_and_fail, ch), 0);
        CHECK_EQ(covey_group_wait(one), -EBUSY);
    }
    CHECK_EQ(covey_chan_close(ch), 0);
    CHECK_EQ(covey_group_wait(g), 0);
    covey_chan_unref(ch);
}

static void switch_much(covey_ctx *ctx)
{
    struct crowd c = {.turn = 0};
    covey_group *g = covey_group_new(ctx);

    converse(ctx, 3000);
    for (int i = 0; i < 8; i++) {
        CHECK_EQ(covey_group_go(g, crowded, &c), 0);
    }
    CHECK_EQ(covey_group_wait(g), 0);
    wake_two(ctx, 2000);
    wake_and_fail(ctx, 50);
    converse_with(ctx, 200, true);
    converse(ctx, 100);
}

static int switches_in_flight(covey_ctx *ctx, void *arg)
{
    (void)arg;
    CHECK_EQ(covey_trace_flight_start(0), 0);
    switch_much(ctx);
    CHECK_EQ(covey_trace_snapshot(temporary("flight")), 0);
    CHECK_EQ(covey_trace_flight_stop(), 0);
    return 0;
}

static int switches_to_file(covey_ctx *ctx, void *arg)
{
    (void)arg;
    CHECK_EQ(covey_trace_start(temporary("trace")), 0);
    switch_much(ctx);
    CHECK_EQ(covey_trace_stop(), 0);
    return 0;
}

TEST(nobody_runs_without_a_wake)
{
    covey_fn *ways[] = {switches_in_flight, switches_to_file};

    for (int i = 0; i < 2; i++) {
        static struct life l;
        covey_options o = {.workers = 1};
        l = (struct life){0};
        CHECK_EQ(covey_run_with(&o, ways[i], NULL), 0);
        (void)trace_file_each(path, lives_read, &l);
        CHECK(l.switches > 6000);
        CHECK(l.wakes > 6000);
    }
}

/* ---- snapshots while all record ---- */

static int burst(covey_ctx *ctx, void *arg)
{
    (void)arg;
    for (int i = 0; i < 40; i++) {
        covey_group *g = covey_group_new(ctx);
        for (int k = 0; k < 300; k++) {
            CHECK_EQ(covey_group_go(g, nothing, NULL), 0);
        }
        CHECK_EQ(covey_group_wait(g), 0);
        converse(ctx, 20);
    }
    return 0;
}

/* Of one ring: who ends is who runs. */
struct course {
    uint64_t expected;
    uint32_t running; /* 0: nobody, or it is not known */
};

static void course_see(struct course *c, const covey_trace_event *e)
{
    uint32_t ended = 0;

    switch (e->meta & 0xFF) {
    case COVEY_TRACE_relay:
        ended = (uint32_t)(e->meta >> 16);
        CHECK(ended != 0);
        break;
    case COVEY_TRACE_end:
        ended = e->id;
        break;
    case COVEY_TRACE_run:
    case COVEY_TRACE_park:
    case COVEY_TRACE_pass:
    case COVEY_TRACE_yield:
        break;
    default:
        return;
    }
    if (ended && c->running) {
        CHECK_EQ(ended, c->running);
    }
    if ((e->meta & 0xFF) != COVEY_TRACE_end) {
        c->running = e->id;
    }
}

struct courses {
    struct course of[64];
    uint64_t seen;
};

/* Each section follows the one before it or begins with a clock. */
static void courses_read(const covey_trace_section *s, const char *body, void *arg)
{
    struct courses *all = arg;
    struct course *c = &all->of[s->ring & 63];

    if (s->kind != COVEY_TRACE_EVENTS || s->ring > 63) {
        return;
    }
    if (trace_file_position(body) != c->expected) {
        CHECK_EQ(trace_file_event(body, 0).meta & 0xFF, COVEY_TRACE_clock);
        c->running = 0;
    }
    for (size_t i = 0; i < trace_file_count(s); i++) {
        covey_trace_event e = trace_file_event(body, i);
        course_see(c, &e);
    }
    c->expected = trace_file_position(body) + trace_file_count(s);
    all->seen += trace_file_count(s);
}

static int snapshots_under_load(covey_ctx *ctx, void *arg)
{
    (void)arg;
    covey_group *g = covey_group_new(ctx);

    /* So small that it goes round all the time. */
    CHECK_EQ(covey_trace_flight_start(1), 0);
    for (int i = 0; i < 8; i++) {
        CHECK_EQ(covey_group_go(g, burst, NULL), 0);
    }
    for (int i = 0; i < 20; i++) {
        converse(ctx, 100);
        CHECK_EQ(covey_trace_snapshot(temporary("load")), 0);
        struct courses courses = {0};
        (void)trace_file_each(path, courses_read, &courses);
        CHECK(courses.seen > 0);
    }
    CHECK_EQ(covey_group_wait(g), 0);
    CHECK_EQ(covey_trace_flight_stop(), 0);
    return 0;
}

TEST(a_snapshot_while_all_record_is_in_order_in_each_ring)
{
    CHECK_EQ(covey_run(snapshots_under_load, NULL), 0);
}

static int outlives(covey_ctx *ctx, void *arg)
{
    covey_chan *ch = covey_chan_new(0, 0);
    covey_chan *chans[2] = {ch, ch};
    covey_group *g = covey_group_new(ctx);
    covey_task_options o = {.name = "since long"};

    (void)arg;
    CHECK_EQ(covey_trace_flight_start(1), 0);
    CHECK_EQ(covey_group_go_with(g, &o, echo, chans), 0);
    converse(ctx, 40000);
    CHECK_EQ(covey_trace_snapshot(temporary("outlives")), 0);
    covey_group_cancel(g, 0);
    CHECK_EQ(covey_group_wait(g), 0);
    covey_chan_unref(ch);
    CHECK_EQ(covey_trace_flight_stop(), 0);
    return 0;
}

TEST(a_task_whose_start_was_overwritten_is_known_while_it_lives)
{
    covey_options o = {.workers = 1};
    CHECK_EQ(covey_run_with(&o, outlives, NULL), 0);
    struct content *c = read_file("echo", "since long");
    CHECK(c->has_site && c->has_task);
    CHECK_EQ(c->counts[COVEY_TRACE_new], 0);
    free(c);
}

/* Runs stand for many events; a snapshot has no more of them than the ring was made for. */
static int crowds_in_flight(covey_ctx *ctx, void *arg)
{
    CHECK_EQ(covey_trace_flight_start(1), 0);
    for (int i = 0; i < 4; i++) {
        CHECK_EQ(crowd(ctx, arg), 0);
    }
    CHECK_EQ(covey_trace_snapshot(temporary("crowds")), 0);
    CHECK_EQ(covey_trace_flight_stop(), 0);
    return 0;
}

TEST(a_snapshot_of_a_crowd_tells_each_task_and_is_no_larger_than_asked_for)
{
    const char *knobs = getenv("COVEY_DEBUG");
    covey_options o = {.workers = 1};

    if (knobs && strstr(knobs, "migrate")) {
        SKIP("each resume on another thread is an event: they fill the ring");
    }
    CHECK_EQ(covey_run_with(&o, crowds_in_flight, NULL), 0);
    struct content *c = read_file(NULL, NULL);
    uint64_t events = 0;
    for (int i = 0; i < 256; i++) {
        events += c->counts[i];
    }
    CHECK(c->counts[COVEY_TRACE_new] + c->counts[COVEY_TRACE_relay] > 4000);
    /* Those of the ring, of the chunk where it begins, and of the one that is being written. */
    CHECK(events < 8192 + 2 * 1024 * 256);
    free(c);
}

static int slow(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    CHECK_EQ(covey_trace_flight_start(0), 0);
    CHECK_EQ(covey_trace_on_slow(0, "/tmp/x"), -EINVAL);
    CHECK_EQ(covey_trace_on_slow(COVEY_MS, temporary("slow")), 0);
    CHECK_EQ(covey_trace_on_slow(COVEY_MS, "/tmp/x"), -EBUSY);
    covey_trace_region r = covey_trace_region_begin("request");
    CHECK_EQ(covey_sleep(ctx, 3 * COVEY_MS), 0);
    covey_trace_region_end(&r);
    struct content *c = read_file("request", NULL);
    CHECK(c->has_end && c->has_site);
    CHECK_EQ(c->counts[COVEY_TRACE_region_end], 1);
    free(c);
    /* The file is gone; another slow one does not write it anew. */
    r = covey_trace_region_begin("request");
    CHECK_EQ(covey_sleep(ctx, 3 * COVEY_MS), 0);
    covey_trace_region_end(&r);
    CHECK(access(path, F_OK) != 0);
    CHECK_EQ(covey_trace_on_slow_end(), 1);
    CHECK_EQ(covey_trace_on_slow_end(), -ENOENT);
    CHECK_EQ(covey_trace_flight_stop(), 0);
    return 0;
}

TEST(a_slow_region_writes_a_snapshot)
{
    CHECK_EQ(covey_run(slow, NULL), 0);
}

static int after_flight(covey_ctx *ctx, void *arg)
{
    (void)arg;
    CHECK_EQ(covey_trace_flight_start(1), 0);
    converse(ctx, 20000);
    CHECK_EQ(covey_trace_start(temporary("after")), 0);
    CHECK_EQ(covey_trace_stop(), 0);
    CHECK_EQ(covey_trace_flight_stop(), 0);
    return 0;
}

TEST(a_trace_begins_where_it_was_started_not_where_the_flight_recorder_was)
{
    covey_options o = {.workers = 1};
    CHECK_EQ(covey_run_with(&o, after_flight, NULL), 0);
    struct content *c = read_file(NULL, NULL);
    CHECK_EQ(c->lost, 0);
    /* A chunk's beginning makes events understood: nothing of the one before it. */
    CHECK(c->counts[COVEY_TRACE_clock] <= 3);
    free(c);
}

/* ---- the tasks alive at the start ---- */

#define HEARD 1000000u /* later ones are not looked at */

/* What a file says of each number. */
struct hearing {
    struct {
        bool is_listed, is_new, is_ended;
    } of[HEARD];
    uint64_t lost;
};

static void hear(struct hearing *h, const covey_trace_event *e)
{
    unsigned type = e->meta & 0xFF;

    if (e->id < HEARD) {
        h->of[e->id].is_new |= type == COVEY_TRACE_new;
        h->of[e->id].is_ended |= type == COVEY_TRACE_end;
    }
}

static void hear_section(const covey_trace_section *s, const char *body, void *arg)
{
    struct hearing *h = arg;

    if (s->kind == COVEY_TRACE_TASK) {
        uint64_t id = ((const covey_trace_task *)(const void *)body)->id;
        h->of[id < HEARD ? id : 0].is_listed = true;
    }
    h->lost += s->kind == COVEY_TRACE_LOST ? trace_file_position(body) : 0;
    for (size_t i = 0; s->kind == COVEY_TRACE_EVENTS && i < trace_file_count(s); i++) {
        covey_trace_event e = trace_file_event(body, i);
        hear(h, &e);
    }
}

static atomic_bool is_enough;

/* Few at a time: most begin and end while a trace begins. */
static int come_and_go(covey_ctx *ctx, void *arg)
{
    (void)arg;
    for (int i = 0; !is_enough && i < 100000; i++) {
        covey_group *g = covey_group_new(ctx);
        CHECK_EQ(covey_group_go(g, nothing, NULL), 0);
        CHECK_EQ(covey_group_go(g, nothing, NULL), 0);
        CHECK_EQ(covey_group_wait(g), 0);
    }
    return 0;
}

static int trace_who_come_and_go(covey_ctx *ctx, void *arg)
{
    covey_leak_scope scope = covey_leak_scope_open(__FILE__, __LINE__);
    covey_group *g = covey_group_new(ctx);

    is_enough = false;
    CHECK_EQ(covey_group_go(g, come_and_go, NULL), 0);
    CHECK_EQ(covey_group_go(g, come_and_go, NULL), 0);
    covey_yield();
    CHECK_EQ(covey_trace_start(temporary("listed")), 0);
    is_enough = true;
    CHECK_EQ(covey_group_wait(g), 0);
    /* Nobody is on its way out any more. */
    (void)covey_leak_count(&scope);
    covey_leak_scope_drop(&scope);
    CHECK_EQ(covey_trace_stop(), 0);
    *(uint64_t *)arg = covey_task_id();
    return 0;
}

/* All have ended, but for that one. */
static void check_heard(const struct hearing *h, uint64_t but)
{
    for (uint64_t id = 1; h->lost == 0 && id < HEARD; id++) {
        bool is_alive = id != but && !h->of[id].is_ended;
        CHECK(!h->of[id].is_listed || !is_alive);
        CHECK(!h->of[id].is_new || !is_alive);
    }
}

TEST(a_task_that_a_trace_begins_with_has_its_end_in_it)
{
    static struct hearing h;
    covey_options o = {.workers = 3};
    uint64_t self;

    for (int i = 0; i < 20; i++) {
        memset(&h, 0, sizeof(h));
        CHECK_EQ(covey_run_with(&o, trace_who_come_and_go, &self), 0);
        (void)trace_file_each(path, hear_section, &h);
        check_heard(&h, self);
    }
}

/* ---- channels ---- */

static int take_two(covey_ctx *ctx, void *arg)
{
    int n;

    CHECK_EQ(covey_chan_recv(ctx, arg, &n), 0);
    CHECK_EQ(covey_chan_recv(ctx, arg, &n), 0);
    return 0;
}

static int try_and_select(covey_ctx *ctx, void *arg)
{
    covey_chan *roomy = covey_chan_new(sizeof(int), 1);
    covey_chan *tight = covey_chan_new(sizeof(int), 0);
    covey_group *g = covey_group_new(ctx);
    int n = 1;

    (void)arg;
    CHECK_EQ(covey_trace_start(temporary("chans")), 0);
    CHECK_EQ(covey_chan_try_send(roomy, &n), 0);
    CHECK_EQ(covey_chan_try_send(roomy, &n), COVEY_EAGAIN);
    CHECK_EQ(covey_chan_try_recv(roomy, &n), 0);
    CHECK_EQ(covey_chan_try_recv(roomy, &n), COVEY_EAGAIN);
    /* One that can go on at once, of more cases than are on the stack too, and one that waits. */
    CHECK_EQ(covey_select(ctx, COVEY_SEND(roomy, &n), COVEY_RECV(tight, &n)), 0);
    CHECK_EQ(covey_select(ctx, COVEY_RECV(tight, &n), COVEY_RECV(tight, &n), COVEY_RECV(tight, &n),
                          COVEY_RECV(tight, &n), COVEY_RECV(roomy, &n)),
             4);
    CHECK_EQ(covey_select(ctx, COVEY_RECV(roomy, &n), COVEY_DEFAULT), 1);
    CHECK_EQ(covey_select(ctx, COVEY_RECV(roomy, &n), COVEY_AFTER(1)), 1);
    CHECK_EQ(covey_group_go(g, take_two, tight), 0);
    CHECK_EQ(covey_select(ctx, COVEY_SEND(tight, &n), COVEY_RECV(roomy, &n)), 0);
    CHECK_EQ(covey_chan_send(ctx, tight, &n), 0);
    CHECK_EQ(covey_group_wait(g), 0);
    CHECK_EQ(covey_trace_stop(), 0);
    covey_chan_unref(roomy);
    covey_chan_unref(tight);
    return 0;
}

TEST(what_a_try_or_a_select_does_with_a_channel_is_recorded)
{
    covey_options o = {.workers = 1};
    CHECK_EQ(covey_run_with(&o, try_and_select, NULL), 0);
    struct content *c = read_file(NULL, NULL);
    /* By tries, selects and calls. */
    CHECK_EQ(c->counts[COVEY_TRACE_chan_send], 4);
    CHECK_EQ(c->counts[COVEY_TRACE_chan_recv], 4);
    free(c);
}

static int full_disk(covey_ctx *ctx, void *arg)
{
    (void)arg;
    CHECK_EQ(covey_trace_start("/nowhere/at/all"), -ENOENT);
    CHECK_EQ(covey_trace_start("/dev/full"), 0);
    converse(ctx, 100);
    CHECK_EQ(covey_trace_stop(), -ENOSPC);
    CHECK_EQ(covey_trace_flight_start(0), 0);
    CHECK_EQ(covey_trace_snapshot("/dev/full"), -ENOSPC);
    CHECK_EQ(covey_trace_flight_stop(), 0);
    return 0;
}

TEST(a_full_disk_is_told_by_its_code)
{
    CHECK_EQ(covey_run(full_disk, NULL), 0);
}

TEST(the_environment_turns_a_trace_on)
{
    CHECK_EQ(setenv("COVEY_TRACE", temporary("env"), 1), 0);
    CHECK_EQ(covey_run(crowd, NULL), 0);
    struct content *c = read_file("nothing", NULL);
    CHECK(c->has_end && c->has_site);
    free(c);
}

static int toggles(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    for (int i = 0; i < 20; i++) {
        CHECK_EQ(covey_trace_start(temporary("toggle")), 0);
        CHECK_EQ(covey_trace_snapshot("/dev/null"), 0);
        covey_yield();
        CHECK_EQ(covey_trace_stop(), 0);
    }
    (void)unlink(path);
    return 0;
}

static int busy(covey_ctx *ctx, void *arg)
{
    (void)arg;
    converse(ctx, 300);
    return 0;
}

static int start_and_stop_under_load(covey_ctx *ctx, void *arg)
{
    (void)arg;
    covey_group *g = covey_group_new(ctx);
    for (int i = 0; i < 50; i++) {
        CHECK_EQ(covey_group_go(g, busy, NULL), 0);
    }
    CHECK_EQ(covey_group_go(g, toggles, NULL), 0);
    return covey_group_wait(g);
}

TEST(a_trace_starts_and_stops_while_others_work)
{
    CHECK_EQ(covey_run(start_and_stop_under_load, NULL), 0);
}

/* The level changes between the end of a task's function and what follows it: in a handler. */
static covey_chan *handled;

static int fails(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    return -EINVAL;
}

static void start_in_between(const char *name, uint64_t id, int code, const char *message)
{
    (void)name, (void)id, (void)code, (void)message;
    CHECK_EQ(covey_trace_start(temporary("between")), 0);
    CHECK_EQ(covey_chan_close(handled), 0);
}

static void stop_in_between(const char *name, uint64_t id, int code, const char *message)
{
    (void)name, (void)id, (void)code, (void)message;
    CHECK_EQ(covey_trace_stop(), 0);
    CHECK_EQ(covey_chan_close(handled), 0);
}

static int one_fails(covey_ctx *ctx, void *arg)
{
    bool is_file_first = arg != NULL;

    handled = covey_chan_new(0, 0);
    CHECK_EQ(covey_trace_flight_start(0), 0);
    CHECK_EQ(is_file_first ? covey_trace_start(temporary("between")) : 0, 0);
    CHECK_EQ(covey_go(fails, NULL), 0);
    CHECK_EQ(covey_chan_recv(ctx, handled, NULL), COVEY_ECLOSED);
    CHECK_EQ(is_file_first ? covey_trace_snapshot(path) : covey_trace_stop(), 0);
    CHECK_EQ(covey_trace_flight_stop(), 0);
    covey_chan_unref(handled);
    return 0;
}

TEST(an_end_is_told_once_whatever_is_turned_on_or_off_meanwhile)
{
    covey_options on = {.workers = 1, .on_error = start_in_between};
    covey_options off = {.workers = 1, .on_error = stop_in_between};
    CHECK_EQ(covey_run_with(&on, one_fails, NULL), 0);
    struct content *c = read_file("fails", NULL);
    CHECK_EQ(c->counts[COVEY_TRACE_end], 1);
    free(c);
    CHECK_EQ(covey_run_with(&off, one_fails, path), 0);
    c = read_file("fails", NULL);
    CHECK_EQ(c->counts[COVEY_TRACE_end], 1);
    free(c);
}

/* ---- groups that were open before ---- */

struct household {
    covey_chan *quiet; /* nobody sends */
    covey_group *_Atomic of_a_runner, *_Atomic of_who_waits;
    _Atomic uint64_t runner, waiting;
    _Atomic bool stop;
};

static int waits(covey_ctx *ctx, void *arg)
{
    struct household *h = arg;
    return covey_chan_recv(ctx, h->quiet, NULL) == COVEY_ECLOSED ? 0 : -1;
}

/* The channel is its own. */
static int waits_detached(covey_ctx *ctx, void *arg)
{
    int code = covey_chan_recv(ctx, arg, NULL);

    covey_chan_unref(arg);
    return code == COVEY_ECLOSED ? 0 : -1;
}

/* Its group is known from the member. */
static int runs_on(covey_ctx *ctx, void *arg)
{
    struct household *h = arg;
    covey_group *g = covey_group_new(ctx);

    CHECK_EQ(covey_group_go(g, waits, h), 0);
    h->runner = covey_task_id();
    h->of_a_runner = g;
    while (!h->stop) {
    }
    return covey_group_wait(g);
}

/* Its group, in which nobody is, is known from itself. */
static int waits_with_a_group(covey_ctx *ctx, void *arg)
{
    struct household *h = arg;
    covey_group *g = covey_group_new(ctx);

    h->waiting = covey_task_id();
    h->of_who_waits = g;
    CHECK_EQ(waits(ctx, h), 0);
    return covey_group_wait(g);
}

static const covey_trace_group *group_at(const struct content *c, const covey_group *g)
{
    const covey_trace_group *found = NULL;

    for (int i = 0; i < c->group_count; i++) {
        if (c->groups[i].address == (uintptr_t)g) {
            CHECK(!found);
            found = &c->groups[i];
        }
    }
    return found;
}

static int members_of(const struct content *c, const covey_group *g)
{
    int n = 0;

    for (int i = 0; i < c->tasks; i++) {
        n += c->members_of[i] == (uintptr_t)g;
    }
    return n;
}

/* Until all are where they should be. */
static struct content *look_at(covey_ctx *ctx, struct household *h, bool is_snapshot)
{
    for (int i = 0; i < 5000; i++) {
        int code = is_snapshot ? covey_trace_snapshot(temporary("groups"))
                               : covey_trace_start(temporary("groups"));
        CHECK_EQ(code, 0);
        CHECK_EQ(is_snapshot ? 0 : covey_trace_stop(), 0);
        struct content *c = read_file("group", NULL);
        if (h->of_a_runner && group_at(c, h->of_a_runner) && h->of_who_waits &&
            group_at(c, h->of_who_waits)) {
            return c;
        }
        free(c);
        CHECK_EQ(covey_sleep(ctx, COVEY_MS), 0);
    }
    CHECK(!"they are there");
    return NULL;
}

static void check_groups(covey_ctx *ctx, struct household *h, covey_group *own, bool is_snapshot)
{
    struct content *c = look_at(ctx, h, is_snapshot);

    CHECK(c->has_site);
    CHECK_EQ(group_at(c, h->of_a_runner)->opener, h->runner);
    CHECK_EQ(group_at(c, h->of_who_waits)->opener, h->waiting);
    CHECK(group_at(c, own));
    CHECK_EQ(group_at(c, own)->opener, covey_task_id());
    CHECK(group_at(c, own)->site != 0);
    CHECK_EQ(c->group_count, 3);
    /* The main task and the detached one are in none. */
    CHECK_EQ(c->tasks, 5);
    CHECK_EQ(members_of(c, own), 2);
    CHECK_EQ(members_of(c, h->of_a_runner), 1);
    CHECK_EQ(members_of(c, NULL), 2);
    free(c);
}

static int with_groups(covey_ctx *ctx, void *arg)
{
    struct household h = {.quiet = covey_chan_new(0, 0)};
    covey_group *g = covey_group_new(ctx);

    (void)arg;
    CHECK_EQ(covey_go(waits_detached, covey_chan_ref(h.quiet)), 0);
    CHECK_EQ(covey_group_go(g, runs_on, &h), 0);
    CHECK_EQ(covey_group_go(g, waits_with_a_group, &h), 0);
    check_groups(ctx, &h, g, false);
    CHECK_EQ(covey_trace_flight_start(0), 0);
    check_groups(ctx, &h, g, true);
    CHECK_EQ(covey_trace_flight_stop(), 0);
    h.stop = true;
    CHECK_EQ(covey_chan_close(h.quiet), 0);
    CHECK_EQ(covey_group_wait(g), 0);
    covey_chan_unref(h.quiet);
    return 0;
}

TEST(groups_that_were_open_before_are_in_traces_and_snapshots)
{
    covey_options o = {.workers = 3};
    CHECK_EQ(covey_run_with(&o, with_groups, NULL), 0);
}

/* Begun before the run, and after another one that had more of them. */
TEST(a_trace_says_how_many_workers_there_were_while_it_was_written)
{
    covey_options three = {.workers = 3}, two = {.workers = 2};

    CHECK_EQ(covey_run_with(&three, crowd, NULL), 0);
    CHECK_EQ(covey_trace_start(temporary("workers")), 0);
    CHECK_EQ(covey_run_with(&two, crowd, NULL), 0);
    CHECK_EQ(covey_trace_stop(), 0);
    struct content *c = read_file(NULL, NULL);
    CHECK_EQ(c->header.workers, 2);
    free(c);
    CHECK_EQ(covey_trace_start(temporary("workers")), 0);
    CHECK_EQ(covey_trace_stop(), 0);
    c = read_file(NULL, NULL);
    CHECK_EQ(c->header.workers, 0);
    free(c);
}

/* From a plain thread, without a runtime. */
TEST(regions_without_a_runtime_are_recorded_too)
{
    CHECK_EQ(covey_trace_start(temporary("plain")), 0);
    covey_trace_region r = covey_trace_region_begin("outside");
    covey_trace_region_end(&r);
    CHECK_EQ(covey_trace_stop(), 0);
    struct content *c = read_file("outside", NULL);
    CHECK(c->has_site);
    CHECK_EQ(c->counts[COVEY_TRACE_region_end], 1);
    free(c);
}
