//! [`Platform`]: operating system, architecture and variant of one image of an index.

use std::fmt;
use std::str::FromStr;

/// As in an image index: `linux/amd64`, `linux/arm/v7`.
#[derive(
    Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
pub struct Platform {
    pub os: String,
    pub architecture: String,
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
        let parts: Vec<&str> = text.split('/').collect();
        let (os, architecture, variant) = match parts.as_slice() {
            [os, arch] => (*os, *arch, None),
            [os, arch, variant] => (*os, *arch, Some((*variant).to_owned())),
            _ => {
                return Err(format!(
                    "{text:?} is not a platform (want os/architecture[/variant], as linux/arm64)"
                ));
            }
        };
        if [Some(os), Some(architecture), variant.as_deref()].iter().flatten().any(|p| p.is_empty())
        {
            return Err(format!(
                "{text:?} is not a platform (want os/architecture[/variant], as linux/arm64)"
            ));
        }
        Ok(Self { os: os.to_owned(), architecture: architecture.to_owned(), variant })
    }
}

impl Platform {
    /// Whether an image of this platform answers to `wanted` (a request without a variant
    /// takes any).
    #[must_use]
    pub fn matches(&self, wanted: &Platform) -> bool {
        self.os == wanted.os
            && self.architecture == wanted.architecture
            && (wanted.variant.is_none() || self.variant == wanted.variant)
    }
}
