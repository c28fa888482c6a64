/* SPDX-License-Identifier: MIT
 * url.h - the parts of a URL that file names and limits are made of. libcurl does the real parsing
 * and refuses what is wrong; here anything gives parts, maybe empty ones. */
#ifndef CVY_TOOLS_URL_H
#define CVY_TOOLS_URL_H

#include <stddef.h>

struct cvy_text {
    const char *at; /* not terminated */
    size_t len;
};

struct cvy_url {
    struct cvy_text scheme; /* "http" if there is none */
    struct cvy_text host, port;
    struct cvy_text path; /* without the first slash */
    struct cvy_text name; /* behind the last slash of the path */
    struct cvy_text query;
};

/* The parts point into url. */
struct cvy_url cvy_url_split(const char *url);

#endif
