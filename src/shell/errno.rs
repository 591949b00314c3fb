//! [`Errno`]: the ways a system call fails that scripts and commands tell apart.

/// Why a system call failed. Messages are those of glibc's `strerror(3)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Errno {
    /// `ENOENT`.
    #[error("No such file or directory")]
    NotFound,
    /// `ENOTDIR`.
    #[error("Not a directory")]
    NotADirectory,
    /// `EISDIR`.
    #[error("Is a directory")]
    IsADirectory,
    /// `EEXIST`.
    #[error("File exists")]
    Exists,
    /// `ENOTEMPTY`.
    #[error("Directory not empty")]
    NotEmpty,
    /// `ELOOP`: more links than the kernel follows in one path.
    #[error("Too many levels of symbolic links")]
    LinkLoop,
    /// `EINVAL`.
    #[error("Invalid argument")]
    Invalid,
    /// `ENAMETOOLONG`.
    #[error("File name too long")]
    NameTooLong,
    /// `EACCES`.
    #[error("Permission denied")]
    PermissionDenied,
    /// `EPERM`.
    #[error("Operation not permitted")]
    NotPermitted,
    /// `EBADF`.
    #[error("Bad file descriptor")]
    BadDescriptor,
    /// `EPIPE`: nobody reads what is written.
    #[error("Broken pipe")]
    BrokenPipe,
    /// `ENODATA`: no extended attribute of this name.
    #[error("No data available")]
    NoData,
}
