/* SPDX-License-Identifier: MIT
 * cpu_timer.c - see cpu_timer.h. The threads are those in /proc: covey's, and the program's own. */
#define _GNU_SOURCE
#include "os/cpu_timer.h"

#include "base/alloc.h"
#include "os/sys.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>

#define LOOK_EVERY_NS 100000000
#define NS_PER_SEC 1000000000

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

struct armed {
    pid_t tid;
    timer_t timer;
    unsigned seen; /* the look that has last found the thread */
};

/* Guarded by control. */
static pthread_mutex_t control = PTHREAD_MUTEX_INITIALIZER;
static struct armed *armed;
static size_t count, room;
static unsigned looks;
static int signal_number; /* 0: stopped */
static void *signal_cookie;
static int64_t period;
static int64_t looked_at;

/* The CPU clock of one thread, as the kernel counts them (posix-timers_types.h). */
static clockid_t clock_of(pid_t tid)
{
    return (clockid_t)(~(unsigned)tid << 3 | 6);
}

static int arm(pid_t tid)
{
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID,
                             .sigev_signo = signal_number,
                             .sigev_value.sival_ptr = signal_cookie};
    struct timespec each = {.tv_sec = period / NS_PER_SEC, .tv_nsec = period % NS_PER_SEC};
    struct itimerspec when = {.it_interval = each, .it_value = each};
    timer_t timer;

    event.sigev_notify_thread_id = tid;
    if (!cvy_grow(&armed, count, &room, sizeof(*armed))) {
        return -ENOMEM;
    }
    if (timer_create(clock_of(tid), &event, &timer) != 0) {
        return -errno;
    }
    if (timer_settime(timer, 0, &when, NULL) != 0) {
        int code = -errno;
        (void)timer_delete(timer);
        return code;
    }
    armed[count++] = (struct armed){.tid = tid, .timer = timer, .seen = looks};
    return 0;
}

static struct armed *find(pid_t tid)
{
    for (size_t i = 0; i < count; i++) {
        if (armed[i].tid == tid) {
            return &armed[i];
        }
    }
    return NULL;
}

static void drop_gone(void)
{
    for (size_t i = 0; i < count;) {
        if (armed[i].seen == looks) {
            i++;
            continue;
        }
        (void)timer_delete(armed[i].timer);
        armed[i] = armed[--count];
    }
}

/* 0 if any thread has a timer, else why not. */
static int look_locked(void)
{
    DIR *d = opendir("/proc/self/task");
    int code = d ? 0 : -errno;

    looks++;
    for (struct dirent *e; d && (e = readdir(d)) != NULL;) {
        pid_t tid = (pid_t)strtol(e->d_name, NULL, 10);
        struct armed *known = tid > 0 ? find(tid) : NULL;
        if (known) {
            known->seen = looks;
        } else if (tid > 0) {
            int result = arm(tid);
            code = result < 0 ? result : code;
        }
    }
    if (d) {
        (void)closedir(d);
        drop_gone();
    }
    looked_at = cvy_clock_real();
    return count > 0 ? 0 : code;
}

int cvy_cpu_timers_start(int signal, void *cookie, int64_t period_ns)
{
    (void)pthread_mutex_lock(&control);
    signal_number = signal;
    signal_cookie = cookie;
    period = period_ns;
    int code = look_locked();
    if (code < 0) {
        signal_number = 0;
    }
    (void)pthread_mutex_unlock(&control);
    return code;
}

void cvy_cpu_timers_look(void)
{
    if (pthread_mutex_trylock(&control) != 0) {
        return;
    }
    if (signal_number != 0 && cvy_clock_real() - looked_at > LOOK_EVERY_NS) {
        (void)look_locked();
    }
    (void)pthread_mutex_unlock(&control);
}

void cvy_cpu_timers_stop(void)
{
    (void)pthread_mutex_lock(&control);
    looks++;
    drop_gone();
    free(armed);
    armed = NULL;
    room = 0;
    signal_number = 0;
    (void)pthread_mutex_unlock(&control);
}
