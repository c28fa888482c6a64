/* SPDX-License-Identifier: MIT
 * slow.c - the one snapshot that a duration above a bound takes. */
#include "base/alloc.h"
#include "base/atomic.h"
#include "trace/recorder.h"

#include <covey/error.h>

#include <pthread.h>
#include <stdlib.h>

/* 0: none; who changes it to 0 has fired. */
static _Atomic int64_t bound;

/* Guards what follows; it is held while the snapshot is written. */
static pthread_mutex_t control = PTHREAD_MUTEX_INITIALIZER;
static char *wanted; /* where the snapshot goes; NULL: no bound was set */
static int outcome;  /* 1: written */

int cvy_trace_watch(int64_t bound_ns, const char *path)
{
    char *copy = cvy_strdup(path);

    if (!copy) {
        return -ENOMEM;
    }
    (void)pthread_mutex_lock(&control);
    int code = wanted ? -EBUSY : 0;
    if (code == 0) {
        wanted = copy;
        outcome = 0;
        cvy_store_release(&bound, bound_ns);
    }
    (void)pthread_mutex_unlock(&control);
    if (code < 0) {
        free(copy);
    }
    return code;
}

int cvy_trace_unwatch(void)
{
    (void)pthread_mutex_lock(&control);
    int code = wanted ? outcome : -ENOENT;
    cvy_store_relaxed(&bound, 0);
    free(wanted);
    wanted = NULL;
    (void)pthread_mutex_unlock(&control);
    return code;
}

bool cvy_trace_is_watched(void)
{
    return cvy_load_relaxed(&bound) > 0;
}

bool cvy_trace_is_too_long(int64_t ns)
{
    int64_t most = cvy_load_relaxed(&bound);

    /* One of all that are too slow. */
    return cvy_unlikely(most > 0) && ns > most && cvy_cas_acq_rel(&bound, &most, 0);
}

void cvy_trace_watch_fire(cvy_trace_alive_fn *look)
{
    struct cvy_trace_alive alive = {0};

    look(&alive);
    (void)pthread_mutex_lock(&control);
    if (wanted) {
        int code = cvy_trace_snapshot_of(wanted, &alive);
        outcome = code < 0 ? code : 1;
    }
    (void)pthread_mutex_unlock(&control);
    cvy_trace_alive_drop(&alive);
}
