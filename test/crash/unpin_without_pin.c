/* SPDX-License-Identifier: MIT
 * unpin_without_pin.c - one unpin more than pins. */
#include <covey.h>

static int unpinner(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    covey_pin();
    covey_unpin();
    covey_unpin();
    return 0;
}

int main(void)
{
    return covey_run(unpinner, NULL);
}
