//! `--base-urls SERVICE`: variables that lead a service's clients to the broker's route instead of through its proxy.
//!
//! **Trade-off.** Only where asked for: Claude Code sends half as much again under a base URL of its own, and keeps
//! dialling its host besides. A variable that the user has set stays as it is: it may name a gateway, which the route
//! does not lead to.

use std::ffi::OsString;

use super::{Order, RunError};
use crate::plan::Planned;
use crate::policy::{self, Origin, Service};

/// Refuses names that are none, and says where one comes to nothing.
pub(super) fn check(order: &Order, planned: &mut Planned) -> Result<(), RunError> {
    for name in &order.base_urls {
        let Some(service) = with_variables().find(|service| service.id.0 == *name) else {
            let known: Vec<&str> = with_variables().map(|service| service.id.0.as_str()).collect();
            return Err(RunError::NoBaseUrl { name: name.clone(), known: known.join(", ") });
        };
        if variables(planned, service).is_empty() {
            let warning = format!("--base-urls {name}: nothing of it is brokered in this run");
            planned.plan.warnings.push(warning);
        }
        let set = variables(planned, service).into_iter().find(|variable| is_set(planned, variable));
        let warning = set.map(|variable| format!("--base-urls {name}: `{variable}` is set already and stays as it is"));
        planned.plan.warnings.extend(warning);
        let origin = Origin::Flag { flag: format!("--base-urls {name}") };
        for variable in variables(planned, service) {
            if is_set(planned, variable) {
                continue;
            }
            let value = format!("http://127.0.0.1:PORT/{name}");
            planned.plan.set(variable, value, "the broker's own route, for clients that take no proxy", &origin);
        }
    }
    Ok(())
}

/// Sets the variables, for a listener on that port of the child's loopback.
pub(super) fn add(order: &Order, planned: &mut Planned, port: u16) {
    for service in with_variables().filter(|service| order.base_urls.contains(&service.id.0)) {
        for variable in variables(planned, service) {
            if !is_set(planned, variable) {
                let url = format!("http://127.0.0.1:{port}/{}", service.id.0);
                planned.environment.push((variable.into(), OsString::from(url)));
            }
        }
    }
}

fn with_variables() -> impl Iterator<Item = &'static Service> {
    let has_one = |service: &&Service| service.credentials.iter().any(|credential| !credential.base_urls.is_empty());
    policy::catalogue().services().iter().filter(has_one)
}

/// The variables of a service of which something is brokered.
fn variables(planned: &Planned, service: &'static Service) -> Vec<&'static str> {
    let is_brokered = planned.bindings.iter().any(|binding| binding.service.as_ref() == Some(&service.id));
    let all = service.credentials.iter().filter(|_| is_brokered).flat_map(|credential| &credential.base_urls);
    let mut names: Vec<&str> = all.map(String::as_str).collect();
    names.sort_unstable();
    names.dedup();
    names
}

fn is_set(planned: &Planned, variable: &str) -> bool {
    planned.environment.iter().any(|(name, value)| name == variable && !value.is_empty())
}
