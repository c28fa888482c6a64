/* SPDX-License-Identifier: MIT
 * sem_over_release.c - more permits are released than are held. */
#include <covey.h>

static int releaser(covey_ctx *ctx, void *arg)
{
    covey_sem *sem = covey_sem_new(5);

    (void)arg;
    (void)covey_sem_acquire(ctx, sem, 3);
    covey_sem_release(sem, 2);
    covey_sem_release(sem, 2);
    return 0;
}

int main(void)
{
    return covey_run(releaser, NULL);
}
