/* SPDX-License-Identifier: MIT
 * accept_encoding.c - what codings a client takes (RFC 9110, 12.5.3). Weights count in thousandths;
 * an element that is malformed does not count. */
#include "http/coding.h"
#include "http/token.h"

#include <string.h>
#include <strings.h>

#define UNSAID (-1)

struct weights {
    int gzip, identity, any;
};

static size_t skip_space(const char *at)
{
    return strspn(at, " \t");
}

/* "0.5" as 500; UNSAID: malformed. *len: what was read. */
static int parse_weight(const char *at, size_t *len)
{
    int weight, digit = 100;

    if (*at != '0' && *at != '1') {
        return UNSAID;
    }
    weight = (*at - '0') * 1000;
    *len = 1;
    if (at[1] == '.') {
        for (*len = 2; at[*len] >= '0' && at[*len] <= '9' && digit > 0; ++*len, digit /= 10) {
            weight += (at[*len] - '0') * digit;
        }
    }
    return weight <= 1000 ? weight : UNSAID;
}

/* ";q=0.5", or nothing, up to the element's end. UNSAID: malformed. */
static int weight_of(const char *at)
{
    size_t len = 0;

    at += skip_space(at);
    if (*at == '\0' || *at == ',') {
        return 1000;
    }
    if (*at != ';') {
        return UNSAID;
    }
    at += 1 + skip_space(at + 1);
    if (strncasecmp(at, "q=", 2) != 0) {
        return UNSAID;
    }
    at += 2;
    int weight = parse_weight(at, &len);
    at += len + skip_space(at + len);
    return *at == '\0' || *at == ',' ? weight : UNSAID;
}

static void look_at(const char *list, struct weights *w)
{
    while (*list) {
        list += strspn(list, " \t,");
        size_t len = strcspn(list, " \t,;");
        int weight = weight_of(list + len);
        if (weight != UNSAID &&
            (cvy_http_is_word(list, len, "gzip") || cvy_http_is_word(list, len, "x-gzip"))) {
            w->gzip = weight;
        } else if (weight != UNSAID && cvy_http_is_word(list, len, "identity")) {
            w->identity = weight;
        } else if (weight != UNSAID && cvy_http_is_word(list, len, "*")) {
            w->any = weight;
        }
        list += strcspn(list, ",");
    }
}

bool cvy_http_accepts_gzip(const covey_http_server_request *req)
{
    struct weights w = {UNSAID, UNSAID, UNSAID};

    for (size_t i = 0; i < req->header_count; i++) {
        if (strcasecmp(req->headers[i].name, "Accept-Encoding") == 0) {
            look_at(req->headers[i].value, &w);
        }
    }
    int weight = w.gzip != UNSAID ? w.gzip : w.any;
    return weight > 0 && weight >= w.identity;
}
