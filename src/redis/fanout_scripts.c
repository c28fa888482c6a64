/* SPDX-License-Identifier: MIT
 * fanout_scripts.c - the steps of the engine on Redis, one script each (docs/design/0022).
 *
 * A fan-out is a hash: f, c, d: max_failures, max_crashes, keep_dead in ms; x: the cause of its
 * cancel; of each key k<key>: the job's id; of each job that has not ended j<id>: its state, "w"
 * (waiting) or "r" (running), its entry in the stream, attempts, failures, crashes; n<id> name,
 * q<id> key, p<id> payload. The stream's entries are fan-out and id. Every script has the stream as
 * its key; its first arguments are the queue's prefix and dead_ns in ms. */
#include "redis/fanout.h"

/* What several scripts need. */
#define PRELUDE                                                                                    \
    "local jobs, prefix, ttl = KEYS[1], ARGV[1], tonumber(ARGV[2])\n"                              \
    "local call = redis.call\n"

/* One job, as a table: of fan-out gid, or nil if it has ended or its fan-out is gone. */
#define JOB                                                                                        \
    "local function hash(gid) return prefix .. ':g:' .. gid end\n"                                 \
    "local function find(gid, id)\n"                                                               \
    "  local v = call('HMGET', hash(gid), 'j' .. id, 'x', 'c', 'f', 'd')\n"                        \
    "  if not v[1] then return nil end\n"                                                          \
    "  local s, e, a, f, c = string.match(v[1], '(%a) (%S+) (%d+) (%d+) (%d+)')\n"                 \
    "  return {gid = gid, id = id, state = s, entry = e, attempts = tonumber(a),\n"                \
    "    failures = tonumber(f), crashes = tonumber(c), cause = v[2],\n"                           \
    "    max_crashes = tonumber(v[3]), max_failures = tonumber(v[4]), keep = tonumber(v[5])}\n"    \
    "end\n"                                                                                        \
    "local function save(job)\n"                                                                   \
    "  call('HSET', hash(job.gid), 'j' .. job.id, job.state .. ' ' .. job.entry .. ' ' ..\n"       \
    "    job.attempts .. ' ' .. job.failures .. ' ' .. job.crashes)\n"                             \
    "end\n"                                                                                        \
    "local function forget(entry)\n"                                                               \
    "  call('XACK', jobs, 'workers', entry)\n"                                                     \
    "  call('XDEL', jobs, entry)\n"                                                                \
    "end\n"

/* The end of a job: its result, and if it is to be kept, the job. */
#define OVER                                                                                       \
    "local function over(job, kind, code, words, data)\n"                                          \
    "  local g, r = hash(job.gid), prefix .. ':r:' .. job.gid\n"                                   \
    "  local v = call('HMGET', g, 'n' .. job.id, 'q' .. job.id, 'p' .. job.id)\n"                  \
    "  local bad = kind == 'failed' or kind == 'dead'\n"                                           \
    "  if kind == 'dead' then data = v[3] end\n"                                                   \
    "  call('XADD', r, '*', 'i', job.id, 'e', kind, 'c', code, 'w', words, 'd', data,\n"           \
    "    'a', job.attempts, 'f', job.failures, 'x', job.crashes, 'n', v[1], 'k', v[2])\n"          \
    "  call('PEXPIRE', r, ttl)\n"                                                                  \
    "  if bad and job.keep > 0 then\n"                                                             \
    "    local dead = prefix .. ':dead'\n"                                                         \
    "    call('XADD', dead, 'MAXLEN', '~', 10000, '*', 'end', kind, 'name', v[1], 'key', v[2],\n"  \
    "      'payload', v[3], 'code', code, 'message', words, 'attempts', job.attempts,\n"           \
    "      'failures', job.failures, 'crashes', job.crashes)\n"                                    \
    "    if call('PTTL', dead) < job.keep then call('PEXPIRE', dead, job.keep) end\n"              \
    "  end\n"                                                                                      \
    "  forget(job.entry)\n"                                                                        \
    "  call('HDEL', g, 'j' .. job.id, 'n' .. job.id, 'q' .. job.id, 'p' .. job.id)\n"              \
    "end\n"                                                                                        \
    "local function cancel(job) over(job, 'canceled', '" CANCELED "', 'canceled', '') end\n"

#define CANCELED "-125" /* COVEY_ECANCELED */
#define OWNER_DEAD "-130"
/* NOLINTNEXTLINE(misc-redundant-expression): it checks just that */
_Static_assert(COVEY_ECANCELED == -125 && -EOWNERDEAD == -130, "as in the scripts");

/* Calls fn(entry, id) for each entry of a fan-out in the stream. */
#define ENTRIES                                                                                    \
    "local function each_entry(gid, fn)\n"                                                         \
    "  local from = '-'\n"                                                                         \
    "  repeat\n"                                                                                   \
    "    local some = call('XRANGE', jobs, from, '+', 'COUNT', 500)\n"                             \
    "    for _, e in ipairs(some) do\n"                                                            \
    "      from = '(' .. e[1]\n"                                                                   \
    "      if e[2][2] == gid then fn(e[1], e[2][4]) end\n"                                         \
    "    end\n"                                                                                    \
    "  until #some < 500\n"                                                                        \
    "end\n"

/* ARGV: 3 fan-out, 4 max_failures, 5 max_crashes, 6 keep_dead. */
covey_redis_script cvy_redis_fanout_lua_open =
    COVEY_REDIS_SCRIPT(PRELUDE "local g = prefix .. ':g:' .. ARGV[3]\n"
                               "call('HSET', g, 'f', ARGV[4], 'c', ARGV[5], 'd', ARGV[6])\n"
                               "call('PEXPIRE', g, ttl)\n"
                               "return 0\n");

/* ARGV: 3 fan-out, 4 id, 5 name, 6 key, 7 payload. 0: added, now or before; -1: the fan-out is
 * gone; else the id of the job that has the key. */
covey_redis_script cvy_redis_fanout_lua_submit = COVEY_REDIS_SCRIPT(
    PRELUDE JOB OVER "local gid, id = ARGV[3], ARGV[4]\n"
                     "local g = hash(gid)\n"
                     "local v = call('HMGET', g, 'f', 'x', 'k' .. ARGV[6])\n"
                     "if not v[1] then return -1 end\n"
                     "if v[3] then return v[3] == id and 0 or tonumber(v[3]) end\n"
                     "if call('EXISTS', jobs) == 0 then\n"
                     "  call('XGROUP', 'CREATE', jobs, 'workers', '0', 'MKSTREAM')\n"
                     "end\n"
                     "local entry = call('XADD', jobs, '*', 'g', gid, 'i', id)\n"
                     "call('HSET', g, 'k' .. ARGV[6], id, 'j' .. id, 'w ' .. entry .. ' 0 0 0',\n"
                     "  'n' .. id, ARGV[5], 'q' .. id, ARGV[6], 'p' .. id, ARGV[7])\n"
                     "call('PEXPIRE', g, ttl)\n"
                     "call('PEXPIRE', jobs, 2 * ttl)\n"
                     "if v[2] then cancel(find(gid, id)) end\n" /* it came after the cancel */
                     "return 0\n");

/* ARGV: 3 fan-out. -1: it is gone. */
covey_redis_script cvy_redis_fanout_lua_keep = COVEY_REDIS_SCRIPT(
    PRELUDE JOB OVER
    "local gid = ARGV[3]\n"
    "if call('PEXPIRE', hash(gid), ttl) == 0 then return -1 end\n"
    "call('PEXPIRE', prefix .. ':r:' .. gid, ttl)\n"
    "call('PEXPIRE', jobs, 2 * ttl)\n"
    "if call('HEXISTS', hash(gid), 'x') == 0 or call('EXISTS', jobs) == 0 then return 0 end\n"
    "for _, p in ipairs(call('XPENDING', jobs, 'workers', 'IDLE', ttl, '-', '+', 1000)) do\n"
    "  local e = call('XRANGE', jobs, p[1], p[1])[1]\n"
    "  local job = e and e[2][2] == gid and find(gid, e[2][4])\n"
    "  if job then\n"
    "    job.crashes = job.crashes + 1\n"
    "    cancel(job)\n"
    "  end\n"
    "end\n"
    "return 0\n");

/* ARGV: 3 fan-out, 4 cause. -1: it is gone. */
covey_redis_script cvy_redis_fanout_lua_cancel = COVEY_REDIS_SCRIPT(
    PRELUDE JOB OVER ENTRIES "local gid = ARGV[3]\n"
                             "if call('EXISTS', hash(gid)) == 0 then return -1 end\n"
                             "call('HSETNX', hash(gid), 'x', ARGV[4])\n"
                             "each_entry(gid, function(entry, id)\n"
                             "  local job = find(gid, id)\n"
                             "  if job and job.state == 'w' then cancel(job) end\n"
                             "end)\n"
                             "return 0\n");

/* ARGV: 3 fan-out. */
covey_redis_script cvy_redis_fanout_lua_close = COVEY_REDIS_SCRIPT(
    PRELUDE JOB ENTRIES "local gid = ARGV[3]\n"
                        "if call('EXISTS', jobs) == 1 then\n"
                        "  each_entry(gid, forget)\n"
                        "  if call('XLEN', jobs) == 0 then call('DEL', jobs) end\n"
                        "end\n"
                        "call('DEL', hash(gid), prefix .. ':r:' .. gid)\n"
                        "return 0\n");

/* ARGV: 3 consumer, 4 most, 5 whether to look for the dead. First the entry up to which all were
 * given out, then of each job entry, fan-out, id, attempt, name, key, payload. */
covey_redis_script cvy_redis_fanout_lua_take = COVEY_REDIS_SCRIPT(
    PRELUDE JOB OVER
    "if call('EXISTS', jobs) == 0 then return {'0-0'} end\n"
    "local consumer, most, out = ARGV[3], tonumber(ARGV[4]), {''}\n"
    "local function give(e, has_crashed)\n"
    "  local job = find(e[2][2], e[2][4])\n"
    "  if not job or job.entry ~= e[1] then return forget(e[1]) end\n"
    "  if has_crashed then job.crashes = job.crashes + 1 end\n"
    "  if job.cause then return cancel(job) end\n"
    "  if has_crashed and job.crashes >= job.max_crashes then\n"
    "    return over(job, 'dead', '" OWNER_DEAD "',\n"
    "      'given up after ' .. job.crashes .. ' crashes', '')\n"
    "  end\n"
    "  job.state, job.attempts = 'r', job.attempts + 1\n"
    "  save(job)\n"
    "  local v = call('HMGET', hash(job.gid), 'n' .. job.id, 'q' .. job.id, 'p' .. job.id)\n"
    "  out[#out + 1] = {e[1], job.gid, job.id, job.attempts, v[1], v[2], v[3]}\n"
    "end\n"
    "local from = ARGV[5] == '1' and '0-0' or nil\n"
    "while from and most > #out - 1 do\n" /* it looks at ten times COUNT, then says how to go on */
    "  local dead = call('XAUTOCLAIM', jobs, 'workers', consumer, ttl, from,\n"
    "    'COUNT', most - #out + 1)\n"
    "  for _, e in ipairs(dead[2]) do\n"
    "    if e and e[2] then give(e, true) end\n"
    "  end\n"
    "  from = dead[1] ~= '0-0' and dead[1] or nil\n"
    "end\n"
    "local left = most - #out + 1\n"
    "if left > 0 then\n"
    "  local new = call('XREADGROUP', 'GROUP', 'workers', consumer, 'COUNT', left,\n"
    "    'STREAMS', jobs, '>')\n"
    "  for _, e in ipairs(new and new[1][2] or {}) do give(e, false) end\n"
    "end\n"
    "local info = call('XINFO', 'GROUPS', jobs)[1]\n"
    "for i = 1, #info, 2 do\n"
    "  if info[i] == 'last-delivered-id' then out[1] = info[i + 1] end\n"
    "end\n"
    "return out\n");

/* ARGV: 3 consumer, then of each job fan-out, id, attempt, entry. Of each: 0: go on; 1: it is lost;
 * else the cause of its fan-out's cancel, which is negative. */
covey_redis_script cvy_redis_fanout_lua_beat = COVEY_REDIS_SCRIPT(
    PRELUDE JOB "local out = {}\n"
                "for i = 4, #ARGV, 4 do\n"
                "  local job, verdict = find(ARGV[i], ARGV[i + 1]), 1\n"
                "  if job and job.state == 'r' and job.attempts == tonumber(ARGV[i + 2]) then\n"
                "    call('XCLAIM', jobs, 'workers', ARGV[3], 0, ARGV[i + 3], 'JUSTID')\n"
                "    verdict = tonumber(job.cause or 0)\n"
                "  end\n"
                "  out[#out + 1] = verdict\n"
                "end\n"
                "return out\n");

/* ARGV: 3 fan-out, 4 id, 5 attempt, 6 how, 7 code, 8 words, 9 data. -1: it is another's, or gone.
 */
covey_redis_script cvy_redis_fanout_lua_finish = COVEY_REDIS_SCRIPT(
    PRELUDE JOB OVER
    "local job, how, code, words = find(ARGV[3], ARGV[4]), ARGV[6], ARGV[7], ARGV[8]\n"
    "if not job or job.state ~= 'r' or job.attempts ~= tonumber(ARGV[5]) then return -1 end\n"
    "if how == 'done' then\n"
    "  over(job, 'done', code, '', ARGV[9])\n"
    "elseif how == 'stopped' or job.cause then\n"
    "  over(job, 'canceled', '" CANCELED "', words, '')\n"
    "else\n"
    "  if how ~= 'back' then job.failures = job.failures + 1 end\n"
    "  if how == 'hopeless' or (how == 'failing' and job.failures >= job.max_failures) then\n"
    "    over(job, 'failed', code, words, '')\n"
    "    return 0\n"
    "  end\n"
    "  forget(job.entry)\n"
    "  job.state, job.entry = 'w', call('XADD', jobs, '*', 'g', job.gid, 'i', job.id)\n"
    "  save(job)\n"
    "end\n"
    "return 0\n");

/* ARGV: 3 consumer. */
covey_redis_script cvy_redis_fanout_lua_leave = COVEY_REDIS_SCRIPT(
    PRELUDE "if call('EXISTS', jobs) == 1 and\n"
            "  #call('XPENDING', jobs, 'workers', '-', '+', 1, ARGV[3]) == 0 then\n"
            "  call('XGROUP', 'DELCONSUMER', jobs, 'workers', ARGV[3])\n"
            "end\n"
            "return 0\n");
