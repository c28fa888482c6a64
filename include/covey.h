/* SPDX-License-Identifier: MIT
 * covey.h - structured concurrency for C: tasks, groups, contexts, channels.
 *
 * Five rules. 1. Whatever can block takes a context first and ends with it. 2. Nothing outlives its
 * group. 3. One error type: a negative int, with words beside it. 4. Zero-initialised values are
 * ready. 5. Every primitive works from any thread. */
#ifndef COVEY_H
#define COVEY_H

#include <covey/breaker.h>
#include <covey/chan.h>
#include <covey/ctx.h>
#include <covey/debug.h>
#include <covey/defs.h>
#include <covey/error.h>
#include <covey/fanout.h>
#include <covey/group.h>
#include <covey/limiter.h>
#include <covey/lock.h>
#include <covey/map.h>
#include <covey/metrics.h>
#include <covey/net.h>
#include <covey/retry.h>
#include <covey/runtime.h>
#include <covey/select.h>
#include <covey/sync.h>
#include <covey/task.h>
#include <covey/test.h>
#include <covey/time.h>
#include <covey/trace.h>
#include <covey/udp.h>
#include <covey/value.h>

#endif
