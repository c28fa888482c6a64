/* SPDX-License-Identifier: MIT
 * pages.h - address space that is committed when it is touched. */
#ifndef CVY_OS_PAGES_H
#define CVY_OS_PAGES_H

#include <stddef.h>

#define CVY_PAGE 4096
#define CVY_HUGE_PAGE ((size_t)2 << 20)

/* How it will be used; a hint. */
enum cvy_pages_use {
    CVY_PAGES_PLAIN,
    CVY_PAGES_SPARSE, /* a huge page would commit what nobody touches */
    CVY_PAGES_DENSE,  /* one fault may as well serve 2 MiB; aligned to that */
};

/* Zeroed, size is a multiple of the page; NULL: no address space left. */
void *cvy_pages_map(size_t size, enum cvy_pages_use use);
void cvy_pages_unmap(void *pages, size_t size);
/* Gives the memory back; the pages read as zeroes from then on. Guards in them stay. Only pages
 * that lie wholly inside. */
void cvy_pages_discard(void *start, size_t size);

#endif
