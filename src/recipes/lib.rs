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
//! - [`baseline`][]: risks of configuration, how they are checked and repaired
//! - [`stale`][]: which files are stale

#![cfg_attr(not(test), warn(clippy::disallowed_methods))]

pub mod baseline;
mod library;
mod pattern;
mod schema;
mod stale;

use baseline::BaselineRule;
pub use library::{LibraryRule, Means};
pub use pattern::Pattern;
pub use schema::{Recipe, RecipeError};
pub use stale::{StalePath, stale_paths};

/// What comes with imgfix for upgrades and libraries: file names and texts.
const SHIPPED: &[(&str, &str)] = &[
    ("fastjson-safe-mode.toml", include_str!("repair-recipes/fastjson-safe-mode.toml")),
    ("java-class-data.toml", include_str!("repair-recipes/java-class-data.toml")),
    ("log4j-jndi-lookup.toml", include_str!("repair-recipes/log4j-jndi-lookup.toml")),
    ("python-bytecode.toml", include_str!("repair-recipes/python-bytecode.toml")),
];

/// What comes with imgfix for risks of configuration. Apart, because there are many, and an upgrade
/// asks for none of them.
const SHIPPED_RULES: &[(&str, &str)] = &[
    ("account-empty-password.toml", include_str!("repair-recipes/account-empty-password.toml")),
    ("account-same-hash.toml", include_str!("repair-recipes/account-same-hash.toml")),
    ("account-same-number.toml", include_str!("repair-recipes/account-same-number.toml")),
    ("account-second-root.toml", include_str!("repair-recipes/account-second-root.toml")),
    ("account-weak-hash.toml", include_str!("repair-recipes/account-weak-hash.toml")),
    ("apache-server-signature.toml", include_str!("repair-recipes/apache-server-signature.toml")),
    ("apache-server-tokens.toml", include_str!("repair-recipes/apache-server-tokens.toml")),
    ("apache-trace-enable.toml", include_str!("repair-recipes/apache-trace-enable.toml")),
    ("exposes-ssh.toml", include_str!("repair-recipes/exposes-ssh.toml")),
    ("hadoop-authentication.toml", include_str!("repair-recipes/hadoop-authentication.toml")),
    ("hadoop-authorization.toml", include_str!("repair-recipes/hadoop-authorization.toml")),
    (
        "login-defs-encrypt-method.toml",
        include_str!("repair-recipes/login-defs-encrypt-method.toml"),
    ),
    ("memcached-listen.toml", include_str!("repair-recipes/memcached-listen.toml")),
    ("memcached-udp.toml", include_str!("repair-recipes/memcached-udp.toml")),
    ("mode-authorized-keys.toml", include_str!("repair-recipes/mode-authorized-keys.toml")),
    ("mode-crontab.toml", include_str!("repair-recipes/mode-crontab.toml")),
    ("mode-group.toml", include_str!("repair-recipes/mode-group.toml")),
    ("mode-gshadow.toml", include_str!("repair-recipes/mode-gshadow.toml")),
    ("mode-ld-so-preload.toml", include_str!("repair-recipes/mode-ld-so-preload.toml")),
    ("mode-passwd.toml", include_str!("repair-recipes/mode-passwd.toml")),
    ("mode-shadow.toml", include_str!("repair-recipes/mode-shadow.toml")),
    ("mode-ssh-host-keys.toml", include_str!("repair-recipes/mode-ssh-host-keys.toml")),
    ("mode-sshd-config.toml", include_str!("repair-recipes/mode-sshd-config.toml")),
    ("mode-sudoers.toml", include_str!("repair-recipes/mode-sudoers.toml")),
    ("mongod-authorization.toml", include_str!("repair-recipes/mongod-authorization.toml")),
    ("mongod-bind-ip.toml", include_str!("repair-recipes/mongod-bind-ip.toml")),
    ("mysql-bind-address.toml", include_str!("repair-recipes/mysql-bind-address.toml")),
    ("mysql-local-infile.toml", include_str!("repair-recipes/mysql-local-infile.toml")),
    ("mysql-skip-grant-tables.toml", include_str!("repair-recipes/mysql-skip-grant-tables.toml")),
    ("nginx-server-tokens.toml", include_str!("repair-recipes/nginx-server-tokens.toml")),
    ("no-healthcheck.toml", include_str!("repair-recipes/no-healthcheck.toml")),
    ("no-owner.toml", include_str!("repair-recipes/no-owner.toml")),
    (
        "postgresql-password-encryption.toml",
        include_str!("repair-recipes/postgresql-password-encryption.toml"),
    ),
    ("redis-bind.toml", include_str!("repair-recipes/redis-bind.toml")),
    (
        "redis-enable-debug-command.toml",
        include_str!("repair-recipes/redis-enable-debug-command.toml"),
    ),
    (
        "redis-enable-module-command.toml",
        include_str!("repair-recipes/redis-enable-module-command.toml"),
    ),
    ("redis-protected-mode.toml", include_str!("repair-recipes/redis-protected-mode.toml")),
    ("runs-as-root.toml", include_str!("repair-recipes/runs-as-root.toml")),
    ("set-id-programs.toml", include_str!("repair-recipes/set-id-programs.toml")),
    (
        "sshd-hostbased-authentication.toml",
        include_str!("repair-recipes/sshd-hostbased-authentication.toml"),
    ),
    ("sshd-ignore-rhosts.toml", include_str!("repair-recipes/sshd-ignore-rhosts.toml")),
    ("sshd-log-level.toml", include_str!("repair-recipes/sshd-log-level.toml")),
    ("sshd-max-auth-tries.toml", include_str!("repair-recipes/sshd-max-auth-tries.toml")),
    (
        "sshd-password-authentication.toml",
        include_str!("repair-recipes/sshd-password-authentication.toml"),
    ),
    (
        "sshd-permit-empty-passwords.toml",
        include_str!("repair-recipes/sshd-permit-empty-passwords.toml"),
    ),
    ("sshd-permit-root-login.toml", include_str!("repair-recipes/sshd-permit-root-login.toml")),
    (
        "sshd-permit-user-environment.toml",
        include_str!("repair-recipes/sshd-permit-user-environment.toml"),
    ),
    ("sshd-strict-modes.toml", include_str!("repair-recipes/sshd-strict-modes.toml")),
    ("sshd-x11-forwarding.toml", include_str!("repair-recipes/sshd-x11-forwarding.toml")),
    ("sudoers-nopasswd.toml", include_str!("repair-recipes/sudoers-nopasswd.toml")),
    ("tomcat-ajp.toml", include_str!("repair-recipes/tomcat-ajp.toml")),
    ("tomcat-shutdown.toml", include_str!("repair-recipes/tomcat-shutdown.toml")),
    ("trusted-hosts.toml", include_str!("repair-recipes/trusted-hosts.toml")),
    (
        "world-writable-application.toml",
        include_str!("repair-recipes/world-writable-application.toml"),
    ),
    ("world-writable-system.toml", include_str!("repair-recipes/world-writable-system.toml")),
];

/// The recipes for upgrades and libraries that come with imgfix.
///
/// # Errors
/// One of them is off the schema (a test sees to it that none is).
pub fn shipped() -> Result<Vec<Recipe>, RecipeError> {
    SHIPPED.iter().map(|(file, text)| Recipe::parse(file, text)).collect()
}

/// The rules about configurations that come with imgfix.
///
/// # Errors
/// As [`shipped`].
pub fn shipped_rules() -> Result<Vec<BaselineRule>, RecipeError> {
    let recipes = SHIPPED_RULES.iter().map(|(file, text)| Recipe::parse(file, text));
    recipes.filter_map(|recipe| recipe.map(|recipe| recipe.baseline).transpose()).collect()
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
        let all = SHIPPED.iter().chain(SHIPPED_RULES);
        let mut shipped_names: Vec<_> = all.map(|(name, _)| (*name).to_owned()).collect();
        shipped_names.sort();
        assert_eq!(names, shipped_names);
        let rules = shipped_rules().unwrap();
        assert_eq!(rules.len(), SHIPPED_RULES.len(), "another kind of recipe is among the rules");
        let recipes = shipped().unwrap().into_iter().map(|recipe| recipe.name);
        for name in recipes.chain(rules.into_iter().map(|rule| rule.recipe)) {
            assert!(names.contains(&format!("{name}.toml")), "{name}");
        }
    }
}
