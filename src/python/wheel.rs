//! A wheel: the archive of a built distribution
//! (<https://packaging.python.org/en/latest/specifications/binary-distribution-format/>).
//!
//! In come its bytes, which have the hash of the index; out come its files, by where they go, and
//! what it says of itself. Names, sizes and checksums are the archive reader's business
//! (`imgfix_zip`): none leads out of the folder that it is unpacked to.

use bytes::Bytes;
use imgfix_zip::{Archive, Entry, Limits, Names};

use crate::entry_points::{self, Script};
use crate::headers::{self, Needs};
use crate::names::same_name;
use crate::record::{self, Row};
use crate::specifiers::Version;

/// A wheel whose headers were read.
#[derive(Debug)]
pub struct Wheel {
    archive: Archive,
    /// `jinja2-3.1.6.dist-info`.
    pub info: String,
    /// As its metadata writes it.
    pub name: String,
    /// As its metadata writes it.
    pub version: String,
    /// What it wants of others.
    pub needs: Needs,
    /// Its programs.
    pub scripts: Vec<Script>,
    /// Its RECORD.
    pub rows: Vec<Row>,
}

/// Where a file of a wheel goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part<'a> {
    /// To the folder of distributions.
    Library(&'a str),
    /// To the folder of programs.
    Scripts(&'a str),
    /// To the environment's prefix.
    Data(&'a str),
    /// To the folder of this distribution's C headers.
    Headers(&'a str),
}

impl Wheel {
    /// Reads a wheel of the distribution `name` at `version`.
    ///
    /// # Errors
    /// It is no wheel, of a newer format, or of another distribution or version: half a sentence.
    pub fn read(bytes: Bytes, name: &str, version: &str) -> Result<Self, String> {
        let text = |error: imgfix_zip::ZipError| error.to_string();
        let archive = Archive::read(bytes, Limits::PACKAGE, Names::Unpacked).map_err(text)?;
        let info = info_folder(&archive)?;
        let own = |file: &str| archive.named(&format!("{info}/{file}")).map_err(text);
        let format = headers::values(&own("WHEEL")?, "Wheel-Version")?;
        match format.as_slice() {
            [number] if number.split('.').next() == Some("1") => {}
            _ => return Err(format!("it is a wheel of version {:?}, not 1", format.join(" "))),
        }
        let metadata = own("METADATA")?;
        let identity = headers::identity(&metadata)?;
        let parsed = |text: &str| text.parse::<Version>().ok();
        let is_version =
            parsed(identity.version()).is_some() && parsed(identity.version()) == parsed(version);
        if !same_name(identity.name(), name) || !is_version {
            let (found, at) = (identity.name(), identity.version());
            return Err(format!("it is a wheel of {found} {at}, not of {name} {version}"));
        }
        let scripts = match archive.find(&format!("{info}/entry_points.txt")).map_err(text)? {
            Some(_) => entry_points::scripts(&own("entry_points.txt")?)
                .map_err(|why| format!("in its entry_points.txt, {why}"))?,
            None => Vec::new(),
        };
        let rows = record::read(&own("RECORD")?).map_err(|why| format!("of its RECORD, {why}"))?;
        let wheel = Self {
            name: identity.name().to_owned(),
            version: identity.version().to_owned(),
            needs: headers::needs(&metadata)?,
            scripts,
            rows,
            info,
            archive,
        };
        for entry in wheel.files() {
            wheel.part(entry)?;
        }
        Ok(wheel)
    }

    /// Its files, without folders, in the archive's order.
    pub fn files(&self) -> impl Iterator<Item = &Entry> {
        self.archive.entries().iter().filter(|entry| !entry.is_folder())
    }

    /// Where a file goes.
    ///
    /// # Errors
    /// To a part that no environment has: half a sentence.
    pub fn part<'a>(&self, entry: &'a Entry) -> Result<Part<'a>, String> {
        let name = entry.path();
        let Some((top, below)) = name.split_once('/').filter(|(top, _)| top.ends_with(".data"))
        else {
            return Ok(Part::Library(name));
        };
        match below.split_once('/') {
            Some(("purelib" | "platlib", rest)) => Ok(Part::Library(rest)),
            Some(("scripts", rest)) => Ok(Part::Scripts(rest)),
            Some(("data", rest)) => Ok(Part::Data(rest)),
            Some(("headers", rest)) => Ok(Part::Headers(rest)),
            _ => Err(format!("its file {name:?} in {top} is for no known place")),
        }
    }

    /// A file's content.
    ///
    /// # Errors
    /// It is damaged: half a sentence.
    pub fn content(&self, entry: &Entry) -> Result<Bytes, String> {
        self.archive.content(entry).map_err(|error| error.to_string())
    }
}

/// Whether an installer makes a file executable: any of its execute bits is set.
#[must_use]
pub fn is_executable(entry: &Entry) -> bool {
    entry.unix_mode().is_some_and(|mode| mode & 0o170_000 == 0o100_000 && mode & 0o111 != 0)
}

/// The only folder of the archive that has what a distribution says of itself.
fn info_folder(archive: &Archive) -> Result<String, String> {
    let mut found: Option<&str> = None;
    for entry in archive.entries() {
        let Some((top, _)) = entry.name().split_once('/') else { continue };
        if !top.ends_with(".dist-info") || found == Some(top) {
            continue;
        }
        if let Some(first) = found {
            return Err(format!("it has both {first:?} and {top:?}"));
        }
        found = Some(top);
    }
    found.map(str::to_owned).ok_or_else(|| "it has no .dist-info folder".to_owned())
}
