/* SPDX-License-Identifier: MIT
 * sanitizer.h - tells ASan and TSan of every switch between stacks; nothing in other builds. */
#ifndef CVY_BASE_SANITIZER_H
#define CVY_BASE_SANITIZER_H

#include <stddef.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define CVY_ASAN 1
#endif
#if __has_feature(thread_sanitizer)
#define CVY_TSAN 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define CVY_ASAN 1
#endif
#if defined(__SANITIZE_THREAD__)
#define CVY_TSAN 1
#endif
#ifndef CVY_ASAN
#define CVY_ASAN 0
#endif
#ifndef CVY_TSAN
#define CVY_TSAN 0
#endif
#define CVY_SANITIZED (CVY_ASAN || CVY_TSAN)

#if CVY_ASAN
void __sanitizer_start_switch_fiber(void **fake_stack, const void *bottom, size_t size);
void __sanitizer_finish_switch_fiber(void *fake_stack, const void **bottom, size_t *size);
void __asan_unpoison_memory_region(const volatile void *addr, size_t size);
void __lsan_register_root_region(const void *addr, size_t size);
void __lsan_unregister_root_region(const void *addr, size_t size);
#define CVY_ASAN_UNPOISON(addr, size) __asan_unpoison_memory_region((addr), (size))
/* A mapping of ours from which the leak checker is to follow pointers. */
#define CVY_LSAN_ROOT(addr, size) __lsan_register_root_region((addr), (size))
#define CVY_LSAN_FORGET(addr, size) __lsan_unregister_root_region((addr), (size))
#else
#define CVY_ASAN_UNPOISON(addr, size) ((void)0)
#define CVY_LSAN_ROOT(addr, size) ((void)0)
#define CVY_LSAN_FORGET(addr, size) ((void)0)
#endif

/* Before a switch that never returns: pops the frame that TSan pushed at the function's entry, or
 * the shadow stack of a reused stack would grow until it overflows. */
#if CVY_TSAN && defined(__clang__)
void __tsan_func_exit(void);
#define CVY_TSAN_POP_FRAME() __tsan_func_exit()
#else
#define CVY_TSAN_POP_FRAME() ((void)0)
#endif

#if CVY_TSAN
void *__tsan_get_current_fiber(void);
void *__tsan_create_fiber(unsigned flags);
void __tsan_destroy_fiber(void *fiber);
void __tsan_switch_to_fiber(void *fiber, unsigned flags);
#endif

#endif
