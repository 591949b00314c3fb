//! What an index offers an environment. In come the files of a project and the environment; out
//! come versions, each with the wheel that pip would take of it, or why none of it serves.

use std::cmp::{Ordering, Reverse};
use std::collections::BTreeMap;

use imgfix_repository::content_hash::ContentHash;

use crate::environment::Environment;
use crate::index::IndexFile;
use crate::names::same_name;
use crate::specifiers::{Specifiers, Version};
use crate::tags::{Tags, WheelName};

/// A version of a project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// As the index writes it.
    pub text: String,
    /// The best of its wheels; else half a sentence, why none serves.
    pub wheel: Result<Offered, String>,
}

/// A wheel that serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offered {
    /// Where it is, absolute.
    pub url: String,
    /// What its bytes are held against.
    pub hash: ContentHash,
    /// Its file name.
    pub file: String,
    /// The same hash, in hexadecimal digits.
    pub sha256: String,
    /// Where it is said who published it (PEP 740), absolute.
    pub provenance: Option<String>,
}

/// Versions that are neither yanked nor pre-releases, the smallest first. `base` is the URL that
/// relative ones are relative to.
#[must_use]
pub fn offers(
    project: &str,
    files: &[IndexFile],
    base: &url::Url,
    environment: &Environment,
) -> Vec<Offer> {
    let tags = environment.tags();
    let mut versions: BTreeMap<Version, Vec<(&IndexFile, WheelName)>> = BTreeMap::new();
    let mut sources: Vec<Version> = Vec::new();
    for file in files.iter().filter(|file| file.yanked.is_none()) {
        match WheelName::parse(&file.name) {
            Some(wheel) if same_name(&wheel.name, project) => {
                let version = wheel.version.parse::<Version>();
                let Some(version) = version.ok().filter(|one| !one.any_prerelease()) else {
                    continue;
                };
                versions.entry(version).or_default().push((file, wheel));
            }
            Some(_) => {}
            None => sources.extend(source_version(project, &file.name)),
        }
    }
    for version in sources.into_iter().filter(|one| !one.any_prerelease()) {
        versions.entry(version).or_default();
    }
    let offer = |(version, wheels): (Version, Vec<(&IndexFile, WheelName)>)| Offer {
        text: version.to_string(),
        wheel: best(&version, &wheels, base, environment, tags.as_ref()),
    };
    versions.into_iter().map(offer).collect()
}

/// The version of a source archive: `NAME-VERSION.tar.gz`.
fn source_version(project: &str, file: &str) -> Option<Version> {
    let stem = [".tar.gz", ".zip", ".tar.bz2"].iter().find_map(|end| file.strip_suffix(end))?;
    let (name, version) = stem.rsplit_once('-')?;
    same_name(name, project).then_some(())?;
    version.parse().ok()
}

fn best(
    version: &Version,
    wheels: &[(&IndexFile, WheelName)],
    base: &url::Url,
    environment: &Environment,
    tags: Option<&Tags>,
) -> Result<Offered, String> {
    let here = environment.describe();
    if wheels.is_empty() {
        return Err(format!("{version} is there as source alone, which has to be built"));
    }
    let Some(tags) = tags else {
        return Err("the image has no interpreter that it is known to be for".to_owned());
    };
    let mut wanted_python = None;
    let allows = |file: &IndexFile| match file.requires_python.as_deref() {
        None => true,
        Some(text) => Specifiers::lenient(text).is_ok_and(|wants| environment.allows(&wants)),
    };
    let mut serving: Vec<_> = Vec::new();
    for (file, wheel) in wheels {
        let Some(rank) = tags.rank(wheel) else { continue };
        if !allows(file) {
            wanted_python = wanted_python.or(file.requires_python.as_deref());
            continue;
        }
        serving.push((rank, Reverse(&wheel.build), *file));
    }
    serving.sort_by(|a, b| match (a.0, &a.1).cmp(&(b.0, &b.1)) {
        Ordering::Equal => a.2.name.cmp(&b.2.name),
        other => other,
    });
    let Some((_, _, file)) = serving.first() else {
        return Err(match wanted_python {
            Some(python) => format!("{version} wants Python {python}, and this is {here}"),
            None => format!("{version} has no wheel for {here}"),
        });
    };
    let sha256 = file.sha256.clone().unwrap_or_default();
    let hash = ContentHash::from_hex(&sha256).filter(|hash| hash.name() == "sha256");
    let hash = hash.ok_or_else(|| format!("the index has no SHA-256 of {}", file.name))?;
    let absolute = |url: &String| base.join(url).map_err(|_| format!("{url:?} is no URL"));
    let url = absolute(&file.url)?.to_string();
    let provenance = file.provenance.as_ref().map(absolute).transpose()?;
    let provenance = provenance.map(|url| url.to_string());
    Ok(Offered { url, hash, file: file.name.clone(), sha256, provenance })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::environment::PythonVersion;
    use crate::tags::Libc;
    use imgfix_model::path::ImagePath;

    const SHA: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    fn file(name: &str) -> IndexFile {
        IndexFile {
            name: name.into(),
            url: format!("../../files/{name}"),
            sha256: Some(SHA.into()),
            ..IndexFile::default()
        }
    }

    fn offered(files: &[IndexFile]) -> Vec<String> {
        let environment = Environment {
            place: ImagePath::literal("/v/lib/python3.11/site-packages"),
            prefix: ImagePath::literal("/v"),
            is_virtual: true,
            is_isolated: true,
            is_installed: true,
            version: Some(PythonVersion { minor: 11, micro: Some(7), is_free_threaded: false }),
            machine: "x86_64".into(),
            libc: Some(Libc::Glibc(2, 36)),
        };
        let base = "https://i.example/simple/a-b/".parse().unwrap();
        let shown = |one: Offer| match one.wheel {
            Ok(wheel) => format!("{} {}", one.text, wheel.url),
            Err(why) => format!("{}: {why}", one.text),
        };
        offers("a.b", files, &base, &environment).into_iter().map(shown).collect()
    }

    #[test]
    fn of_each_version_the_best_wheel_is_offered() {
        let python = |name: &str, wants: &str| IndexFile {
            requires_python: Some(wants.into()),
            ..file(name)
        };
        let files = [
            file("a_b-1.0-py3-none-any.whl"),
            file("a_b-1.0-cp311-cp311-manylinux2014_x86_64.whl"),
            file("a_b-1.0-cp311-cp311-manylinux_2_28_x86_64.whl"),
            file("a_b-1.1-1-py3-none-any.whl"),
            file("A.B-1.1-2-py3-none-any.whl"),
            file("other-1.2-py3-none-any.whl"),
            file("a_b-1.3rc1-py3-none-any.whl"),
            IndexFile { yanked: Some(String::new()), ..file("a_b-1.4-py3-none-any.whl") },
            file("a_b-1.5-cp312-cp312-manylinux2014_x86_64.whl"),
            python("a_b-1.6-py3-none-any.whl", ">=3.12"),
            python("a_b-1.7-py3-none-any.whl", ">=3.6.*"),
            python("a_b-1.8-py3-none-any.whl", "what"),
            file("a.b-1.9.tar.gz"),
            file("a.b-1.7.tar.gz"),
            IndexFile { sha256: None, ..file("a_b-2.0-py3-none-any.whl") },
        ];
        let at = "https://i.example/simple/files";
        let at = at.replace("/simple", "");
        assert_eq!(
            offered(&files),
            [
                format!("1.0 {at}/a_b-1.0-cp311-cp311-manylinux_2_28_x86_64.whl"),
                format!("1.1 {at}/A.B-1.1-2-py3-none-any.whl"),
                "1.5: 1.5 has no wheel for CPython 3.11.7 on x86_64 with glibc 2.36".to_owned(),
                "1.6: 1.6 wants Python >=3.12, and this is CPython 3.11.7 on x86_64 with glibc 2.36"
                    .to_owned(),
                format!("1.7 {at}/a_b-1.7-py3-none-any.whl"),
                "1.8: 1.8 wants Python what, and this is CPython 3.11.7 on x86_64 with glibc 2.36"
                    .to_owned(),
                "1.9: 1.9 is there as source alone, which has to be built".to_owned(),
                "2.0: the index has no SHA-256 of a_b-2.0-py3-none-any.whl".to_owned(),
            ]
        );
    }
}
