/* SPDX-License-Identifier: MIT
 * recording.h - the scheduler's side of recording. */
#ifndef CVY_SCHED_RECORDING_H
#define CVY_SCHED_RECORDING_H

#include "sched/worker.h"
#include "trace/recorder.h"

/* Where what happens on th is recorded; NULL: with all other threads'. th is in the runtime, so its
 * worker stays its own. */
static inline struct cvy_ring *cvy_ring_of(const struct cvy_thread *th)
{
    const struct cvy_worker *w = th->worker;
    return w ? cvy_load_acquire(&cvy_trace_rings[w->index]) : NULL;
}

/* th started t. */
void cvy_recording_new_task(struct cvy_thread *th, const struct cvy_task *t);
/* A snapshot, if one was asked for, before the process aborts. */
void cvy_recording_fatal(void);
/* COVEY_TRACE; true: cvy_recording_end() must follow. */
bool cvy_recording_from_environment(void);
void cvy_recording_end(void);

#endif
