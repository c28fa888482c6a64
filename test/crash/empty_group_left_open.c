/* SPDX-License-Identifier: MIT
 * empty_group_left_open.c - the same by the first task, with a group that never had a task. */
#include <covey.h>

static int first(covey_ctx *ctx, void *arg)
{
    (void)arg;
    return covey_group_new(ctx) ? 0 : -ENOMEM;
}

int main(void)
{
    return covey_run(first, NULL);
}
