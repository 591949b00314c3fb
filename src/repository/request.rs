//! One HTTP request of a download: the login that goes along, redirects, and what an answer
//! means.
//!
//! In come a URL and who logs in there; out comes the answer, or why there is none and whether
//! asking again makes sense. No URL with a login gets into a message.

use std::time::Duration;

use reqwest::header::{CONTENT_RANGE, HeaderMap, LOCATION};
use reqwest::{Response, StatusCode};
use url::Url;

use super::access::{Access, Proof, Token};
use super::clients::Clients;
use super::fetch::FetchError;
use imgfix_host::http;
use imgfix_host::pace::TooSlow;

/// Where something is fetched from.
pub(super) struct Target {
    /// After `--mirror`.
    pub url: String,
    /// The same without a password, for messages and the cache.
    pub label: String,
    access: Access,
}

/// A request that failed.
pub(super) struct FailedRequest {
    pub error: FetchError,
    /// `None`: it would fail again. `Some`: it may pass, after the wait that the server asked
    /// for, if it did.
    pub again: Option<Option<Duration>>,
}

impl FailedRequest {
    pub(super) fn for_good(error: FetchError) -> Self {
        Self { error, again: None }
    }
}

impl Target {
    pub(super) fn new(url: String, access: Access) -> Self {
        Self { label: without_login(&url), url, access }
    }

    pub(super) fn is_local(&self) -> bool {
        self.url.starts_with("file:")
    }

    /// Asks, and follows redirects. Each place gets the login that is meant for it, no other.
    pub(super) async fn get(
        &self,
        clients: &Clients,
        headers: &HeaderMap,
    ) -> Result<Response, FailedRequest> {
        let label = &self.label;
        let fatal =
            |why: String| FailedRequest::for_good(FetchError::Failed { url: label.clone(), why });
        let mut url = Url::parse(&self.url).map_err(|error| fatal(error.to_string()))?;
        for _ in 0..=http::REDIRECTS {
            let mut request = clients.of(&url).get(url.clone()).headers(headers.clone());
            match self.access.proof(&url) {
                Some(Proof::Login(login)) => {
                    request = request.basic_auth(login.user, Some(login.password));
                }
                Some(Proof::Token(Token(token))) => request = request.bearer_auth(token),
                None => {}
            }
            let response = request.send().await.map_err(|error| passing(label, &error))?;
            match redirected(&url, &response) {
                Ok(Some(next)) => url = next,
                Ok(None) => return Ok(response),
                Err(why) => return Err(fatal(why)),
            }
        }
        Err(fatal("too many redirects".to_owned()))
    }
}

/// The URL without user and password.
fn without_login(url: &str) -> String {
    match url::Url::parse(url) {
        Ok(mut parsed) if !parsed.username().is_empty() || parsed.password().is_some() => {
            let bare = parsed.set_username("").and_then(|()| parsed.set_password(None));
            bare.map_or_else(|()| "a URL with a login".to_owned(), |()| parsed.to_string())
        }
        _ => url.to_owned(),
    }
}

/// Where an answer leads to, if it does.
fn redirected(from: &Url, response: &Response) -> Result<Option<Url>, String> {
    let Some(place) =
        response.headers().get(LOCATION).filter(|_| response.status().is_redirection())
    else {
        return Ok(None);
    };
    let place = place.to_str().map_err(|_| "a redirect leads to what is no URL")?;
    let next = from.join(place).map_err(|error| format!("a redirect leads nowhere: {error}"))?;
    match next.scheme() {
        "http" if http::loses_encryption(from.scheme() == "https", &next) => {
            Err("a redirect leads from https to http".to_owned())
        }
        "http" | "https" if next.username().is_empty() && next.password().is_none() => {
            Ok(Some(next))
        }
        "http" | "https" => Err("a redirect brings a login".to_owned()),
        other => Err(format!("a redirect leads to {other}:, which is not followed")),
    }
}

/// Whether an answer to a request for a range goes on at `have`.
pub(super) fn continues(response: &Response, have: u64) -> bool {
    let range = response.headers().get(CONTENT_RANGE).and_then(|value| value.to_str().ok());
    let start = range.and_then(|range| range.strip_prefix("bytes ")?.split('-').next());
    response.status() == StatusCode::PARTIAL_CONTENT
        && start.and_then(|start| start.trim().parse().ok()) == Some(have)
}

pub(super) fn good(url: &str, response: Response) -> Result<Response, FailedRequest> {
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let url = url.to_owned();
    if matches!(status, StatusCode::NOT_FOUND | StatusCode::GONE) {
        return Err(FailedRequest { error: FetchError::NotFound { url }, again: None });
    }
    let wait = http::retry_after(response.headers());
    let passes = http::may_pass(status.as_u16());
    let error = FetchError::Refused { url, status };
    Err(FailedRequest { error, again: passes.then_some(wait) })
}

/// A server that is too slow is so the next time.
pub(super) fn too_slow(url: &str, slow: TooSlow) -> FailedRequest {
    let error = FetchError::Failed { url: url.to_owned(), why: slow.to_string() };
    FailedRequest { error, again: None }
}

/// A failure of the connection. reqwest's own text would repeat the URL, with a password.
pub(super) fn passing(url: &str, error: &reqwest::Error) -> FailedRequest {
    let why = http::cause(error).unwrap_or_else(|| "the connection failed".to_owned());
    let again = if error.is_builder() { None } else { Some(None) };
    FailedRequest { error: FetchError::Failed { url: url.to_owned(), why }, again }
}

#[cfg(test)]
mod tests {
    use super::super::FetchOptions;
    use super::super::access::Credentials;
    use super::super::repository_url::Login;
    use super::super::testing::{Reply, Server, fetcher};
    use super::*;

    const BODY: &[u8] = b"0123456789abcdefghij";

    #[test]
    fn logins_go_to_their_host_and_into_no_message() {
        let server = Server::start(|request, _| match request.header("authorization") {
            Some("Basic bWU6c2VjcmV0") => Reply::ok("yes"),
            _ => Reply::status(401),
        });
        let login = Login { user: "me".to_owned(), password: "secret".to_owned() };
        let login = Credentials::Login(login);
        let (fetcher, _cache) = fetcher(FetchOptions::default());
        let url = format!("{}x", server.url);
        assert!(matches!(fetcher.latest(&url, 10), Err(FetchError::Refused { .. })));
        fetcher.login("http://other.invalid/", login.clone());
        assert!(fetcher.latest(&url, 10).is_err());
        fetcher.login(&server.url, login);
        assert_eq!(fetcher.latest(&url, 10).unwrap().unwrap(), "yes");
        assert_eq!(without_login("http://me:secret@h/x"), "http://h/x");
    }

    #[test]
    fn a_redirect_takes_no_login_along() {
        let other = Server::start(|request, _| match request.header("authorization") {
            None => Reply::ok(BODY),
            Some(_) => panic!("a login has reached another host"),
        });
        let to = format!("{}y", other.url);
        let server = Server::start(move |request, _| {
            match (request.path.as_str(), request.header("authorization").is_some()) {
                ("/d/x", true) => Reply::status(302).header("Location", &to),
                ("/d/login", _) => {
                    Reply::status(302).header("Location", "http://me:secret@example.invalid/")
                }
                ("/d/file", _) => Reply::status(302).header("Location", "file:///etc/passwd"),
                other => panic!("{other:?}"),
            }
        });
        let (fetcher, _cache) = fetcher(FetchOptions::default());
        let login = Login { user: "me".to_owned(), password: "secret".to_owned() };
        fetcher.login(&format!("{}d/", server.url), Credentials::Login(login));
        assert_eq!(fetcher.latest(&format!("{}d/x", server.url), 99).unwrap().unwrap(), BODY);
        for (path, want) in [("login", "brings a login"), ("file", "leads to file:")] {
            let error = fetcher.latest(&format!("{}d/{path}", server.url), 99).unwrap_err();
            let error = error.to_string();
            assert!(error.contains(want) && !error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn redirects_end() {
        let server = Server::start(|request, _| match request.path.as_str() {
            "/x" => Reply::status(302).header("Location", "/y"),
            "/y" => Reply::ok(BODY),
            _ => Reply::status(302).header("Location", "/loop"),
        });
        let (fetcher, _cache) = fetcher(FetchOptions::default());
        assert_eq!(fetcher.latest(&format!("{}x", server.url), 99).unwrap().unwrap(), BODY);
        let error = fetcher.latest(&format!("{}loop", server.url), 10).unwrap_err().to_string();
        assert!(error.contains("too many redirects"), "{error}");
    }
}
