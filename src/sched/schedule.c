/* SPDX-License-Identifier: MIT
 * schedule.c - see schedule.h.
 *
 * Priorities stand in three bands: as drawn at first; fallen at a change point, in random order
 * among themselves; put last for yielding or spinning, each below the one before. */
#include "sched/schedule.h"

#include "base/alloc.h"
#include "base/panic.h"
#include "base/rand.h"

#define BAND_FIRST (UINT64_C(1) << 63)
#define BAND_FALLEN (UINT64_C(1) << 62)
/* A task that passes so many points in a row while others could run spins for something. */
#define SPIN_POINTS 1000

static void fold(struct cvy_schedule *s, uint64_t choice)
{
    s->fingerprint = (s->fingerprint ^ choice) * UINT64_C(0x100000001B3);
    s->fingerprint ^= s->fingerprint >> 29;
}

void cvy_schedule_begin(struct cvy_schedule *s, uint64_t seed, covey_test_strategy strategy,
                        int depth)
{
    static const uint8_t stays[] = {0, 8, 12, 14, 15};

    s->rand = cvy_rand_seed(seed);
    s->fingerprint = UINT64_C(0xCBF29CE484222325);
    s->steps = 0;
    s->is_pct = strategy == COVEY_TEST_PCT || (strategy == COVEY_TEST_MIXED && seed % 2 == 1);
    s->stay = stays[cvy_rand_below(&s->rand, sizeof(stays))];
    s->fall_count = (depth > 0 ? depth : 3) - 1;
    for (int i = 0; i < s->fall_count; i++) {
        uint32_t magnitude = UINT32_C(1) << cvy_rand_below(&s->rand, 11);
        s->falls[i] = magnitude + cvy_rand_below(&s->rand, magnitude);
    }
    s->lowest = BAND_FALLEN;
    s->running = UINT64_MAX;
    s->repeated = 0;
    if (s->priorities) {
        memset(s->priorities, 0, s->room * sizeof(*s->priorities));
    }
}

void cvy_schedule_fini(struct cvy_schedule *s)
{
    free(s->priorities);
    s->priorities = NULL;
    s->room = 0;
}

/* The place of a task's priority, which is drawn when it is first asked for. */
static uint64_t *priority_of(struct cvy_schedule *s, uint64_t id)
{
    if (id >= s->room) {
        size_t room = s->room ? s->room : 64;
        while (room <= id) {
            room *= 2;
        }
        uint64_t *grown = cvy_realloc(s->priorities, room * sizeof(*grown));
        if (!grown) {
            cvy_fatal("out of memory for a test run's priorities");
        }
        memset(grown + s->room, 0, (room - s->room) * sizeof(*grown));
        s->priorities = grown;
        s->room = room;
    }
    if (s->priorities[id] == 0) {
        s->priorities[id] = cvy_rand_next(&s->rand) | BAND_FIRST;
    }
    return &s->priorities[id];
}

static void put_last(struct cvy_schedule *s, uint64_t id)
{
    *priority_of(s, id) = --s->lowest;
}

static size_t highest(struct cvy_schedule *s, const uint64_t *ids, size_t n)
{
    size_t best = 0;
    uint64_t best_priority = 0;

    for (size_t i = 0; i < n; i++) {
        uint64_t priority = *priority_of(s, ids[i]);
        if (priority > best_priority) {
            best_priority = priority;
            best = i;
        }
    }
    return best;
}

static bool is_change_point(const struct cvy_schedule *s)
{
    for (int i = 0; i < s->fall_count; i++) {
        if (s->falls[i] == s->steps) {
            return true;
        }
    }
    return false;
}

static size_t pick_pct(struct cvy_schedule *s, const uint64_t *ids, size_t n)
{
    size_t i = highest(s, ids, n);

    if (is_change_point(s)) {
        *priority_of(s, ids[i]) = BAND_FALLEN | cvy_rand_next(&s->rand) >> 2;
    } else if (n > 1 && s->repeated >= SPIN_POINTS) {
        put_last(s, ids[i]);
    } else {
        return i;
    }
    return highest(s, ids, n);
}

static size_t pick_random(struct cvy_schedule *s, size_t n, size_t running)
{
    if (n == 1 || (running < n && cvy_rand_below(&s->rand, 16) < s->stay)) {
        return running < n ? running : 0;
    }
    return cvy_rand_below(&s->rand, (uint32_t)n);
}

size_t cvy_schedule_pick(struct cvy_schedule *s, const uint64_t *ids, size_t n, size_t running)
{
    s->steps++;
    size_t i = s->is_pct ? pick_pct(s, ids, n) : pick_random(s, n, running);
    s->repeated = n > 1 && ids[i] == s->running ? s->repeated + 1 : 0;
    s->running = ids[i];
    fold(s, ids[i]);
    return i;
}

void cvy_schedule_yielded(struct cvy_schedule *s, uint64_t id)
{
    if (s->is_pct) {
        put_last(s, id);
    }
}

uint32_t cvy_schedule_below(struct cvy_schedule *s, uint32_t n)
{
    uint32_t choice = cvy_rand_below(&s->rand, n);
    fold(s, choice);
    return choice;
}

const char *cvy_schedule_name(const struct cvy_schedule *s)
{
    return s->is_pct ? "pct" : "random";
}
