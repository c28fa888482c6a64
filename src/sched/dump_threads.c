/* SPDX-License-Identifier: MIT
 * dump_threads.c - plain threads that wait in covey, beside the tasks. */
#include "base/alloc.h"
#include "sched/dump.h"

#include <stdlib.h>

#define THREADS_MAX 64

void cvy_dump_threads(struct cvy_dump *d,
                      void (*put)(struct cvy_dump *d, const struct cvy_view *v, size_t i))
{
    struct cvy_view *views = d->is_fatal ? NULL : cvy_alloc(THREADS_MAX * sizeof(*views));

    /* First all of them: a thread may end while another is asked. */
    size_t n = views ? cvy_foreign_waiting(d->rt, views, THREADS_MAX) : 0;
    for (size_t i = 0; i < n; i++) {
        cvy_dump_ask(d, &views[i]);
        put(d, &views[i], i);
    }
    free(views);
}

static void print(struct cvy_dump *d, const struct cvy_view *v, size_t i)
{
    (void)i;
    cvy_dump_view(d, v, 1);
}

void cvy_dump_print_threads(struct cvy_dump *d)
{
    cvy_dump_threads(d, print);
}
