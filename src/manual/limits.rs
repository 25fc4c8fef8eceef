//! What this version does not do, each with its reason.
//!
//! * **Files count as they stand at the start.** A secret file that the host replaces or creates in the project while a
//!   run goes on is not masked again: the watch that does so is not part of this version. Places under an overlay (the home,
//!   and for every other top-level directory) are not concerned, since the masks lie above what the host writes.
//! * **Redaction finds whole values as raw bytes.** A server that returns a value reversed, hashed, cut or otherwise
//!   transformed is out of reach for good; base64, percent-encoded, hex and JSON-escaped forms follow in a later version.
//!   Bound hosts are asked for uncompressed responses, and a compressed one is refused rather than passed unread.
//! * **Short values.** Values shorter than 12 bytes, and plain words, are replaced only where they are named (a variable, a
//!   key in `.env`): replacing them wherever they occur would break ordinary text. `explain` says so.
//! * **A key that was used can be misused.** The child may send any request that the rules allow with the secrets that are
//!   bound; narrow them with `rules` in the policy.
//! * **Opaque tunnels.** Targets without a bound secret are not decrypted, so that clients which pin certificates keep
//!   working. No secret can be injected there; what the child sends of its own is its own.
//! * **Tokens minted at run time.** Token endpoints that the catalogue knows answer 403 until such tokens can be captured.
//! * **The terminal** is inherited: the child shares the user's terminal. Pushing input into it (`TIOCSTI`) is blocked;
//!   reading what is typed while it runs is in the nature of sharing.
