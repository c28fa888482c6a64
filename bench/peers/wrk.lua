-- SPDX-License-Identifier: MIT
-- What bench/http_load.py reads of a run of wrk: requests, errors, latencies in microseconds.
done = function(summary, latency, requests)
  local e = summary.errors
  io.write(string.format("requests %d\n", summary.requests))
  io.write(string.format("errors %d\n", e.connect + e.read + e.write + e.status + e.timeout))
  io.write(string.format("duration %d\n", summary.duration))
  for name, p in pairs({p50 = 50, p99 = 99, p999 = 99.9}) do
    io.write(string.format("%s %d\n", name, latency:percentile(p)))
  end
end
