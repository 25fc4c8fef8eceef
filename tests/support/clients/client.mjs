// Real Node clients, each used as its own documentation shows it. Node's fetch pays no heed to proxy variables.

const clients = {
  async fetch(url) {
    const answer = await fetch(url, { headers: { authorization: `Bearer ${process.env.OPENAI_API_KEY}` } });
    console.log(answer.status, await answer.text());
  },
  async anthropic() {
    const { default: Anthropic } = await import("@anthropic-ai/sdk");
    const messages = [{ role: "user", content: "hello" }];
    const answer = await new Anthropic().messages.create({ model: "claude-sonnet-4-5", max_tokens: 64, messages });
    console.log(answer.content[0].text);
  },
  async anthropic_streamed() {
    const { default: Anthropic } = await import("@anthropic-ai/sdk");
    const messages = [{ role: "user", content: "hello" }];
    const stream = new Anthropic().messages.stream({ model: "claude-sonnet-4-5", max_tokens: 64, messages });
    console.log(await stream.finalText());
  },
};

const [name, ...rest] = process.argv.slice(2);
await clients[name](...rest);
