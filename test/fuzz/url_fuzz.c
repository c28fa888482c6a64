/* SPDX-License-Identifier: MIT
 * url_fuzz.c - the parts of a URL, as the command and as the client see them. fuzz-layer: tools
 *
 * Parts lie inside the text, and what libcurl takes for a password is never shown. */
#include "fuzz.h"

#include "http/location.h"
#include "tools/url.h"

#include <curl/curl.h>
#include <stdbool.h>

static void check_inside(struct cvy_text part, const char *url, size_t len)
{
    /* A scheme that is not there is a constant. */
    if (part.len > 0 && strncmp(part.at, "http", 4) != 0) {
        MUST(part.at >= url && part.at + part.len <= url + len);
    }
}

/* Whether libcurl, which is asked to fetch it, finds a password in it. */
static bool has_password(const char *url)
{
    CURLU *u = curl_url();
    char *password = NULL;

    MUST(u);
    bool found = curl_url_set(u, CURLUPART_URL, url, CURLU_GUESS_SCHEME) == CURLUE_OK &&
                 curl_url_get(u, CURLUPART_PASSWORD, &password, 0) == CURLUE_OK && password[0];
    curl_free(password);
    curl_url_cleanup(u);
    return found;
}

static void check_location(const char *url)
{
    struct cvy_http_location l = cvy_http_location_of(url);
    size_t len = strlen(url);
    char shown[300], cut[16], key[16];

    MUST(l.host >= url && l.host + l.host_len <= url + len);
    MUST(!l.user_end || (l.user >= url && l.user <= l.user_end && *l.user_end == '@'));
    MUST(l.port_len == 0 || (l.port > l.host && l.port + l.port_len <= url + len));
    (void)cvy_http_location_hash(&l);
    MUST(cvy_http_location_key(&l, key, sizeof(key)) == strlen(key));
    MUST(strcspn(key, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == strlen(key));
    (void)cvy_http_location_public(url, cut, sizeof(cut));
    MUST(strlen(cut) < sizeof(cut));
    (void)cvy_http_location_public(url, shown, sizeof(shown));
    MUST(!has_password(url) || len >= sizeof(shown) || strstr(shown, ":***@"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *url = fuzz_text(data, size);
    size_t len = strlen(url);
    struct cvy_url parts = cvy_url_split(url);

    check_inside(parts.scheme, url, len);
    check_inside(parts.host, url, len);
    check_inside(parts.port, url, len);
    check_inside(parts.path, url, len);
    check_inside(parts.name, url, len);
    check_inside(parts.query, url, len);
    check_location(url);
    free(url);
    return 0;
}
