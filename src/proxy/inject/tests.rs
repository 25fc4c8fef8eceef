//! What goes out for what came in, slot by slot.

use http::{HeaderName, Method};

use super::super::route::{Security, decide};
use super::super::rulebook::tests::{OTHER_PLACEHOLDER, PLACEHOLDER, VALUE, book, settings, site};
use super::*;

/// Sends `GET target` with `lines` to `authority`; the head as it goes out, and what was done.
fn send(book: &Rulebook, authority: &str, target: &str, lines: &[&str]) -> Result<(Vec<String>, Injected), Refused> {
    let mut headers = HeaderMap::new();
    for line in lines {
        let (name, value) = line.split_once(": ").unwrap();
        headers.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap());
    }
    let uri: Uri = target.parse().unwrap();
    let security = if authority.ends_with(":80") { Security::Plain } else { Security::Tls };
    let allowed = decide(&site(book, authority), security, &Method::GET, &uri, &HeaderMap::new()).unwrap();
    let injected = inject(&allowed, &uri, &mut headers, &mut RequestBody::Empty, book)?;
    let mut out: Vec<_> = headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
    out.sort();
    Ok((out, injected))
}

fn basic(pair: &str) -> String {
    format!("authorization: Basic {}", STANDARD.encode(pair))
}

fn stripe(lines: &[&str]) -> Vec<String> {
    send(&book(), "api.stripe.com:443", "/v1", lines).unwrap().0
}

#[test]
fn keeps_the_scheme_word() {
    for word in ["Bearer ", "bearer ", "token ", "", "Bearer  ", "Token token=", "key=", "DeepL-Auth-Key "] {
        let line = format!("authorization: {word}{PLACEHOLDER}");
        assert_eq!(stripe(&[&line]), [format!("authorization: {word}{VALUE}")]);
    }
    let quoted = |key: &str| format!("authorization: Token token=\"{key}\"");
    assert_eq!(stripe(&[&quoted(PLACEHOLDER)]), [quoted(VALUE)]);
    assert_eq!(stripe(&[&format!("x-api-key: {PLACEHOLDER}")]), [format!("x-api-key: {VALUE}")]);
}

#[test]
fn a_placeholder_that_is_a_part_of_a_credential_stays() {
    let p = PLACEHOLDER;
    for text in [
        format!("Bearer x {p} y"),
        format!("Bearer x {p}"),
        format!("Bearer {p} y"),
        format!("Bearer x{p}"),
        format!("{p}y"),
        format!("Bearer {p}, Bearer {p}"),
        format!("Bearer {p}{p}"),
        format!("Token token=\"{p}"),
        format!("Token token={p}\""),
        format!("Token x=1, token={p}"),
        format!("Token token=\"{p}\", x=1"),
        format!("Token token=\"x{p}\""),
        format!("\"{p}\""),
        format!("=\"{p}\""),
        format!("Be(arer {p}"),
    ] {
        let line = format!("authorization: {text}");
        let (out, injected) = send(&book(), "api.stripe.com:443", "/v1", &[&line]).unwrap();
        assert_eq!((out, injected.placed.len(), injected.inert.len()), (vec![line.clone()], 0, 1), "{line}");
    }
}

#[test]
fn the_format_of_a_binding_says_what_stands_around_the_credential() {
    let mut settings = settings();
    let format = "Pve user@realm!id={}:x".to_owned();
    settings.bindings[0].attach = Some(crate::policy::Attach { header: "authorization".into(), format });
    let book = Rulebook::new(&settings).unwrap();
    let line = |key: &str| format!("authorization: Pve user@realm!id={key}:x");
    assert_eq!(send(&book, "api.stripe.com:443", "/v1", &[&line(PLACEHOLDER)]).unwrap().0, [line(VALUE)]);
    let other = line(PLACEHOLDER) + "y";
    assert_eq!(send(&book, "api.stripe.com:443", "/v1", &[&other]).unwrap().0, [other]);
}

#[test]
fn of_two_headers_with_one_name_the_first_placeholder_is_swapped_and_the_other_goes() {
    let bearer = |key: &str| format!("authorization: Bearer {key}");
    let pair = |key: &str| basic(&format!("x:{key}"));
    for lines in [
        [bearer(PLACEHOLDER), bearer(PLACEHOLDER)],
        [bearer(PLACEHOLDER), pair(PLACEHOLDER)],
        [bearer(PLACEHOLDER), bearer("stale")],
        [bearer("stale"), bearer(PLACEHOLDER)],
        [pair(PLACEHOLDER), bearer(PLACEHOLDER)],
    ] {
        let lines = lines.each_ref().map(String::as_str);
        let (out, injected) = send(&book(), "api.stripe.com:443", "/v1", &lines).unwrap();
        assert_eq!((out.len(), injected.placed.len()), (1, 1), "{lines:?} {out:?}");
        assert!(out == [bearer(VALUE)] || out == [pair(VALUE)], "{out:?}");
    }
}

#[test]
fn decodes_basic_and_swaps_a_whole_field() {
    let swapped = |pair: String| stripe(&[&basic(&pair)]);
    assert_eq!(swapped(format!("{PLACEHOLDER}:")), [basic(&format!("{VALUE}:"))]);
    assert_eq!(swapped(format!("git:{PLACEHOLDER}")), [basic(&format!("git:{VALUE}"))]);
    let partial = basic(&format!("git:x{PLACEHOLDER}"));
    assert_eq!(stripe(&[&partial]), [partial]);
}

#[test]
fn a_second_credential_of_the_service_is_removed() {
    let key = format!("x-api-key: {PLACEHOLDER}");
    let wanted = [format!("x-api-key: {VALUE}")];
    assert_eq!(stripe(&["authorization: Bearer from-a-helper", &key]), wanted);
    assert_eq!(stripe(&["x-extra-key: from-a-helper", &key]), wanted);
    assert_eq!(stripe(&["x-api-key: from-a-helper", &key]), wanted);
    let both = format!("authorization: Bearer {PLACEHOLDER}");
    assert_eq!(stripe(&[&both, &key]), [format!("authorization: Bearer {VALUE}"), wanted[0].clone()]);
}

#[test]
fn attaches_only_where_the_request_has_no_credential() {
    assert_eq!(stripe(&["accept: */*"]), ["accept: */*".to_owned(), format!("authorization: Bearer {VALUE}")]);
    for line in ["authorization: Bearer other", "x-api-key: other", "x-extra-key: other"] {
        assert_eq!(stripe(&[line]), [line]);
    }
    let plain = send(&book(), "api.stripe.com:80", "/v1", &[]).unwrap();
    assert_eq!(plain, (vec![], Injected::default()));
    let outside_rules = send(&book(), "github.com:443", "/y", &[]).unwrap();
    assert_eq!(outside_rules, (vec![], Injected::default()));
}

#[test]
fn elsewhere_a_placeholder_is_inert_and_recorded() {
    let bearer = format!("authorization: Bearer {PLACEHOLDER}");
    let hidden = basic(&format!("x:{PLACEHOLDER}"));
    for (authority, target, line) in [
        ("api.stripe.com:80", "/v1", bearer.as_str()),
        ("other.example:443", "/v1", &bearer),
        ("other.example:443", "/v1", &hidden),
        ("github.com:443", "/x", &bearer),
        ("api.stripe.com:443", "/v1", &format!("x-prompt: say {PLACEHOLDER}")),
        ("other.example:443", &format!("/v1?key={PLACEHOLDER}"), "accept: */*"),
        ("other.example:443", &format!("/v1/{PLACEHOLDER}"), "accept: */*"),
    ] {
        let (out, injected) = send(&book(), authority, target, &[line]).unwrap();
        assert!(out.contains(&line.to_owned()), "{authority} {target} {out:?}");
        assert_eq!(injected.inert, [SecretName::new("STRIPE_KEY").unwrap()], "{authority} {target} {line}");
        let mut settings = settings();
        settings.block_stray = true;
        let refused = send(&Rulebook::new(&settings).unwrap(), authority, target, &[line]).unwrap_err();
        // Over plaintext its own host is refused in words of its own.
        let wanted = if authority == "api.stripe.com:80" { "plaintext" } else { "stray_placeholder" };
        assert_eq!(refused.code, wanted);
    }
}

#[test]
fn a_rule_that_does_not_match_refuses_the_placeholder() {
    let line = format!("authorization: token {OTHER_PLACEHOLDER}");
    assert_eq!(send(&book(), "github.com:443", "/x", &[&line]).unwrap().1.placed.len(), 1);
    assert_eq!(send(&book(), "github.com:443", "/y", &[&line]).unwrap_err().code, "rule_not_matched");
}

#[test]
fn the_value_is_sensitive_and_placed_once() {
    let uri = Uri::from_static("/v1");
    let site = site(&book(), "api.stripe.com:443");
    let allowed = decide(&site, Security::Tls, &Method::GET, &uri, &HeaderMap::new()).unwrap();
    let mut headers = HeaderMap::new();
    headers.insert(AUTHORIZATION, HeaderValue::from_str(&format!("Bearer {PLACEHOLDER}")).unwrap());
    let injected = inject(&allowed, &uri, &mut headers, &mut RequestBody::Empty, &book()).unwrap();
    assert!(headers[AUTHORIZATION].is_sensitive());
    assert!(!format!("{headers:?}").contains(VALUE));
    let places: Vec<_> = injected.placed.iter().map(|(_, name, place)| (name.as_str(), place.as_str())).collect();
    assert_eq!(places, [("STRIPE_KEY", "header authorization")]);
}

#[test]
fn a_value_that_no_header_can_carry_is_refused() {
    let mut settings = settings();
    let mut table = crate::secret::Table::default();
    for (name, value, placeholder) in
        [("STRIPE_KEY", "line\nbreak", PLACEHOLDER), ("GIT_TOKEN", "with:colon", OTHER_PLACEHOLDER)]
    {
        let mint = || Ok::<_, std::convert::Infallible>(crate::secret::Placeholder::from_minted(placeholder.into()));
        table.insert(SecretName::new(name).unwrap(), crate::secret::Secret::new(value.into()), mint).unwrap();
    }
    settings.secrets = std::sync::Arc::new(table);
    let book = Rulebook::new(&settings).unwrap();
    let code = |authority: &str, target: &str, line: &str| {
        send(&book, authority, target, &[line]).map(|_| ()).map_err(|refused| refused.code)
    };
    assert_eq!(code("api.stripe.com:443", "/", &format!("x-api-key: {PLACEHOLDER}")), Err("unusable_value"));
    assert_eq!(code("api.stripe.com:443", "/", &basic(&format!("u:{PLACEHOLDER}"))), Err("unusable_value"));
    assert_eq!(code("github.com:443", "/x", &basic(&format!("{OTHER_PLACEHOLDER}:p"))), Err("unusable_value"));
    assert_eq!(code("github.com:443", "/x", &basic(&format!("u:{OTHER_PLACEHOLDER}"))), Ok(()));
}
