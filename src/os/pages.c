/* SPDX-License-Identifier: MIT
 * pages.c - see pages.h. */
#define _GNU_SOURCE
#include "os/pages.h"

#include "base/debug.h"

#include <stdint.h>
#include <sys/mman.h>

static char *map(size_t size)
{
    if (cvy_alloc_fails()) {
        return NULL;
    }
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    return p == MAP_FAILED ? NULL : p;
}

/* Aligned to a huge page. Newer kernels align large mappings by themselves. */
static char *map_aligned(size_t size)
{
    char *p = map(size);

    if (!p || (uintptr_t)p % CVY_HUGE_PAGE == 0) {
        return p;
    }
    (void)munmap(p, size);
    p = map(size + CVY_HUGE_PAGE);
    if (!p) {
        return NULL;
    }
    size_t before = -(uintptr_t)p % CVY_HUGE_PAGE;
    if (before > 0) {
        (void)munmap(p, before);
    }
    (void)munmap(p + before + size, CVY_HUGE_PAGE - before);
    return p + before;
}

void *cvy_pages_map(size_t size, enum cvy_pages_use use)
{
    char *p = use == CVY_PAGES_DENSE ? map_aligned(size) : map(size);

    if (p && use != CVY_PAGES_PLAIN) {
        (void)madvise(p, size, use == CVY_PAGES_DENSE ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
    }
    return p;
}

void cvy_pages_unmap(void *pages, size_t size)
{
    (void)munmap(pages, size);
}

void cvy_pages_discard(void *start, size_t size)
{
    uintptr_t from = ((uintptr_t)start + CVY_PAGE - 1) & ~(uintptr_t)(CVY_PAGE - 1);
    uintptr_t to = ((uintptr_t)start + size) & ~(uintptr_t)(CVY_PAGE - 1);

    if (to > from) {
        (void)madvise((char *)start + (from - (uintptr_t)start), to - from, MADV_DONTNEED);
    }
}
