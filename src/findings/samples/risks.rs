//! Reports about secrets, malicious files and configuration, small enough to be cut and bent at
//! every place. The whole ones are in `risk_reports`.

use serde_json::Value;

pub(super) fn samples() -> Vec<(&'static str, Value)> {
    [
        ("Dockle", include_str!("risks/dockle.json")),
        ("trufflehog", include_str!("risks/trufflehog.json")),
        ("ggshield", include_str!("risks/ggshield.json")),
        ("hadolint", include_str!("risks/hadolint.json")),
        ("Anchore malware", include_str!("risks/anchore-malware.json")),
        ("Anchore secrets", include_str!("risks/anchore-secrets.json")),
        ("Alibaba details", include_str!("risks/alibaba.json")),
        ("gitleaks", include_str!("risks/gitleaks.json")),
        ("kingfisher", include_str!("risks/kingfisher.json").lines().next().unwrap_or_default()),
    ]
    .into_iter()
    .map(|(name, text)| (name, serde_json::from_str(text).unwrap()))
    .collect()
}
