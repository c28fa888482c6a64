/* SPDX-License-Identifier: MIT
 * media_type.h - what a file's content is, by the suffix of its name. */
#ifndef CVY_HTTP_MEDIA_TYPE_H
#define CVY_HTTP_MEDIA_TYPE_H

/* A Content-Type; static. */
const char *cvy_http_media_type_of(const char *name);

#endif
