//! Epochs that scanners lose on the way: `4.13-1` for the installed `1:4.13-1`.
//!
//! A version without an epoch is older than every one with a larger epoch, so that a lost one
//! turns "still affected" into "long fixed", or the other way.

/// How two versions are held against each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reading {
    AsWritten,
    /// The report has lost the epochs.
    WithoutEpoch,
    /// The report has lost one of them: both ways must give the same answer.
    Both,
}

/// A version's epoch (`0` when it has none) and the rest.
fn split(version: &str) -> (&str, &str) {
    match version.split_once(':') {
        Some((epoch, rest)) if !epoch.is_empty() && epoch.bytes().all(|b| b.is_ascii_digit()) => {
            match epoch.trim_start_matches('0') {
                "" => ("0", rest),
                epoch => (epoch, rest),
            }
        }
        _ => ("0", version),
    }
}

/// The epoch, `0` when the version has none.
pub(super) fn of(version: &str) -> &str {
    split(version).0
}

/// The version without its epoch.
pub(super) fn without(version: &str) -> &str {
    split(version).1
}

/// How to read a report that saw `reported` (empty: it does not say) where the image has one of
/// `installed`, and that names `fixed`.
pub(super) fn reading(reported: &str, installed: &[&str], fixed: &str) -> Reading {
    let (seen, seen_rest) = split(reported);
    let with_epoch = |version: &str| of(version) != "0";
    let is_lost = !with_epoch(reported)
        && installed.iter().any(|own| with_epoch(own) && without(own) == seen_rest)
        && !installed.contains(&reported);
    if is_lost {
        return match with_epoch(fixed) {
            // The report knows epochs, and has lost that of what it saw.
            true => Reading::Both,
            false => Reading::WithoutEpoch,
        };
    }
    match reported.is_empty() || (seen == "0") == (of(fixed) == "0") {
        true => Reading::AsWritten,
        false => Reading::Both,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lost_epochs_are_found_out() {
        for (reported, installed, fixed, want) in [
            ("1:4.13-2", "1:4.13-2", "1:4.13-9", Reading::AsWritten),
            ("4.13-2", "1:4.13-2", "4.13-9", Reading::WithoutEpoch),
            ("0:4.13-2", "1:4.13-2", "4.13-9", Reading::WithoutEpoch),
            ("4.13-2", "1:4.13-2", "1:4.13-9", Reading::Both),
            ("1:4.13-2", "1:4.13-2", "4.13-9", Reading::Both),
            ("4.13-2", "4.13-2", "1:4.13-9", Reading::Both),
            ("0:4.13-2", "4.13-2", "4.13-9", Reading::AsWritten),
            ("", "1:4.13-2", "4.13-9", Reading::AsWritten),
            ("4.12-1", "1:4.13-2", "4.13-9", Reading::AsWritten),
            ("1:2.38-5", "1:2.38-5", "00:2.38-6", Reading::Both),
        ] {
            let got = reading(reported, &[installed], fixed);
            assert_eq!(got, want, "saw {reported:?}, has {installed}, fixed in {fixed}");
        }
    }

    #[test]
    fn an_epoch_is_a_number_before_a_colon() {
        for (version, epoch, rest) in [
            ("1:2", "1", "2"),
            ("2", "0", "2"),
            ("0:2", "0", "2"),
            ("00:2", "0", "2"),
            ("012:2", "12", "2"),
            (":2", "0", ":2"),
            ("a:2", "0", "a:2"),
            ("1:2:3", "1", "2:3"),
        ] {
            assert_eq!((of(version), without(version)), (epoch, rest), "{version}");
        }
    }
}
