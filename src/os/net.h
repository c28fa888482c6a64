/* SPDX-License-Identifier: MIT
 * net.h - system calls on sockets and other descriptors.
 *
 * None blocks but cvy_net_lookup(). Failures are negative codes; an interrupted call is repeated.
 * Sockets are non-blocking and closed on exec. */
#ifndef CVY_OS_NET_H
#define CVY_OS_NET_H

#include "base/atomic.h"

#include <stddef.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

struct addrinfo;

struct cvy_sockaddr {
    socklen_t len; /* 0: unknown */
    struct sockaddr_storage storage;
};

/* type: SOCK_STREAM, SOCK_DGRAM. */
int cvy_net_socket(int family, int type);
void cvy_net_close(int fd);
/* Another number for the same; closed on exec. */
int cvy_net_duplicate(int fd);
int cvy_net_set_option(int fd, int level, int name, int value);
int cvy_net_set_nonblocking(int fd);
/* 0; -ENOTSOCK, -EBADF; -EPROTOTYPE: a socket, but no stream. */
int cvy_net_check_stream(int fd);

int cvy_net_bind(int fd, const struct cvy_sockaddr *at);
int cvy_net_listen(int fd, int backlog);
/* A descriptor; peer may be NULL. */
int cvy_net_accept(int fd, struct cvy_sockaddr *peer);
/* 0, -EINPROGRESS, or why not. */
int cvy_net_connect(int fd, const struct cvy_sockaddr *to);
/* What became of it: 0, -EINPROGRESS (not decided yet), or why not. */
int cvy_net_connect_result(int fd);
int cvy_net_name(int fd, struct cvy_sockaddr *out);
int cvy_net_peer(int fd, struct cvy_sockaddr *out);
/* Whether who connected a Unix socket runs as this process's user, or as root. */
bool cvy_net_peer_is_own(int fd);

ssize_t cvy_net_recv(int fd, void *buf, size_t len);
/* Never raises SIGPIPE. */
ssize_t cvy_net_send(int fd, const void *buf, size_t len);
ssize_t cvy_net_send_vector(int fd, const struct iovec *iov, size_t n);
/* The same over a Unix socket, with count descriptors, at most CVY_NET_FDS_MAX. */
#define CVY_NET_FDS_MAX 253
ssize_t cvy_net_send_fds(int fd, const struct iovec *what, const int *fds, size_t count);
/* Bytes, and up to *count descriptors that came with them. -EMSGSIZE: more did, or could not be
 * opened; those that were are closed. */
ssize_t cvy_net_recv_fds(int fd, struct iovec *into, int *fds, size_t *count);
int cvy_net_shutdown_write(int fd);
/* One datagram: its bytes that fit, *is_cut if that is not all, and who sent it. */
ssize_t cvy_net_recv_from(int fd, struct iovec *into, struct cvy_sockaddr *from, bool *is_cut);
/* to: NULL of a connected socket. */
ssize_t cvy_net_send_to(int fd, const struct iovec *what, const struct cvy_sockaddr *to);

/* Whether the number is that of an open descriptor. */
bool cvy_net_is_open(int fd);
/* Which of CVY_POLL_IN and CVY_POLL_OUT any descriptor is ready for now; an error or hang-up counts
 * as ready for both, as a file or directory always is. -EBADF. */
int cvy_net_ready(int fd, uint32_t bits);
bool cvy_net_is_file(int fd); /* or directory */

/* Whether a stream's peer will send no more, or the stream has failed. */
bool cvy_net_is_hung_up(int fd);

/* Takes the path for a socket's file: its mode as far as the umask allows (before bind), or exactly
 * (after it). */
int cvy_net_set_mode(int fd, unsigned mode);
int cvy_net_set_path_mode(const char *path, unsigned mode);
/* Which file stands at path, whatever its kind. */
struct cvy_file_id {
    dev_t device;
    ino_t inode;
    bool is_socket;
};
int cvy_net_path_id(const char *path, struct cvy_file_id *out);
int cvy_net_unlink(const char *path);

/* getaddrinfo: 0, or one of its codes (gai_strerror); *code is then the system's, or 0 if it is the
 * name that does not resolve. Blocks. is_passive: for bind. Free with freeaddrinfo(). */
int cvy_net_lookup(const char *host, const char *port, bool is_passive, struct addrinfo **out,
                   int *code);

/* An eventfd: a descriptor, or a negative code. */
int cvy_event_open(void);
/* Makes it readable, as a new edge each time. Signal handlers too: keeps errno. */
void cvy_event_signal(int fd);

#endif
