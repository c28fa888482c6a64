/* SPDX-License-Identifier: MIT
 * lack.c - see lack.h. */
#include "os/lack.h"

#include <time.h>

#define TRIES_MAX 10000
#define NAP_NS 1000000

bool cvy_lack_wait(unsigned *tries)
{
    if (++*tries > TRIES_MAX) {
        return false;
    }
    (void)nanosleep(&(struct timespec){.tv_nsec = NAP_NS}, NULL);
    return true;
}
