//! Libraries that go together: those of one group at one version (`log4j-*`, `spring-*`,
//! `tomcat-*`), and Jackson's on one line, whose groups and patch versions differ.

use imgfix_model::component::Library;

use crate::versions::numbers;

const JACKSON: &str = "com.fasterxml.jackson.";

/// Whether `other` goes to a new version together with `library`.
#[must_use]
pub fn is_family(library: &Library, other: &Library) -> bool {
    let (Some((group, _)), Some((other_group, _))) =
        (library.name.split_once(':'), other.name.split_once(':'))
    else {
        return false;
    };
    if library.name == other.name {
        return false;
    }
    if group.starts_with(JACKSON) && other_group.starts_with(JACKSON) {
        return line(library.version.as_ref()) == line(other.version.as_ref());
    }
    group == other_group && library.version == other.version
}

/// The first two numbers.
#[must_use]
pub fn line(version: &str) -> Vec<u64> {
    numbers(version).into_iter().take(2).collect()
}

/// Words of a version that say for whom it was built (`jre`, `android`): they stay.
#[must_use]
pub fn flavour(version: &str) -> Vec<String> {
    let lower = version.to_ascii_lowercase();
    let words = lower.split(|c: char| !c.is_ascii_alphabetic());
    let says_nothing = |word: &&str| matches!(*word, "" | "release" | "final" | "ga" | "v" | "sp");
    words.filter(|word| !says_nothing(word)).map(str::to_owned).collect()
}
