//! Random secrets and how random writers have them.

use super::*;

/// A generator of numbers (Steele, Lea and Flood, 2014), so that a case is told by its seed.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from(mixed >> 33).unwrap() % end
    }

    pub(super) fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    pub(super) fn pick<'a, T: ?Sized>(&mut self, choices: &[&'a T]) -> &'a T {
        choices[self.below(choices.len())]
    }

    pub(super) fn text(&mut self, characters: &str, length: usize) -> String {
        let characters: Vec<char> = characters.chars().collect();
        (0..length).map(|_| characters[self.below(characters.len())]).collect()
    }
}

pub(super) const TOKEN: &str = "abcdefghijABCDEF0123456789-_";
/// Characters that writers escape, but for those that begin an escape.
const ODD: &str = "aB3/+= \"<>'\né😀~";
/// Those, too.
pub(super) const ODDER: &str = "aB3/%\\&;u#x";
const NOISE: &str = "abAB01 \\%&+u#;x/\"\n:=";

pub(super) fn secrets(dice: &mut Dice) -> Vec<String> {
    let mut values: Vec<String> = Vec::new();
    while values.is_empty() || values.len() < 4 && dice.one_in(2) {
        let length = 12 + dice.below(12);
        let alphabet = dice.pick(&[TOKEN, TOKEN, ODD]);
        let fresh = dice.text(alphabet, length);
        let value = match values.last() {
            // One that begins alike, one that is the beginning, one that begins within.
            Some(last) if dice.one_in(3) => {
                let more = 1 + dice.below(3);
                format!("{last}{}", dice.text(TOKEN, more))
            }
            Some(last) if dice.one_in(3) => last.chars().take(12 + dice.below(4)).collect(),
            Some(last) if dice.one_in(2) => format!("{}{fresh}", last.chars().skip(6).collect::<String>()),
            _ => fresh,
        };
        if is_distinctive(value.as_bytes()) && !values.contains(&value) {
            values.push(value);
        }
    }
    values
}

/// The placeholder of each, of a length that keeps no encoding whole: it stands there as it is.
pub(super) fn placeholder(index: usize, value: &str) -> String {
    format!("<{index}{}>", "~".repeat(value.len() - 1))
}

pub(super) fn run_of(values: &[String]) -> (Redactor, Vec<SecretId>) {
    let mut table = Table::default();
    for (index, value) in values.iter().enumerate() {
        let minted = Placeholder::from_minted(placeholder(index, value));
        let name = SecretName::new(format!("S{index}")).unwrap();
        table.insert::<()>(name, Secret::new(value.clone().into()), || Ok(minted)).unwrap();
    }
    (Redactor::new(&table), table.iter().map(|(id, _)| id).collect())
}

pub(super) fn hex(bytes: &[u8], upper: bool) -> String {
    let digits = |byte: &u8| if upper { format!("{byte:02X}") } else { format!("{byte:02x}") };
    bytes.iter().map(digits).collect()
}

/// One character as a JSON string may hold it.
fn in_json(dice: &mut Dice, character: char) -> String {
    let short = match character {
        '\n' => "\\n",
        '"' => "\\\"",
        '/' => "\\/",
        '\\' => "\\\\",
        '\'' => "\\'",
        _ => "",
    };
    match if character == '\\' { 0 } else { dice.below(4) } {
        0 if !short.is_empty() => short.into(),
        0 | 1 => {
            let units: Vec<u16> = character.encode_utf16(&mut [0; 2]).to_vec();
            let upper = dice.one_in(2);
            units.iter().map(|unit| if upper { format!("\\u{unit:04X}") } else { format!("\\u{unit:04x}") }).collect()
        }
        _ => character.into(),
    }
}

fn in_url(dice: &mut Dice, character: char) -> String {
    match if character == '%' { 1 } else { dice.below(3) } {
        0 | 1 => {
            let bytes = character.to_string();
            bytes.bytes().map(|byte| "%".to_owned() + &hex(&[byte], dice.one_in(2))).collect()
        }
        _ => character.into(),
    }
}

/// As browsers send forms: a space is `+`, and what is one already is escaped.
fn in_form(dice: &mut Dice, value: &str) -> String {
    let character = |character| match character {
        ' ' => "+".into(),
        '+' => "%2B".into(),
        other => in_url(dice, other),
    };
    value.chars().map(character).collect()
}

fn in_page(dice: &mut Dice, character: char) -> String {
    let named = match character {
        '<' => "&lt;",
        '>' => "&gt;",
        '"' => "&quot;",
        '\'' => "&apos;",
        '&' => "&amp;",
        _ => "",
    };
    let number = u32::from(character);
    match if character == '&' { 0 } else { dice.below(5) } {
        0 if !named.is_empty() => named.into(),
        0 => format!("&#{number};"),
        1 => format!("&#x{number:04x};"),
        2 => format!("&#X{number:X};"),
        _ => character.into(),
    }
}

/// In base64, with something before and behind it.
fn in_base64(dice: &mut Dice, value: &str) -> String {
    let text = [dice.text(TOKEN, 3).as_bytes(), value.as_bytes(), dice.text(TOKEN, 3).as_bytes()].concat();
    let (begin, end) = (dice.below(4), text.len() - dice.below(4));
    let engine = dice.pick(&[&STANDARD, &STANDARD_NO_PAD, &URL_SAFE, &URL_SAFE_NO_PAD]);
    engine.encode(&text[begin..end])
}

/// The same in lines, of one length mostly.
fn in_lines(dice: &mut Dice, value: &str) -> String {
    let text = in_base64(dice, value);
    let (length, line_end) = (1 + dice.below(20), dice.pick(&["\n", "\r\n", "\\n", "\\r\\n"]));
    let (mut lines, mut rest) = (String::new(), text.as_str());
    while !rest.is_empty() {
        let own = if dice.one_in(20) { 1 } else { length };
        let (line, behind) = rest.split_at(own.min(rest.len()));
        rest = behind;
        lines.push_str(line);
        lines.push_str(line_end);
    }
    lines
}

/// Each character of `text` in UTF-16 or UTF-32, the outer zeros included.
pub(super) fn wide(text: &str, is_utf16: bool, is_big: bool) -> Vec<u8> {
    let of_two = |unit: u16| if is_big { unit.to_be_bytes() } else { unit.to_le_bytes() };
    let of_four = |unit: u32| if is_big { unit.to_be_bytes() } else { unit.to_le_bytes() };
    if is_utf16 {
        text.encode_utf16().flat_map(of_two).collect()
    } else {
        text.chars().map(u32::from).flat_map(of_four).collect()
    }
}

/// `value` as one of the writers has it.
pub(super) fn written(dice: &mut Dice, value: &str) -> Vec<u8> {
    let writer = match dice.below(10) {
        0 => return value.into(),
        1 => return hex(value.as_bytes(), dice.one_in(2)).into(),
        2 => return in_base64(dice, value).into(),
        7 | 8 => return in_lines(dice, value).into(),
        9 => return wide(value, dice.one_in(2), dice.one_in(2)),
        3 | 4 => in_json,
        5 if dice.one_in(2) => return in_form(dice, value).into(),
        5 => in_url,
        _ => in_page,
    };
    value.chars().map(|character| writer(dice, character)).collect::<String>().into()
}

pub(super) fn text_of(dice: &mut Dice, values: &[String]) -> Vec<u8> {
    let mut text = Vec::new();
    for _ in 0..=dice.below(6) {
        let value = values[dice.below(values.len())].clone();
        let piece = written(dice, &value);
        let length = dice.below(8);
        // Behind what may have begun an escape something stands that goes on with none.
        match dice.below(6) {
            5 => {
                // Perhaps an empty line, which ends what is in base64.
                let (before, behind) = piece.split_at(dice.below(piece.len()));
                let line_end = dice.pick(&["\n", "\r\n", "\\n", "\\r\\n", "\r", "\\r"]);
                text.extend_from_slice(&[before, line_end.as_bytes(), behind].concat());
            }
            0 => text.extend_from_slice(&[&piece[..dice.below(piece.len())], b" "].concat()),
            1 => text.extend_from_slice(&piece[dice.below(piece.len())..]),
            2 => text.extend_from_slice(format!("{} ", dice.text(NOISE, length)).as_bytes()),
            _ => text.extend_from_slice(&piece),
        }
    }
    text
}
