//! Why a value cannot be fetched or kept, each reason with its own words and its own mend.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use super::LARGEST_VALUE;

/// Why a value cannot be fetched or kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// The source has no such value.
    #[error("`{name}` has no value in {place}")]
    Missing {
        /// What was asked for.
        name: String,
        /// The source.
        place: String,
    },
    /// A value without bytes.
    #[error("the value is empty, which every client takes for no credential at all")]
    Empty,
    /// A value that is no credential any more.
    #[error("the value has {size} bytes, the most is {LARGEST_VALUE}")]
    TooLarge {
        /// Its bytes, or as many as were read.
        size: usize,
    },
    /// A file or directory that cannot be read or written.
    #[error("`{}`: cannot {doing}", path.display())]
    Disk {
        /// Its path.
        path: PathBuf,
        /// What was tried.
        doing: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
    /// A file that others may have read or written.
    #[error("`{}`: {why}", path.display())]
    Unsafe {
        /// Its path.
        path: PathBuf,
        /// What is wrong with it.
        why: Unsafe,
    },
    /// A file that is to be replaced and is not what was read.
    #[error("`{}`: it has changed meanwhile", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// Another process holds the store.
    #[error("`{}`: another process keeps it locked", path.display())]
    Busy {
        /// The lock.
        path: PathBuf,
    },
    /// The store is protected and no passphrase was given.
    #[error("`{}`: the store is protected by a passphrase, and none was given", path.display())]
    PassphraseNeeded {
        /// The protected identity.
        path: PathBuf,
    },
    /// The passphrase is another one.
    #[error("`{}`: the passphrase is wrong", path.display())]
    WrongPassphrase {
        /// The protected identity.
        path: PathBuf,
    },
    /// The passphrase cannot be read.
    #[error("cannot read the passphrase")]
    Passphrase(#[source] io::Error),
    /// The store is there and what opens it is not.
    #[error("`{}`: the identity that opens the store is missing", path.display())]
    IdentityMissing {
        /// Where it is to be.
        path: PathBuf,
    },
    /// The store was made for another identity.
    #[error("`{}`: the store was encrypted for another identity", path.display())]
    OtherIdentity {
        /// The store.
        path: PathBuf,
    },
    /// A file ends before its end.
    #[error("`{}`: the file is cut short", path.display())]
    Truncated {
        /// The file.
        path: PathBuf,
    },
    /// A file holds what was never written into it.
    #[error("`{}`: the file is damaged", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// The system gave no random bytes or the cipher failed.
    #[error("the store cannot be encrypted")]
    Encrypt(#[source] io::Error),
    /// The keychain.
    #[error("the keychain {failure}")]
    Keychain {
        /// What happened.
        failure: Failure,
    },
    /// A server that gave no answer, or none that can be read.
    #[error("{server} cannot be asked")]
    Server {
        /// The server.
        server: String,
        /// Why.
        source: io::Error,
    },
    /// A server that said no.
    #[error("{server} answered {status}{}", said(words))]
    Refused {
        /// The server.
        server: String,
        /// The status code.
        status: u16,
        /// Its words.
        words: String,
    },
    /// A variable that is to hold a token or a secret id, and does not.
    #[error("there is nothing to log in to {server} with: {missing}")]
    LoginMissing {
        /// The server.
        server: String,
        /// What was looked for.
        missing: String,
    },
    /// A secret id that is no text.
    #[error("the secret id is not UTF-8")]
    SecretId,
    /// A program that cannot be trusted or found.
    #[error("`{program}` {why}")]
    Program {
        /// The program as it is named.
        program: String,
        /// What is wrong with it, as the rest of a sentence.
        why: &'static str,
    },
    /// A program that could not be started.
    #[error("`{program}` cannot be started")]
    Start {
        /// The program.
        program: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// A program that failed.
    #[error("`{program}` ended with {status}{}", said(stderr))]
    Failed {
        /// The program.
        program: String,
        /// `status 1`, `signal 9`.
        status: String,
        /// The end of what it wrote to standard error, redacted.
        stderr: String,
    },
    /// A program that took too long.
    #[error("`{program}` gave no value within {} seconds", deadline.as_secs())]
    Slow {
        /// The program.
        program: String,
        /// How long it had.
        deadline: Duration,
    },
}

/// What is wrong with the permissions of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unsafe {
    /// Its mode lets others in.
    #[error("others can read or write it (mode {mode:03o})")]
    Mode {
        /// The permission bits.
        mode: u32,
    },
    /// It belongs to somebody else.
    #[error("it belongs to another user (uid {uid})")]
    Owner {
        /// The owner.
        uid: u32,
    },
    /// It points elsewhere.
    #[error("it is a symbolic link")]
    Symlink,
    /// It points to where an agent can write.
    #[error("it is a symbolic link into the project, where an agent could have written it")]
    InProject,
    /// A pipe, a device, a directory.
    #[error("it is not a regular file")]
    Kind,
    /// Longer than any file of ours.
    #[error("it is larger than any that this program writes")]
    Size,
}

/// What a keychain did instead of answering.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// There is none.
    #[error("is not there: nothing offers the Secret Service on this session's bus")]
    Absent,
    /// It is locked and was not unlocked.
    #[error("is locked, and was not unlocked")]
    Locked,
    /// It does not let us in.
    #[error("refused: {said}")]
    Refused {
        /// Its words.
        said: String,
    },
    /// It did not answer in time.
    #[error("did not answer within {} seconds", .0.as_secs())]
    Slow(Duration),
    /// Two entries under one name, which only another program can have made.
    #[error("has more than one entry for this secret")]
    Ambiguous,
}

fn said(stderr: &str) -> String {
    if stderr.is_empty() { String::new() } else { format!(": {stderr}") }
}

impl SourceError {
    /// What the user can do, as a command where there is one.
    pub fn hint(&self) -> Option<String> {
        let path_of = |path: &std::path::Path| path.display().to_string();
        Some(match self {
            Self::Missing { name, .. } => format!("agentsecrets secrets set {name}"),
            Self::Unsafe { path, why: Unsafe::Mode { .. } } => format!("chmod go= {}", path_of(path)),
            Self::Unsafe { path, why: Unsafe::Owner { .. } } => {
                format!("run agentsecrets as its owner, or: chown \"$(id -u)\" {}", path_of(path))
            }
            Self::PassphraseNeeded { .. } => {
                "set AGENTSECRETS_PASSPHRASE, or hand it over on a descriptor: AGENTSECRETS_PASSPHRASE_FD=3 3<FILE".into()
            }
            Self::IdentityMissing { .. } => {
                "put the file back, or name the identity that the store was made with: AGENTSECRETS_IDENTITY=FILE".into()
            }
            Self::Truncated { path } | Self::Damaged { path } => format!(
                "nothing was changed: put a copy of the file back, or move it away and set the secrets again: mv {0} {0}.damaged",
                path_of(path)
            ),
            Self::Refused { status: 403, .. } => {
                "log in anew (bao login, vault login), or have the path opened to the token".into()
            }
            Self::LoginMissing { .. } => "bao login, vault login, or export the variable".into(),
            Self::Keychain { failure: Failure::Locked } => {
                "unlock it (log in to the desktop, or open its password manager), or keep the secret elsewhere: --store file"
                    .into()
            }
            Self::Keychain { .. } => "keep the secret in the encrypted file: --store file".into(),
            _ => return None,
        })
    }
}
