/* SPDX-License-Identifier: MIT
 * reason_test.c - a trace names what a task waits for as a dump does. */
#include "sched/worker.h"

#include <covey/trace_format.h>

#include "harness.h"

static const char *const names[] = {
#define NAME(number, name) [number] = name,
    COVEY_TRACE_REASON_LIST(NAME)
#undef NAME
};

TEST(traces_and_dumps_name_the_same_reasons)
{
    unsigned n = sizeof(names) / sizeof(names[0]);

    CHECK_EQ(n, CVY_WAIT_HANGUP + 1); /* the last one */
    for (unsigned i = 1; i < n; i++) {
        CHECK_STR(cvy_reason_words(i), names[i]);
    }
}
