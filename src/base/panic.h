/* SPDX-License-Identifier: MIT
 * panic.h - fatal errors and assertions.
 *
 * COVEY_REQUIRE: misuse of the API, always checked. CVY_ASSERT: our invariants, debug builds.
 * CVY_ASSERT_SLOW: O(n) validators, only with CVY_DEBUG > 1. */
#ifndef CVY_BASE_PANIC_H
#define CVY_BASE_PANIC_H

#include "base/atomic.h"

#include <stdarg.h>

/* Prints "covey: fatal: ...", then what the hook says (tasks, stacks), and aborts. A second thread
 * that comes here meanwhile waits for that. */
_Noreturn void cvy_fatal(const char *fmt, ...) __attribute__((format(printf, 1, 2), cold));

/* Told first; the test mode's, which does not return if the failure is one of its tasks'. */
extern void (*_Atomic cvy_fatal_catch)(const char *fmt, va_list args);
/* Prints the message by print(arg), on a stack that has room for it, and then what it knows; the
 * scheduler sets it while it is up. */
typedef void cvy_fatal_fn(void (*print)(void *arg), void *arg);
extern cvy_fatal_fn *_Atomic cvy_fatal_hook;

#define COVEY_REQUIRE(cond, ...)                                                                   \
    do {                                                                                           \
        if (cvy_unlikely(!(cond))) {                                                               \
            cvy_fatal(__VA_ARGS__);                                                                \
        }                                                                                          \
    } while (0)

#ifndef CVY_DEBUG
#define CVY_DEBUG 0
#endif

#if CVY_DEBUG
#define CVY_ASSERT(cond)                                                                           \
    COVEY_REQUIRE(cond, "assertion failed: %s (%s:%d)", #cond, __FILE__, __LINE__)
#else
#define CVY_ASSERT(cond) ((void)sizeof(cond))
#endif

#if CVY_DEBUG > 1
#define CVY_ASSERT_SLOW(cond) CVY_ASSERT(cond)
#else
#define CVY_ASSERT_SLOW(cond) ((void)sizeof(cond))
#endif

#endif
