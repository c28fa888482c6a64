/* SPDX-License-Identifier: MIT
 * stack_test.c - stacks and the switch between them. */
#include "os/stack.h"
#include "os/switch.h"
#include "os/sys.h"

#include "harness.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void *main_sp, *other_sp;
static int hops;

static void hop_back(void)
{
    for (;;) {
        /* rsp is 8 modulo 16 at entry: locals of 16 bytes alignment must come out aligned. */
        _Alignas(16) char aligned[16];
        CHECK_EQ((uintptr_t)aligned % 16, 0);
        hops++;
        cvy_switch(&other_sp, main_sp);
    }
}

TEST(a_switch_goes_there_and_comes_back)
{
    if (CVY_SANITIZED) {
        SKIP("a sanitizer must be told of each switch");
    }
    struct cvy_stack_pool pool;
    cvy_stack_pool_init(&pool);
    struct cvy_stack *s = cvy_stack_take(&pool, cvy_stack_class(65536), 1);
    CHECK(s != NULL);
    other_sp = cvy_switch_prepare(s->top, hop_back);
    for (int i = 1; i <= 1000; i++) {
        cvy_switch(&main_sp, other_sp);
        CHECK_EQ(hops, i);
    }
    cvy_stack_pool_fini(&pool);
}

TEST(sizes_round_up_to_a_class)
{
    CHECK_EQ(cvy_stack_class_size(cvy_stack_class(0)), 2048);
    CHECK_EQ(cvy_stack_class_size(cvy_stack_class(2049)), 4096);
    CHECK_EQ(cvy_stack_class_size(cvy_stack_class(4097)), 16384);
    CHECK_EQ(cvy_stack_class_size(cvy_stack_class(16385)), 32768);
    CHECK_EQ(cvy_stack_class_size(cvy_stack_class((size_t)1 << 30)), (size_t)1 << 30);
}

TEST(the_last_given_is_the_first_taken)
{
    struct cvy_stack_pool pool;
    unsigned c = cvy_stack_class(16384);

    cvy_stack_pool_init(&pool);
    struct cvy_stack *a = cvy_stack_take(&pool, c, 1);
    struct cvy_stack *b = cvy_stack_take(&pool, c, 1);
    CHECK(a && b && a != b);
    cvy_stack_give(&pool, a, a, 1);
    cvy_stack_give(&pool, b, b, 1);
    CHECK(cvy_stack_take(&pool, c, 1) == b);
    CHECK(cvy_stack_take(&pool, c, 1) == a);
    cvy_stack_pool_fini(&pool);
}

/* The status of a child that writes just below a stack of the given guard strategy. */
static int write_below(const char *guard)
{
    pid_t pid = fork();

    if (pid == 0) {
        struct cvy_stack_pool pool;
        (void)signal(SIGSEGV, SIG_DFL);
        (void)setenv("COVEY_STACK_GUARD", guard, 1);
        cvy_stack_pool_init(&pool);
        struct cvy_stack *s = cvy_stack_take(&pool, cvy_stack_class(16384), 1);
        volatile char *below = s->low - 1;
        if (s->has_canary) {
            _exit(3);
        }
        *below = 1;
        _exit(0);
    }
    int status = 0;
    CHECK(waitpid(pid, &status, 0) == pid);
    return status;
}

TEST(a_write_below_a_guarded_stack_faults)
{
    if (CVY_SANITIZED) {
        SKIP("sanitizers handle the signal");
    }
    CHECK(WIFSIGNALED(write_below("mprotect")));
    /* Falls back to mprotect where the kernel has no guard advice. */
    CHECK(WIFSIGNALED(write_below("madvise")));
    CHECK_EQ(WEXITSTATUS(write_below("canary")), 3);
}

TEST(there_is_at_least_one_cpu_and_one_thread)
{
    CHECK(cvy_cpu_count() >= 1);
    CHECK(cvy_thread_count() >= 1);
}
