//! Debian and Ubuntu: dpkg databases, .deb archives, apt repositories.

pub mod control;
