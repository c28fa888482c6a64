/* SPDX-License-Identifier: MIT
 * harness.h - the test harness: one forked child a test, with a time limit.
 *
 * TEST(name) { ... } registers itself. A check that fails prints its place and aborts the child, so
 * it works on any thread and any task's stack. Every test has a fresh process: it may call
 * covey_run() as often as it likes, crash or hang.
 *
 * prog [-l] [WORD]...            runs (lists) the tests whose name contains a WORD, or all
 * COVEY_TEST_TIMEOUT=N           multiplies the limit of 120 s a test, for sanitizers and emulators
 * COVEY_TEST_NOFORK=1            runs them in this process, for gdb
 *
 * A test that hangs is sent SIGQUIT (with COVEY_DUMP_SIGNAL=QUIT its tasks are listed), then
 * SIGKILL. Output is TAP; the last line is "N passed, N failed, N skipped". The status is 1 if any
 * failed, 77 if all were skipped, else 0. Needs only libc. */
#ifndef CVY_TEST_HARNESS_H
#define CVY_TEST_HARNESS_H

struct harness_test {
    const char *name;
    void (*fn)(void);
    struct harness_test *next;
};

void harness_register(struct harness_test *test);

/* End the child: failed or skipped. Any thread, any stack; they need a few hundred bytes of it. */
_Noreturn void harness_fail(const char *file, int line, const char *condition);
_Noreturn void harness_fail_eq(const char *file, int line, const char *condition, long long a,
                               long long b);
_Noreturn void harness_skip(const char *file, int line, const char *reason);
void harness_check_str(const char *file, int line, const char *condition, const char *a,
                       const char *b);

#define TEST(test)                                                                                 \
    static void test_##test(void);                                                                 \
    __attribute__((constructor)) static void harness_register_##test(void)                         \
    {                                                                                              \
        static struct harness_test record = {#test, test_##test, 0};                               \
        harness_register(&record);                                                                 \
    }                                                                                              \
    static void test_##test(void)

#define CHECK(cond)                                                                                \
    do {                                                                                           \
        if (!(cond)) {                                                                             \
            harness_fail(__FILE__, __LINE__, #cond);                                               \
        }                                                                                          \
    } while (0)

/* Two integers. */
#define CHECK_EQ(a, b)                                                                             \
    do {                                                                                           \
        long long harness_a_ = (long long)(a), harness_b_ = (long long)(b);                        \
        if (harness_a_ != harness_b_) {                                                            \
            harness_fail_eq(__FILE__, __LINE__, #a " == " #b, harness_a_, harness_b_);             \
        }                                                                                          \
    } while (0)

/* Two strings; NULL equals only NULL. */
#define CHECK_STR(a, b) harness_check_str(__FILE__, __LINE__, #a " == " #b, (a), (b))

#define SKIP(reason) harness_skip(__FILE__, __LINE__, (reason))

#endif
