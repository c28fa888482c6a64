/* SPDX-License-Identifier: MIT
 * ask.c - see ask.h.
 *
 * One thread is asked at a time. It answers from the handler, which interrupts whatever it runs and
 * walks the stack below; who asks sleeps meanwhile. The handler is installed with the first
 * question, so that who never asks is never interrupted; a cookie tells its signals from the
 * program's own, which go to the handler that was there before. */
#define _GNU_SOURCE
#include "sched/ask.h"

#include "os/unwind.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>

#define ANSWER_NS_MAX (50 * COVEY_MS)

static pthread_mutex_t asking = PTHREAD_MUTEX_INITIALIZER;

/* Guarded by asking. */
static struct sigaction previous;
static bool is_installed;
static bool is_late; /* a thread is still at the answer to an earlier question */

static char cookie; /* its address marks these signals */

/* Who asks writes it before asked, and reads the answer after is_answered. */
static struct {
    _Atomic uint32_t asked; /* the thread's id until it is at it; 0: nobody. Release, acquire */
    _Atomic uint32_t is_answered; /* futex; release by the handler, acquire by who asks */
    const struct cvy_task *task;  /* to be run, with this id; or */
    uint64_t id;
    struct cvy_blocking_place place; /* where a blocking call is made */
    uint32_t count;
    void *frames[CVY_VIEW_FRAMES];
} question;

/* Whether the calling thread, interrupted with its stack at sp, is in the midst of what was asked
 * for: not just before or after it, in the scheduler. */
static bool is_at_it(const void *sp)
{
    const struct cvy_thread *self = cvy_thread_self();
    const struct cvy_task *t = question.task;

    if (question.place.turns) {
        return cvy_load_relaxed(question.place.turns) == question.place.turn;
    }
    /* The thread sanitizer calls handlers where it likes to. */
    return self && self->task == t && t->id == question.id &&
           (CVY_TSAN || !t->stack || cvy_stack_holds(t->stack, sp));
}

static void answer(const void *context)
{
    uint32_t self = cvy_thread_id();

    /* Acquire: pairs with the release in ask(). If it fails, it is no longer waited for. */
    if (cvy_cas_acquire(&question.asked, &self, 0)) {
        question.count = 0;
        if (is_at_it(cvy_fault_sp(context))) {
            question.count = (uint32_t)cvy_unwind_interrupted(context, question.frames,
                                                              CVY_VIEW_FRAMES, question.place.base);
            if (question.place.turns && question.count < CVY_VIEW_FRAMES && question.count >= 2) {
                question.count -= 2; /* the job's and the thread's own are covey's */
            }
        }
        cvy_store_release(&question.is_answered, 1);
        cvy_futex_wake(&question.is_answered, 1);
    }
}

static void on_stack_wanted(int number, siginfo_t *info, void *context)
{
    int *error = cvy_errno_ptr();
    int saved = *error;

    if (info->si_code == SI_QUEUE && info->si_value.sival_ptr == &cookie) {
        answer(context);
    } else if (previous.sa_flags & SA_SIGINFO) {
        previous.sa_sigaction(number, info, context);
    } else if (previous.sa_handler != SIG_DFL && previous.sa_handler != SIG_IGN) {
        previous.sa_handler(number);
    }
    *error = saved;
}

static bool is_ours(void)
{
    struct sigaction now;

    return sigaction(SIGURG, NULL, &now) == 0 && (now.sa_flags & SA_SIGINFO) &&
           now.sa_sigaction == on_stack_wanted;
}

/* False: the program has put a handler of its own in its place, which may call it. */
static bool install(void)
{
    struct sigaction action = {.sa_sigaction = on_stack_wanted,
                               .sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK};

    if (!is_installed) {
        (void)sigemptyset(&action.sa_mask);
        is_installed = sigaction(SIGURG, &action, &previous) == 0;
    }
    return is_ours();
}

void cvy_ask_stop(void)
{
    (void)pthread_mutex_lock(&asking);
    if (is_installed && is_ours()) {
        (void)sigaction(SIGURG, &previous, NULL);
        is_installed = false;
    }
    (void)pthread_mutex_unlock(&asking);
}

/* The thread, and how it is to find out that it is at it. 0: none is. */
static uint32_t find_thread(struct cvy_runtime *rt, const struct cvy_view *v)
{
    question.task = v->task;
    question.id = v->id;
    question.place = (struct cvy_blocking_place){0};
    if (v->thread) {
        return v->thread;
    }
    if (v->state == CVY_TASK_RUNNING) {
        return cvy_thread_running(rt, v->task);
    }
    if (v->state == CVY_TASK_WAITING && v->reason == CVY_WAIT_BLOCKING) {
        return cvy_blocking_thread(rt, v->task, &question.place);
    }
    return 0;
}

/* asking is held. By the system's clock, also where the test mode has one of its own. */
static bool ask(uint32_t thread)
{
    uint32_t asked = thread;
    int64_t until = cvy_clock_real() + ANSWER_NS_MAX;

    cvy_store_relaxed(&question.is_answered, 0);
    cvy_store_release(&question.asked, thread);
    if (cvy_thread_signal(thread, SIGURG, &cookie)) {
        int64_t left = ANSWER_NS_MAX;
        while (!cvy_load_acquire(&question.is_answered) && left > 0) {
            cvy_futex_wait(&question.is_answered, 0, left);
            left = until - cvy_clock_real();
        }
    }
    /* Whoever comes late finds nobody asked; or is at it now: then it is not waited for. */
    bool is_answered = cvy_load_acquire(&question.is_answered);
    is_late = !is_answered && !cvy_cas_acquire(&question.asked, &asked, 0);
    return is_answered && question.count > 0;
}

static void put_frames(struct cvy_view *v)
{
    size_t own = v->frame_count;

    if (own > CVY_VIEW_FRAMES - question.count) {
        own = CVY_VIEW_FRAMES - question.count;
    }
    memmove(v->frames + question.count, v->frames, own * sizeof(v->frames[0]));
    memcpy(v->frames, question.frames, question.count * sizeof(v->frames[0]));
    /* A plain thread is in covey's own wait, like a parked task. */
    v->interrupted_count = v->thread ? 0 : question.count;
    v->frame_count = (uint32_t)(question.count + own);
}

bool cvy_ask_stack(struct cvy_runtime *rt, struct cvy_view *v)
{
    bool is_told = false;

    if (v->task == cvy_task_self()) {
        return false;
    }
    (void)pthread_mutex_lock(&asking);
    is_late = is_late && !cvy_load_acquire(&question.is_answered);
    /* The runtime's end sets it, then comes for the lock, then takes threads and pool away. */
    if (!is_late && !cvy_load_seq_cst(&rt->stopping) && install()) {
        uint32_t thread = find_thread(rt, v);
        is_told = thread && thread != cvy_thread_id() && ask(thread) && cvy_view_is_still(v);
    }
    if (is_told) {
        put_frames(v);
    }
    (void)pthread_mutex_unlock(&asking);
    return is_told;
}
