// Calls a gateway with the official TypeScript SDK, as a tenant's program would.
//
//     node client.mjs BASE_URL API_KEY SCENARIO...
//
// Prints one JSON line for each scenario; see README.md for their names and the keys. An exception
// of the SDK is a result. The exit status is 0 when the script itself ran.

import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

// A developer's own settings must not reach the calls.
for (const name of Object.keys(process.env)) {
  if (name.startsWith("ANTHROPIC_")) delete process.env[name];
}

// An `import` does not look at NODE_PATH, and the SDK is not installed beside this file.
const modules =
  process.env.TOWER_CLAUDE_NODE_MODULES ??
  fileURLToPath(new URL("../../.tools/node/node_modules", import.meta.url));
const require = createRequire(join(modules, "client.cjs"));
const { Anthropic } = require("@anthropic-ai/sdk");
const { VERSION } = require("@anthropic-ai/sdk/version");

const MODEL = "claude-sonnet-5-5";
const MAX_TOKENS = 256;
const TIMEOUT = Number(process.env.TOWER_CLAUDE_SDK_TIMEOUT ?? "30") * 1000;
const WRONG_KEY = "a-key-that-nobody-has-issued";
const TOOLS = [
  {
    name: "get_weather",
    description: "The weather at a place.",
    input_schema: { type: "object", properties: { location: { type: "string" } } },
  },
];

/** One scenario: the client it uses and the line it ends as. */
class Call {
  constructor(baseURL, apiKey, scenario) {
    const [rest, retries] = scenario.split("+retries");
    const [name, model] = rest.split("@");
    this.name = name;
    this.model = model ?? MODEL;
    this.line = {
      scenario,
      sdk: "typescript",
      sdk_version: VERSION,
      ok: false,
      exception: null,
      status: null,
      error_type: null,
      message: null,
      error_message: null,
      error_details: null,
      request_id: null,
      model: null,
      text: null,
      saw_thinking: false,
      stop_reason: null,
      tool_calls: [],
      models: null,
      input_tokens: null,
      output_tokens: null,
      events: 0,
      saw_message_stop: false,
      credential_header: null,
      retry_after: null,
      attempts: 0,
      headers: {},
    };
    // The SDK's own timeout ends with the head of an answer; a silent body it awaits for ever.
    this.silence = new AbortController();
    this.client = new Anthropic({
      baseURL,
      apiKey: name === "bad-key" ? WRONG_KEY : apiKey,
      maxRetries: retries === undefined ? 0 : 2,
      timeout: TIMEOUT,
      fetch: (url, init) => this.fetch(url, init),
    });
  }

  async fetch(url, init) {
    const request = new Headers(init.headers);
    const present = ["x-api-key", "authorization"].filter((name) => request.has(name));
    this.line.credential_header = present.join(",") || null;
    this.line.attempts += 1;
    // What an earlier attempt was told is not the answer to this one.
    Object.assign(this.line, { status: null, request_id: null, retry_after: null, headers: {} });
    const response = await fetch(url, init);
    this.line.status = response.status;
    this.line.headers = Object.fromEntries(response.headers);
    this.listen();
    this.line.request_id = response.headers.get("request-id");
    this.line.retry_after = response.headers.get("retry-after");
    return response;
  }

  /** Begins to wait for the next sign of life. */
  listen() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.silence.abort(), TIMEOUT);
  }

  async run() {
    try {
      await this.dispatch();
      this.line.ok = true;
    } catch (error) {
      if (error instanceof UnknownScenario) throw error;
      this.line.exception = error?.constructor?.name ?? typeof error;
      const answer = error?.error?.error;
      this.line.error_type = answer?.type ?? null;
      this.line.error_message = answer?.message ?? null;
      this.line.error_details = answer?.details ?? null;
      this.line.message = String(error?.message ?? error);
      this.line.status = error?.status ?? this.line.status;
    } finally {
      clearTimeout(this.timer);
    }
    return this.line;
  }

  async dispatch() {
    const [kind, upstream] = this.name.split(":");
    switch (kind) {
      case "plain":
        return this.plain(upstream ?? "plain");
      case "stream":
        return this.stream(upstream ?? "stream");
      case "thinking-tool-use":
        return this.stream("thinking-tool-use", { tools: TOOLS, thinking: { type: "adaptive" } });
      case "disconnect":
        return this.stream("slow", {}, 5);
      case "bad-key":
        return this.plain("plain");
      case "forbidden-model":
        this.model = "claude-forbidden-1";
        return this.plain("plain");
      case "count-tokens": {
        const body = { model: this.model, messages: messages("plain") };
        this.line.input_tokens = (await this.client.messages.countTokens(body)).input_tokens;
        return;
      }
      case "models":
        this.line.models = [];
        for await (const model of this.client.models.list()) this.line.models.push(model.id);
        return;
      case "model":
        this.line.model = (await this.client.models.retrieve(this.model)).id;
        return;
      case "unknown-path":
        return this.client.post("/v1/nonesuch", { body: {} });
      case "no-max-tokens":
        return this.client.post("/v1/messages", {
          body: { model: this.model, messages: messages("plain") },
        });
      default:
        throw new UnknownScenario(`unknown scenario: ${this.name}`);
    }
  }

  async plain(upstream) {
    const body = { model: this.model, max_tokens: MAX_TOKENS, messages: messages(upstream) };
    this.report(await this.client.messages.create(body, { signal: this.silence.signal }));
  }

  async stream(upstream, more = {}, stopAfter = undefined) {
    const stream = this.client.messages.stream(
      { model: this.model, max_tokens: MAX_TOKENS, messages: messages(upstream), ...more },
      { signal: this.silence.signal },
    );
    // The helper forgets its snapshot when the stream ends.
    let snapshot;
    stream.on("streamEvent", (_event, message) => (snapshot = message));
    try {
      for await (const event of stream) {
        this.listen();
        this.line.events += 1;
        this.line.saw_message_stop ||= event.type === "message_stop";
        // Leaving the loop aborts the request.
        if (this.line.events === stopAfter) return;
      }
      await stream.finalMessage();
    } finally {
      // What arrived counts, however the stream ended.
      if (snapshot !== undefined) this.report(snapshot);
    }
  }

  report(message) {
    const blocks = (type) => message.content.filter((block) => block.type === type);
    this.line.model = message.model ?? null;
    this.line.stop_reason = message.stop_reason ?? null;
    this.line.input_tokens = message.usage?.input_tokens ?? null;
    this.line.output_tokens = message.usage?.output_tokens ?? null;
    this.line.text = blocks("text")
      .map((block) => block.text)
      .join("");
    this.line.saw_thinking = blocks("thinking").some((block) => block.thinking !== "");
    this.line.tool_calls = blocks("tool_use").map(({ id, name, input }) => ({ id, name, input }));
  }
}

class UnknownScenario extends Error {}

function messages(upstream) {
  return [{ role: "user", content: `scenario:${upstream}` }];
}

const [baseURL, apiKey, ...scenarios] = process.argv.slice(2);
if (scenarios.length === 0) {
  console.error("usage: node client.mjs BASE_URL API_KEY SCENARIO...");
  process.exit(2);
}
for (const scenario of scenarios) {
  console.log(JSON.stringify(await new Call(baseURL, apiKey, scenario).run()));
}
