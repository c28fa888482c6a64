/* SPDX-License-Identifier: MIT
 * addr_test.c - addresses as text. */
#include "io/addr.h"

#include "harness.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>

static void check_tcp(const char *text, const char *host, unsigned port)
{
    struct cvy_addr a;

    CHECK_EQ(cvy_addr_parse(&a, text), 0);
    CHECK(!a.is_unix);
    CHECK_EQ(a.name_len, strlen(host));
    CHECK(memcmp(a.name, host, a.name_len) == 0);
    CHECK_EQ(a.port, port);
}

static void check_invalid(const char *text)
{
    struct cvy_addr a;
    CHECK_EQ(cvy_addr_parse(&a, text), -EINVAL);
}

TEST(tcp_hosts_and_ports_are_taken_apart)
{
    check_tcp("tcp://127.0.0.1:8080", "127.0.0.1", 8080);
    check_tcp("tcp://[::1]:443", "::1", 443);
    check_tcp("tcp://[::]:0", "::", 0);
    check_tcp("tcp://[::ffff:10.0.0.1]:1", "::ffff:10.0.0.1", 1);
    check_tcp("tcp://example.org:65535", "example.org", 65535);
    check_tcp("tcp://localhost:00080", "localhost", 80);
    check_tcp("tcp://a-b_c.example.:1", "a-b_c.example.", 1);
    check_tcp("tcp://3com.com:1", "3com.com", 1);
}

TEST(nasty_tcp_addresses_are_refused)
{
    static const char *const texts[] = {
        "",
        "tcp",
        "tcp:",
        "tcp:/",
        "tcp://",
        "tcp://:",
        "tcp://:80",
        "tcp://host",
        "tcp://host:",
        "tcp://host:65536",
        "tcp://host:99999",
        "tcp://host:123456",
        "tcp://host:-1",
        "tcp://host:+1",
        "tcp://host: 1",
        "tcp://host:1 ",
        "tcp://host:0x10",
        "tcp://host:80/",
        "tcp://host:80:80",
        "tcp://host:http",
        "tcp:// host:80",
        "tcp://ho st:80",
        "tcp://user@host:80",
        "tcp://host/path:80",
        "tcp://::1:80",
        "tcp://[::1]",
        "tcp://[::1]80",
        "tcp://[::1]:",
        "tcp://[::1:80",
        "tcp://[]:80",
        "tcp://[host]:80",
        "tcp://[127.0.0.1]:80",
        "tcp://[::1%]:80",
        "tcp://[::1%no-such-zone]:80",
        "tcp://[::1]]:80",
        "tcp://[[::1]]:80",
        "tcp://[:::1]:80",
        "tcp://[12345::]:80",
        "tcp://1.2.3:80",
        "tcp://127.1:80",
        "tcp://256.0.0.1:80",
        "tcp://1.2.3.4.5:80",
        "tcp://017:80",
        "tcp://2130706433:80",
        "tcp://.:80",
        "tcp://a..b:80",
        "tcp://.a:80",
        "tcp://h\xc3\xb6st:80",
        "tcp://h\nst:80",
        "TCP://host:80",
        " tcp://host:80",
        "udp://host:80",
        "http://host:80",
        "host:80",
        "tcp://%00:80",
        "tcp://*:80",
    };

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        check_invalid(texts[i]);
    }
    check_invalid(NULL);
}

TEST(host_names_are_bounded)
{
    char text[400] = "tcp://";
    struct cvy_addr a;

    memset(text + 6, 'a', 253);
    memcpy(text + 6 + 253, ":80", 4);
    CHECK_EQ(cvy_addr_parse(&a, text), 0);
    memset(text + 6, 'a', 254);
    memcpy(text + 6 + 254, ":80", 4);
    check_invalid(text);
}

TEST(unix_paths_and_abstract_names)
{
    struct cvy_addr a;
    struct cvy_sockaddr s;
    char text[CVY_ADDR_TEXT_SIZE];

    CHECK_EQ(cvy_addr_parse(&a, "unix:///run/x.sock"), 0);
    CHECK(a.is_unix);
    cvy_addr_unix(&a, &s);
    CHECK_STR(((struct sockaddr_un *)&s.storage)->sun_path, "/run/x.sock");
    CHECK_EQ(s.len, offsetof(struct sockaddr_un, sun_path) + sizeof("/run/x.sock"));
    cvy_addr_format(&s, text, sizeof(text));
    CHECK_STR(text, "unix:///run/x.sock");

    CHECK_EQ(cvy_addr_parse(&a, "unix://@name"), 0);
    cvy_addr_unix(&a, &s);
    CHECK_EQ(((struct sockaddr_un *)&s.storage)->sun_path[0], 0);
    CHECK_EQ(s.len, offsetof(struct sockaddr_un, sun_path) + 5);
    cvy_addr_format(&s, text, sizeof(text));
    CHECK_STR(text, "unix://@name");
}

TEST(nasty_unix_addresses_are_refused)
{
    char text[200] = "unix:///";
    struct cvy_addr a;

    check_invalid("unix://");
    check_invalid("unix:///");
    check_invalid("unix://@");
    check_invalid("unix://relative");
    check_invalid("unix:/run/x");
    check_invalid("unix");
    memset(text + 8, 'x', 106);
    CHECK_EQ(cvy_addr_parse(&a, text), 0);
    memset(text + 8, 'x', 107);
    check_invalid(text);
}

static void check_numeric(const char *host, const char *text)
{
    struct cvy_sockaddr s;
    char out[CVY_ADDR_TEXT_SIZE];

    CHECK(cvy_addr_numeric(host, strlen(host), 80, &s));
    CHECK_EQ(s.len, cvy_addr_len(&s.storage));
    cvy_addr_format(&s, out, sizeof(out));
    CHECK_STR(out, text);
}

TEST(numeric_hosts_need_no_lookup)
{
    struct cvy_sockaddr s;

    check_numeric("127.0.0.1", "tcp://127.0.0.1:80");
    check_numeric("::1", "tcp://[::1]:80");
    check_numeric("::ffff:10.1.2.3", "tcp://10.1.2.3:80");
    check_numeric("fe80::1%lo", "tcp://[fe80::1%1]:80");
    check_numeric("fe80::1%7", "tcp://[fe80::1%7]:80");
    CHECK(!cvy_addr_numeric("localhost", 9, 80, &s));
    CHECK(!cvy_addr_numeric("", 0, 80, &s));
    CHECK(!cvy_addr_numeric("1.2.3.4x", 8, 80, &s));
    CHECK(cvy_addr_numeric("1.2.3.4x", 7, 80, &s));
    char longest[300];
    memset(longest, '1', sizeof(longest));
    CHECK(!cvy_addr_numeric(longest, sizeof(longest), 80, &s));
}

TEST(unknown_addresses_have_no_text)
{
    struct cvy_sockaddr s = {0};
    char text[CVY_ADDR_TEXT_SIZE] = "x";

    cvy_addr_format(&s, text, sizeof(text));
    CHECK_STR(text, "");
    s.storage.ss_family = AF_UNIX;
    s.len = offsetof(struct sockaddr_un, sun_path);
    cvy_addr_format(&s, text, sizeof(text));
    CHECK_STR(text, "");
    CHECK_EQ(cvy_addr_len(&s.storage), 0);
}
