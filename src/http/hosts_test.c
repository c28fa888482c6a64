/* SPDX-License-Identifier: MIT */
#include "http/hosts.h"

#include "harness.h"

#include <stdio.h>
#include <stdlib.h>

#define N 200

static struct cvy_http_hosts hosts;
static struct cvy_http_transfer transfers[N];
static char urls[N][64];
static struct cvy_http_link ready;

static struct cvy_http_transfer *make(int i, const char *fmt, int number)
{
    snprintf(urls[i], sizeof(urls[i]), fmt, number);
    transfers[i].location = cvy_http_location_of(urls[i]);
    cvy_http_list_init(&transfers[i].link);
    return &transfers[i];
}

static void init(void)
{
    CHECK_EQ(cvy_http_hosts_init(&hosts, 0), 0);
    cvy_http_list_init(&ready);
}

static int count_ready(void)
{
    int n = 0;

    while (cvy_http_list_pop(&ready)) {
        n++;
    }
    return n;
}

TEST(addresses_pass_at_once)
{
    init();
    for (int i = 0; i < N; i++) {
        CHECK(cvy_http_hosts_enter(&hosts, make(i, "http://127.0.0.1:%d/", 1), 0));
        CHECK(!cvy_http_hosts_is_leader(&transfers[i]));
    }
    cvy_http_hosts_fini(&hosts);
}

TEST(one_leads_and_the_others_follow_it)
{
    init();
    CHECK(cvy_http_hosts_enter(&hosts, make(0, "http://h/%d", 0), 0));
    CHECK(cvy_http_hosts_is_leader(&transfers[0]));
    for (int i = 1; i < N; i++) {
        CHECK(!cvy_http_hosts_enter(&hosts, make(i, "http://H/%d", i), 0));
    }
    cvy_http_hosts_leave(&hosts, &transfers[0], true, 0, &ready);
    CHECK_EQ(count_ready(), N - 1);
    CHECK(cvy_http_hosts_enter(&hosts, make(1, "http://h/%d", 1), COVEY_SEC)); /* known by now */
    CHECK(!cvy_http_hosts_is_leader(&transfers[1]));
    CHECK(cvy_http_hosts_enter(&hosts, make(2, "http://h/%d", 2), 100 * COVEY_SEC)); /* and not */
    CHECK(cvy_http_hosts_is_leader(&transfers[2]));
    cvy_http_hosts_leave(&hosts, &transfers[2], true, 0, &ready);
    cvy_http_hosts_fini(&hosts);
}

TEST(if_the_leader_ends_without_an_address_the_next_one_leads)
{
    init();
    CHECK(cvy_http_hosts_enter(&hosts, make(0, "http://h/%d", 0), 0));
    CHECK(!cvy_http_hosts_enter(&hosts, make(1, "http://h/%d", 1), 0));
    CHECK(!cvy_http_hosts_enter(&hosts, make(2, "http://h/%d", 2), 0));
    cvy_http_hosts_leave(&hosts, &transfers[0], false, 0, &ready);
    CHECK_EQ(count_ready(), 1);
    CHECK(cvy_http_hosts_is_leader(&transfers[1]));
    CHECK(!cvy_http_hosts_is_leader(&transfers[2]));
    cvy_http_list_remove(&transfers[2].link); /* cancelled */
    cvy_http_hosts_leave(&hosts, &transfers[1], false, 0, &ready);
    CHECK_EQ(count_ready(), 0);
    cvy_http_hosts_fini(&hosts);
}

TEST(a_failed_lookup_is_shared)
{
    struct cvy_http_link failed;

    init();
    cvy_http_list_init(&failed);
    CHECK(cvy_http_hosts_enter(&hosts, make(0, "http://h/%d", 0), 0));
    CHECK(!cvy_http_hosts_enter(&hosts, make(1, "http://h/%d", 1), 0));
    cvy_http_hosts_fail(&transfers[0], &failed);
    CHECK(cvy_http_list_pop(&failed) == &transfers[1].link);
    cvy_http_hosts_leave(&hosts, &transfers[0], false, 0, &ready);
    CHECK_EQ(count_ready(), 0);
    cvy_http_hosts_fini(&hosts);
}

TEST(no_more_than_so_many_look_up_at_once)
{
    init();
    for (int i = 0; i < N; i++) {
        bool may_start = cvy_http_hosts_enter(&hosts, make(i, "http://h%d/", i), 0);
        CHECK_EQ(may_start, i < (int)CVY_HTTP_LOOKUPS_MAX);
    }
    for (int i = 0; i < N; i++) {
        CHECK(cvy_http_hosts_is_leader(&transfers[i]));
        cvy_http_hosts_leave(&hosts, &transfers[i], true, 0, &ready);
        CHECK_EQ(count_ready(), i + (int)CVY_HTTP_LOOKUPS_MAX < N);
    }
    CHECK_EQ(hosts.looking, 0);
    cvy_http_hosts_fini(&hosts);
}

TEST(drain_gives_all_who_wait)
{
    struct cvy_http_link all;
    int n = 0;

    init();
    cvy_http_list_init(&all);
    for (int i = 0; i < 100; i++) {
        (void)cvy_http_hosts_enter(&hosts, make(i, "http://h%d/", i), 0);
    }
    for (int i = 100; i < N; i++) {
        CHECK(!cvy_http_hosts_enter(&hosts, make(i, "http://h%d/", 0), 0));
    }
    cvy_http_hosts_drain(&hosts, &all);
    while (cvy_http_list_pop(&all)) {
        n++;
    }
    CHECK_EQ(n, N - (int)CVY_HTTP_LOOKUPS_MAX);
    for (int i = 0; i < (int)CVY_HTTP_LOOKUPS_MAX; i++) {
        cvy_http_hosts_leave(&hosts, &transfers[i], false, 0, &ready);
    }
    CHECK_EQ(count_ready(), 0);
    cvy_http_hosts_fini(&hosts);
}

TEST(where_descriptors_are_scarce_fewer_look_up)
{
    CHECK_EQ(cvy_http_hosts_init(&hosts, 18), 0);
    CHECK_EQ(hosts.looking_max, 3);
    cvy_http_hosts_fini(&hosts);
    CHECK_EQ(cvy_http_hosts_init(&hosts, 1), 0);
    CHECK_EQ(hosts.looking_max, 1);
    cvy_http_hosts_fini(&hosts);
    CHECK_EQ(cvy_http_hosts_init(&hosts, 5000), 0);
    CHECK_EQ(hosts.looking_max, CVY_HTTP_LOOKUPS_MAX);
    cvy_http_hosts_fini(&hosts);
}
