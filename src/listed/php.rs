//! What Composer installed for an application: `vendor/composer/installed.json`.

use imgfix_model::path::ImagePath;

/// The file as Composer 2 writes it, and as Composer 1 did.
#[derive(serde::Deserialize)]
#[serde(untagged)]
enum Installed {
    Two { packages: Vec<Package> },
    One(Vec<Package>),
}

#[derive(serde::Deserialize)]
struct Package {
    name: String,
    version: String,
}

/// The vendor folder whose record this is.
pub fn place(path: &ImagePath) -> Option<ImagePath> {
    let folder = path.parent()?;
    let is_record = path.file_name() == b"installed.json" && folder.file_name() == b"composer";
    folder.parent().filter(|_| is_record)
}

/// The packages that a record names.
///
/// # Errors
/// It is not JSON of this form: half a sentence.
pub fn read(bytes: &[u8]) -> Result<Vec<(String, String)>, String> {
    let packages = match imgfix_json::read(bytes).map_err(|error| error.to_string())? {
        Installed::Two { packages } | Installed::One(packages) => packages,
    };
    Ok(packages.into_iter().map(|one| (one.name, one.version)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_read() {
        for text in [
            r#"{"packages": [{"name": "symfony/http-foundation", "version": "v5.4.1"}], "dev": true}"#,
            r#"[{"name": "symfony/http-foundation", "version": "v5.4.1", "type": "library"}]"#,
        ] {
            let want = [("symfony/http-foundation".to_owned(), "v5.4.1".to_owned())];
            assert_eq!(read(text.as_bytes()).unwrap(), want);
        }
        assert!(read(b"{}").is_err());
        for (path, want) in [
            ("/srv/vendor/composer/installed.json", Some("/srv/vendor")),
            ("/srv/composer.lock", None),
            ("/srv/vendor/installed.json", None),
        ] {
            let place = place(&ImagePath::literal(path)).map(|place| place.to_string());
            assert_eq!(place.as_deref(), want, "{path}");
        }
    }
}
