/* SPDX-License-Identifier: MIT
 * list_test.c - handles of a list of URLs: one for each, or none at all. */
#include "server.h"

#include <covey/debug.h>
#include <covey/redis.h>

static const covey_redis_options lazy = {.lazy = true};

static bool metrics_say(const char *words)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);

    CHECK(out && covey_metrics_write(out) == 0 && fclose(out) == 0);
    bool is_said = strstr(text, words) != NULL;
    free(text);
    return is_said;
}

REDIS_TEST(each_url_of_a_list_has_a_handle)
{
    covey_redis *list[3] = {NULL};
    char urls[256];

    (void)r;
    (void)snprintf(urls, sizeof(urls), "%s?db=1,%s?db=2", s->url, s->url);
    CHECK_EQ(covey_redis_open_list(ctx, list, 3, urls, &(covey_redis_options){.name = "shop"}), 2);
    OK(covey_redis_command(ctx, list[0], NULL, "SET k 1"));
    CHECK_EQ(ask(ctx, list[1], "EXISTS k"), 0);
    CHECK(metrics_say("redis=\"shop-1\"") && metrics_say("redis=\"shop-2\""));
    CHECK(!list[2]);
    covey_redis_close(list[0]);
    covey_redis_close(list[1]);
}

TASK_TEST(a_list_of_one_is_a_list)
{
    covey_redis *list[1];

    CHECK_EQ(covey_redis_open_list(ctx, list, 1, "redis://a,b,c?sentinel=m", &lazy), 1);
    covey_redis_close(list[0]);
}

TASK_TEST(of_a_list_that_is_wrong_none_is_opened)
{
    static const char *const wrong[] = {"",
                                        ",",
                                        "redis://a,",
                                        ",redis://a",
                                        "redis://a,,redis://b",
                                        "redis://a,b",
                                        "redis://a,redis://:secret@b:0",
                                        "redis://a,redis://b,redis://c"};
    covey_redis *list[2];

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        CHECK_EQ(covey_redis_open_list(ctx, list, 2, wrong[i], &lazy), -EINVAL);
        CHECK(!strstr(covey_errmsg(), "secret"));
    }
    CHECK_STR(covey_errmsg(), "redis: more than 2 servers");
    CHECK_EQ(covey_redis_open_list(ctx, list, 2, "redis://a,redis://b:0", &lazy), -EINVAL);
    CHECK_STR(covey_errmsg(), "server 2: redis: URL: a number is out of range");
}

REDIS_TEST(a_server_of_a_list_that_is_down_closes_the_others)
{
    covey_redis *list[2];
    char urls[256];

    (void)r;
    int fds = count_fds();
    (void)snprintf(urls, sizeof(urls), "%s,unix://%s/nobody", s->url, s->folder);
    covey_redis_options hasty = {.reconnect = {.base_ns = COVEY_MS, .max_tries = 1}};
    CHECK_EQ(covey_redis_open_list(ctx, list, 2, urls, &hasty), -ENOENT);
    CHECK(strstr(covey_errmsg(), "server 2: "));
    while (count_fds() > fds) {
        OK(covey_sleep(ctx, COVEY_MS)); /* sleeps: links close behind the handle's back */
    }
}
