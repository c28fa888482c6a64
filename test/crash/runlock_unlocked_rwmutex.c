/* SPDX-License-Identifier: MIT
 * runlock_unlocked_rwmutex.c - a read lock that nobody holds is given back. */
#include <covey.h>

static int unlocker(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    covey_rwmutex_runlock(arg);
    return 0;
}

int main(void)
{
    covey_rwmutex rw = {0};

    return covey_run(unlocker, &rw);
}
