//! Whose fault an error is: this machine's, whose disk or network failed, or that of what was
//! read. The first ends a run; the second only bars what was read.

use std::error::Error;
use std::io;

/// Whether an error comes from a system call of this machine that failed, anywhere among its
/// causes. What is wrong in a stranger's bytes never does.
#[must_use]
pub fn is_of_this_machine(error: &(dyn Error + 'static)) -> bool {
    if let Some(error) = error.downcast_ref::<io::Error>() {
        let inner = error.get_ref().map(|inner| inner as &(dyn Error + 'static));
        if error.raw_os_error().is_some() || inner.is_some_and(is_of_this_machine) {
            return true;
        }
    }
    error.source().is_some_and(is_of_this_machine)
}

#[cfg(test)]
mod tests {
    use super::super::{RootfsError, SpoolFull};
    use super::*;
    use imgfix_model::path::ImagePath;

    #[test]
    fn errors_of_the_system_are_found_behind_others() {
        let broken = || io::Error::from_raw_os_error(5);
        let read = |source| RootfsError::Io { what: "/x".into(), source };
        assert!(is_of_this_machine(&broken()));
        assert!(is_of_this_machine(&read(broken())));
        assert!(is_of_this_machine(&io::Error::other(read(io::Error::other(broken())))));
        assert!(!is_of_this_machine(&io::Error::from(io::ErrorKind::UnexpectedEof)));
        assert!(!is_of_this_machine(&read(io::Error::other("damaged"))));
        assert!(!is_of_this_machine(&io::Error::other(SpoolFull { limit: 1 })));
        assert!(!is_of_this_machine(&RootfsError::NotFound(ImagePath::root())));
    }
}
