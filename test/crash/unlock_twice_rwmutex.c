/* SPDX-License-Identifier: MIT
 * unlock_twice_rwmutex.c - a write lock is unlocked once more than it was locked. */
#include <covey.h>

static int unlocker(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    covey_rwmutex_lock(arg);
    covey_rwmutex_unlock(arg);
    covey_rwmutex_unlock(arg);
    return 0;
}

int main(void)
{
    covey_rwmutex rw = {0};

    return covey_run(unlocker, &rw);
}
