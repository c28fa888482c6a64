/* SPDX-License-Identifier: MIT
 * top_watch.c - see top_watch.h. One task draws and reads keys; what is asked runs in others. */
#define _GNU_SOURCE
#include "tools/top_watch.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

#undef errno

/* Stops as a program does that never took ^Z for itself: with all of its job. Where nobody could
 * let it go on, the kernel does not stop it. */
static int stop(struct cvy_top_watch *w)
{
    sigset_t terminal_stop;

    w->must_stop = false;
    (void)sigemptyset(&terminal_stop);
    (void)sigaddset(&terminal_stop, SIGTSTP);
    cvy_screen_close(&w->screen);
    (void)kill(0, SIGTSTP);
    (void)sigprocmask(SIG_UNBLOCK, &terminal_stop, NULL); /* here it stands still */
    (void)sigprocmask(SIG_BLOCK, &terminal_stop, NULL);
    return cvy_screen_resume(&w->screen);
}

/* What the signals ask for; another size is seen by drawing. */
static int take_signals(struct cvy_top_watch *w)
{
    struct signalfd_siginfo info;
    bool goes_on = false;

    while (read(w->signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
        w->must_stop |= info.ssi_signo == SIGTSTP;
        goes_on |= info.ssi_signo == SIGCONT;
    }
    /* A shell has had the terminal meanwhile. */
    return goes_on && !w->must_stop ? cvy_screen_resume(&w->screen) : 0;
}

/* Until when nothing happens by itself. */
static int64_t idle_ns(const struct cvy_top_watch *w)
{
    int64_t left = w->next_at - covey_now();

    if (w->is_asking || w->is_paused || left > COVEY_SEC) {
        return COVEY_SEC; /* how long it has taken, or how old it is, is shown */
    }
    return left > 0 ? left : 0;
}

static int wait_and_act(covey_ctx *ctx, struct cvy_top_watch *w)
{
    struct cvy_top_asked asked;
    int which = covey_select(ctx, COVEY_READABLE(w->screen.in), COVEY_READABLE(w->signals),
                             COVEY_RECV(w->answers, &asked), COVEY_AFTER(idle_ns(w)));
    int code = 0;

    if (which == 0) {
        cvy_top_keys(w);
    } else if (which == 1) {
        code = take_signals(w);
    } else if (which == 2) {
        cvy_top_ask_take(w, &asked);
    }
    if (code == 0 && w->must_stop) {
        code = stop(w);
    }
    return code < 0 ? covey_errorf(code, "the terminal: %s", covey_strerror(code)) : 0;
}

int cvy_top_watch(covey_ctx *ctx, struct cvy_top_watch *w)
{
    int code = cvy_top_ask_open(ctx, w);

    if (code == 0) {
        code = cvy_screen_open(&w->screen, STDIN_FILENO, STDOUT_FILENO);
        if (code < 0) {
            code = covey_errorf(code, "the terminal: %s", covey_strerror(code));
        } else {
            while (code == 0 && !w->must_quit && covey_ctx_err(ctx) == 0) {
                if (!w->is_paused && covey_now() >= w->next_at) {
                    cvy_top_ask(w);
                }
                cvy_top_draw(w);
                code = wait_and_act(ctx, w);
            }
            cvy_screen_close(&w->screen);
        }
    }
    cvy_top_ask_close(w);
    return code;
}

void cvy_top_watch_fini(struct cvy_top_watch *w)
{
    cvy_top_view_fini(&w->view);
    free(w->rows.rows);
    free(w->toggled);
}
