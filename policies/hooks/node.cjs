// Leads the TLS connections of Node programs that pay no heed to proxy variables through the run's broker, by CONNECT
// (RFC 9110 §9.3.6). A connection that already runs over another stream is left alone, so that what honours the
// variables is not led twice.
"use strict";

const net = require("node:net");
const tls = require("node:tls");
const { Duplex } = require("node:stream");

const LONGEST_HEAD = 65536;
const OWN = new Set(["localhost", "127.0.0.1", "::1"]);
const direct = tls.connect;

/** A stream that carries bytes once the broker has opened the way to `authority`. */
class Tunnel extends Duplex {
  #socket;
  #head = Buffer.alloc(0);
  #isOpen = false;
  #waiting = [];

  constructor(proxy, authority) {
    super();
    const userinfo = `${decodeURIComponent(proxy.username)}:${decodeURIComponent(proxy.password)}`;
    const credentials = Buffer.from(userinfo).toString("base64");
    const request = `CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\nProxy-Authorization: Basic ${credentials}\r\n\r\n`;
    this.#socket = net.connect({ host: proxy.hostname, port: Number(proxy.port) });
    this.#socket.setNoDelay(true);
    this.#socket.on("connect", () => this.#socket.write(request));
    this.#socket.on("data", (bytes) => (this.#isOpen ? this.#pass(bytes) : this.#answer(bytes)));
    this.#socket.on("end", () => this.push(null));
    this.#socket.on("error", (error) => this.destroy(error));
    this.#socket.on("close", () => this.destroy());
  }

  #answer(bytes) {
    this.#head = Buffer.concat([this.#head, bytes]);
    const end = this.#head.indexOf("\r\n\r\n");
    if (end < 0 && this.#head.length < LONGEST_HEAD) return;
    const line = this.#head.subarray(0, Math.max(end, 0)).toString("latin1").split("\r\n")[0];
    if (!/^HTTP\/1\.[01] 2\d\d/.test(line)) {
      this.destroy(new Error(`the broker refused the tunnel: ${line}`));
      return;
    }
    this.#isOpen = true;
    for (const go of this.#waiting.splice(0)) go();
    const rest = this.#head.subarray(end + 4);
    if (rest.length > 0) this.#pass(rest);
  }

  #pass(bytes) {
    if (!this.push(bytes)) this.#socket.pause();
  }

  #whenOpen(go) {
    if (this.#isOpen) go();
    else this.#waiting.push(go);
  }

  _read() {
    this.#socket.resume();
  }

  _write(bytes, encoding, done) {
    this.#whenOpen(() => this.#socket.write(bytes, encoding, done));
  }

  _final(done) {
    this.#whenOpen(() => this.#socket.end(done));
  }

  _destroy(error, done) {
    this.#socket.destroy();
    done(error);
  }

  ref() {
    this.#socket.ref();
  }

  unref() {
    this.#socket.unref();
  }
}

/** `tls.connect` takes (options), (port, host, options) and a callback behind either. */
function read(given) {
  const words = [...given];
  const callback = typeof words.at(-1) === "function" ? words.pop() : undefined;
  const options = Object.assign({}, ...words.filter((word) => typeof word === "object" && word !== null));
  if (typeof words[0] === "number" || (typeof words[0] === "string" && /^\d+$/.test(words[0]))) {
    options.port = Number(words[0]);
    if (typeof words[1] === "string") options.host = words[1];
  } else if (typeof words[0] === "string") {
    options.path = words[0];
  }
  return { options, callback };
}

tls.connect = function connect(...given) {
  const { options, callback } = read(given);
  const proxy = process.env.HTTPS_PROXY || process.env.https_proxy;
  const host = (options.host || "localhost").replace(/^\[|\]$/g, "");
  if (!proxy || options.socket || options.path || OWN.has(host)) return direct.apply(this, given);
  const authority = `${net.isIPv6(host) ? `[${host}]` : host}:${options.port || 443}`;
  const socket = new Tunnel(new URL(proxy), authority);
  const servername = options.servername || (net.isIP(host) ? "" : host);
  const secure = direct.call(this, { ...options, socket, servername }, callback);
  // An idle connection in a pool must not keep the program alive.
  for (const name of ["ref", "unref"]) {
    const own = secure[name];
    secure[name] = function () {
      socket[name]();
      return own.call(this);
    };
  }
  return secure;
};
