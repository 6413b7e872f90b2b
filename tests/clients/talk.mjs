// A client by the official TypeScript SDK. It does, in one session, what an agent does in a day, and prints what it got.
// Arguments: the SDK ("1" or "2"), how to negotiate the protocol (SDK 2 only, as JSON), and the server's command.

const [generation, mode, command, ...args] = process.argv.slice(2);

async function connect() {
  const own = { name: "a-test", version: "1" };
  const parameters = { command, args, env: process.env, stderr: "inherit" };
  if (generation === "1") {
    const { Client } = await import("@modelcontextprotocol/sdk/client/index.js");
    const { StdioClientTransport } = await import("@modelcontextprotocol/sdk/client/stdio.js");
    const client = new Client(own);
    await client.connect(new StdioClientTransport(parameters));
    return client;
  }
  const { Client } = await import("@modelcontextprotocol/client");
  const { StdioClientTransport } = await import("@modelcontextprotocol/client/stdio");
  const client = new Client(own, { versionNegotiation: { mode: JSON.parse(mode) } });
  await client.connect(new StdioClientTransport(parameters));
  return client;
}

// The SDK itself compares a structured result with the schema that the tool was listed with, and throws if it differs.
async function call(client, name, given, options) {
  const parameters = { name, arguments: given };
  const result = await (generation === "1"
    ? client.callTool(parameters, undefined, options)
    : client.callTool(parameters, options));
  return { structured: result.structuredContent, text: result.content.map((each) => each.text), isError: result.isError };
}

// The server reads its requests in order: when it has answered the second, it has begun with the first.
async function giveUpWaiting(client) {
  const stop = new AbortController();
  const waiting = call(client, "check_answers", { wait_seconds: 100 }, { signal: stop.signal }).then(
    () => "answered",
    (error) => error.name,
  );
  await client.listTools();
  stop.abort();
  return waiting;
}

const client = await connect();
const seen = { server: client.getServerVersion().name, instructions: client.getInstructions() };
seen.tools = (await client.listTools()).tools.map((tool) => tool.name);
seen.asked = await call(client, "ask_peer", { question: "Why is the limit 72?", context_hint: "src/cut.py" });
seen.questions = await call(client, "check_questions", {});
seen.unknown = await call(client, "answer_question", { question_id: "01KAN3X1Y00000000000000000", answer: "Because." });
seen.refused = await call(client, "ask_peer", { question: "Why?", urgent: true });
seen.prompts = (await client.listPrompts()).prompts.map((prompt) => prompt.name);
seen.prompt = (await client.getPrompt({ name: "ask", arguments: { about: "the limit" } })).messages.length;
seen.waiting = await giveUpWaiting(client);
seen.answers = await call(client, "check_answers", {});
await client.close();
console.log(JSON.stringify(seen));
