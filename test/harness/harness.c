/* SPDX-License-Identifier: MIT
 * harness.c - runs each test in a child of its own and prints TAP.
 *
 * Failures are written without stdio: a check may fail on a 2 KiB stack, or with stdio's lock held
 * by a thread that will never run again. */
#include "harness.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { TIME_LIMIT_S = 120, DUMP_GRACE_S = 3, STATUS_SKIPPED = 77 };

static struct harness_test *first, **last = &first;

void harness_register(struct harness_test *test)
{
    *last = test;
    last = &test->next;
}

/* The report of the one failure that this process can have. */
static struct {
    char text[4096];
    size_t len;
    atomic_flag taken;
} report;

static void put(const char *s)
{
    size_t room = sizeof(report.text) - report.len, len = strlen(s);

    len = len < room ? len : room;
    memcpy(report.text + report.len, s, len);
    report.len += len;
}

static void put_number(long long n)
{
    char digits[24], *p = digits + sizeof(digits) - 1;
    unsigned long long rest = n < 0 ? 0 - (unsigned long long)n : (unsigned long long)n;

    *p = '\0';
    do {
        *--p = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    if (n < 0) {
        *--p = '-';
    }
    put(p);
}

/* The first failure is told; whoever fails after it waits for the end of the process. */
static void report_open(const char *file, int line, const char *what)
{
    while (atomic_flag_test_and_set(&report.taken)) {
        pause();
    }
    put("# ");
    put(file);
    put(":");
    put_number(line);
    put(what);
}

static void report_close(void)
{
    put("\n");
    if (write(STDERR_FILENO, report.text, report.len) < 0) {
        _exit(1);
    }
}

void harness_fail(const char *file, int line, const char *condition)
{
    report_open(file, line, ": check failed: ");
    put(condition);
    report_close();
    abort();
}

void harness_fail_eq(const char *file, int line, const char *condition, long long a, long long b)
{
    report_open(file, line, ": check failed: ");
    put(condition);
    put(" (");
    put_number(a);
    put(" and ");
    put_number(b);
    put(")");
    report_close();
    abort();
}

void harness_check_str(const char *file, int line, const char *condition, const char *a,
                       const char *b)
{
    if (a == b || (a && b && strcmp(a, b) == 0)) {
        return;
    }
    report_open(file, line, ": check failed: ");
    put(condition);
    put("\n#   left:  ");
    put(a ? a : "(NULL)");
    put("\n#   right: ");
    put(b ? b : "(NULL)");
    report_close();
    abort();
}

void harness_skip(const char *file, int line, const char *reason)
{
    report_open(file, line, ": skipped: ");
    put(reason);
    report_close();
    _exit(STATUS_SKIPPED);
}

/* Waits for the child's end, at most seconds. SIGCHLD is blocked, so none is missed. */
static int reap(pid_t child, int seconds, int *status)
{
    struct timespec now, end, left;
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_sec += seconds;
    for (;;) {
        if (waitpid(child, status, WNOHANG) == child) {
            return 1;
        }
        clock_gettime(CLOCK_MONOTONIC, &now);
        if (now.tv_sec >= end.tv_sec) {
            return 0;
        }
        left = (struct timespec){.tv_sec = 1};
        (void)sigtimedwait(&set, NULL, &left);
    }
}

static void run_child(const struct harness_test *test, const sigset_t *mask)
{
    (void)setpgid(0, 0);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)sigprocmask(SIG_SETMASK, mask, NULL);
    test->fn();
    exit(0);
}

/* 0, STATUS_SKIPPED, or anything else for a failure. */
static int run_forked(const struct harness_test *test, int seconds)
{
    sigset_t block, before;
    int status = 0, timed_out = 0;
    pid_t child;

    sigemptyset(&block);
    sigaddset(&block, SIGCHLD);
    (void)sigprocmask(SIG_BLOCK, &block, &before);
    (void)fflush(NULL);
    child = fork();
    if (child == 0) {
        run_child(test, &before);
    }
    if (child < 0) {
        perror("# fork");
        return 1;
    }
    (void)setpgid(child, child);
    if (!reap(child, seconds, &status)) {
        timed_out = 1;
        printf("# %s: no end after %d s\n", test->name, seconds);
        (void)kill(child, SIGQUIT);
        if (!reap(child, DUMP_GRACE_S, &status)) {
            (void)kill(child, SIGKILL);
            (void)waitpid(child, &status, 0);
        }
    }
    /* What the test left behind would keep the output open, and whoever reads it waiting. */
    (void)kill(-child, SIGKILL);
    (void)sigprocmask(SIG_SETMASK, &before, NULL);
    if (timed_out) {
        return 1;
    }
    if (WIFSIGNALED(status)) {
        printf("# %s: killed by signal %d (%s)\n", test->name, WTERMSIG(status),
               strsignal(WTERMSIG(status)));
        return 1;
    }
    if (WEXITSTATUS(status) != 0 && WEXITSTATUS(status) != STATUS_SKIPPED) {
        printf("# %s: exit status %d\n", test->name, WEXITSTATUS(status));
    }
    return WEXITSTATUS(status);
}

static int is_wanted(const char *name, int argc, char **argv)
{
    for (int i = 0; i < argc; i++) {
        if (strstr(name, argv[i])) {
            return 1;
        }
    }
    return argc == 0;
}

int main(int argc, char **argv)
{
    const char *factor = getenv("COVEY_TEST_TIMEOUT"), *no_fork = getenv("COVEY_TEST_NOFORK");
    int seconds = TIME_LIMIT_S * (factor && atoi(factor) > 0 ? atoi(factor) : 1);
    int list = argc > 1 && strcmp(argv[1], "-l") == 0;
    int passed = 0, failed = 0, skipped = 0, wanted = 0;

    argc -= 1 + list;
    argv += 1 + list;
    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    for (struct harness_test *t = first; t; t = t->next) {
        wanted += is_wanted(t->name, argc, argv);
    }
    if (!list) {
        printf("1..%d\n", wanted);
    }
    for (struct harness_test *t = first; t; t = t->next) {
        int result = 0;

        if (!is_wanted(t->name, argc, argv)) {
            continue;
        }
        if (list) {
            printf("%s\n", t->name);
            continue;
        }
        if (no_fork && strcmp(no_fork, "0") != 0) {
            t->fn();
        } else {
            result = run_forked(t, seconds);
        }
        passed += result == 0;
        skipped += result == STATUS_SKIPPED;
        failed += result != 0 && result != STATUS_SKIPPED;
        printf("%sok %d - %s%s\n", result == 0 || result == STATUS_SKIPPED ? "" : "not ",
               passed + failed + skipped, t->name, result == STATUS_SKIPPED ? " # SKIP" : "");
    }
    if (list) {
        return 0;
    }
    printf("%d passed, %d failed, %d skipped\n", passed, failed, skipped);
    if (failed > 0 || wanted == 0) {
        return 1;
    }
    return passed == 0 ? STATUS_SKIPPED : 0;
}
