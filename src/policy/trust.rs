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
}
