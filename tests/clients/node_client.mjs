// What a Node program does with the official SDK; prints one object, which test_node_sdk.py compares.
import OpenAI from "openai";

const client = new OpenAI({ maxRetries: 0 });
const hello = { model: "fast", messages: [{ role: "user", content: "say hello" }] };

const whole = await client.chat.completions.create(hello);

let streamed = "";
for await (const chunk of await client.chat.completions.create({ ...hello, stream: true })) {
  streamed += chunk.choices[0]?.delta?.content ?? "";
}

const asked = await client.chat.completions.create({
  model: "gpt-4o-mini",
  messages: [{ role: "user", content: "weather in Paris and Rome" }],
  tools: [{ type: "function", function: { name: "get_weather", parameters: { type: "object" } } }],
});

const vectors = await client.embeddings.create({
  model: "text-embedding-3-small",
  input: "the quick brown fox",
  encoding_format: "float",
});

const refusal = async (call) => {
  try {
    await call();
  } catch (error) {
    return { class: error.constructor.name, status: error.status, code: error.code ?? undefined };
  }
};
const stranger = new OpenAI({ maxRetries: 0, apiKey: "sk-not-a-key-0123456789" });
const denied = await refusal(() => stranger.chat.completions.create(hello));

console.log(
  JSON.stringify({
    whole: whole.choices[0].message.content,
    usage: whole.usage.total_tokens,
    streamed,
    tools: asked.choices[0].message.tool_calls.map((call) => JSON.parse(call.function.arguments).city),
    embedding: vectors.data[0].embedding,
    unknown: await refusal(() => client.chat.completions.create({ ...hello, model: "gpt-99" })),
    denied: { class: denied.class, status: denied.status },
  }),
);
