/* SPDX-License-Identifier: MIT
 * cpu_timer.h - a signal to each thread of the process whenever it has used so much CPU time.
 *
 * One timer a thread: the process's own (ITIMER_PROF) would be told to any thread, mostly to the
 * first. The signal comes with SI_TIMER and the cookie. */
#ifndef CVY_OS_CPU_TIMER_H
#define CVY_OS_CPU_TIMER_H

#include <stdint.h>

/* Arms the threads there are. 0; a negative code if there is no timer for any. */
int cvy_cpu_timers_start(int signal, void *cookie, int64_t period_ns);
/* Arms those that have come since, at most every 100 ms; does not wait for another call. */
void cvy_cpu_timers_look(void);
/* Signals may be on their way still. */
void cvy_cpu_timers_stop(void);

#endif
