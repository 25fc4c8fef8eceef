//! The way of a call: tries, redirects, the answer that is shown.
//!
//! **Invariants.** Each hop is judged anew by the engine. A value goes along to another target only where it is bound to
//! that one, too; else it stays behind, or the redirect is not followed.

use std::time::Duration;

use http::header::{AUTHORIZATION, COOKIE, LOCATION, RETRY_AFTER};
use http::{Method, StatusCode};

use super::error::CallError;
use super::{CallBody, CallOrder, CallUrl, Placement, Take, message};
use crate::policy::{Authority, Binding};
use crate::proxy::{Client, Reply};
use crate::report::Terminal;

/// Redirects that are followed; browsers follow twice as many.
const MOST: usize = 10;
/// The longest pause between two tries.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// A call on its way.
pub(super) struct Hops {
    bindings: Vec<(crate::secret::SecretName, Binding)>,
}

impl Hops {
    pub(super) fn new(order: &CallOrder, bindings: &[Binding]) -> Self {
        let of = |placement: &Placement| {
            let binding = bindings.iter().find(|binding| binding.secret == placement.secret)?;
            Some((placement.secret.clone(), binding.clone()))
        };
        Self { bindings: order.placements.iter().filter_map(of).collect() }
    }

    /// Makes the call to its end; the status of the answer that was shown.
    pub(super) async fn make(
        &mut self,
        client: &Client,
        order: &CallOrder,
        take: &mut dyn Take,
        terminal: Terminal,
    ) -> Result<StatusCode, CallError> {
        let mut hop = Hop::first(order);
        for _ in 0..=MOST {
            let reply = hop.send(client, order).await?;
            let next = order.follow.then(|| location(&reply)).flatten();
            let Some(location) = next else { return show(order, reply, take).await };
            let to = hop.url.join(&location)?;
            self.redirect(&mut hop, reply.status, to, terminal)?;
        }
        Err(CallError::Circle { count: MOST })
    }

    /// Turns `hop` into the one that a redirect asks for.
    fn redirect(&self, hop: &mut Hop, status: StatusCode, to: CallUrl, terminal: Terminal) -> Result<(), CallError> {
        // RFC 9110 §15.4: 307 and 308 repeat the request, the others ask for the answer's page.
        let repeats = matches!(status.as_u16(), 307 | 308);
        if !repeats && hop.method != Method::HEAD && hop.method != Method::GET {
            hop.method = Method::GET;
        }
        if !repeats {
            hop.body = CallBody::Empty;
            hop.placements.retain(|placement| !placement.how.is_in_body());
        } else if matches!(hop.body, CallBody::Input) {
            return Err(CallError::Once);
        }
        let is_elsewhere = to.authority != hop.url.authority || to.is_secure != hop.url.is_secure;
        if is_elsewhere {
            let may = |placement: &Placement| self.may(placement, &to.authority, to.is_secure);
            if let Some(left) = hop.placements.iter().find(|placement| placement.how.is_in_body() && !may(placement)) {
                let (name, authority) = (left.secret.clone(), to.authority);
                return Err(CallError::Redirect { name, authority });
            }
            for left in hop.placements.iter().filter(|placement| !may(placement)) {
                terminal.note(&format!(
                    "agentsecrets: `{}` was not sent on to `{}`: it is not bound to that",
                    left.secret, to.authority
                ));
            }
            hop.placements.retain(may);
            let is_credential =
                |name: &String| [AUTHORIZATION, COOKIE].iter().any(|known| name.eq_ignore_ascii_case(known.as_str()));
            hop.headers.retain(|(name, _)| !is_credential(name));
        }
        hop.url = to;
        Ok(())
    }

    fn may(&self, placement: &Placement, authority: &Authority, is_secure: bool) -> bool {
        let binding = self.bindings.iter().find(|(name, _)| *name == placement.secret);
        binding.is_some_and(|(_, binding)| binding.covers(authority) && (is_secure || binding.plaintext))
    }
}

/// One request of the way.
pub(super) struct Hop {
    pub(super) url: CallUrl,
    pub(super) method: Method,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: CallBody,
    pub(super) placements: Vec<Placement>,
}

impl Hop {
    /// The request that was asked for.
    pub(super) fn first(order: &CallOrder) -> Self {
        Self {
            url: order.url.clone(),
            method: order.method.clone(),
            headers: order.headers.clone(),
            body: order.body.clone(),
            placements: order.placements.clone(),
        }
    }

    /// Sends it, and again as often as `--retry` says while that may help.
    async fn send(&self, client: &Client, order: &CallOrder) -> Result<Reply, CallError> {
        let mut pause = Duration::from_secs(1);
        let mut left = order.retry;
        loop {
            let answered = client.send(message::build(order, self)?).await;
            let (is_passing, wanted) = match &answered {
                Ok(reply) => (matches!(reply.status.as_u16(), 408 | 429 | 500 | 502 | 503 | 504), retry_after(reply)),
                Err(refusal) => (is_passing(refusal.code), None),
            };
            if left == 0 || !is_passing {
                return answered.map_err(|refusal| CallError::Refused(refusal, self.url.authority.clone()));
            }
            left -= 1;
            tokio::time::sleep(wanted.unwrap_or(pause).min(LONGEST_PAUSE)).await;
            pause = pause.saturating_mul(2);
        }
    }
}

/// What may be otherwise in a moment.
fn is_passing(code: &str) -> bool {
    ["lookup_failed", "connection_failed", "connection_timeout", "upstream_broke_off", "environment_proxy"]
        .contains(&code)
}

/// RFC 9110 §10.2.3, as seconds; a date is too rare to be worth it.
fn retry_after(reply: &Reply) -> Option<Duration> {
    reply.headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

fn location(reply: &Reply) -> Option<String> {
    let redirects = matches!(reply.status.as_u16(), 301 | 302 | 303 | 307 | 308);
    let location = reply.headers.get(LOCATION).filter(|_| redirects)?;
    location.to_str().ok().map(str::to_owned)
}

async fn show(order: &CallOrder, mut reply: Reply, take: &mut dyn Take) -> Result<StatusCode, CallError> {
    let status = reply.status;
    let is_hidden = order.fail && status.as_u16() >= 400;
    if !is_hidden {
        take.head(reply.version, status, &reply.headers)?;
    }
    while let Some(bytes) = reply.next().await? {
        if !is_hidden {
            take.body(&bytes)?;
        }
    }
    Ok(status)
}
