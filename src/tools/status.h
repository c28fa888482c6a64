/* SPDX-License-Identifier: MIT
 * status.h - words for HTTP statuses (RFC 9110 and 6585). */
#ifndef CVY_TOOLS_STATUS_H
#define CVY_TOOLS_STATUS_H

/* "404 Not Found": to buf. Returns buf. */
const char *cvy_status_text(int status, char *buf, unsigned long size);

#endif
