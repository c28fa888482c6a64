/* SPDX-License-Identifier: MIT
 * switch.h - the switch between stacks, in assembly (switch_ARCH.S). */
#ifndef CVY_OS_SWITCH_H
#define CVY_OS_SWITCH_H

/* Saves the callee-saved registers and floating-point control on this stack, its pointer in
 * *save_sp, and goes on where load_sp was saved. */
void cvy_switch(void **save_sp, void *load_sp);

/* Lays out a fresh stack below top (16-byte aligned) so that the first switch to the returned
 * pointer calls entry(), which must not return. */
void *cvy_switch_prepare(void *top, void (*entry)(void));

/* Floating-point control as at a task's start, for one that takes over a running stack. */
void cvy_switch_reset_float(void);

#endif
