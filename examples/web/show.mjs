// Opens Converse.js in Chromium, talks to the bot as a person would, and keeps a picture of each thing that people see.
// Run by demo_web.py: node show.mjs CHROMIUM PAGE BOT DIRECTORY
import { join } from "node:path";
import puppeteer from "puppeteer-core";

const [chromium, page_url, bot, directory] = process.argv.slice(2);
const DEADLINE = 60_000; // milliseconds

const browser = await puppeteer.launch({
	executablePath: chromium,
	args: process.getuid() === 0 ? ["--no-sandbox"] : [], // Chromium refuses its sandbox to root
	defaultViewport: { width: 900, height: 640 },
});

try {
	const page = await browser.newPage();
	page.setDefaultTimeout(DEADLINE);
	await page.goto(page_url);
	await page.waitForFunction(() => window.client?.connection.connected());
	await page.evaluate(async jid => {
		await client.waitUntil("rosterContactsFetched");
		await client.contacts.add({ jid, name: "Kettle" });
	}, bot);

	const see = (selector, has = "") => page.waitForFunction((selector, has) =>
		[...document.querySelectorAll(selector)].some(element => element.textContent.includes(has)), {}, selector, has);
	const picture = async (name, what) => {
		await page.screenshot({ path: join(directory, `${name}.png`) });
		console.log(`${name}.png: ${what}`);
	};
	const say = async text => {
		await page.type(".chat-textarea", text);
		await page.keyboard.press("Enter");
	};

	await page.evaluate(jid => client.chats.open(jid, {}, true), bot);
	await see(".chat-textarea");
	await say("Is there tea?");
	await see(".chat-content__notifications", "typing");
	await picture("typing", "the bot is online, has a face, and is typing");

	await see(".chat-msg__text", "Tea is ready");
	await see(`.chat-msg[data-from^="alice"] .chat-msg__receipt`);
	await picture("answer", "its answer, and the tick of the receipt");

	await say("Tell me a story");
	await see(".chat-msg__text", "Once upon a time");
	await picture("growing", "an answer that grows");
	await see(".chat-msg__text", "The end.");
	await picture("grown", "the same answer, whole");

	await say("Show me a picture");
	await page.waitForFunction(() => [...document.querySelectorAll(".chat-msg img.chat-image")]
		.some(image => image.complete && image.naturalWidth > 0));
	await picture("picture", "a picture");
} finally {
	await browser.close();
}
