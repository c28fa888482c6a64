/* SPDX-License-Identifier: MIT
 * explore.c - tests of concurrent code that find the bad schedule, and say how to get it back.
 *
 * First an account that can be overdrawn by two withdrawals at once: no ordinary test fails, a
 * series of seeds does. Then a lease that is renewed every 10 s, watched for an hour of virtual
 * time. */
#include "example.h"

/* ---- what is tested ---- */

struct account {
    covey_mutex mutex;
    int balance;
    bool is_hasty;
};

static bool has(struct account *a, int amount)
{
    covey_mutex_lock(&a->mutex);
    bool enough = a->balance >= amount;
    covey_mutex_unlock(&a->mutex);
    return enough;
}

/* Whether it was paid. The hasty one looks, lets go, and then takes. */
static bool withdraw(struct account *a, int amount)
{
    if (a->is_hasty && !has(a, amount)) {
        return false;
    }
    covey_mutex_lock(&a->mutex);
    bool is_paid = a->is_hasty || a->balance >= amount;
    if (is_paid) {
        a->balance -= amount;
    }
    covey_mutex_unlock(&a->mutex);
    return is_paid;
}

struct lease {
    int renewals;
    bool is_released;
};

static int keep_lease(covey_ctx *ctx, void *arg)
{
    struct lease *l = arg;
    int code;

    while ((code = covey_sleep(ctx, 10 * COVEY_SEC)) == 0) {
        l->renewals++;
    }
    l->is_released = true;
    return code;
}

/* ---- the tests ---- */

static int withdraw_80(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)withdraw(arg, 80);
    return 0;
}

static int never_overdrawn(covey_ctx *ctx, void *arg)
{
    struct account a = {.balance = 100, .is_hasty = *(bool *)arg};
    covey_group *g = covey_group_new(ctx);

    (void)covey_group_go(g, withdraw_80, &a);
    (void)covey_group_go(g, withdraw_80, &a);
    (void)covey_group_wait(g);
    COVEY_TEST_CHECK(a.balance >= 0);
    return 0;
}

static int an_hour_of_renewals(covey_ctx *ctx, void *arg)
{
    struct lease l = {0};
    covey_group *g = covey_group_new(ctx);

    (void)arg;
    (void)covey_group_go(g, keep_lease, &l);
    (void)covey_sleep(ctx, 3600 * COVEY_SEC);
    covey_test_settle(); /* a renewal due this very instant has been made, too */
    COVEY_TEST_CHECK(l.renewals == 360);
    covey_group_cancel(g, 0);
    covey_test_settle();
    COVEY_TEST_CHECK(l.is_released);
    COVEY_TEST_CHECK(covey_group_wait(g) == COVEY_ECANCELED);
    return 0;
}

int main(int argc, char **argv)
{
    bool is_hasty = true;
    covey_test_result found, repeated;

    example_options(argc, argv, "Explores the schedules of small tests.", NULL, 0);
    covey_explore_options options = {.quiet = true, .result = &found};
    int code = covey_explore(&options, never_overdrawn, &is_hasty);
    expect(code < 0 && found.verdict == COVEY_TEST_FAILED,
           "the hasty account is overdrawn, found after %d seed(s): %s", (int)found.runs,
           covey_errmsg());

    options = (covey_explore_options){.quiet = true, .result = &repeated};
    (void)covey_test_run_with(&options, found.seed, never_overdrawn, &is_hasty);
    expect(repeated.fingerprint == found.fingerprint, "its seed alone repeats the schedule");

    is_hasty = false;
    options = (covey_explore_options){.seeds = 10000, .result = &found};
    code = covey_explore(&options, never_overdrawn, &is_hasty);
    expect(code == 0, "the careful one survives %d seeds", (int)found.runs);

    options.seeds = 100;
    code = covey_explore(&options, an_hour_of_renewals, NULL);
    expect(code == 0 && found.elapsed_ns == 3600 * COVEY_SEC,
           "a lease is renewed for an hour of virtual time, %d times over", (int)found.runs);
    return example_result(0);
}
