/* SPDX-License-Identifier: MIT
 * native.c - COVEY_DEBUG=native: tells of tasks that leave their thread while it holds a pthread
 * mutex. Another task may then run on that thread and lock it again, and this one may unlock it on
 * another. What is held is known by libcovey-native.so, which stands in front of libpthread. */
#define _GNU_SOURCE
#include "sched/native.h"

#include "os/unwind.h"
#include "sched/dump.h"
#include "sched/turn.h"

#include <dlfcn.h>

#define TOLD_MAX 64

/* Set before the first task runs. */
static cvy_native_held_fn *held;

/* What was told of: a place of the program is told of once. Relaxed: at worst it is told twice. */
static const void *_Atomic told[TOLD_MAX];

struct report {
    struct cvy_task *task;
    const struct cvy_native_lock *lock;
    struct cvy_view leaves; /* its frames */
};

void cvy_native_start(void)
{
    if (!cvy_knob(CVY_KNOB_NATIVE)) {
        return;
    }
    held = (cvy_native_held_fn *)(uintptr_t)dlsym(RTLD_DEFAULT, "covey_native_held");
    if (!held) {
        (void)fputs("covey: COVEY_DEBUG=native needs LD_PRELOAD=libcovey-native.so\n", stderr);
    }
}

uint8_t cvy_native_checks(void)
{
    return held ? CVY_CHECK_NATIVE : 0;
}

static bool is_told(const void *place)
{
    for (size_t i = 0; i < TOLD_MAX; i++) {
        const void *other = NULL;
        if (atomic_compare_exchange_strong_explicit(&told[i], &other, place, memory_order_relaxed,
                                                    memory_order_relaxed)) {
            return false;
        }
        if (other == place) {
            return true;
        }
    }
    return true;
}

static void tell(void *arg)
{
    struct report *r = arg;
    struct cvy_view locks = {.frame_count = (uint32_t)r->lock->frame_count};
    struct cvy_dump d;

    for (size_t i = 0; i < r->lock->frame_count; i++) {
        locks.frames[i] = r->lock->frames[i];
    }
    cvy_dump_open(&d, cvy_runtime_get(), stderr, false);
    (void)fprintf(stderr,
                  "covey: native mutex: task %llu \"%s\" leaves its thread, which holds pthread "
                  "mutex %p\n",
                  (unsigned long long)r->task->id, cvy_task_label(r->task), r->lock->mutex);
    cvy_dump_frames(&d, &r->leaves, 4);
    (void)fputs("  locked\n", stderr);
    cvy_dump_frames(&d, &locks, 4);
    (void)fflush(stderr);
    cvy_dump_close(&d);
}

void cvy_native_check(struct cvy_task *t)
{
    const struct cvy_native_lock *locks;
    size_t n = held(&locks);

    for (size_t i = 0; i < n; i++) {
        if (locks[i].frame_count == 0 || is_told(locks[i].frames[0])) {
            continue;
        }
        /* A copy: telling locks, too. */
        struct cvy_native_lock lock = locks[i];
        struct report r = {.task = t, .lock = &lock};
        r.leaves.frame_count = (uint32_t)cvy_unwind_here(r.leaves.frames, CVY_VIEW_FRAMES, 0);
        cvy_with_stack(CVY_DUMP_STACK, tell, &r);
    }
}
