//! Why an apt source cannot be used, in words that say what helps.
//!
//! In come a source and the error that it made; out comes half a sentence for the user, or
//! where the source has moved to.

use reqwest::StatusCode;

use super::remote::AptError;
use crate::lifetimes;
use crate::sources::AptSource;
use imgfix_repository::fetch::FetchError;
use imgfix_repository::freshness::FreshnessError;
use imgfix_repository::leaving_out::Moved;
use imgfix_repository::repository_url::Origin;

/// Ubuntu Pro's repositories, which want a subscription.
const ESM: &str = "://esm.ubuntu.com/";

/// What is wrong with a source, and what helps.
pub enum SourceProblem {
    /// It is at another place now, because its release is no longer supported.
    Moved(Moved),
    /// Anything else: what, why and the way out.
    Other(String),
}

/// Why `error` kept a source from being used, and what helps. `now` is in seconds since the epoch.
pub fn problem(source: &AptSource, error: &AptError, now: i64) -> SourceProblem {
    let ended = lifetimes::of_source(source).and_then(|release| release.ended(now));
    let gone = matches!(error, AptError::NoRelease { .. });
    if let (true, Some(ended), Some(url)) = (gone, &ended, lifetimes::moves_to(&source.url)) {
        let why = format!("{ended}, and its packages have moved");
        let mirror = format!("--mirror {}={url}", source.url.trim_end_matches('/'));
        return SourceProblem::Moved(Moved { why, mirror });
    }
    SourceProblem::Other(match (error, ended) {
        (AptError::Freshness(FreshnessError::Expired { name, until, .. }), Some(ended)) => format!(
            "{ended}, and its indexes are not renewed any more ({name} is valid until {until}); \
             go on with --allow-expired-index"
        ),
        (AptError::Freshness(FreshnessError::Expired { name, until, .. }), None)
            if lifetimes::is_of_ended_releases(&source.url) =>
        {
            format!(
                "the indexes of archived releases are not renewed ({name} is valid until {until}); \
                 go on with --allow-expired-index"
            )
        }
        _ => other(source, error),
    })
}

fn other(source: &AptSource, error: &AptError) -> String {
    let why = error.to_string();
    match error {
        AptError::Fetch(FetchError::Refused { status, .. })
            if matches!(*status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) =>
        {
            format!("{why}; {}", login(source))
        }
        AptError::Fetch(FetchError::Failed { .. }) => format!(
            "{why}; check the URL, the network and the proxy, or name a mirror with --mirror \
             FROM=TO"
        ),
        AptError::NoRelease { .. } | AptError::Unsigned { .. } | AptError::Signature(_)
            if source.says_trusted =>
        {
            format!(
                "{why}; trusted=yes is not followed, signatures are always checked: sign the \
                 repository, and name its key with signed-by or --keyring"
            )
        }
        _ => why,
    }
}

/// How to log in.
fn login(source: &AptSource) -> String {
    if source.url.contains(ESM) {
        return "Ubuntu Pro (ESM) wants the login of a subscription, which 'pro attach' writes to \
                /etc/apt/auth.conf.d in the image"
            .to_owned();
    }
    let place = match source.origin {
        Origin::User => "of this machine",
        Origin::Image | Origin::Added => "of the image",
    };
    format!("a login belongs into /etc/apt/auth.conf or /etc/apt/auth.conf.d {place}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::parse_option;

    /// 29 November 2026.
    const NOW: i64 = 1_795_910_400;

    fn source(line: &str) -> AptSource {
        parse_option(line).unwrap().remove(0)
    }

    fn told(source: &AptSource, error: &AptError) -> String {
        match problem(source, error, NOW) {
            SourceProblem::Moved(moved) => format!("{}: {}", moved.why, moved.mirror),
            SourceProblem::Other(why) => why,
        }
    }

    fn gone(source: &AptSource) -> AptError {
        AptError::NoRelease { url: source.dists(), suite: source.suite.clone() }
    }

    fn expired() -> AptError {
        FreshnessError::Expired { name: "r".into(), until: "U".into(), now: "N".into() }.into()
    }

    #[test]
    fn a_release_at_its_end_of_life_is_said_by_name_with_the_way_out() {
        let buster = source("deb http://deb.debian.org/debian buster main");
        assert_eq!(
            told(&buster, &gone(&buster)),
            "Debian 10 (buster) has reached its end of life (2024-06-30), and its packages have \
             moved: --mirror http://deb.debian.org/debian=http://archive.debian.org/debian"
        );
        let lunar = source("deb http://security.ubuntu.com/ubuntu/ lunar-security main");
        assert_eq!(
            told(&lunar, &gone(&lunar)),
            "Ubuntu 23.04 (lunar) has reached the end of its standard support (2024-01-25), and \
             its packages have moved: --mirror http://security.ubuntu.com/ubuntu=http://\
             old-releases.ubuntu.com/ubuntu"
        );
        let bullseye = source("deb http://deb.debian.org/debian-security bullseye-security main");
        assert_eq!(
            told(&bullseye, &expired()),
            "Debian 11 (bullseye) has reached its end of life (2026-08-31), and its indexes are \
             not renewed any more (r is valid until U); go on with --allow-expired-index"
        );
        let unknown = source("deb http://archive.debian.org/debian-volatile x main");
        assert!(told(&unknown, &expired()).starts_with("the indexes of archived releases"));
        // a supported release that is not there is another matter
        let noble = source("deb http://archive.ubuntu.com/ubuntu noble main");
        assert!(told(&noble, &gone(&noble)).contains("check the URL and suite"));
        assert!(told(&noble, &expired()).contains("frozen"));
    }

    #[test]
    fn each_failure_says_what_helps() {
        let plain = source("deb http://a x main");
        let image = |mut source: AptSource| {
            source.origin = Origin::Image;
            source
        };
        let refused = |status| {
            let url = "http://a/dists/x/InRelease".to_owned();
            AptError::from(FetchError::Refused { url, status })
        };
        let failed = FetchError::Failed { url: "u".into(), why: "no such host".into() };
        let unsigned = || AptError::Unsigned { url: "u".into() };
        for (source, error, want) in [
            (plain.clone(), refused(StatusCode::UNAUTHORIZED), "auth.conf.d of this machine"),
            (image(plain.clone()), refused(StatusCode::FORBIDDEN), "auth.conf.d of the image"),
            (
                image(source("deb https://esm.ubuntu.com/infra/ubuntu jammy-infra-security main")),
                refused(StatusCode::UNAUTHORIZED),
                "pro attach",
            ),
            (plain.clone(), failed.into(), "no such host; check the URL, the network"),
            (
                source("deb [trusted=yes] http://a x main"),
                unsigned(),
                "trusted=yes is not followed",
            ),
            (plain.clone(), unsigned(), "unsigned repositories are refused"),
            (plain, refused(StatusCode::BAD_GATEWAY), "the server answered 502 Bad Gateway"),
        ] {
            let why = told(&source, &error);
            assert!(why.contains(want), "{why}");
        }
    }
}
