-- What is in force for a request's URL and for where it comes from. See remedies.py, and model/urls.py for
-- what of two paths is alike.
local rules = Map.new("@MAP@", Map._str)
local keys = Map.new("@KEYS@", Map._str)
local territory = Map.new("@TERRITORY@", Map._ip)

local function decoded(text)
  return (text:gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end))
end

local function encoded(text)
  return (text:gsub("[^A-Za-z0-9._~-]", function(one) return string.format("%%%02X", one:byte()) end))
end

local function split(text, pattern)
  local parts = {}
  for part in text:gmatch(pattern) do parts[#parts + 1] = part end
  return parts
end

-- Calls visit with every place that the path comes through; the last one has true. False: too many segments.
local function walk(path, visit)
  local raw = decoded((path:gsub("#.*", ""))):gsub("\\", "/")
  local places, count, seen = {""}, 0, 0
  local first = true
  for segment in raw:gmatch("[^/]+") do
    seen = seen + 1
    if seen > @SEGMENTS@ then return false end
    local plain = segment:gsub("[;#%z].*", "")
    if plain ~= "" and plain ~= "." then
      if plain == ".." then
        if count > 0 then
          places[#places] = nil
          count = count - 1
        end
      else
        count = count + 1
        places[#places + 1] = places[#places] .. "/" .. encoded(plain)
      end
      if count > 0 then visit(places[#places]) end
    end
  end
  if count == 0 then visit("/") end
  return true
end

local function parameters(query)
  local found = {}
  for part in query:gsub("#.*", ""):gmatch("[^&;]+") do
    local name, value = part:gsub("+", " "):match("^([^=]*)=(.*)$")
    if name then
      found[encoded(decoded(name)) .. "=" .. encoded(decoded(value))] = true
    else
      found[encoded(decoded((part:gsub("+", " "))))] = true
    end
  end
  return found
end

local function has(list, one, pattern)
  for _, other in ipairs(split(list, pattern)) do
    if other == one then return true end
  end
  return false
end

-- The signature of having read the warnings ids, on this host, until then. nil: there is no key.
local function signature(txn, ids, until_)
  local key = keys:lookup("@KEY@")
  key = key and key:match("|(.*)$")
  if not key then return nil end
  local says = "read." .. (txn:get_var("txn.host") or "") .. "." .. ids .. "." .. until_
  return (txn.c:hex(txn.c:hmac(says, "sha256", key)):lower())
end

local function has_read(txn, ids)
  local cookie = txn.f:req_cook("@COOKIE@" .. ids) or ""
  local until_, signed = cookie:match("^(%d+)%.(%x+)$")
  return until_ and tonumber(until_) > txn.f:date() and signed == signature(txn, ids, until_)
end

-- The form's answer. Who is sent here by another site's form has read nothing: they see the warning.
local function gone_on(txn)
  local to = txn.c:url_dec(txn.f:urlp("to") or "")
  -- Visible ASCII, and no other site: neither //host nor /\host.
  if not to:match("^/[!-~]*$") or to:match("^/[/\\]") then to = "/" end
  txn:set_var("txn.remedy", "read")
  txn:set_var("txn.read_to", to)
  local ids = txn.f:urlp("for") or ""
  local scheme = txn.f:ssl_fc() ~= 0 and "https" or "http"
  local origin, site = txn.f:req_hdr("origin"), txn.f:req_hdr("sec-fetch-site")
  if #ids > 400 or not ids:match("^[%x-]+$") then return end
  if origin and origin ~= scheme .. "://" .. (txn.f:req_hdr("host") or "") then return end
  if site and site ~= "same-origin" then return end
  local until_ = tostring(txn.f:date() + @LIFETIME@)
  local signed = signature(txn, ids, until_)
  if not signed then return end
  txn:set_var("txn.read_cookie", "@COOKIE@" .. ids .. "=" .. until_ .. "." .. signed
    .. "; Path=/; Max-Age=@LIFETIME@; HttpOnly; SameSite=Lax" .. (scheme == "https" and "; Secure" or ""))
end

core.register_action("remedy", {"http-req"}, function(txn)
  local backend = txn:get_var("sess.backend")
  local path = txn.f:path()
  if not backend or not path or path == "" then return end
  if path == "@READ@" and txn.f:method() == "POST" then
    gone_on(txn)
    return
  end
  local country = territory:lookup(txn.f:src())
  local tongue = txn.c:language(txn.f:req_fhdr("accept-language") or "", "@LANGUAGES@", "@LANGUAGE@")
  local given
  local found, known = {}, {}

  local function meant(countries, query)
    if countries ~= "-" and not (country and has(countries, country, "[^+]+")) then return false end
    if query ~= "-" then
      given = given or parameters(txn.f:query() or "")
      for _, wanted in ipairs(split(query, "[^&]+")) do
        if not given[wanted] then return false end
      end
    end
    return true
  end

  local function look(place)
    local value = rules:lookup(backend .. place)
    if not value then return end
    for rule in value:gmatch("[^,]+") do
      local code, id, case, countries, query = rule:match("^([^:]*):([^:]*):([^:]*):([^:]*):([^:]*)$")
      if code and not known[id] and meant(countries, query) then
        known[id] = true
        found[#found + 1] = {code = code, id = id, case = case}
      end
    end
  end

  look("*")
  if not walk(path, look) then
    txn:set_var("txn.remedy", "400")
    return
  end
  if #found == 0 then return end
  -- b451 before b403, those before i.
  table.sort(found, function(a, b)
    local one, other = a.code:sub(1, 1), b.code:sub(1, 1)
    if one ~= other then return one < other end
    if a.code ~= b.code then return a.code > b.code end
    return a.id < b.id
  end)
  local kind, status, ids, cases, notices = nil, nil, {}, {}, {}
  for _, one in ipairs(found) do
    local letter = one.code:sub(1, 1)
    if letter == "c" then
      txn:set_var("txn.ordered", true)
    elseif kind == nil or kind == letter then
      if kind == nil then
        kind, status = letter, letter == "b" and one.code:sub(2) or "warn"
        local register = rules:lookup(backend .. "@" .. one.id .. ".url")
        if register then
          txn:set_var("txn.blocked_by", "<" .. txn.c:b64dec(register) .. '>; rel="blocked-by"')
        end
      end
      ids[#ids + 1] = one.id
      cases[#cases + 1] = one.case
      local words = #notices < @SHOWN@ and rules:lookup(backend .. "@" .. one.id .. "." .. tongue)
      if words then notices[#notices + 1] = txn.c:b64dec(words) end
    end
  end
  if kind == nil then return end
  local all = table.concat(ids, "-")
  if kind == "i" and has_read(txn, all) then return end
  txn:set_var("txn.remedy", status)
  txn:set_var("txn.remedies", all)
  txn:set_var("txn.cases", table.concat(cases, ", "))
  txn:set_var("txn.tongue", tongue)
  txn:set_var("txn.notice", table.concat(notices))
end, 0)
