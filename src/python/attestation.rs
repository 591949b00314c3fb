//! Who published a wheel, by the provenance that its index names (PEP 740).
//!
//! In comes a wheel of an index; out comes its publisher, or why it is not used. Where the user
//! wants an attestation, only a good one will do. Where not, what the index has must be good, and
//! it may have none: whoever could take a provenance away could leave out its name as well.

use imgfix_model::reason::Reason;
use imgfix_repair::error::RepairerError;
use imgfix_repair::libraries::asking::failed;
use imgfix_repair::repairer::Work;
use imgfix_repository::FetchError;
use imgfix_sigstore::TrustRoot;

use crate::offers::Offered;
use crate::provenance::{Judged, MAX_PROVENANCE, judge};

/// What is asked for.
const ACCEPT: &str = "application/vnd.pypi.integrity.v1+json, application/json;q=0.5";

/// Who published a wheel, as far as it is attested; why it is not used. `component` is name and
/// version, for people.
///
/// # Errors
/// What is not the wheel's fault.
pub(crate) fn publisher(
    component: &str,
    wheel: &Offered,
    work: &Work<'_>,
) -> Result<Result<Option<String>, Reason>, RepairerError> {
    let is_wanted = work.edge.repositories.require_attestation;
    let Some(url) = &wheel.provenance else {
        let why = format!("its index names no provenance of {}", wheel.file);
        return Ok(decided(component, Judged::Unknown(why), is_wanted));
    };
    let judged = match work.fetcher.unsigned(url, MAX_PROVENANCE, Some(ACCEPT)) {
        Ok(Some(document)) => {
            judge(&document, &wheel.file, &wheel.sha256, TrustRoot::public_good())
        }
        Ok(None) => Judged::Unknown(format!("{url} is not there")),
        Err(error @ FetchError::Offline { .. }) => Judged::Unknown(error.to_string()),
        Err(error) => match (failed(url, error, work)?, is_wanted) {
            (reason, true) => return Ok(Err(reason)),
            (_, false) => return Ok(Ok(None)),
        },
    };
    Ok(decided(component, judged, is_wanted))
}

fn decided(component: &str, judged: Judged, is_wanted: bool) -> Result<Option<String>, Reason> {
    let component = component.to_owned();
    match (judged, is_wanted) {
        (Judged::Attested(by), _) => Ok(Some(by)),
        (Judged::Unknown(_), false) => Ok(None),
        (Judged::Unknown(detail) | Judged::Wrong(detail), true) => {
            Err(Reason::Unattested { component, detail })
        }
        (Judged::Wrong(detail), false) => Err(Reason::Untrusted { package: component, detail }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_never_used_and_what_is_unknown_only_where_nothing_is_wanted() {
        let said = |judged, is_wanted| match decided("a 1", judged, is_wanted) {
            Ok(by) => by.unwrap_or_else(|| "used".to_owned()),
            Err(Reason::Unattested { component, detail }) => format!("{component} {detail}"),
            Err(Reason::Untrusted { package, detail }) => format!("untrusted {package} {detail}"),
            Err(other) => other.to_string(),
        };
        let [good, unknown, wrong] =
            [Judged::Attested("P".into()), Judged::Unknown("U".into()), Judged::Wrong("W".into())];
        assert_eq!((said(good.clone(), true), said(good, false)), ("P".into(), "P".into()));
        assert_eq!(said(unknown.clone(), true), "a 1 U");
        assert_eq!(said(unknown, false), "used");
        assert_eq!(said(wrong.clone(), true), "a 1 W");
        assert_eq!(said(wrong, false), "untrusted a 1 W");
    }
}
