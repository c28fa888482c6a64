/* SPDX-License-Identifier: MIT
 * trace_stress_test.c - recording while everything is turned on and off: tasks and plain threads
 * write as fast as they can, others take snapshots, write files, resize and stop the flight
 * recorder, profile and dump.
 *
 * Whatever a file holds must be true: events in their order or counted as lost, words and numbers
 * whole, a task's number one that its worker gives, in their order, who ends is who runs. */
#include "stress.h"
#include "trace_file.h"

#include <unistd.h>

enum { TALKERS = 6, STARTERS = 3, TELLERS = 3, THREADS = 2, TURNS = 8, RINGS = 64 };

#define WORDS "the quick brown fox jumps over the lazy dog"

static atomic_bool is_over;
static atomic_int path_number;
static atomic_ulong seen_new, seen_values, seen_words, files;

/* ---- what a file says ---- */

struct ring_state {
    uint64_t expected; /* position */
    uint32_t running;  /* 0: the base, or unknown */
    uint32_t last_new;
    unsigned last_type; /* what is still to come: of a number or of words; 0: nothing */
    char words[128];
};

struct reading {
    uint32_t lanes;
    size_t site_count;
    uint64_t sites[128];
    struct ring_state rings[RINGS + 1]; /* the last: of all other threads */
};

static void check_site(const struct reading *r, uint64_t site)
{
    for (size_t i = 0; i < r->site_count; i++) {
        if (r->sites[i] == site) {
            return;
        }
    }
    CHECK(!"the place is named before it occurs");
}

static void see_words(struct ring_state *s, const covey_trace_event *e)
{
    trace_file_add_text(s->words, sizeof(s->words), e);
    if (e->meta >> 15 & 1) {
        CHECK_STR(s->words, WORDS);
        s->last_type = 0;
        atomic_fetch_add(&seen_words, 1);
    }
}

static void see_value(struct ring_state *s, const covey_trace_event *e)
{
    CHECK_EQ((uint32_t)(e->meta >> 16), ~e->id);
    s->last_type = 0;
    atomic_fetch_add(&seen_values, 1);
}

static void see_new(const struct reading *r, struct ring_state *s, uint32_t ring,
                    const covey_trace_event *e)
{
    check_site(r, e->meta >> 16);
    if (ring < RINGS) {
        CHECK_EQ((e->id - 1) % r->lanes, ring);
        CHECK(e->id > s->last_new);
    }
    s->last_new = e->id;
    atomic_fetch_add(&seen_new, 1);
}

static void see_event(const struct reading *r, uint32_t ring, struct ring_state *s,
                      const covey_trace_event *e)
{
    unsigned type = e->meta & 0xFF;

    CHECK(type >= COVEY_TRACE_clock && type <= COVEY_TRACE_peer);
    if (s->last_type && type != COVEY_TRACE_clock && type != COVEY_TRACE_run) {
        CHECK_EQ(type, s->last_type);
    }
    switch (type) {
    case COVEY_TRACE_new:
        see_new(r, s, ring, e);
        break;
    case COVEY_TRACE_log:
        check_site(r, e->meta >> 16);
        s->last_type = COVEY_TRACE_value;
        break;
    case COVEY_TRACE_message:
        s->last_type = COVEY_TRACE_text;
        s->words[0] = '\0';
        break;
    case COVEY_TRACE_value:
        if (s->last_type) {
            see_value(s, e);
        }
        break;
    case COVEY_TRACE_text:
        if (s->last_type) {
            see_words(s, e);
        }
        break;
    case COVEY_TRACE_region_begin:
    case COVEY_TRACE_region_end:
        check_site(r, e->meta >> 16);
        break;
    case COVEY_TRACE_relay:
        CHECK(s->running == 0 || (uint32_t)(e->meta >> 16) == s->running);
        s->running = e->id;
        break;
    case COVEY_TRACE_end:
        CHECK(s->running == 0 || e->id == s->running || ring == RINGS);
        break;
    case COVEY_TRACE_run:
    case COVEY_TRACE_park:
    case COVEY_TRACE_pass:
    case COVEY_TRACE_yield:
        s->running = e->id;
        break;
    default:
        break;
    }
}

static void see_section(const covey_trace_section *s, const char *body, void *arg)
{
    struct reading *r = arg;

    if (s->kind == COVEY_TRACE_SITE) {
        CHECK(r->site_count < sizeof(r->sites) / sizeof(r->sites[0]));
        r->sites[r->site_count++] = trace_file_position(body);
    }
    if (s->kind != COVEY_TRACE_EVENTS) {
        return;
    }
    CHECK(s->ring < RINGS || s->ring == UINT32_MAX);
    uint32_t ring = s->ring < RINGS ? s->ring : RINGS;
    struct ring_state *state = &r->rings[ring];
    if (trace_file_position(body) != state->expected) {
        CHECK_EQ(trace_file_event(body, 0).meta & 0xFF, COVEY_TRACE_clock);
        state->running = 0;
        state->last_type = 0;
    }
    for (size_t i = 0; i < trace_file_count(s); i++) {
        covey_trace_event e = trace_file_event(body, i);
        see_event(r, ring, state, &e);
    }
    state->expected = trace_file_position(body) + trace_file_count(s);
}

static void check_file(const char *path)
{
    struct reading *r = calloc(1, sizeof(*r));

    CHECK(r);
    r->lanes = (uint32_t)covey_workers() + 1;
    (void)trace_file_each(path, see_section, r);
    atomic_fetch_add(&files, 1);
    free(r);
}

static const char *new_path(char *out, size_t size)
{
    (void)snprintf(out, size, "/tmp/covey-stress-trace-%d-%d", (int)getpid(),
                   atomic_fetch_add(&path_number, 1));
    return out;
}

/* ---- who writes ---- */

static int answer(covey_ctx *ctx, void *arg)
{
    covey_chan **chans = arg;
    int n;

    while (covey_chan_recv(ctx, chans[0], &n) == 0) {
        CHECK_EQ(covey_chan_send(ctx, chans[1], &n), 0);
    }
    return 0;
}

static int talk(covey_ctx *ctx, void *arg)
{
    covey_chan *chans[2] = {covey_chan_new(sizeof(int), 0), covey_chan_new(sizeof(int), 1)};
    covey_group *g = covey_group_new(ctx);
    int n = 0;

    (void)arg;
    GO(g, answer, chans);
    while (!is_over) {
        CHECK_EQ(covey_chan_send(ctx, chans[0], &n), 0);
        CHECK_EQ(covey_chan_recv(ctx, chans[1], &n), 0);
        n++;
    }
    CHECK_EQ(covey_chan_close(chans[0]), 0);
    JOIN(g);
    covey_chan_unref(chans[0]);
    covey_chan_unref(chans[1]);
    return 0;
}

static int at_once(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    return arg ? -EBUSY : 0;
}

static int start_many(covey_ctx *ctx, void *arg)
{
    uint64_t random = random_of((int)(intptr_t)arg);

    while (!is_over) {
        covey_group *g = covey_group_new(ctx);
        for (int i = random_below(&random, 400); i > 0; i--) {
            GO(g, at_once, random_below(&random, 50) == 0 ? g : NULL);
        }
        (void)covey_group_wait(g);
        random_pause(&random);
    }
    return 0;
}

static void tell(uint32_t i)
{
    covey_trace_region outer = covey_trace_region_begin("outer");

    covey_trace_log("a number", (int64_t)(i | (uint64_t)~i << 32));
    covey_trace_message(WORDS);
    covey_trace_region_end(&outer);
}

static int tell_in_task(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    for (uint32_t i = 0; !is_over; i++) {
        tell(i);
        covey_yield();
    }
    return 0;
}

static void *tell_in_thread(void *arg)
{
    for (uint32_t i = 0; !is_over; i++) {
        tell(i);
        (void)sched_yield();
    }
    return arg;
}

/* ---- who turns it on and off ---- */

static void check_code(int code)
{
    CHECK(code == 0 || code == -ENOENT || code == -EBUSY);
}

/* On a busy machine a file may be over before any of the writers has had its turn. */
static bool has_seen_all(void)
{
    return seen_new > 0 && seen_values > 0 && seen_words > 0;
}

static int write_files(covey_ctx *ctx, void *arg)
{
    char path[64];

    (void)ctx;
    (void)arg;
    for (int i = 0; i < turns(TURNS) || !has_seen_all(); i++) {
        CHECK_EQ(covey_trace_start(new_path(path, sizeof(path))), 0);
        CHECK_EQ(covey_trace_start("/tmp/another"), -EBUSY);
        CHECK_EQ(covey_sleep(NULL, COVEY_MS), 0);
        CHECK_EQ(covey_trace_stop(), 0);
        check_file(path);
    }
    return 0;
}

static int take_snapshots(covey_ctx *ctx, void *arg)
{
    char path[64];

    (void)ctx;
    (void)arg;
    for (int i = 0; i < turns(TURNS); i++) {
        int code = covey_trace_snapshot(new_path(path, sizeof(path)));
        check_code(code);
        if (code == 0) {
            check_file(path);
        }
        covey_yield();
    }
    return 0;
}

static int resize(covey_ctx *ctx, void *arg)
{
    uint64_t random = random_of((int)(intptr_t)arg);

    (void)ctx;
    for (int i = 0; i < turns(TURNS); i++) {
        CHECK_EQ(covey_trace_flight_start((size_t)1 << random_below(&random, 20)), 0);
        random_pause(&random);
        if (random_below(&random, 2)) {
            check_code(covey_trace_on_slow(1 + random_below(&random, 1000), "/dev/null"));
            covey_trace_region r = covey_trace_region_begin("slow");
            random_pause(&random);
            covey_trace_region_end(&r);
            int code = covey_trace_on_slow_end();
            CHECK(code == 0 || code == 1 || code == -ENOENT);
        }
        if (random_below(&random, 4) == 0) {
            CHECK_EQ(covey_trace_flight_stop(), 0);
            random_pause(&random);
        }
    }
    return 0;
}

static int look(covey_ctx *ctx, void *arg)
{
    static const char *const kinds[] = {"block", "mutex", "cpu"};
    uint64_t random = random_of((int)(intptr_t)arg);
    FILE *out = fopen("/dev/null", "w");

    (void)ctx;
    CHECK(out);
    for (int i = 0; i < turns(TURNS); i++) {
        const char *kind = kinds[i % 3];
        CHECK_EQ(covey_profile_start(kind, 0), 0);
        random_pause(&random);
        CHECK_EQ(covey_profile_write(kind, COVEY_PROFILE_FOLDED, out), 0);
        CHECK_EQ(covey_profile_stop(kind), 0);
        CHECK_EQ(covey_dump_as(out, i % 2 ? COVEY_DUMP_JSON : COVEY_DUMP_FOLDED), 0);
        covey_yield();
    }
    (void)fclose(out);
    return 0;
}

STRESS_TASK_TEST(what_is_recorded_is_true_whatever_is_turned_on_and_off)
{
    covey_group *writers = covey_group_new(ctx);
    covey_group *masters = covey_group_new(ctx);
    pthread_t threads[THREADS];

    for (intptr_t i = 0; i < TALKERS; i++) {
        GO(writers, talk, NULL);
    }
    for (intptr_t i = 0; i < STARTERS; i++) {
        GO(writers, start_many, (void *)i);
    }
    for (intptr_t i = 0; i < TELLERS; i++) {
        GO(writers, tell_in_task, NULL);
    }
    for (int i = 0; i < THREADS; i++) {
        CHECK_EQ(pthread_create(&threads[i], NULL, tell_in_thread, NULL), 0);
    }
    GO(masters, write_files, NULL);
    GO(masters, take_snapshots, NULL);
    GO(masters, take_snapshots, NULL);
    GO(masters, resize, (void *)(intptr_t)10);
    GO(masters, look, (void *)(intptr_t)11);
    JOIN(masters);
    is_over = true;
    JOIN(writers);
    for (int i = 0; i < THREADS; i++) {
        CHECK_EQ(covey_blocking(NULL, join_thread, &threads[i]), 0);
    }
    (void)covey_trace_flight_stop();
    fprintf(stderr, "# %lu files: %lu starts, %lu numbers, %lu messages\n", files, seen_new,
            seen_values, seen_words);
    CHECK(files >= (unsigned long)turns(TURNS));
}
