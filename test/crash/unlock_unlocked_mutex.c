/* SPDX-License-Identifier: MIT
 * unlock_unlocked_mutex.c - misuse that Go answers with a panic. */
#include <covey.h>

static int unlocker(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    covey_mutex_unlock(arg);
    return 0;
}

int main(void)
{
    covey_mutex mutex = {0};

    return covey_run(unlocker, &mutex);
}
