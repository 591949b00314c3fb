//! The targets of notifications, as the policy file names them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use reqwest::header::HeaderName;
use serde::Deserialize;

use super::mail::{Letter, Server, Starttls};
use super::message::unknown_placeholder;

/// Where PagerDuty takes events.
///
/// Source: <https://developer.pagerduty.com/docs/events-api-v2-overview>.
const PAGERDUTY: &str = "https://events.pagerduty.com/v2/enqueue";

/// How many headers one target may have.
const MAX_HEADERS: usize = 32;

/// A `[[notify]]` table as it is written.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Entry {
    kind: EntryKind,
    /// The address, or `url-env`: the variable that has it.
    url: Option<String>,
    url_env: Option<String>,
    /// The variable with the key of the signature, or with PagerDuty's integration key.
    secret_env: Option<String>,
    /// Headers of the request, and the variables that have their values.
    #[serde(default)]
    headers_env: BTreeMap<String, String>,
    /// A webhook's body, with `{image}`, `{repaired}`, ...; default: JSON.
    template: Option<String>,
    path: Option<PathBuf>,
    /// The sender of mail.
    from: Option<String>,
    /// Whom mail is sent to.
    #[serde(default)]
    to: Vec<String>,
    /// Of mail, with placeholders as in a template.
    subject: Option<String>,
    /// The variables with the login at a server of mail.
    username_env: Option<String>,
    password_env: Option<String>,
    /// Whether mail is only sent encrypted.
    starttls: Option<Starttls>,
    #[serde(default)]
    when: When,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum EntryKind {
    Webhook,
    Cloudevents,
    Dingtalk,
    Feishu,
    Wecom,
    Slack,
    Teams,
    Discord,
    Pagerduty,
    Email,
    File,
}

impl EntryKind {
    /// Whether it is a program of anybody's, which may want signatures and headers.
    fn is_program(self) -> bool {
        matches!(self, EntryKind::Webhook | EntryKind::Cloudevents)
    }

    fn takes_secret(self) -> bool {
        self.is_program()
            || matches!(self, EntryKind::Dingtalk | EntryKind::Feishu | EntryKind::Pagerduty)
    }
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

/// A header of a request and the variable that has its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeaderFrom {
    /// In small letters.
    pub name: HeaderName,
    /// The variable.
    pub variable: String,
}

/// How somebody is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A POST to an address.
    Webhook {
        /// Where it goes.
        url: Address,
        /// The variable with the key of the signatures; `None`: it is not signed.
        secret_env: Option<String>,
        /// The body, with placeholders; `None`: the message as JSON.
        template: Option<String>,
        /// Sent with the request.
        headers: Vec<HeaderFrom>,
    },
    /// A POST of a CloudEvent.
    CloudEvents {
        /// Where it goes.
        url: Address,
        /// The variable with the key of the signatures; `None`: it is not signed.
        secret_env: Option<String>,
        /// Sent with the request.
        headers: Vec<HeaderFrom>,
    },
    /// A robot of a DingTalk group.
    DingTalk {
        /// The robot's address.
        url: Address,
        /// The variable with the robot's secret; `None`: it asks for no signature.
        secret_env: Option<String>,
    },
    /// A robot of a Feishu or Lark group.
    Feishu {
        /// The robot's address.
        url: Address,
        /// The variable with the robot's secret; `None`: it asks for no signature.
        secret_env: Option<String>,
    },
    /// A robot of a WeCom group.
    WeCom {
        /// The robot's address.
        url: Address,
    },
    /// An incoming webhook of a Slack channel.
    Slack {
        /// The webhook's address.
        url: Address,
    },
    /// A workflow of a Microsoft Teams channel that takes adaptive cards.
    Teams {
        /// The workflow's address.
        url: Address,
    },
    /// A webhook of a Discord channel.
    Discord {
        /// The webhook's address.
        url: Address,
    },
    /// A service of PagerDuty.
    PagerDuty {
        /// Where events go: PagerDuty's own address unless the file has another.
        url: Address,
        /// The variable with the integration key.
        key_env: String,
    },
    /// A mail.
    Email {
        /// The server.
        url: Address,
        /// Whether it is only told anything encrypted; `None`: unless it is this machine.
        starttls: Option<Starttls>,
        /// The variables with the user's name and password.
        login: Option<(String, String)>,
        /// Who writes to whom.
        letter: Letter,
    },
    /// A file that gets a line of JSON for each notification.
    File {
        /// Absolute.
        path: PathBuf,
    },
}

impl Kind {
    /// What it is called in messages.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Kind::Webhook { .. } => "webhook",
            Kind::CloudEvents { .. } => "receiver of CloudEvents",
            Kind::DingTalk { .. } => "DingTalk robot",
            Kind::Feishu { .. } => "Feishu robot",
            Kind::WeCom { .. } => "WeCom robot",
            Kind::Slack { .. } => "Slack channel",
            Kind::Teams { .. } => "Teams channel",
            Kind::Discord { .. } => "Discord channel",
            Kind::PagerDuty { .. } => "PagerDuty service",
            Kind::Email { .. } => "server of mail",
            Kind::File { .. } => "file",
        }
    }
}

/// Where a request goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// As the policy file writes it.
    Url(String),
    /// The variable that has it: the address of a robot is a secret itself.
    Environment(String),
}

impl Address {
    /// What `url` or `url-env` says; a URL is one that `check` takes.
    fn of(
        url: Option<String>,
        variable: Option<String>,
        check: impl FnOnce(&str) -> Result<(), String>,
    ) -> Result<Self, String> {
        match (url, variable) {
            (Some(url), None) => check(&url).map(|()| Self::Url(url)),
            (None, Some(name)) => Ok(Self::Environment(name)),
            (Some(_), Some(_)) => Err("url and url-env: give one of them".to_owned()),
            (None, None) => Err("a url or url-env is missing".to_owned()),
        }
    }
}

impl Entry {
    /// Checks that what the kind needs is there and nothing else is. Paths count from `folder`.
    ///
    /// # Errors
    /// What is missing or too much, as a sentence.
    pub fn check(self, folder: &Path) -> Result<Target, String> {
        if self.kind == EntryKind::Email {
            return self.check_mail();
        }
        let of_mail = self.from.is_some() || !self.to.is_empty() || self.subject.is_some();
        let of_login = self.username_env.is_some() || self.password_env.is_some();
        if of_mail || of_login || self.starttls.is_some() {
            return Err("only kind = \"email\" has from, to, subject, username-env, password-env \
                        and starttls"
                .to_owned());
        }
        let Entry { kind, url, url_env, secret_env, headers_env, template, path, when, .. } = self;
        let url = match (kind, &url, &url_env) {
            (EntryKind::Pagerduty, None, None) => Some(PAGERDUTY.to_owned()),
            _ => url,
        };
        let address = match (kind, url, url_env) {
            (EntryKind::File, None, None) => None,
            (EntryKind::File, ..) => return Err("a file has a path, not a url".to_owned()),
            (_, url, url_env) => Some(Address::of(url, url_env, |url| {
                let http = url.starts_with("https://") || url.starts_with("http://");
                match http && url::Url::parse(url).is_ok() {
                    true => Ok(()),
                    false => Err("url is not an http:// or https:// address".to_owned()),
                }
            })?),
        };
        if path.is_some() && kind != EntryKind::File {
            return Err("only kind = \"file\" has a path".to_owned());
        }
        if template.is_some() && kind != EntryKind::Webhook {
            return Err("only kind = \"webhook\" has a template".to_owned());
        }
        if let Some(name) = template.as_deref().and_then(unknown_placeholder) {
            return Err(format!("the template has {{{name}}}, which stands for nothing"));
        }
        if secret_env.is_some() && !kind.takes_secret() {
            return Err("only webhook, cloudevents, dingtalk, feishu and pagerduty have a \
                        secret-env"
                .to_owned());
        }
        if !headers_env.is_empty() && !kind.is_program() {
            return Err("only webhook and cloudevents have headers-env".to_owned());
        }
        let headers = checked_headers(headers_env)?;
        let kind = match (kind, address, path) {
            (EntryKind::File, _, Some(path)) => Kind::File { path: folder.join(path) },
            (EntryKind::File, _, None) => return Err("a path is missing".to_owned()),
            (_, None, _) => return Err("a url or url-env is missing".to_owned()),
            (EntryKind::Email, ..) => return Err("email is checked by itself".to_owned()),
            (EntryKind::Webhook, Some(url), _) => {
                Kind::Webhook { url, secret_env, template, headers }
            }
            (EntryKind::Cloudevents, Some(url), _) => {
                Kind::CloudEvents { url, secret_env, headers }
            }
            (EntryKind::Dingtalk, Some(url), _) => Kind::DingTalk { url, secret_env },
            (EntryKind::Feishu, Some(url), _) => Kind::Feishu { url, secret_env },
            (EntryKind::Wecom, Some(url), _) => Kind::WeCom { url },
            (EntryKind::Slack, Some(url), _) => Kind::Slack { url },
            (EntryKind::Teams, Some(url), _) => Kind::Teams { url },
            (EntryKind::Discord, Some(url), _) => Kind::Discord { url },
            (EntryKind::Pagerduty, Some(url), _) => match secret_env {
                Some(key_env) => Kind::PagerDuty { url, key_env },
                None => {
                    return Err("pagerduty needs secret-env, the variable with the integration \
                                key"
                    .to_owned());
                }
            },
        };
        Ok(Target { kind, when })
    }

    /// Checks what mail needs.
    fn check_mail(self) -> Result<Target, String> {
        let Entry { kind: _, url, url_env, secret_env, headers_env, template, path, when, .. } =
            self;
        let (from, to, subject) = (self.from, self.to, self.subject);
        let starttls = self.starttls;
        let others = secret_env.is_some() || template.is_some() || path.is_some();
        if others || !headers_env.is_empty() {
            return Err("email has no secret-env, headers-env, template and path; its keys are \
                        url or url-env, from, to, subject, username-env, password-env, starttls \
                        and when"
                .to_owned());
        }
        let login = match (self.username_env, self.password_env) {
            (Some(user), Some(password)) => Some((user, password)),
            (None, None) => None,
            _ => return Err("username-env and password-env: give both".to_owned()),
        };
        let url = Address::of(url, url_env, |url| {
            Server::parse(url, starttls, login.is_some()).map(drop)
        })?;
        if let Some(name) = subject.as_deref().and_then(unknown_placeholder) {
            return Err(format!("the subject has {{{name}}}, which stands for nothing"));
        }
        let letter = Letter::of(from.as_deref(), &to, subject)?;
        let kind = Kind::Email { url, starttls, login, letter };
        Ok(Target { kind, when })
    }
}

/// Headers that are a receiver's own; those of the message itself are not.
fn checked_headers(headers: BTreeMap<String, String>) -> Result<Vec<HeaderFrom>, String> {
    const OWN: [&str; 5] =
        ["content-type", "content-length", "transfer-encoding", "host", "connection"];
    if headers.len() > MAX_HEADERS {
        return Err(format!("headers-env has more than {MAX_HEADERS} headers"));
    }
    let checked = headers.into_iter().map(|(name, variable)| {
        let Ok(known) = HeaderName::from_bytes(name.as_bytes()) else {
            return Err(format!("{name:?} is no name of a header"));
        };
        if OWN.contains(&known.as_str()) || known.as_str().starts_with("x-imgfix-") {
            return Err(format!("{known} is a header that imgfix sets itself"));
        }
        if variable.trim().is_empty() {
            return Err(format!("the header {known} wants the name of a variable"));
        }
        Ok(HeaderFrom { name: known, variable })
    });
    checked.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Result<Target, String> {
        toml::from_str::<Entry>(text).unwrap().check(Path::new("/p"))
    }

    #[test]
    fn every_kind_wants_what_it_needs_and_nothing_else() {
        for kind in ["webhook", "cloudevents", "dingtalk", "feishu", "wecom", "slack", "teams"] {
            assert!(check(&format!("kind = '{kind}'\nurl = 'https://h/x'")).is_ok(), "{kind}");
            let none = check(&format!("kind = '{kind}'")).unwrap_err();
            assert_eq!(none, "a url or url-env is missing");
        }
        let pagerduty = check("kind = 'pagerduty'\nsecret-env = 'KEY'").unwrap();
        let url = Address::Url(PAGERDUTY.to_owned());
        assert_eq!(pagerduty.kind, Kind::PagerDuty { url, key_env: "KEY".to_owned() });
        for (text, want) in [
            ("kind = 'pagerduty'", "pagerduty needs secret-env"),
            ("kind = 'teams'\nurl = 'ftp://u:s3cret@h'", "url is not an http:// or"),
            ("kind = 'discord'\nurl-env = 'U'\nsecret-env = 'S'", "only webhook, cloudevents,"),
            ("kind = 'slack'\nurl-env = 'U'\nheaders-env = {a = 'B'}", "only webhook and cloudev"),
            ("kind = 'teams'\nurl-env = 'U'\ntemplate = 'x'", "only kind = \"webhook\" has a"),
            ("kind = 'webhook'\nurl-env = 'U'\ntemplate = '{imagee}'", "the template has {imagee}"),
            ("kind = 'webhook'\nurl-env = 'U'\nheaders-env = {'a b' = 'B'}", "\"a b\" is no name"),
            (
                "kind = 'webhook'\nurl-env = 'U'\nheaders-env = {Host = 'B'}",
                "host is a header that",
            ),
            (
                "kind = 'webhook'\nurl-env = 'U'\nheaders-env = {X-Imgfix-Timestamp = 'B'}",
                "x-imgfix-timestamp is a header that",
            ),
        ] {
            let why = check(text).unwrap_err();
            assert!(why.starts_with(want), "{text}: {why}");
            assert!(!why.contains("s3cret"), "{why}");
        }
        let mail = "kind = 'email'\nurl = 'smtp://mail.example'\nfrom = 'ci@a.example'\n\
                    to = ['team@a.example']\n";
        let checked = check(mail).unwrap();
        let Kind::Email { starttls: None, login: None, letter, .. } = checked.kind else {
            panic!("{checked:?}")
        };
        assert_eq!((letter.to.len(), letter.subject), (1, None));
        for (more, want) in [
            ("subject = '{fixedd}'", "the subject has {fixedd}, which"),
            ("username-env = 'U'", "username-env and password-env: give both"),
            ("url-env = 'U'", "url and url-env: give one"),
            ("template = 'x'", "email has no secret-env,"),
            ("starttls = 'never'\nusername-env = 'U'\npassword-env = 'P'", "starttls = \"never\""),
        ] {
            let why = check(&format!("{mail}{more}")).unwrap_err();
            assert!(why.starts_with(want), "{more}: {why}");
        }
        let why = check("kind = 'email'\nfrom = 'ci@a.example'\nto = ['b@a.example']").unwrap_err();
        assert_eq!(why, "a url or url-env is missing");
        let why = check("kind = 'slack'\nurl-env = 'U'\nto = ['a@b.example']").unwrap_err();
        assert!(why.starts_with("only kind = \"email\" has"), "{why}");
        let known = "kind = 'webhook'\nurl-env = 'U'\n\
                     template = '{\"a\": \"{image} {packages} {link}\", \"b\": {}, \"c\": {fixed}}'";
        assert!(check(known).is_ok());
    }
}
