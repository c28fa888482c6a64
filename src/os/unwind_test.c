/* SPDX-License-Identifier: MIT
 * unwind_test.c - walks of a saved stack and of the own one. */
#include "os/stack.h"
#include "os/switch.h"
#include "os/symbol.h"
#include "os/unwind.h"

#include "harness.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>

#define FRAMES 32

static void *main_sp, *other_sp;
static char *returns_to[2]; /* of the two calls on the other stack, the inner first */

__attribute__((noinline)) static int inner(int x)
{
    char volatile pad[300];

    pad[0] = (char)x;
    returns_to[0] = __builtin_return_address(0);
    cvy_switch(&other_sp, main_sp);
    return pad[0];
}

__attribute__((noinline)) static int outer(int x)
{
    int volatile spread[40];

    spread[x] = inner(x);
    returns_to[1] = __builtin_return_address(0);
    return spread[x] + 1;
}

static void entry(void)
{
    for (;;) {
        returns_to[1] = NULL;
        (void)outer(3);
    }
}

/* The index of the frame that is the call which returns to there; -1: none. */
static int index_of(void *const *frames, size_t n, const char *there)
{
    for (size_t i = 0; i < n; i++) {
        if ((const char *)frames[i] == there - 1) {
            return (int)i;
        }
    }
    return -1;
}

TEST(a_saved_stack_is_walked_to_its_first_call_and_no_further)
{
    void *frames[FRAMES];
    struct cvy_stack_pool pool;

    if (CVY_SANITIZED) {
        SKIP("a sanitizer must be told of each switch");
    }
    cvy_stack_pool_init(&pool);
    struct cvy_stack *s;
    CHECK_EQ(cvy_stack_take(&pool, cvy_stack_class(65536), &s, 1), 1);
    other_sp = cvy_switch_prepare(cvy_stack_top(s), entry);
    for (int i = 0; i < 3; i++) {
        cvy_switch(&main_sp, other_sp);
        size_t n = cvy_unwind_saved(other_sp, frames, FRAMES);
        /* inner, outer, entry, the assembly below it. */
        CHECK_EQ(n, 4);
        CHECK_EQ(index_of(frames, n, returns_to[0]), 1);
        CHECK_EQ(cvy_unwind_saved(other_sp, frames, 2), 2);
        CHECK_EQ(cvy_unwind_saved(other_sp, frames, 0), 0);
    }
    cvy_stack_give(&pool, &s, 1);
    cvy_stack_pool_fini(&pool);
}

TEST(a_stack_that_never_ran_has_one_frame)
{
    void *frames[FRAMES];
    _Alignas(16) static char stack[4096];

    void *sp = cvy_switch_prepare(stack + sizeof(stack), entry);
    CHECK_EQ(cvy_unwind_saved(sp, frames, FRAMES), 1);
}

static volatile size_t handler_count;
static void *handler_frames[FRAMES];

static void on_signal(int number)
{
    (void)number;
    handler_count = cvy_unwind_here(handler_frames, FRAMES, 0);
}

__attribute__((noinline)) static void raiser(char **returns)
{
    *returns = __builtin_return_address(0);
    (void)raise(SIGUSR1);
}

TEST(a_handler_sees_through_to_what_it_interrupted)
{
    char *returns = NULL;

    cvy_unwind_prepare();
    (void)signal(SIGUSR1, on_signal);
    raiser(&returns);
    CHECK(handler_count > 3);
    CHECK(index_of(handler_frames, handler_count, returns) > 0);
}

TEST(the_own_stack_begins_with_the_caller)
{
    void *frames[FRAMES];
    size_t n = cvy_unwind_here(frames, FRAMES, 0);
    char *here = __extension__(char *) & test_the_own_stack_begins_with_the_caller;

    CHECK(n > 1);
    CHECK((char *)frames[0] > here && (char *)frames[0] < here + 400);
}
