//! What comes back: an upstream that repeats what it was sent never shows the child a real value, and a placeholder
//! goes in for a real value only where its service looks for one.

use crate::support::place::clients;
use crate::support::{Finished, Run, Upstream, fresh_key, requirement};

/// One secret, one upstream for its host, one shell script.
fn run(script: &str) -> (Finished, Upstream, String) {
    let key = fresh_key("sk-proj-");
    let upstream = Upstream::start(["api.openai.com", "unrelated.example"]);
    let run = Run::new().secret("OPENAI_API_KEY", &key).upstream(&upstream).shell(script);
    (run.run().succeeded(), upstream, key)
}

#[test]
fn an_echo_of_header_and_body_reaches_the_child_as_the_placeholder() {
    for version in ["--http1.1", "--http2"] {
        let (finished, upstream, key) = run(&format!(
            "curl {version} --silent --show-error --include -H \"Authorization: Bearer $OPENAI_API_KEY\" \
             -d 'plain body' https://api.openai.com/test/echo"
        ));
        let placeholder = finished.child_variable("OPENAI_API_KEY").unwrap();
        let bearer = format!("authorization: Bearer {placeholder}");
        assert_eq!(upstream.only("/test/echo").header("authorization"), Some(format!("Bearer {key}").as_str()));
        let answer = finished.stdout();
        assert!(answer.contains(&format!("x-echo-{bearer}\r\n")), "{answer}");
        assert!(answer.contains(&format!("\n{bearer}\n")), "{answer}");
        assert!(answer.ends_with("\n\nplain body"), "{answer}");
    }
}

#[test]
fn a_credential_is_found_however_it_is_written_and_the_log_counts_the_forms() {
    let ask = |version: &str| {
        format!(
            "curl {version} --silent --show-error --fail -H \"Authorization: Bearer $OPENAI_API_KEY\" \
             https://api.openai.com/test/written\n"
        )
    };
    let (finished, ..) = run(&[ask("--http1.1"), ask("--http2")].concat());
    let placeholder = finished.child_variable("OPENAI_API_KEY").unwrap();
    let answers = finished.stdout();
    let lines = answers.lines().collect::<Vec<_>>();
    // The placeholder is longer than the value, so it has no breaks where that had some.
    assert_eq!(lines.len(), 30, "{answers}");
    assert_eq!(lines[..15], lines[15..]);
    // What is as long as the value is written as it was: a program that reads it gets the placeholder.
    let bytes = |each: fn(u8) -> String| placeholder.bytes().map(each).collect::<String>();
    assert_eq!(lines[0], placeholder);
    assert!(
        [placeholder.clone(), bytes(|byte| format!("\\u{byte:04x}"))].contains(&lines[1].to_owned()),
        "{}",
        lines[1]
    );
    assert!([placeholder.clone(), bytes(|byte| format!("%{byte:02X}"))].contains(&lines[3].to_owned()), "{}", lines[3]);
    assert_eq!(lines[6], bytes(|byte| format!("{byte:02x}")));
    assert_eq!(lines[13], bytes(|byte| format!("{}\0", char::from(byte))));
    assert_eq!(lines[14], bytes(|byte| format!("\0\0\0{}", char::from(byte))));
    for end in finished.audit_of("end") {
        let wanted = serde_json::json!({
            "raw": 1, "json": 2, "percent": 2, "html": 1, "hex": 2, "base64": 5, "utf16": 1, "utf32": 1
        });
        assert_eq!(end["redactions"]["OPENAI_API_KEY"], wanted, "{end}");
    }
}

/// Codings that servers use unasked, with what reads them back.
const CODINGS: [&str; 8] = ["gzip", "x-gzip", "deflate", "br", "zstd", "gzip,br", "br,zstd", "zstd,gzip,deflate"];

#[test]
fn a_compressed_echo_reaches_every_client_as_the_placeholder() {
    let python = clients().join("python/bin/python");
    let missing = (!python.exists()).then(|| format!("{}: not installed; tests/run does it", python.display()));
    let mut readers = vec![
        "curl --compressed --silent --show-error --fail --http1.1 -H \"Authorization: Bearer $OPENAI_API_KEY\" -i $URL"
            .to_owned(),
        "curl --silent --show-error --fail --http2 -H \"Authorization: Bearer $OPENAI_API_KEY\" -i $URL".to_owned(),
        "node -e 'fetch(process.env.URL, {headers: {authorization: `Bearer ${process.env.OPENAI_API_KEY}`}})\
         .then(async answer => console.log(await answer.text()))'"
            .to_owned(),
    ];
    if requirement::met("clients", missing.as_deref()) {
        for library in ["requests", "httpx"] {
            readers.push(format!(
                "{} -c 'import os, {library}; key = os.environ[\"OPENAI_API_KEY\"]; \
                 print({library}.get(os.environ[\"URL\"], headers={{\"Authorization\": \"Bearer \" + key}}).text)'",
                python.display()
            ));
        }
    }
    let script: String = CODINGS
        .iter()
        .flat_map(|coding| {
            readers.iter().map(move |reader| {
                format!("export URL=https://api.openai.com/test/compressed/{coding}; {reader} || exit 1\n")
            })
        })
        .collect();
    let (finished, _, _) = run(&script);
    let placeholder = finished.child_variable("OPENAI_API_KEY").unwrap();
    let bearer = format!("authorization: Bearer {placeholder}\n");
    assert_eq!(finished.stdout().matches(&bearer).count(), CODINGS.len() * readers.len(), "{}", finished.stdout());
    assert!(finished.stdout().contains("etag: W/\"strong\"") && !finished.stdout().contains("content-encoding"));
    for end in finished.audit_of("end") {
        assert_eq!(end["redactions"]["OPENAI_API_KEY"], serde_json::json!({"raw": 1}), "{end}");
    }
}

#[test]
fn what_cannot_be_decoded_is_refused_or_breaks_off() {
    let script = "ask() { curl --silent --output /dev/null --write-out '%{http_code} ' -H \"Authorization: Bearer \
                  $OPENAI_API_KEY\" $2 https://api.openai.com/test/compressed/$1; echo $?; }
                  for version in --http1.1 --http2; do
                    ask x-mine $version; ask gzip,gzip,gzip,gzip $version; ask cut/gzip $version; ask cut/zstd $version
                  done";
    let (finished, ..) = run(script);
    // A short answer breaks off before its head is out: curl's 52 is an empty reply, 92 a stream that was reset.
    assert_eq!(finished.stdout(), "502 0\n502 0\n000 52\n000 52\n502 0\n502 0\n000 92\n000 92\n");
    let errors: Vec<_> = finished.audit_of("end").iter().map(|end| end["error"].clone()).collect();
    assert!(errors.contains(&"the compressed answer ends too early".into()), "{errors:?}");
}

#[test]
fn only_forms_that_are_scanned_are_asked_for() {
    let (_, upstream, _) = run("curl --silent --compressed -H 'Accept-Encoding: br, zstd, gzip, x-unheard-of' \
         -H \"Authorization: Bearer $OPENAI_API_KEY\" https://api.openai.com/test/ok");
    let seen = upstream.only("/test/ok");
    let asked = seen.header("accept-encoding").unwrap_or("identity");
    assert!(!asked.contains("x-unheard-of") && !asked.contains('*'), "{asked}");
}

#[test]
fn a_placeholder_in_a_prompt_stays_a_placeholder() {
    let (finished, upstream, key) =
        run("curl --silent -H \"Authorization: Bearer $OPENAI_API_KEY\" -H \"X-Note: $OPENAI_API_KEY\" \
         -d \"{\\\"prompt\\\": \\\"$OPENAI_API_KEY\\\"}\" https://api.openai.com/test/ok?q=$OPENAI_API_KEY");
    let placeholder = finished.child_variable("OPENAI_API_KEY").unwrap();
    let seen = upstream.only("/test/ok");
    assert_eq!(seen.header("authorization"), Some(format!("Bearer {key}").as_str()));
    assert_eq!(seen.text(), format!("{{\"prompt\": \"{placeholder}\"}}"));
    assert_eq!(seen.target, format!("/test/ok?q={placeholder}"));
    assert_eq!(seen.header("x-note"), Some(placeholder.as_str()));
}

#[test]
fn a_placeholder_that_travels_to_another_host_goes_out_inert() {
    let key = fresh_key("sk-proj-");
    let upstream = Upstream::start(["unrelated.example"]);
    // Not a bound host: an opaque tunnel, so the child itself must trust the upstream.
    let run = Run::new().secret("OPENAI_API_KEY", &key).upstream(&upstream).variable("AUTHORITY", upstream.authority());
    let script = "curl --silent --show-error --fail --cacert $AUTHORITY -H \"Authorization: Bearer $OPENAI_API_KEY\" \
                  https://unrelated.example/test/ok";
    let finished = run.shell(script).run().succeeded();
    let placeholder = finished.child_variable("OPENAI_API_KEY").unwrap();
    let sent = format!("Bearer {placeholder}");
    assert_eq!(upstream.only("/test/ok").header("authorization"), Some(sent.as_str()));
}

#[test]
fn plaintext_to_a_bound_host_carries_no_real_value() {
    let (finished, upstream, _) =
        run("curl --silent -H \"Authorization: Bearer $OPENAI_API_KEY\" http://api.openai.com/test/ok; true");
    let placeholder = finished.child_variable("OPENAI_API_KEY").unwrap();
    for seen in upstream.seen() {
        assert_eq!(seen.header("authorization"), Some(format!("Bearer {placeholder}").as_str()));
    }
}

#[test]
fn a_second_credential_header_is_replaced_and_not_added() {
    let key = fresh_key("sk-ant-api03-");
    let upstream = Upstream::start(["api.anthropic.com"]);
    let run = Run::new().secret("ANTHROPIC_API_KEY", &key).upstream(&upstream);
    let run = run.shell(
        "curl --silent --show-error -H \"x-api-key: $ANTHROPIC_API_KEY\" -H 'Authorization: Bearer stale' \
         https://api.anthropic.com/test/ok",
    );
    run.run().succeeded();
    let seen = upstream.only("/test/ok");
    let real: Vec<&str> =
        seen.headers.values().filter_map(|value| value.to_str().ok()).filter(|v| v.contains(&key)).collect();
    assert_eq!(real.len(), 1, "{:#?}", seen.headers);
    assert!(!seen.headers.values().any(|value| value == "Bearer stale"), "{:#?}", seen.headers);
}

#[test]
fn a_placeholder_within_a_credential_stays_one_and_one_of_two_headers_goes_out() {
    let ask = |version: &str, headers: &str| {
        format!("curl {version} --silent --show-error {headers} https://api.openai.com/test/ok; ")
    };
    let part = "-H \"Authorization: Bearer x $OPENAI_API_KEY y\"";
    let two = "-H \"Authorization: Bearer $OPENAI_API_KEY\" -H \"Authorization: token $OPENAI_API_KEY\"";
    let script = ["--http1.1", "--http2"].map(|version| ask(version, part) + &ask(version, two)).concat();
    let (finished, upstream, key) = run(&script);
    let placeholder = finished.child_variable("OPENAI_API_KEY").unwrap();
    let sent: Vec<Vec<_>> =
        upstream.seen().iter().map(|seen| seen.headers.get_all("authorization").iter().cloned().collect()).collect();
    let (part, one) = (format!("Bearer x {placeholder} y"), format!("Bearer {key}"));
    assert_eq!(sent, [[part.as_str()], [one.as_str()], [part.as_str()], [one.as_str()]]);
}
