"""The pages for people, on Starlette: the OpenAPI description and the documentation page.

Everything is served from here: no script, font or style comes from elsewhere.
"""

import re
from html import escape
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

import portico
from portico.api.endpoints import CALLS, PAGES

_HEADERS = {
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
}


_STREAMS = {"sse": "text/event-stream", "lines": "application/x-ndjson"}


def build_control_plane() -> Starlette:
    return Starlette(routes=[Route("/docs", _docs), Route("/openapi.json", _openapi)])


async def _openapi(request: Request) -> Response:
    return JSONResponse(openapi(), headers=_HEADERS)


async def _docs(request: Request) -> Response:
    return HTMLResponse(docs_page(str(request.base_url).rstrip("/")), headers=_HEADERS)


def openapi() -> dict[str, Any]:
    """OpenAPI 3.1 of every row. Bodies are open objects: what a provider takes goes through."""
    paths: dict[str, Any] = {}
    for address, endpoint in CALLS:
        kinds: dict[str, Any] = {"application/json": {"schema": {"type": "object"}}}
        if endpoint.binary:
            kinds = {"audio/mpeg": {"schema": {"type": "string", "format": "binary"}}}
        elif endpoint.streams:
            kinds[_STREAMS[endpoint.framing]] = {"schema": {"type": "string"}}
        body: dict[str, Any] = {"type": "object"}
        parameters = _parameters(address)
        if not parameters:
            body["required"] = [] if endpoint.default_model else ["model"]
            body["properties"] = {"model": {"type": "string"}}
            if endpoint.streams:
                body["properties"]["stream"] = {"type": "boolean"}
        called: dict[str, Any] = {
            "operationId": endpoint.name,
            "summary": endpoint.summary,
            "requestBody": {"required": True, "content": {"application/json": {"schema": body}}},
            "responses": _responses(kinds),
        }
        if parameters:
            called["parameters"] = parameters
        paths[address] = {"post": called}
    for page in PAGES:
        operation: dict[str, Any] = {
            "operationId": page.name,
            "summary": page.summary,
            "responses": _responses({"application/json": {"schema": {"type": "object"}}}),
        }
        if page.access == "open":
            operation["security"] = []
        if page.takes_id:
            operation["parameters"] = _parameters(page.address)
        paths.setdefault(page.address, {})[page.method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Portico",
            "version": portico.__version__,
            "description": "One endpoint in front of every model provider.",
        },
        "paths": paths,
        "security": [{"bearer": []}, {"x-api-key": []}],
        "components": {
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "x-api-key": {"type": "apiKey", "in": "header", "name": "x-api-key"},
            },
            "schemas": {"Error": _ERROR},
        },
    }


_PARAMETER = re.compile(r"\{(\w+)\}")
_ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "param", "code"],
            "properties": {
                "message": {"type": "string"},
                "type": {"type": "string"},
                "param": {"type": ["string", "null"]},
                "code": {"type": ["string", "null"]},
            },
        }
    },
}


def _responses(content: dict[str, Any]) -> dict[str, Any]:
    error = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    return {
        "200": {"description": "The answer.", "content": content},
        "default": {"description": "An error.", "content": error},
    }


def _parameters(address: str) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in _PARAMETER.findall(address)
    ]


def docs_page(base_url: str) -> str:
    """One page that a newcomer can copy from; `base_url` is where it was asked for."""
    rows = "".join(
        f"<tr><td><code>POST {escape(address)}</code></td><td>{escape(one.summary)}</td></tr>"
        for address, one in CALLS
    ) + "".join(
        f"<tr><td><code>{one.method} {escape(one.address)}</code></td>"
        f"<td>{escape(one.summary)}</td></tr>"
        for one in PAGES
    )
    url = escape(base_url)
    return _PAGE.format(version=escape(portico.__version__), rows=rows, url=url)


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Portico</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 56rem; margin: 2rem auto;
  padding: 0 1rem; }}
table {{ border-collapse: collapse; width: 100%; }}
td {{ border-bottom: 1px solid #8884; padding: .4rem .6rem .4rem 0; vertical-align: top; }}
pre {{ background: #8881; padding: .8rem 1rem; overflow-x: auto; border-radius: .4rem; }}
code, pre {{ font: 14px/1.45 ui-monospace, monospace; }}
</style></head><body>
<h1>Portico {version}</h1>
<p>One endpoint in front of every model provider. Send your gateway key as
<code>Authorization: Bearer</code>, <code>x-api-key</code> or <code>api-key</code>.
Inference paths also answer without <code>/v1</code> and under <code>/openai/v1</code>.</p>
<h2>curl</h2>
<pre>curl {url}/v1/chat/completions \\
  -H "authorization: Bearer $PORTICO_KEY" -H "content-type: application/json" \\
  -d '{{"model": "echo", "messages": [{{"role": "user", "content": "Hello, Portico"}}]}}'</pre>
<h2>Python</h2>
<pre>from openai import OpenAI

client = OpenAI(base_url="{url}/v1", api_key="YOUR_KEY")
answer = client.chat.completions.create(
    model="echo", messages=[{{"role": "user", "content": "Hello, Portico"}}]
)
print(answer.choices[0].message.content)</pre>
<h2>Node</h2>
<pre>import OpenAI from "openai";

const client = new OpenAI({{ baseURL: "{url}/v1", apiKey: "YOUR_KEY" }});
const answer = await client.chat.completions.create({{
  model: "echo", messages: [{{ role: "user", content: "Hello, Portico" }}],
}});
console.log(answer.choices[0].message.content);</pre>
<h2>Addresses</h2>
<table>{rows}</table>
<p>The same as <a href="/openapi.json">OpenAPI</a>.</p>
</body></html>
"""
