"""Calls a gateway with the official Python SDK, as a tenant's program would.

    python client.py BASE_URL API_KEY SCENARIO...

Prints one JSON line for each scenario; see README.md for their names and the keys. An exception
of the SDK is a result. The exit status is 0 when the script itself ran.
"""

import json
import os
import sys

# A developer's own settings must not reach the calls.
for name in [name for name in os.environ if name.startswith("ANTHROPIC_")]:
    del os.environ[name]

import anthropic  # noqa: E402

MODEL = "claude-sonnet-5-5"
MAX_TOKENS = 256
TIMEOUT = float(os.environ.get("TOWER_CLAUDE_SDK_TIMEOUT", "30"))
WRONG_KEY = "a-key-that-nobody-has-issued"
TOOLS = [
    {
        "name": "get_weather",
        "description": "The weather at a place.",
        "input_schema": {"type": "object", "properties": {"location": {"type": "string"}}},
    }
]
# The helper adds events of its own between those on the wire.
WIRE_EVENTS = {
    "message_start",
    "content_block_start",
    "content_block_delta",
    "content_block_stop",
    "message_delta",
    "message_stop",
}


class Call:
    """One scenario: the client it uses and the line it ends as."""

    def __init__(self, base_url, api_key, scenario):
        rest, retries, _ = scenario.partition("+retries")
        self.name, _, model = rest.partition("@")
        self.model = model or MODEL
        self.line = {
            "scenario": scenario,
            "sdk": "python",
            "sdk_version": anthropic.__version__,
            "ok": False,
            "exception": None,
            "status": None,
            "error_type": None,
            "message": None,
            "error_message": None,
            "error_details": None,
            "request_id": None,
            "model": None,
            "text": None,
            "saw_thinking": False,
            "stop_reason": None,
            "tool_calls": [],
            "models": None,
            "input_tokens": None,
            "output_tokens": None,
            "events": 0,
            "saw_message_stop": False,
            "credential_header": None,
            "retry_after": None,
            "attempts": 0,
            "headers": {},
        }
        self.client = anthropic.Anthropic(
            base_url=base_url,
            api_key=WRONG_KEY if self.name == "bad-key" else api_key,
            max_retries=2 if retries else 0,
            timeout=TIMEOUT,
            http_client=anthropic.DefaultHttpxClient(
                event_hooks={"request": [self.on_request], "response": [self.on_response]}
            ),
        )

    def on_request(self, request):
        present = [name for name in ("x-api-key", "authorization") if name in request.headers]
        self.line["credential_header"] = ",".join(present) or None
        self.line["attempts"] += 1
        # What an earlier attempt was told is not the answer to this one.
        self.line.update(status=None, request_id=None, retry_after=None, headers={})

    def on_response(self, response):
        self.line["status"] = response.status_code
        self.line["headers"] = dict(response.headers)
        self.line["request_id"] = response.headers.get("request-id")
        self.line["retry_after"] = response.headers.get("retry-after")

    def run(self):
        try:
            self.dispatch()
            self.line["ok"] = True
        except Exception as error:  # every kind of it is a result
            self.line["exception"] = type(error).__name__
            answer = answered_error(error)
            self.line["error_type"] = answer.get("type")
            self.line["error_message"] = answer.get("message")
            self.line["error_details"] = answer.get("details")
            self.line["message"] = str(getattr(error, "message", error))
            self.line["status"] = getattr(error, "status_code", self.line["status"])
        finally:
            self.client.close()
        return self.line

    def dispatch(self):
        kind, _, upstream = self.name.partition(":")
        if kind == "plain":
            self.plain(upstream or "plain")
        elif kind == "stream":
            self.stream(upstream or "stream")
        elif kind == "thinking-tool-use":
            self.stream("thinking-tool-use", tools=TOOLS, thinking={"type": "adaptive"})
        elif kind == "disconnect":
            self.stream("slow", stop_after=5)
        elif kind == "bad-key":
            self.plain("plain")
        elif kind == "forbidden-model":
            self.model = "claude-forbidden-1"
            self.plain("plain")
        elif kind == "count-tokens":
            answer = self.client.messages.count_tokens(
                model=self.model, messages=messages("plain")
            )
            self.line["input_tokens"] = answer.input_tokens
        elif kind == "models":
            self.line["models"] = [model.id for model in self.client.models.list()]
        elif kind == "model":
            self.line["model"] = self.client.models.retrieve(self.model).id
        elif kind == "unknown-path":
            self.client.post("/v1/nonesuch", cast_to=object, body={})
        elif kind == "no-max-tokens":
            body = {"model": self.model, "messages": messages("plain")}
            self.client.post("/v1/messages", cast_to=object, body=body)
        else:
            raise SystemExit(f"unknown scenario: {self.name}")

    def plain(self, upstream):
        self.report(
            self.client.messages.create(
                model=self.model, max_tokens=MAX_TOKENS, messages=messages(upstream)
            )
        )

    def stream(self, upstream, stop_after=None, **more):
        with self.client.messages.stream(
            model=self.model, max_tokens=MAX_TOKENS, messages=messages(upstream), **more
        ) as stream:
            try:
                for event in stream:
                    if event.type not in WIRE_EVENTS:
                        continue
                    self.line["events"] += 1
                    self.line["saw_message_stop"] |= event.type == "message_stop"
                    if self.line["events"] == stop_after:
                        return
                stream.get_final_message()
            finally:
                # What arrived counts, however the stream ended.
                if self.line["events"] > 0:
                    self.report(stream.current_message_snapshot)

    def report(self, message):
        line = self.line
        line["model"] = message.model
        line["stop_reason"] = message.stop_reason
        line["input_tokens"] = message.usage.input_tokens
        line["output_tokens"] = message.usage.output_tokens
        line["text"] = "".join(block.text for block in message.content if block.type == "text")
        line["saw_thinking"] = any(
            block.type == "thinking" and bool(block.thinking) for block in message.content
        )
        line["tool_calls"] = [
            {"id": block.id, "name": block.name, "input": block.input}
            for block in message.content
            if block.type == "tool_use"
        ]


def messages(upstream):
    return [{"role": "user", "content": f"scenario:{upstream}"}]


def answered_error(error):
    """The `error` object of the answer, as far as the SDK kept it."""
    body = getattr(error, "body", None)
    inner = body.get("error") if isinstance(body, dict) else None
    return inner if isinstance(inner, dict) else {}


def main():
    if len(sys.argv) < 4:
        raise SystemExit(__doc__)
    _, base_url, api_key, *scenarios = sys.argv
    for scenario in scenarios:
        print(json.dumps(Call(base_url, api_key, scenario).run()), flush=True)


main()
