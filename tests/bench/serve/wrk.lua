-- Posts prepared bodies, one a line of a file, each thread from a place of its own. Arguments: the file, and a number
-- that the places follow from. Ends with one line of JSON.

local threads = 0
local requests, place = {}, 0

function setup(thread)
  threads = threads + 1
  thread:set("number", threads)
end

function init(args)
  wrk.method = "POST"
  wrk.headers["content-type"] = "application/json"
  for body in io.lines(args[1]) do
    requests[#requests + 1] = wrk.format(nil, nil, nil, body)
  end
  math.randomseed(1000 * tonumber(args[2]) + number)
  place = math.random(#requests)
end

function request()
  place = place % #requests + 1
  return requests[place]
end

function done(summary, latency)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  local line = '{"requests":%d,"seconds":%.6f,"errors":%d,"p50_us":%d,"p99_us":%d}\n'
  local p50_us, p99_us = latency:percentile(50), latency:percentile(99)
  io.write(line:format(summary.requests, summary.duration / 1e6, failed, p50_us, p99_us))
end
