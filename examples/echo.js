// Answers every message with its own text. Run: [WEBHOOK_SECRET=whsec_…] node echo.js [PORT]
const http = require("node:http");
const { text } = require("node:stream/consumers");

// With component_post_secret, only requests that are signed with it count: npm install standardwebhooks
const secret = process.env.WEBHOOK_SECRET;
const webhook = secret && new (require("standardwebhooks").Webhook)(secret);

function isSigned(body, headers) {
  try {
    webhook.verify(body, headers);
    return true;
  } catch (error) {
    console.error(error.message);
    return false;
  }
}

const server = http.createServer(async (incoming, outgoing) => {
  try {
    const body = await text(incoming);
    if (webhook && !isSigned(body, incoming.headers)) return outgoing.writeHead(401).end();
    const request = JSON.parse(body);
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
