//! [`Element`]: a package of a transaction that comes or goes, with its files and what becomes of
//! them.

use imgfix_model::path::ImagePath;

use super::fate::Action;
use super::{InstallError, Installed, NewPackage, Step};
use crate::package::{File, FileHash, Files, Package};

/// Which way an element goes.
#[derive(Clone, Copy)]
pub(super) enum Part<'a> {
    Install(&'a NewPackage),
    Erase(&'a Installed),
}

/// A package that comes or goes.
pub(super) struct Element<'a> {
    pub part: Part<'a>,
    pub package: &'a Package,
    /// The element that comes in its place.
    pub replaced_by: Option<usize>,
    /// In the package's own order.
    pub files: Vec<File<'a>>,
    /// The hash of their digests.
    pub hash: FileHash,
    /// What becomes of each of them.
    pub actions: Vec<Action>,
    /// Where each of them is in the image; `None`: at no path that an image can have.
    pub places: Vec<Option<ImagePath>>,
}

impl<'a> Element<'a> {
    pub fn is_install(&self) -> bool {
        matches!(self.part, Part::Install(_))
    }

    /// The elements of the steps, in their order.
    pub fn of(
        steps: &[Step],
        packages: &'a [NewPackage],
        installed: &'a [Installed],
    ) -> Result<Vec<Self>, InstallError> {
        let mut elements = Vec::with_capacity(steps.len());
        for step in steps {
            let (part, replaced_by) = match *step {
                Step::Install(at) => {
                    let package = packages.get(at).ok_or(InstallError::Step(*step))?;
                    (Part::Install(package), None)
                }
                Step::Erase { number, replaced_by } => {
                    let found = installed.iter().find(|one| one.number == number);
                    let found = found.ok_or(InstallError::Step(*step))?;
                    let is_it =
                        |other: &Step| replaced_by.is_some_and(|at| *other == Step::Install(at));
                    (Part::Erase(found), steps.iter().position(is_it))
                }
            };
            let package = match part {
                Part::Install(new) => &new.package.headers.package,
                Part::Erase(installed) => &installed.package,
            };
            let list = files(package)?;
            elements.push(Self {
                part,
                package,
                replaced_by,
                files: list.iter().collect(),
                hash: list.hash(),
                actions: Vec::new(),
                places: Vec::new(),
            });
        }
        Ok(elements)
    }
}

/// The files of a package.
pub(super) fn files(package: &Package) -> Result<Files<'_>, InstallError> {
    let name = || package.label();
    package.files().map_err(|source| InstallError::Files { package: name(), source })
}
