/* SPDX-License-Identifier: MIT
 * covey/debug.h - what the tasks are doing: dumps, and a check that a test leaves none behind.
 *
 * A dump shows each task's name, number and state; what it waits for and for how long; the deadline
 * and end of its context; where it was started; and its stack. Nothing is stopped for it: each
 * parked task is kept from waking for the microseconds in which it is looked at, so that a dump is
 * no picture of one moment. A running task's stack is not shown. Stacks need no frame pointers.
 * Functions and lines are found with libdw (Debian: libdw1), which is loaded at run time if it is
 * there; without it there are names of exported functions, modules and offsets, for addr2line. */
#ifndef COVEY_DEBUG_H
#define COVEY_DEBUG_H

#include <covey/defs.h>

#include <stdio.h>

COVEY_BEGIN

/* Writes the tasks as a tree: under each task the groups that it opened, and in them their tasks.
 * From any thread, also while no runtime is up; does not switch. Takes no lock that a task could
 * hold. */
COVEY_API void covey_dump(FILE *out);

typedef enum covey_dump_format {
    COVEY_DUMP_TREE,   /* as covey_dump() */
    COVEY_DUMP_FOLDED, /* tasks with the same name, start, wait and stack once, with their number;
                          the most first. A million tasks take seconds, and little memory */
    COVEY_DUMP_JSON,   /* one object, for tools: docs/debugging.md has its fields */
} covey_dump_format;

/* The same in a form of choice. 0; COVEY_ECLOSED: no runtime is up; -ENOMEM; -EIO: out has failed;
 * -EINVAL: no such format. */
COVEY_API int covey_dump_as(FILE *out, covey_dump_format format);

/* For tests of yours: a block in which nothing may be left behind. (In a run of covey/test.h use
 * COVEY_TEST_NO_LEAKS.)
 *
 *     COVEY_NO_LEAKS {
 *         ... code under test, which may start tasks and wait for them ...
 *     }
 *
 * At its end tasks that were started in it and are still alive, and descriptors that were opened in
 * it and are still open (of the first 1,024), are reported on standard error, the tasks with their
 * stacks, and the process aborts. What is on its way out is waited for, up to a second. It works in
 * a task, in a plain thread, and around a whole covey_run(). What others start or open meanwhile
 * counts too: run such tests alone. Leave the block at its end or by break, not by return or goto.
 * May switch. */
#define COVEY_NO_LEAKS                                                                             \
    for (covey_leak_scope covey_scope_ = covey_leak_scope_open(__FILE__, __LINE__);                \
         covey_scope_.is_open; covey_leak_scope_close(&covey_scope_))

/* The same by hand, for who reports in another way: between open and close covey_leak_count() tells
 * how many tasks and descriptors are left, after waiting for those on their way out, and reports
 * nothing; covey_leak_scope_drop() ends the scope without a check. May switch, all but drop. */
typedef struct covey_leak_scope {
    bool is_open;
    const char *file;
    int line;
    struct covey_leaks *before_; /* covey's: what there was before */
} covey_leak_scope;
COVEY_API covey_leak_scope covey_leak_scope_open(const char *file, int line);
COVEY_API size_t covey_leak_count(const covey_leak_scope *scope);
COVEY_API void covey_leak_scope_close(covey_leak_scope *scope);
COVEY_API void covey_leak_scope_drop(covey_leak_scope *scope);

COVEY_END
#endif
