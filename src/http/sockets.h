/* SPDX-License-Identifier: MIT
 * sockets.h - libcurl's descriptors in an epoll.
 *
 * A connection that goes idle stays in the epoll with the interest it had: the next transfer on it
 * wants the same, and two system calls a transfer are saved. If something happens to it meanwhile
 * it is taken out then. Since a number may be used again, an entry is forgotten when its socket is
 * made or closed; descriptors that libcurl makes itself (of its resolver) are never kept. */
#ifndef CVY_HTTP_SOCKETS_H
#define CVY_HTTP_SOCKETS_H

#include <curl/curl.h>
#include <stdbool.h>
#include <stddef.h>

struct cvy_http_sockets {
    int epoll;            /* -1: closed */
    int watched;          /* the same, by covey_fd_watch(): readable when something is ready */
    unsigned char *state; /* by descriptor: bits of sockets.c */
    size_t size;
    int code; /* a failure inside libcurl; 0: none */
};

/* 0, -EMFILE, -ENOMEM. */
int cvy_http_sockets_open(struct cvy_http_sockets *s);
void cvy_http_sockets_close(struct cvy_http_sockets *s);
/* libcurl's wish, a CURL_POLL_ value. 0 or -1. */
int cvy_http_sockets_watch(struct cvy_http_sockets *s, curl_socket_t fd, int what);
/* fd was just made by us, or is about to be closed. */
void cvy_http_sockets_made(struct cvy_http_sockets *s, curl_socket_t fd);
void cvy_http_sockets_forget(struct cvy_http_sockets *s, curl_socket_t fd);
/* What is ready now: calls act(fd, CURL_CSELECT_ bits, arg) for each. Never waits. True: something
 * was. Else a wait for watched will hear of the next that is. */
bool cvy_http_sockets_poll(struct cvy_http_sockets *s,
                           void (*act)(curl_socket_t fd, int bits, void *arg), void *arg);

#endif
