-- For wrk: sends the requests of the file after "--" in turn, and prints one line of JSON at the end.
-- A line of the file has the method, path, content type and the file of the body, separated by tabs.

local requests, position = {}, 0

function init(arguments)
  for line in io.lines(arguments[1]) do
    local method, path, kind, place = line:match("^([^\t]*)\t([^\t]*)\t([^\t]*)\t([^\t]*)$")
    local body
    if place ~= "" then
      local file = assert(io.open(place, "rb"))
      body = file:read("*a")
      file:close()
    end
    requests[#requests + 1] = wrk.format(method, path, kind ~= "" and { ["Content-Type"] = kind } or {}, body)
  end
end

function request()
  position = position % #requests + 1
  return requests[position]
end

function done(summary, latency)
  local errors = 0
  for _, count in pairs(summary.errors) do errors = errors + count end
  io.write(string.format('\n{"requests": %d, "seconds": %f, "errors": %d, "p50": %f, "p99": %f}\n', summary.requests,
    summary.duration / 1e6, errors, latency:percentile(50) / 1e6, latency:percentile(99) / 1e6))
end
