/* SPDX-License-Identifier: MIT
 * covey/test.h - tests of concurrent code that repeat: the schedule comes from a seed, and time is
 * virtual. After PCT (Burckhardt et al., 2010), Rust's loom and shuttle, and Go's testing/synctest.
 *
 * In a test run all tasks run on the calling thread, one at a time. Each covey call is a place
 * where another task may go on; who does, which ready case a select takes, and which of two timers
 * due at once fires first, is drawn from the seed. The same seed, program and options give the same
 * schedule, in any process. Code between two covey calls runs undisturbed: what races there is for
 * TSan to find, or for covey_test_point().
 *
 * Time stands still while a task can run, and jumps to the next timer when all of them wait, in
 * whatever kind of wait. covey_now(), sleeps, timers, tickers and deadlines are exact to the
 * nanosecond; the C library's clocks are not touched. A covey_blocking() call runs really, while
 * everybody else waits and the clock stands, up to its end or to its own wait in covey. Where tasks
 * wait for descriptors too, and none is ready, the jump is made after as much real time; what comes
 * from outside the process is not repeated. A plain thread's calls are not either, and a task that
 * only a plain thread could wake counts as deadlocked.
 *
 * A test run ends in failure if fn returns a negative code; if all tasks wait for each other; if a
 * task is left after the end of the first one and of the root context; at covey's fatal errors and
 * at covey_test_fail(); and if it takes too many steps. Unless it passed, the tasks that are left
 * are discarded where they stand: they hold on to what they own. */
#ifndef COVEY_TEST_H
#define COVEY_TEST_H

#include <covey/defs.h>

COVEY_BEGIN

typedef enum covey_test_verdict {
    COVEY_TEST_PASSED,
    COVEY_TEST_FAILED,   /* fn's code, or covey_test_fail() */
    COVEY_TEST_DEADLOCK, /* all tasks wait, and nothing can wake one */
    COVEY_TEST_LEAK,     /* tasks are left after the end, or after COVEY_TEST_NO_LEAKS */
    COVEY_TEST_FATAL,    /* what would have been "covey: fatal: ..." */
    COVEY_TEST_ENDLESS,  /* more steps than max_steps */
    COVEY_TEST_CRASHED   /* the process of covey_explore() died: an assertion, a signal */
} covey_test_verdict;

typedef enum covey_test_strategy {
    COVEY_TEST_MIXED,  /* even seeds: random; odd ones: PCT */
    COVEY_TEST_RANDOM, /* any ready task; how readily it changes is drawn too */
    COVEY_TEST_PCT     /* the task of highest priority; priorities are drawn, and up to depth - 1
                          times in a run the running task's falls. Finds a bug that needs d ordered
                          events with d = depth more reliably the fewer they are */
} covey_test_strategy;

/* How a run ended. */
typedef struct covey_test_result {
    covey_test_verdict verdict;
    int code;             /* what covey_test_run() or covey_explore() returns */
    uint64_t seed;        /* of the last run: the failing one, if one failed */
    uint64_t runs;        /* seeds tried */
    uint64_t steps;       /* places where the last run could have changed tasks */
    uint64_t fingerprint; /* of all its choices: equal in two runs of the same schedule */
    int64_t elapsed_ns;   /* virtual time it took */
    char message[400];    /* what covey_errmsg() says */
} covey_test_result;

typedef struct covey_explore_options {
    uint64_t seeds;      /* how many; 0: COVEY_SEEDS, else 1000 */
    uint64_t first_seed; /* the others follow */
    covey_test_strategy strategy;
    int depth;          /* for PCT: 1 to 8; 0: 3 */
    uint64_t max_steps; /* of one run; 0: 1,000,000 */
    bool jumps_over_io; /* the clock jumps at once though tasks wait for descriptors: right when
                           both ends are in the test */
    bool in_process;    /* runs in this process; else in one forked child, whose changes to memory
                           are not seen here and whose death is told as COVEY_TEST_CRASHED */
    bool quiet;         /* writes nothing to standard error */
    covey_test_result *result; /* filled in; may be NULL */
} covey_explore_options;

/* Runs fn(root context, arg) as the first task of a runtime of its own, in this process, with the
 * schedule of seed (COVEY_SEED, if set, comes first). Returns fn's code if it passed. If it failed:
 * fn's code, -EDEADLK for a deadlock, COVEY_ETEST for anything else, with the reason in
 * covey_errmsg() and, with all tasks, on standard error. -EBUSY: a runtime is up in this process.
 */
COVEY_API int covey_test_run(uint64_t seed, covey_fn *fn, void *arg);
/* opts: seeds, first_seed and in_process do not count. NULL: the defaults. */
COVEY_API int covey_test_run_with(const covey_explore_options *opts, uint64_t seed, covey_fn *fn,
                                  void *arg);
COVEY_API int covey_test_run_at(const covey_site *site, const covey_explore_options *opts,
                                uint64_t seed, covey_fn *fn, void *arg);
#define covey_test_run(seed, fn, arg) covey_test_run_at(COVEY_SITE(#fn), NULL, (seed), (fn), (arg))
#define covey_test_run_with(opts, seed, fn, arg)                                                   \
    covey_test_run_at(COVEY_SITE(#fn), (opts), (seed), (fn), (arg))

/* Runs fn with one seed after the other until one fails. 0: none did; else as covey_test_run(), and
 * standard error says which seed and how to repeat it. fn must set up all it uses: the runs follow
 * each other in one process. With COVEY_SEED=n set, only seed n runs, in this process, for a
 * debugger. opts may be NULL. Blocks the calling thread; -EBUSY, -ENOMEM, -EINVAL: opts. */
COVEY_API int covey_explore(const covey_explore_options *opts, covey_fn *fn, void *arg);
COVEY_API int covey_explore_at(const covey_site *site, const covey_explore_options *opts,
                               covey_fn *fn, void *arg);
#define covey_explore(opts, fn, arg) covey_explore_at(COVEY_SITE(#fn), (opts), (fn), (arg))

/* Inside a test run. */

/* Returns once every other task waits, before the clock moves: then what was to happen has
 * happened, and a test can look. May switch. Fatal outside a test run. */
COVEY_API void covey_test_settle(void);

/* A place where another task may go on: put it between steps of lock-free code under test. Outside
 * a test run it does nothing. May switch. */
COVEY_API void covey_test_point(void);

/* A number in [0, n) from the seed, for inputs and faults; n > 0. Fatal outside a test run. Does
 * not switch. */
COVEY_API uint32_t covey_test_choose(uint32_t n);

/* Ends the run as failed, from any of its tasks. Outside a test run it is a fatal error. */
COVEY_API void covey_test_fail(const char *fmt, ...) COVEY_PRINTF(1, 2) COVEY_NORETURN;

/* Fails the run unless the condition holds. */
#define COVEY_TEST_CHECK(condition)                                                                \
    ((condition) ? (void)0 : covey_test_fail("%s:%d: %s", __FILE__, __LINE__, #condition))

/* COVEY_TEST_NO_LEAKS { ... } fails the run if a task that was started inside is alive once all
 * others wait after its end. Not checked if the block is left by break, return or goto. */
#define COVEY_TEST_NO_LEAKS                                                                        \
    for (uint64_t covey_mark_ = covey_test_mark(); covey_mark_ != 0;                               \
         covey_mark_ = covey_test_no_leaks(covey_mark_, __FILE__, __LINE__))
COVEY_API uint64_t covey_test_mark(void);
COVEY_API uint64_t covey_test_no_leaks(uint64_t mark, const char *file, int line); /* 0 */

COVEY_END
#endif
