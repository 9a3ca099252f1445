-- wrk -s post.lua URL -- HEADERS_FILE BODY_FILE: one request, the same each time. A header a line, "name: value".
function init(args)
   wrk.method = "POST"
   for line in io.lines(args[1]) do
      local name, value = line:match("^(.-): (.*)$")
      wrk.headers[name] = value
   end
   wrk.body = io.open(args[2], "rb"):read("*a")
end
