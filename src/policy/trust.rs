//! How clients are told of the run's CA and of its proxy: `policies/trust.toml` as types.

use serde::Deserialize;

/// The rules of `policies/trust.toml`.
#[derive(Debug, Default, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct TrustRules {
    /// Variables set to the path of the bundle: the user's roots and the run's CA.
    pub bundle: Vec<String>,
    /// Variables set to the path of the run's CA alone, for clients that add it to their own roots.
    pub certificate: Vec<String>,
    /// Variables set to the path of a wget start-up file that names the bundle.
    pub wgetrc: Vec<String>,
    /// Which variable a program looks at for its roots.
    pub clients: Vec<ClientRoots>,
    /// Variables set to the proxy's URL, in every spelling that a client reads.
    pub proxy: Vec<String>,
    /// Variables set to the list of hosts that are reached without the proxy.
    pub no_proxy: Vec<String>,
    /// The hosts of that list.
    pub no_proxy_hosts: Vec<String>,
    /// Variables set to a constant, as `[name, value]`.
    pub constants: Vec<(String, String)>,
    /// Variables taken away because they would win over ours or break a client.
    pub removed: Vec<String>,
    /// Variables whose PEM file, where set in the parent, belongs into the bundle: the user's own roots.
    pub inherited: Vec<String>,
    /// PEM bundles of the known systems, absolute; the one that exists is read, and each that exists is replaced.
    pub system_bundles: Vec<String>,
    /// Bundles that Python packages bring along, from their `site-packages` on; each that exists is replaced.
    pub package_bundles: Vec<String>,
}

/// Where programs look for roots.
#[derive(Debug, Default, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientRoots {
    /// File names of programs.
    pub programs: Vec<String>,
    /// The variable, or whatever else says it.
    pub variable: String,
}

impl TrustRules {
    /// The variable in which the program called `program` looks for roots.
    pub fn roots_variable(&self, program: Option<&str>) -> &str {
        let is_for = |client: &&ClientRoots| client.programs.iter().any(|known| Some(known.as_str()) == program);
        self.clients.iter().find(is_for).map_or("SSL_CERT_FILE", |client| &client.variable)
    }

    /// Whether the run decides about the variable called `name`, so that none of the child's settings may.
    pub fn governs(&self, name: &str) -> bool {
        let lists = [
            &self.bundle,
            &self.certificate,
            &self.wgetrc,
            &self.proxy,
            &self.no_proxy,
            &self.removed,
            &self.inherited,
        ];
        lists.iter().any(|list| list.iter().any(|known| known == name))
            || self.constants.iter().any(|(known, _)| known == name)
    }
}

#[cfg(test)]
mod tests {
    use crate::policy::{NameVerdict, scrub_rules, trust_rules};

    #[test]
    fn no_variable_has_two_meanings_or_is_scrubbed() {
        let rules = trust_rules();
        let set = [&rules.bundle, &rules.certificate, &rules.wgetrc, &rules.proxy, &rules.no_proxy, &rules.removed];
        let constants = rules.constants.iter().map(|(name, _)| name);
        let mut names: Vec<_> = set.into_iter().flatten().chain(constants).collect();
        for name in &names {
            let verdict = scrub_rules().classify_name(name).verdict;
            assert!(matches!(verdict, NameVerdict::Keep | NameVerdict::Neutral), "{name}: {verdict:?}");
        }
        names.sort();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count);
    }

    #[test]
    fn proxies_are_named_in_both_cases_and_hosts_without_brackets() {
        let rules = trust_rules();
        for name in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"] {
            assert!(rules.proxy.iter().any(|known| known == name), "{name}");
        }
        assert!(rules.no_proxy_hosts.iter().all(|host| !host.contains(['[', '/', '*'])));
        assert!(rules.system_bundles.iter().all(|path| path.starts_with('/')));
    }
}
