"""Real Python clients, each used as its own documentation shows it. They read their keys from the environment and know
nothing of a broker. Prints what the service said."""

import asyncio
import os
import sys


def with_requests(url):
    import requests

    answer = requests.get(url, headers={"Authorization": "Bearer " + os.environ["OPENAI_API_KEY"]})
    print(answer.status_code, answer.text)


def with_httpx(url):
    import httpx

    answer = httpx.get(url, headers={"Authorization": "Bearer " + os.environ["OPENAI_API_KEY"]})
    print(answer.status_code, answer.text)


def with_httpx_http2(url):
    import httpx

    with httpx.Client(http2=True) as client:
        answer = client.get(url, headers={"Authorization": "Bearer " + os.environ["OPENAI_API_KEY"]})
    print(answer.status_code, answer.http_version, answer.text)


def with_openai():
    from openai import OpenAI

    answer = OpenAI().chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "hello"}])
    print(answer.choices[0].message.content)


def with_openai_streamed():
    from openai import OpenAI

    stream = OpenAI().chat.completions.create(
        model="gpt-4o", messages=[{"role": "user", "content": "hello"}], stream=True
    )
    print("".join(chunk.choices[0].delta.content or "" for chunk in stream))


def with_anthropic():
    from anthropic import Anthropic

    answer = Anthropic().messages.create(
        model="claude-sonnet-4-5", max_tokens=64, messages=[{"role": "user", "content": "hello"}]
    )
    print(answer.content[0].text)


def with_anthropic_streamed():
    from anthropic import Anthropic

    messages = [{"role": "user", "content": "hello"}]
    with Anthropic().messages.stream(model="claude-sonnet-4-5", max_tokens=64, messages=messages) as stream:
        print("".join(stream.text_stream))


def with_stripe():
    from stripe import StripeClient

    print(StripeClient(os.environ["STRIPE_API_KEY"]).v1.balance.retrieve().available[0].amount)


def with_websockets(url):
    import websockets

    async def talk():
        key = {"Authorization": "Bearer " + os.environ["OPENAI_API_KEY"]}
        async with websockets.connect(url, additional_headers=key) as socket:
            for text in ("one", "two " * 1000):
                await socket.send(text)
                assert await socket.recv() == text
        print("echoed")

    asyncio.run(talk())


globals()["with_" + sys.argv[1]](*sys.argv[2:])
