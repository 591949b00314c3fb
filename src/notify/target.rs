//! The targets of notifications, as the policy file names them.

use std::path::{Path, PathBuf};

use serde::Deserialize;

/// A `[[notify]]` table as it is written.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Entry {
    kind: EntryKind,
    /// The address, or `url-env`: the variable that has it.
    url: Option<String>,
    url_env: Option<String>,
    /// The variable with the key of the signature.
    secret_env: Option<String>,
    /// A webhook's body, with `{image}`, `{repaired}`, ...; default: JSON.
    template: Option<String>,
    path: Option<PathBuf>,
    #[serde(default)]
    when: When,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum EntryKind {
    Webhook,
    Dingtalk,
    Slack,
    File,
}

/// When somebody is told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum When {
    /// After every run.
    #[default]
    Always,
    /// Findings remain, or the repair failed.
    Remaining,
    /// The repair failed.
    Failed,
}

/// A checked target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// How somebody is told, and where.
    pub kind: Kind,
    /// When somebody is told.
    pub when: When,
}

/// How somebody is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A POST to an address.
    Webhook {
        /// Where it goes.
        url: Address,
        /// The variable with the key of `X-Imgfix-Signature`; `None`: it is not signed.
        secret_env: Option<String>,
        /// The body, with placeholders; `None`: the message as JSON.
        template: Option<String>,
    },
    /// A robot of a DingTalk group.
    DingTalk {
        /// The robot's address.
        url: Address,
        /// The variable with the robot's secret; `None`: it asks for no signature.
        secret_env: Option<String>,
    },
    /// An incoming webhook of a Slack channel.
    Slack {
        /// The webhook's address.
        url: Address,
    },
    /// A file that gets a line of JSON for each notification.
    File {
        /// Absolute.
        path: PathBuf,
    },
}

/// Where a request goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// As the policy file writes it.
    Url(String),
    /// The variable that has it: the address of a robot is a secret itself.
    Environment(String),
}

impl Entry {
    /// Checks that what the kind needs is there and nothing else is. Paths count from `folder`.
    ///
    /// # Errors
    /// What is missing or too much, as a sentence.
    pub fn check(self, folder: &Path) -> Result<Target, String> {
        let Entry { kind, url, url_env, secret_env, template, path, when } = self;
        let address = match (kind, url, url_env) {
            (EntryKind::File, None, None) => None,
            (EntryKind::File, ..) => return Err("a file has a path, not a url".to_owned()),
            (_, Some(url), None) => {
                let http = url.starts_with("https://") || url.starts_with("http://");
                if !http || url::Url::parse(&url).is_err() {
                    return Err(format!("{url:?} is not an http:// or https:// address"));
                }
                Some(Address::Url(url))
            }
            (_, None, Some(name)) => Some(Address::Environment(name)),
            (_, Some(_), Some(_)) => return Err("url and url-env: give one of them".to_owned()),
            (_, None, None) => return Err("a url or url-env is missing".to_owned()),
        };
        if path.is_some() && kind != EntryKind::File {
            return Err("only kind = \"file\" has a path".to_owned());
        }
        if template.is_some() && kind != EntryKind::Webhook {
            return Err("only kind = \"webhook\" has a template".to_owned());
        }
        if secret_env.is_some() && !matches!(kind, EntryKind::Webhook | EntryKind::Dingtalk) {
            return Err("only webhook and dingtalk have a secret-env".to_owned());
        }
        let kind = match (kind, address, path) {
            (EntryKind::Webhook, Some(url), _) => Kind::Webhook { url, secret_env, template },
            (EntryKind::Dingtalk, Some(url), _) => Kind::DingTalk { url, secret_env },
            (EntryKind::Slack, Some(url), _) => Kind::Slack { url },
            (EntryKind::File, _, Some(path)) => Kind::File { path: folder.join(path) },
            (EntryKind::File, _, None) => return Err("a path is missing".to_owned()),
            (_, None, _) => return Err("a url or url-env is missing".to_owned()),
        };
        Ok(Target { kind, when })
    }
}
