//! The table `[secrets.NAME]` of a policy file.

use std::str::FromStr;

use super::error::PolicyError;
use super::file::{EVERYWHERE, choice, targets};
use super::reader::{At, Item};
use super::source_table::{Cache, SecretSource, cache, source};
use crate::policy::{Attach, Rule, ServiceId, Slot, Target, catalogue};
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
    pub(super) source: Option<At<SecretSource>>,
    pub(super) cache: Option<At<Cache>>,
}

/// How a secret is sent.
#[derive(Debug, Clone)]
pub(super) struct Inject {
    pub(super) slots: Vec<Slot>,
    pub(super) attach: Option<Attach>,
}

const SECRET: &[&str] = &["cache", "hosts", "inject", "plaintext", "rules", "service", "source"];
const INJECT: &[&str] = &["attach", "format", "header"];

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

/// `"bearer"`, `"basic"`, or `{ header = "X-Api-Key", format = "{}", attach = true }`.
fn inject(item: &Item<'_>) -> Result<At<Inject>, PolicyError> {
    let authorization = || Slot::Header("authorization".into());
    let value = if item.is_table() {
        header(item)?
    } else {
        let slots = choice(item, &[("bearer", true), ("basic", false)])?;
        Inject { slots: vec![if slots.value { authorization() } else { Slot::Basic }], attach: None }
    };
    Ok(At { value, place: item.place() })
}

fn header(item: &Item<'_>) -> Result<Inject, PolicyError> {
    let (mut name, mut format, mut attach) = (None, None, false);
    for (key, item) in item.table()?.items(INJECT, EVERYWHERE)? {
        match key {
            "header" => name = Some(header_name(&item)?),
            "format" => format = Some(header_format(&item)?),
            _ => attach = item.boolean()?.value,
        }
    }
    let header = name.ok_or_else(|| item.wrong("names no `header`"))?;
    let attach = attach.then(|| Attach { header: header.clone(), format: format.unwrap_or_else(|| "{}".into()) });
    Ok(Inject { slots: vec![Slot::Header(header)], attach })
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
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || !name.bytes().all(is_token) {
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
