/* SPDX-License-Identifier: MIT
 * url_test.c - what URLs say, and which say nothing that can be used. */
#include "redis/url.h"

#include "harness.h"

#include <covey/error.h>
#include <stdlib.h>
#include <string.h>

static void check(const char *text, const char *addr, const char *user, const char *password,
                  int db)
{
    struct cvy_redis_url u;

    CHECK_EQ(cvy_redis_url_parse(&u, text), 0);
    CHECK_EQ(u.count, 1);
    CHECK_STR(u.places[0].addr, addr);
    CHECK_STR(u.user, user);
    CHECK_STR(u.password, password);
    CHECK_EQ(u.db, db);
    cvy_redis_url_fini(&u);
}

TEST(tcp_addresses_have_a_port_of_their_own_or_the_usual_one)
{
    check("redis://host", "tcp://host:6379", NULL, NULL, 0);
    check("redis://host:1/", "tcp://host:1", NULL, NULL, 0);
    check("redis://h-1.example_x.org:65535/15", "tcp://h-1.example_x.org:65535", NULL, NULL, 15);
    check("redis://[::1]", "tcp://[::1]:6379", NULL, NULL, 0);
    check("redis://[fe80::1%eth0]:7?db=2", "tcp://[fe80::1%eth0]:7", NULL, NULL, 2);
}

TEST(unix_sockets_have_a_path_or_a_name)
{
    check("unix:///run/redis.sock", "unix:///run/redis.sock", NULL, NULL, 0);
    check("unix://@name?db=4", "unix://@name", NULL, NULL, 4);
    check("unix://u:p@/run/s", "unix:///run/s", "u", "p", 0);
}

TEST(users_and_passwords_may_be_escaped)
{
    check("redis://:secret@h", "tcp://h:6379", NULL, "secret", 0);
    check("redis://ann:p%40ss%2f%3A%25@h/1", "tcp://h:6379", "ann", "p@ss/:%", 1);
    check("redis://a%20b:c:d@h", "tcp://h:6379", "a b", "c:d", 0);
}

TEST(tls_needs_the_hosts_name)
{
    struct cvy_redis_url u;

    CHECK_EQ(cvy_redis_url_parse(&u, "rediss://example.org:1"), 0);
    CHECK(u.is_tls);
    CHECK_STR(u.places[0].host, "example.org");
    cvy_redis_url_fini(&u);
}

TEST(sentinels_may_be_several)
{
    struct cvy_redis_url u;

    CHECK_EQ(cvy_redis_url_parse(&u, "redis://:p@a,b:1,[::1]/2?sentinel=the%20master"), 0);
    CHECK_EQ(u.count, 3);
    CHECK_STR(u.places[0].addr, "tcp://a:26379");
    CHECK_STR(u.places[1].addr, "tcp://b:1");
    CHECK_STR(u.places[2].addr, "tcp://[::1]:26379");
    CHECK_STR(u.places[2].host, "::1");
    CHECK_STR(u.master, "the master");
    CHECK_STR(u.password, "p");
    CHECK_EQ(u.db, 2);
    cvy_redis_url_fini(&u);
    CHECK_EQ(cvy_redis_url_parse(&u, "unix:///run/s?db=3&sentinel=m"), 0);
    CHECK_STR(u.master, "m");
    CHECK_EQ(u.db, 3);
    cvy_redis_url_fini(&u);
}

TEST(sentinels_may_want_a_password_of_their_own)
{
    struct cvy_redis_url u;

    CHECK_EQ(cvy_redis_url_parse(
                 &u, "redis://:p@a,b?sentinel=m&sentinel_user=ann&sentinel_password=c%26d"),
             0);
    CHECK_STR(u.password, "p");
    CHECK_STR(u.sentinel_user, "ann");
    CHECK_STR(u.sentinel_password, "c&d");
    cvy_redis_url_fini(&u);
    CHECK_EQ(cvy_redis_url_parse(&u, "redis://a?sentinel_password=x&sentinel=m"), 0);
    CHECK_STR(u.sentinel_user, NULL);
    CHECK_STR(u.sentinel_password, "x");
    cvy_redis_url_fini(&u);
}

TEST(a_list_is_cut_where_a_scheme_follows_a_comma)
{
    CHECK_EQ(cvy_redis_url_span(""), 0);
    CHECK_EQ(cvy_redis_url_span("redis://a"), 9);
    CHECK_EQ(cvy_redis_url_span("redis://a,redis://b"), 9);
    CHECK_EQ(cvy_redis_url_span("redis://a,b?sentinel=m,rediss://c"), 22);
    CHECK_EQ(cvy_redis_url_span("unix:///a,b,unix:///c,"), 11);
    CHECK_EQ(cvy_redis_url_span("redis://a,"), 10);
}

TEST(what_is_no_url_is_refused_without_repeating_it)
{
    static const char *const wrong[] = {
        "",
        "redis:",
        "redis:/h",
        "redis://h?sentinel=m&sentinel_user=ann",
        "redis://h?sentinel_password=secret",
        "redis://h?sentinel=m&sentinel_password=",
        "redis://h,",
        "REDIS://h",
        "http://h",
        "redis://",
        "redis://:6379",
        "redis://h:",
        "redis://h:0",
        "redis://h:65536",
        "redis://h:99999999999999999999",
        "redis://h:6379x",
        "redis://h/-1",
        "redis://h/1/2",
        "redis://h/9999999",
        "redis://h?db=",
        "redis://h?database=1",
        "redis://h?db=1&x=2",
        "redis://h?db=1&",
        "redis://a,b",
        "redis://a,b/1?db=1",
        "redis://a,?sentinel=m",
        "redis://,a?sentinel=m",
        "redis://a?sentinel=",
        "redis://a?sentinel=m&sentinel=n",
        "redis://a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a?sentinel=m",
        "redis://ho st",
        "redis://[::1",
        "redis://[::1]x",
        "redis://[]",
        "redis://secret@h",
        "redis://secret:@h",
        "redis://:secret%@h",
        "redis://:secret%4@h",
        "redis://:secret%4g@h",
        "redis://:secret%00@h",
        "unix://",
        "unix://secret",
        "unix:///",
    };
    struct cvy_redis_url u;

    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        CHECK_EQ(cvy_redis_url_parse(&u, wrong[i]), -EINVAL);
        CHECK(!strstr(covey_errmsg(), "secret"));
        cvy_redis_url_fini(&u);
    }
    CHECK_EQ(cvy_redis_url_parse(&u, NULL), -EINVAL);
    cvy_redis_url_fini(&u);
}
