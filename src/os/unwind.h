/* SPDX-License-Identifier: MIT
 * unwind.h - walks stacks by their call-frame information: this one, and those that cvy_switch()
 * has saved. Frame pointers would find one frame in plain -O2 code.
 *
 * Frames are addresses inside the call instruction (the return address less one), the innermost
 * first: what symbols and lines are looked up by. Allocates nothing; after cvy_unwind_prepare()
 * takes no lock, so that it serves in signal handlers too. */
#ifndef CVY_OS_UNWIND_H
#define CVY_OS_UNWIND_H

#include <stddef.h>

/* Lets the unwinder do what it does only once, outside of any signal handler. */
void cvy_unwind_prepare(void);
/* The caller's own frames, but for the first skip. How many. */
size_t cvy_unwind_here(void **frames, size_t frames_max, size_t skip);
/* The frames that a signal's handler, which was given this context, has interrupted; if base is not
 * NULL, those whose stack pointer lies below it. */
size_t cvy_unwind_interrupted(const void *context, void **frames, size_t frames_max,
                              const void *base);
/* The frames of a stack that cvy_switch() has left with this pointer. It must stay left meanwhile.
 */
size_t cvy_unwind_saved(void *sp, void **frames, size_t frames_max);

#endif
