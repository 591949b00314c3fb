//! Getting in: what the registry asks for, and the token it gives
//! (<https://distribution.github.io/distribution/spec/auth/token/> and
//! <https://distribution.github.io/distribution/spec/auth/oauth/>).
//!
//! A token is asked for several repositories at once (mounting a blob needs two).

use std::time::Duration;

use http_auth::parser::ChallengeParser;
use url::Url;

use super::connection::{body_of, failure_of};
use super::credentials::Login;
use super::failure::{Access, Failure, Kind, Unencrypted};

/// What is sent with every request.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Grant {
    /// The registry asks for nothing.
    Open,
    Basic(String, String),
    Bearer(String),
}

/// Largest answer of a token server, in bytes.
const MAX_TOKEN: u64 = 1 << 20;
/// How long a token lasts when nobody says.
const DEFAULT_LIFETIME: Duration = Duration::from_secs(60);

/// What the registry asks for in `WWW-Authenticate`.
#[derive(Debug, PartialEq, Eq)]
enum Challenge {
    Basic,
    Bearer { realm: String, service: Option<String> },
}

/// Asks the registry at `base` (`https://host`) what it wants and gets it, for `scopes`.
/// With the grant comes how long it lasts.
pub(super) async fn log_in(
    http: &reqwest::Client,
    base: &str,
    login: &Login,
    scopes: &[String],
) -> Result<(Grant, Duration), Failure> {
    let response = http.get(format!("{base}/v2/")).send().await?;
    let challenges: Vec<Challenge> = response
        .headers()
        .get_all(reqwest::header::WWW_AUTHENTICATE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(challenges)
        .collect();
    let status = response.status().as_u16();
    if status != 401 {
        // some registries answer 404 here and still serve images
        return match status {
            429 | 500.. => Err(failure_of(response).await),
            _ => Ok((Grant::Open, Duration::MAX)),
        };
    }
    for challenge in challenges {
        match (challenge, login) {
            (Challenge::Bearer { realm, service }, _) => {
                return token(http, base, &realm, service.as_deref(), login, scopes).await;
            }
            (Challenge::Basic, Login::Basic(user, password)) => {
                return Ok((Grant::Basic(user.clone(), password.clone()), Duration::MAX));
            }
            (Challenge::Basic, _) => {}
        }
    }
    Err(Failure::status(401))
}

fn challenges(header: &str) -> Vec<Challenge> {
    let mut found = Vec::new();
    for challenge in ChallengeParser::new(header).map_while(Result::ok) {
        let parameter = |name: &str| {
            let mut params = challenge.params.iter();
            params.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, v)| v.to_unescaped())
        };
        if challenge.scheme.eq_ignore_ascii_case("basic") {
            found.push(Challenge::Basic);
        } else if challenge.scheme.eq_ignore_ascii_case("bearer")
            && let Some(realm) = parameter("realm")
        {
            found.push(Challenge::Bearer { realm, service: parameter("service") });
        }
    }
    found
}

async fn token(
    http: &reqwest::Client,
    base: &str,
    realm: &str,
    service: Option<&str>,
    login: &Login,
    scopes: &[String],
) -> Result<(Grant, Duration), Failure> {
    let mut url = Url::parse(realm)
        .map_err(|_| Failure::protocol("it names a token server that is not a URL"))?;
    // credentials that would go to the registry encrypted must not go elsewhere in clear
    if let Some(found) = Unencrypted::of(base.starts_with("https:"), &url, "logins") {
        return Err(Kind::Unencrypted(found).into());
    }
    if !matches!(url.scheme(), "http" | "https") {
        return Err(Failure::protocol("it names a token server that is not reached by https"));
    }
    let mut query: Vec<(&str, &str)> =
        service.map(|service| ("service", service)).into_iter().collect();
    let request = match login {
        Login::IdentityToken(refresh) => {
            let scope = scopes.join(" ");
            query.extend([
                ("grant_type", "refresh_token"),
                ("client_id", "imgfix"),
                ("scope", &scope),
                ("refresh_token", refresh),
            ]);
            let mut form = url::form_urlencoded::Serializer::new(String::new());
            let form = form.extend_pairs(query).finish();
            let kind = "application/x-www-form-urlencoded";
            http.post(url).header(reqwest::header::CONTENT_TYPE, kind).body(form)
        }
        Login::Anonymous | Login::Basic(..) => {
            query.extend(scopes.iter().map(|scope| ("scope", scope.as_str())));
            url.query_pairs_mut().extend_pairs(query);
            match login {
                Login::Basic(user, password) => http.get(url).basic_auth(user, Some(password)),
                _ => http.get(url),
            }
        }
    };
    let response = request.send().await?;
    if !response.status().is_success() {
        let failure = failure_of(response).await;
        // a token server's 400 and 403 are about the credentials it was shown
        return Err(match failure.code() {
            Some(400 | 403) => Failure::status(401),
            _ => failure,
        });
    }
    let body = body_of(response, MAX_TOKEN).await?;
    read_token(&body)
}

#[derive(serde::Deserialize)]
struct TokenAnswer {
    token: Option<String>,
    access_token: Option<String>,
    expires_in: Option<u64>,
}

fn read_token(body: &[u8]) -> Result<(Grant, Duration), Failure> {
    let unreadable = || Failure::protocol("its token server gave no usable token");
    let answer: TokenAnswer = imgfix_json::read(body).map_err(|_| unreadable())?;
    let token = answer
        .token
        .or(answer.access_token)
        // goes into a header as it is
        .filter(|token| !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic()))
        .ok_or_else(unreadable)?;
    let lifetime = answer.expires_in.map_or(DEFAULT_LIFETIME, Duration::from_secs);
    Ok((Grant::Bearer(token), lifetime))
}

/// What a token is asked for.
pub(super) fn scope(repository: &str, access: Access) -> String {
    match access {
        Access::Read => format!("repository:{repository}:pull"),
        Access::Write => format!("repository:{repository}:pull,push"),
        Access::Delete => format!("repository:{repository}:pull,delete"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_are_read_as_servers_write_them() {
        let bearer = |realm: &str, service: Option<&str>| Challenge::Bearer {
            realm: realm.into(),
            service: service.map(str::to_owned),
        };
        let table = [
            (
                r#"Bearer realm="https://a/token",service="a",scope="x""#,
                vec![bearer("https://a/token", Some("a"))],
            ),
            (r#"bearer realm="https://a/t""#, vec![bearer("https://a/t", None)]),
            (r#"Basic realm="x", Bearer realm="y""#, vec![Challenge::Basic, bearer("y", None)]),
            ("Bearer service=\"x\"", vec![]),
            ("", vec![]),
            ("\"", vec![]),
        ];
        for (header, wanted) in table {
            assert_eq!(challenges(header), wanted, "{header}");
        }
    }

    #[test]
    fn only_tokens_that_fit_a_header_are_used() {
        let good = read_token(br#"{"access_token":"a.b-c","expires_in":300}"#).ok();
        assert!(good == Some((Grant::Bearer("a.b-c".into()), Duration::from_secs(300))));
        for bad in ["{}", "[]", r#"{"token":""}"#, "{\"token\":\"a\\r\\nX: y\"}"] {
            assert!(read_token(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
