/* SPDX-License-Identifier: MIT
 * delay.h - critical windows: places where another thread that gets in between could see, or do,
 * what nobody thought of. With COVEY_DEBUG=delay a thread dwells there at random. */
#ifndef CVY_OS_DELAY_H
#define CVY_OS_DELAY_H

#include "base/debug.h"
#include "base/panic.h"

/* Now and then spins, yields the CPU or sleeps up to 300 us. Uses little stack. */
void cvy_delay(void);

#if CVY_DEBUG
#define CVY_WINDOW()                                                                               \
    do {                                                                                           \
        if (cvy_knob(CVY_KNOB_DELAY)) {                                                            \
            cvy_delay();                                                                           \
        }                                                                                          \
    } while (0)
#else
#define CVY_WINDOW() ((void)0)
#endif

#endif
