/* SPDX-License-Identifier: MIT
 * request.c - dumps in a form of choice (covey/debug.h). */
#include "debug/dump_json.h"

#include <covey/debug.h>
#include <covey/error.h>

#undef errno

static int write_tree(struct cvy_dump *d, void *arg)
{
    (void)arg;
    return cvy_dump_tree(d) ? 0 : -ENOMEM;
}

static int write_folded(struct cvy_dump *d, void *arg)
{
    (void)arg;
    return cvy_dump_folded(d) ? 0 : -ENOMEM;
}

static int write_json(struct cvy_dump *d, void *arg)
{
    (void)arg;
    cvy_dump_json(d);
    return 0;
}

static int write_places(struct cvy_dump *d, void *arg)
{
    return cvy_dump_json_places(d, arg) ? 0 : -ENOMEM;
}

int covey_dump_as(FILE *out, covey_dump_format format)
{
    static int (*const writers[])(struct cvy_dump * d, void *arg) = {
        [COVEY_DUMP_TREE] = write_tree,
        [COVEY_DUMP_FOLDED] = write_folded,
        [COVEY_DUMP_JSON] = write_json,
        [COVEY_DUMP_PLACES_JSON] = write_places,
    };
    covey_stats stats;

    if ((unsigned)format >= sizeof(writers) / sizeof(writers[0])) {
        return covey_errorf(-EINVAL, "no dump format %d", (int)format);
    }
    covey_stats_get(&stats);
    int code = cvy_dump_to(out, true, writers[format], &stats);
    return code < 0 ? cvy_fail(cvy_task_self(), code) : 0;
}
