/* SPDX-License-Identifier: MIT
 * schedule.h - the choices of the test mode: who goes on next, drawn from a seed.
 *
 * Random: any ready task; how readily it leaves the running one is drawn once a run, since some
 * bugs need many changes and some need long undisturbed stretches. PCT (Burckhardt et al., 2010):
 * each task has a random priority, the highest runs, and at up to depth - 1 random steps the
 * running task falls below all others. PCT draws these steps evenly from the length of a run, which
 * is not known; here their magnitude is drawn first, so that short and long programs are served
 * alike and the seed alone repeats the schedule.
 *
 * Knows tasks by id only; id 0 is the timer that is due. Not thread-safe. */
#ifndef CVY_SCHED_SCHEDULE_H
#define CVY_SCHED_SCHEDULE_H

#include <covey/test.h>

#define CVY_SCHEDULE_DEPTH_MAX 8
#define CVY_SCHEDULE_NONE SIZE_MAX

struct cvy_schedule {
    uint64_t rand;
    uint64_t fingerprint; /* of all choices so far */
    uint64_t steps;
    bool is_pct;
    uint32_t stay;                              /* random: of 16 points, how many are passed over */
    uint64_t falls[CVY_SCHEDULE_DEPTH_MAX - 1]; /* PCT: the steps at which the running task falls */
    int fall_count;
    uint64_t lowest;      /* PCT: what the next task to be put last gets */
    uint64_t *priorities; /* PCT: by id; 0: not drawn yet */
    size_t room;
    uint64_t running;  /* who was chosen last ... */
    uint32_t repeated; /* ... how often in a row, while others were ready */
};

void cvy_schedule_begin(struct cvy_schedule *s, uint64_t seed, covey_test_strategy strategy,
                        int depth);
void cvy_schedule_fini(struct cvy_schedule *s);
/* Which of n > 0 ready tasks goes on. running: the index of the one that stands at a point and
 * could just go on, or CVY_SCHEDULE_NONE. */
size_t cvy_schedule_pick(struct cvy_schedule *s, const uint64_t *ids, size_t n, size_t running);
/* The task let others go first of its own will. */
void cvy_schedule_yielded(struct cvy_schedule *s, uint64_t id);
/* Another choice: a number in [0, n). */
uint32_t cvy_schedule_below(struct cvy_schedule *s, uint32_t n);
const char *cvy_schedule_name(const struct cvy_schedule *s);

#endif
