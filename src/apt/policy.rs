//! What the image's apt is told to do: its pins and target release, phased updates, and
//! whether it installs recommended packages.
//!
//! In come the image's configuration and which apt it has; out comes an [`AptPolicy`], which
//! the planner asks.

use super::phasing::Phasing;
use super::preferences::{PinTypes, Preferences, PreferencesError};
use imgfix_dpkg::apt_conf::AptConf;
use imgfix_dpkg::inventory::DpkgInventory;
use imgfix_versions::dpkg::Version;
use imgfix_vfs::FileSystem;

/// What the image's apt does with `Recommends`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Recommends {
    /// New ones are installed: apt's default.
    #[default]
    Installed,
    /// `APT::Install-Recommends "false"`
    Ignored,
}

/// Everything that decides which versions apt takes.
#[derive(Debug, Clone, Default)]
pub struct AptPolicy {
    /// Pins and the target release.
    pub preferences: Preferences,
    /// What becomes of updates that Ubuntu hands out by and by.
    pub phasing: Phasing,
    /// Whether new recommended packages are worth a note.
    pub recommends: Recommends,
}

impl AptPolicy {
    /// Reads what the image says. `reproducible` says that `SOURCE_DATE_EPOCH` is set.
    ///
    /// # Errors
    /// Preference files that apt refuses, with file and line.
    pub fn read(
        fs: &dyn FileSystem,
        conf: &AptConf,
        inventory: &DpkgInventory,
        reproducible: bool,
    ) -> Result<Self, PreferencesError> {
        let apt = inventory
            .packages
            .iter()
            .find(|package| package.id.name.as_ref() == "apt")
            .map(|package| &package.version);
        Ok(Self {
            preferences: Preferences::read(fs, conf, PinTypes::of(apt))?,
            phasing: Phasing::read(fs, conf, apt, reproducible)?,
            recommends: recommends(conf, apt),
        })
    }
}

fn recommends(conf: &AptConf, apt: Option<&Version>) -> Recommends {
    match apt.is_some() && conf.truth("APT::Install-Recommends", true) {
        true => Recommends::Installed,
        false => Recommends::Ignored,
    }
}
