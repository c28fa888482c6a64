/* SPDX-License-Identifier: MIT
 * ask.h - asks a thread, by a signal, for the stack of what it is in the midst of. */
#ifndef CVY_SCHED_ASK_H
#define CVY_SCHED_ASK_H

#include "sched/view.h"

/* Where v's task is, if it runs on another thread, or waits for the end of a blocking call: then
 * the call's frames come before its own. And where a plain thread waits. False: it is elsewhere by
 * now, or its thread has not answered for some 50 ms. From any thread that keeps the runtime, but
 * for signal handlers. */
bool cvy_ask_stack(struct cvy_runtime *rt, struct cvy_view *v);

/* The runtime is stopping: from now on no thread of its is interrupted, nor looked for. */
void cvy_ask_stop(void);

#endif
