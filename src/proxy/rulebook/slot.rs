//! Where in a request a placeholder is swapped, with names parsed.

use http::HeaderName;

use super::header;
use crate::policy::{JsonPointer, Slot};
use crate::proxy::ProxyError;

/// A slot, parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::proxy) enum Place {
    Header(HeaderName),
    Basic,
    Field(Field),
}

/// A slot that is a part of something, found by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::proxy) enum Field {
    Query(String),
    Cookie(String),
    Json(JsonPointer),
    Form(String),
}

impl Place {
    /// The place of a slot of policy.
    pub(super) fn of(slot: &Slot) -> Result<Self, ProxyError> {
        Ok(match slot {
            Slot::Header(name) => Self::Header(header(name)?),
            Slot::Basic => Self::Basic,
            Slot::Query(name) => Self::Field(Field::Query(name.clone())),
            Slot::Cookie(name) => Self::Field(Field::Cookie(name.clone())),
            Slot::JsonField(pointer) => Self::Field(Field::Json(pointer.clone())),
            Slot::FormField(name) => Self::Field(Field::Form(name.clone())),
        })
    }

    /// The header that is the slot.
    pub(in crate::proxy) fn header(&self) -> Option<&HeaderName> {
        match self {
            Self::Header(name) => Some(name),
            Self::Basic => Some(&http::header::AUTHORIZATION),
            Self::Field(_) => None,
        }
    }
}
