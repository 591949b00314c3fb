//! Where to read about a problem: the scanner's link, or the page that its kind of id has.

use imgfix_model::finding::Finding;

/// The page of a finding; `None` when no report links one and its id has no page of its own.
#[must_use]
pub fn page(finding: &Finding) -> Option<String> {
    finding.link().map(str::to_owned).or_else(|| of_id(&finding.id))
}

/// The page that an id has by itself.
#[must_use]
pub fn of_id(id: &str) -> Option<String> {
    let plain = id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    match id.split_once('-') {
        Some(("CVE", _)) if plain => Some(format!("https://www.cve.org/CVERecord?id={id}")),
        Some(("GHSA", _)) if plain => Some(format!("https://github.com/advisories/{id}")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_known_kinds_have_a_page() {
        for (id, want) in [
            ("CVE-2024-1", Some("https://www.cve.org/CVERecord?id=CVE-2024-1")),
            ("GHSA-aa-bb", Some("https://github.com/advisories/GHSA-aa-bb")),
            ("CVE-1&x=<script>", None),
            ("DLA-1", None),
            ("", None),
        ] {
            assert_eq!(of_id(id).as_deref(), want, "{id}");
        }
        let linked = Finding {
            advisory: Some("https://a.example/1".into()),
            ..Finding::system("CVE-2024-1", "a", "1")
        };
        assert_eq!(page(&linked).as_deref(), Some("https://a.example/1"));
    }
}
