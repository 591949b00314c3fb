//! Why a distribution cannot be changed.

use imgfix_vfs::RootfsError;

/// Why something of an environment cannot be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// A layer cannot be read, which is no property of the image.
    #[error(transparent)]
    Image(RootfsError),
    /// Temporary files cannot be written.
    #[error("cannot write temporary files: {0}; free space or set TMPDIR")]
    Temporary(std::io::Error),
    /// This distribution or this wheel is to blame: half a sentence.
    #[error("{0}")]
    Refused(String),
}

impl From<RootfsError> for Fault {
    fn from(error: RootfsError) -> Self {
        match error {
            RootfsError::Io { .. } => Self::Image(error),
            other => Self::Refused(other.to_string()),
        }
    }
}

impl From<String> for Fault {
    fn from(why: String) -> Self {
        Self::Refused(why)
    }
}

impl From<imgfix_model::path::PathError> for Fault {
    fn from(error: imgfix_model::path::PathError) -> Self {
        Self::Refused(error.to_string())
    }
}
