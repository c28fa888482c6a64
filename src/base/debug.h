/* SPDX-License-Identifier: MIT
 * debug.h - the knobs of the environment variable COVEY_DEBUG (docs/knobs.md), read once.
 *
 * All off costs one load and one branch where a knob is asked for; the windows of `delay` are
 * compiled into debug builds only (os/delay.h). */
#ifndef CVY_BASE_DEBUG_H
#define CVY_BASE_DEBUG_H

#include "base/atomic.h"

#include <stddef.h>

enum cvy_knob {
    CVY_KNOB_MIGRATE = 1u << 0, /* every resume is on another OS thread */
    CVY_KNOB_DELAY = 1u << 1,   /* random delays in critical windows */
    CVY_KNOB_PAUSE = 1u << 2,   /* threads of workers are stopped for some ms */
    CVY_KNOB_ALLOC = 1u << 3,   /* allocations fail */
    CVY_KNOB_FREED = 1u << 4,   /* objects are kept after their last unref: os/freed.h */
    CVY_KNOB_NATIVE = 1u << 5,  /* pthread mutexes held by tasks that park: sched/native.c */
    CVY_KNOBS_UNREAD = 1u << 31,
};

/* Relaxed: only ever goes from UNREAD to what the environment says. */
extern _Atomic uint32_t cvy_knobs;

bool cvy_knob_slow(uint32_t knobs);
/* Whether any of these is on. */
static inline bool cvy_knob(uint32_t knobs)
{
    return cvy_unlikely(cvy_load_relaxed(&cvy_knobs) & (knobs | CVY_KNOBS_UNREAD)) &&
           cvy_knob_slow(knobs);
}

/* Uniform in [0, n), drawn from COVEY_DEBUG_SEED; any thread. A seed repeats the sequence drawn,
 * not which thread draws what. */
uint32_t cvy_debug_random(uint32_t n);

/* Whether this allocation is one that `alloc` makes fail; counts it. */
bool cvy_alloc_fails_slow(void);
static inline bool cvy_alloc_fails(void)
{
    return cvy_knob(CVY_KNOB_ALLOC) && cvy_alloc_fails_slow();
}

/* ---- for the unit test ---- */

struct cvy_alloc_plan {
    uint64_t first;  /* the first to fail, from 1; 0: none by count */
    bool for_ever;   /* and all after it */
    uint32_t one_in; /* each with this chance; 0: none by chance */
};

/* The knobs in a text, with what alloc= says; a word it does not know is in *unknown (with its
 * length), which is else NULL. */
uint32_t cvy_knobs_parse(const char *text, struct cvy_alloc_plan *plan, const char **unknown,
                         size_t *unknown_len);

#endif
