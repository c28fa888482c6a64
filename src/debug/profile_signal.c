/* SPDX-License-Identifier: MIT
 * profile_signal.c - profiles to files, each time a signal comes (covey/debug.h).
 *
 * The handler only counts and wakes a thread that sleeps for it: nothing is written where the
 * signal interrupted, and no worker is needed. Signals that come while files are written count
 * once. */
#define _GNU_SOURCE
#include "base/alloc.h"
#include "os/file.h"
#include "os/sys.h"
#include "sched/dump.h"

#include <covey/debug.h>
#include <covey/error.h>

#include <pthread.h>
#include <signal.h>
#include <stdio.h>

#undef errno

#define PATH_ROOM 24 /* for the kind, the number, the ends */

static _Atomic uint32_t comes; /* futex: signals and wake-ups so far */

/* Guarded by control, which is held over the end of the thread. */
static pthread_mutex_t control = PTHREAD_MUTEX_INITIALIZER;
static pthread_t writer;
static struct sigaction previous;
static int signal_now; /* 0: none, and no writer */

/* The writer's while it runs. */
static char *prefix;
static _Atomic bool is_over; /* release before it is woken, acquire */

static void on_signal(int number)
{
    int *error = cvy_errno_ptr();
    int saved = *error;

    (void)number;
    atomic_fetch_add_explicit(&comes, 1, memory_order_release);
    cvy_futex_wake(&comes, 1);
    *error = saved;
}

static int write_file(const char *path, const char *text, size_t len)
{
    int fd = cvy_file_create(path);

    if (fd < 0) {
        return fd;
    }
    int code = cvy_file_write(fd, text, len);
    int closed = cvy_file_close(fd);
    code = code < 0 ? code : closed;
    if (code < 0) {
        cvy_file_remove(path); /* half a profile is none */
    }
    return code;
}

/* 0: there is a file; -ENOENT: that kind records nothing; path may be NULL: no memory. */
static int write_kind(const char *kind, char *path, size_t size, uint32_t number)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = path ? open_memstream(&text, &len) : NULL;

    if (!out) {
        return -ENOMEM;
    }
    (void)snprintf(path, size, "%s.%s.%u.pprof", prefix, kind, number);
    int code = covey_profile_write(kind, COVEY_PROFILE_PPROF, out);
    if (fclose(out) != 0 && code == 0) {
        code = -ENOMEM;
    }
    if (code == 0) {
        code = write_file(path, text, len);
    }
    free(text);
    return code;
}

static void write_all(uint32_t number)
{
    static const char *const kinds[] = {"task", "block", "mutex", "cpu"};
    size_t size = strlen(prefix) + PATH_ROOM;
    char *path = cvy_alloc(size);

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        int code = write_kind(kinds[i], path, size, number);
        if (code == 0) {
            (void)fprintf(stderr, "covey: profile: %s\n", path);
        } else if (code != -ENOENT && code != COVEY_ECLOSED) {
            (void)fprintf(stderr, "covey: no profile \"%s\": %s\n", kinds[i], covey_strerror(code));
        }
    }
    (void)fflush(stderr);
    free(path);
}

static void *writer_main(void *arg)
{
    uint32_t seen = (uint32_t)(uintptr_t)arg;

    cvy_thread_block_sigpipe();
    for (uint32_t number = 1;; number++) {
        uint32_t now;
        while ((now = cvy_load_acquire(&comes)) == seen) {
            cvy_futex_wait(&comes, seen, -1);
        }
        seen = now;
        if (cvy_load_acquire(&is_over)) {
            return NULL;
        }
        write_all(number);
    }
}

static void stop_locked(void)
{
    if (signal_now == 0) {
        return;
    }
    (void)sigaction(signal_now, &previous, NULL);
    signal_now = 0;
    cvy_store_release(&is_over, true);
    atomic_fetch_add_explicit(&comes, 1, memory_order_release);
    cvy_futex_wake(&comes, 1);
    (void)pthread_join(writer, NULL);
    free(prefix);
    prefix = NULL;
}

static int start_locked(int number, const char *path)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART | SA_ONSTACK};
    uintptr_t seen = cvy_load_relaxed(&comes);

    prefix = cvy_strdup(path);
    if (!prefix) {
        return -ENOMEM;
    }
    cvy_store_relaxed(&is_over, false);
    if (cvy_alloc_fails() || pthread_create(&writer, NULL, writer_main, (void *)seen) != 0) {
        free(prefix);
        prefix = NULL;
        return -EAGAIN;
    }
    (void)sigemptyset(&action.sa_mask);
    signal_now = number; /* so that stop_locked() has something to stop */
    if (sigaction(number, &action, &previous) != 0) {
        (void)sigaction(number, NULL, &previous);
        stop_locked();
        return -EINVAL;
    }
    return 0;
}

int covey_profile_on_signal(int number, const char *path)
{
    if (number < 0 || number > SIGRTMAX || (number > 0 && !path)) {
        return cvy_fail(cvy_task_self(), -EINVAL);
    }
    (void)pthread_mutex_lock(&control);
    stop_locked();
    int code = number > 0 ? start_locked(number, path) : 0;
    (void)pthread_mutex_unlock(&control);
    return code < 0 ? cvy_fail(cvy_task_self(), code) : 0;
}
