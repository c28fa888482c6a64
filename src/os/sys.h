/* SPDX-License-Identifier: MIT
 * sys.h - small wrappers of system calls: futex, clock, membarrier, CPUs, environment. Failures
 * come back as negative codes; nobody above os/ looks at errno. */
#ifndef CVY_OS_SYS_H
#define CVY_OS_SYS_H

#include "base/atomic.h"

#include <stddef.h>

/* Monotonic nanoseconds: the kernel's, or the test mode's while it stands in cvy_clock_virtual. */
int64_t cvy_clock_now(void);
int64_t cvy_clock_real(void);
/* CPU time of the calling thread. */
int64_t cvy_clock_thread(void);
int64_t cvy_clock_process(void);                     /* CPU time of all threads */
extern _Atomic int64_t cvy_clock_virtual CVY_HIDDEN; /* relaxed; 0: none */

/* Sleeps while *word == expected, at most timeout_ns (< 0: no limit). May wake for no reason. */
void cvy_futex_wait(_Atomic uint32_t *word, uint32_t expected, int64_t timeout_ns);
void cvy_futex_wake(_Atomic uint32_t *word, int count);

/* The expensive half of an asymmetric fence: when it returns, every running thread of the process
 * has passed a full barrier. False where the kernel has none: then cvy_fence_needed is true and
 * the cheap half must be a real fence. */
bool cvy_membarrier_init(void);
void cvy_membarrier(void);
/* Relaxed: true until the kernel has agreed, never again. */
extern atomic_bool cvy_fence_needed CVY_HIDDEN;

/* The cheap half: orders earlier stores before later loads as seen by who calls cvy_membarrier().
 */
static inline void cvy_light_fence(void)
{
    cvy_compiler_fence();
    if (cvy_unlikely(cvy_load_relaxed(&cvy_fence_needed))) {
        atomic_thread_fence(memory_order_seq_cst);
    }
}

/* CPUs that this process may use: affinity and the cgroup's quota, at least 1. */
int cvy_cpu_count(void);
/* The calling thread's number in this process, and a signal to one that has it, with a value whose
 * code is SI_QUEUE. False: none has. */
uint32_t cvy_thread_id(void);
bool cvy_thread_signal(uint32_t id, int number, void *value);
/* Threads of this process, from /proc; negative code if unknown. */
int cvy_thread_count(void);
/* From now on the calling thread has the lowest of the usual priorities: for good, since the kernel
 * lets nobody take that back. */
void cvy_thread_stand_back(void);
/* If the process is out of descriptors, the calling thread, which lives for a task of covey's own,
 * goes on with a table of its own, in which a few are closed. */
void cvy_thread_find_descriptors(void);
/* What it writes to a pipe without a reader fails, and does not end the process. */
void cvy_thread_block_sigpipe(void);
/* From the kernel, or drawn from the test mode's state while that stands in cvy_random_virtual. */
uint64_t cvy_random_seed(void);
extern _Atomic uint64_t cvy_random_virtual CVY_HIDDEN; /* relaxed; 0: none */
/* The thread's errno location, asked anew. */
int *cvy_errno_ptr(void);
/* Where the code, and its stack, was that a signal handler, which was given this context, has
 * interrupted. */
const void *cvy_fault_pc(const void *context);
const void *cvy_fault_sp(const void *context);
/* SIGABRT to this process in so many seconds. */
void cvy_abort_after(int seconds);

#endif
