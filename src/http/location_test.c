/* SPDX-License-Identifier: MIT */
#include "http/location.h"

#include "harness.h"

#include <string.h>

static const char *host_of(const char *url)
{
    static char host[64];
    struct cvy_http_location l = cvy_http_location_of(url);

    memcpy(host, l.host, l.host_len);
    host[l.host_len] = '\0';
    return host;
}

TEST(finds_the_host)
{
    CHECK_STR(host_of("http://example.org/"), "example.org");
    CHECK_STR(host_of("http://example.org"), "example.org");
    CHECK_STR(host_of("https://example.org:8443/x?y"), "example.org");
    CHECK_STR(host_of("http://user:pass@example.org:1/"), "example.org");
    CHECK_STR(host_of("http://[::1]:8080/"), "[::1]");
    CHECK_STR(host_of("http://h?q=@x"), "h");
    CHECK_STR(host_of("example.org/path:1"), "example.org");
    CHECK_STR(host_of(""), "");
    CHECK_STR(host_of("http://"), "");
    CHECK_STR(host_of("http://[::1"), "[::1");
}

TEST(knows_addresses_and_tls)
{
    CHECK(cvy_http_location_of("http://127.0.0.1:80/").is_numeric);
    CHECK(cvy_http_location_of("http://[fe80::1]/").is_numeric);
    CHECK(!cvy_http_location_of("http://127.0.0.1.example/").is_numeric);
    CHECK(!cvy_http_location_of("http:///").is_numeric);
    CHECK(cvy_http_location_of("HTTPS://h/").is_tls);
    CHECK(!cvy_http_location_of("http://https:/").is_tls);
}

TEST(a_url_may_hold_another)
{
    char shown[100];
    struct cvy_http_location l = cvy_http_location_of("user:pw@host/x?u=http://other/");

    CHECK(l.host_len == 4 && memcmp(l.host, "host", 4) == 0);
    CHECK_STR(cvy_http_location_public("user:pw@host/x?u=http://a:b@other/", shown, sizeof(shown)),
              "user:***@host/x?u=http://a:b@other/");
    /* libcurl takes these too. */
    CHECK_STR(cvy_http_location_public("http:/user:pw@host/", shown, sizeof(shown)),
              "http:/user:***@host/");
    CHECK_STR(cvy_http_location_public("http:///user:pw@host/", shown, sizeof(shown)),
              "http:///user:***@host/");
}

TEST(hash_ignores_case_and_port)
{
    struct cvy_http_location a = cvy_http_location_of("http://Example.ORG:1/a");
    struct cvy_http_location b = cvy_http_location_of("https://example.org/b");
    struct cvy_http_location c = cvy_http_location_of("https://example.com/b");

    CHECK(cvy_http_location_hash(&a) == cvy_http_location_hash(&b));
    CHECK(cvy_http_location_hash(&a) != cvy_http_location_hash(&c));
}

TEST(a_password_is_not_shown)
{
    char buf[64];

    CHECK_STR(cvy_http_location_public("http://u:secret@h/p", buf, sizeof(buf)),
              "http://u:***@h/p");
    CHECK_STR(cvy_http_location_public("http://u@h/p", buf, sizeof(buf)), "http://u@h/p");
    CHECK_STR(cvy_http_location_public("http://h/a:b@c", buf, sizeof(buf)), "http://h/a:b@c");
    CHECK_STR(cvy_http_location_public("http://h/long", buf, 9), "http://h");
}

static const char *key_of(const char *url)
{
    static char key[40];
    struct cvy_http_location l = cvy_http_location_of(url);

    CHECK_EQ(cvy_http_location_key(&l, key, sizeof(key)), strlen(key));
    return key;
}

TEST(a_host_has_a_port)
{
    CHECK_STR(key_of("http://Example.org/"), "example.org:80");
    CHECK_STR(key_of("https://example.org"), "example.org:443");
    CHECK_STR(key_of("http://u:p@EXAMPLE.org:8080/x:9"), "example.org:8080");
    CHECK_STR(key_of("http://[FE80::1]:81/"), "[fe80::1]:81");
    CHECK_STR(key_of("http://[::1]"), "[::1]:80");
    CHECK_STR(key_of("http://h:/"), "h:80");
    CHECK_STR(key_of(""), ":80");
    CHECK_EQ(strlen(key_of("http://a-name-that-is-longer-than-there-is-room-for.example/")), 39);
}
