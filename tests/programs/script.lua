-- SPDX-License-Identifier: MIT
-- Something of everything that liblua5.4 is made of: parser, closures, coroutines, string and
-- table libraries, garbage collection, errors, maths.
local function fib(n) return n < 2 and n or fib(n - 1) + fib(n - 2) end
local co = coroutine.wrap(function() for i = 1, 3 do coroutine.yield(i * i) end end)
local words = {}
for word in ("one object made of many"):gmatch("%a+") do words[#words + 1] = word end
table.sort(words, function(a, b) return a > b end)
local junk = setmetatable({}, { __mode = "v" })
for i = 1, 1000 do junk[i] = {} end
collectgarbage()
print(_VERSION, fib(20), co(), co(), co())
print(table.concat(words, " "), ("%5.3f"):format(math.pi), 7 // 2, 2 ^ 0.5)
print(#junk, select(2, pcall(error, "caught")), utf8.char(955), string.pack("<I4", 1):byte(1))
