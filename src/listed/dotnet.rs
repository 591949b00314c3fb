//! What an application of .NET is made of: `*.deps.json`
//! (<https://github.com/dotnet/sdk/blob/main/documentation/specs/runtime-configuration-file.md>).

use std::collections::BTreeMap;

use imgfix_model::path::ImagePath;

#[derive(serde::Deserialize)]
struct Dependencies {
    #[serde(default)]
    libraries: BTreeMap<String, Kind>,
}

#[derive(serde::Deserialize)]
struct Kind {
    r#type: Option<String>,
}

/// The folder of the application whose record this is.
pub fn place(path: &ImagePath) -> Option<ImagePath> {
    let name = path.file_name();
    let is_record = name.len() > b".deps.json".len() && name.ends_with(b".deps.json");
    path.parent().filter(|_| is_record)
}

/// The packages that a record names: projects and references have no versions of a registry.
///
/// # Errors
/// It is not JSON of this form: half a sentence.
pub fn read(bytes: &[u8]) -> Result<Vec<(String, String)>, String> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let all: Dependencies = imgfix_json::read(bytes).map_err(|error| error.to_string())?;
    let is_package = |kind: &Kind| {
        kind.r#type.as_deref().is_some_and(|kind| kind.eq_ignore_ascii_case("package"))
    };
    let packages = all.libraries.iter().filter(|(_, kind)| is_package(kind));
    let part = |(id, _): (&String, &Kind)| {
        let (name, version) = id.split_once('/')?;
        Some((name.to_owned(), version.to_owned()))
    };
    Ok(packages.filter_map(part).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_read() {
        let text = br#"{"libraries": {"App/1.0.0": {"type": "project"},
            "Newtonsoft.Json/12.0.3": {"type": "package", "sha512": "x"}}}"#;
        assert_eq!(read(text).unwrap(), [("Newtonsoft.Json".to_owned(), "12.0.3".to_owned())]);
        assert_eq!(read(b"{}").unwrap(), []);
        assert!(read(b"1").is_err());
        for (path, want) in [
            ("/app/App.deps.json", Some("/app")),
            ("/app/.deps.json", None),
            ("/app/deps.json", None),
        ] {
            let place = place(&ImagePath::literal(path)).map(|place| place.to_string());
            assert_eq!(place.as_deref(), want, "{path}");
        }
    }
}
