//! [`Errno`]: the ways a system call fails that scripts and commands tell apart.

/// Why a system call failed. Messages are those of glibc's `strerror(3)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Errno {
    #[error("No such file or directory")]
    NotFound,
    #[error("Not a directory")]
    NotADirectory,
    #[error("Is a directory")]
    IsADirectory,
    #[error("File exists")]
    Exists,
    #[error("Directory not empty")]
    NotEmpty,
    #[error("Too many levels of symbolic links")]
    LinkLoop,
    #[error("Invalid argument")]
    Invalid,
    #[error("File name too long")]
    NameTooLong,
    #[error("Permission denied")]
    PermissionDenied,
    #[error("Operation not permitted")]
    NotPermitted,
    #[error("Bad file descriptor")]
    BadDescriptor,
    #[error("Broken pipe")]
    BrokenPipe,
    #[error("No data available")]
    NoData,
}
