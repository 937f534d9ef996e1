// Greets whoever writes for the first time, and reminds everybody of what they write, a minute later.
// Run: node reminder.js PORT PUSH_URL TOKEN [SECONDS]
const http = require("node:http");
const { json, text } = require("node:stream/consumers");

const [port, pushUrl, token, seconds = "60"] = process.argv.slice(2);
if (!token) {
  console.error("Run: node reminder.js PORT PUSH_URL TOKEN [SECONDS]");
  process.exit(1);
}
const known = new Set();

// Sends a stanza. With the same key nothing is sent twice, however often this is tried.
function push(stanza, key) {
  const headers = { Authorization: `Bearer ${token}`, "Content-Type": "application/json", "Idempotency-Key": key };
  const body = JSON.stringify(stanza);
  const request = http.request(pushUrl, { method: "POST", headers: { ...headers, "Content-Length": Buffer.byteLength(body) } });
  request.on("response", async (response) => console.log("pushed", await text(response)));
  request.on("error", console.error);
  request.end(body);
}

function replyTo(message, key) {
  const person = message.from.split("/")[0];
  if (!known.has(person)) {
    known.add(person);
    return { body: "Hello! Write to me, and I will remind you of it." };
  }
  const reminder = { to: person, from: message.to, body: `Remember: ${message.body}` };
  setTimeout(push, seconds * 1000, reminder, key);
  return { body: `I will remind you in ${seconds} seconds.` };
}

const server = http.createServer(async (incoming, outgoing) => {
  try {
    const message = await json(incoming);
    // An error is what came of a reminder that could not be delivered.
    const speaks = message.body !== undefined && message.type !== "error";
    outgoing.setHeader("Content-Type", "application/json");
    outgoing.end(JSON.stringify(speaks ? replyTo(message, incoming.headers["idempotency-key"]) : {}));
  } catch (error) {
    console.error(error);
    outgoing.writeHead(400).end();
  }
});

server.listen(Number(port), "127.0.0.1", () => console.log(`Listening on http://127.0.0.1:${port}/`));
