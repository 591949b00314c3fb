//! Why a request to a registry failed, whether it may pass, and what to tell the user.
//!
//! Nothing a server sent is shown but the first line of the specification's error messages,
//! and no URL is: both may carry tokens.

use std::error::Error;
use std::time::Duration;

use oci_client::errors::{OciDistributionError, OciErrorCode};

use super::credentials::{Credentials, Login};
use crate::image::ImageError;

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
    /// The server does what the specification forbids.
    Protocol(String),
    /// What was to be sent could not be read.
    Content(ImageError),
}

impl From<Kind> for Failure {
    fn from(kind: Kind) -> Self {
        Self { kind, retry_after: None }
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
            Kind::Status { code, .. } => matches!(code, 408 | 425 | 429 | 500 | 502 | 503 | 504),
            Kind::Connection(_) => true,
            Kind::Certificate(_) | Kind::NotTls | Kind::Protocol(_) | Kind::Content(_) => false,
        }
    }
}

impl From<reqwest::Error> for Failure {
    fn from(error: reqwest::Error) -> Self {
        if let Some(status) = error.status() {
            return Self::status(status.as_u16());
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

impl From<OciDistributionError> for Failure {
    fn from(error: OciDistributionError) -> Self {
        use OciDistributionError as E;
        match error {
            E::RequestError(error) => error.into(),
            E::UnauthorizedError { .. } | E::AuthenticationFailure(_) => Self::status(401),
            E::ServerError { code, message, .. } => {
                Kind::Status { code, message: specified_message(message.as_bytes()) }.into()
            }
            E::RegistryError { envelope, .. } => {
                let first = envelope.errors.into_iter().next();
                let code = first.as_ref().map_or(400, |error| status_of(&error.code));
                let message = first.and_then(|error| first_line(&error.message));
                Kind::Status { code, message }.into()
            }
            E::SpecViolationError(why) => Self::protocol(why),
            E::RegistryNoLocationError => Self::protocol("it did not say where to upload to"),
            // a body that was cut is an I/O error here
            E::IoError(error) => Kind::Connection(root_cause(&error)).into(),
            other => Self::protocol(first_line(&other.to_string()).unwrap_or_default()),
        }
    }
}

/// oci-client keeps the specification's code and forgets the HTTP status.
fn status_of(code: &OciErrorCode) -> u16 {
    match code {
        OciErrorCode::Unauthorized => 401,
        OciErrorCode::Denied => 403,
        OciErrorCode::NameUnknown
        | OciErrorCode::ManifestUnknown
        | OciErrorCode::BlobUnknown
        | OciErrorCode::BlobUploadUnknown
        | OciErrorCode::ManifestBlobUnknown => 404,
        OciErrorCode::Toomanyrequests => 429,
        _ => 400,
    }
}

/// The message of an error body as the specification has it.
pub(super) fn specified_message(body: &[u8]) -> Option<String> {
    let body: serde_json::Value = serde_json::from_slice(body).ok()?;
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
    let last = causes(error).last();
    let text = match last.and_then(|cause| cause.downcast_ref::<reqwest::Error>()) {
        Some(_) => "the connection failed".to_owned(),
        None => last.map(ToString::to_string).unwrap_or_default(),
    };
    first_line(&text).unwrap_or_else(|| "the connection failed".into())
}

/// What was tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Access {
    Read,
    Write,
    Delete,
}

/// How often and how patiently failures that may pass are met.
#[derive(Debug, Clone, Copy)]
pub(super) struct Retry {
    pub times: u32,
    pub first_wait: Duration,
}

/// The longest wait between two attempts, whatever the server asks for.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

impl Retry {
    /// How long to wait after the `attempt`th failure (from 0); `None`: give up.
    pub(super) fn wait(&self, attempt: u32, failure: &Failure) -> Option<Duration> {
        if attempt >= self.times || !failure.may_pass() {
            return None;
        }
        let doubled = self.first_wait.saturating_mul(2_u32.saturating_pow(attempt.min(16)));
        Some(doubled.max(failure.retry_after.unwrap_or_default()).min(LONGEST_WAIT))
    }
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
            format!("{host} answered HTTP {code}{times}{said}; {way_out}")
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
        Kind::Protocol(why) => format!("{host} does not follow the registry protocol: {why}"),
    };
    ImageError::Registry { place: place.to_owned(), why }
}

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
    fn waits_double_and_end() {
        let retry = Retry { times: 3, first_wait: Duration::from_secs(1) };
        let waits: Vec<_> =
            (0..4).map(|n| retry.wait(n, &Failure::status(503)).map(|d| d.as_secs())).collect();
        assert_eq!(waits, [Some(1), Some(2), Some(4), None]);
        assert_eq!(retry.wait(0, &Failure::status(404)), None);
        let asked = Failure { retry_after: Some(Duration::from_secs(7)), ..Failure::status(429) };
        assert_eq!(retry.wait(0, &asked), Some(Duration::from_secs(7)));
        let rude = Failure { retry_after: Some(Duration::from_secs(1 << 30)), ..asked };
        assert_eq!(retry.wait(0, &rude), Some(LONGEST_WAIT));
        let many = Retry { times: u32::MAX, first_wait: Duration::from_secs(1) };
        assert_eq!(many.wait(1000, &Failure::status(503)), Some(LONGEST_WAIT));
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
    fn messages_of_servers_are_shortened() {
        let body = br#"{"errors":[{"code":"DENIED","message":"no\u001b[31m\nmore"}]}"#;
        assert_eq!(specified_message(body).as_deref(), Some("no[31m"));
        assert_eq!(specified_message(b"<html>"), None);
    }
}
