//! The formats, by the program that reads them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::grammar::Grammar;

macro_rules! formats {
    ($($(#[$doc:meta])* $name:ident = $text:literal => $grammar:expr;)*) => {
        /// How a program reads its settings. By name in kebab-case; what a key is, is said at each.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum Format {
            $($(#[$doc])* #[serde(rename = $text)] $name,)*
        }

        impl Format {
            /// All of them.
            pub const ALL: &[Format] = &[$(Format::$name,)*];

            /// Its name, as recipes write it.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Format::$name => $text,)* }
            }

            pub(crate) fn grammar(self) -> &'static dyn Grammar {
                match self { $(Format::$name => &$grammar,)* }
            }
        }
    };
}

formats! {
    /// OpenSSH's server: `PermitRootLogin` (sshd_config(5)).
    Sshd = "sshd" => crate::sshd::Sshd;
    /// Redis and Valkey: `protected-mode`; `rename-command CONFIG`, `user default`.
    Redis = "redis" => crate::redis::Redis;
    /// my.cnf of MariaDB and MySQL: `mysqld.skip-grant-tables`.
    Mysql = "mysql" => crate::mysql::Mysql;
    /// postgresql.conf: `ssl`.
    Postgresql = "postgresql" => crate::postgresql::Postgresql;
    /// PostgreSQL's pg_hba.conf: `TYPE DATABASE USER ADDRESS`, `* METHOD=trust`.
    PgHba = "pg-hba" => crate::pg_hba::PgHba;
    /// mongod.conf: `security.authorization`, in its old form, too.
    Mongod = "mongod" => crate::mongod::Mongod;
    /// nginx: `http.server_tokens`, `server_tokens`.
    Nginx = "nginx" => crate::nginx::Nginx;
    /// Apache httpd: `ServerTokens`, `Directory[/var/www/].Options`.
    Apache = "apache" => crate::apache::Apache;
    /// Tomcat's server.xml: `Server@shutdown`, `Connector[protocol=AJP/1.3]`.
    TomcatServer = "tomcat-server" => crate::tomcat::TomcatServer;
    /// Tomcat's tomcat-users.xml: `user[NAME]`, `user[NAME]@roles`.
    TomcatUsers = "tomcat-users" => crate::tomcat::TomcatUsers;
    /// Hadoop's *-site.xml: a property's name.
    Hadoop = "hadoop" => crate::hadoop::Hadoop;
    /// Debian's memcached.conf: `-l`.
    Memcached = "memcached" => crate::flat::Memcached;
    /// Java's properties.
    Properties = "properties" => crate::properties::Properties;
    /// Sections in brackets: `section.key`.
    Ini = "ini" => crate::ini::Ini;
    /// JSON by dotted key: `log-opts.max-size`.
    Json = "json" => crate::json::Json;
    /// YAML by dotted key.
    Yaml = "yaml" => crate::yaml::Yaml;
    /// sysctl.conf(5): `net.ipv4.ip_forward`.
    Sysctl = "sysctl" => crate::flat::Sysctl;
    /// login.defs(5): `PASS_MAX_DAYS`.
    LoginDefs = "login-defs" => crate::flat::LoginDefs;
    /// sudoers(5): `NOPASSWD`, `NOPASSWD[users]`.
    Sudoers = "sudoers" => crate::sudoers::Sudoers;
    /// What a shell reads, as /etc/default/*: `NAME`.
    ShellVariables = "shell-variables" => crate::shell_variables::ShellVariables;
}

/// A name that is no format's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no format of settings; there are {names}", names = names())]
pub struct UnknownFormat(String);

fn names() -> String {
    Format::ALL.iter().map(|format| format.name()).collect::<Vec<_>>().join(", ")
}

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(text: &str) -> Result<Self, UnknownFormat> {
        let found = Format::ALL.iter().find(|format| format.name() == text);
        found.copied().ok_or_else(|| UnknownFormat(text.chars().take(64).collect()))
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
