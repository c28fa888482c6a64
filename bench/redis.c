/* SPDX-License-Identifier: MIT
 * redis.c - SET and GET by turns, by many tasks over one connection: redis [COMMANDS [TASKS
 * [URL]]]. bench/redis.sh starts a server and runs it beside redis-benchmark and hiredis alone. */
#include "bench.h"

#include <covey/redis.h>

struct load {
    covey_redis *r;
    int64_t turns; /* of each task: a SET and a GET */
};

static int talk(covey_ctx *ctx, void *arg)
{
    const struct load *l = arg;
    char key[32], value[32];
    const char *set[] = {"SET", key, value}, *get[] = {"GET", key};

    snprintf(key, sizeof(key), "key:%012d", (int)(covey_task_id() % 1000000));
    for (int64_t i = 0; i < l->turns; i++) {
        covey_redis_reply *reply = NULL;
        int64_t n = -1;
        snprintf(value, sizeof(value), "%" PRId64, i);
        BENCH_CHECK(covey_redis_commandv(ctx, l->r, NULL, 3, set, NULL) == 0);
        BENCH_CHECK(covey_redis_commandv(ctx, l->r, &reply, 2, get, NULL) == 0);
        BENCH_CHECK(covey_redis_int(reply, &n) == 0 && n == i);
        covey_redis_reply_free(reply);
    }
    return 0;
}

static void talk_all(covey_ctx *ctx, covey_redis *r, int64_t commands, int64_t tasks)
{
    struct load l = {r, commands / tasks / 2 + 1};
    covey_group *g = covey_group_new(ctx);

    for (int64_t i = 0; i < tasks; i++) {
        BENCH_CHECK(covey_group_go(g, talk, &l) == 0);
    }
    BENCH_CHECK(covey_group_wait(g) == 0);
}

static int measure(covey_ctx *ctx, void *arg)
{
    const struct bench *b = arg;
    int64_t commands = bench_number(b, 0, 500000), tasks = bench_number(b, 1, 64);
    covey_redis_stats before, after;
    covey_redis *r;

    BENCH_CHECK(covey_redis_open(ctx, &r, bench_word(b, 2, "redis://127.0.0.1"), NULL) == 0);
    talk_all(ctx, r, commands / 10, tasks);
    covey_redis_stats_of(r, &before);
    struct bench_span span = bench_span_start();
    talk_all(ctx, r, commands, tasks);
    bench_span_end(&span);
    covey_redis_stats_of(r, &after);
    bench_print_span("redis", &span, commands);
    printf("redis_batch %d %.1f commands\n", covey_workers(),
           (double)(after.commands - before.commands) / (double)(after.writes - before.writes));
    covey_redis_close(r);
    return 0;
}

int main(int argc, char **argv)
{
    return bench_start(argc, argv, measure);
}
