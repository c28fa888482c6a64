/* SPDX-License-Identifier: MIT
 * poll_epoll.c - the poller on epoll(7).
 *
 * Of one descriptor an epoll holds one registration, and a connection that is registered for good
 * may also be waited for by its number: hence a second epoll for one-shot registrations, inside the
 * first. An event's data points to the pollable; NULL is the wake-up, the poller itself the inner
 * set. */
#define _GNU_SOURCE
#include "base/sanitizer.h"
#include "os/poll.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define EVENTS_MAX 128
#define NS_PER_SEC 1000000000
#define NS_PER_MS 1000000

int cvy_poll_open(struct cvy_poll *p)
{
    int code;

    p->on_detach = NULL;
    p->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (p->epoll_fd < 0) {
        return -errno;
    }
    p->oneshot_fd = epoll_create1(EPOLL_CLOEXEC);
    if (p->oneshot_fd < 0) {
        code = -errno;
        goto fail_epoll;
    }
    p->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (p->wake_fd < 0) {
        code = -errno;
        goto fail_oneshot;
    }
    /* Edge-triggered: each write is an edge, so the counter never has to be read back. */
    struct epoll_event wake = {.events = EPOLLIN | EPOLLET, .data.ptr = NULL};
    struct epoll_event oneshot = {.events = EPOLLIN, .data.ptr = p};
    if (epoll_ctl(p->epoll_fd, EPOLL_CTL_ADD, p->wake_fd, &wake) < 0 ||
        epoll_ctl(p->epoll_fd, EPOLL_CTL_ADD, p->oneshot_fd, &oneshot) < 0) {
        code = -errno;
        goto fail_wake;
    }
    return 0;

fail_wake:
    (void)close(p->wake_fd);
fail_oneshot:
    (void)close(p->oneshot_fd);
fail_epoll:
    (void)close(p->epoll_fd);
    return code;
}

void cvy_poll_detach(struct cvy_poll *p)
{
    /* Acquire: pairs with the release of who set it. */
    void (*on_detach)(struct cvy_poll *) = cvy_load_acquire(&p->on_detach);

    if (on_detach) {
        on_detach(p);
    }
}

void cvy_poll_close(struct cvy_poll *p)
{
    (void)close(p->wake_fd);
    (void)close(p->oneshot_fd);
    (void)close(p->epoll_fd);
}

/* What to ask the kernel for. */
static uint32_t mask_of(uint32_t events)
{
    return (events & CVY_POLL_IN ? EPOLLIN | EPOLLRDHUP : 0u) |
           (events & CVY_POLL_OUT ? EPOLLOUT : 0u);
}

static int register_edges(struct cvy_poll *p, int what, int fd, uint32_t events,
                          struct cvy_pollable *who)
{
    struct epoll_event ev = {.events = mask_of(events) | EPOLLET, .data.ptr = who};
    return epoll_ctl(p->epoll_fd, what, fd, &ev) < 0 ? -errno : 0;
}

int cvy_poll_add(struct cvy_poll *p, int fd, uint32_t events, struct cvy_pollable *who)
{
    return register_edges(p, EPOLL_CTL_ADD, fd, events, who);
}

int cvy_poll_change(struct cvy_poll *p, int fd, uint32_t events, struct cvy_pollable *who)
{
    return register_edges(p, EPOLL_CTL_MOD, fd, events, who);
}

int cvy_poll_arm(struct cvy_poll *p, int fd, uint32_t events, struct cvy_pollable *who)
{
    struct epoll_event ev = {.events = mask_of(events) | EPOLLONESHOT, .data.ptr = who};

    if (epoll_ctl(p->oneshot_fd, EPOLL_CTL_MOD, fd, &ev) == 0) {
        return 0;
    }
    /* Not there, or there under a number that was closed and opened again. */
    if (errno != ENOENT) {
        return -errno;
    }
    return epoll_ctl(p->oneshot_fd, EPOLL_CTL_ADD, fd, &ev) < 0 ? -errno : 0;
}

void cvy_poll_remove(struct cvy_poll *p, int fd)
{
    (void)epoll_ctl(p->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
}

static int wait_kernel(struct cvy_poll *p, struct epoll_event *events, int64_t timeout_ns)
{
    static atomic_bool has_pwait2 = true;

    /* TSan (clang 14) does not know epoll_pwait2, and so not what happened before it. */
    if (timeout_ns > 0 && !CVY_TSAN && cvy_load_relaxed(&has_pwait2)) {
        struct timespec ts = {.tv_sec = timeout_ns / NS_PER_SEC,
                              .tv_nsec = timeout_ns % NS_PER_SEC};
        int n = epoll_pwait2(p->epoll_fd, events, EVENTS_MAX, &ts, NULL);
        if (n >= 0 || errno != ENOSYS) {
            return n;
        }
        cvy_store_relaxed(&has_pwait2, false);
    }
    int64_t ms = timeout_ns <= 0 ? timeout_ns : (timeout_ns + NS_PER_MS - 1) / NS_PER_MS;
    return epoll_wait(p->epoll_fd, events, EVENTS_MAX, ms > 60000 ? 60000 : (int)ms);
}

static void deliver(const struct epoll_event *event, struct cvy_wakelist *list)
{
    struct cvy_pollable *who = event->data.ptr;
    uint32_t bits = 0;

    if (event->events & EPOLLIN) {
        bits |= CVY_POLL_IN;
    }
    if (event->events & EPOLLOUT) {
        bits |= CVY_POLL_OUT;
    }
    if (event->events & EPOLLRDHUP) {
        bits |= CVY_POLL_IN | CVY_POLL_HUP;
    }
    if (event->events & (EPOLLHUP | EPOLLERR)) {
        bits |= CVY_POLL_IN | CVY_POLL_OUT | CVY_POLL_HUP;
    }
    who->on_events(who, bits, list);
}

/* What is left for want of room keeps the inner set ready for the next wait. */
__attribute__((noinline)) static int deliver_oneshots(struct cvy_poll *p, struct cvy_wakelist *list)
{
    struct epoll_event events[EVENTS_MAX];
    int n = epoll_wait(p->oneshot_fd, events, EVENTS_MAX, 0);

    for (int i = 0; i < n; i++) {
        deliver(&events[i], list);
    }
    return n < 0 ? 0 : n;
}

int cvy_poll_wait(struct cvy_poll *p, int64_t timeout_ns, struct cvy_wakelist *list)
{
    struct epoll_event events[EVENTS_MAX];
    int n = wait_kernel(p, events, timeout_ns < 0 ? -1 : timeout_ns);
    int delivered = 0;

    for (int i = 0; i < n; i++) {
        if (events[i].data.ptr == p) {
            delivered += deliver_oneshots(p, list);
        } else if (events[i].data.ptr) {
            deliver(&events[i], list);
            delivered++;
        } else if (timeout_ns == 0) {
            /* A wake that was meant for the one who sleeps, not for a passing look. */
            cvy_poll_wake(p);
        }
    }
    return delivered;
}

void cvy_poll_wake(struct cvy_poll *p)
{
    uint64_t one = 1;
    (void)!write(p->wake_fd, &one, sizeof(one));
}
