-- Exercises a freshly built interpreter, one part of the language after another. Prints a line for each part, the same on
-- every machine; stops with an error at the first that is wrong.

local function part(name, check)
  check()
  print("ok " .. name)
end

part("integers and floats", function()
  assert(7 // 2 == 3 and -7 // 2 == -4 and 7 % -3 == -2)
  assert(1 / 2 == 0.5 and 2 ^ 10 == 1024.0)
  assert(math.maxinteger + 1 == math.mininteger)
  assert(math.type(1) == "integer" and math.type(1.0) == "float")
  assert(string.format("%.3f", math.pi) == "3.142")
  assert(0xff == 255 and 1 << 4 == 16 and ~0 == -1 and 5 ~ 3 == 6)
end)

part("strings and patterns", function()
  assert(("begat"):upper() == "BEGAT" and #"\u{20ac}" == 3)
  assert(("key = value"):match("^(%w+)%s*=%s*(%w+)$") == "key")
  assert(("a,b,,c"):gsub(",", ";") == "a;b;;c")
  local count = 0
  for _ in ("one two three"):gmatch("%a+") do count = count + 1 end
  assert(count == 3)
  assert(string.pack("<i4", 258) == "\2\1\0\0" and string.unpack("<i4", "\2\1\0\0") == 258)
  assert(utf8.char(233, 8364) == "é€" and utf8.len("é€") == 2)
end)

part("tables", function()
  local list = {}
  for i = 1, 1000 do list[i] = (i * 7919) % 1009 end
  table.sort(list)
  for i = 2, #list do assert(list[i - 1] <= list[i]) end
  assert(table.concat({ 1, 2, 3 }, "-") == "1-2-3")
  assert(select("#", table.unpack({ 1, nil, 3 }, 1, 3)) == 3)
  local moved = table.move({ 1, 2, 3 }, 1, 3, 2, {})
  assert(moved[1] == nil and moved[4] == 3)
end)

part("closures and upvalues", function()
  local function counter()
    local n = 0
    return function() n = n + 1 return n end
  end
  local a, b = counter(), counter()
  assert(a() == 1 and a() == 2 and b() == 1)
  local functions = {}
  for i = 1, 3 do functions[i] = function() return i end end
  assert(functions[1]() == 1 and functions[3]() == 3)
end)

part("metatables", function()
  local Vector = {}
  Vector.__index = Vector
  Vector.__add = function(a, b) return setmetatable({ x = a.x + b.x }, Vector) end
  Vector.__eq = function(a, b) return a.x == b.x end
  Vector.__call = function(self, y) return self.x * y end
  local function vector(x) return setmetatable({ x = x }, Vector) end
  assert(vector(1) + vector(2) == vector(3) and vector(4)(5) == 20)
  local defaults = setmetatable({}, { __index = function(_, key) return key .. "!" end })
  assert(defaults.what == "what!" and rawget(defaults, "what") == nil)
end)

part("coroutines", function()
  local squares = coroutine.wrap(function(limit)
    for i = 1, limit do coroutine.yield(i * i) end
    return "end"
  end)
  assert(squares(3) == 1 and squares() == 4 and squares() == 9 and squares() == "end")
  local failing = coroutine.create(function() error({ code = 7 }) end)
  local ok, problem = coroutine.resume(failing)
  assert(not ok and problem.code == 7 and coroutine.status(failing) == "dead")
end)

part("errors, goto and to-be-closed variables", function()
  local ok, message = pcall(function() local nothing; return nothing.field end)
  assert(not ok and message:find("nothing", 1, true))
  local closed = {}
  do
    local first <close> = setmetatable({}, { __close = function() closed[#closed + 1] = "first" end })
    local second <close> = setmetatable({}, { __close = function() closed[#closed + 1] = "second" end })
  end
  assert(table.concat(closed, " ") == "second first")
  local odd = 0
  for i = 1, 10 do
    if i % 2 == 0 then goto continue end
    odd = odd + i
    ::continue::
  end
  assert(odd == 25)
end)

part("load and dump", function()
  local double = load("return function(x) return 2 * x end")()
  assert(load(string.dump(double), "dumped", "b")(21) == 42)
  local chunk, problem = load("return ???")
  assert(chunk == nil and problem:find("unexpected symbol"))
end)

part("garbage collection", function()
  local weak = setmetatable({}, { __mode = "v" })
  weak[1] = {}
  collectgarbage()
  assert(weak[1] == nil)
  collectgarbage("generational")
  for _ = 1, 10000 do local _ = { {} } end
  collectgarbage("incremental")
  collectgarbage()
end)

part("files", function()
  local name = os.tmpname()
  local file = assert(io.open(name, "w"))
  file:write("one\n", 2, "\n")
  file:close()
  local lines = {}
  for line in io.lines(name) do lines[#lines + 1] = line end
  assert(lines[1] == "one" and lines[2] == "2" and #lines == 2)
  assert(os.remove(name))
end)

print("all parts of " .. _VERSION .. " hold")
