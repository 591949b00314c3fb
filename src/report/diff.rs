//! Differences between two images.
