/* SPDX-License-Identifier: MIT
 * profile_cpu.c - the CPU profile: each thread is interrupted by SIGPROF whenever it has used a
 * period of CPU time (os/cpu_timer.h), and the handler walks the stack that it has interrupted.
 *
 * The handler stays once it is there: a signal that comes late would otherwise end the process. It
 * passes on what is not from covey's timers. */
#define _GNU_SOURCE
#include "sched/profile.h"

#include "os/cpu_timer.h"
#include "os/unwind.h"

#include <signal.h>

static struct sigaction previous;
static bool is_installed; /* guarded by profile.c's control */
static char cookie;       /* its address marks the timers' signals */

/* The thread's own, or what there is of it. */
static void take_view(const void *context, struct cvy_view *v)
{
    const struct cvy_thread *th = cvy_thread_self();

    if (th && th->task) {
        cvy_view_take_running(th, v);
    } else {
        *v = (struct cvy_view){.state = CVY_TASK_RUNNING, .name = CVY_VIEW_THREAD};
    }
    v->frame_count = (uint32_t)cvy_unwind_interrupted(context, v->frames, CVY_VIEW_FRAMES, NULL);
    v->interrupted_count = v->frame_count;
}

static void on_cpu_sample(int number, siginfo_t *info, void *context)
{
    int *error = cvy_errno_ptr();
    int saved = *error;

    if (info->si_code == SI_TIMER && info->si_value.sival_ptr == &cookie) {
        if (cvy_profile_is_on(CVY_PROFILE_CPU)) {
            struct cvy_view v;
            take_view(context, &v);
            cvy_profile_add_signal(&v, 1 + info->si_overrun);
        }
    } else if (previous.sa_flags & SA_SIGINFO) {
        previous.sa_sigaction(number, info, context);
    } else if (previous.sa_handler != SIG_DFL && previous.sa_handler != SIG_IGN) {
        previous.sa_handler(number);
    }
    *error = saved;
}

int cvy_profile_cpu_start(int64_t rate)
{
    struct sigaction action = {.sa_sigaction = on_cpu_sample,
                               .sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK};

    cvy_unwind_prepare();
    if (!is_installed) {
        (void)sigemptyset(&action.sa_mask);
        (void)sigaddset(&action.sa_mask, SIGURG); /* for ask.c, of what it has interrupted */
        (void)sigaction(SIGPROF, &action, &previous);
        is_installed = true;
    }
    return cvy_cpu_timers_start(SIGPROF, &cookie, COVEY_SEC / rate);
}

void cvy_profile_cpu_stop(void)
{
    cvy_cpu_timers_stop();
}

void cvy_profile_look(void)
{
    if (cvy_profile_is_on(CVY_PROFILE_CPU)) {
        cvy_cpu_timers_look();
    }
}
