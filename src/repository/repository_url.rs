//! Where repositories are: [`locate`], from a URL as configurations have it to one without a
//! login, and [`Origin`], whose configuration it is.
//!
//! In comes text of an image or of the user; out comes a URL that may be fetched and shown, or
//! why it may not.

/// Where a source comes from: it decides which keys count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// The image's own configuration: its keyrings decide.
    Image,
    /// Added by imgfix because the distribution has it: the built-in archive keys count too.
    Added,
    /// `--repository`: paths of keys are the host's.
    User,
}

/// User and password of a URL (`https://user:password@host/`). They go to that host only, and
/// into no message, plan or report.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// As it is sent: percent-encoding of the URL undone.
    pub user: String,
    /// The same; empty when there is none.
    pub password: String,
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Login(..)")
    }
}

/// Where a repository is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located {
    /// `http`, `https` or `file`, without a login, with a slash at the end.
    pub url: String,
    /// The login that the URL had.
    pub login: Option<Login>,
}

/// Why a URL leads nowhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoLocation {
    /// Not used, which is no error of the configuration.
    PassOver {
        /// The URL as it may be shown: without a login.
        url: String,
        /// Why it is not used, for people.
        why: String,
    },
    /// An error of the configuration: what is wrong, for people.
    Wrong(String),
}

/// The URL with a slash at the end, and its login taken out.
///
/// `file:` in an image's sources means a path in the image. It is passed over: followed, it
/// would let an image read files of the machine that repairs it.
///
/// # Errors
/// Not a URL that can be fetched.
pub fn locate(text: &str, origin: Origin) -> Result<Located, NoLocation> {
    let scheme = text.split(':').next().unwrap_or_default().to_ascii_lowercase();
    match scheme.as_str() {
        "http" | "https" => {}
        "file" | "copy" if origin == Origin::User => {
            let path = text.split_once(':').map_or("", |(_, path)| path);
            let path = path.strip_prefix("//").unwrap_or(path);
            if !path.starts_with('/') {
                return Err(NoLocation::Wrong(format!("{text:?} is not an absolute path")));
            }
            let url = format!("file://{}/", path.trim_end_matches('/'));
            return Ok(Located { url, login: None });
        }
        "file" | "copy" => {
            let why = "a repository inside the image is not used; give one of this machine with \
                       --repository"
                .to_owned();
            return Err(NoLocation::PassOver { url: text.to_owned(), why });
        }
        _ => {
            let why = "only http, https and file repositories can be used".to_owned();
            return Err(NoLocation::PassOver { url: without_login(text), why });
        }
    }
    let mut url = url::Url::parse(text)
        .map_err(|error| NoLocation::Wrong(format!("the URL cannot be used: {error}")))?;
    if url.host_str().is_none_or(str::is_empty) || url.query().or(url.fragment()).is_some() {
        return Err(NoLocation::Wrong("the URL must have a host, and no '?' or '#'".to_owned()));
    }
    let login = (!url.username().is_empty()).then(|| Login {
        user: decoded(url.username()),
        password: decoded(url.password().unwrap_or_default()),
    });
    if url.password().is_none() && login.is_none() {
        return Ok(Located { url: format!("{}/", text.trim_end_matches('/')), login: None });
    }
    let whole = url.set_username("").and_then(|()| url.set_password(None));
    whole.map_err(|()| NoLocation::Wrong("the URL cannot have a login".to_owned()))?;
    Ok(Located { url: format!("{}/", url.as_str().trim_end_matches('/')), login })
}

/// What a message may show of a URL that cannot be used.
fn without_login(text: &str) -> String {
    match (text.find("://"), text.rfind('@')) {
        (Some(scheme), Some(at)) if scheme < at => {
            let (before, after) = (text.get(..scheme + 3), text.get(at + 1..));
            format!("{}{}", before.unwrap_or_default(), after.unwrap_or_default())
        }
        _ => text.to_owned(),
    }
}

/// Percent-decoding of a login.
fn decoded(text: &str) -> String {
    let form = format!("x={}", text.replace('+', "%2B"));
    url::form_urlencoded::parse(form.as_bytes())
        .next()
        .map(|(_, value)| value.into_owned())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_message_shows_a_login() {
        for text in ["ftp://me:secret@host/x", "ftp://me:sec@ret@host/x", "https://me:secret@/"] {
            let why = format!("{:?}", locate(text, Origin::Image).unwrap_err());
            assert!(!why.contains("sec") && !why.contains("ret@"), "{why}");
        }
        assert!(format!("{:?}", locate("ftp://host/x", Origin::User)).contains("ftp://host/x"));
    }
}
