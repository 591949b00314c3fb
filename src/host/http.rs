//! HTTP as this program speaks it, whomever it asks (repositories, registries and their token
//! servers, webhooks): how clients are set up, and when a request that failed is made again.
//!
//! In come the certificates that the user names and what one kind of server needs otherwise; out
//! come clients, and waits. Proxies are those of the usual variables, by one rule for all
//! ([`super::proxy`]).

use std::error::Error;
use std::time::Duration;

use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Client, ClientBuilder};
use url::Url;

use super::tls::Identity;
use super::{proxy, tls};

/// What imgfix calls itself to servers (`User-Agent`).
const USER_AGENT: &str = concat!("imgfix/", env!("CARGO_PKG_VERSION"));

/// Most redirects of one request.
pub const REDIRECTS: usize = 10;

/// How long to wait for a connection.
const CONNECT: Duration = Duration::from_secs(30);

/// The longest wait between two tries, whatever a server asks for.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// A client that trusts these certificates (PEM) besides the machine's authorities. It follows no
/// redirect, and names no page that it comes from: the storage that a redirect leads to need not
/// know what was asked for. `adjust` is what one kind of server needs otherwise.
///
/// # Errors
/// A text has a certificate that cannot be read; a variable names no proxy; the machine has no
/// authorities.
pub fn client(
    certificates: &[Vec<u8>],
    adjust: impl FnOnce(ClientBuilder) -> ClientBuilder,
) -> Result<Client, String> {
    built(tls::trusting(adjust(builder()?), certificates, None)?)
}

/// As [`client`]; it shows `identity` to a server that wants to know who it is.
///
/// # Errors
/// Those of [`client`].
pub fn client_as(
    identity: &Identity,
    certificates: &[Vec<u8>],
    adjust: impl FnOnce(ClientBuilder) -> ClientBuilder,
) -> Result<Client, String> {
    built(tls::trusting(adjust(builder()?), certificates, Some(identity))?)
}

/// What a client can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Servers with and without TLS.
    Everything,
    /// The machine has no certificates (a bare container), so that no server can be verified.
    PlainHttp,
}

/// As [`client`]; on a machine without certificates one for plain HTTP, for what is protected
/// otherwise.
///
/// # Errors
/// A text has a certificate that cannot be read; a variable names no proxy.
pub fn client_or_plain(
    certificates: &[Vec<u8>],
    adjust: impl Fn(ClientBuilder) -> ClientBuilder,
) -> Result<(Client, Reach), String> {
    match built(tls::trusting(adjust(builder()?), certificates, None)?) {
        Ok(client) => Ok((client, Reach::Everything)),
        Err(_) => Ok((built(adjust(builder()?).tls_certs_only([]))?, Reach::PlainHttp)),
    }
}

fn builder() -> Result<ClientBuilder, String> {
    builder_with(|name| std::env::var(name).ok())
}

/// What every client has, where the environment has these variables.
pub(super) fn builder_with(
    variable: impl Fn(&str) -> Option<String>,
) -> Result<ClientBuilder, String> {
    // Another part of the program may have installed the provider already: any will do.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = Client::builder()
        .user_agent(USER_AGENT)
        .connect_timeout(CONNECT)
        .referer(false)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy();
    Ok(proxy::proxies(variable)?.into_iter().fold(builder, ClientBuilder::proxy))
}

fn built(builder: ClientBuilder) -> Result<Client, String> {
    builder.build().map_err(|error| cause(&error).unwrap_or_else(|| error.to_string()))
}

/// The innermost reason of an error; `None` when only reqwest has something to say: its texts
/// repeat the URL, which may have a password or a token.
#[must_use]
pub fn cause(error: &(dyn Error + 'static)) -> Option<String> {
    let mut innermost = error;
    while let Some(inner) = innermost.source() {
        innermost = inner;
    }
    (!innermost.is::<reqwest::Error>()).then(|| innermost.to_string())
}

/// Whether what goes to `next` is no longer encrypted, when it was (`encrypted`).
#[must_use]
pub fn loses_encryption(encrypted: bool, next: &Url) -> bool {
    encrypted && next.scheme() != "https"
}

/// Whether the same request may have another answer than this status later.
#[must_use]
pub fn may_pass(status: u16) -> bool {
    matches!(status, 408 | 425 | 429 | 500 | 502..=504 | 520..=599)
}

/// `Retry-After` in seconds; a date is not looked at, the clock may be wrong.
#[must_use]
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?;
    value.trim().parse().ok().map(Duration::from_secs)
}

/// How often and how patiently failures that may pass are met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// Tries after the first.
    pub times: u32,
    /// Before the second try; each later wait is twice as long.
    pub first_wait: Duration,
    /// No wait is longer, whatever the server asks for.
    pub longest: Duration,
}

impl Retry {
    /// Waits of at most 60 seconds, beginning with `first_wait`.
    #[must_use]
    pub const fn new(times: u32, first_wait: Duration) -> Self {
        Self { times, first_wait, longest: LONGEST_WAIT }
    }

    /// How long to wait after the `attempt`th failure (from 0), when the server asked for a wait
    /// (`Retry-After`); `None`: give up.
    #[must_use]
    pub fn wait(&self, attempt: u32, asked: Option<Duration>) -> Option<Duration> {
        if attempt >= self.times {
            return None;
        }
        let doubled = self.first_wait.saturating_mul(2_u32.saturating_pow(attempt.min(16)));
        Some(doubled.max(asked.unwrap_or_default()).min(self.longest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_and_end() {
        let second = Duration::from_secs(1);
        let retry = Retry::new(3, second);
        let waits: Vec<_> = (0..4).map(|n| retry.wait(n, None).map(|d| d.as_secs())).collect();
        assert_eq!(waits, [Some(1), Some(2), Some(4), None]);
        assert_eq!(retry.wait(0, Some(7 * second)), Some(7 * second));
        assert_eq!(retry.wait(2, Some(second)), Some(4 * second));
        assert_eq!(retry.wait(0, Some(Duration::MAX)), Some(LONGEST_WAIT));
        assert_eq!(Retry::new(u32::MAX, second).wait(1000, None), Some(LONGEST_WAIT));
    }

    #[test]
    fn what_a_server_is_only_too_busy_for_passes() {
        for status in [408, 425, 429, 500, 502, 503, 504, 520, 529] {
            assert!(may_pass(status), "{status}");
        }
        for status in [200, 304, 400, 401, 403, 404, 410, 412, 501, 505, 507, 511] {
            assert!(!may_pass(status), "{status}");
        }
    }

    #[test]
    fn a_wait_is_a_number_of_seconds() {
        for (value, want) in [("7", Some(7)), (" 0 ", Some(0)), ("-1", None), ("Fri, 31", None)] {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, value.parse().unwrap())]);
            assert_eq!(retry_after(&headers), want.map(Duration::from_secs), "{value}");
        }
        assert_eq!(retry_after(&HeaderMap::new()), None);
    }

    #[test]
    fn encryption_is_lost_by_going_to_http_only() {
        let url = |text: &str| Url::parse(text).unwrap();
        assert!(loses_encryption(true, &url("http://h/x")));
        assert!(!loses_encryption(true, &url("https://h/x")));
        assert!(!loses_encryption(false, &url("http://h/x")));
    }

    #[test]
    fn a_reason_has_no_url() {
        let refused = std::io::Error::other("refused");
        assert_eq!(cause(&refused).as_deref(), Some("refused"));
        let client = client(&[], |builder| builder.tls_certs_only([])).unwrap();
        let error = client.get("http://user:secret@[/").build().unwrap_err();
        assert!(!cause(&error).unwrap_or_default().contains("secret"));
    }
}
