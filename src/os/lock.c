/* SPDX-License-Identifier: MIT
 * lock.c - the slow path of cvy_lock. */
#include "os/lock.h"

#include "os/freed.h"

#include <sched.h>
#include <time.h>

#define SPINS 200
#define YIELDS 10
#define NAP_NS 20000

void cvy_lock_slow(struct cvy_lock *l)
{
    cvy_freed_check(l);
    for (unsigned round = 0;; round++) {
        if (cvy_lock_try(l)) {
            return;
        }
        if (round < SPINS) {
            cvy_cpu_relax();
        } else if (round < SPINS + YIELDS) {
            (void)sched_yield();
        } else {
            (void)nanosleep(&(struct timespec){.tv_nsec = NAP_NS}, NULL);
        }
    }
}
