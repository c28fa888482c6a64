/* SPDX-License-Identifier: MIT
 * cycles.h - the processor's counter, the cheapest clock there is.
 *
 * Both counters tick at a constant rate and alike on all processors wherever Linux itself uses them
 * as its clock. What a tick is worth is found by reading cvy_clock_now() beside it, twice. */
#ifndef CVY_OS_CYCLES_H
#define CVY_OS_CYCLES_H

#include <stdint.h>

static inline uint64_t cvy_cycles(void)
{
#if defined(__x86_64__)
    return __builtin_ia32_rdtsc();
#elif defined(__aarch64__)
    uint64_t ticks;
    __asm__ volatile("mrs %0, cntvct_el0" : "=r"(ticks));
    return ticks;
#endif
}

#endif
