/* SPDX-License-Identifier: MIT
 * explore.c - test runs and series of them (covey/test.h).
 *
 * One runtime serves a whole series: after a run that passed nothing is left of it but free records
 * and stacks. The first failure ends the series, so what it leaves behind disturbs nobody. */
#define _GNU_SOURCE
#include "group/explore.h"

#include "base/alloc.h"
#include "base/env.h"
#include "os/child.h"
#include "sched/testmode.h"

#include <covey/error.h>

#include <stdlib.h>
#include <string.h>

#undef errno
#undef covey_test_run
#undef covey_test_run_with
#undef covey_explore

#define SEEDS_DEFAULT 1000
#define GRACE_NS_DEFAULT (10 * COVEY_SEC)

/* One run. */
struct run {
    struct cvy_test *test;
    covey_ctx *root;
    int code;
    struct cvy_message message;
};

static void main_end(struct cvy_task *t, void *owner, int code)
{
    struct run *r = owner;
    struct cvy_wakelist list = {0};
    int64_t grace = r->test->runtime->options.exit_grace_ns;

    r->code = code;
    r->message = cvy_message_take(&t->message, code);
    cvy_test_main_ended(r->test, grace > 0 ? grace : GRACE_NS_DEFAULT);
    cvy_cancel_fire(cvy_ctx_cancel_of(r->root), COVEY_ECANCELED, 0, &list);
    cvy_ready_all(r->test->carrier, &list);
}

/* What came out, and the words for it. */
static void result_fill(struct run *r, uint64_t seed, covey_test_result *result)
{
    struct cvy_test *test = r->test;
    const char *words = test->words;

    result->verdict = test->verdict;
    result->code = r->code;
    if (test->verdict == COVEY_TEST_DEADLOCK) {
        result->code = -EDEADLK;
    } else if (test->verdict != COVEY_TEST_PASSED) {
        result->code = COVEY_ETEST;
    } else if (r->code < 0) {
        result->verdict = COVEY_TEST_FAILED;
        words = cvy_message_words(&r->message);
    }
    result->seed = seed;
    result->steps = test->schedule.steps;
    result->fingerprint = test->schedule.fingerprint;
    result->elapsed_ns = cvy_test_elapsed();
    result->message[0] = '\0';
    if (test->is_run) {
        result->code = test->verdict == COVEY_TEST_LEAK ? r->code : result->code;
        (void)snprintf(result->message, sizeof(result->message), "%s", words);
    } else if (result->code < 0) {
        (void)snprintf(result->message, sizeof(result->message), "seed %llu (%s): %s",
                       (unsigned long long)seed, cvy_schedule_name(&test->schedule), words);
    }
}

static void report(struct cvy_test *test, const covey_test_result *result)
{
    (void)fflush(stdout);
    (void)fprintf(stderr, "covey: test: %s\n", result->message);
    (void)fprintf(stderr, "covey: after %llu steps and %.9f s of virtual time\n",
                  (unsigned long long)result->steps, (double)result->elapsed_ns / COVEY_SEC);
    if (cvy_tasks_each(test->runtime, NULL, NULL) > 0) {
        cvy_dump_tasks(test->runtime, stderr);
    }
    (void)fprintf(stderr, "covey: COVEY_SEED=%llu repeats it\n", (unsigned long long)result->seed);
}

/* Runs fn once. False: it failed. */
static bool run_seed(struct cvy_test *test, const covey_site *site, uint64_t seed, covey_fn *fn,
                     void *arg, covey_test_result *result)
{
    struct run r = {.test = test, .root = covey_ctx_with_cancel(NULL)};
    struct cvy_start s = {
        .site = site, .fn = fn, .arg = arg, .ctx = r.root, .on_end = main_end, .owner = &r};

    cvy_test_begin(test, seed, r.root);
    r.code = cvy_ctx_is_exhausted(r.root) ? -ENOMEM : cvy_task_start(test->carrier, &s);
    if (r.code == 0) {
        cvy_test_drive(test);
    }
    result->runs++;
    result_fill(&r, seed, result);
    bool has_passed = result->verdict == COVEY_TEST_PASSED;
    if (has_passed) {
        cvy_test_end(test);
    } else if (!test->options.quiet) {
        report(test, result);
    }
    free(r.message.text);
    covey_ctx_unref(r.root);
    return has_passed;
}

static const covey_explore_options defaults;

static int check(const covey_explore_options *opts)
{
    bool is_valid = opts->depth >= 0 && opts->depth <= CVY_SCHEDULE_DEPTH_MAX &&
                    opts->strategy >= COVEY_TEST_MIXED && opts->strategy <= COVEY_TEST_PCT;
    return cvy_runtime_get() ? -EBUSY : is_valid ? 0 : -EINVAL;
}

/* Runs with the seeds first, first + 1, ... until one fails; in a child, shared with its parent. */
struct series {
    const covey_explore_options *opts;
    const covey_site *site;
    uint64_t first, count;
    covey_fn *fn;
    void *arg;
    struct cvy_test *test;
    int code; /* of the last run, or of what kept it from starting */
    covey_test_result result;
};

static void series_run(void *arg)
{
    struct series *s = arg;

    s->test = cvy_alloc_zeroed(sizeof(*s->test));
    if (!s->test) {
        s->code = -ENOMEM;
        return;
    }
    s->test->options = *s->opts;
    s->code = cvy_test_open(s->test, NULL);
    if (s->code < 0) {
        free(s->test);
        return;
    }
    for (uint64_t i = 0; i < s->count; i++) {
        s->result.seed = s->first + i;
        if (!run_seed(s->test, s->site, s->result.seed, s->fn, s->arg, &s->result)) {
            break;
        }
    }
    s->code = s->result.code;
}

static void series_run_here(struct series *s)
{
    series_run(s);
    if (s->result.runs > 0) {
        cvy_test_close(s->test);
        free(s->test);
    }
}

/* The end of a series: its code, its words as the caller's message. */
static int series_result(struct series *s)
{
    if (s->opts->result && s->result.runs > 0) {
        *s->opts->result = s->result;
    }
    if (s->code < 0) {
        return s->result.runs > 0 ? covey_errorf(s->code, "%s", s->result.message)
                                  : cvy_fail(cvy_task_self(), s->code);
    }
    return s->code;
}

int covey_test_run_at(const covey_site *site, const covey_explore_options *opts, uint64_t seed,
                      covey_fn *fn, void *arg)
{
    struct series s = {
        .opts = opts ? opts : &defaults, .site = site, .count = 1, .fn = fn, .arg = arg};

    if (!cvy_env_seed("COVEY_SEED", &s.first)) {
        s.first = seed;
    }
    s.code = check(s.opts);
    if (s.code == 0) {
        series_run_here(&s);
    }
    return series_result(&s);
}

int covey_test_run_with(const covey_explore_options *opts, uint64_t seed, covey_fn *fn, void *arg)
{
    return covey_test_run_at(NULL, opts, seed, fn, arg);
}

int covey_test_run(uint64_t seed, covey_fn *fn, void *arg)
{
    return covey_test_run_at(NULL, NULL, seed, fn, arg);
}

static void crashed(struct series *s, int number)
{
    covey_test_result *r = &s->result;

    r->verdict = COVEY_TEST_CRASHED;
    r->runs++;
    s->code = r->code = COVEY_ETEST;
    if (number > 0) {
        (void)snprintf(r->message, sizeof(r->message), "seed %llu: killed by signal %d (%s)",
                       (unsigned long long)r->seed, number, cvy_signal_words(number));
    } else {
        (void)snprintf(r->message, sizeof(r->message), "seed %llu: the process exited",
                       (unsigned long long)r->seed);
    }
    if (!s->opts->quiet) {
        (void)fprintf(stderr, "covey: test: %s\ncovey: COVEY_SEED=%llu repeats it\n", r->message,
                      (unsigned long long)r->seed);
    }
}

static void series_run_in_child(struct series *s)
{
    struct series *shared = cvy_shared_new(sizeof(*shared));

    if (!shared) {
        s->code = -ENOMEM;
        return;
    }
    *shared = *s;
    int code = cvy_child_run(series_run, shared);
    *s = *shared;
    if (code > 0 || code == -ECHILD) {
        crashed(s, code);
    } else if (code < 0) {
        s->code = code;
    }
    cvy_shared_free(shared, sizeof(*shared));
}

int covey_explore_at(const covey_site *site, const covey_explore_options *opts, covey_fn *fn,
                     void *arg)
{
    struct series s = {.opts = opts ? opts : &defaults, .site = site, .fn = fn, .arg = arg};

    s.first = s.opts->first_seed;
    s.count = s.opts->seeds ? s.opts->seeds : (uint64_t)cvy_env_number("COVEY_SEEDS");
    s.count = s.count ? s.count : SEEDS_DEFAULT;
    bool is_repeat = cvy_env_seed("COVEY_SEED", &s.first);
    if (is_repeat) {
        s.count = 1;
    }
    s.code = check(s.opts);
    if (s.code == 0 && (is_repeat || s.opts->in_process)) {
        series_run_here(&s);
    } else if (s.code == 0) {
        series_run_in_child(&s);
    }
    int code = series_result(&s);
    return code < 0 ? code : 0;
}

int covey_explore(const covey_explore_options *opts, covey_fn *fn, void *arg)
{
    return covey_explore_at(NULL, opts, fn, arg);
}

int cvy_run_seeded(const covey_site *site, const covey_options *options, uint64_t seed,
                   covey_fn *fn, void *arg)
{
    struct cvy_test *test = cvy_alloc_zeroed(sizeof(*test));
    covey_test_result result = {0};
    int code = -ENOMEM;

    if (test) {
        test->is_run = test->options.quiet = true;
        code = cvy_test_open(test, options);
    }
    if (code < 0) {
        free(test);
        return cvy_fail(cvy_task_self(), code);
    }
    (void)run_seed(test, site, seed, fn, arg, &result);
    if (result.verdict == COVEY_TEST_DEADLOCK) {
        cvy_fatal("all tasks are asleep - deadlock!");
    }
    if (result.verdict == COVEY_TEST_LEAK) {
        report(test, &result);
    }
    cvy_test_close(test);
    free(test);
    return result.code < 0 ? covey_errorf(result.code, "%s", result.message) : result.code;
}
