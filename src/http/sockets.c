/* SPDX-License-Identifier: MIT
 * sockets.c - see sockets.h. */
#define _GNU_SOURCE
#include "http/sockets.h"

#include <covey/error.h>
#include <covey/net.h>

#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define WANTS_IN 1u /* interest that libcurl has now */
#define WANTS_OUT 2u
#define HAS_IN 4u /* interest that the epoll has */
#define HAS_OUT 8u
#define OURS 16u /* made by us: we shall hear of its end */
#define HAS_SHIFT 2

#define EVENTS_MAX 256
#define SIZE_MIN 256u

int cvy_http_sockets_open(struct cvy_http_sockets *s)
{
    *s = (struct cvy_http_sockets){.epoll = epoll_create1(EPOLL_CLOEXEC), .watched = -1};
    if (s->epoll < 0) {
        return -errno;
    }
    s->watched = covey_fd_watch(s->epoll);
    return s->watched < 0 ? s->watched : 0;
}

void cvy_http_sockets_close(struct cvy_http_sockets *s)
{
    covey_fd_unwatch(s->watched);
    if (s->epoll >= 0) {
        (void)close(s->epoll);
    }
    free(s->state);
    *s = (struct cvy_http_sockets){.epoll = -1, .watched = -1};
}

/* The entry of fd; NULL: out of memory. */
static unsigned char *entry(struct cvy_http_sockets *s, curl_socket_t fd)
{
    if ((size_t)fd >= s->size) {
        size_t size = s->size ? s->size : SIZE_MIN;
        while (size <= (size_t)fd) {
            size *= 2;
        }
        unsigned char *state = realloc(s->state, size);
        if (!state) {
            s->code = -ENOMEM;
            return NULL;
        }
        memset(state + s->size, 0, size - s->size);
        s->state = state;
        s->size = size;
    }
    return &s->state[fd];
}

/* Makes the epoll's interest what it should be. */
static int set_interest(struct cvy_http_sockets *s, curl_socket_t fd, unsigned char *state,
                        unsigned wanted)
{
    unsigned had = (*state & (HAS_IN | HAS_OUT)) >> HAS_SHIFT;
    struct epoll_event event = {.data.fd = fd};

    if (wanted == had) {
        return 0;
    }
    event.events = (wanted & WANTS_IN ? EPOLLIN : 0u) | (wanted & WANTS_OUT ? EPOLLOUT : 0u);
    int what = wanted == 0 ? EPOLL_CTL_DEL : had == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
    *state = (unsigned char)((*state & ~(HAS_IN | HAS_OUT)) | (wanted << HAS_SHIFT));
    if (epoll_ctl(s->epoll, what, fd, &event) == 0) {
        return 0;
    }
    if (what == EPOLL_CTL_DEL) {
        return 0; /* closed before us: the kernel took it out */
    }
    *state = (unsigned char)(*state & ~(HAS_IN | HAS_OUT));
    s->code = -errno;
    return -1;
}

int cvy_http_sockets_watch(struct cvy_http_sockets *s, curl_socket_t fd, int what)
{
    unsigned char *state = entry(s, fd);
    if (!state) {
        return -1;
    }
    unsigned wanted = what == CURL_POLL_REMOVE ? 0u : (unsigned)what & (WANTS_IN | WANTS_OUT);

    *state = (unsigned char)((*state & ~(WANTS_IN | WANTS_OUT)) | wanted);
    if (wanted == 0 && (*state & OURS)) {
        return 0;
    }
    return set_interest(s, fd, state, wanted);
}

void cvy_http_sockets_made(struct cvy_http_sockets *s, curl_socket_t fd)
{
    unsigned char *state = entry(s, fd);

    if (state) {
        *state = OURS;
    }
}

void cvy_http_sockets_forget(struct cvy_http_sockets *s, curl_socket_t fd)
{
    if ((size_t)fd < s->size) {
        s->state[fd] = 0; /* closing takes it out of the epoll */
    }
}

bool cvy_http_sockets_poll(struct cvy_http_sockets *s,
                           void (*act)(curl_socket_t fd, int bits, void *arg), void *arg)
{
    struct epoll_event events[EVENTS_MAX];
    int n = epoll_wait(s->epoll, events, EVENTS_MAX, 0);

    for (int i = 0; i < n; i++) {
        curl_socket_t fd = events[i].data.fd;
        unsigned char *state = &s->state[fd];
        unsigned seen = events[i].events;

        if ((*state & (WANTS_IN | WANTS_OUT)) == 0) {
            (void)set_interest(s, fd, state, 0); /* an idle connection */
            continue;
        }
        act(fd,
            (seen & EPOLLIN ? CURL_CSELECT_IN : 0) | (seen & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
                (seen & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0),
            arg);
    }
    if (n == 0) {
        covey_fd_drained(s->watched, COVEY_FD_READ);
    }
    return n != 0;
}
