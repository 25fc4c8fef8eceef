//! Which answers are searched for values, and what becomes of those that cannot be.
//!
//! **Invariants.** A body that is not searched passes only where each binding of its host says `scan = "off"`, and the log
//! says so. A child that may choose where an answer is cut can have a value in two halves, neither of which is one: so
//! parts are asked for only there, too. Heads and trailers are searched whatever a binding says.

use http::header::{ACCEPT_ENCODING, ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_TYPE, IF_RANGE, RANGE};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, response};

use super::answer::{Answer, Reading, redact_headers};
use super::decode::{Decoder, codings, most_memory};
use super::head;
use super::record::Record;
use super::refusal::Refused;
use super::rulebook::Site;
use super::shared::Shared;
use super::upstream::UpstreamBody;
use crate::policy::Scan;

/// Which fields ask for a part of an answer: `Range`, and Azure's own, which goes before it.
const PARTS: [HeaderName; 2] = [RANGE, HeaderName::from_static("x-ms-range")];

/// Asks for an answer that can be searched, whole and in no coding.
pub(super) fn ask(site: &Site, headers: &mut HeaderMap) -> Result<(), Refused> {
    if !site.redact {
        return Ok(());
    }
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    match site.scan {
        Scan::Off => {}
        Scan::Strict if PARTS.iter().any(|field| headers.contains_key(field)) => {
            return Err(Refused::range(site.scanned_for(), &site.authority));
        }
        Scan::On | Scan::Strict => {
            PARTS.iter().chain([&IF_RANGE]).for_each(|field| drop(headers.remove(field)));
        }
    }
    Ok(())
}

/// Turns upstream's answer into the child's.
pub(super) async fn answer(
    shared: &Shared,
    site: &Site,
    response: Response<UpstreamBody>,
    mut record: Record,
) -> Result<Response<Answer>, Refused> {
    let (mut parts, mut body) = response.into_parts();
    record.answered(parts.status);
    // The reason phrase is upstream's text and would pass beside the redactor; RFC 9112 §4 lets a proxy drop it.
    parts.extensions.clear();
    let has_body = !http_body::Body::is_end_stream(&body);
    let mut reading = match reading(shared, site, &mut parts, has_body).await {
        Ok(reading) => reading,
        Err(refused) => {
            record.finish(None, Some(refused.code));
            return Err(refused.named(&shared.redactor));
        }
    };
    if reading.changes_length && has_body {
        parts.headers.remove(CONTENT_LENGTH);
    }
    if let Some(why) = reading.unsearched {
        record.unsearched(why);
    }
    if has_body
        && reading.decoder.is_none()
        && reading.unsearched.is_none()
        && reading.redaction.is_some()
        && let Some(whole) = body.take_whole()
        && let Some(mut redaction) = reading.redaction.take()
    {
        let passed = redaction.push(whole);
        let rest = redaction.finish();
        let whole = if rest.is_empty() { passed } else { [passed, rest].concat().into() };
        record.add(whole.len());
        record.finish_behind(redaction);
        return Ok(Response::from_parts(parts, Answer::whole(whole)));
    }
    Ok(Response::from_parts(parts, Answer::streamed(body, reading, record)))
}

/// How the answer is read; its head is fit for the child from here on.
async fn reading(
    shared: &Shared,
    site: &Site,
    parts: &mut response::Parts,
    has_body: bool,
) -> Result<Reading, Refused> {
    if head::transfer_coding(&parts.headers) {
        return Err(Refused::transfer_coded(&site.authority));
    }
    head::strip_response(&mut parts.headers);
    if parts.status == StatusCode::SWITCHING_PROTOCOLS {
        return Err(Refused::unasked(&site.authority));
    }
    if !site.redact {
        return Ok(Reading { decoder: None, redaction: None, unsearched: None, changes_length: false });
    }
    let (decoder, unsearched) = if has_body { decoder(shared, site, parts).await? } else { (None, None) };
    if decoder.is_some() {
        head::strip_coding(&mut parts.headers);
    }
    let mut redaction = shared.redactor.stream();
    redact_headers(&mut redaction, &mut parts.headers);
    // No part of an answer was asked for (see `ask`), and RFC 9110 §14.3 has a word for that: a download that would go on
    // from its middle begins anew.
    if site.scan != Scan::Off && parts.headers.contains_key(ACCEPT_RANGES) {
        parts.headers.insert(ACCEPT_RANGES, HeaderValue::from_static("none"));
    }
    let changes_length = decoder.is_some() || (unsearched.is_none() && shared.redaction_changes_length);
    Ok(Reading { decoder, redaction: Some(redaction), unsearched, changes_length })
}

/// What takes the codings off a body, where there are any; or why the body passes as it is.
async fn decoder(
    shared: &Shared,
    site: &Site,
    parts: &response::Parts,
) -> Result<(Option<Decoder>, Option<&'static str>), Refused> {
    let is_part = parts.status == StatusCode::PARTIAL_CONTENT;
    if is_part && site.scan == Scan::Strict {
        return Err(Refused::part(site.scanned_for(), &site.authority));
    }
    let (how, why) = match codings(&parts.headers) {
        Ok(codings) if codings.is_empty() && is_multipart(&parts.headers) => {
            ("with several parts of it".to_owned(), "several parts")
        }
        Ok(codings) if codings.is_empty() => return Ok((None, None)),
        // Its middle cannot be decoded without its beginning.
        Ok(_) if is_part => ("with a part of a compressed answer".to_owned(), "part of a compressed answer"),
        Ok(codings) => {
            let share = shared.memory.share(most_memory(&codings)).await.map_err(|_| Refused::spent())?;
            match Decoder::new(&codings) {
                Ok(decoder) => return Ok((Some(decoder.holding(share)), None)),
                Err(_) => ("in a coding that needs more memory".to_owned(), "no memory for its coding"),
            }
        }
        Err(unknown) => (format!("with content-encoding `{}` although none was asked for", unknown.named), "coding"),
    };
    match site.scan {
        Scan::Off => Ok((None, Some(why))),
        Scan::On | Scan::Strict => Err(Refused::unscanned(site.scanned_for(), &site.authority, &how)),
    }
}

/// Several ranges in one body (RFC 9110 §14.6).
fn is_multipart(headers: &HeaderMap) -> bool {
    let is_multipart = |value: &HeaderValue| value.as_bytes().to_ascii_lowercase().starts_with(b"multipart/byteranges");
    headers.get(CONTENT_TYPE).is_some_and(is_multipart)
}
