//! What a DNS message asks and what it is told: pure.
//!
//! Addresses only. A name that exists, or that policy denies, has one A record: its synthetic address; so a denied name
//! is never looked up and the client still gets to our refusal, which says what would allow it. No AAAA (the seal has
//! one range), no HTTPS or SVCB (they would carry addresses and keys past us), no data of any other type.
//!
//! **Invariants.** Every answer fits 512 bytes, so that none is ever truncated (RFC 1035 §4.2.1). Bytes that are no
//! query get no answer, so that two servers never answer each other.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::rdata::{A, AAAA, PTR};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};

use super::{Existence, Names};
use crate::policy::Host;

/// Seconds that an answer may be kept. Addresses hold for the run; what a name is may change on the host.
const TIME_TO_LIVE: u32 = 60;

/// The largest UDP payload that we take, as EDNS says it (RFC 6891 §6.2.3; DNS flag day 2020).
const PAYLOAD: u16 = 1232;

/// What is to be done with a message.
pub(super) enum Reading {
    /// Nothing.
    Drop,
    /// It has its answer.
    Answer(Vec<u8>),
    /// The answer depends on whether a name exists.
    Ask(Question),
}

/// A question about a name that has no address yet.
pub(super) struct Question {
    reply: Message,
    /// The name, always [`Host::Name`].
    pub(super) name: Host,
}

/// Reads a message.
pub(super) fn read(bytes: &[u8], names: &Names) -> Reading {
    let Some((header, _)) = bytes.split_first_chunk::<12>() else { return Reading::Drop };
    if header[2] & 0x80 != 0 {
        return Reading::Drop;
    }
    let Ok(query) = Message::from_vec(bytes) else {
        let op_code = OpCode::from_u8(header[2] >> 3 & 0x0f);
        let reply = Message::error_msg(u16::from_be_bytes([header[0], header[1]]), op_code, ResponseCode::FormErr);
        return encode(&reply);
    };
    let mut reply = reply_to(&query);
    match judge(&query) {
        Err(code) => with_code(reply, code),
        Ok(question) => match settle(question, names) {
            Settled::Data(data) => {
                let owner = question.name().clone();
                reply.add_answers(data.map(|data| Record::from_rdata(owner, TIME_TO_LIVE, data)));
                encode(&reply)
            }
            Settled::Missing => with_code(reply, ResponseCode::NXDomain),
            Settled::Unknown(name) => Reading::Ask(Question { reply, name }),
        },
    }
}

impl Question {
    /// The answer, now that it is known whether the name exists. A name that does gets an address.
    pub(super) fn answer(mut self, existence: Existence, names: &Names) -> Vec<u8> {
        let address = match existence {
            Existence::Exists => names.assign(&self.name),
            Existence::Missing => {
                self.reply.metadata.response_code = ResponseCode::NXDomain;
                return to_bytes(&self.reply);
            }
            Existence::Failed => None,
        };
        match (address, self.reply.queries.first()) {
            (Some(address), Some(question)) => {
                if wants_address(question) {
                    let owner = question.name().clone();
                    self.reply.add_answer(Record::from_rdata(owner, TIME_TO_LIVE, RData::A(A(address))));
                }
            }
            _ => self.reply.metadata.response_code = ResponseCode::ServFail,
        }
        to_bytes(&self.reply)
    }
}

/// What is known of a question without looking anything up.
enum Settled {
    /// The name exists; this is what it has of the type.
    Data(Option<RData>),
    /// There is no such name.
    Missing,
    /// Its existence is to be found out.
    Unknown(Host),
}

/// The one question of a query that we take.
fn judge(query: &Message) -> Result<&Query, ResponseCode> {
    if query.metadata.op_code != OpCode::Query {
        return Err(ResponseCode::NotImp);
    }
    if query.edns.as_ref().is_some_and(|edns| edns.version() > 0) {
        return Err(ResponseCode::BADVERS);
    }
    let [question] = &query.queries[..] else { return Err(ResponseCode::FormErr) };
    let is_transfer = matches!(question.query_type(), RecordType::AXFR | RecordType::IXFR);
    if question.query_class() != DNSClass::IN || is_transfer {
        return Err(ResponseCode::Refused);
    }
    Ok(question)
}

fn settle(question: &Query, names: &Names) -> Settled {
    let name = question.name();
    if name.is_localhost() {
        return Settled::Data(match question.query_type() {
            RecordType::A | RecordType::ANY => Some(RData::A(A(Ipv4Addr::LOCALHOST))),
            RecordType::AAAA => Some(RData::AAAA(AAAA(Ipv6Addr::LOCALHOST))),
            _ => None,
        });
    }
    let labels: Vec<&[u8]> = name.iter().collect();
    let is_in = |domain: &str| labels.last().is_some_and(|label| label.eq_ignore_ascii_case(domain.as_bytes()));
    if is_in("arpa") {
        return settle_reverse(question, names);
    }
    // RFC 7686 §2: never to be looked up. RFC 6761 §6.4.
    if is_in("onion") || is_in("invalid") {
        return Settled::Missing;
    }
    let Ok(host @ Host::Name(_)) = Host::parse(&name.to_ascii()) else { return Settled::Missing };
    match names.known(&host) {
        Some(address) => Settled::Data(wants_address(question).then_some(RData::A(A(address)))),
        None if matches!(question.query_type(), RecordType::A | RecordType::AAAA | RecordType::ANY) => {
            Settled::Unknown(host)
        }
        None => Settled::Data(None),
    }
}

/// A reverse question (RFC 1035 §3.5) is about the addresses that we gave away, or about nothing that we know.
fn settle_reverse(question: &Query, names: &Names) -> Settled {
    let address = question.name().parse_arpa_name().ok().and_then(|network| {
        let is_whole = network.prefix_len() == if network.addr().is_ipv4() { 32 } else { 128 };
        is_whole.then(|| network.addr())
    });
    let name = match address {
        Some(address) if address.is_loopback() => Some("localhost.".to_owned()),
        Some(address @ IpAddr::V4(_)) => names.name(address).map(|name| format!("{name}.")),
        _ => None,
    };
    match name.and_then(|name| Name::from_ascii(name).ok()) {
        Some(name) => {
            let is_asked = matches!(question.query_type(), RecordType::PTR | RecordType::ANY);
            Settled::Data(is_asked.then_some(RData::PTR(PTR(name))))
        }
        None => Settled::Missing,
    }
}

/// A question for any type is answered with one set (RFC 8482 §4.1).
fn wants_address(question: &Query) -> bool {
    matches!(question.query_type(), RecordType::A | RecordType::ANY)
}

fn reply_to(query: &Message) -> Message {
    let mut reply = Message::response(query.metadata.id, query.metadata.op_code);
    reply.metadata.recursion_desired = query.metadata.recursion_desired;
    reply.metadata.recursion_available = true;
    reply.metadata.checking_disabled = query.metadata.checking_disabled;
    reply.metadata.message_type = MessageType::Response;
    reply.queries.extend(query.queries.first().cloned());
    if query.edns.is_some() {
        let mut edns = Edns::new();
        edns.set_max_payload(PAYLOAD);
        reply.set_edns(edns);
    }
    reply
}

fn with_code(mut reply: Message, code: ResponseCode) -> Reading {
    reply.metadata.response_code = code;
    encode(&reply)
}

fn encode(reply: &Message) -> Reading {
    Reading::Answer(to_bytes(reply))
}

/// The bytes of `reply`; should a name not be encodable that was decodable, a bare failure.
fn to_bytes(reply: &Message) -> Vec<u8> {
    reply.to_vec().unwrap_or_else(|_| {
        let [high, low] = reply.metadata.id.to_be_bytes();
        vec![high, low, 0x80, 0x82, 0, 0, 0, 0, 0, 0, 0, 0]
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn query(name: &str, kind: RecordType) -> Message {
        let mut query = Message::new(7, MessageType::Query, OpCode::Query);
        query.metadata.recursion_desired = true;
        query.add_query(Query::query(Name::from_ascii(name).unwrap(), kind));
        query
    }

    /// The answer to `query` where every name is as `existence` says: its code and its data.
    fn answer(query: &Message, names: &Names, existence: Existence) -> (ResponseCode, Vec<RData>) {
        let bytes = match read(&query.to_vec().unwrap(), names) {
            Reading::Answer(bytes) => bytes,
            Reading::Ask(question) => question.answer(existence, names),
            Reading::Drop => panic!("dropped"),
        };
        assert!(bytes.len() <= 512);
        let reply = Message::from_vec(&bytes).unwrap();
        assert_eq!((reply.metadata.id, reply.metadata.message_type), (7, MessageType::Response));
        assert_eq!(reply.queries.first(), query.queries.first());
        assert_eq!(reply.edns.is_some(), query.edns.is_some());
        assert!(reply.answers.iter().all(|record| Some(&record.name) == query.queries.first().map(Query::name)));
        (reply.metadata.response_code, reply.answers.into_iter().map(|record| record.data).collect())
    }

    fn a(text: &str) -> Vec<RData> {
        vec![RData::A(A(text.parse().unwrap()))]
    }

    #[test]
    fn a_name_that_exists_has_one_address_and_nothing_else() {
        let names = Names::default();
        let ask = |kind| answer(&query("Api.Example.COM.", kind), &names, Existence::Exists);
        assert_eq!(ask(RecordType::AAAA), (ResponseCode::NoError, vec![]));
        assert_eq!(ask(RecordType::A), (ResponseCode::NoError, a("198.18.0.1")));
        for kind in [RecordType::AAAA, RecordType::HTTPS, RecordType::SVCB, RecordType::TXT, RecordType::MX] {
            assert_eq!(ask(kind), (ResponseCode::NoError, vec![]), "{kind}");
        }
        assert_eq!(ask(RecordType::ANY), (ResponseCode::NoError, a("198.18.0.1")));
    }

    #[test]
    fn missing_names_and_failures_pass_through() {
        let names = Names::default();
        for kind in [RecordType::A, RecordType::AAAA] {
            let ask = |existence| answer(&query("nowhere.example.", kind), &names, existence);
            assert_eq!(ask(Existence::Missing), (ResponseCode::NXDomain, vec![]));
            assert_eq!(ask(Existence::Failed), (ResponseCode::ServFail, vec![]));
        }
        assert_eq!(names.known(&Host::parse("nowhere.example").unwrap()), None);
    }

    #[test]
    fn what_is_known_is_not_asked_for() {
        let names = Names::default();
        names.assign(&Host::parse("known.example").unwrap());
        for (name, kind, code, data) in [
            ("known.example.", RecordType::A, ResponseCode::NoError, a("198.18.0.1")),
            ("known.example.", RecordType::AAAA, ResponseCode::NoError, vec![]),
            ("other.example.", RecordType::HTTPS, ResponseCode::NoError, vec![]),
            ("localhost.", RecordType::A, ResponseCode::NoError, a("127.0.0.1")),
            ("app.LOCALHOST.", RecordType::AAAA, ResponseCode::NoError, vec![RData::AAAA(AAAA(Ipv6Addr::LOCALHOST))]),
            ("localhost.", RecordType::TXT, ResponseCode::NoError, vec![]),
            ("hidden.onion.", RecordType::A, ResponseCode::NXDomain, vec![]),
            ("x.invalid.", RecordType::A, ResponseCode::NXDomain, vec![]),
            ("10.0.0.1.", RecordType::A, ResponseCode::NXDomain, vec![]),
            ("a\\.b.example.", RecordType::A, ResponseCode::NXDomain, vec![]),
            ("9.9.9.9.in-addr.arpa.", RecordType::PTR, ResponseCode::NXDomain, vec![]),
            ("home.arpa.", RecordType::A, ResponseCode::NXDomain, vec![]),
            (".", RecordType::NS, ResponseCode::NXDomain, vec![]),
        ] {
            let bytes = query(name, kind).to_vec().unwrap();
            assert!(matches!(read(&bytes, &names), Reading::Answer(_)), "{name} {kind}");
            assert_eq!(answer(&query(name, kind), &names, Existence::Failed), (code, data), "{name} {kind}");
        }
    }

    #[test]
    fn addresses_lead_back_to_their_names() {
        let names = Names::default();
        names.assign(&Host::parse("known.example").unwrap());
        let pointer = |name: &str| vec![RData::PTR(PTR(Name::from_ascii(name).unwrap()))];
        let one = format!("1.{}ip6.arpa.", "0.".repeat(31));
        for (name, data) in [
            ("1.0.18.198.in-addr.arpa.", pointer("known.example.")),
            ("1.0.0.127.in-addr.arpa.", pointer("localhost.")),
            (&one, pointer("localhost.")),
        ] {
            assert_eq!(
                answer(&query(name, RecordType::PTR), &names, Existence::Failed),
                (ResponseCode::NoError, data),
                "{name}"
            );
        }
    }

    #[test]
    fn what_we_do_not_serve_gets_the_code_that_says_so() {
        let names = Names::default();
        let usual = || query("a.example.", RecordType::A);
        let mut update = usual();
        update.metadata.op_code = OpCode::Status;
        let mut chaos = query("version.bind.", RecordType::TXT);
        chaos.queries[0].set_query_class(DNSClass::CH);
        let mut two = usual();
        two.add_query(Query::query(Name::from_ascii("b.example.").unwrap(), RecordType::A));
        let mut extended = usual();
        let mut edns = Edns::new();
        edns.set_version(1);
        extended.set_edns(edns);
        for (query, code) in [
            (update, ResponseCode::NotImp),
            (chaos, ResponseCode::Refused),
            (query("a.example.", RecordType::AXFR), ResponseCode::Refused),
            (two, ResponseCode::FormErr),
            // 16 is BADVERS in an OPT record and BADSIG in a TSIG record; the parser knows it by the second name.
            (extended, ResponseCode::BADSIG),
        ] {
            assert_eq!(answer(&query, &names, Existence::Exists), (code, vec![]), "{query}");
        }
    }

    #[test]
    fn the_longest_name_fits_too() {
        let long = format!("{}.{}.{}.{}.", "a".repeat(63), "b".repeat(63), "c".repeat(63), "d".repeat(61));
        let mut forward = query(&long, RecordType::A);
        forward.set_edns(Edns::new());
        let names = Names::default();
        assert_eq!(answer(&forward, &names, Existence::Exists), (ResponseCode::NoError, a("198.18.0.1")));
        let reverse = query("1.0.18.198.in-addr.arpa.", RecordType::PTR);
        assert_eq!(answer(&reverse, &names, Existence::Exists).1.len(), 1);
    }

    #[test]
    fn answers_and_scraps_get_no_answer_and_broken_queries_an_error() {
        let names = Names::default();
        let mut reply = query("a.example.", RecordType::A);
        reply.metadata.message_type = MessageType::Response;
        assert!(matches!(read(&reply.to_vec().unwrap(), &names), Reading::Drop));
        assert!(matches!(read(&[0; 11], &names), Reading::Drop));
        let mut cut = query("a.example.", RecordType::A).to_vec().unwrap();
        cut.pop();
        let Reading::Answer(bytes) = read(&cut, &names) else { panic!("not answered") };
        assert_eq!(Message::from_vec(&bytes).unwrap().metadata.response_code, ResponseCode::FormErr);
    }

    proptest! {
        #[test]
        fn no_bytes_panic_and_every_answer_is_one(mut bytes in proptest::collection::vec(any::<u8>(), 0..120), small: bool) {
            // Small counts get further into the parser than random ones.
            if small && bytes.len() >= 12 {
                let (answers, additionals) = (bytes[7] & 1, bytes[11] & 1);
                bytes[2..12].copy_from_slice(&[1, 0, 0, 1, 0, answers, 0, 0, 0, additionals]);
            }
            let names = Names::default();
            let reply = match read(&bytes, &names) {
                Reading::Drop => return Ok(()),
                Reading::Answer(reply) => reply,
                Reading::Ask(question) => question.answer(Existence::Exists, &names),
            };
            let reply = Message::from_vec(&reply).unwrap();
            prop_assert_eq!(reply.metadata.message_type, MessageType::Response);
            prop_assert_eq!(reply.metadata.id, u16::from_be_bytes([bytes[0], bytes[1]]));
        }
    }
}
