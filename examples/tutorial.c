/* SPDX-License-Identifier: MIT
 * tutorial.c - the program that docs/tutorial.md takes apart, from a first task to a server that
 * stops when it is told to. Each step is a task; main runs them one after the other. */
#include <covey.h>

#include <ctype.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* 1. A task. */

static int hello(covey_ctx *ctx, void *arg)
{
    const char *name = arg;

    printf("hello, %s, from task %llu\n", name, (unsigned long long)covey_task_id());
    return covey_sleep(ctx, 100 * COVEY_MS);
}

/* 2. A group: tasks that start together and end together. */

static int greet_everybody(covey_ctx *ctx, void *arg)
{
    static char *const names[] = {"ada", "grace", "barbara"};

    (void)arg;
    covey_group *g = covey_group_new(ctx);
    for (int i = 0; i < 3; i++) {
        (void)covey_group_go(g, hello, names[i]);
    }
    return covey_group_wait(g); /* all three have ended */
}

/* 3. A failure: a code, words beside it, and the end of everybody else. */

static int check_age(covey_ctx *ctx, void *arg)
{
    const int *age = arg;

    if (*age < 0) {
        return covey_errorf(-EINVAL, "an age of %d", *age);
    }
    return covey_sleep(ctx, 3600 * COVEY_SEC); /* a long piece of work */
}

static int check_ages(covey_ctx *ctx, void *arg)
{
    covey_group *g = covey_group_new(ctx);

    (void)arg;
    for (int age = 40; age >= -20; age -= 20) {
        (void)covey_group_go_copy(g, check_age, &age, sizeof(age)); /* each has its own age */
    }
    int failed = covey_group_wait(g);
    printf("wait: %d, \"%s\"\n", failed, covey_errmsg());
    return failed == -EINVAL ? 0 : -EPROTO;
}

/* 4. A channel: values from one task to another. */

static int count_to_five(covey_ctx *ctx, void *arg)
{
    covey_chan *numbers = arg;
    int err = 0;

    for (int n = 1; n <= 5 && err == 0; n++) {
        err = covey_chan_send(ctx, numbers, &n);
    }
    (void)covey_chan_close(numbers);
    return err;
}

static int add_up(covey_ctx *ctx, void *arg)
{
    covey_group *g = covey_group_new(ctx);
    int sum = 0, n;

    (void)arg;
    covey_chan *numbers = covey_chan_new(sizeof(int), 2);
    int err = numbers ? covey_group_go(g, count_to_five, numbers) : -ENOMEM;
    while (err == 0 && (err = covey_chan_recv(ctx, numbers, &n)) == 0) {
        sum += n;
    }
    printf("sum: %d\n", sum); /* err is COVEY_ECLOSED: all were received */
    (void)covey_group_wait(g);
    covey_chan_unref(numbers);
    return err == COVEY_ECLOSED && sum == 15 ? 0 : err;
}

/* 5. A context: a deadline for everything that is done under it. */

static int be_quick(covey_ctx *ctx, void *arg)
{
    static char name[] = "anybody";
    covey_ctx *timed = covey_ctx_with_timeout(ctx, COVEY_MS);
    int err = hello(timed, name);

    (void)arg;
    printf("%s\n", covey_errmsg());
    covey_ctx_unref(timed);
    return err == COVEY_EDEADLINE ? 0 : -EPROTO;
}

/* 6. A select: the first of several things to happen. */

static int wait_for_news(covey_ctx *ctx, void *arg)
{
    covey_chan *news = covey_chan_new(sizeof(int), 0);
    int headline;
    int which = covey_select(ctx, COVEY_RECV(news, &headline), COVEY_AFTER(20 * COVEY_MS));

    (void)arg;
    printf("%s\n", which == 1 ? "no news for 20 ms" : "news");
    covey_chan_unref(news);
    return which < 0 ? which : 0;
}

/* 7. A call that blocks its thread, off the workers. */

static int read_host_name(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    return gethostname(arg, 64) == 0 ? 0 : -errno;
}

static int say_where(covey_ctx *ctx, void *arg)
{
    char name[64];
    int err = covey_blocking(ctx, read_host_name, name);

    (void)arg;
    if (err == 0) {
        printf("this is %s\n", name);
    }
    return err;
}

/* 8. A server: a task for each client. */

static int shout_back(covey_ctx *ctx, void *arg)
{
    covey_conn *conn = arg;
    char buf[512];
    ssize_t n;

    while ((n = covey_read(ctx, conn, buf, sizeof(buf))) > 0) {
        for (ssize_t i = 0; i < n; i++) {
            buf[i] = (char)toupper((unsigned char)buf[i]);
        }
        if (covey_write(ctx, conn, buf, (size_t)n) < 0) {
            break;
        }
    }
    if (covey_ctx_err(ctx) < 0) { /* the server stops: ctx is done, so say so under another */
        covey_ctx *goodbye = covey_ctx_for_cleanup(ctx, COVEY_SEC);
        (void)covey_write(goodbye, conn, "bye\n", 4);
        covey_ctx_unref(goodbye);
    }
    covey_close(conn);
    return 0; /* a client that leaves is no failure of the server's */
}

static int serve(covey_ctx *ctx, void *arg)
{
    covey_listener *listener = arg;
    covey_group *clients = covey_group_new(ctx);
    int err = 0;

    while (err == 0) {
        covey_conn *conn;
        err = covey_accept(ctx, listener, &conn);
        if (err == 0) {
            err = covey_group_go(clients, shout_back, conn);
            if (err < 0) {
                covey_close(conn);
            }
        }
    }
    covey_group_cancel(clients, err);
    (void)covey_group_wait(clients);
    return err == COVEY_ECANCELED ? 0 : err; /* being told to stop is the usual end */
}

/* 9. The whole: it serves until SIGTERM or SIGINT. */

static int use_server(covey_ctx *ctx, const char *addr)
{
    covey_conn *conn;
    char answer[16] = "";
    ssize_t n = covey_dial(ctx, &conn, addr);

    if (n < 0) {
        return (int)n;
    }
    n = covey_write(ctx, conn, "hello\n", 6);
    if (n > 0) {
        n = covey_read_full(ctx, conn, answer, 6);
    }
    printf("the server says: %s", answer);
    (void)raise(SIGTERM); /* as an operator would with kill */
    if (n > 0) {
        n = covey_read_full(ctx, conn, answer, 4);
        answer[4] = '\0';
    }
    printf("and at its end:  %s", answer);
    covey_close(conn);
    return strcmp(answer, "bye\n") == 0 ? 0 : -EPROTO;
}

static int serve_until_told(covey_ctx *ctx, void *arg)
{
    const int signals[] = {SIGTERM, SIGINT};
    covey_listener *listener;

    (void)arg;
    int err = covey_listen(&listener, "tcp://127.0.0.1:0", NULL);
    if (err < 0) {
        return err;
    }
    covey_ctx *until_told = covey_ctx_with_signals(ctx, signals, 2);
    covey_group *g = covey_group_new(until_told);
    err = covey_group_go(g, serve, listener);
    if (err == 0) {
        err = use_server(ctx, covey_listener_addr(listener));
    }
    if (err < 0) {
        covey_group_cancel(g, err);
    }
    int failed = covey_group_wait(g); /* ends when a signal comes */
    err = err < 0 ? err : failed;
    covey_ctx_unref(until_told);
    covey_listener_close(listener);
    return err;
}

int main(void)
{
    static char name[] = "world";
    static covey_fn *const steps[] = {greet_everybody, check_ages, add_up,          be_quick,
                                      wait_for_news,   say_where,  serve_until_told};

    int err = covey_run(hello, name);
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]) && err == 0; i++) {
        err = covey_run(steps[i], NULL);
    }
    if (err < 0) {
        fprintf(stderr, "tutorial: %s\n", covey_errmsg());
    }
    return err < 0 ? 1 : 0;
}
