/* SPDX-License-Identifier: MIT
 * dump.h - tasks and their stacks as text.
 *
 * A dump takes no lock that a task could hold and stops nobody but the one task that it looks at
 * (view.h): tasks come and go meanwhile, and no task is listed twice. */
#ifndef CVY_SCHED_DUMP_H
#define CVY_SCHED_DUMP_H

#include "os/symbol.h"
#include "sched/view.h"

#include <stdio.h>

/* What a dump needs of stack; libdw takes most of it. */
#define CVY_DUMP_STACK ((size_t)64 << 10)

struct cvy_dump {
    struct cvy_runtime *rt;
    FILE *out;
    int64_t now;
    bool is_plain;      /* allocates nothing: in signal handlers */
    bool is_fatal;      /* waits for no other thread, and takes no lock */
    unsigned searches;  /* of all tasks, for owners: locker.h */
    uint32_t owner;     /* the last one whose number was looked for; 0: none yet */
    uint64_t owner_id;  /* that number */
    int64_t silence_ns; /* for so long threads were asked for stacks in vain */
    struct cvy_symbols symbols;
};

/* From any thread, in the runtime or not: opens a dump, lets write do its part (with arg), on a
 * stack with room, and closes it; flushes out. write's code; COVEY_ECLOSED: needs_runtime, and none
 * is up; why out cannot be written. */
int cvy_dump_to(FILE *out, bool needs_runtime, int (*write)(struct cvy_dump *d, void *arg),
                void *arg);

void cvy_dump_open(struct cvy_dump *d, struct cvy_runtime *rt, FILE *out, bool is_plain);
void cvy_dump_close(struct cvy_dump *d);

/* The tasks by their groups, each with its stack. False: out of memory for some, which it says. */
bool cvy_dump_tree(struct cvy_dump *d);
/* Those in the same place once, with their number, the most first. False: out of memory. */
bool cvy_dump_folded(struct cvy_dump *d);
/* One of the two, by their number; or, if plain, a list of some. */
void cvy_dump_any(struct cvy_dump *d);

/* As cvy_view_take() does it, in detail, with the stack also of one that runs or makes a blocking
 * call. Not in signal handlers. */
bool cvy_dump_take(struct cvy_dump *d, struct cvy_task *t, struct cvy_view *v);
/* The stack of v's thread, unless others have been silent for long. */
void cvy_dump_ask(struct cvy_dump *d, struct cvy_view *v);
/* Plain threads that wait in covey, at most 64, each, the i-th from 0, to put; and to the text. */
void cvy_dump_threads(struct cvy_dump *d,
                      void (*put)(struct cvy_dump *d, const struct cvy_view *v, size_t i));
void cvy_dump_print_threads(struct cvy_dump *d);
/* The number of the task that owner is, as cvy_owner_of() has it. */
uint64_t cvy_dump_owner(struct cvy_dump *d, uint32_t owner);
/* What v waits for, in words, with who has it; out may become empty. */
void cvy_dump_detail(struct cvy_dump *d, const struct cvy_view *v, char *out, size_t size);
/* A task's line and stack, indented. */
void cvy_dump_view(struct cvy_dump *d, const struct cvy_view *v, int depth);
/* Its name in quotes, without what would move a terminal's cursor. */
void cvy_dump_name(struct cvy_dump *d, const struct cvy_view *v);
/* Its stack alone. */
void cvy_dump_frames(struct cvy_dump *d, const struct cvy_view *v, int indent);
/* "started at main.c:12", with what comes before it; nothing if site is NULL. */
void cvy_dump_site(struct cvy_dump *d, const char *before, const covey_site *site);

#define CVY_TRIMMED_MAX (2 * CVY_VIEW_FRAMES + 1)

/* The frames that are worth showing: without covey's own between a call and the switch, and below
 * the task's function; with those of inlined functions, while there is room, and with the task's
 * function too if it has ended in a tail call. */
struct cvy_trimmed {
    size_t count;
    const void *pcs[CVY_TRIMMED_MAX]; /* several have the same where functions are inlined */
    struct cvy_symbol symbols[CVY_TRIMMED_MAX];
};
void cvy_dump_trim(struct cvy_dump *d, const struct cvy_view *v, struct cvy_trimmed *t);
/* Behind the frame that i begins: its function comes last, after what is inlined there. */
size_t cvy_trimmed_frame_end(const struct cvy_trimmed *t, size_t i);

#endif
