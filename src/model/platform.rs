//! [`Platform`]: operating system, architecture and variant of one image of an index.

use std::fmt;
use std::str::FromStr;

/// As in an image index: `linux/amd64`, `linux/arm/v7`.
#[derive(
    Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
pub struct Platform {
    /// Go's `GOOS`: `linux`.
    pub os: String,
    /// Go's `GOARCH`: `amd64`, `arm64`.
    pub architecture: String,
    /// Which kind of the architecture, where there are several: `v7` of `arm`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub variant: Option<String>,
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        match &self.variant {
            Some(variant) => write!(f, "/{variant}"),
            None => Ok(()),
        }
    }
}

impl FromStr for Platform {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let fail = || {
            format!("{text:?} is not a platform (want os/architecture[/variant], as linux/arm64)")
        };
        let parts: Vec<&str> = text.split('/').collect();
        let (os, architecture, variant) = match parts.as_slice() {
            [name] if is_known_architecture(name) => ("linux", *name, None),
            [os, arch] => (*os, *arch, None),
            [os, arch, variant] => (*os, *arch, Some(*variant)),
            _ => return Err(fail()),
        };
        if [Some(os), Some(architecture), variant].iter().flatten().any(|p| p.is_empty()) {
            return Err(fail());
        }
        let (architecture, implied) = usual_name(architecture);
        Ok(Self {
            os: os.to_owned(),
            architecture: architecture.to_owned(),
            variant: variant.or(implied).map(str::to_owned),
        })
    }
}

impl Platform {
    /// What distributions call the architecture: Debian
    /// (<https://wiki.debian.org/SupportedArchitectures>) and Alpine
    /// (<https://wiki.alpinelinux.org/wiki/Requirements>).
    #[must_use]
    pub fn distribution_names(&self) -> [&str; 2] {
        match (self.architecture.as_str(), self.variant.as_deref()) {
            ("amd64", _) => ["amd64", "x86_64"],
            ("arm64", _) => ["arm64", "aarch64"],
            ("386", _) => ["i386", "x86"],
            ("arm", Some("v5" | "v6")) => ["armel", "armhf"],
            ("arm", _) => ["armhf", "armv7"],
            ("ppc64le", _) => ["ppc64el", "ppc64le"],
            ("mips64le", _) => ["mips64el", "mips64el"],
            (other, _) => [other, other],
        }
    }

    /// Whether an image of this platform answers to `wanted` (a request without a variant
    /// takes any). Architectures are compared by their usual names, and a variant that all
    /// machines of an architecture have may be left out.
    #[must_use]
    pub fn matches(&self, wanted: &Platform) -> bool {
        let (own, implied) = usual_name(&self.architecture);
        let (other, asked) = usual_name(&wanted.architecture);
        if self.os != wanted.os || own != other {
            return false;
        }
        let first = FIRST_VARIANTS.iter().find(|(name, _)| *name == own).map(|(_, first)| *first);
        let own = self.variant.as_deref().or(implied).or(first);
        wanted.variant.as_deref().or(asked).is_none_or(|asked| own == Some(asked))
    }
}

/// Architectures of images, by Go's names.
const ARCHITECTURES: [&str; 9] =
    ["386", "amd64", "arm", "arm64", "loong64", "mips64le", "ppc64le", "riscv64", "s390x"];

/// Names that kernels, Debian and compilers give them; with the variant that a name implies.
const OTHER_NAMES: [(&str, &str, Option<&str>); 12] = [
    ("aarch64", "arm64", None),
    ("x86_64", "amd64", None),
    ("x86-64", "amd64", None),
    ("i386", "386", None),
    ("i686", "386", None),
    ("armhf", "arm", Some("v7")),
    ("armv7l", "arm", Some("v7")),
    ("armel", "arm", Some("v6")),
    ("armv6l", "arm", Some("v6")),
    ("ppc64el", "ppc64le", None),
    ("loongarch64", "loong64", None),
    ("mips64el", "mips64le", None),
];

/// The variant that an image has when its architecture's variant is not said, as containerd and
/// docker have it.
const FIRST_VARIANTS: [(&str, &str); 3] = [("arm64", "v8"), ("amd64", "v1"), ("arm", "v7")];

/// An architecture's name in images, and the variant that the given name implies.
fn usual_name(name: &str) -> (&str, Option<&'static str>) {
    let other = OTHER_NAMES.iter().find(|(other, ..)| *other == name);
    other.map_or((name, None), |(_, usual, variant)| (usual, *variant))
}

fn is_known_architecture(name: &str) -> bool {
    ARCHITECTURES.contains(&usual_name(name).0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn platform(text: &str) -> Platform {
        text.parse().unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn platforms_are_taken_by_the_names_that_people_write() {
        for (text, want) in [
            ("linux/amd64", "linux/amd64"),
            ("linux/x86_64", "linux/amd64"),
            ("linux/aarch64", "linux/arm64"),
            ("amd64", "linux/amd64"),
            ("arm64", "linux/arm64"),
            ("x86-64", "linux/amd64"),
            ("aarch64", "linux/arm64"),
            ("linux/arm64/v8", "linux/arm64/v8"),
            ("linux/arm/v7", "linux/arm/v7"),
            ("armhf", "linux/arm/v7"),
            ("linux/armel", "linux/arm/v6"),
            ("ppc64el", "linux/ppc64le"),
            ("windows/amd64", "windows/amd64"),
        ] {
            assert_eq!(platform(text).to_string(), want, "{text}");
        }
        for text in ["linux", "", "/", "linux/", "linux//v8", "a/b/c/d", "x64"] {
            assert_eq!(
                text.parse::<Platform>(),
                Err(format!(
                    "{text:?} is not a platform (want os/architecture[/variant], as linux/arm64)"
                ))
            );
        }
    }

    #[test]
    fn a_variant_that_all_have_may_be_left_out() {
        for (image, wanted, matches) in [
            ("linux/arm64", "linux/arm64/v8", true),
            ("linux/arm64/v8", "linux/arm64", true),
            ("linux/arm64/v8", "aarch64", true),
            ("linux/arm64/v9", "linux/arm64/v8", false),
            ("linux/amd64", "linux/amd64/v1", true),
            ("linux/amd64/v2", "linux/amd64", true),
            ("linux/amd64", "linux/amd64/v3", false),
            ("linux/arm", "linux/arm/v7", true),
            ("linux/arm/v6", "linux/arm", true),
            ("linux/arm/v6", "armhf", false),
            ("linux/arm/v7", "armhf", true),
            ("linux/amd64", "linux/arm64", false),
            ("windows/amd64", "amd64", false),
        ] {
            assert_eq!(platform(image).matches(&platform(wanted)), matches, "{image} {wanted}");
        }
        // as an index may have it
        let kernel = Platform { os: "linux".into(), architecture: "x86_64".into(), variant: None };
        assert!(kernel.matches(&platform("linux/amd64")));
    }
}
