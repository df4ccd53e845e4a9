// What Vercel's AI SDK and LangChain get from a gateway, printed as JSON. Environment: BASE_URL, API_KEY, PROVIDER_URL.
import { createOpenAI } from "@ai-sdk/openai";
import { tool as langchainTool } from "@langchain/core/tools";
import { ChatOpenAI } from "@langchain/openai";
import { generateText, streamText, tool } from "ai";
import { z } from "zod";

const { BASE_URL: baseURL, API_KEY: apiKey, PROVIDER_URL } = process.env;
const model = "gpt-4o-mini";
const city = z.object({ city: z.string() });
const weather = { kind: "tool_call", data: { name: "get_weather", arguments: { city: "Oslo" } } };
const script = (...faults) =>
  fetch(`${PROVIDER_URL.replace(/\/v1$/, "")}/_script`, { method: "POST", body: JSON.stringify(faults) });
const failure = async (ask) => {
  await script({ kind: "bad_request" });
  try {
    await ask();
  } catch (error) {
    return error.statusCode ?? error.status;
  }
  return "nothing";
};

async function aiSdk(api) {
  const options = { model: createOpenAI({ baseURL, apiKey })[api](model), prompt: "Hello", maxRetries: 0 };
  const { text, usage } = await generateText(options);
  const stream = streamText(options);
  let streamed = "";
  let pieces = 0;
  for await (const piece of stream.textStream) {
    streamed += piece;
    pieces += 1;
  }
  await script(weather);
  const tools = { get_weather: tool({ description: "The weather.", inputSchema: city }) };
  const { toolCalls } = await generateText({ ...options, tools });
  const called = toolCalls.map((call) => [call.toolName, call.input]);
  return { text, usage: usage.totalTokens, streamed, pieces, called, error: await failure(() => generateText(options)) };
}

async function langchain() {
  const chat = new ChatOpenAI({ model, apiKey, maxRetries: 0, configuration: { baseURL } });
  const answer = await chat.invoke("Hello");
  let streamed = "";
  let pieces = 0;
  for await (const chunk of await chat.stream("Hello")) {
    streamed += chunk.content;
    pieces += 1;
  }
  await script(weather);
  const tools = [langchainTool(() => "rain", { name: "get_weather", description: "The weather.", schema: city })];
  const { tool_calls: calls } = await chat.bindTools(tools).invoke("Hello");
  const called = calls.map((call) => [call.name, call.args]);
  const usage = answer.usage_metadata.total_tokens;
  return { text: answer.content, usage, streamed, pieces, called, error: await failure(() => chat.invoke("Hello")) };
}

console.log(JSON.stringify({
  "ai-sdk": await aiSdk("chat"), "ai-sdk responses": await aiSdk("responses"), langchain: await langchain(),
}));
