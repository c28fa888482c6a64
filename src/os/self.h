/* SPDX-License-Identifier: MIT
 * self.h - the one thread-local word of covey: whose thread runs (self_ARCH.S).
 *
 * A task may go on on another thread after a switch, and a compiler may keep the address of a
 * thread-local over it. So no compiler knows of this one: it is defined in assembly, and read by
 * instructions that it can neither keep apart nor move over a call. No call of their own: every
 * function of the library begins with them, and would have to save its arguments. */
#ifndef CVY_OS_SELF_H
#define CVY_OS_SELF_H

/* NULL until cvy_self_set() in this thread. Never kept across a switch. */
static inline void *cvy_self(void)
{
    void *self;
#if defined(__x86_64__)
    __asm__ volatile("movq cvy_self_word@gottpoff(%%rip), %0\n\t"
                     "movq %%fs:(%0), %0"
                     : "=r"(self)
                     :
                     : "memory");
#elif defined(__aarch64__)
    void *base;
    __asm__ volatile("adrp %0, :gottprel:cvy_self_word\n\t"
                     "ldr %0, [%0, :gottprel_lo12:cvy_self_word]\n\t"
                     "mrs %1, tpidr_el0\n\t"
                     "ldr %0, [%1, %0]"
                     : "=&r"(self), "=&r"(base)
                     :
                     : "memory");
#endif
    return self;
}

void cvy_self_set(void *self);

#endif
