//! The Release file of a source: fetched, its signature verified, judged fresh, and of the suite
//! that was asked for.
//!
//! In comes a source with the keys that may sign it; out comes a [`SignedRelease`]. The file is
//! `InRelease`, or else `Release` with `Release.gpg`
//! (<https://wiki.debian.org/DebianRepository/Format#A.22Release.22_files>).

use super::{AptError, LoadOptions, SignedSource};
use crate::release::{ReleaseError, ReleaseFile};
use crate::sources::AptSource;
use imgfix_repository::fetch::Fetcher;
use imgfix_repository::freshness;
use imgfix_repository::repository_url::Origin;
use imgfix_repository::signature::{Signer, verify_cleartext, verify_detached};

/// The largest Release file, in bytes.
const MAX_RELEASE: u64 = 16 << 20;

/// A Release file whose signature holds.
pub(super) struct SignedRelease {
    pub(super) release: ReleaseFile,
    pub(super) signer: Signer,
    /// Its `Date`, or else when it was signed: seconds since the epoch.
    pub(super) made: i64,
}

/// The verified Release file of a source. `None`: imgfix added the source, and the distribution
/// does not have the suite there (not opened yet, or moved away).
pub(super) fn signed_release(
    source: &SignedSource,
    fetcher: &Fetcher,
    options: &LoadOptions,
) -> Result<Option<SignedRelease>, AptError> {
    let apt = &source.source;
    if source.keyring.is_empty() {
        return Err(AptError::NoKeyring { repository: apt.describe() });
    }
    let Some((name, text, signer)) = signed_text(source, fetcher, options.now)? else {
        if apt.origin == Origin::Added {
            let name = apt.describe();
            fetcher.progress().detail(&format!("{name} is not there, and not needed: left out"));
            return Ok(None);
        }
        return Err(AptError::NoRelease { url: apt.dists(), suite: apt.suite.clone() });
    };
    let release = ReleaseFile::parse(&name, &text)?;
    let until = release.valid_until.as_deref().filter(|_| apt.check_valid_until);
    let date = release.date.as_deref();
    let fresh = freshness::check(&name, date, until, options.now, options.expired)?;
    if let Some(warning) = fresh.warning {
        fetcher.progress().warn(&warning);
    }
    // Without a date that can be read there is still the time of the signature.
    let made = fresh.made.unwrap_or(signer.created);
    fetcher.check_newest(&apt.describe(), &apt.repositories(), made)?;
    check_suite(&name, apt, &release, fetcher)?;
    Ok(Some(SignedRelease { release, signer, made }))
}

/// The text of `InRelease`, or else of `Release` with `Release.gpg`, after its signature was
/// verified, and the URL it comes from. `None`: the repository has neither.
fn signed_text(
    source: &SignedSource,
    fetcher: &Fetcher,
    now: i64,
) -> Result<Option<(String, String, Signer)>, AptError> {
    let dists = source.source.dists();
    let url = format!("{dists}InRelease");
    if let Some(bytes) = fetcher.latest(&url, MAX_RELEASE)? {
        let (text, signer) = verify_cleartext(&url, &bytes, &source.keyring, now)?;
        return Ok(Some((url, text, signer)));
    }
    let url = format!("{dists}Release");
    let Some(bytes) = fetcher.latest(&url, MAX_RELEASE)? else { return Ok(None) };
    let signature = fetcher
        .latest(&format!("{url}.gpg"), MAX_RELEASE)?
        .ok_or(AptError::Unsigned { url: dists })?;
    let signer = verify_detached(&url, &bytes, &signature, &source.keyring, now)?;
    let text = String::from_utf8(bytes.to_vec())
        .map_err(|_| ReleaseError { name: url.clone(), why: "it is not UTF-8".to_owned() })?;
    Ok(Some((url, text, signer)))
}

/// The same keys sign every suite of Debian and of Ubuntu: there, another suite than the one
/// asked for may be an attack, and is an error. Elsewhere names are kept loosely, and apt, too,
/// only warns ("Conflicting distribution").
fn check_suite(
    name: &str,
    source: &AptSource,
    release: &ReleaseFile,
    fetcher: &Fetcher,
) -> Result<(), AptError> {
    if release.answers_to(&source.suite) {
        return Ok(());
    }
    let found = if release.codename.is_empty() { &release.suite } else { &release.codename };
    let strict = matches!(release.origin.as_str(), "Debian" | "Ubuntu");
    if strict || source.origin == Origin::Added {
        let (name, found) = (name.to_owned(), found.clone());
        return Err(AptError::OtherSuite { name, found, wanted: source.suite.clone() });
    }
    let wanted = &source.suite;
    fetcher.progress().warn(&format!("{name}: the repository calls itself {found}, not {wanted}"));
    Ok(())
}
