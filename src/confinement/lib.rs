//! Least privilege: what the process gives up before it reads the first byte of a stranger.
//!
//! In comes what a run needs ([`Needs`], worked out from its options without a look at the
//! disk); out comes a process that reads and writes nothing else ([`files`], Landlock), starts no
//! program, waits for no connection, and, where a run needs no network, makes none ([`network`],
//! seccomp). All of it stays for good, also when a decoder is made to do what it should not.
//!
//! Landlock restricts the calling thread and those that it starts afterwards. Nothing that runs
//! may be outside: threads share their memory. So [`confine`] comes before the first thread,
//! which is why the runtime of the network and the watcher of signals are started after it.
//!
//! The files are best effort: on a kernel without Landlock, a run goes on as if this were not
//! here, and says so with `-v` only.

#![cfg_attr(not(test), warn(clippy::disallowed_methods))]

pub mod blobs;
pub mod files;
pub mod folders;
pub mod machine;
pub mod needs;
pub mod network;

use std::fmt;

use imgfix_host::unfinished::Unfinished;

use folders::Made;
pub use needs::{Access, Needs, Network, Rights};

/// What is in force, and the folders that were made for it; dropped at the end of the run.
#[derive(Debug, Default)]
pub struct Confined {
    /// What the process may do with files.
    pub files: Files,
    /// What it may do with connections.
    pub network: Connections,
    _made: Made,
}

/// Whether the process is confined to its files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Files {
    /// By rules for so many places, with this version of Landlock's interface.
    On {
        /// The version as the crate `landlock` writes it: `V4`.
        abi: String,
        /// How many files and folders have a rule.
        places: usize,
    },
    /// Why not.
    Off(String),
    /// Nobody asked for it: the library, and `--unconfined`.
    #[default]
    NotAsked,
}

/// Whether the process can make connections.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Connections {
    /// Connections can be made.
    #[default]
    Open,
    /// No connection can be made any more.
    Closed,
    /// None are needed, but the kernel does not let them be given up.
    NotClosed(String),
}

/// Gives up everything but `needs`. Folders that are to be written and are not there are made
/// first, since a rule needs a folder to stand on; they go again at the end if nothing came into
/// them, and so they do when the run is interrupted (`unfinished`).
#[must_use]
pub fn confine(needs: &Needs, unfinished: &Unfinished) -> Confined {
    if let Some(program) = &needs.program {
        // A program that is started would be confined as this process is, with files and rights
        // of its own that nobody here knows.
        let files = Files::Off(format!("{program} is started, which has needs of its own"));
        return Confined { files, ..Confined::default() };
    }
    let mut made = Made::new(unfinished);
    let removable = needs.folders.iter().filter_map(|(folder, mode)| made.folder(folder, *mode));
    // Removing what was made is a right over the folder that it was made in.
    let removable: Vec<Access> =
        removable.map(|path| Access { path, rights: Rights::RemoveFolders }).collect();
    let files = files::confine(needs.accesses.iter().chain(&removable), needs.network);
    let network = match needs.network {
        Network::Needed => Connections::Open,
        Network::None => match network::refuse() {
            Ok(()) => Connections::Closed,
            Err(error) => Connections::NotClosed(error.to_string()),
        },
    };
    Confined { files, network, _made: made }
}

impl fmt::Display for Confined {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.files {
            Files::On { abi, places } => {
                write!(f, "confined to {places} files and folders (Landlock {abi})")?;
            }
            Files::Off(why) => write!(f, "not confined to the run's files: {why}")?,
            Files::NotAsked => write!(f, "not confined")?,
        }
        match &self.network {
            Connections::Open => Ok(()),
            Connections::Closed => write!(f, "; without network"),
            Connections::NotClosed(why) => write!(f, "; the network stays open: {why}"),
        }
    }
}
