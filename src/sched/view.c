/* SPDX-License-Identifier: MIT
 * view.c - see view.h. */
#include "sched/view.h"

#include "os/module.h"
#include "os/unwind.h"
#include "sched/diagnosis.h"
#include "sched/note.h"

#include <stdio.h>
#include <string.h>

#define HELD_NAPS_MAX 100

static const char *const states[] = {
    [CVY_TASK_FREE] = "free",         [CVY_TASK_NEW] = "new",
    [CVY_TASK_RUNNABLE] = "runnable", [CVY_TASK_RUNNING] = "running",
    [CVY_TASK_WAITING] = "waiting",
};

static void describe_sleep(const void *object, char *out, size_t size)
{
    int64_t left = *(const int64_t *)object - cvy_clock_now();
    (void)snprintf(out, size, left >= 0 ? "due in %.3f s" : "overdue by %.3f s",
                   (double)(left >= 0 ? left : -left) / (double)COVEY_SEC);
}

static const struct {
    const char *name;
    cvy_describe_fn *describe;
} reasons[] = {
    [CVY_WAIT_NONE] = {"", NULL},
    [CVY_WAIT_SEND] = {"chan send", cvy_chan_describe},
    [CVY_WAIT_RECV] = {"chan receive", cvy_chan_describe},
    [CVY_WAIT_SELECT] = {"select", cvy_select_describe},
    [CVY_WAIT_MUTEX] = {"mutex", cvy_mutex_describe},
    [CVY_WAIT_RWMUTEX_READ] = {"rwmutex read", NULL},
    [CVY_WAIT_RWMUTEX_WRITE] = {"rwmutex write", NULL},
    [CVY_WAIT_COND] = {"cond", NULL},
    [CVY_WAIT_SEM] = {"semaphore", cvy_sem_describe},
    [CVY_WAIT_WAITGROUP] = {"waitgroup", cvy_waitgroup_describe},
    [CVY_WAIT_ONCE] = {"once", NULL},
    [CVY_WAIT_GROUP] = {"group wait", cvy_group_describe},
    [CVY_WAIT_GROUP_LIMIT] = {"group limit", cvy_group_describe},
    [CVY_WAIT_SLEEP] = {"sleep", describe_sleep},
    [CVY_WAIT_READ] = {"read", cvy_fd_describe},
    [CVY_WAIT_WRITE] = {"write", cvy_fd_describe},
    [CVY_WAIT_ACCEPT] = {"accept", cvy_fd_describe},
    [CVY_WAIT_DIAL] = {"dial", cvy_dial_describe},
    [CVY_WAIT_BLOCKING] = {"blocking call", NULL},
    [CVY_WAIT_RESOLVE] = {"name lookup", cvy_resolve_describe},
    [CVY_WAIT_SINGLEFLIGHT] = {"singleflight", NULL},
    [CVY_WAIT_SETTLE] = {"test settle", NULL},
    [CVY_WAIT_HANGUP] = {"hang-up", cvy_fd_describe},
};

/* Its claim, once no other dump looks at it, which takes microseconds; but that one may have lost
 * its CPU, or wait for this thread's end of a signal: then not for ever. */
static uint32_t claim_not_held(struct cvy_task *t)
{
    uint32_t claim = cvy_load_relaxed(&t->claim);

    for (int i = 0; (claim & CVY_CLAIM_HELD) && i < HELD_NAPS_MAX; i++) {
        cvy_futex_wait(&t->claim, claim, 20 * COVEY_US);
        claim = cvy_load_relaxed(&t->claim);
    }
    return claim;
}

bool cvy_task_hold(struct cvy_task *t, uint32_t *claim)
{
    uint32_t open = claim_not_held(t);

    /* Acq_rel: acquire pairs with the open. From here on nobody else can wake it. */
    if ((open != CVY_CLAIM_OPEN && open != CVY_CLAIM_OPEN_CTX) ||
        !cvy_cas_acq_rel(&t->claim, &open, CVY_CLAIM_HELD | open)) {
        return false;
    }
    *claim = open;
    /* Acquire: pairs with the release in cvy_after_switch(); its context is saved. Or with that in
     * park_thread(). */
    if (cvy_load_acquire(&t->on_cpu) == 0 && (t->stack || t->is_foreign)) {
        return true;
    }
    cvy_task_unhold(t, open);
    return false;
}

void cvy_task_unhold(struct cvy_task *t, uint32_t claim)
{
    uint32_t held = CVY_CLAIM_HELD | claim;

    /* It fails only if the task has closed the claim by itself, on its way into the wait. */
    (void)cvy_cas_acq_rel(&t->claim, &held, claim);
}

/* Here and below TSan would rightly speak of races: each field is a moment's view. A name's last
 * byte is always 0. */
__attribute__((no_sanitize("thread"), noinline)) void cvy_view_name(const struct cvy_task *t,
                                                                    char *out)
{
    for (size_t i = 0; i + 1 < sizeof(t->name); i++) {
        out[i] = ((const volatile char *)t->name)[i];
    }
    out[sizeof(t->name) - 1] = '\0';
}

__attribute__((no_sanitize("thread"), noinline)) static void copy_record(struct cvy_task *t,
                                                                         struct cvy_view *v)
{
    v->task = t;
    v->id = t->id;
    v->started = t->site;
    v->fn = t->fn;
    v->group = cvy_view_group(t);
    uint64_t wait = cvy_load_relaxed(&t->wait);
    v->object = cvy_wait_object(wait);
    v->since = cvy_load_relaxed(&t->wait_since);
    v->reason = cvy_wait_reason(wait);
    cvy_view_name(t, v->name);
}

__attribute__((no_sanitize("thread"), noinline)) static void
copy_opener(const struct cvy_task *opener, struct cvy_view *v)
{
    if (opener) {
        v->group_opener = opener->id;
        v->opener_started = opener->site;
        cvy_view_name(opener, v->opener_name);
    }
}

uint32_t cvy_view_lock_owner(unsigned reason, const void *object)
{
    if (reason == CVY_WAIT_MUTEX) {
        return cvy_mutex_owner ? cvy_mutex_owner(object) : 0;
    }
    if (reason == CVY_WAIT_RWMUTEX_READ || reason == CVY_WAIT_RWMUTEX_WRITE) {
        return cvy_rwmutex_owner ? cvy_rwmutex_owner(object) : 0;
    }
    return 0;
}

static void copy_owners(struct cvy_view *v)
{
    bool is_rwmutex = v->reason == CVY_WAIT_RWMUTEX_READ || v->reason == CVY_WAIT_RWMUTEX_WRITE;
    uint32_t owner = cvy_view_lock_owner(v->reason, v->object);

    if (owner) {
        v->owners[v->owner_count++] = owner;
    } else if ((is_rwmutex || v->reason == CVY_WAIT_SEM) && cvy_holders_of) {
        v->owner_count = (uint32_t)cvy_holders_of(v->object, v->owners, NULL, CVY_VIEW_OWNERS);
        v->are_readers = is_rwmutex;
    }
}

/* What may be read only as long as t is parked. */
static void copy_parked(const struct cvy_task *t, uint32_t claim, struct cvy_view *v, bool is_brief)
{
    const struct cvy_cancel *c =
        claim == CVY_CLAIM_OPEN_CTX ? t->registered : cvy_ctx_cancel_of(t->ctx);

    v->is_parked = true;
    v->can_cancel = claim == CVY_CLAIM_OPEN_CTX;
    if (c) {
        v->done = cvy_load_relaxed(&c->done);
        v->deadline = c->deadline;
        v->deadline_site = c->site;
    }
    if (v->group) {
        /* It lives at least as long as its member, and its opener as long as it. */
        v->group_site = v->group->site;
        copy_opener(v->group->opener, v);
    }
    cvy_describe_fn *describe =
        v->reason < sizeof(reasons) / sizeof(reasons[0]) ? reasons[v->reason].describe : NULL;
    if (describe && v->object && !is_brief) {
        describe(v->object, v->detail, sizeof(v->detail));
    }
    if (v->object && !is_brief && cvy_diagnosis_on()) {
        copy_owners(v);
    }
    cvy_notes_view(t, v, is_brief);
    if (t->stack) {
        v->frame_count = (uint32_t)cvy_unwind_saved(t->sp, v->frames, CVY_VIEW_FRAMES);
    }
}

static void clear(struct cvy_view *v)
{
    v->thread = 0;
    v->is_parked = v->can_cancel = false;
    v->done = 0;
    v->deadline = CVY_NEVER;
    v->deadline_site = v->group_site = v->opener_started = NULL;
    v->group_opener = 0;
    v->opener_name[0] = '\0';
    v->detail[0] = '\0';
    v->owner_count = 0;
    v->are_readers = false;
    v->frame_count = v->interrupted_count = 0;
    v->note_count = 0;
}

void cvy_view_take_own_stack(const struct cvy_task *t, struct cvy_view *v)
{
    /* A fault is told on a stack of its own, which leads back to the task's. */
    bool is_away = t->stack && !cvy_stack_holds(t->stack, __builtin_frame_address(0)) &&
                   !cvy_thread_self()->is_faulting;

    v->frame_count = (uint32_t)(is_away ? cvy_unwind_saved(t->sp, v->frames, CVY_VIEW_FRAMES)
                                        : cvy_unwind_here(v->frames, CVY_VIEW_FRAMES, 0));
}

void cvy_view_take_running(const struct cvy_thread *th, struct cvy_view *v)
{
    struct cvy_task *t = th->task;

    clear(v);
    v->state = CVY_TASK_RUNNING;
    copy_record(t, v);
    v->reason = CVY_WAIT_NONE;
    v->since = 0;
    if (t->is_foreign) {
        memcpy(v->name, CVY_VIEW_THREAD, sizeof(CVY_VIEW_THREAD));
    }
    /* It is there as long as its member runs: body.c takes it from the record before the end. */
    v->group_site = v->group ? v->group->site : NULL;
}

bool cvy_view_take(struct cvy_task *t, struct cvy_view *v, bool is_brief)
{
    uint32_t claim;

    v->state = cvy_task_state(t);
    if (v->state == CVY_TASK_FREE) {
        return false;
    }
    clear(v);
    if (cvy_task_hold(t, &claim)) {
        v->state = CVY_TASK_WAITING;
        copy_record(t, v);
        copy_parked(t, claim, v, is_brief);
        cvy_task_unhold(t, claim);
    } else {
        copy_record(t, v);
        if (t == cvy_task_self()) {
            cvy_view_take_own_stack(t, v);
        }
        /* On its way from one state to another. */
        v->state = v->state == CVY_TASK_WAITING ? CVY_TASK_RUNNABLE : v->state;
    }
    return true;
}

__attribute__((no_sanitize("thread"), noinline)) bool cvy_view_is_still(const struct cvy_view *v)
{
    const struct cvy_task *t = v->task;

    /* A plain thread's record may be gone. */
    return v->thread || v->state != CVY_TASK_WAITING ||
           (t->id == v->id && cvy_load_relaxed(&t->wait_since) == v->since &&
            cvy_task_reason(t) == v->reason);
}

bool cvy_view_take_thread(struct cvy_thread *th, struct cvy_view *v)
{
    uint32_t claim;

    if (!cvy_task_hold(&th->self, &claim)) {
        return false;
    }
    clear(v);
    v->state = CVY_TASK_WAITING;
    copy_record(&th->self, v);
    copy_parked(&th->self, claim, v, false);
    cvy_task_unhold(&th->self, claim);
    v->thread = cvy_load_relaxed(&th->id);
    return true;
}

const char *cvy_view_label(const struct cvy_view *v)
{
    if (v->name[0]) {
        return v->name;
    }
    const covey_site *started = cvy_site_still_there(v->started);
    return started && started->name ? started->name : "task";
}

const char *cvy_view_state(const struct cvy_view *v)
{
    return v->state < sizeof(states) / sizeof(states[0]) ? states[v->state] : "?";
}

const char *cvy_reason_words(unsigned reason)
{
    return reason < sizeof(reasons) / sizeof(reasons[0]) ? reasons[reason].name : "?";
}

const char *cvy_view_reason(const struct cvy_view *v)
{
    return cvy_reason_words(v->reason);
}
