//! Adapter over the solver crate.
