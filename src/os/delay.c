/* SPDX-License-Identifier: MIT
 * delay.c - see delay.h. */
#include "os/delay.h"

#include <errno.h>
#include <sched.h>
#include <time.h>

#define CHOICES 4096
#define SPINS_MAX 2000
#define SLEEP_MAX_NS 300000

void (*_Atomic cvy_window_hook)(enum cvy_window window);

void cvy_delay(void)
{
    uint32_t choice = cvy_debug_random(CHOICES);

    if (choice >= 128) {
        return;
    }
    if (choice >= 4) {
        for (uint32_t n = cvy_debug_random(SPINS_MAX); n > 0; n--) {
            cvy_cpu_relax();
        }
    } else if (choice >= 1) {
        (void)sched_yield();
    } else {
        int saved = errno;
        (void)nanosleep(&(struct timespec){.tv_nsec = cvy_debug_random(SLEEP_MAX_NS)}, NULL);
        errno = saved;
    }
}
