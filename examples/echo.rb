# Answers every message with its own text. Run: ruby echo.rb 8080
# Ruby 3 has WEBrick as a gem; Debian's ruby package brings it along.
require "json"
require "webrick"

$stdout.sync = true
quiet = WEBrick::Log.new($stderr, WEBrick::Log::WARN)
server = WEBrick::HTTPServer.new(BindAddress: "127.0.0.1", Port: Integer(ARGV.fetch(0)),
                                 Logger: quiet, AccessLog: [])
# WEBrick writes head and body one by one, which costs 40 ms a message unless this is set.
server.listeners.each { |socket| socket.setsockopt(:TCP, :NODELAY, true) }

server.mount_proc("/") do |incoming, outgoing|
  request = JSON.parse(incoming.body)
  puts JSON.generate(request)
  # No body, for instance "is typing": an empty object means no reply.
  outgoing.content_type = "application/json"
  outgoing.body = JSON.generate({ body: request["body"] }.compact)
end

%w[INT TERM].each { |signal| trap(signal) { server.shutdown } }
server.start
