//! Secrets at rest: what is kept, what it costs to lose it, and that no step prints, logs or leaves a value.

mod asked;
mod bad_input;
mod hashicorp;
mod home;
mod init;
mod keeping;
mod keychain;
mod trust;
mod walk;
