//! What would become of a call, by the engine that would make it. Nothing is sent and no value fetched.

use super::error::CallError;
use super::hops::Hop;
use super::{CallOrder, message, secrets, settings};
use crate::audit::{RunId, Sink, Start};
use crate::policy::{Binding, Origin, RequestPath, Rule};
use crate::proxy::Client;
use crate::run::{RunError, broking};
use crate::world::World;

/// What policy says of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// Whether it may go.
    pub allowed: bool,
    /// Why, as a sentence.
    pub why: String,
    /// What to type so that it may, where anything would.
    pub hint: Option<String>,
    /// For each secret the rule that decided, with the line that it comes from.
    pub rules: Vec<String>,
}

/// Judges a call.
pub fn judge_call(world: &World, order: &CallOrder) -> Result<Judgement, CallError> {
    let denied =
        |error: &CallError| Judgement { allowed: false, why: error.to_string(), hint: error.hint(), rules: Vec::new() };
    let prepared = match secrets::outside(world, order, secrets::Fetching::StandIns) {
        Ok(prepared) => prepared,
        Err(error @ (CallError::Unbound { .. } | CallError::OtherHost { .. })) => return Ok(denied(&error)),
        Err(error) => return Err(error),
    };
    let bindings = prepared.bindings.clone();
    // The engine wants a log; of what is not sent none is kept.
    let place = tempfile::Builder::new().prefix("agentsecrets-").tempdir().map_err(CallError::Temporary)?;
    let log = Sink::create(place.path(), &RunId::mint(jiff::Timestamp::now())?, Start::default())?;
    let (settings, _) = settings(world, order, prepared, std::sync::Arc::new(log), Vec::new())?;
    let message = message::build(order, &Hop::first(order))?;
    let judged = broking::runtime()?.block_on(async {
        let client = Client::new(settings)?;
        let judged = client.judge(message).await;
        client.close().await;
        Ok::<_, RunError>(judged)
    })?;
    if let Err(refusal) = judged {
        let error = CallError::Refused(refusal, order.url.authority.clone());
        return Ok(Judgement { rules: rules(order, &bindings), ..denied(&error) });
    }
    let names: Vec<String> = bindings.iter().map(|binding| format!("`{}`", binding.secret)).collect();
    let who = if names.is_empty() { "requests".to_owned() } else { names.join(", ") };
    let why = format!("{who} may go to `{}`", order.url.authority);
    Ok(Judgement { allowed: true, why, hint: None, rules: rules(order, &bindings) })
}

/// The rule of each secret that covers the request, or that none does.
fn rules(order: &CallOrder, bindings: &[Binding]) -> Vec<String> {
    let Ok(path) = RequestPath::parse(order.url.target.path()) else { return Vec::new() };
    let method = order.method.as_str();
    let each = |binding: &Binding| {
        let target = binding.targets.iter().find(|target| target.matches(&order.url.authority));
        let target = target.map(ToString::to_string).unwrap_or_default();
        let decided = |rules: &[Rule], whose: &str| match rules.iter().find(|rule| rule.matches(method, &path)) {
            _ if rules.is_empty() => String::new(),
            Some(rule) => format!(", by the rule `{rule}`{whose}"),
            None => format!(", and none of the {} rules{whose} covers the request", rules.len()),
        };
        let origin = from(&binding.origin);
        let (own, project) = (decided(&binding.rules, ""), decided(&binding.narrowed_rules, " of the project"));
        format!("{}: bound to {target} ({origin}){own}{project}", binding.secret)
    };
    bindings.iter().map(each).collect()
}

fn from(origin: &Origin) -> String {
    match origin {
        Origin::Builtin { file } => format!("policies/{file}"),
        Origin::File { path, line } => format!("{path}:{line}"),
        Origin::Flag { flag } => flag.clone(),
    }
}
