// Answers every message with its own text. Run: node echo.js 8080
const http = require("node:http");
const { json } = require("node:stream/consumers");

const server = http.createServer(async (incoming, outgoing) => {
  try {
    const request = await json(incoming);
    console.log(JSON.stringify(request));
    // No body, for instance "is typing": JSON leaves it out, and {} means no reply.
    outgoing.setHeader("Content-Type", "application/json");
    outgoing.end(JSON.stringify({ body: request.body }));
  } catch (error) {
    console.error(error);
    outgoing.writeHead(400).end();
  }
});

server.listen(Number(process.argv[2]), "127.0.0.1");
