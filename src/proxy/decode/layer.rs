//! One coding of a body: what is still to be decoded, and whether its data may end.

use bytes::Bytes;

use super::Undecodable;
use super::engine::{Engine, Reach};

/// One coding.
pub(super) struct Layer {
    engine: Engine,
    input: Bytes,
    /// Whether it has given all that it can of its input.
    is_starved: bool,
    state: State,
    produced: u64,
}

/// How far its data have come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    New,
    /// Within a member, which must not end here.
    Within,
    /// Behind a whole member; another may follow.
    Between,
    /// Nothing that comes now is content.
    Over,
}

impl Layer {
    pub(super) fn new(engine: Engine) -> Self {
        Self { engine, input: Bytes::new(), is_starved: true, state: State::New, produced: 0 }
    }

    /// Takes the next bytes. Only an engine that has yet to see how its data begin leaves any before.
    pub(super) fn give(&mut self, bytes: Bytes) {
        if self.state == State::Over || bytes.is_empty() {
            return;
        }
        self.input = if self.input.is_empty() { bytes } else { [&self.input[..], &bytes].concat().into() };
        self.is_starved = false;
    }

    pub(super) fn is_starved(&self) -> bool {
        self.is_starved
    }

    /// Whether its data are whole so far: nothing came yet, or a member of them has just ended.
    pub(super) fn may_end(&self) -> bool {
        self.state != State::Within
    }

    /// How much has come out.
    pub(super) fn produced(&self) -> u64 {
        self.produced
    }

    /// Decodes into `room` and gives what is in it now.
    pub(super) fn step<'a>(&mut self, room: &'a mut [u8]) -> Result<&'a [u8], Undecodable> {
        if self.state == State::Between && self.begins_nothing() {
            self.end();
            return Ok(&[]);
        }
        self.state = State::Within;
        if !self.engine.can_begin(&self.input) {
            self.is_starved = true;
            return Ok(&[]);
        }
        let ran = self.engine.run(&self.input, room)?;
        self.input = self.input.split_off(ran.read);
        self.produced += ran.written as u64;
        match ran.reach {
            Reach::End if self.engine.may_go_on() => {
                self.engine.begin_again();
                (self.state, self.is_starved) = (State::Between, self.input.is_empty());
            }
            Reach::End => self.end(),
            Reach::Within => {
                self.is_starved = self.input.is_empty() && ran.written < room.len();
                if !self.is_starved && ran.read == 0 && ran.written == 0 {
                    return Err(Undecodable::Broken);
                }
            }
        }
        Ok(&room[..ran.written])
    }

    fn end(&mut self) {
        (self.state, self.is_starved) = (State::Over, true);
        self.input.clear();
    }

    /// Whether what stands behind a whole member begins no other.
    fn begins_nothing(&self) -> bool {
        self.input.first().is_some_and(|first| !self.engine.goes_on_with(*first))
    }
}
