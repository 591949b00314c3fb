//! Who logs in where: the logins of sources, and where each may be sent.
//!
//! In come base URLs with a login, or with the entries of apt_auth.conf(5); out comes the
//! login for one request, and for each place that it is redirected to. A login goes to the
//! host that it was given for, whatever a server or `--mirror` says.

use std::sync::{Arc, PoisonError, RwLock};

use url::Url;

use super::auth_conf::{AuthConf, Found};
use super::repository_url::Login;

/// What a source logs in with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credentials {
    /// Of the source's own URL.
    Login(Login),
    /// A token of the source (`Authorization: Bearer`).
    Token(Token),
    /// Whatever these files have for each URL.
    Conf(Arc<AuthConf>),
}

/// A secret that stands for a login. It goes to its own host only, and into no message.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(pub String);

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(..)")
    }
}

/// What goes along with one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proof {
    /// `Authorization: Basic`.
    Login(Login),
    /// `Authorization: Bearer`.
    Token(Token),
}

/// Base URLs and what is used below them.
#[derive(Debug, Default)]
pub struct Logins(RwLock<Vec<(String, Credentials)>>);

/// What counts for one request.
#[derive(Debug, Clone, Default)]
pub struct Access(Option<(String, Credentials)>);

impl Logins {
    /// Adds what is used for everything below `base`. What was added first counts.
    pub fn add(&self, base: &str, credentials: Credentials) {
        let mut logins = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let new = (base.to_owned(), credentials);
        if !logins.contains(&new) {
            logins.push(new);
        }
    }

    /// What counts for a request of `url`, wherever redirects lead it.
    #[must_use]
    pub fn access(&self, url: &str) -> Access {
        let logins = self.0.read().unwrap_or_else(PoisonError::into_inner);
        Access(logins.iter().find(|(base, _)| url.starts_with(base.as_str())).cloned())
    }
}

impl Access {
    /// What goes along to a URL, which a redirect may have led to.
    #[must_use]
    pub fn proof(&self, url: &Url) -> Option<Proof> {
        let is_own = |base: &str| Url::parse(base).is_ok_and(|base| base.origin() == url.origin());
        match &self.0 {
            None => None,
            Some((base, Credentials::Login(login))) => {
                is_own(base).then(|| Proof::Login(login.clone()))
            }
            Some((base, Credentials::Token(token))) => {
                is_own(base).then(|| Proof::Token(token.clone()))
            }
            Some((_, Credentials::Conf(conf))) => match conf.login(url.as_str()) {
                Found::Login(login) => Some(Proof::Login(login)),
                Found::Nothing | Found::OnlyEncrypted => None,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_goes_to_its_own_host_and_an_entry_where_it_says() {
        let login = Login { user: "me".into(), password: "s3cret".into() };
        let mut conf = AuthConf::default();
        conf.add(b"machine h/deep login conf password s3cret\nmachine cdn login cdn password x");
        let logins = Logins::default();
        logins.add("https://own/d/", Credentials::Login(login));
        logins.add("https://tokens/", Credentials::Token(Token("s3cret-token".into())));
        logins.add("https://h/deep/", Credentials::Conf(Arc::new(conf)));
        for (asked, redirected, want) in [
            ("https://own/d/x", "https://own/d/x", Some("me")),
            ("https://own/d/x", "https://own/elsewhere", Some("me")),
            ("https://own/d/x", "https://own:444/d/x", None),
            ("https://own/d/x", "http://own/d/x", None),
            ("https://own/d/x", "https://own.evil/d/x", None),
            ("https://own/other", "https://own/other", None),
            ("https://tokens/x", "https://tokens/y", Some("s3cret-token")),
            ("https://tokens/x", "https://own/y", None),
            ("https://h/deep/x", "https://h/deep/x", Some("conf")),
            ("https://h/deep/x", "https://h/other", None),
            ("https://h/deep/x", "http://h/deep/x", None),
            ("https://h/deep/x", "https://cdn/x", Some("cdn")),
            ("https://cdn/x", "https://cdn/x", None),
        ] {
            let found = logins.access(asked).proof(&redirected.parse().unwrap());
            let user = found.as_ref().map(|proof| match proof {
                Proof::Login(login) => login.user.as_str(),
                Proof::Token(Token(text)) => text,
            });
            assert_eq!(user, want, "{asked} {redirected}");
        }
        assert!(!format!("{logins:?}").contains("s3cret"));
    }
}
