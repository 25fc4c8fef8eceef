//! `log`.
use crate::exit::Exit;
#[derive(Debug, thiserror::Error)]
#[error("x")]
pub enum LogError {}
impl LogError { pub fn hint(&self) -> Option<String> { None } }
pub(super) fn log(_: &crate::world::World, _: &crate::cli::LogOptions) -> Result<Exit, LogError> { Ok(Exit::Success) }
