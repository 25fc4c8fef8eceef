//! How values travel between the parent and its stage: bytes in order, nothing named.
//!
//! Both ends are the same executable, so the form needs no version. Lengths are checked against what is there, so a
//! cut message is an error and never a panic or a huge allocation.
//!
//! **Trade-off.** JSON would need no code of ours, but paths and file contents are bytes, and the certificate bundle
//! alone would cost milliseconds of start-up as a JSON array.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

/// A value that can be sent and received.
pub(super) trait Wire: Sized {
    /// Appends this value to `out`.
    fn put(&self, out: &mut Vec<u8>);
    /// Takes a value off the front of `input`; `None` if it is cut or malformed.
    fn take(input: &mut &[u8]) -> Option<Self>;

    /// This value alone as bytes.
    #[cfg(test)]
    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.put(&mut out);
        out
    }

    /// The value that `bytes` hold, if they hold one and nothing more.
    fn decode(mut bytes: &[u8]) -> Option<Self> {
        let value = Self::take(&mut bytes)?;
        bytes.is_empty().then_some(value)
    }
}

macro_rules! wire_integer {
    ($($integer:ty),*) => {$(
        impl Wire for $integer {
            fn put(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_le_bytes());
            }
            fn take(input: &mut &[u8]) -> Option<Self> {
                let (bytes, rest) = input.split_first_chunk()?;
                *input = rest;
                Some(Self::from_le_bytes(*bytes))
            }
        }
    )*};
}
wire_integer!(u8, u16, u32, u64, i32, i64);

impl Wire for bool {
    fn put(&self, out: &mut Vec<u8>) {
        out.push(u8::from(*self));
    }
    fn take(input: &mut &[u8]) -> Option<Self> {
        match u8::take(input)? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }
}

fn put_length(length: usize, out: &mut Vec<u8>) {
    // Nothing here comes near 2^64; the cast exists because usize has no `From` into u64.
    u64::try_from(length).unwrap_or(u64::MAX).put(out);
}

fn take_bytes<'a>(input: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(u64::take(input)?).ok()?;
    let (bytes, rest) = input.split_at_checked(length)?;
    *input = rest;
    Some(bytes)
}

/// File contents: one length and the bytes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Bytes(pub Vec<u8>);

impl Wire for Bytes {
    fn put(&self, out: &mut Vec<u8>) {
        put_length(self.0.len(), out);
        out.extend_from_slice(&self.0);
    }
    fn take(input: &mut &[u8]) -> Option<Self> {
        Some(Self(take_bytes(input)?.to_vec()))
    }
}

impl Wire for OsString {
    fn put(&self, out: &mut Vec<u8>) {
        put_length(self.len(), out);
        out.extend_from_slice(self.as_bytes());
    }
    fn take(input: &mut &[u8]) -> Option<Self> {
        Some(Self::from_vec(take_bytes(input)?.to_vec()))
    }
}

impl Wire for PathBuf {
    fn put(&self, out: &mut Vec<u8>) {
        put_length(self.as_os_str().len(), out);
        out.extend_from_slice(self.as_os_str().as_bytes());
    }
    fn take(input: &mut &[u8]) -> Option<Self> {
        Some(Self::from(OsStr::from_bytes(take_bytes(input)?)))
    }
}

impl Wire for String {
    fn put(&self, out: &mut Vec<u8>) {
        put_length(self.len(), out);
        out.extend_from_slice(self.as_bytes());
    }
    fn take(input: &mut &[u8]) -> Option<Self> {
        Self::from_utf8(take_bytes(input)?.to_vec()).ok()
    }
}

impl<T: Wire> Wire for Vec<T> {
    fn put(&self, out: &mut Vec<u8>) {
        put_length(self.len(), out);
        for item in self {
            item.put(out);
        }
    }
    fn take(input: &mut &[u8]) -> Option<Self> {
        let length = u64::take(input)?;
        // Grows with what is really there: a lying length runs into the end of the input.
        (0..length).map(|_| T::take(input)).collect()
    }
}

impl<T: Wire> Wire for Option<T> {
    fn put(&self, out: &mut Vec<u8>) {
        self.is_some().put(out);
        if let Some(value) = self {
            value.put(out);
        }
    }
    fn take(input: &mut &[u8]) -> Option<Self> {
        if bool::take(input)? { Some(Some(T::take(input)?)) } else { Some(None) }
    }
}

impl<T: Wire> Wire for Box<T> {
    fn put(&self, out: &mut Vec<u8>) {
        self.as_ref().put(out);
    }
    fn take(input: &mut &[u8]) -> Option<Self> {
        T::take(input).map(Self::new)
    }
}

impl<A: Wire, B: Wire> Wire for (A, B) {
    fn put(&self, out: &mut Vec<u8>) {
        self.0.put(out);
        self.1.put(out);
    }
    fn take(input: &mut &[u8]) -> Option<Self> {
        Some((A::take(input)?, B::take(input)?))
    }
}

/// Sends the named fields of a struct in order.
macro_rules! wire_struct {
    ($name:ident { $($field:ident),* $(,)? }) => {
        impl $crate::sandbox::wire::Wire for $name {
            fn put(&self, out: &mut Vec<u8>) {
                let Self { $($field),* } = self;
                $($crate::sandbox::wire::Wire::put($field, out);)*
            }
            fn take(input: &mut &[u8]) -> Option<Self> {
                $(let $field = $crate::sandbox::wire::Wire::take(input)?;)*
                Some(Self { $($field),* })
            }
        }
    };
}

/// Sends an enum as one byte for the variant and then its fields, each variant written `Name(a, b)` or `Name()`.
macro_rules! wire_enum {
    ($name:ident { $($tag:literal => $variant:ident ( $($field:ident),* )),* $(,)? }) => {
        impl $crate::sandbox::wire::Wire for $name {
            fn put(&self, out: &mut Vec<u8>) {
                match self {
                    $(Self::$variant { $($field),* } => {
                        out.push($tag);
                        $($crate::sandbox::wire::Wire::put($field, out);)*
                    })*
                }
            }
            fn take(input: &mut &[u8]) -> Option<Self> {
                match <u8 as $crate::sandbox::wire::Wire>::take(input)? {
                    $($tag => {
                        $(let $field = $crate::sandbox::wire::Wire::take(input)?;)*
                        Some(Self::$variant { $($field),* })
                    })*
                    _ => None,
                }
            }
        }
    };
}

pub(super) use {wire_enum, wire_struct};

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Sample = Vec<(Option<u32>, (OsString, (PathBuf, (String, (bool, Bytes)))))>;

    fn sample() -> impl Strategy<Value = Sample> {
        let bytes = || proptest::collection::vec(any::<u8>(), 0..40);
        let item = (any::<Option<u32>>(), bytes(), bytes(), any::<String>(), any::<bool>(), bytes());
        let item = item.prop_map(|(number, name, path, text, flag, content)| {
            let path = PathBuf::from(OsString::from_vec(path));
            (number, (OsString::from_vec(name), (path, (text, (flag, Bytes(content))))))
        });
        proptest::collection::vec(item, 0..5)
    }

    proptest! {
        #[test]
        fn what_is_sent_is_received(value in sample()) {
            prop_assert_eq!(Sample::decode(&value.encode()), Some(value));
        }

        #[test]
        fn a_cut_or_longer_message_is_refused(value in sample(), cut in any::<proptest::sample::Index>()) {
            let mut bytes = value.encode();
            prop_assert_eq!(Sample::decode(&bytes[..cut.index(bytes.len())]), None);
            bytes.push(0);
            prop_assert_eq!(Sample::decode(&bytes), None);
        }

        #[test]
        fn noise_is_no_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Sample::decode(&bytes);
        }
    }
}
