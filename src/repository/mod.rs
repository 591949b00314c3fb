//! To be written.
pub mod signature;
