/* SPDX-License-Identifier: MIT
 * view.h - one task as a dump sees it: copied while its owner goes on.
 *
 * A parked task is held while it is looked at: its claim is changed from open to held, so that
 * nobody can wake it, and what it waits for, its context and its stack stay as they are. Who looks
 * takes no lock meanwhile: a waker may hold it. Of a task that runs or may run any moment there is
 * only what its record says, each field a moment's view. */
#ifndef CVY_SCHED_VIEW_H
#define CVY_SCHED_VIEW_H

#include "sched/wait.h"

#include <covey/debug.h>

#define CVY_VIEW_FRAMES 48
#define CVY_VIEW_NOTES 3
#define CVY_VIEW_OWNERS 4
#define CVY_VIEW_THREAD "plain thread" /* the name of what is no task */

/* A covey_wait_note. */
struct cvy_view_note {
    const char *what;
    const void *object; /* what others may hold; an address, not to be read */
    int64_t since;      /* 0: unknown */
    bool is_work;
    char text[96]; /* may be empty */
};

struct cvy_view {
    struct cvy_task *task;
    uint64_t id;
    uint32_t thread; /* the system's number of a plain thread; 0: it is a task */
    char name[sizeof(((struct cvy_task *)0)->name)]; /* empty: started->name */
    const covey_site *started;                       /* may be NULL */
    covey_fn *fn;
    const struct cvy_scope *group; /* NULL: none; an address, not to be read */
    unsigned state, reason;
    const void *object; /* what it waits for; an address, not to be read */
    int64_t since;      /* 0: unknown */

    /* Of one that was held, and of the caller's own task. */
    uint32_t frame_count;
    void *frames[CVY_VIEW_FRAMES];
    uint32_t interrupted_count; /* the first so many are what a signal has interrupted */

    /* Only of one that was held. */
    bool is_parked;
    bool can_cancel; /* its wait is under a context */
    int done;        /* that context's error, or the group's */
    int64_t deadline;
    const covey_site *deadline_site;  /* may be NULL */
    uint64_t group_opener;            /* 0: a plain thread, or unknown */
    const covey_site *opener_started; /* the opener's label and start; both may be empty */
    char opener_name[sizeof(((struct cvy_task *)0)->name)];
    const covey_site *group_site; /* where the group was opened */
    char detail[128];             /* of what it waits for, in words; may be empty */
    uint32_t owner_count;         /* who has it, as cvy_owner_of() has them */
    uint32_t owners[CVY_VIEW_OWNERS];
    bool are_readers;
    uint32_t note_count;
    struct cvy_view_note notes[CVY_VIEW_NOTES]; /* what for; the innermost first */
};

/* False: the record is free. is_brief: without detail, and without which
 * of its kind a note is about. */
bool cvy_view_take(struct cvy_task *t, struct cvy_view *v, bool is_brief);
const char *cvy_view_label(const struct cvy_view *v);
const char *cvy_view_state(const struct cvy_view *v);
const char *cvy_view_reason(const struct cvy_view *v);

/* A plain thread, in detail, without its stack. False: it does not wait. */
bool cvy_view_take_thread(struct cvy_thread *th, struct cvy_view *v);
/* Whether v's task, if it waits, is still in that wait; a moment's view. */
bool cvy_view_is_still(const struct cvy_view *v);
/* Those that wait, at most max; how many: none while the runtime ends. */
size_t cvy_foreign_waiting(struct cvy_runtime *rt, struct cvy_view *views, size_t max);

/* The task that th, the caller's, runs: what it is, without its stack. Signal handlers may ask. */
void cvy_view_take_running(const struct cvy_thread *th, struct cvy_view *v);
/* Its stack, also from the thread's base, or where it has just come off it, or has faulted. */
void cvy_view_take_own_stack(const struct cvy_task *t, struct cvy_view *v);

/* A task's name as it is at the moment; out has the room of cvy_task.name. */
void cvy_view_name(const struct cvy_task *t, char *out);

/* Keeps a parked task parked; false: it is not parked. For microseconds, without taking locks. */
bool cvy_task_hold(struct cvy_task *t, uint32_t *claim);
void cvy_task_unhold(struct cvy_task *t, uint32_t claim);

/* What the layers above know of what a task waits for: words for it. Weak: where one is missing
 * nobody waits for such a thing. Called while the waiting task is held; take no lock. */
typedef void cvy_describe_fn(const void *object, char *out, size_t size);
#define CVY_WEAK __attribute__((weak))
CVY_WEAK cvy_describe_fn cvy_chan_describe, cvy_select_describe, cvy_group_describe,
    cvy_fd_describe, cvy_dial_describe, cvy_resolve_describe, cvy_mutex_describe,
    cvy_waitgroup_describe, cvy_sem_describe;
/* Who holds a mutex, or a rwmutex to write, as cvy_owner_of() has it; 0: nobody, or unknown. */
CVY_WEAK uint32_t cvy_mutex_owner(const void *mutex);
CVY_WEAK uint32_t cvy_rwmutex_owner(const void *rwmutex);
/* Who reads under a rwmutex, has permits of a semaphore, or has told that it holds something else,
 * while diagnosis is on, and how much (NULL: does not matter): at most max. The object may be gone.
 * A moment's view. */
CVY_WEAK size_t cvy_holders_of(const void *object, uint32_t *owners, int64_t *shares, size_t max);
/* Who holds a mutex, or a rwmutex to write, for which a task waits, as above; 0 also if it waits for
 * something else. While that is held. */
uint32_t cvy_view_lock_owner(unsigned reason, const void *object);
/* Forgets them all: a run begins. */
CVY_WEAK void cvy_holders_clear(void);
/* How many permits of a semaphore that is waited for are out, or tasks of a group in the way of one
 * that waits for its limit; 0: others may let them go on, for all that is known. */
CVY_WEAK int64_t cvy_sem_held(const void *sem);
CVY_WEAK int64_t cvy_group_full(const void *group);
/* The group whose end alone ends a select; NULL: something else may. */
CVY_WEAK const void *cvy_select_joins(const void *select);
/* The end of a group's tasks; their owner is its struct cvy_scope. */
CVY_WEAK cvy_end_fn cvy_group_member_end;

/* Whose task t is; NULL: no group's. In line, so that who looks at a task behind its owner's back is
 * not told of by TSan. */
__attribute__((always_inline)) static inline const struct cvy_scope *
cvy_view_group(const struct cvy_task *t)
{
    return cvy_group_member_end && t->on_end == cvy_group_member_end ? t->owner : NULL;
}

#endif
