//! Values that stand in quotes beside a secret-like name, with a blank alone between them: `:password "x"`, as Clojure writes
//! maps, and `password 'x'` at the begin of a line, as Gradle's settings do.

use super::text::{Stretch, is_reference, of_name};

/// Names are short.
const LONGEST_NAME: usize = 80;
/// As of other assigned values in free text.
const LEAST: usize = 4;

/// Every such value.
pub(super) fn beside_names(text: &[u8]) -> impl Iterator<Item = Stretch> + '_ {
    let mut done = 0;
    memchr::memchr2_iter(b'"', b'\'', text).filter_map(move |quote| {
        if quote < done {
            return None;
        }
        let before = &text[quote.saturating_sub(LONGEST_NAME)..quote];
        let named = before.trim_ascii_end();
        let name = named.iter().rev().take_while(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(byte)).count();
        if name == 0 || named.len() == before.len() {
            return None;
        }
        let end = quote - (before.len() - named.len());
        let name = end - name..end;
        let around = text[..name.start].trim_ascii_end();
        let is_keyword = text[..name.start].ends_with(b":")
            && text[..name.start - 1].last().is_none_or(|byte| byte.is_ascii_whitespace() || b"{([,".contains(byte));
        if !is_keyword && !matches!(around, [] | [.., b'{' | b'\n']) {
            return None;
        }
        let named = of_name(std::str::from_utf8(&text[name.clone()]).ok()?)?;
        let length = memchr::memchr2(text[quote], b'\n', &text[quote + 1..])?;
        let range = quote + 1..quote + 1 + length;
        done = range.end + 1;
        let value = &text[range.clone()];
        let cause = named.cause(value).filter(|_| value.len() >= LEAST && !is_reference(value))?;
        Some(Stretch { range, name: Some(name), cause })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_values_beside_names_are_found() {
        for (text, expected) in [
            ("{:username \"ann\" :password \"correct horse\"}", vec!["correct horse"]),
            ("  :auth {:repository-auth {#\"clojars\" {:token \"abcd\" :password  \"efgh\"}}}", vec!["abcd", "efgh"]),
            ("    password 's3cret'", vec!["s3cret"]),
            ("credentials { password \"s3cret\" }", vec!["s3cret"]),
            (":password :env/clojars_password", vec![]),
            (":plugins [[lein-ancient \"0.6.15\"]]", vec![]),
            ("echo token \"what is it\"", vec![]),
            ("password \"${env.OWN}\"", vec![]),
            ("https:password \"abcd\"", vec![]),
            ("password\"abcd\" :password \"open", vec![]),
        ] {
            let found: Vec<&str> = beside_names(text.as_bytes()).map(|stretch| &text[stretch.range]).collect();
            assert_eq!(found, expected, "{text}");
        }
        for (text, count) in [("token 'a\" ", 1), ("\n:token \"", 0), ("          \"", 0), (":token '{", 1)] {
            assert!(beside_names(text.repeat(100_000).as_bytes()).count() <= count, "{text}");
        }
    }
}
