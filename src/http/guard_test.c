/* SPDX-License-Identifier: MIT
 * guard_test.c - the guards of a client's hosts: who shares one, and which are forgotten. In
 * virtual time. */
#include "http/guard.h"

#include "harness.h"

#include <covey/test.h>

#include <stdio.h>

static const covey_breaker_options touchy = {.min_calls = 1, .open_ns = 3600 * COVEY_SEC};

static void guards_make(struct cvy_http_guards *g)
{
    const covey_http_guards options = {.breaker = &touchy, .burst = 5};

    CHECK_EQ(cvy_http_guards_init(g, &options, ""), 0);
}

/* Counted: the caller's. */
static struct cvy_http_guard *find(struct cvy_http_guards *g, const char *url)
{
    struct cvy_http_location l = cvy_http_location_of(url);
    struct cvy_http_guard *guard = cvy_http_guards_find(g, &l);

    CHECK(guard);
    return guard;
}

TEST(requests_to_one_host_share_a_guard)
{
    static const char *const same[] = {"http://h/", "http://H/x?y", "http://h:80", "h"};
    static const char *const others[] = {"http://h:81/", "https://h/", "http://h.example/"};
    struct cvy_http_guards g = {0};

    guards_make(&g);
    struct cvy_http_guard *first = find(&g, "http://user@h/");
    CHECK_STR(first->name, "h:80");
    for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
        struct cvy_http_guard *guard = find(&g, same[i]);
        CHECK(guard == first);
        cvy_http_guard_unref(guard);
    }
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        struct cvy_http_guard *guard = find(&g, others[i]);
        CHECK(guard != first);
        cvy_http_guard_unref(guard);
    }
    CHECK_EQ(covey_map_len(g.hosts), 4);
    cvy_http_guard_unref(first);
    cvy_http_guards_fini(&g);
}

TEST(a_guard_in_use_outlives_its_table)
{
    struct cvy_http_guards g = {0};
    uint64_t ticket;

    guards_make(&g);
    struct cvy_http_guard *guard = find(&g, "http://h/");
    cvy_http_guards_fini(&g);
    CHECK_EQ(cvy_http_guard_enter(NULL, guard, &ticket), 0);
    cvy_http_guard_leave(guard, ticket, 0, 503, false);
    CHECK_EQ(covey_breaker_state_of(guard->breaker), COVEY_BREAKER_OPEN);
    cvy_http_guard_unref(guard);
}

static void find_many(struct cvy_http_guards *g, int from, int to)
{
    char url[32];

    for (int i = from; i < to; i++) {
        (void)snprintf(url, sizeof(url), "http://h%d/", i);
        cvy_http_guard_unref(find(g, url));
    }
}

static int meet_thousands(covey_ctx *ctx, void *arg)
{
    struct cvy_http_guards g = {0};
    uint64_t ticket;

    (void)arg;
    guards_make(&g);
    struct cvy_http_guard *down = find(&g, "http://down/"), *pinned = find(&g, "http://pinned/");
    struct cvy_http_guard *used = find(&g, "http://used/");
    CHECK_EQ(cvy_http_guard_enter(ctx, down, &ticket), 0);
    cvy_http_guard_leave(down, ticket, -ECONNREFUSED, 0, false);
    atomic_store(&pinned->is_pinned, true);
    find_many(&g, 0, 4500);
    CHECK_EQ(covey_map_len(g.hosts), 4503); /* all of this minute */

    CHECK_EQ(covey_sleep(ctx, 120 * COVEY_SEC), 0);
    find_many(&g, 4500, 10000);
    CHECK(covey_map_len(g.hosts) < 6000); /* those of two minutes ago are gone */
    struct cvy_http_guard *again = find(&g, "http://down/");
    CHECK(again == down && covey_breaker_state_of(again->breaker) == COVEY_BREAKER_OPEN);
    cvy_http_guard_unref(again);
    again = find(&g, "http://pinned/");
    CHECK(again == pinned);
    cvy_http_guard_unref(again);
    CHECK_EQ(cvy_http_guard_enter(ctx, used, &ticket), 0); /* forgotten, but still somebody's */
    cvy_http_guard_leave(used, ticket, 0, 200, false);
    cvy_http_guard_unref(down);
    cvy_http_guard_unref(pinned);
    cvy_http_guard_unref(used);
    cvy_http_guards_fini(&g);
    return 0;
}

TEST(a_client_that_has_met_thousands_forgets_the_quiet_ones)
{
    CHECK_EQ(covey_test_run(1, meet_thousands, NULL), 0);
}
