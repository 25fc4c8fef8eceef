//! What a child can ask the name server, fed with mutations: nothing panics.

#[path = "../../../tests/fuzz/harness.rs"]
mod harness;

use harness::fuzz;

use super::Names;
use super::message::{self, Reading};

#[test]
fn names() {
    let question = |kind: u8| {
        [
            b"\x12\x34\x01\0\0\x01\0\0\0\0\0\x01\x03api\x06stripe\x03com\0\0".as_slice(),
            &[kind],
            b"\0\x01\0\0\x29\x10\0\0\0\0\0\0\0",
        ]
        .concat()
    };
    let (address, service) = (question(1), question(65));
    let pointer: &[u8] = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\xc0\x0c\0\x01\0\x01";
    fuzz("dns", &[&address, &service, pointer], |bytes| {
        let names = Names::default();
        match message::read(bytes, &names) {
            Reading::Drop => {}
            Reading::Answer(answer) => assert_eq!(answer[..2], bytes[..2], "an answer has its question's number"),
            Reading::Ask(question) => assert!(question.name.name().is_some()),
        }
    });
}
