/* SPDX-License-Identifier: MIT
 * net.c - see net.h. */
#define _GNU_SOURCE
#include "os/net.h"

#include "base/debug.h"
#include "os/poll.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

/* The code of the call that just failed. Not inlined, nor taken for pure: with link-time
 * optimisation a caller's loop would keep errno's address across a park. */
__attribute__((noinline)) static int failure(void)
{
    int code = -errno;
    __asm__ volatile("" : "+r"(code)::"memory");
    return code;
}

/* 0 or a descriptor, or the failure. */
static int result_of(int result)
{
    return result < 0 ? failure() : result;
}

int cvy_net_socket(int family, int type)
{
    return result_of(socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
}

void cvy_net_close(int fd)
{
    /* Linux has released the number even where this fails. */
    (void)close(fd);
}

int cvy_net_duplicate(int fd)
{
    return result_of(fcntl(fd, F_DUPFD_CLOEXEC, 0));
}

int cvy_net_set_option(int fd, int level, int name, int value)
{
    return result_of(setsockopt(fd, level, name, &value, sizeof(value)));
}

int cvy_net_set_nonblocking(int fd)
{
    int flags = fcntl(fd, F_GETFL);

    if (flags < 0) {
        return failure();
    }
    return flags & O_NONBLOCK ? 0 : result_of(fcntl(fd, F_SETFL, flags | O_NONBLOCK));
}

int cvy_net_check_stream(int fd)
{
    int type = 0;
    socklen_t len = sizeof(type);

    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) < 0) {
        return failure();
    }
    return type == SOCK_STREAM ? 0 : -EPROTOTYPE;
}

int cvy_net_bind(int fd, const struct cvy_sockaddr *at)
{
    return result_of(bind(fd, (const struct sockaddr *)&at->storage, at->len));
}

int cvy_net_listen(int fd, int backlog)
{
    return result_of(listen(fd, backlog));
}

int cvy_net_accept(int fd, struct cvy_sockaddr *peer)
{
    struct sockaddr *addr = peer ? (struct sockaddr *)&peer->storage : NULL;
    int code;

    do {
        socklen_t len = sizeof(peer->storage);
        code = result_of(accept4(fd, addr, addr ? &len : NULL, SOCK_NONBLOCK | SOCK_CLOEXEC));
        if (code >= 0 && peer) {
            peer->len = len;
        }
    } while (code == -EINTR);
    return code;
}

int cvy_net_connect(int fd, const struct cvy_sockaddr *to)
{
    int code = result_of(connect(fd, (const struct sockaddr *)&to->storage, to->len));
    /* An interrupted connect goes on by itself. */
    return code == -EINTR ? -EINPROGRESS : code;
}

int cvy_net_connect_result(int fd)
{
    int error = 0;
    socklen_t len = sizeof(error);
    struct cvy_sockaddr peer;

    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0) {
        return failure();
    }
    if (error) {
        return -error;
    }
    int code = cvy_net_peer(fd, &peer);
    return code == -ENOTCONN ? -EINPROGRESS : code;
}

int cvy_net_name(int fd, struct cvy_sockaddr *out)
{
    out->len = sizeof(out->storage);
    return result_of(getsockname(fd, (struct sockaddr *)&out->storage, &out->len));
}

int cvy_net_peer(int fd, struct cvy_sockaddr *out)
{
    out->len = sizeof(out->storage);
    return result_of(getpeername(fd, (struct sockaddr *)&out->storage, &out->len));
}

bool cvy_net_peer_is_own(int fd)
{
    struct ucred peer;
    socklen_t len = sizeof(peer);

    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 &&
           (peer.uid == geteuid() || peer.uid == 0);
}

ssize_t cvy_net_recv(int fd, void *buf, size_t len)
{
    for (;;) {
        ssize_t n = recv(fd, buf, len, 0);
        if (n >= 0) {
            return n;
        }
        n = failure();
        if (n != -EINTR) {
            return n;
        }
    }
}

ssize_t cvy_net_send(int fd, const void *buf, size_t len)
{
    for (;;) {
        ssize_t n = send(fd, buf, len, MSG_NOSIGNAL);
        if (n >= 0) {
            return n;
        }
        n = failure();
        if (n != -EINTR) {
            return n;
        }
    }
}

static ssize_t send_message(int fd, const struct msghdr *message)
{
    for (;;) {
        ssize_t n = sendmsg(fd, message, MSG_NOSIGNAL);
        if (n >= 0) {
            return n;
        }
        n = failure();
        if (n != -EINTR) {
            return n;
        }
    }
}

ssize_t cvy_net_send_vector(int fd, const struct iovec *iov, size_t n)
{
    return send_message(fd, &(struct msghdr){.msg_iov = (struct iovec *)iov, .msg_iovlen = n});
}

/* Room for the most descriptors that one message carries. */
union fds_control {
    struct cmsghdr header;
    char bytes[CMSG_SPACE(CVY_NET_FDS_MAX * sizeof(int))];
};

ssize_t cvy_net_send_fds(int fd, const struct iovec *what, const int *fds, size_t count)
{
    union fds_control control = {0};
    struct msghdr message = {.msg_iov = (struct iovec *)what, .msg_iovlen = 1};

    if (count > 0) {
        message.msg_control = &control;
        message.msg_controllen = CMSG_SPACE(count * sizeof(int));
        control.header = (struct cmsghdr){.cmsg_level = SOL_SOCKET,
                                          .cmsg_type = SCM_RIGHTS,
                                          .cmsg_len = CMSG_LEN(count * sizeof(int))};
        memcpy(CMSG_DATA(&control.header), fds, count * sizeof(int));
    }
    return send_message(fd, &message);
}

/* The descriptors of a message, as far as there is room; the others are closed. How many there
 * were. */
static size_t take_fds(struct msghdr *message, int *fds, size_t room)
{
    size_t count = 0;

    for (struct cmsghdr *m = CMSG_FIRSTHDR(message); m; m = CMSG_NXTHDR(message, m)) {
        if (m->cmsg_level != SOL_SOCKET || m->cmsg_type != SCM_RIGHTS) {
            continue;
        }
        size_t n = (m->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < n; i++, count++) {
            int fd;
            memcpy(&fd, CMSG_DATA(m) + i * sizeof(int), sizeof(int));
            if (count < room) {
                fds[count] = fd;
            } else {
                (void)close(fd);
            }
        }
    }
    return count;
}

ssize_t cvy_net_recv_fds(int fd, struct iovec *into, int *fds, size_t *count)
{
    union fds_control control;
    struct msghdr message = {.msg_iov = into, .msg_iovlen = 1, .msg_control = &control};
    ssize_t n;

    do {
        message.msg_controllen = sizeof(control);
        n = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
        n = n < 0 ? failure() : n;
    } while (n == -EINTR);
    if (n < 0) {
        return n;
    }
    size_t came = take_fds(&message, fds, *count);
    if (came > *count || (message.msg_flags & MSG_CTRUNC)) {
        for (size_t i = 0; i < came && i < *count; i++) {
            (void)close(fds[i]);
        }
        return -EMSGSIZE;
    }
    *count = came;
    return n;
}

ssize_t cvy_net_recv_from(int fd, struct iovec *into, struct cvy_sockaddr *from, bool *is_cut)
{
    struct msghdr message = {.msg_iov = into, .msg_iovlen = 1, .msg_name = &from->storage};

    for (;;) {
        message.msg_namelen = sizeof(from->storage);
        ssize_t n = recvmsg(fd, &message, 0);
        if (n >= 0) {
            from->len = message.msg_namelen;
            *is_cut = message.msg_flags & MSG_TRUNC;
            return n;
        }
        n = failure();
        if (n != -EINTR) {
            return n;
        }
    }
}

ssize_t cvy_net_send_to(int fd, const struct iovec *what, const struct cvy_sockaddr *to)
{
    struct msghdr message = {.msg_iov = (struct iovec *)what, .msg_iovlen = 1};

    if (to) {
        message.msg_name = (void *)&to->storage;
        message.msg_namelen = to->len;
    }
    return send_message(fd, &message);
}

int cvy_net_shutdown_write(int fd)
{
    return result_of(shutdown(fd, SHUT_WR));
}

bool cvy_net_is_file(int fd)
{
    struct stat st;
    return fstat(fd, &st) == 0 && (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode));
}

int cvy_net_ready(int fd, uint32_t bits)
{
    struct pollfd p = {.fd = fd};
    uint32_t ready = 0;
    int n;

    if (fd < 0) {
        return -EBADF;
    }
    if (bits & CVY_POLL_IN) {
        p.events |= POLLIN | POLLRDHUP;
    }
    if (bits & CVY_POLL_OUT) {
        p.events |= POLLOUT;
    }
    do {
        n = result_of(poll(&p, 1, 0));
    } while (n == -EINTR);
    if (n <= 0) {
        return n;
    }
    if (p.revents & POLLNVAL) {
        return -EBADF;
    }
    if (p.revents & (POLLIN | POLLRDHUP)) {
        ready |= CVY_POLL_IN;
    }
    if (p.revents & POLLOUT) {
        ready |= CVY_POLL_OUT;
    }
    if (p.revents & (POLLERR | POLLHUP)) {
        ready |= CVY_POLL_IN | CVY_POLL_OUT;
    }
    return (int)(ready & bits);
}

bool cvy_net_is_hung_up(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLRDHUP};
    int n;

    do {
        n = result_of(poll(&p, 1, 0));
    } while (n == -EINTR);
    return n > 0;
}

int cvy_net_set_mode(int fd, unsigned mode)
{
    return result_of(fchmod(fd, mode));
}

int cvy_net_set_path_mode(const char *path, unsigned mode)
{
    return result_of(chmod(path, mode));
}

int cvy_net_path_id(const char *path, struct cvy_file_id *out)
{
    struct stat st;

    if (lstat(path, &st) < 0) {
        return failure();
    }
    *out = (struct cvy_file_id){st.st_dev, st.st_ino, S_ISSOCK(st.st_mode)};
    return 0;
}

int cvy_net_unlink(const char *path)
{
    return result_of(unlink(path));
}

int cvy_net_lookup(const char *host, const char *port, bool is_passive, struct addrinfo **out,
                   int *code)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = is_passive ? AI_PASSIVE : 0};
    int gai = cvy_alloc_fails() ? EAI_MEMORY : getaddrinfo(host, port, &hints, out);

    *code = 0;
    if (gai == EAI_SYSTEM) {
        *code = failure();
    } else if (gai == EAI_MEMORY) {
        *code = -ENOMEM;
    }
    return gai;
}

int cvy_event_open(void)
{
    return result_of(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
}

void cvy_event_signal(int fd)
{
    uint64_t one = 1;
    int saved = errno;

    (void)!write(fd, &one, sizeof(one));
    errno = saved;
}

bool cvy_net_is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}
