//! Errors as people read them: what, why, and what to do.

use std::error::Error;

use super::plain;

/// Renders an error with its causes and a hint, each on lines of its own:
///
/// ```text
/// error: the project file is refused
/// caused by: agentsecrets.toml:3:1: unknown key `egres`
/// hint: did you mean `egress`?
/// ```
///
/// A cause whose text its parent ends with already is not repeated.
pub fn error(error: &dyn Error, hint: Option<&str>) -> String {
    let mut text = String::new();
    let mut above = error.to_string();
    push(&mut text, "error: ", &above);
    let mut cause = error.source();
    while let Some(current) = cause {
        let message = current.to_string();
        if !above.ends_with(&message) {
            push(&mut text, "caused by: ", &message);
        }
        above = message;
        cause = current.source();
    }
    if let Some(hint) = hint {
        push(&mut text, "hint: ", hint);
    }
    text
}

/// Adds a message; lines after its first are indented below it.
fn push(text: &mut String, label: &str, message: &str) {
    let indent = " ".repeat(label.len());
    for (index, line) in message.trim_end().lines().enumerate() {
        text.push_str(if index == 0 { label } else { &indent });
        text.push_str(&plain(line));
        text.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    enum Sample {
        #[error("outer")]
        Outer(#[source] Box<Sample>),
        #[error("wraps: {0}")]
        Wraps(#[source] Box<Sample>),
        #[error("inner \u{1b}[2J\nsecond line")]
        Inner,
    }

    #[test]
    fn causes_and_hint_follow_the_error() {
        assert_eq!(
            error(&Sample::Outer(Box::new(Sample::Inner)), Some("do this")),
            "error: outer\ncaused by: inner \\u{1b}[2J\n           second line\nhint: do this\n"
        );
    }

    #[test]
    fn a_cause_that_was_said_is_not_repeated() {
        assert_eq!(
            error(&Sample::Wraps(Box::new(Sample::Inner)), None),
            "error: wraps: inner \\u{1b}[2J\n       second line\n"
        );
    }
}
