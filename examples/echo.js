// Answers every message with its own text. Run: node echo.js [PORT]
const http = require("node:http");
const { json } = require("node:stream/consumers");

const server = http.createServer(async (incoming, outgoing) => {
  try {
    const request = await json(incoming);
    console.log("received", JSON.stringify(request));
    // No body, for instance "is typing": JSON leaves it out, and {} means no reply.
    const reply = JSON.stringify({ body: request.body });
    console.log("answered", reply);
    outgoing.setHeader("Content-Type", "application/json");
    outgoing.end(reply);
  } catch (error) {
    console.error(error);
    outgoing.writeHead(400).end();
  }
});

const port = Number(process.argv[2] ?? 8080);
server.listen(port, "127.0.0.1", () => console.log(`Listening on http://127.0.0.1:${port}/`));
