/* SPDX-License-Identifier: MIT
 * diagnosis.c - see diagnosis.h.
 *
 * Since time ends some waits, a cycle (waits.h) counts only if two looks in a row have found it.
 */
#include "sched/diagnosis.h"

#include "base/env.h"
#include "sched/dump.h"
#include "sched/waits.h"

#include <string.h>

#define LOOK_EVERY_NS COVEY_SEC
#define SHARE_OF_TIME 50 /* a look that takes much CPU time is repeated the later */
#define REPORTED_MAX 64
#define FOUND_MAX 16 /* cycles in a look */
#define NO_WORD UINT32_MAX

atomic_bool cvy_diagnosis_is_on;

/* The watchdog's. */
static int64_t next_look;
static uint64_t found_last[FOUND_MAX]; /* not yet reported; 0: none */
static struct reported {
    uint64_t hash; /* 0: free */
    uint64_t seen; /* looks, as below, when it was found last */
} reported[REPORTED_MAX];
static uint64_t looks; /* that came to the end of the cycles */
static bool is_lack_told;

void cvy_diagnosis_start(struct cvy_runtime *rt)
{
    bool is_on = rt->options.diagnose || cvy_env_number("COVEY_DIAGNOSE") > 0;

    next_look = 0;
    memset(found_last, 0, sizeof(found_last));
    memset(reported, 0, sizeof(reported));
    looks = 0;
    is_lack_told = false;
    if (is_on && cvy_holders_clear) {
        cvy_holders_clear();
    }
    cvy_store_relaxed(&cvy_diagnosis_is_on, is_on);
    cvy_store_relaxed(&cvy_expect_free, is_on ? NO_WORD : 0);
}

void cvy_diagnosis_stop(void)
{
    cvy_store_relaxed(&cvy_diagnosis_is_on, false);
    cvy_store_relaxed(&cvy_expect_free, 0);
}

static bool is_among(const uint64_t *hashes, size_t count, uint64_t hash)
{
    for (size_t i = 0; i < count; i++) {
        if (hashes[i] == hash) {
            return true;
        }
    }
    return false;
}

static bool was_reported(uint64_t hash)
{
    for (size_t i = 0; i < REPORTED_MAX; i++) {
        if (reported[i].hash == hash) {
            reported[i].seen = looks;
            return true;
        }
    }
    return false;
}

/* Keeps it in mind, in the place of one that is over, so that it is not reported again. False:
 * there is no place. */
static bool remember(uint64_t hash)
{
    for (size_t i = 0; i < REPORTED_MAX; i++) {
        if (reported[i].hash == 0 || reported[i].seen + 1 < looks) {
            reported[i] = (struct reported){.hash = hash, .seen = looks};
            return true;
        }
    }
    if (!is_lack_told) {
        is_lack_told = true;
        (void)fprintf(stderr, "covey: deadlock: there are more than %d; the others are not told\n",
                      REPORTED_MAX);
    }
    return false;
}

static void report_node(struct cvy_dump *d, const struct cvy_waiting *node)
{
    struct cvy_view v;

    if (cvy_view_take(node->task, &v, false) && v.id == node->id) {
        cvy_dump_view(d, &v, 1);
    }
}

static void report(struct cvy_runtime *rt, const struct cvy_waits *g)
{
    size_t n = g->told - g->cycle_first;
    struct cvy_dump d;

    cvy_dump_open(&d, rt, stderr, false);
    flockfile(stderr);
    if (n == 1) {
        (void)fputs("covey: deadlock: a task waits for itself:\n", stderr);
    } else {
        (void)fprintf(stderr, "covey: deadlock: %zu tasks wait for each other:\n", n);
    }
    for (size_t i = g->cycle_first; i < g->told; i++) {
        report_node(&d, &g->nodes[g->path[i]]);
    }
    (void)fflush(stderr);
    funlockfile(stderr);
    cvy_dump_close(&d);
}

/* The CPU time it took; of telling, none. */
static int64_t look_for_cycles(struct cvy_runtime *rt)
{
    uint64_t found[FOUND_MAX] = {0};
    uint64_t hash = 0;
    size_t n = 0;
    struct cvy_waits g;
    int64_t began = cvy_clock_thread();

    cvy_waits_make(&g, rt);
    cvy_waits_spare(&g);
    while (n < FOUND_MAX && (hash = cvy_waits_next_cycle(&g)) != 0) {
        if (was_reported(hash)) {
            continue;
        }
        if (is_among(found_last, FOUND_MAX, hash) && remember(hash)) {
            int64_t telling = cvy_clock_thread();
            report(rt, &g);
            began += cvy_clock_thread() - telling;
        } else {
            found[n] = hash;
        }
        n++;
    }
    looks += hash == 0;
    memcpy(found_last, found, sizeof(found));
    cvy_waits_fini(&g);
    return cvy_clock_thread() - began;
}

void cvy_diagnosis_look(struct cvy_runtime *rt, int64_t now)
{
    if (!cvy_diagnosis_on() || now < next_look) {
        return;
    }
    int64_t pause = look_for_cycles(rt) * SHARE_OF_TIME;
    next_look = now + (pause > LOOK_EVERY_NS ? pause : LOOK_EVERY_NS);
}
