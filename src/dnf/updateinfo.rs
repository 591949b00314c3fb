//! `updateinfo.xml`: advisories, and which packages have their fixes.
//!
//! In comes the unpacked stream; out come [`Advisory`]s. Source: createrepo_c,
//! `src/xml_dump_updateinfo.c` and `src/updateinfo.h`.

use std::io::BufRead;

use super::xml::{Token, Xml, XmlError};
use imgfix_vfs::{Memory, OverBudget, Reserved};

/// The most unpacked bytes that are read.
pub const MAX_UNPACKED: u64 = 1 << 30;

/// Why a file cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum UpdateinfoError {
    /// The stream fails, or is not the XML that it should be.
    #[error(transparent)]
    Xml(#[from] XmlError),
    /// It has more than there is room for.
    #[error(transparent)]
    Memory(#[from] OverBudget),
}

/// What a vendor says of a set of fixes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Advisory {
    /// `RHSA-2024:1234`, `ALAS2023-2024-500`.
    pub id: String,
    /// `security`, `bugfix`, `enhancement`.
    pub kind: String,
    /// `Important`; empty when it does not say.
    pub severity: String,
    /// `CVE-2024-1234` and the like.
    pub references: Vec<String>,
    /// The packages that have the fixes.
    pub packages: Vec<AdvisedPackage>,
}

/// A package that has the fixes of an advisory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AdvisedPackage {
    /// Its name.
    pub name: String,
    /// `[epoch:]version-release`.
    pub evr: String,
    /// `x86_64`.
    pub architecture: String,
}

/// All advisories of a repository.
#[derive(Debug)]
pub struct Advisories {
    /// In the file's order.
    pub list: Vec<Advisory>,
    _reserved: Reserved,
}

impl Advisories {
    /// None.
    #[must_use]
    pub fn none(memory: &Memory) -> Self {
        Self { list: Vec::new(), _reserved: memory.share() }
    }

    /// Reads the unpacked text. Packages that `wanted` is false of are passed over, and
    /// advisories without any other.
    ///
    /// # Errors
    /// Not the XML that it should be, or more than `memory` has room for.
    pub fn read(
        text: impl BufRead,
        wanted: &dyn Fn(&AdvisedPackage) -> bool,
        memory: &Memory,
    ) -> Result<Self, UpdateinfoError> {
        let mut xml = Xml::new(text, MAX_UNPACKED);
        let mut out = Self::none(memory);
        let mut rooted = false;
        loop {
            let (name, kind) = match xml.next()? {
                Token::Eof if rooted => return Ok(out),
                Token::Eof => return Err(xml.error("no element").into()),
                Token::Start(element) => {
                    (element.name().to_owned(), element.text("type")?.into_owned())
                }
                Token::End(_) | Token::Text(_) => continue,
            };
            if !rooted {
                if name != "updates" {
                    return Err(xml.error("the document is no list of updates").into());
                }
                rooted = true;
            } else if name == "update" {
                let advisory = advisory(&mut xml, kind, wanted, &mut out._reserved)?;
                if !advisory.packages.is_empty() {
                    out.list.push(advisory);
                }
            } else {
                xml.content()?;
            }
        }
    }
}

/// One `<update>`, to its end.
fn advisory<R: BufRead>(
    xml: &mut Xml<R>,
    kind: String,
    wanted: &dyn Fn(&AdvisedPackage) -> bool,
    reserved: &mut Reserved,
) -> Result<Advisory, UpdateinfoError> {
    let mut advisory = Advisory { kind, ..Advisory::default() };
    loop {
        let name = match xml.next()? {
            Token::Eof => return Err(xml.error("it ends in the middle").into()),
            Token::End("update") => return Ok(advisory),
            Token::End(_) | Token::Text(_) => continue,
            Token::Start(element) => match element.name() {
                "reference" => {
                    let id = element.text("id")?;
                    if !id.is_empty() {
                        reserved.grow(2 * (id.len() + size_of::<String>()) as u64)?;
                        advisory.references.push(id.into_owned());
                    }
                    continue;
                }
                "package" => {
                    let version = element.text("version")?;
                    let evr = format!("{version}-{}", element.text("release")?);
                    let evr = match &*element.text("epoch")? {
                        "" | "0" => evr,
                        epoch => format!("{epoch}:{evr}"),
                    };
                    let package = AdvisedPackage {
                        name: element.text("name")?.into_owned(),
                        evr,
                        architecture: element.text("arch")?.into_owned(),
                    };
                    if wanted(&package) {
                        let bytes = package.name.len()
                            + package.evr.len()
                            + package.architecture.len()
                            + size_of::<AdvisedPackage>();
                        reserved.grow(2 * bytes as u64)?;
                        advisory.packages.push(package);
                    }
                    continue;
                }
                name => name.to_owned(),
            },
        };
        match name.as_str() {
            "id" => advisory.id = xml.content()?,
            "severity" => advisory.severity = xml.content()?,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"<?xml version="1.0"?><updates><update status="final" type="security" from="x">
<id>RHSA-2024:1</id><title>t</title><severity>Important</severity><description>a <b>c</b></description>
<references><reference href="h" id="CVE-2024-1" type="cve" title="CVE-2024-1"/></references>
<pkglist><collection><name>c</name><package name="a" epoch="1" version="2" release="3.el9" arch="x86_64">
<filename>a.rpm</filename><sum type="sha256">x</sum></package>
<package name="b" epoch="0" version="2" release="3" arch="noarch"/></collection></pkglist></update>
<update type="bugfix"><id>RHBA-1</id><pkglist><collection><package name="z" version="1" release="1" arch="src"/>
</collection></pkglist></update></updates>"#;

    #[test]
    fn advisories_have_their_packages() {
        let memory = Memory::default();
        let wanted = |package: &AdvisedPackage| package.architecture != "src";
        let got = Advisories::read(TEXT.as_bytes(), &wanted, &memory).unwrap();
        let [one] = got.list.as_slice() else { panic!("{got:?}") };
        assert_eq!((one.id.as_str(), one.kind.as_str()), ("RHSA-2024:1", "security"));
        assert_eq!(
            (one.severity.as_str(), one.references.as_slice()),
            ("Important", &["CVE-2024-1".to_owned()][..])
        );
        let evrs: Vec<&str> = one.packages.iter().map(|package| package.evr.as_str()).collect();
        assert_eq!(evrs, ["1:2-3.el9", "2-3"]);
        let small = Memory::fixed(50);
        assert!(Advisories::read(TEXT.as_bytes(), &wanted, &small).is_err());
        assert!(Advisories::read(&b"<x/>"[..], &wanted, &memory).is_err());
        assert!(Advisories::read(&b""[..], &wanted, &memory).is_err());
    }
}
