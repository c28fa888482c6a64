/* SPDX-License-Identifier: MIT
 * location.h - what covey itself must know of a URL: its host, and where a password stands.
 *
 * libcurl parses URLs properly and refuses bad ones; this only finds a key for whoever is
 * reached, so it may be generous. */
#ifndef CVY_HTTP_LOCATION_H
#define CVY_HTTP_LOCATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cvy_http_location {
    const char *host; /* in the URL, not terminated; without port; an IPv6 address with brackets */
    size_t host_len;
    const char *port; /* its digits; port_len 0: none is given */
    size_t port_len;
    const char *user_end; /* the '@' before it, or NULL */
    const char *user;     /* where user and password begin */
    bool is_tls;          /* https:// */
    bool is_numeric;      /* an address, nothing to resolve */
};

struct cvy_http_location cvy_http_location_of(const char *url);
/* Of the host, upper and lower case alike. */
uint64_t cvy_http_location_hash(const struct cvy_http_location *l);
/* Writes "example.org:443", in lower case and with the scheme's port if none is given, to buf. Its
 * length; cut to fit. */
size_t cvy_http_location_key(const struct cvy_http_location *l, char *buf, size_t size);
/* Writes url to buf without the password: "http://user:***@host/". Cut to fit. Returns buf. */
const char *cvy_http_location_public(const char *url, char *buf, size_t size);

#endif
