//! Recipes: what no package upgrade does by itself, as data (`repair-recipes/*.toml`).
//!
//! In come the tree before the upgrade and the overlay after it; out goes a list of files
//! that the upgrade made stale, each with its recipe and a reason in words. Nothing is
//! changed here: [`StalePath::apply`] does that, when the caller wants it, and the list goes
//! into the report. What is said of libraries, their own rooms do.
//!
//! - [`pattern`][]: paths with names for their parts
//! - [`schema`][]: the files
//! - [`library`][]: what puts problems of a library out of use
//! - [`stale`][]: which files are stale

#![cfg_attr(not(test), warn(clippy::disallowed_methods))]

mod library;
mod pattern;
mod schema;
mod stale;

pub use library::{LibraryRule, Means};
pub use schema::{Recipe, RecipeError};
pub use stale::{StalePath, stale_paths};

/// The recipes that come with imgfix: file names and texts.
const SHIPPED: &[(&str, &str)] = &[
    ("fastjson-safe-mode.toml", include_str!("repair-recipes/fastjson-safe-mode.toml")),
    ("java-class-data.toml", include_str!("repair-recipes/java-class-data.toml")),
    ("log4j-jndi-lookup.toml", include_str!("repair-recipes/log4j-jndi-lookup.toml")),
    ("python-bytecode.toml", include_str!("repair-recipes/python-bytecode.toml")),
];

/// The recipes that come with imgfix.
///
/// # Errors
/// One of them is off the schema (a test sees to it that none is).
pub fn shipped() -> Result<Vec<Recipe>, RecipeError> {
    SHIPPED.iter().map(|(file, text)| Recipe::parse(file, text)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_recipe_of_the_folder_is_shipped_and_keeps_to_the_schema() {
        let folder = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
            .join("repair-recipes");
        let files = std::fs::read_dir(folder).unwrap();
        let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.filter(|name| name.ends_with(".toml")).collect();
        names.sort();
        let shipped_names: Vec<_> = SHIPPED.iter().map(|(name, _)| (*name).to_owned()).collect();
        assert_eq!(names, shipped_names);
        for recipe in shipped().unwrap() {
            assert!(names.contains(&format!("{}.toml", recipe.name)), "{}", recipe.name);
        }
    }
}
