/* SPDX-License-Identifier: MIT
 * covey/metrics.h - figures of the running runtime for Prometheus. */
#ifndef COVEY_METRICS_H
#define COVEY_METRICS_H

#include <covey/defs.h>

#include <stdio.h>

COVEY_BEGIN

/* Writes Prometheus' text format (version 0.0.4), each metric with HELP and TYPE, names with units:
 * counters of tasks started, ended and failed, of parks, thefts and takeovers; tasks by state; what
 * waits in each worker's queue and in the global one; workers, threads, threads of the blocking
 * pool; channels that have a name (covey_chan_set_name()); and histograms of how long tasks that
 * can run wait to (sampled), groups take, and blocking calls wait for a thread. Without a runtime
 * up: all zero. Any thread; does not switch; takes no lock that a task could hold for long. 0; -EIO
 * if out reports an error. */
COVEY_API int covey_metrics_write(FILE *out);

COVEY_END
#endif
