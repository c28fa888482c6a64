/* SPDX-License-Identifier: MIT
 * addr.h - addresses as text: "tcp://host:port", "tcp://[v6]:port", "unix:///path",
 * "unix://@name" (abstract); of datagrams "udp://..." and "unixgram://...". */
#ifndef CVY_IO_ADDR_H
#define CVY_IO_ADDR_H

#include "os/net.h"

/* Room for any TCP address as text, with its zero. */
#define CVY_ADDR_TEXT_SIZE 96

struct cvy_addr {
    bool is_unix;
    /* Part of the text it was parsed from, without brackets: a host name or a number; or a path,
     * which begins with '@' if it is abstract. */
    const char *name;
    size_t name_len;
    uint16_t port;
};

/* 0, or -EINVAL: not an address of one of the forms above. Nothing is looked up; text is borrowed
 * by a. NULL is no address. */
int cvy_addr_parse(struct cvy_addr *a, const char *text);
int cvy_addr_parse_datagram(struct cvy_addr *a, const char *text);
/* The numeric IPv4 or IPv6 address (with its zone, if any) in host; false: it is a name. */
bool cvy_addr_numeric(const char *host, size_t len, uint16_t port, struct cvy_sockaddr *out);
/* Of one that is_unix. */
void cvy_addr_unix(const struct cvy_addr *a, struct cvy_sockaddr *out);
/* The length of an address of the internet families, 0 of another. */
socklen_t cvy_addr_len(const struct sockaddr_storage *s);
/* The text of a TCP or Unix address, cut to size; "" if it has none. */
void cvy_addr_format(const struct cvy_sockaddr *s, char *out, size_t size);
void cvy_addr_format_datagram(const struct cvy_sockaddr *s, char *out, size_t size);

#endif
