#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Plants violations in a scratch tree and expects check.py to find each, and nothing else."""
import sys
import tempfile
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
import check  # noqa: E402

HEAD = '/* SPDX-License-Identifier: MIT */\n'


class CheckTest(unittest.TestCase):
    def found(self, path, text):
        with tempfile.TemporaryDirectory() as root:
            file = Path(root, path)
            file.parent.mkdir(parents=True)
            file.write_text(text)
            return check.check(root)

    def assert_found(self, path, text, line, words):
        found = self.found(path, text)
        self.assertEqual([(path, line)], [f[:2] for f in found], found)
        self.assertIn(words, found[0][2])

    def assert_clean(self, path, text):
        self.assertEqual([], self.found(path, text))

    def test_downward_include_is_allowed(self):
        self.assert_clean('src/chan/chan.c', HEAD + '#include "chan/chan.h"\n#include "base/list.h"\n'
                          '#include <covey/chan.h>\n#include <stdlib.h>\n')

    def test_upward_include(self):
        self.assert_found('src/base/list.c', HEAD + '\n#include "sched/task.h"\n', 3,
                          'base is below sched')

    def test_sibling_include(self):
        self.assert_found('src/chan/chan.c', HEAD + '#include "ctx/ctx.h"\n', 2, 'siblings')

    def test_core_including_http(self):
        self.assert_found('src/io/fd.c', HEAD + '#include <covey/http.h>\n', 2, 'below http')

    def test_public_layer_including_core(self):
        self.assert_found('src/http/client.c', HEAD + '#include "base/list.h"\n', 2,
                          'sees only <covey/...>')

    def test_public_layer_including_itself(self):
        self.assert_clean('src/http/client.c', HEAD + '#include "http/parser.h"\n#include <covey.h>\n')

    def test_tools_including_http(self):
        self.assert_found('src/tools/fetch.c', HEAD + '#include "http/parser.h"\n', 2,
                          'sees only <covey/...>')

    def test_unknown_folder(self):
        self.assert_found('src/new/x.c', HEAD, 1, 'not in layers.txt')

    def test_bare_include(self):
        self.assert_found('src/base/list.c', HEAD + '#include "list.h"\n', 2, 'start at src/')

    def test_harness_is_for_tests(self):
        self.assert_clean('src/base/list_test.c', HEAD + '#include "harness.h"\n')
        self.assert_found('src/base/list.c', HEAD + '#include "harness.h"\n', 2, 'start at src/')

    def test_missing_licence(self):
        self.assert_found('src/base/list.h', 'int x;\n', 1, 'SPDX')

    def test_unfinished(self):
        self.assert_found('docs/a.md', 'one\nTO' 'DO: two\n', 2, 'finish it')
        self.assert_clean('docs/a.md', 'mkstemp("/tmp/a.XXXXXX")\n')

    def test_sleep_in_test(self):
        self.assert_found('test/stress/a_test.c', HEAD + 'void f(void) { usleep(1); }\n', 2, 'sleep')
        self.assert_clean('test/stress/a_test.c', HEAD + 'usleep(1); /* sleeps: it must block */\n')
        self.assert_clean('test/stress/a_test.c', HEAD + 'covey_sleep(ctx, 1); /* no sleep() */\n')

    def test_errno_outside_os(self):
        self.assert_found('src/sched/a.c', HEAD + 'int f(void) { return -errno; }\n', 2, 'errno')
        self.assert_clean('src/os/a.c', HEAD + 'int f(void) { return -errno; }\n')
        self.assert_clean('src/sched/a.c', HEAD + '#include <errno.h>\n/* errno is ... */\n')

    def test_thread_local(self):
        self.assert_found('src/chan/a.c', HEAD + 'static _Thread_local int x;\n', 2, 'thread-local')

    def test_allocation(self):
        self.assert_found('src/chan/a.c', HEAD + 'void *p = malloc(1);\n', 2, 'an allocation')
        self.assert_clean('src/base/alloc.h', HEAD + 'void *p = malloc(1);\n')
        self.assert_clean('src/chan/a.c', HEAD + 'void *p = cvy_alloc(1);\n')

    def test_vague_name(self):
        self.assert_found('src/base/utils.c', HEAD, 1, 'named by')


if __name__ == '__main__':
    unittest.main()
