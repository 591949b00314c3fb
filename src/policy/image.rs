//! Which images a part of the policy is about: patterns of names, as people paste them.
//!
//! In comes a pattern of the file and the name of an image; out goes whether one is of the other.
//! Docker Hub's short names and the full ones mean the same, and `docker://` says nothing.

use imgfix_oci::Reference;
use imgfix_repair::choice::is_like;

use super::Policy;

/// What a transport for registries is called in front of a name.
const REGISTRY: &str = "docker://";

/// The names of an image that patterns are held against.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageName(Vec<String>);

impl ImageName {
    /// Of an image as the command line has it.
    #[must_use]
    pub fn of(image: &Reference) -> Self {
        let text = image.to_string();
        let Reference::Registry(name) = image else { return Self(vec![text]) };
        let full = text.strip_prefix(REGISTRY).unwrap_or(&text).to_owned();
        let repository = format!("{}/{}", name.registry(), name.repository());
        let mut names = vec![full, repository];
        for prefix in ["docker.io/", "docker.io/library/"] {
            let short: Vec<String> = names
                .iter()
                .take(2)
                .filter_map(|name| name.strip_prefix(prefix).map(str::to_owned))
                .collect();
            names.extend(short);
        }
        Self(names)
    }
}

/// Images by their names: `*` is any text, and a pattern without a tag is of every tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImagePattern(String);

impl ImagePattern {
    /// As the file writes it.
    ///
    /// # Errors
    /// It is empty.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let bare = text.strip_prefix(REGISTRY).unwrap_or(text);
        match bare.is_empty() {
            true => Err("an empty pattern names no image".to_owned()),
            false => Ok(Self(bare.to_owned())),
        }
    }

    /// Whether an image has such a name.
    #[must_use]
    pub fn matches(&self, image: &ImageName) -> bool {
        image.0.iter().any(|name| is_like(&self.0, name))
    }

    /// The pattern as it was written, without `docker://`.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.0
    }
}

/// What holds for some images only, over the rest of its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageOverride {
    /// Which images.
    pub pattern: ImagePattern,
    /// What is said of them; it has no overrides of its own.
    pub policy: Policy,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_known_by_the_names_that_people_paste() {
        for (pattern, image, want) in [
            ("registry.example/team/*", "registry.example/team/app:1.0", true),
            ("registry.example/team/*", "docker://registry.example/team/a/b:1", true),
            ("docker://registry.example/team/*", "registry.example/team/app:1.0", true),
            ("registry.example/team/*", "registry.example/teams/app:1.0", false),
            ("registry.example/team/*", "evil.example/registry.example/team/app:1", false),
            ("registry.example/team/app", "registry.example/team/app:1.0", true),
            ("registry.example/team/app", "registry.example/team/app-2:1.0", false),
            ("registry.example/team/app:1.*", "registry.example/team/app:1.0", true),
            ("registry.example/team/app:1.*", "registry.example/team/app:2.0", false),
            ("nginx", "nginx:1.27", true),
            ("nginx", "docker.io/library/nginx:1.27", true),
            ("docker.io/library/*", "nginx", true),
            ("team/app", "docker.io/team/app:1", true),
            ("nginx", "registry.example/nginx:1", false),
            ("oci:images/*", "oci:images/app:1", true),
            ("*", "oci:x:1", true),
        ] {
            let name = ImageName::of(&image.parse().unwrap());
            let pattern = ImagePattern::parse(pattern).unwrap();
            assert_eq!(pattern.matches(&name), want, "{pattern:?} {image}");
        }
        assert!(ImagePattern::parse(" ").is_err() && ImagePattern::parse("docker://").is_err());
    }
}
