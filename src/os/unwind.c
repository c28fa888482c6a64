/* SPDX-License-Identifier: MIT
 * unwind.c - see unwind.h. The unwinder is libgcc's, which every C program has at hand.
 *
 * It can only start from where it is called. For a saved stack it is called through a few
 * instructions (unwind_ARCH.S) whose call-frame information says that their caller's registers are
 * those that cvy_switch() saved. */
#include "os/unwind.h"

#include "base/sanitizer.h"
#include "os/sys.h"

#include <stdbool.h>
#include <stdint.h>
#include <unwind.h>

/* unwind_ARCH.S: calls fn(arg); the walk from there goes on in the saved stack. Its frame is told
 * by the label behind that call. */
void cvy_unwind_call(void *sp, void (*fn)(void *), void *arg);
extern const char cvy_unwind_called[];

struct walk {
    void **frames;
    size_t count, max, skip;
    uintptr_t mark;     /* frames before this one do not count; 0: all do */
    bool is_mark_shown; /* the marked one does */
    uintptr_t base;     /* 0: up to the end */
};

static _Unwind_Reason_Code step(struct _Unwind_Context *context, void *arg)
{
    struct walk *w = arg;
    int is_exact = 0;
    uintptr_t ip = (uintptr_t)_Unwind_GetIPInfo(context, &is_exact);

    if (ip == 0) {
        return _URC_END_OF_STACK;
    }
    if (w->mark) {
        bool is_there = ip == w->mark;
        w->mark = is_there ? 0 : w->mark;
        if (!is_there || !w->is_mark_shown) {
            return _URC_NO_REASON;
        }
    }
    if (w->base && (uintptr_t)_Unwind_GetCFA(context) > w->base) {
        return _URC_END_OF_STACK;
    }
    if (w->skip > 0) {
        w->skip--;
    } else if (w->count < w->max) {
        w->frames[w->count++] = (void *)(is_exact ? ip : ip - 1);
    }
    return w->count < w->max ? _URC_NO_REASON : _URC_END_OF_STACK;
}

static void walk_on(void *arg)
{
    (void)_Unwind_Backtrace(step, arg);
}

size_t cvy_unwind_saved(void *sp, void **frames, size_t frames_max)
{
    struct walk w = {.frames = frames, .max = frames_max, .mark = (uintptr_t)cvy_unwind_called};

    cvy_unwind_call(sp, walk_on, &w);
    return w.count;
}

__attribute__((noinline)) size_t cvy_unwind_here(void **frames, size_t frames_max, size_t skip)
{
    /* This function's own frame goes too. */
    struct walk w = {.frames = frames, .max = frames_max, .skip = skip + 1};

    (void)_Unwind_Backtrace(step, &w);
    return w.count;
}

size_t cvy_unwind_interrupted(const void *context, void **frames, size_t frames_max,
                              const void *base)
{
    struct walk w = {.frames = frames,
                     .max = frames_max,
                     .mark = (uintptr_t)cvy_fault_pc(context),
                     .is_mark_shown = true,
                     .base = (uintptr_t)base};

    (void)_Unwind_Backtrace(step, &w);
    /* The thread sanitizer calls the handler later, from its own code, where the signal came. */
    return CVY_TSAN && w.count == 0 ? cvy_unwind_here(frames, frames_max, 0) : w.count;
}

void cvy_unwind_prepare(void)
{
    void *frame;

    (void)cvy_unwind_here(&frame, 1, 0);
}
