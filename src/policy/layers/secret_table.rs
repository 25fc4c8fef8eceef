//! The table `[secrets.NAME]` of a policy file.

use std::str::FromStr;

use super::error::PolicyError;
use super::file::{EVERYWHERE, choice, targets};
use super::reader::{At, Item};
use super::source_table::{Cache, SecretSource, cache, source};
use crate::policy::{Attach, JsonPointer, Rule, Scan, ServiceId, Slot, Target, catalogue};
use crate::secret::SecretName;

/// A table `[secrets.NAME]`.
#[derive(Debug)]
pub(super) struct SecretTable {
    pub(super) name: At<SecretName>,
    pub(super) service: Option<At<ServiceId>>,
    pub(super) hosts: Option<Vec<At<Target>>>,
    pub(super) inject: Option<At<Inject>>,
    pub(super) rules: Vec<At<Rule>>,
    pub(super) plaintext: Option<At<bool>>,
    pub(super) scan: Option<At<Scan>>,
    pub(super) source: Option<At<SecretSource>>,
    pub(super) cache: Option<At<Cache>>,
}

/// How a secret is sent.
#[derive(Debug, Clone)]
pub(super) struct Inject {
    pub(super) slots: Vec<Slot>,
    pub(super) attach: Option<Attach>,
}

const SECRET: &[&str] = &["cache", "hosts", "inject", "plaintext", "rules", "scan", "service", "source"];
const SCANS: &[(&str, Scan)] = &[("strict", Scan::Strict), ("on", Scan::On), ("off", Scan::Off)];
const INJECT: &[&str] = &["attach", "cookie", "form", "format", "header", "json", "query"];

pub(super) fn read_secret(name: At<String>, item: &Item<'_>) -> Result<SecretTable, PolicyError> {
    let place = name.place;
    let value = SecretName::new(name.value).map_err(|source| PolicyError::Name { place: place.clone(), source })?;
    let name = At { value, place };
    let mut secret = SecretTable {
        name,
        service: None,
        hosts: None,
        inject: None,
        rules: vec![],
        plaintext: None,
        scan: None,
        source: None,
        cache: None,
    };
    for (key, item) in item.table()?.items(SECRET, EVERYWHERE)? {
        match key {
            "cache" => secret.cache = Some(cache(&item)?),
            "hosts" => secret.hosts = Some(targets(&item)?),
            "inject" => secret.inject = Some(inject(&item)?),
            "plaintext" => secret.plaintext = Some(item.boolean()?),
            "rules" => secret.rules = rules(&item)?,
            "scan" => secret.scan = Some(choice(&item, SCANS)?),
            "service" => secret.service = Some(service(&item)?),
            _ => secret.source = Some(source(&item)?),
        }
    }
    Ok(secret)
}

fn service(item: &Item<'_>) -> Result<At<ServiceId>, PolicyError> {
    let text = item.text()?;
    let id = ServiceId(text.value.clone());
    if catalogue().service(&id).is_some() {
        return Ok(text.map(|_| id));
    }
    Err(PolicyError::Choice {
        place: text.place,
        key: item.name.clone(),
        value: text.value.escape_debug().to_string(),
        choices: catalogue().services().iter().map(|service| service.id.0.clone()).collect(),
    })
}

fn rules(item: &Item<'_>) -> Result<Vec<At<Rule>>, PolicyError> {
    let rule = |text: At<String>| match Rule::from_str(&text.value) {
        Ok(value) => Ok(At { value, place: text.place }),
        Err(source) => Err(PolicyError::Rule { place: text.place, source }),
    };
    item.texts()?.into_iter().map(rule).collect()
}

/// `"bearer"`, `"basic"`, a table as [`place`] reads it, or a list of these.
fn inject(item: &Item<'_>) -> Result<At<Inject>, PolicyError> {
    let value = if item.is_list() {
        let mut all = Inject { slots: Vec::new(), attach: None };
        for item in item.list("a list of places")? {
            let Inject { slots, attach } = one(&item)?;
            if attach.is_some() && all.attach.is_some() {
                return Err(item.wrong("attaches a second header"));
            }
            all.slots.extend(slots);
            all.attach = all.attach.or(attach);
        }
        all
    } else {
        one(item)?
    };
    Ok(At { value, place: item.place() })
}

fn one(item: &Item<'_>) -> Result<Inject, PolicyError> {
    if item.is_table() {
        return place(item);
    }
    let is_bearer = choice(item, &[("bearer", true), ("basic", false)])?.value;
    let slot = if is_bearer { Slot::Header("authorization".into()) } else { Slot::Basic };
    Ok(Inject { slots: vec![slot], attach: None })
}

/// `{ header = "X-Api-Key", format = "{}", attach = true }`, or `query`, `cookie`, `json` or `form` with a name.
fn place(item: &Item<'_>) -> Result<Inject, PolicyError> {
    let (mut slots, mut format, mut attach) = (Vec::new(), None, None);
    for (key, item) in item.table()?.items(INJECT, EVERYWHERE)? {
        match key {
            "header" => slots.push(Slot::Header(header_name(&item)?)),
            "query" => slots.push(Slot::Query(field_name(&item)?)),
            "cookie" => slots.push(Slot::Cookie(cookie_name(&item)?)),
            "json" => slots.push(Slot::JsonField(pointer(&item)?)),
            "form" => slots.push(Slot::FormField(field_name(&item)?)),
            "format" => format = Some(header_format(&item)?),
            _ => attach = Some(item.boolean()?.value),
        }
    }
    let slot = match slots.as_slice() {
        [] => return Err(item.wrong("names no `header`, `query`, `cookie`, `json` or `form`")),
        [slot] => slot,
        _ => return Err(item.wrong("names more than one place: write a list with a table for each")),
    };
    let attach = match slot {
        Slot::Header(header) if attach == Some(true) => {
            Some(Attach { header: header.clone(), format: format.unwrap_or_else(|| "{}".into()) })
        }
        Slot::Header(_) => None,
        _ if attach.is_some() || format.is_some() => {
            return Err(item.wrong("has `format` or `attach`, which only a `header` can have"));
        }
        _ => None,
    };
    Ok(Inject { slots, attach })
}

/// The name of a parameter of a query or of a field of a form, as it is before it is encoded.
fn field_name(item: &Item<'_>) -> Result<String, PolicyError> {
    let name = item.text()?.value;
    if name.is_empty() || name.chars().any(char::is_control) {
        return Err(item.wrong("is not the name of a field"));
    }
    Ok(name)
}

/// RFC 6265 §4.1.1: a token.
fn cookie_name(item: &Item<'_>) -> Result<String, PolicyError> {
    let name = item.text()?.value;
    if !is_token(&name) {
        return Err(item.wrong("is not the name of a cookie"));
    }
    Ok(name)
}

fn pointer(item: &Item<'_>) -> Result<JsonPointer, PolicyError> {
    item.text()?.value.parse().map_err(|_| item.wrong("is no JSON pointer: write `/key`, or `/list/0/key`"))
}

/// RFC 9110 §5.6.2.
fn is_token(name: &str) -> bool {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.bytes().all(is_token)
}

/// A field name (RFC 9110 §5.1) that a credential may stand in, in lower case.
fn header_name(item: &Item<'_>) -> Result<String, PolicyError> {
    const REFUSED: [&str; 8] = [
        "connection",
        "content-length",
        "host",
        "proxy-authorization",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    ];
    let name = item.text()?.value.to_ascii_lowercase();
    if !is_token(&name) {
        return Err(item.wrong("is not the name of a header"));
    }
    if REFUSED.contains(&name.as_str()) {
        return Err(item.wrong("names a header that frames or routes the message"));
    }
    Ok(name)
}

fn header_format(item: &Item<'_>) -> Result<String, PolicyError> {
    let format = item.text()?.value;
    if format.matches("{}").count() != 1 || !format.bytes().all(|byte| (b' '..0x7f).contains(&byte)) {
        return Err(item.wrong("is to hold `{}` once, where the secret goes, and printable ASCII"));
    }
    Ok(format)
}
