//! What several end-to-end tests need: registries, servers that misbehave, small images.
//! Each test binary uses a part of it.
#![allow(dead_code, clippy::expect_used, clippy::unwrap_used)]

pub mod apk;
pub mod apk_samples;
pub mod cli;
pub mod debian;
pub mod hostile;
pub mod images;
pub mod java;
pub mod libraries;
pub mod node;
pub mod outcome;
pub mod processes;
pub mod python;
pub mod registry;
pub mod relay;
pub mod rpm;
pub mod rpm_repository;
pub mod signed;
pub mod tokens;
