//! The solver behind package managers: which versions go together with the fewest changes, why
//! something cannot be, and in which order it is done. It knows versions as numbers only.

#![cfg_attr(not(test), warn(clippy::disallowed_methods))]

pub mod effort;
pub mod order;
pub mod pool;
mod reachable;
pub mod rules;
pub mod solver;
