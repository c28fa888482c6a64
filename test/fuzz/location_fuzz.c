/* SPDX-License-Identifier: MIT
 * location_fuzz.c - what is found in a URL without parsing it properly. fuzz-layer: http
 *
 * All of it stands in the URL; a key is small letters; the public form has no password. */
#define _GNU_SOURCE
#include "fuzz.h"

#include "http/location.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *url = fuzz_text(data, size), key[300], secret[64], shown[256];
    const char *end = url + strlen(url);
    struct cvy_http_location l = cvy_http_location_of(url);

    MUST(url <= l.host && l.host + l.host_len <= end);
    MUST(l.port_len == 0 || (url <= l.port && l.port + l.port_len <= end));
    MUST(!l.user_end || (url <= l.user && l.user <= l.user_end && *l.user_end == '@'));
    MUST(!memchr(l.host, '/', l.host_len) && !memchr(l.host, '@', l.host_len));
    (void)cvy_http_location_hash(&l);

    size_t len = cvy_http_location_key(&l, key, sizeof(key));
    MUST(len == strlen(key) && len < sizeof(key) && (strchr(key, ':') || len == sizeof(key) - 1));
    MUST(key[strcspn(key, "ABCDEFGHIJKLMNOPQRSTUVWXYZ")] == '\0');
    MUST(cvy_http_location_key(&l, key, 8) < 8 && strlen(key) < 8);

    /* The same with a password that cannot stand in the rest. */
    (void)snprintf(secret, sizeof(secret), "http://u:%s@", "S3cr3t\x01S3cr3t");
    char *whole = malloc(strlen(secret) + strlen(url) + 1);
    MUST(whole);
    (void)sprintf(whole, "%s%s", secret, url);
    (void)cvy_http_location_public(whole, shown, sizeof(shown));
    MUST(strlen(shown) < sizeof(shown));
    MUST(strstr(url, "\x01") || !strstr(shown, "S3cr3t\x01S3cr3t"));
    free(whole);
    free(url);
    return 0;
}
