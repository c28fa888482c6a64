/* SPDX-License-Identifier: MIT
 * redis_consumer.c - a user of libcovey-redis. There is no server: that is what it hears. */
#include <covey.h>
#include <covey/redis.h>

#include <stdio.h>

static int run(covey_ctx *ctx, void *arg)
{
    covey_redis *r = NULL;
    int code = covey_redis_open(ctx, &r, (const char *)arg, NULL);

    covey_redis_close(r);
    return code;
}

int main(void)
{
    char url[] = "unix:///nowhere/redis.sock";
    int code = covey_run(run, url);

    printf("%d %s\n", code, covey_errmsg());
    return code == -ENOENT ? 0 : 1;
}
