/* SPDX-License-Identifier: MIT
 * status.c - see status.h. */
#include "tools/status.h"

#include <stdio.h>

static const struct {
    int status;
    const char *words;
} known[] = {
    {300, "Multiple Choices"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {303, "See Other"},
    {304, "Not Modified"},
    {307, "Temporary Redirect"},
    {308, "Permanent Redirect"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {407, "Proxy Authentication Required"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {410, "Gone"},
    {412, "Precondition Failed"},
    {414, "URI Too Long"},
    {416, "Range Not Satisfiable"},
    {421, "Misdirected Request"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {451, "Unavailable For Legal Reasons"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
};

const char *cvy_status_text(int status, char *buf, unsigned long size)
{
    const char *words = "";

    for (unsigned i = 0; i < sizeof(known) / sizeof(*known); i++) {
        if (known[i].status == status) {
            words = known[i].words;
        }
    }
    (void)snprintf(buf, size, "%d%s%s", status, words[0] ? " " : "", words);
    return buf;
}
