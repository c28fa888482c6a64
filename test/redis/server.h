/* SPDX-License-Identifier: MIT
 * server.h - what the tests of libcovey-redis share: Redis servers of a test's own, on a Unix
 * socket in a temporary folder.
 *
 * A server hangs on its test: a process between the two kills it when the test's end of a pipe is
 * closed, however the test ends. REDIS_TEST(name) { ... } is a task with a server s and an open
 * handle r on it. */
#ifndef CVY_REDIS_SERVER_H
#define CVY_REDIS_SERVER_H

#include "../conformance/support.h"

#include <covey/redis.h>

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct server {
    char folder[48], socket[64], url[80];
    const char *options[8]; /* more of the command line, ended by NULL */
    const char *config;     /* what its file says, if it has one */
    pid_t pid, between;
    int hold; /* what it hangs on */
};

static inline void server_wait_ms(int ms)
{
    struct timespec t = {.tv_nsec = ms * 1000000L};

    (void)nanosleep(&t, NULL); /* sleeps: another process has no other way to say that it is up */
}

static inline bool server_answers(const struct server *s)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    CHECK(fd >= 0);
    (void)snprintf(at.sun_path, sizeof(at.sun_path), "%s", s->socket);
    bool is_up = connect(fd, (struct sockaddr *)&at, sizeof(at)) == 0;
    (void)close(fd);
    return is_up;
}

/* In the process between: starts the server, tells its number, kills it at the pipe's end. */
static inline void server_keep(const char *const *argv, int hold, int tell)
{
    char c;

    for (int fd = 3; fd < 1024; fd++) { /* other servers hang on some of them */
        if (fd != hold && fd != tell) {
            (void)close(fd);
        }
    }
    pid_t pid = fork();
    if (pid == 0) {
        (void)execvp(argv[0], (char *const *)argv);
        _exit(127);
    }
    if (write(tell, &pid, sizeof(pid)) < 0) {
        _exit(1);
    }
    (void)close(tell);
    while (read(hold, &c, 1) > 0) {
    }
    (void)kill(pid, SIGKILL);
    (void)waitpid(pid, NULL, 0);
    _exit(0);
}

static inline void server_write_config(const struct server *s, char *path, size_t size)
{
    (void)snprintf(path, size, "%s/conf", s->folder);
    FILE *f = fopen(path, "w");
    CHECK(f && fputs(s->config, f) >= 0 && fclose(f) == 0);
}

static inline int server_start_now(covey_ctx *ctx, void *arg)
{
    struct server *s = arg;
    const char *const common[] = {
        "--port",     "0",       "--unixsocket", s->socket, "--dir",       s->folder, "--save", "",
        "--loglevel", "warning", "--logfile",    "log",     "--daemonize", "no",      NULL};
    const char *argv[32] = {"redis-server"};
    char path[80];
    int hold[2], tell[2];
    size_t n = 1;

    (void)ctx;
    if (s->config) {
        server_write_config(s, path, sizeof(path));
        argv[n++] = path;
    }
    for (size_t i = 0; common[i]; i++) {
        argv[n++] = common[i];
    }
    for (size_t i = 0; s->options[i]; i++) {
        argv[n++] = s->options[i];
    }
    (void)unlink(s->socket);
    CHECK_EQ(pipe2(hold, O_CLOEXEC), 0);
    CHECK_EQ(pipe2(tell, O_CLOEXEC), 0);
    s->between = fork();
    CHECK(s->between >= 0);
    if (s->between == 0) {
        (void)setpgid(0, 0);
        (void)close(hold[1]);
        server_keep(argv, hold[0], tell[1]);
    }
    (void)close(hold[0]);
    (void)close(tell[1]);
    CHECK_EQ(read(tell[0], &s->pid, sizeof(s->pid)), sizeof(s->pid));
    (void)close(tell[0]);
    s->hold = hold[1];
    for (int i = 0; !server_answers(s); i++) {
        CHECK(i < 10000 && kill(s->pid, 0) == 0);
        server_wait_ms(2);
    }
    return 0;
}

/* Starts it, or starts it again: with no data, unless the options say otherwise. */
static inline void server_start(struct server *s)
{
    if (!s->folder[0]) {
        if (system("command -v redis-server >/dev/null 2>&1") != 0) {
            SKIP("redis-server is not installed");
        }
        char folder[] = "/tmp/covey-redis.XXXXXX";
        CHECK(mkdtemp(folder));
        (void)snprintf(s->folder, sizeof(s->folder), "%s", folder);
        (void)snprintf(s->socket, sizeof(s->socket), "%s/s", folder);
        (void)snprintf(s->url, sizeof(s->url), "unix://%s/s", folder);
    }
    CHECK_EQ(covey_blocking(NULL, server_start_now, s), 0);
}

static inline void server_signal(const struct server *s, int sig)
{
    CHECK_EQ(kill(s->pid, sig), 0);
}

static inline int server_kill_now(covey_ctx *ctx, void *arg)
{
    struct server *s = arg;

    (void)ctx;
    (void)close(s->hold);
    CHECK_EQ(waitpid(s->between, NULL, 0), s->between);
    s->pid = 0;
    return 0;
}

/* As a crash would: without a goodbye; returns once it is gone. */
static inline void server_kill(struct server *s)
{
    if (s->pid) {
        CHECK_EQ(covey_blocking(NULL, server_kill_now, s), 0);
    }
}

/* Kills it, and removes its folder. */
static inline void server_end(struct server *s)
{
    char command[80];

    server_kill(s);
    (void)snprintf(command, sizeof(command), "rm -rf %s", s->folder);
    CHECK_EQ(system(command), 0);
}

/* ---- tests ---- */

struct redis_test {
    struct server server;
    covey_redis_options opts;
    void (*body)(covey_ctx *ctx, struct server *s, covey_redis *r);
};

static inline int redis_main(covey_ctx *ctx, void *arg)
{
    struct redis_test *t = arg;
    covey_redis *r = NULL;

    OK(covey_redis_open(ctx, &r, t->server.url, &t->opts));
    t->body(ctx, &t->server, r);
    covey_redis_close(r);
    return 0;
}

static inline void redis_run(covey_redis_options opts,
                             void (*body)(covey_ctx *, struct server *, covey_redis *))
{
    struct redis_test t = {.opts = opts, .body = body};

    server_start(&t.server);
    int fds = count_fds();
    CHECK_EQ(covey_run(redis_main, &t), 0);
    CHECK_EQ(count_fds(), fds - (t.server.pid == 0));
    server_end(&t.server);
}

#define REDIS_TEST(name) REDIS_TEST_WITH(name, .connections = 0)
#define REDIS_TEST_WITH(name, ...)                                                                 \
    static void name##_body(covey_ctx *ctx, struct server *s, covey_redis *r);                     \
    TEST(name)                                                                                     \
    {                                                                                              \
        redis_run((covey_redis_options){__VA_ARGS__}, name##_body);                                \
    }                                                                                              \
    static void name##_body(__attribute__((unused)) covey_ctx *ctx,                                \
                            __attribute__((unused)) struct server *s,                              \
                            __attribute__((unused)) covey_redis *r)

/* The integer that a command answers with. */
static inline int64_t ask(covey_ctx *ctx, covey_redis *r, const char *fmt, ...)
{
    covey_redis_reply *reply = NULL;
    int64_t n = 0;
    va_list args;

    va_start(args, fmt);
    OK(covey_redis_vcommand(ctx, r, &reply, fmt, args));
    va_end(args);
    CHECK_EQ(covey_redis_int(reply, &n), 0);
    covey_redis_reply_free(reply);
    return n;
}

static inline covey_redis_stats stats_of(covey_redis *r)
{
    covey_redis_stats s;

    covey_redis_stats_of(r, &s);
    return s;
}

#endif
