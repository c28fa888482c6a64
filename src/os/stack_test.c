/* SPDX-License-Identifier: MIT
 * stack_test.c - stacks and the switch between them. */
#include "os/stack.h"
#include "os/switch.h"
#include "os/sys.h"

#include "harness.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
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

static struct cvy_stack *take_one(struct cvy_stack_pool *pool, unsigned class_index)
{
    struct cvy_stack *s = NULL;
    CHECK_EQ(cvy_stack_take(pool, class_index, &s, 1), 1);
    return s;
}

TEST(a_switch_goes_there_and_comes_back)
{
    if (CVY_SANITIZED) {
        SKIP("a sanitizer must be told of each switch");
    }
    struct cvy_stack_pool pool;
    cvy_stack_pool_init(&pool);
    struct cvy_stack *s = take_one(&pool, cvy_stack_class(65536));
    other_sp = cvy_switch_prepare(cvy_stack_top(s), hop_back);
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

/* Takes count stacks, at least a batch at a time. */
static struct cvy_stack **take_many(struct cvy_stack_pool *pool, unsigned class_index, size_t count)
{
    struct cvy_stack **stacks = calloc(count, sizeof(struct cvy_stack *));

    for (size_t n = 0; n < count;) {
        size_t want = count - n < CVY_STACK_BATCH ? count - n : CVY_STACK_BATCH;
        size_t got = cvy_stack_take(pool, class_index, stacks + n, want);
        CHECK_EQ(got, want);
        n += got;
    }
    return stacks;
}

static bool is_resident(const char *page)
{
    unsigned char in_core = 0;
    /* A page that was given back is not in core; one that was never mapped is an error. */
    return mincore((void *)((uintptr_t)page & ~(uintptr_t)4095), 4096, &in_core) == 0 &&
           (in_core & 1);
}

TEST(stacks_do_not_overlap_and_their_tops_are_coloured)
{
    struct cvy_stack_pool pool;

    cvy_stack_pool_init(&pool);
    for (unsigned c = 0; c < cvy_stack_class(1 << 20); c++) {
        struct cvy_stack **s = take_many(&pool, c, 64);
        unsigned seen = 0;
        for (size_t i = 0; i < 64; i++) {
            char *top = cvy_stack_top(s[i]);
            CHECK_EQ((uintptr_t)top % 16, 0);
            CHECK_EQ(s[i]->class_index, c);
            CHECK((size_t)(top - s[i]->low) + 4096 + 1024 >= cvy_stack_class_size(c));
            memset(top - 512, (int)i, 512);
            seen |= 1u << ((uintptr_t)top / 64 % 16);
        }
        for (size_t i = 0; i < 64; i++) {
            CHECK_EQ(((char *)cvy_stack_top(s[i]))[-512], (char)i);
            CHECK_EQ(((char *)cvy_stack_top(s[i]))[-1], (char)i);
        }
        CHECK(cvy_stack_class_size(c) <= CVY_STACK_COMPACT_MAX || seen == 0xFFFF);
        cvy_stack_give(&pool, s, 64);
        free(s);
    }
    cvy_stack_pool_fini(&pool);
}

/* Half of a region's stacks in use, the others idle. */
static void trim_half(unsigned class_index)
{
    enum { COUNT = 256 };
    struct cvy_stack_pool pool;

    cvy_stack_pool_init(&pool);
    struct cvy_stack **s = take_many(&pool, class_index, COUNT);
    for (size_t i = 0; i < COUNT; i++) {
        memset((char *)cvy_stack_top(s[i]) - 256, 1, 256);
    }
    cvy_stack_give(&pool, s, COUNT / 2);
    CHECK(cvy_stack_pool_age(&pool));
    CHECK(!cvy_stack_pool_trim(&pool));
    CHECK(cvy_stack_pool_age(&pool));
    CHECK(cvy_stack_pool_trim(&pool));
    CHECK(!cvy_stack_pool_trim(&pool));
    CHECK(!cvy_stack_pool_age(&pool));
    for (size_t i = 0; i < COUNT; i++) {
        char *top = cvy_stack_top(s[i]);
        CHECK_EQ(is_resident(top - 1), i >= COUNT / 2);
        CHECK(i < COUNT / 2 || top[-256] == 1);
    }
    /* Given back, but still to be had. */
    struct cvy_stack *again = take_one(&pool, class_index);
    CHECK(again == s[0]);
    CHECK(!again->has_canary || *(uint64_t *)(void *)again->low == CVY_STACK_CANARY);
    memset((char *)cvy_stack_top(again) - 256, 1, 256);
    cvy_stack_pool_fini(&pool);
    free(s);
}

TEST(idle_stacks_are_given_back_and_the_others_stay)
{
    trim_half(cvy_stack_class(16384));
    trim_half(cvy_stack_class(262144));
    trim_half(cvy_stack_class(2048));
}

TEST(a_region_that_is_idle_as_a_whole_is_unmapped)
{
    static const char *const guards[] = {"madvise", "mprotect", "canary"};

    for (int g = 0; g < 3; g++) {
        struct cvy_stack_pool pool;
        (void)setenv("COVEY_STACK_GUARD", guards[g], 1);
        cvy_stack_pool_init(&pool);
        struct cvy_stack **s = take_many(&pool, cvy_stack_class(262144), 3000);
        cvy_stack_give(&pool, s, 3000);
        (void)cvy_stack_pool_age(&pool);
        (void)cvy_stack_pool_age(&pool);
        while (cvy_stack_pool_trim(&pool)) {
        }
        CHECK(cvy_list_is_empty(&pool.regions));
        CHECK_EQ(cvy_load_relaxed(&pool.guards.split_count), 0);
        CHECK(take_one(&pool, cvy_stack_class(262144)) != NULL);
        cvy_stack_pool_fini(&pool);
        free(s);
    }
}

TEST(mprotect_gives_way_to_canaries_at_its_limit)
{
    enum { COUNT = 30100 };
    struct cvy_stack_pool pool;

    (void)setenv("COVEY_STACK_GUARD", "mprotect", 1);
    cvy_stack_pool_init(&pool);
    struct cvy_stack **s = take_many(&pool, cvy_stack_class(16384), COUNT);
    CHECK(!s[0]->has_canary);
    CHECK(s[COUNT - 1]->has_canary);
    /* Room again once such stacks are gone. */
    cvy_stack_give(&pool, s, COUNT);
    (void)cvy_stack_pool_age(&pool);
    (void)cvy_stack_pool_age(&pool);
    while (cvy_stack_pool_trim(&pool)) {
    }
    CHECK(!take_one(&pool, cvy_stack_class(16384))->has_canary);
    cvy_stack_pool_fini(&pool);
    free(s);
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
        struct cvy_stack *s = take_one(&pool, cvy_stack_class(16384));
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
