# Answers every message with its own text. Run: ruby echo.rb [PORT]
# Ruby 3 has WEBrick as a gem; Debian's ruby package brings it along.
require "json"
require "webrick"

$stdout.sync = true
port = Integer(ARGV.fetch(0, 8080))
quiet = WEBrick::Log.new($stderr, WEBrick::Log::WARN)
server = WEBrick::HTTPServer.new(BindAddress: "127.0.0.1", Port: port, Logger: quiet, AccessLog: [])
# WEBrick writes head and body one by one, which costs 40 ms a message unless this is set.
server.listeners.each { |socket| socket.setsockopt(:TCP, :NODELAY, true) }

server.mount_proc("/") do |incoming, outgoing|
  request = JSON.parse(incoming.body)
  puts "received #{JSON.generate(request)}"
  # No body, for instance "is typing": an empty object means no reply.
  reply = JSON.generate({ body: request["body"] }.compact)
  puts "answered #{reply}"
  outgoing.content_type = "application/json"
  outgoing.body = reply
end

%w[INT TERM].each { |signal| trap(signal) { server.shutdown } }
puts "Listening on http://127.0.0.1:#{port}/"
server.start
