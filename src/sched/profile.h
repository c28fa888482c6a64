/* SPDX-License-Identifier: MIT
 * profile.h - samples of where tasks wait, who holds others up, and where the CPU's time goes.
 *
 * Each kind has a table of places (fold.h), taken at its first start and then kept, under a lock of
 * its own. Off, a wait and an unlock that has waiters each cost one look at a byte. A profile
 * belongs to the process, not to a runtime. */
#ifndef CVY_SCHED_PROFILE_H
#define CVY_SCHED_PROFILE_H

#include "sched/fold.h"

enum cvy_profile {
    CVY_PROFILE_BLOCK, /* rate: a sample on average for each so many ns that tasks wait */
    CVY_PROFILE_MUTEX, /* rate: one of so many waits */
    CVY_PROFILE_CPU,   /* rate: samples a second of a thread's CPU time */
    CVY_PROFILES,
};

/* One bit a kind that is on. Relaxed: what sees it late is recorded, or not. */
extern _Atomic uint8_t cvy_profiles_on CVY_HIDDEN;

static inline bool cvy_profile_is_on(enum cvy_profile kind)
{
    return (cvy_load_relaxed(&cvy_profiles_on) & 1u << kind) != 0;
}

/* 0; -EBUSY: it is on; -ENOMEM; of the CPU's timers: what the kernel says. */
int cvy_profile_start(enum cvy_profile kind, int64_t rate);
/* 0; -ENOENT: it was not on. What it has recorded stays until the next start. */
int cvy_profile_stop(enum cvy_profile kind);

struct cvy_profile_data {
    struct cvy_fold *fold; /* a copy; the caller's, freed by free() */
    int64_t rate;
    int64_t began_wall_ns, duration_ns;
    int64_t lost; /* samples that there was no time to record */
};
/* What a kind has so far. 0; -ENOENT: it was never started; -ENOMEM. */
int cvy_profile_copy(enum cvy_profile kind, struct cvy_profile_data *out);

/* th's task has waited, or lets one go on that has waited so long for what it held; in the runtime,
 * without locks. */
void cvy_profile_wait(struct cvy_thread *th, enum cvy_reason reason, int64_t ns);
void cvy_profile_unlock(struct cvy_thread *th, int64_t waited_ns);

/* How long t, which the caller has claimed, has waited; 0: not known. */
static inline int64_t cvy_waited_ns(const struct cvy_task *t)
{
    int64_t since = cvy_load_relaxed(&t->wait_since);
    int64_t ns = since > 0 ? cvy_clock_now() - since : 0;
    return ns > 0 ? ns : 0;
}

/* profile_cpu.c */
int cvy_profile_cpu_start(int64_t rate);
void cvy_profile_cpu_stop(void);
/* A sample from a signal handler, which does not wait for long. */
void cvy_profile_add_signal(const struct cvy_view *v, int64_t count);
/* The watchdog's: new threads are sampled too. */
void cvy_profile_look(void);

#endif
