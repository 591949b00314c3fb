//! Why a request to a registry failed, whether it may pass, and what to tell the user.
//!
//! Nothing a server sent is shown but the first line of the specification's error messages,
//! and no URL is: both may carry tokens.

use std::error::Error;
use std::time::Duration;

use url::Url;

use super::credentials::{Credentials, Login};
use crate::ImageError;
use imgfix_host::http::{self, Retry};
use imgfix_host::pace::TooSlow;

/// A failed request.
#[derive(Debug)]
pub(super) struct Failure {
    pub kind: Kind,
    /// The server's `Retry-After`.
    pub retry_after: Option<Duration>,
}

#[derive(Debug)]
pub(super) enum Kind {
    /// The server answered with an error.
    Status { code: u16, message: Option<String> },
    /// The TLS certificate is not trusted.
    Certificate(String),
    /// The server does not speak TLS.
    NotTls,
    /// No connection, or it was lost.
    Connection(String),
    /// It takes longer than it may: it would the next time.
    Slow(TooSlow),
    /// The server does what the specification forbids.
    Protocol(String),
    /// The server is reached by https and leads to http.
    Unencrypted(Unencrypted),
    /// What was to be sent could not be read.
    Content(ImageError),
}

impl From<Kind> for Failure {
    fn from(kind: Kind) -> Self {
        Self { kind, retry_after: None }
    }
}

/// An address without encryption that a server names although it is reached by https. A path
/// is not kept: it may carry a token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("it leads to {address} for {what}")]
pub(super) struct Unencrypted {
    address: String,
    what: &'static str,
}

impl Unencrypted {
    /// Whether `next` is one, when the server was reached `encrypted`. `what` goes there.
    pub(super) fn of(encrypted: bool, next: &Url, what: &'static str) -> Option<Self> {
        let host = next.host_str().unwrap_or_default();
        let port = next.port().map(|port| format!(":{port}")).unwrap_or_default();
        let address = format!("{}://{host}{port}", next.scheme());
        http::loses_encryption(encrypted, next).then_some(Self { address, what })
    }
}

impl Failure {
    pub(super) fn status(code: u16) -> Self {
        Kind::Status { code, message: None }.into()
    }

    pub(super) fn protocol(why: impl Into<String>) -> Self {
        Kind::Protocol(why.into()).into()
    }

    pub(super) fn code(&self) -> Option<u16> {
        match self.kind {
            Kind::Status { code, .. } => Some(code),
            _ => None,
        }
    }

    /// Whether the same request may succeed later.
    pub(super) fn may_pass(&self) -> bool {
        match &self.kind {
            Kind::Status { code, .. } => http::may_pass(*code),
            Kind::Connection(_) => true,
            Kind::Certificate(_)
            | Kind::NotTls
            | Kind::Slow(_)
            | Kind::Protocol(_)
            | Kind::Unencrypted(_)
            | Kind::Content(_) => false,
        }
    }
}

impl Failure {
    /// How long to wait after the `attempt`th failure (from 0); `None`: give up.
    pub(super) fn wait(&self, retry: &Retry, attempt: u32) -> Option<Duration> {
        if self.may_pass() { retry.wait(attempt, self.retry_after) } else { None }
    }
}

impl From<reqwest::Error> for Failure {
    fn from(error: reqwest::Error) -> Self {
        if let Some(status) = error.status() {
            return Self::status(status.as_u16());
        }
        let unencrypted = causes(&error).find_map(|cause| cause.downcast_ref::<Unencrypted>());
        if let Some(found) = unencrypted {
            return Kind::Unencrypted(found.clone()).into();
        }
        if error.is_builder() {
            return Self::protocol(root_cause(&error));
        }
        if causes(&error).any(|cause| cause.to_string().contains("InvalidContentType")) {
            return Kind::NotTls.into();
        }
        let why = root_cause(&error);
        if why.contains("certificate") || why.contains("UnknownIssuer") {
            return Kind::Certificate(why).into();
        }
        if error.is_timeout() {
            return Kind::Connection("it does not answer".into()).into();
        }
        Kind::Connection(why).into()
    }
}

impl From<TooSlow> for Failure {
    fn from(slow: TooSlow) -> Self {
        Kind::Slow(slow).into()
    }
}

/// The message of an error body as the specification has it.
pub(super) fn specified_message(body: &[u8]) -> Option<String> {
    let body: serde_json::Value = imgfix_json::read(body).ok()?;
    first_line(body.pointer("/errors/0/message")?.as_str()?)
}

fn first_line(text: &str) -> Option<String> {
    let line: String = text.lines().next()?.chars().filter(|c| !c.is_control()).take(200).collect();
    (!line.is_empty()).then_some(line)
}

/// The error and what is behind it, outermost first.
fn causes<'e>(error: &'e (dyn Error + 'static)) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    let mut next = Some(error);
    std::iter::from_fn(move || {
        let error = next?;
        next = error.source();
        Some(error)
    })
}

/// The innermost error: the outer ones say "error sending request" and the URL.
fn root_cause(error: &(dyn Error + 'static)) -> String {
    let text = http::cause(error).and_then(|text| first_line(&text));
    text.unwrap_or_else(|| "the connection failed".into())
}

/// What was tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Access {
    Read,
    Write,
    Delete,
}

/// The error a user reads.
pub(super) fn explain(
    failure: Failure,
    place: &str,
    host: &str,
    access: Access,
    credentials: &Credentials,
    attempts: u32,
) -> ImageError {
    let times = match attempts {
        0 | 1 => String::new(),
        n => format!(" {n} times"),
    };
    let why = match failure.kind {
        Kind::Content(error) => return error,
        Kind::Status { code: 404, message } if access == Access::Read => {
            let said = message.map(|text| format!(" ({text})")).unwrap_or_default();
            let hint = format!("{said}; check its name and tag");
            return ImageError::NotFound { place: place.to_owned(), hint };
        }
        Kind::Status { code, message } => {
            let said = message.map(|text| format!(": {text}")).unwrap_or_default();
            let way_out = way_out(code, host, access, credentials);
            match access == Access::Write && is_about_a_fixed_tag(code, &said) {
                true => {
                    let way_out = "the tag is there and may not be moved; name another with -o \
                                   or --tag-suffix";
                    format!("{host} answered HTTP {code}{said}; {way_out}")
                }
                false => format!("{host} answered HTTP {code}{times}{said}; {way_out}"),
            }
        }
        Kind::Certificate(why) => format!(
            "the certificate of {host} is not trusted: {why}; name its authority with --ca-file"
        ),
        Kind::NotTls => {
            format!("{host} does not speak TLS; allow plain HTTP with --plain-http")
        }
        Kind::Connection(why) => {
            format!("{host} cannot be reached{times}: {why}; check the host and the network")
        }
        Kind::Slow(why) => format!("{host}: {why}"),
        Kind::Protocol(why) => format!("{host} does not follow the registry protocol: {why}"),
        Kind::Unencrypted(Unencrypted { address, what }) => format!(
            "{host} is reached by https, but leads to {address} for {what}, which is not \
             encrypted; its operator has to tell it that it is reached by https \
             (docker-registry: http.host, or X-Forwarded-Proto from the proxy before it)"
        ),
    };
    ImageError::Registry { place: place.to_owned(), why }
}

/// Whether a refusal is about a tag that may be set once only. Harbor answers 412, the others
/// have words of their own.
fn is_about_a_fixed_tag(code: u16, message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    code == 412 || FIXED_TAG.iter().any(|words| message.contains(words))
}

/// What registries say of such tags: Harbor, Amazon ECR, Google Artifact Registry and Docker
/// Hub; Nexus; Azure (a locked tag); GitLab (a protected one).
const FIXED_TAG: [&str; 7] = [
    "immutable",
    "immutability",
    "cannot be overwritten",
    "does not allow updating asset",
    "operation is disallowed on this registry, repository or image",
    "tag is protected",
    "protected tag",
];

fn way_out(code: u16, host: &str, access: Access, credentials: &Credentials) -> String {
    let login = match host {
        "docker.io" | "index.docker.io" => "docker login".to_owned(),
        host => format!("docker login {host}"),
    };
    match (code, &credentials.login, &credentials.from) {
        (401, Login::Anonymous, _) => {
            let note = credentials.note.as_ref().map(|note| format!(" ({note})"));
            format!(
                "run '{login}' or set REGISTRY_AUTH_FILE{}, and check the image's name",
                note.unwrap_or_default()
            )
        }
        (401, _, Some(from)) => {
            format!("it refuses the credentials in {}; run '{login}' again", from.display())
        }
        (401, _, None) => format!("run '{login}' again"),
        (403, Login::Anonymous, _) => format!("it wants a login; run '{login}'"),
        (403, ..) => {
            let access = match access {
                Access::Read => "read",
                Access::Write => "write",
                Access::Delete => "delete from",
            };
            format!("the account may not {access} this repository; ask its owner")
        }
        // the answers that registries without deletion give
        (404 | 405, ..) if access == Access::Delete => {
            "it does not let tags be deleted; delete it with the registry's own tools, or allow \
             it in its configuration"
                .to_owned()
        }
        (404, ..) => "the repository is not there; create it first".to_owned(),
        (413, ..) => "it does not take blobs of this size; ask its operator".to_owned(),
        (429, ..) => format!("wait, or run '{login}': accounts have higher limits"),
        (500.., ..) => "it is its own failure; try again later".to_owned(),
        _ => "check the image's name".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credentials(login: Login) -> Credentials {
        let from = (login != Login::Anonymous).then(|| "/home/a/.docker/config.json".into());
        Credentials { login, from, note: None }
    }

    #[test]
    fn only_what_may_pass_is_waited_for() {
        let retry = Retry::new(3, Duration::from_secs(1));
        assert_eq!(Failure::status(503).wait(&retry, 1), Some(Duration::from_secs(2)));
        assert_eq!(Failure::status(503).wait(&retry, 3), None);
        assert_eq!(Failure::status(404).wait(&retry, 0), None);
        let asked = Failure { retry_after: Some(Duration::from_secs(7)), ..Failure::status(429) };
        assert_eq!(asked.wait(&retry, 0), Some(Duration::from_secs(7)));
    }

    #[test]
    fn every_failure_says_what_to_do() {
        let basic = || Login::Basic("user".into(), "secret".into());
        let table = [
            (401, Access::Read, Login::Anonymous, "docker login h.example"),
            (401, Access::Read, basic(), ".docker/config.json"),
            (403, Access::Write, Login::Anonymous, "docker login"),
            (403, Access::Write, basic(), "may not write"),
            (404, Access::Read, basic(), "check its name and tag"),
            (404, Access::Write, basic(), "create it first"),
            (405, Access::Delete, basic(), "does not let tags be deleted"),
            (403, Access::Delete, basic(), "may not delete from"),
            (429, Access::Read, Login::Anonymous, "4 times"),
            (500, Access::Read, Login::Anonymous, "try again later"),
        ];
        for (code, access, login, why) in table {
            let credentials = credentials(login);
            let failure = Failure::status(code);
            let error = explain(failure, "h.example/app:1", "h.example", access, &credentials, 4);
            let error = error.to_string();
            assert!(error.contains(why) && error.contains("h.example/app:1"), "{code}: {error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn a_tag_that_may_not_be_moved_names_the_ways_out() {
        let said = |code, access, message: Option<&str>| {
            let message = message.map(str::to_owned);
            let failure = Kind::Status { code, message }.into();
            let nobody = credentials(Login::Basic("a".into(), "b".into()));
            explain(failure, "docker://h/app:1_fix", "h", access, &nobody, 1).to_string()
        };
        let way_out = "the tag is there and may not be moved; name another with -o or --tag-suffix";
        let table = [
            (412, "Failed to process request due to 'app:1_fix' configured as immutable."),
            (
                400,
                "The image tag '1_fix' already exists in the 'app' repository and cannot be \
                 overwritten because the repository is immutable.",
            ),
            (400, "cannot update tag 1_fix. The repository has enabled tag immutability"),
            (400, "Repository does not allow updating assets: docker-hosted"),
            (
                405,
                "The operation is disallowed on this registry, repository or image. View \
                 troubleshooting steps at https://aka.ms/acr/faq/#why-does-my-pull-or-push-fail",
            ),
        ];
        for (code, message) in table {
            let want =
                format!("docker://h/app:1_fix: h answered HTTP {code}: {message}; {way_out}");
            assert_eq!(said(code, Access::Write, Some(message)), want);
        }
        let bare = said(412, Access::Write, None);
        assert_eq!(bare, format!("docker://h/app:1_fix: h answered HTTP 412; {way_out}"));
        for (code, access) in [(400, Access::Write), (412, Access::Read)] {
            assert!(!said(code, access, None).contains("--tag-suffix"), "{code}");
        }
    }

    #[test]
    fn an_address_without_encryption_is_named() {
        let of = |encrypted, url: &str| {
            Unencrypted::of(encrypted, &Url::parse(url).expect("url"), "uploads")
        };
        let found = of(true, "http://h.example:5000/v2/app/blobs/uploads/1?_state=secret");
        let failure = Kind::Unencrypted(found.expect("unencrypted")).into();
        let nobody = credentials(Login::Anonymous);
        let error =
            explain(failure, "docker://h.example/app:1", "h.example", Access::Write, &nobody, 1);
        assert_eq!(
            error.to_string(),
            "docker://h.example/app:1: h.example is reached by https, but leads to \
             http://h.example:5000 for uploads, which is not encrypted; its operator has to tell \
             it that it is reached by https (docker-registry: http.host, or X-Forwarded-Proto \
             from the proxy before it)"
        );
        assert_eq!(of(true, "https://h.example/x"), None);
        assert_eq!(of(false, "http://h.example/x"), None);
    }

    #[test]
    fn messages_of_servers_are_shortened() {
        let body = br#"{"errors":[{"code":"DENIED","message":"no\u001b[31m\nmore"}]}"#;
        assert_eq!(specified_message(body).as_deref(), Some("no[31m"));
        assert_eq!(specified_message(b"<html>"), None);
    }
}
