//! Installed gems: `specifications/NAME-VERSION.gemspec`, as RubyGems writes it
//! (`Gem::Specification#to_ruby`). It is Ruby, of which nothing is run.

use imgfix_model::path::ImagePath;

/// The folder of gems whose record this is; gems that come with Ruby are in `default` of it.
pub fn place(path: &ImagePath) -> Option<ImagePath> {
    if !path.file_name().ends_with(b".gemspec") {
        return None;
    }
    let folder = path.parent()?;
    match folder.file_name() {
        b"specifications" => folder.parent(),
        b"default" => {
            let above = folder.parent()?;
            (above.file_name() == b"specifications").then(|| above.parent())?
        }
        _ => None,
    }
}

/// The gem that a record is of: its stub line has name and version, else the assignments do.
///
/// # Errors
/// There is neither: half a sentence.
pub fn read(bytes: &[u8]) -> Result<Vec<(String, String)>, String> {
    let text = String::from_utf8_lossy(bytes);
    let mut words = text
        .lines()
        .find_map(|line| line.strip_prefix("# stub: "))
        .into_iter()
        .flat_map(|stub| stub.split(' '));
    if let (Some(name), Some(version)) = (words.next(), words.next()) {
        return Ok(vec![(name.to_owned(), version.to_owned())]);
    }
    let assigned = |key: &str| {
        let value = text.lines().find_map(|line| {
            let (left, right) = line.split_once('=')?;
            left.trim().ends_with(key).then_some(right)
        })?;
        value.split(['"', '\'']).nth(1).map(str::to_owned)
    };
    match (assigned(".name"), assigned(".version")) {
        (Some(name), Some(version)) => Ok(vec![(name, version)]),
        _ => Err("it has no name or no version".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_and_version_are_read() {
        const RACK: &str = "# -*- encoding: utf-8 -*-\n# stub: rack 2.2.3 ruby lib\n\n\
                            Gem::Specification.new do |s|\n";
        const PLAIN: &str = "Gem::Specification.new do |s|\n  s.name = \"rack\".freeze\n  \
                             s.version = Gem::Version.new(\"2.2.3\")\nend\n";
        for text in [RACK, PLAIN] {
            let want = [("rack".to_owned(), "2.2.3".to_owned())];
            assert_eq!(read(text.as_bytes()).unwrap(), want);
        }
        assert!(read(b"Gem::Specification.new\n").is_err());
        for (path, want) in [
            ("/g/3.1.0/specifications/rack-2.2.3.gemspec", Some("/g/3.1.0")),
            ("/g/3.1.0/specifications/default/json-2.6.1.gemspec", Some("/g/3.1.0")),
            ("/g/3.1.0/gems/rack-2.2.3/rack.gemspec", None),
            ("/g/default/rack.gemspec", None),
        ] {
            let place = place(&ImagePath::literal(path)).map(|place| place.to_string());
            assert_eq!(place.as_deref(), want, "{path}");
        }
    }
}
