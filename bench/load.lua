-- Send requests with wrk, and check each response.
--
-- Arguments: the file of requests, the expected status, the first number that replaces "########"
-- in a request, the total number of requests (0: no limit), and pairs of a text and how often it
-- must occur in each body.

local requests, texts, counts = {}, {}, {}
local wanted_status, serial, allowance
local sent = 0

wrong, first_wrong, answered = 0, "", 0 -- read by done(), so global

local threads = {}

function setup(thread)
  table.insert(threads, thread)
end

function init(arguments)
  local file = assert(io.open(arguments[1], "rb"))
  for request in (file:read("*a")):gmatch("([^%z]+)") do
    local from, to = request:find("########", 1, true)
    if from then
      table.insert(requests, { request:sub(1, from - 1), request:sub(to + 1) })
    else
      table.insert(requests, request)
    end
  end
  file:close()
  wanted_status = tonumber(arguments[2])
  serial = tonumber(arguments[3])
  allowance = tonumber(arguments[4])
  for i = 5, #arguments, 2 do
    table.insert(texts, arguments[i])
    table.insert(counts, tonumber(arguments[i + 1]))
  end
  if allowance == 0 then
    delay = nil
  end
end

-- A burst: send all requests at once, and then stop.
function delay()
  sent = sent + 1
  return sent <= allowance and 0 or 3600000
end

local turn = 0

function request()
  turn = turn % #requests + 1
  local chosen = requests[turn]
  if type(chosen) == "string" then
    return chosen
  end
  serial = serial + 1
  return string.format("%s%08d%s", chosen[1], serial, chosen[2])
end

local function stands(body, text, times)
  local position = 0
  for _ = 1, times do
    position = body:find(text, position + 1, true)
    if not position then
      return false
    end
  end
  return not body:find(text, position + 1, true)
end

local function is_right(status, body)
  if status ~= wanted_status then
    return false
  end
  for i = 1, #texts do
    if not stands(body, texts[i], counts[i]) then
      return false
    end
  end
  return true
end

function response(status, headers, body)
  answered = answered + 1
  if not is_right(status, body) then
    wrong = wrong + 1
    if first_wrong == "" then
      first_wrong = status .. " " .. body:sub(1, 300)
    end
  end
  if answered == allowance then
    wrk.thread:stop()
  end
end

function done(summary, latency, rate)
  local errors = summary.errors
  local wrong, first_wrong = 0, ""
  for _, thread in ipairs(threads) do
    wrong = wrong + thread:get("wrong")
    first_wrong = thread:get("first_wrong")
  end
  io.write(string.format(
    "\nRESULT %d %d %d %d %d %d %.0f %.0f %.0f %.0f\nWRONG %s\n",
    summary.requests, summary.duration, wrong, errors.connect + errors.read + errors.write,
    errors.timeout, errors.status, latency.mean, latency:percentile(50), latency:percentile(99),
    latency.max, (first_wrong:gsub("%s+", " "))
  ))
end
