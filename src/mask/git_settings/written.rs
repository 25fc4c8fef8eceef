//! Reads and writes git's configuration in the form in which git writes it.

/// One setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Setting {
    pub(super) section: Section,
    /// In lower case.
    pub(super) key: String,
    /// Unquoted; `None` where only the key stands, which is a yes.
    pub(super) value: Option<Vec<u8>>,
}

/// What `[name "sub"]` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Section {
    /// In lower case.
    pub(super) name: String,
    pub(super) sub: Option<Vec<u8>>,
}

/// Every setting in order; `None` for a text that is not in the form.
pub(super) fn read(text: &[u8]) -> Option<Vec<Setting>> {
    let is_odd = |byte: &u8| byte.is_ascii_control() && !matches!(byte, b'\n' | b'\t');
    if text.iter().any(is_odd) {
        return None;
    }
    let mut section = None;
    let mut settings = Vec::new();
    for line in text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii) {
        match line.first() {
            None | Some(b'#' | b';') => {}
            Some(b'[') => section = Some(header(&line[1..])?),
            Some(first) if first.is_ascii_alphabetic() => settings.push(setting(line, section.clone()?)?),
            Some(_) => return None,
        }
    }
    Some(settings)
}

/// A name of letters, digits and hyphens in lower case, and what follows it.
fn name(text: &[u8]) -> Option<(String, &[u8])> {
    let length = text.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'-').count();
    let (name, rest) = text.split_at(length);
    Some((String::from_utf8(name.to_ascii_lowercase()).ok()?, rest)).filter(|(name, _)| !name.is_empty())
}

fn is_comment(text: &[u8]) -> bool {
    matches!(text.trim_ascii_start().first(), None | Some(b'#' | b';'))
}

/// The header whose first bracket stands before `text`.
fn header(text: &[u8]) -> Option<Section> {
    let (name, rest) = name(text)?;
    if let Some(after) = rest.strip_prefix(b"]") {
        return is_comment(after).then_some(Section { name, sub: None });
    }
    let quoted = rest.trim_ascii_start();
    let mut rest = quoted.strip_prefix(b"\"").filter(|_| quoted.len() < rest.len())?;
    let mut sub = Vec::new();
    loop {
        match rest {
            [b'"', b']', after @ ..] => return is_comment(after).then_some(Section { name, sub: Some(sub) }),
            [b'\\', escaped, after @ ..] => {
                sub.push(*escaped);
                rest = after;
            }
            [b'"' | b'\\', ..] | [] => return None,
            [byte, after @ ..] => {
                sub.push(*byte);
                rest = after;
            }
        }
    }
}

fn setting(line: &[u8], section: Section) -> Option<Setting> {
    let (key, rest) = name(line)?;
    let value = match rest.trim_ascii_start() {
        [] => None,
        [b'=', text @ ..] => Some(value(text.trim_ascii_start())?),
        _ => return None,
    };
    Some(Setting { section, key, value })
}

/// A value as git reads it (`parse_value`): blanks at its end are none of it, unless something quoted follows them.
fn value(mut text: &[u8]) -> Option<Vec<u8>> {
    let (mut value, mut trimmed, mut is_quoted) = (Vec::new(), None, false);
    while let [first, after @ ..] = text {
        text = after;
        match first {
            b'#' | b';' if !is_quoted => break,
            // Older versions make a blank of it.
            b'\t' if !is_quoted => return is_comment(text).then(|| cut(value, trimmed)),
            b' ' if !is_quoted => {
                trimmed.get_or_insert(value.len());
                value.push(b' ');
                continue;
            }
            b'"' => is_quoted = !is_quoted,
            b'\\' => {
                let [escaped, after @ ..] = text else { return None };
                text = after;
                value.push(match escaped {
                    b'n' => b'\n',
                    b't' => b'\t',
                    b'b' => 8,
                    b'\\' | b'"' => *escaped,
                    _ => return None,
                });
            }
            byte => value.push(*byte),
        }
        trimmed = None;
    }
    (!is_quoted).then(|| cut(value, trimmed))
}

fn cut(mut value: Vec<u8>, length: Option<usize>) -> Vec<u8> {
    value.truncate(length.unwrap_or(value.len()));
    value
}

/// The settings as a text that reads as they are.
pub(super) fn render(settings: &[Setting]) -> Vec<u8> {
    let mut text = Vec::new();
    let mut section = None;
    for setting in settings {
        if section != Some(&setting.section) {
            section = Some(&setting.section);
            text.extend([b"[", setting.section.name.as_bytes()].concat());
            if let Some(sub) = &setting.section.sub {
                text.extend_from_slice(b" \"");
                text.extend(escaped(sub));
                text.push(b'"');
            }
            text.extend_from_slice(b"]\n");
        }
        text.extend([b"\t", setting.key.as_bytes()].concat());
        if let Some(value) = &setting.value {
            text.extend_from_slice(b" = \"");
            text.extend(escaped(value));
            text.push(b'"');
        }
        text.push(b'\n');
    }
    text
}

fn escaped(text: &[u8]) -> Vec<u8> {
    let escape = |byte: &u8| match byte {
        b'\n' => b"\\n".to_vec(),
        b'\t' => b"\\t".to_vec(),
        8 => b"\\b".to_vec(),
        b'"' | b'\\' => vec![b'\\', *byte],
        other => vec![*other],
    };
    text.iter().flat_map(escape).collect()
}
