/* SPDX-License-Identifier: MIT
 * guard.c - see guard.h. */
#define _GNU_SOURCE
#include "os/guard.h"

#include "base/env.h"
#include "os/pages.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif
#ifndef PIDFD_SELF
#define PIDFD_SELF (-10000) /* Linux 6.14 */
#endif
/* Each PROT_NONE page splits a mapping; the kernel's default allows 65,530 of them. */
#define SPLITS_MAX 30000

/* Whether the advice makes a guard: an emulator (qemu-user) agrees to any that it does not know. A
 * system call that is told to write there then fails, without a signal. */
static bool can_advise(void)
{
    void *page = mmap(NULL, CVY_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (page == MAP_FAILED) {
        return false;
    }
    bool holds = madvise(page, CVY_PAGE, MADV_GUARD_INSTALL) == 0 &&
                 syscall(SYS_getrandom, page, 1, GRND_NONBLOCK) < 0;
    (void)munmap(page, CVY_PAGE);
    return holds;
}

void cvy_guards_init(struct cvy_guards *g)
{
    const char *wanted = getenv("COVEY_STACK_GUARD");
    int kind;

    if (wanted && strcmp(wanted, "mprotect") == 0) {
        kind = CVY_GUARD_MPROTECT;
    } else if (wanted && strcmp(wanted, "canary") == 0) {
        kind = CVY_GUARD_CANARY;
    } else {
        if (wanted && *wanted && strcmp(wanted, "madvise") != 0) {
            cvy_env_ignored("COVEY_STACK_GUARD", "madvise, mprotect or canary");
        }
        kind = can_advise() ? CVY_GUARD_MADVISE : CVY_GUARD_MPROTECT;
    }
    cvy_store_relaxed(&g->kind, kind);
    cvy_store_relaxed(&g->has_no_batch, false);
    cvy_store_relaxed(&g->split_count, 0);
}

/* A call for all takes two thirds of the time of a call each. */
static size_t advise_batch(struct cvy_guards *g, char *const *pages, size_t count)
{
    struct iovec parts[CVY_GUARD_BATCH];

    if (count == 1 || cvy_load_relaxed(&g->has_no_batch)) {
        return 0;
    }
    for (size_t i = 0; i < count; i++) {
        parts[i] = (struct iovec){.iov_base = pages[i], .iov_len = CVY_PAGE};
    }
    long done = syscall(SYS_process_madvise, PIDFD_SELF, parts, count, MADV_GUARD_INSTALL, 0);
    if (done < 0) {
        cvy_store_relaxed(&g->has_no_batch, true);
        return 0;
    }
    return (size_t)done / CVY_PAGE;
}

static size_t advise(struct cvy_guards *g, char *const *pages, size_t count)
{
    size_t n = advise_batch(g, pages, count);

    while (n < count && madvise(pages[n], CVY_PAGE, MADV_GUARD_INSTALL) == 0) {
        n++;
    }
    return n;
}

static size_t protect(struct cvy_guards *g, char *const *pages, size_t count)
{
    size_t n = 0;

    while (n < count && cvy_load_relaxed(&g->split_count) < SPLITS_MAX &&
           mprotect(pages[n], CVY_PAGE, PROT_NONE) == 0) {
        atomic_fetch_add_explicit(&g->split_count, 1, memory_order_relaxed);
        n++;
    }
    return n;
}

size_t cvy_guards_install(struct cvy_guards *g, char *const *pages, size_t count)
{
    size_t n = 0;

    if (cvy_load_relaxed(&g->kind) == CVY_GUARD_MADVISE) {
        n = advise(g, pages, count);
        if (n == count) {
            return n;
        }
        cvy_store_relaxed(&g->kind, CVY_GUARD_MPROTECT);
    }
    if (cvy_load_relaxed(&g->kind) == CVY_GUARD_MPROTECT) {
        n += protect(g, pages + n, count - n);
    }
    return n;
}

void cvy_guards_forget(struct cvy_guards *g, size_t count)
{
    size_t splits = cvy_load_relaxed(&g->split_count);

    while (splits > 0 && !atomic_compare_exchange_weak_explicit(
                             &g->split_count, &splits, splits > count ? splits - count : 0,
                             memory_order_relaxed, memory_order_relaxed)) {
    }
}
