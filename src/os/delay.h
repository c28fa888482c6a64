/* SPDX-License-Identifier: MIT
 * delay.h - critical windows: places where another thread that gets in between could see, or do,
 * what nobody thought of. With COVEY_DEBUG=delay a thread dwells there at random; in those that
 * have a name a unit test lets something happen, every time (group/window.h). */
#ifndef CVY_OS_DELAY_H
#define CVY_OS_DELAY_H

#include "base/debug.h"
#include "base/panic.h"

/* Now and then spins, yields the CPU or sleeps up to 300 us. Uses little stack. */
void cvy_delay(void);

enum cvy_window {
    CVY_WINDOW_IDLE,   /* a worker has found nothing, and has not said so */
    CVY_WINDOW_POLLER, /* the next timer is known, and not announced; likewise */
    CVY_WINDOW_LIMIT,  /* a group's limit is reached, and nobody waits for it yet */
    CVY_WINDOW_END,    /* a group's ends have been read, and its starts not */
    CVY_WINDOW_SELECT, /* between two cases of a select */
    CVY_WINDOW_ONCE,   /* somebody runs it: the caller is about to wait */
    CVY_WINDOW_DONE,   /* a context has no done channel, and the caller has made one */
    CVY_WINDOW_INSERT, /* a map has no such key, and its lock is free */
    CVY_WINDOW_RANGE,  /* a range holds an entry that it has not looked at */
};

/* What a unit test has called in the windows with a name; NULL: nothing. Release, acquire. */
extern void (*_Atomic cvy_window_hook)(enum cvy_window window);

#if CVY_DEBUG
#define CVY_WINDOW()                                                                               \
    do {                                                                                           \
        if (cvy_knob(CVY_KNOB_DELAY)) {                                                            \
            cvy_delay();                                                                           \
        }                                                                                          \
    } while (0)
#define CVY_WINDOW_NAMED(window)                                                                   \
    do {                                                                                           \
        void (*hook_)(enum cvy_window) = cvy_load_acquire(&cvy_window_hook);                       \
        if (cvy_unlikely(hook_ != NULL)) {                                                         \
            hook_(window);                                                                         \
        }                                                                                          \
        CVY_WINDOW();                                                                              \
    } while (0)
#else
#define CVY_WINDOW() ((void)0)
#define CVY_WINDOW_NAMED(window) ((void)(window))
#endif

#endif
