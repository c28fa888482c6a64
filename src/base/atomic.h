/* SPDX-License-Identifier: MIT
 * atomic.h - short names for C11 atomics; each use states its order. */
#ifndef CVY_BASE_ATOMIC_H
#define CVY_BASE_ATOMIC_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define cvy_load_relaxed(p) atomic_load_explicit((p), memory_order_relaxed)
#define cvy_load_acquire(p) atomic_load_explicit((p), memory_order_acquire)
#define cvy_load_seq_cst(p) atomic_load_explicit((p), memory_order_seq_cst)
#define cvy_store_relaxed(p, v) atomic_store_explicit((p), (v), memory_order_relaxed)
#define cvy_store_release(p, v) atomic_store_explicit((p), (v), memory_order_release)
#define cvy_store_seq_cst(p, v) atomic_store_explicit((p), (v), memory_order_seq_cst)
#define cvy_cas_acquire(p, old, new)                                                               \
    atomic_compare_exchange_strong_explicit((p), (old), (new), memory_order_acquire,               \
                                            memory_order_relaxed)
#define cvy_cas_acq_rel(p, old, new)                                                               \
    atomic_compare_exchange_strong_explicit((p), (old), (new), memory_order_acq_rel,               \
                                            memory_order_acquire)

/* Keeps the compiler, not the processor, from reordering: the cheap half of an asymmetric fence
 * whose other half is os/membarrier. */
#define cvy_compiler_fence() atomic_signal_fence(memory_order_seq_cst)

#define cvy_likely(x) __builtin_expect(!!(x), 1)
#define cvy_unlikely(x) __builtin_expect(!!(x), 0)

static inline void cvy_cpu_relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield" ::: "memory");
#endif
}

static inline void cvy_cpu_pause(unsigned times)
{
    for (unsigned i = 0; i < times; i++) {
        cvy_cpu_relax();
    }
}

/* For variables declared here and defined elsewhere in the library: without it -fPIC looks their
 * address up in an instruction of its own. */
#define CVY_HIDDEN __attribute__((visibility("hidden")))

#define CVY_CACHE_LINE 64
#define CVY_CONTAINER_OF(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

#endif
