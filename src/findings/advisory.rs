//! Readers of what formats say about a problem beside its fix: links, CVSS, EPSS, exploitation.
//! None of it decides a repair, so a value of another form than the scanner's data model has is
//! left out, and never an error of the report. [`imgfix_model::advisory::bounded`] cleans what
//! is read here.

use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};

use imgfix_model::advisory::{Cvss, CvssScore, Epss, Probability};

/// A value of the form that is looked for, or any other.
#[derive(Deserialize)]
#[serde(untagged)]
enum Lenient<T> {
    Known(T),
    Other(IgnoredAny),
}

/// Reads a value, if it has the form.
pub(super) fn lenient<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    Ok(match Lenient::<T>::deserialize(deserializer)? {
        Lenient::Known(value) => Some(value),
        Lenient::Other(_) => None,
    })
}

/// Reads a number, or a text that is one.
pub(super) fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        Number(f64),
        Text(String),
    }
    Ok(match lenient::<D, Either>(deserializer)? {
        Some(Either::Number(number)) => Some(number),
        Some(Either::Text(text)) => text.trim().parse().ok(),
        None => None,
    })
}

/// An object with a link in it.
#[derive(Deserialize)]
#[serde(expecting = "an object")]
pub(super) struct Link {
    #[serde(default, deserialize_with = "lenient")]
    pub url: Option<String>,
}

/// The links of a list of objects.
pub(super) fn urls(links: Option<Vec<Link>>) -> Vec<String> {
    links.into_iter().flatten().filter_map(|link| link.url).collect()
}

/// What a source says; `None` when it says nothing. A score of zero beside no vector is how
/// scanners say that they have none.
pub(super) fn cvss(source: &str, score: Option<f64>, vector: Option<String>) -> Option<Cvss> {
    let vector = vector.filter(|vector| !vector.trim().is_empty());
    let score = score.filter(|score| *score > 0.0 || vector.is_some()).and_then(CvssScore::new);
    let said = score.is_some() || vector.is_some();
    said.then(|| Cvss { source: source.to_owned(), score, vector })
}

/// The first that says something: the newest version of CVSS before the older ones.
pub(super) fn newest<const N: usize>(
    source: &str,
    versions: [(Option<f64>, Option<String>); N],
) -> Option<Cvss> {
    versions.into_iter().find_map(|(score, vector)| cvss(source, score, vector))
}

/// EPSS of its score and percentile, both 0 to 1.
pub(super) fn epss(score: Option<f64>, percentile: Option<f64>) -> Option<Epss> {
    let score = Probability::new(score?)?;
    Some(Epss { score, percentile: percentile.and_then(Probability::new) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct Sample {
        #[serde(default, deserialize_with = "lenient")]
        links: Option<Vec<Link>>,
        #[serde(default, deserialize_with = "number")]
        score: Option<f64>,
    }

    #[test]
    fn other_forms_are_no_errors() {
        for (text, links, score) in [
            (r#"{"links": [{"url": "a"}, {}, {"url": 1}], "score": 7.5}"#, 1, Some(7.5)),
            (r#"{"links": "a", "score": "7.5"}"#, 0, Some(7.5)),
            (r#"{"links": {"url": "a"}, "score": 7}"#, 0, Some(7.0)),
            (r#"{"links": null, "score": null}"#, 0, None),
            (r#"{"score": [7]}"#, 0, None),
            ("{}", 0, None),
        ] {
            let sample: Sample = serde_json::from_str(text).unwrap();
            assert_eq!(urls(sample.links).len(), links, "{text}");
            assert_eq!(sample.score, score, "{text}");
        }
    }

    #[test]
    fn nothing_said_is_nothing() {
        assert_eq!(cvss("nvd", Some(0.0), Some(" ".into())), None);
        assert_eq!(cvss("nvd", None, None), None);
        assert!(cvss("nvd", Some(0.0), Some("AV:N".into())).is_some());
        assert_eq!(epss(Some(1.5), None), None);
        let older = newest("nvd", [(None, None), (Some(5.0), None)]);
        assert_eq!(older, cvss("nvd", Some(5.0), None));
    }
}
