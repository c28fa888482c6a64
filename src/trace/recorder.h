/* SPDX-License-Identifier: MIT
 * recorder.h - who records: the rings there are, the file that is written, the snapshots. */
#ifndef CVY_TRACE_RECORDER_H
#define CVY_TRACE_RECORDER_H

#include "trace/file.h"

#define CVY_TRACE_WORKERS_MAX 1024

/* The workers' rings. They have memory while a runtime is up, or something records, and something
 * has been recorded. */
extern struct cvy_ring cvy_trace_rings[CVY_TRACE_WORKERS_MAX] CVY_HIDDEN;

/* A runtime with so many workers starts, the numbers of whose tasks are id_step apart on each; its
 * last thread is gone. 0 or -ENOMEM. */
int cvy_trace_attach(int workers, uint16_t id_step);
void cvy_trace_detach(void);

/* The tasks and groups there are: the lists are the caller's, who drops them. Any thread. A task
 * that sets its state and only then looks at the level is in the list of a file, or has an event of
 * its start or end in it, or both. */
typedef void cvy_trace_alive_fn(struct cvy_trace_alive *out);
void cvy_trace_alive_drop(struct cvy_trace_alive *alive);

/* Every few milliseconds, by the watchdog: probes that were armed begin to work. True: something
 * records. */
bool cvy_trace_look(void);
/* Threads of the recorder's own. */
int cvy_trace_threads(void);

/* covey/trace.h says what they do. */
int cvy_trace_start(const char *path, cvy_trace_alive_fn *look);
int cvy_trace_stop(void);
int cvy_trace_flight_start(size_t bytes);
int cvy_trace_flight_stop(void);
int cvy_trace_snapshot(const char *path, cvy_trace_alive_fn *look, bool may_wait);
/* The same, with what the caller has seen. Does not switch. */
int cvy_trace_snapshot_of(const char *path, const struct cvy_trace_alive *alive);

/* ---- slow.c ---- */

int cvy_trace_watch(int64_t bound_ns, const char *path);
int cvy_trace_unwatch(void);

/* Whether there is a bound to hold durations against. */
bool cvy_trace_is_watched(void);
/* Something took so long: whether the caller must take the snapshot now. */
bool cvy_trace_is_too_long(int64_t ns);
void cvy_trace_watch_fire(cvy_trace_alive_fn *look);

#endif
