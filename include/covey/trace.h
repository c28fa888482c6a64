/* SPDX-License-Identifier: MIT
 * covey/trace.h - records what tasks do, for `covey trace FILE` to show. After Go's execution
 * tracer and its flight recorder.
 *
 * Two ways, which may be on at once. A trace to a file has everything from start to stop, each
 * event with a time of its own. The flight recorder only remembers the last events of each worker,
 * at a cost that lets it stay on, until a snapshot writes them to a file after the fact. The
 * environment variable COVEY_TRACE turns one on without a change to the program: a path records all
 * of covey_run() to that file, which of several runs has the last; "flight" or "flight:16M" (memory
 * a worker) turns the recorder on.
 *
 * All calls may come from any thread. Those that take a path block their thread for file I/O and do
 * not switch tasks; in a task, covey_blocking() is the place for them if that matters. */
#ifndef COVEY_TRACE_H
#define COVEY_TRACE_H

#include <covey/defs.h>

COVEY_BEGIN

/* Records everything to a new file (one that exists is emptied) until covey_trace_stop(). May be
 * called before covey_run(). One file at a time: -EBUSY. A negative errno code if the file cannot
 * be created; -ENOMEM; -EAGAIN: no thread could be made. */
COVEY_API int covey_trace_start(const char *path);
/* Ends it. 0, or the code of the first write that failed (-ENOSPC: the disk is full; the file then
 * ends there). Events that came faster than they could be written are counted in the file, which
 * `covey trace` says. -ENOENT: nothing was being recorded. */
COVEY_API int covey_trace_stop(void);

/* Turns the flight recorder on. bytes_per_worker: memory for its last events, 16 bytes each,
 * rounded up to a power of two, at least 128 KiB; 0: 4 MiB; at most 1 GiB (-EINVAL). Rings that
 * exist keep their size. -ENOMEM. */
COVEY_API int covey_trace_flight_start(size_t bytes_per_worker);
/* Turns it off. -ENOENT: it was not on. */
COVEY_API int covey_trace_flight_stop(void);
/* Writes what is remembered, with the tasks alive now, while all go on. It also works after
 * covey_run() has returned. 0, a negative errno code (-ENOSPC: the file then ends there); -ENOENT:
 * nothing is being recorded. */
COVEY_API int covey_trace_snapshot(const char *path);

/* Takes one snapshot when a region (below) that begins from now on first takes longer than
 * bound_ns. The thread that ends that region writes it. path is copied. -EBUSY: a bound is set
 * already; -EINVAL: not positive. */
COVEY_API int covey_trace_on_slow(int64_t bound_ns, const char *path);
/* Takes the bound away: 1 if the snapshot was written, 0 if nothing was too slow, a negative code
 * if writing failed; -ENOENT: no bound was set. */
COVEY_API int covey_trace_on_slow_end(void);
/* A fatal error (a deadlock, misuse of the API) writes a snapshot there before the process aborts.
 * path is borrowed until it is replaced; NULL: none. */
COVEY_API void covey_trace_on_fatal(const char *path);

/* What a program says itself. Names are string literals; all of these cost next to nothing while
 * nothing is recorded, and do not switch, but for a snapshot asked for by covey_trace_on_slow(). */

/* A stretch of the running task's time with a name. Regions nest; the end must come in the same
 * task. A request that a router of covey/http_server.h has found a route for is one, named by the
 * route's pattern. */
typedef struct covey_trace_region {
    const covey_site *site;
    int64_t began_ns;
} covey_trace_region;
COVEY_API covey_trace_region covey_trace_region_begin_at(const covey_site *site);
COVEY_API void covey_trace_region_end(covey_trace_region *region);
#define covey_trace_region_begin(name) covey_trace_region_begin_at(COVEY_SITE(name))

/* A moment with a name and a number. */
COVEY_API void covey_trace_log_at(const covey_site *site, int64_t value);
#define covey_trace_log(name, value) covey_trace_log_at(COVEY_SITE(name), (value))
/* A moment with any text, which is copied, cut at 120 bytes. */
COVEY_API void covey_trace_message(const char *text);

COVEY_END
#endif
