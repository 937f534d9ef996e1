// Makes calls through a client that knows the API from its description alone, and prints the description's operations
// and the status and the JSON of each answer.
//
// Its input: {"description": URL, "token": "…", "calls": [{"operation": "push", "parameters": {…}, "data": …, "type": "…"}]}
"use strict";

const { readFileSync } = require("node:fs");
const { OpenAPIClientAxios } = require("openapi-client-axios");

async function main({ description, token, calls }) {
	const api = new OpenAPIClientAxios({
		definition: description,
		axiosConfigDefaults: { headers: { Authorization: `Bearer ${token}` }, validateStatus: null },
	});
	await api.loadDocument();
	// Relative to where the description is (OpenAPI 3.1, Server Object).
	api.withServer({ url: new URL(api.document.servers[0].url, description).href });
	const client = await api.init();
	const answers = [];
	for (const { operation, parameters, data, type } of calls) {
		const answer = await client[operation](parameters, data, type && { headers: { "Content-Type": type } });
		answers.push({ status: answer.status, json: answer.data });
	}
	console.log(JSON.stringify({ operations: api.getOperations().map((operation) => operation.operationId), answers }));
}

main(JSON.parse(readFileSync(0)));
