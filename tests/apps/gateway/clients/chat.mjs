// What the npm package `openai` gets from a gateway, printed as JSON. Environment: BASE_URL, API_KEY, PROVIDER_URL.
import OpenAI from "openai";

const { BASE_URL: baseURL, API_KEY: apiKey, PROVIDER_URL } = process.env;
const model = "gpt-4o-mini";
const messages = [{ role: "user", content: "Hello" }];
const client = new OpenAI({ baseURL, apiKey, maxRetries: 0, timeout: 20_000 });
const script = (...faults) =>
  fetch(`${PROVIDER_URL.replace(/\/v1$/, "")}/_script`, { method: "POST", body: JSON.stringify(faults) });

const { data: answer, request_id } = await client.chat.completions.create({ model, messages }).withResponse();

let streamed = "";
let usage = null;
const stream = await client.chat.completions.create({
  model, messages, stream: true, stream_options: { include_usage: true },
});
for await (const chunk of stream) {
  streamed += chunk.choices[0]?.delta?.content ?? "";
  usage = chunk.usage ?? usage;
}

await script({ kind: "tool_call", data: { name: "get_weather", arguments: { city: "Oslo" } } });
const tools = [{ type: "function", function: { name: "get_weather", parameters: { type: "object", properties: {} } } }];
const runner = client.chat.completions.stream({ model, messages, tools });
const called = (await runner.finalChatCompletion()).choices[0].message.tool_calls[0].function;

const json_schema = {
  name: "patient",
  strict: true,
  schema: {
    type: "object", properties: { name: { type: "string" } }, required: ["name"], additionalProperties: false,
  },
};
const structured = await client.chat.completions.create({
  model, messages, response_format: { type: "json_schema", json_schema },
});

const failure = async (other, fault) => {
  await script(...(fault ? [fault] : []));
  try {
    await client.withOptions(other).chat.completions.create({ model, messages });
  } catch (error) {
    return [error.constructor.name, error.status, error.code];
  }
  return ["nothing"];
};
const errors = {
  key: await failure({ apiKey: "wrong" }),
  rate_limit: await failure({}, { kind: "rate_limit" }),
  server_error: await failure({}, { kind: "server_error" }),
  bad_request: await failure({}, { kind: "bad_request" }),
};
await script({ kind: "server_error" });
const retried = await client.withOptions({ maxRetries: 2 }).chat.completions.create({ model, messages });
const vectors = await client.embeddings.create({ model: "text-embedding-3-small", input: ["one"], dimensions: 16 });
const models = [];
for await (const each of client.models.list()) models.push(each.id);

console.log(JSON.stringify({
  text: answer.choices[0].message.content,
  request_id,
  streamed,
  usage: usage.total_tokens,
  called: { name: called.name, arguments: JSON.parse(called.arguments) },
  structured: Object.keys(JSON.parse(structured.choices[0].message.content)),
  errors,
  retried: retried.choices[0].message.content,
  vector: vectors.data[0].embedding.length,
  models,
}));
