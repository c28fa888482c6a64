/* SPDX-License-Identifier: MIT
 * diagnosis.h - what costs time and is only there where the user asked for it: mutexes know who
 * holds them, and the watchdog looks for tasks that wait for each other while the rest goes on. */
#ifndef CVY_SCHED_DIAGNOSIS_H
#define CVY_SCHED_DIAGNOSIS_H

#include "sched/worker.h"

/* While it is set cvy_expect_free (worker.h) is a value that no mutex's word has, so that every
 * lock takes the slow way; the fast one is as fast as it would be without. Relaxed: set while no
 * task runs. */
extern atomic_bool cvy_diagnosis_is_on CVY_HIDDEN;

static inline bool cvy_diagnosis_on(void)
{
    return cvy_load_relaxed(&cvy_diagnosis_is_on);
}

/* As much of a task's number as fits a mutex's word beside its three bits, and no more: the words
 * that no mutex has need the top one. */
static inline uint32_t cvy_owner_of(uint64_t id)
{
    return (uint32_t)id & 0x0fffffffu;
}

void cvy_diagnosis_start(struct cvy_runtime *rt);
void cvy_diagnosis_stop(void);
/* The watchdog's, at each of its turns: looks for cycles once a second. */
void cvy_diagnosis_look(struct cvy_runtime *rt, int64_t now);

#endif
