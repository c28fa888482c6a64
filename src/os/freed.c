/* SPDX-License-Identifier: MIT
 * freed.c - see freed.h. A ring: the oldest is freed when there are too many, or too large ones. */
#define _GNU_SOURCE
#include "os/freed.h"

#include "base/panic.h"

#include <dlfcn.h>
#include <stdlib.h>

#define KEPT_MAX 8192u
#define BYTES_MAX ((size_t)64 << 20)

struct kept {
    void *object;
    size_t size;
    const char *kind;
    const void *where;
};

static struct {
    atomic_flag busy; /* guards the rest; no cvy_lock, whose slow path comes here */
    struct kept ring[KEPT_MAX];
    uint32_t first, count;
    size_t bytes;
} freed;

static void take(void)
{
    while (atomic_flag_test_and_set_explicit(&freed.busy, memory_order_acquire)) {
        cvy_cpu_relax();
    }
}

static void give(void)
{
    atomic_flag_clear_explicit(&freed.busy, memory_order_release);
}

static void drop_oldest(void)
{
    struct kept *k = &freed.ring[freed.first];

    freed.first = (freed.first + 1) % KEPT_MAX;
    freed.count--;
    freed.bytes -= k->size;
    free(k->object);
}

void cvy_freed_keep(void *object, size_t size, const char *kind, const void *where)
{
    take();
    while (freed.count == KEPT_MAX || (freed.count > 0 && freed.bytes + size > BYTES_MAX)) {
        drop_oldest();
    }
    freed.ring[(freed.first + freed.count++) % KEPT_MAX] = (struct kept){object, size, kind, where};
    freed.bytes += size;
    give();
}

/* As addr2line wants it: the file, and the place in it. */
_Noreturn static void tell(const struct kept *k)
{
    Dl_info in = {0};

    if (dladdr(k->where, &in) == 0 || !in.dli_fname) {
        cvy_fatal("%s %p is used after its last unref, at %p", k->kind, k->object, k->where);
    }
    cvy_fatal("%s %p is used after its last unref, at %s%s%s+%#zx", k->kind, k->object,
              in.dli_sname ? in.dli_sname : "", in.dli_sname ? " in " : "", in.dli_fname,
              (size_t)((const char *)k->where - (const char *)in.dli_fbase));
}

void cvy_freed_check_slow(const void *address)
{
    struct kept found = {0};

    take();
    for (uint32_t i = 0; i < freed.count; i++) {
        const struct kept *k = &freed.ring[(freed.first + i) % KEPT_MAX];
        if ((uintptr_t)address - (uintptr_t)k->object < k->size) {
            found = *k;
            break;
        }
    }
    give();
    if (found.object) {
        tell(&found);
    }
}
