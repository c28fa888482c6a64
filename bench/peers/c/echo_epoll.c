/* SPDX-License-Identifier: MIT
 * echo_epoll.c - the physical reference of row 18: an echo server that is one bare epoll loop, no
 * tasks, no library. It prints "port N" and serves until SIGTERM. */
#define _GNU_SOURCE /* accept4 */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

static void require(int ok, const char *what)
{
    if (!ok) {
        perror(what);
        exit(1);
    }
}

static int listen_loopback(void)
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof addr;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    require(bind(fd, (struct sockaddr *)&addr, len) == 0, "bind");
    require(listen(fd, 4096) == 0, "listen");
    require(getsockname(fd, (struct sockaddr *)&addr, &len) == 0, "getsockname");
    printf("port %d\n", ntohs(addr.sin_port));
    fflush(stdout);
    return fd;
}

static void watch(int epoll, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    require(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0, "epoll_ctl");
}

static void accept_all(int epoll, int listener)
{
    int fd;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        int one = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        watch(epoll, fd);
    }
}

static void echo(int fd)
{
    char buf[512];
    ssize_t n = read(fd, buf, sizeof buf);
    if (n <= 0 || write(fd, buf, (size_t)n) != n) {
        close(fd);
    }
}

static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

int main(void)
{
    raise_descriptor_limit();
    int listener = listen_loopback();
    int epoll = epoll_create1(0);
    watch(epoll, listener);
    for (;;) {
        struct epoll_event events[128];
        int n = epoll_wait(epoll, events, 128, -1);
        for (int i = 0; i < n; i++) {
            if (events[i].data.fd == listener) {
                accept_all(epoll, listener);
            } else {
                echo(events[i].data.fd);
            }
        }
    }
}
