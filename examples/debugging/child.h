/* SPDX-License-Identifier: MIT
 * child.h - runs a faulty program in a child process and reads what covey says of it on standard
 * error, so that the example can check it and end well itself. */
#ifndef EXAMPLE_CHILD_H
#define EXAMPLE_CHILD_H

#include "../example.h"

#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

enum { REPORT_BYTES = 1 << 20, REPORT_MS_MAX = 60000 };

/* What fn's process wrote to standard error until it ended, or until it was quiet for quiet_ms
 * after the text that is waited for had come; then it is ended. Free it. */
static inline char *child_report(int (*fn)(void), const char *until, int quiet_ms)
{
    int ends[2];
    char *text = calloc(1, REPORT_BYTES);
    size_t len = 0;
    ssize_t n = 1;

    if (!text || pipe(ends) != 0) {
        abort();
    }
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        (void)dup2(ends[1], 2);
        (void)close(ends[0]);
        _exit(fn());
    }
    (void)close(ends[1]);
    while (n > 0 && len < REPORT_BYTES - 1) {
        struct pollfd p = {.fd = ends[0], .events = POLLIN};
        if (poll(&p, 1, strstr(text, until) ? quiet_ms : REPORT_MS_MAX) <= 0) {
            break;
        }
        n = read(ends[0], text + len, REPORT_BYTES - 1 - len);
        len += n > 0 ? (size_t)n : 0;
    }
    (void)close(ends[0]);
    (void)kill(child, SIGKILL);
    (void)waitpid(child, NULL, 0);
    return text;
}

/* Whether the report has this frame: "fn (file.c:line)". Without libdw stacks have modules and
 * offsets, and there is nothing to check. */
static inline bool has_frame(const char *report, const char *fn, const char *file, int line)
{
    char frame[256];

    snprintf(frame, sizeof(frame), "at %s (%s:%d)", fn, file, line);
    return strstr(report, frame) != NULL || !strstr(report, "at covey_");
}

#endif
