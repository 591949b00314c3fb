//! What is installed, for people and for other tools: renderers of
//! [`crate::packages::Inventory`].
