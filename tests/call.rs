//! `agentsecrets call`: a client without an agent, by the engine of runs.

mod bad_input;
mod certificates;
mod inside;
mod places;
mod raw;
mod readme;
mod redirects;
mod refusals;
mod streams;

use crate::support::{Run, Upstream};

const STRIPE: &str = "https://api.stripe.com";

/// `agentsecrets call` of `url`, with what `upstream` stands for.
fn call(upstream: &Upstream, url: &str) -> Run {
    Run::new().verb(["call"]).upstream(upstream).flags(["--url", url])
}
