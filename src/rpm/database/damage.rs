//! What is wrong in a database's file: one list for all formats, because whoever reads the message
//! has to know the file, the place and the rule, and not which reader found it.

/// Why a file is not a database that rpm wrote.
#[derive(Debug, thiserror::Error)]
pub enum Damage {
    /// The file ends too early.
    #[error("the file ends before {what}, at byte {offset}")]
    Truncated {
        /// What should be there.
        what: &'static str,
        /// Where it should be, in bytes from the start of the file (of the header, for a header).
        offset: u64,
    },
    /// A feature or a version that rpm does not use.
    #[error("{what} is {value}, which rpm does not use")]
    Unsupported {
        /// The field.
        what: &'static str,
        /// What it has.
        value: u64,
    },
    /// Values that contradict each other, or a rule of the format.
    #[error("{place}: {why}")]
    Invalid {
        /// The page, slot, package or line.
        place: String,
        /// What is wrong with it.
        why: String,
    },
    /// More than a real database has.
    #[error("more than {limit} {what}")]
    TooMany {
        /// What there is too much of.
        what: &'static str,
        /// How many are read.
        limit: usize,
    },
    /// SQLite refused.
    #[error("SQLite: {0}")]
    Sqlite(#[from] rusqlite::Error),
}

impl Damage {
    pub(super) fn invalid(place: impl Into<String>, why: impl Into<String>) -> Self {
        Self::Invalid { place: place.into(), why: why.into() }
    }
}
