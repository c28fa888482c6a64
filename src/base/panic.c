/* SPDX-License-Identifier: MIT
 * panic.c - the one way out for fatal errors. */
#include "base/panic.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void (*_Atomic cvy_fatal_catch)(const char *fmt, va_list args);
cvy_fatal_fn *_Atomic cvy_fatal_hook;

/* The thread that dies, and with it the process. */
static _Atomic bool is_dying;
static pthread_t dying;

struct message {
    const char *fmt;
    va_list *args;
};

static void print(void *arg)
{
    struct message *m = arg;

    (void)fflush(stdout);
    (void)fputs("covey: fatal: ", stderr);
    (void)vfprintf(stderr, m->fmt, *m->args);
    (void)fputc('\n', stderr);
}

void cvy_fatal(const char *fmt, ...)
{
    void (*catch)(const char *, va_list) = cvy_load_acquire(&cvy_fatal_catch);
    va_list args;

    if (catch) {
        va_start(args, fmt);
        catch (fmt, args);
        va_end(args);
    }
    /* Another one is at it: its dump must not be cut short. */
    while (atomic_exchange_explicit(&is_dying, true, memory_order_acq_rel) &&
           !pthread_equal(dying, pthread_self())) {
        (void)pause();
    }
    dying = pthread_self();
    va_start(args, fmt);
    struct message m = {.fmt = fmt, .args = &args};
    /* Taken once: a failure inside the hook must not come back here for another dump. */
    cvy_fatal_fn *hook = atomic_exchange_explicit(&cvy_fatal_hook, NULL, memory_order_acq_rel);
    if (hook) {
        hook(print, &m);
    } else {
        print(&m);
    }
    va_end(args);
    (void)fflush(stderr);
    abort();
}
