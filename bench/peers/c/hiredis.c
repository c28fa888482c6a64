/* SPDX-License-Identifier: MIT
 * hiredis.c - the peer of bench/redis.c: SET and GET by turns through hiredis alone, one thread, so
 * many in one write, whose replies are read before the next. hiredis SOCKET [COMMANDS [PIPELINE]]
 */
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double cpu(void)
{
    struct rusage u;

    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static void require(int ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "hiredis: %s\n", what);
        exit(1);
    }
}

static void run(redisContext *c, long commands, int pipeline)
{
    char key[32], value[32];
    const char *set[] = {"SET", key, value}, *get[] = {"GET", key};
    redisReply *reply;

    for (long done = 0; done < commands; done += pipeline) {
        for (int i = 0; i < pipeline; i++) {
            snprintf(key, sizeof(key), "key:%012d", i / 2);
            snprintf(value, sizeof(value), "%ld", done);
            require(redisAppendCommandArgv(c, i % 2 ? 2 : 3, i % 2 ? get : set, NULL) == REDIS_OK,
                    "append");
        }
        for (int i = 0; i < pipeline; i++) {
            require(redisGetReply(c, (void **)&reply) == REDIS_OK, "reply");
            require(i % 2 == 0 || strtol(reply->str, NULL, 10) == done, "another reply");
            freeReplyObject(reply);
        }
    }
}

int main(int argc, char **argv)
{
    long commands = argc > 2 ? strtol(argv[2], NULL, 10) : 500000;
    int pipeline = argc > 3 ? (int)strtol(argv[3], NULL, 10) : 64;

    require(argc > 1 && commands > 0 && pipeline > 0,
            "usage: hiredis SOCKET [COMMANDS [PIPELINE]]");
    redisContext *c = redisConnectUnix(argv[1]);
    require(c && !c->err, "no connection");
    run(c, commands / 10, pipeline);
    double begun = now(), used = cpu();
    run(c, commands, pipeline);
    double took = now() - begun;
    used = cpu() - used;
    printf("hiredis %.0f ns a command, %.0f ns of CPU, %.0f commands a second\n",
           took / (double)commands * 1e9, used / (double)commands * 1e9, (double)commands / took);
    redisFree(c);
    return 0;
}
