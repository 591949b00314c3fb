//! What the renderings of inventories share about libraries: their package URLs, and words.
//!
//! Package URLs: the `pypi`, `npm` and `maven` types of
//! <https://github.com/package-url/purl-spec/blob/main/PURL-TYPES.rst>.

use imgfix_findings::purl::encode;
use imgfix_model::component::{Libraries, Library};

/// `pkg:pypi/zope.interface@5.0`, `pkg:npm/%40babel/core@7.0.0`. Names are in the form that
/// their type wants: lower-case, and PyPI's with `-` for `_`.
#[must_use]
pub fn package_url(store: &Libraries, library: &Library) -> String {
    let name = library.name.to_lowercase();
    let name = match store.purl_type {
        "pypi" => encode(&name.replace('_', "-")),
        // `/` stands between a scope and the name; no other part of a URL may have one.
        "maven" => match library.name.split_once(':') {
            Some((group, artifact)) => format!("{}/{}", encode(group), encode(artifact)),
            None => encode(&library.name),
        },
        _ => match name.split_once('/') {
            Some((scope, name)) => format!("{}/{}", encode(scope), encode(name)),
            None => encode(&name),
        },
    };
    format!("pkg:{}/{name}@{}", store.purl_type, encode(&library.version.0))
}

/// `1 library`, `2 libraries`.
pub fn count(number: usize) -> String {
    format!("{number} librar{}", if number == 1 { "y" } else { "ies" })
}

/// Every library of every store, with its store.
pub fn all(stores: &[Libraries]) -> impl Iterator<Item = (&Libraries, &Library)> {
    stores.iter().flat_map(|store| store.libraries.iter().map(move |library| (store, library)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use imgfix_model::component::StoreId;
    use imgfix_model::path::ImagePath;
    use imgfix_versions::VersionOrder;

    #[test]
    fn names_are_as_their_type_wants_them() {
        for (kind, name, version, want) in [
            ("pypi", "Jinja2", "3.1.2", "pkg:pypi/jinja2@3.1.2"),
            ("pypi", "Zope.Interface_X", "1!5.0+a", "pkg:pypi/zope.interface-x@1%215.0%2Ba"),
            ("npm", "@babel/core", "7.0.0-a", "pkg:npm/%40babel/core@7.0.0-a"),
            ("npm", "JSONStream", "1.3.5", "pkg:npm/jsonstream@1.3.5"),
            ("npm", "under_score", "1.0.0", "pkg:npm/under_score@1.0.0"),
            ("maven", "org.A:b.C", "1", "pkg:maven/org.A/b.C@1"),
            ("maven", "commons-io", "2.6", "pkg:maven/commons-io@2.6"),
            ("npm", "a?b#c/d/e", "1@2", "pkg:npm/a%3Fb%23c/d%2Fe@1%402"),
        ] {
            let place = ImagePath::root();
            let library = Library {
                name: name.into(),
                version: version.into(),
                path: place.clone(),
                owner: None,
                description: Default::default(),
                mitigated: Vec::new(),
            };
            let store = Libraries {
                store: StoreId::new("x", &place),
                purl_type: kind,
                order: VersionOrder::DPKG,
                libraries: Vec::new(),
                unread: Vec::new(),
            };
            assert_eq!(package_url(&store, &library), want);
        }
    }
}
