//! What scanners pass on about a problem beside its fix: where to read about it, CVSS, EPSS, and
//! whether it is known to be exploited. All of it came from strangers: a [`Finding`] holds it
//! [`bounded`], and a link leaves only as [`web_link`].

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::finding::Finding;

/// References that a finding keeps.
pub const MAX_REFERENCES: usize = 20;

/// Sources whose CVSS a finding keeps.
pub const MAX_CVSS: usize = 8;

/// Longest link, in bytes; more than browsers show is nothing to read.
const MAX_LINK: usize = 2000;

/// Longest name of a source and longest vector, in bytes. A vector of CVSS 4 with every metric
/// has less than 200.
const MAX_WORD: usize = 200;

/// The text, when it is a link that may be followed: `http` or `https`, with a host and no
/// login, printable ASCII without what could end an attribute or a Markdown link, not too long.
#[must_use]
pub fn web_link(text: &str) -> Option<&str> {
    let text = text.trim();
    let harmless = |byte: u8| byte.is_ascii_graphic() && !b"\"'<>\\^`{|}".contains(&byte);
    if text.len() > MAX_LINK || !text.bytes().all(harmless) {
        return None;
    }
    let url = url::Url::parse(text).ok()?;
    let open = url.username().is_empty() && url.password().is_none();
    (matches!(url.scheme(), "http" | "https") && url.has_host() && open).then_some(text)
}

/// A CVSS base score, in tenths: 0.0 to 10.0 (CVSS v3.1 specification, section 7.4).
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(try_from = "f64", into = "f64")]
pub struct CvssScore(u8);

impl CvssScore {
    /// The score nearest to a number; `None` when that is none.
    #[must_use]
    pub fn new(score: f64) -> Option<Self> {
        let known = (0.0..=10.0).contains(&score);
        format!("{:.0}", score.abs() * 10.0).parse().ok().filter(|_| known).map(Self)
    }
}

impl From<CvssScore> for f64 {
    fn from(score: CvssScore) -> Self {
        f64::from(score.0) / 10.0
    }
}

impl TryFrom<f64> for CvssScore {
    type Error = ScoreError;
    fn try_from(score: f64) -> Result<Self, ScoreError> {
        Self::new(score).ok_or(ScoreError("a CVSS score is 0 to 10"))
    }
}

impl fmt::Display for CvssScore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}.{}", self.0 / 10, self.0 % 10))
    }
}

/// A number that is no score.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ScoreError(&'static str);

/// A probability, 0 to 1, in millionths: EPSS has five decimals.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    serde::Serialize,
    serde::Deserialize,
)]
#[serde(try_from = "f64", into = "f64")]
pub struct Probability(u32);

impl Probability {
    const ONE: u32 = 1_000_000;

    /// The probability nearest to a number; `None` when that is not within 0 to 1.
    #[must_use]
    pub fn new(value: f64) -> Option<Self> {
        if !(0.0..=1.0).contains(&value) {
            return None;
        }
        let text = format!("{:.0}", value.abs() * f64::from(Self::ONE));
        text.parse().ok().map(Self)
    }
}

impl From<Probability> for f64 {
    fn from(probability: Probability) -> Self {
        f64::from(probability.0) / f64::from(Probability::ONE)
    }
}

impl TryFrom<f64> for Probability {
    type Error = ScoreError;
    fn try_from(value: f64) -> Result<Self, ScoreError> {
        Self::new(value).ok_or(ScoreError("a probability is 0 to 1"))
    }
}

impl fmt::Display for Probability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&f64::from(*self).to_string())
    }
}

impl std::str::FromStr for Probability {
    type Err = ScoreError;
    /// `0.1`, as [`Display`](fmt::Display) writes it.
    fn from_str(text: &str) -> Result<Self, ScoreError> {
        let number = text.trim().parse::<f64>().map_err(|_| ScoreError("not a number"))?;
        Self::try_from(number)
    }
}

/// What one source says of a problem by the Common Vulnerability Scoring System, version 2, 3
/// or 4.
#[derive(
    Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(deny_unknown_fields)]
pub struct Cvss {
    /// Who says it, as the report names them: `nvd`, `redhat`, `NVD`.
    pub source: String,
    /// The base score; `None`: the report has the vector alone.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub score: Option<CvssScore>,
    /// `CVSS:3.1/AV:N/...`; of version 2 without a prefix.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub vector: Option<String>,
}

impl Cvss {
    /// The highest score first.
    fn rank(&self) -> (Reverse<Option<CvssScore>>, &Self) {
        (Reverse(self.score), self)
    }
}

/// The Exploit Prediction Scoring System's estimate for a CVE
/// (<https://www.first.org/epss/model>).
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(deny_unknown_fields)]
pub struct Epss {
    /// Probability that it is exploited within 30 days.
    pub score: Probability,
    /// Share of all CVEs whose score is the same or lower.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub percentile: Option<Probability>,
}

/// Order of links: encrypted ones first.
fn link_rank(link: &str) -> (bool, &str) {
    (!link.starts_with("https:"), link)
}

/// Takes over what another finding of the same problem says: every link, of each source the
/// highest score, the highest EPSS, known exploitation if either says so. The order of calls
/// does not matter once all is [`bounded`].
pub fn absorb(into: &mut Finding, from: &Finding) {
    let both = into.advisory.take().into_iter().chain(from.advisory.clone());
    let mut links: Vec<String> = both.collect();
    links.sort_by(|a, b| link_rank(a).cmp(&link_rank(b)));
    let mut links = links.into_iter();
    into.advisory = links.next();
    into.references.extend(links);
    into.references.extend(from.references.iter().cloned());
    into.cvss.extend(from.cvss.iter().cloned());
    into.epss = into.epss.max(from.epss);
    into.known_exploited |= from.known_exploited;
}

/// Cleans and bounds what a finding says: only links that may be followed, each once, at most
/// [`MAX_REFERENCES`]; of each source one CVSS, its highest, at most [`MAX_CVSS`], the highest
/// first.
pub fn bounded(finding: &mut Finding) {
    let link = |text: String| web_link(&text).map(str::to_owned);
    finding.advisory = finding.advisory.take().and_then(link);
    let references: BTreeSet<String> = finding.references.drain(..).filter_map(link).collect();
    let mut references: Vec<String> =
        references.into_iter().filter(|one| Some(one) != finding.advisory.as_ref()).collect();
    references.sort_by(|a, b| link_rank(a).cmp(&link_rank(b)));
    references.truncate(MAX_REFERENCES);
    finding.references = references;
    let mut by_source: BTreeMap<String, Cvss> = BTreeMap::new();
    for cvss in finding.cvss.drain(..).filter_map(clean) {
        match by_source.get_mut(&cvss.source) {
            Some(known) if known.rank() <= cvss.rank() => {}
            _ => {
                by_source.insert(cvss.source.clone(), cvss);
            }
        }
    }
    let mut all: Vec<Cvss> = by_source.into_values().collect();
    all.sort_by(|a, b| a.rank().cmp(&b.rank()));
    all.truncate(MAX_CVSS);
    finding.cvss = all;
}

/// A CVSS of harmless words; `None` when nothing is left to say.
fn clean(cvss: Cvss) -> Option<Cvss> {
    let word = |text: &str, harmless: fn(char) -> bool| {
        let text = text.trim();
        let fits = !text.is_empty() && text.len() <= MAX_WORD && text.chars().all(harmless);
        fits.then(|| text.to_owned())
    };
    let vector = cvss
        .vector
        .as_deref()
        .and_then(|text| word(text, |c| c.is_ascii_alphanumeric() || ":/.()".contains(c)));
    let source = word(&cvss.source, |c| c == ' ' || c.is_ascii_graphic())?;
    (cvss.score.is_some() || vector.is_some()).then_some(Cvss { source, vector, ..cvss })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_links_to_the_web_may_be_followed() {
        for (text, want) in [
            ("https://avd.aquasec.com/nvd/cve-2024-1", true),
            (" HTTP://a.example/x?a=1&b=%20#c ", true),
            ("https://a.example@b.example/", false),
            ("javascript:alert(1)", false),
            ("data:text/html,x", false),
            ("ftp://a.example/", false),
            ("//a.example/", false),
            ("https://", false),
            ("https://a.example/\"onclick=x", false),
            ("https://a.example/a b", false),
            ("https://a.example/\u{202e}", false),
            ("https://a.example/a\nb", false),
        ] {
            assert_eq!(web_link(text).is_some(), want, "{text}");
        }
        assert!(web_link(&format!("https://a/{}", "a".repeat(MAX_LINK))).is_none());
    }

    #[test]
    fn scores_keep_their_decimals() {
        for (number, text) in [(7.8, "7.8"), (10.0, "10.0"), (0.0, "0.0"), (9.76, "9.8")] {
            assert_eq!(CvssScore::new(number).unwrap().to_string(), text);
        }
        for bad in [-1.0, 10.1, f64::NAN, f64::INFINITY] {
            assert_eq!(CvssScore::new(bad), None);
        }
        for (number, text) in [(0.97565, "0.97565"), (0.00043, "0.00043"), (1.0, "1"), (0.0, "0")] {
            let probability = Probability::new(number).unwrap();
            assert_eq!(probability.to_string(), text);
            assert_eq!(text.parse(), Ok(probability));
            assert_eq!(serde_json::to_value(probability).unwrap(), number);
        }
        for bad in ["1.1", "-0.1", "NaN", "inf", "x", ""] {
            assert!(bad.parse::<Probability>().is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_kept_is_bounded_and_harmless() {
        let mut finding = Finding::system("CVE-1", "a", "1");
        finding.advisory = Some("javascript:x".into());
        finding.references = (0..100).map(|n| format!("https://b.example/{n:03}")).collect();
        finding.references.push("http://a.example/".into());
        finding.references.push("https://b.example/000".into());
        let cvss = |source: &str, score: Option<f64>, vector: &str| Cvss {
            source: source.into(),
            score: score.and_then(CvssScore::new),
            vector: Some(vector.into()),
        };
        finding.cvss = (0..20).map(|n| cvss(&format!("s{n:02}"), Some(1.0), "AV:N")).collect();
        finding.cvss.push(cvss("nvd", Some(7.5), "CVSS:3.1/AV:N"));
        finding.cvss.push(cvss("nvd", Some(9.8), "<script>"));
        finding.cvss.push(cvss("\u{1b}[31m", Some(9.9), "AV:N"));
        finding.cvss.push(cvss("empty", None, " "));
        bounded(&mut finding);
        assert_eq!(finding.advisory, None);
        assert_eq!(finding.references.len(), MAX_REFERENCES);
        assert_eq!(finding.references[0], "https://b.example/000");
        assert!(!finding.references.iter().any(|link| link.starts_with("http:")));
        assert_eq!(finding.cvss.len(), MAX_CVSS);
        let want = Cvss { vector: None, ..cvss("nvd", Some(9.8), "") };
        assert_eq!(finding.cvss[0], want);
        let once = finding.clone();
        bounded(&mut finding);
        assert_eq!(finding, once);
    }
}
