/* SPDX-License-Identifier: MIT
 * child.c - see child.h. */
#define _GNU_SOURCE
#include "os/child.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define STATUS_DONE 86 /* not what an exit() in the middle would give */

void *cvy_shared_new(size_t bytes)
{
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return p == MAP_FAILED ? NULL : p;
}

void cvy_shared_free(void *p, size_t bytes)
{
    if (p) {
        (void)munmap(p, bytes);
    }
}

int cvy_child_run(void (*fn)(void *), void *arg)
{
    int status = 0;

    (void)fflush(NULL);
    pid_t child = fork();
    if (child < 0) {
        return -errno;
    }
    if (child == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        fn(arg);
        (void)fflush(NULL);
        _exit(STATUS_DONE);
    }
    while (waitpid(child, &status, 0) < 0) {
        if (errno != EINTR) {
            return -errno;
        }
    }
    if (WIFSIGNALED(status)) {
        return WTERMSIG(status);
    }
    return WEXITSTATUS(status) == STATUS_DONE ? 0 : -ECHILD;
}

const char *cvy_signal_words(int number)
{
    const char *words = sigdescr_np(number);
    return words ? words : "a signal";
}
