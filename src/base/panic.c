/* SPDX-License-Identifier: MIT
 * panic.c - the one way out for fatal errors. */
#include "base/panic.h"

#include <stdio.h>
#include <stdlib.h>

void (*_Atomic cvy_fatal_catch)(const char *fmt, va_list args);
void (*_Atomic cvy_fatal_hook)(void);

void cvy_fatal(const char *fmt, ...)
{
    void (*catch)(const char *, va_list) = cvy_load_acquire(&cvy_fatal_catch);
    va_list args;

    if (catch) {
        va_start(args, fmt);
        catch (fmt, args);
        va_end(args);
    }
    (void)fflush(stdout);
    (void)fputs("covey: fatal: ", stderr);
    va_start(args, fmt);
    (void)vfprintf(stderr, fmt, args);
    va_end(args);
    (void)fputc('\n', stderr);

    /* Taken once: a failure inside the hook must not come back here for another dump. */
    void (*hook)(void) = atomic_exchange_explicit(&cvy_fatal_hook, NULL, memory_order_acq_rel);
    if (hook) {
        hook();
    }
    (void)fflush(stderr);
    abort();
}
