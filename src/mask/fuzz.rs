//! Every format of a file, fed with what a project can hold: nothing panics, nothing takes long, and what is kept is the
//! same bytes.

#[path = "../../tests/fuzz/harness.rs"]
mod harness;

use harness::fuzz;

use super::*;

fn feed(notation: Notation, bytes: &[u8]) {
    if let Ok(same) = render(notation, bytes, &mut |_| Replacement::Keep) {
        assert_eq!(same, bytes, "what is kept is the same");
    }
    // What is replaced is read again; it may be refused, and does not panic.
    let replaced = render(notation, bytes, &mut |site| match site.place {
        Place::Value if site.value.len() > 4 => Replacement::Whole("PLACEHOLDER".into()),
        _ => Replacement::Keep,
    });
    if let Ok(replaced) = replaced {
        let _ = render(notation, &replaced, &mut |_| Replacement::Keep);
    }
}

#[test]
fn dotenv() {
    let seeds: [&[u8]; 3] = [
        b"# note\nA=plain value # more\nexport B='single $X'\r\nC=\"two\\nlines ${A:-${D}} $(run `x`)\"\n\nD=`tick`\nE\n",
        b"\xef\xbb\xbfKEY = sk-proj-0123456789 \nJSON={\"a\": \"b\"}\nMULTI=\"-----BEGIN KEY-----\nabc\n-----END KEY-----\"\n",
        b"a: yaml\nset -x\nif [ -n \"$A\" ]; then export Z=$A\"b\"'c'\\ d; fi\ncat <<EOF\nX=1\nEOF\n",
    ];
    fuzz("dotenv", &seeds, |bytes| {
        for dialect in [Dialect::Dotenv, Dialect::Shell] {
            feed(Notation::Dotenv(dialect), bytes);
        }
    });
}

#[test]
fn json() {
    let seeds: [&[u8]; 2] = [
        br#"{"a": "sk-\u0041\ud83d\ude00\n", "b": [1, -2.5e3, true, null, {"c": {}}], "a": "again", "": "x",}"#,
        b"// note\n{\"mcpServers\": {\"x\": {\"env\": {\"API_KEY\": \"value-of-it\"}, /* more */ \"args\": [\"--token\", \"t\"]}}}\n",
    ];
    fuzz("json", &seeds, |bytes| feed(Notation::Json, bytes));
}

#[test]
fn structured() {
    let seeds: [&[u8]; 12] = [
        b"# VERSION: 3.0\nSETUVAR --export A_KEY:sk\\x2da\\u20ac\nSETUVAR p:/a\\x1e/b\n",
        b"A_KEY DEFAULT=one OVERRIDE=\"two x\"\nB\tDEFAULT=@{HOME}/b\nC='three'\n",
        b"registry \"https://u:p@h/\"\n\"//h/:_authToken\" \"npm_x\" # c\nenv:\n  A b\n",
        b"[default]\naws_secret_access_key = abcdefghijkl # x\n  more\n[profile \"b\"]\nkey: value\n; note\n",
        b"machine a.example login me password \"p w\\\"d\" account x\nmacdef init\n cd /\n\ndefault login anonymous\n",
        b"//registry.npmjs.org/:_authToken=npm_0123456789\nscope:registry=https://a:b@c.example/\nkey[]=v\n",
        b"[core]\n\teditor = \"vi \\\"x\\\" \\\n more\" ; note\n[url \"https://u:p@h/\"]\n\tinsteadOf = x\n[http]extraHeader=A: b\n",
        b"https://user:pass%40word@github.com/path\n# note\n",
        b"host:5432:db:user:pass\\:word\\\\\n*:*:*:*:x\n",
        b"!a.b = c\\u0041 \\\n  d\n key\\ x : v\n[t]\nx = \"\"\"a\\\nb\"\"\"\ny = {z = 'lit', w = [1, 2]}\nd = 1979-05-27\n",
        b"a: &x \"q\\x41\" # c\nb: *x\nc: |2-\n   text\n  more\nd: {e: [f, 'g''h']}\n? k\n: v\n--- \n!!binary aGk=\n...\n",
        b"<?xml version=\"1.0\"?><s a='1 &amp; &#65;'><!-- c --><p><![CDATA[x]]></p><q xmlns:z=\"u\" z:k=\"v\"/>t</s>\n-----BEGIN RSA PRIVATE KEY-----\nMIIB\n-----END RSA PRIVATE KEY-----\n",
    ];
    fuzz("structured", &seeds, |bytes| {
        for structure in ALL {
            feed(Notation::Structured(structure), bytes);
        }
    });
}
