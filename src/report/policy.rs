//! The merged policy as people read it.

use super::known::slot;
use super::{level, listed, origin, plain};
use crate::policy::{DefaultEgress, Inspect, Merged, OnStray, Origin, SecretPolicy, SecretSource};

/// Every value that holds, one a line; with `origins` the line of policy that it comes from.
pub fn policy(merged: &Merged, origins: bool) -> String {
    let mut lines = Vec::new();
    let mut row = |key: &str, value: &str, from: &Origin| {
        let from = if origins { format!("  # {}", origin(from)) } else { String::new() };
        lines.push(format!("{key:<18} {}{from}\n", plain(value)));
    };
    let egress = &merged.egress;
    let default = match egress.default.value {
        DefaultEgress::Web => "web",
        DefaultEgress::Allowlist => "allowlist",
    };
    row("egress.default", default, &egress.default.origin);
    for target in &egress.allow {
        row("egress.allow", &target.value.to_string(), &target.origin);
    }
    for target in &egress.web {
        row("egress.web", &target.value.to_string(), &target.origin);
    }
    for port in &egress.loopback {
        row("egress.loopback", &port.value.to_string(), &port.origin);
    }
    row("isolation", level(merged.isolation.value), &merged.isolation.origin);
    let on_stray = match merged.on_stray.value {
        OnStray::Inert => "inert",
        OnStray::Block => "block",
    };
    row("on_stray", on_stray, &merged.on_stray.origin);
    let inspect = match merged.inspect.value {
        Inspect::Bound => "bound",
        Inspect::All => "all",
    };
    row("inspect", inspect, &merged.inspect.origin);
    for glob in &merged.mask {
        row("files.mask", &glob.value.to_string(), &glob.origin);
    }
    for (key, list) in [("writable", &merged.writable), ("env.keep", &merged.keep), ("env.scrub", &merged.scrub)] {
        for value in list {
            row(key, &value.value, &value.origin);
        }
    }
    for secret in &merged.secrets {
        row("secrets", &described(secret), &secret.origin);
    }
    if let Some(project) = merged.project.as_ref().filter(|_| origins) {
        lines.push(format!("# {}: {}\n", plain(&project.path), super::standing(project)));
    }
    lines.concat()
}

fn described(secret: &SecretPolicy) -> String {
    let mut parts = vec![secret.name.to_string()];
    let mut part = |word: &str, value: String| {
        if !value.is_empty() {
            parts.push(format!("{word} {value}"));
        }
    };
    part("from", secret.source.as_ref().map(source).unwrap_or_default());
    part("of", secret.service.as_ref().map(|service| service.0.clone()).unwrap_or_default());
    part("to", secret.targets.as_ref().map(|targets| listed(targets, 8)).unwrap_or_default());
    part("in", secret.slots.iter().flatten().map(slot).collect::<Vec<_>>().join(", "));
    part("only for", listed(&secret.rules, 8));
    part("here at most to", secret.narrowed_targets.as_ref().map(|targets| listed(targets, 8)).unwrap_or_default());
    part("here only for", listed(&secret.narrowed_rules, 8));
    part("over", if secret.plaintext { "plaintext, too".into() } else { String::new() });
    part("scan", secret.scan.map(|scan| scan.as_str().to_owned()).unwrap_or_default());
    parts.join(", ")
}

fn source(source: &SecretSource) -> String {
    match source {
        SecretSource::Store(kind) => kind.as_str().to_owned(),
        SecretSource::Env { variable } => {
            format!("env {}", variable.as_deref().unwrap_or_default()).trim_end().to_owned()
        }
        SecretSource::Dotenv { path, .. } => format!("dotenv {path}"),
        // Its arguments are the user's own and may hold anything.
        SecretSource::Command { argv, .. } => format!("command {}", argv.first().map_or("", String::as_str)),
        SecretSource::Hashicorp(at) => format!("hashicorp {}", at.server),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{Flags, Layers, PolicyText};

    #[test]
    fn every_line_says_where_it_comes_from() {
        let text = "[egress]\ndefault = \"allowlist\"\nallow = [\"a.example\"]\n[secrets.KEY]\nhosts = [\"a.example\"]\n\
                    rules = [\"GET /x\"]\nsource = { command = [\"/bin/pass\", \"show\"] }\nscan = \"strict\"\n";
        let file = PolicyText { path: "/c/config.toml".into(), text: text.into() };
        let merged = Layers::begin(Some(&file)).unwrap().end(None, Flags::default()).unwrap();
        let shown = policy(&merged, true);
        for line in [
            "egress.default     allowlist  # /c/config.toml:2",
            "egress.allow       a.example  # /c/config.toml:3",
            "isolation          sealed  # policies/defaults",
            "secrets            KEY, from command /bin/pass, to a.example, only for GET /x, scan strict  # /c/config.toml:4",
        ] {
            assert!(shown.lines().any(|shown| shown == line), "{line} in\n{shown}");
        }
        assert!(!policy(&merged, false).contains('#'));
    }
}
