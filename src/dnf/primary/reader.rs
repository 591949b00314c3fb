//! Reading `primary.xml` to its compact form.
//!
//! In comes the unpacked stream; out comes a [`PrimaryFile`]. A package that nothing can be
//! installed from (no SHA-256, a path that leaves the repository) is left out and counted.

use std::io::BufRead;

use super::{
    Entry, Flag, MAX_PACKAGES, MAX_RELATIONS, MAX_UNPACKED, PackageNumber, PrimaryError,
    PrimaryFile, Relation, RelationKind, Row,
};
use crate::repomd::is_below;
use crate::strings::{Id, Strings};
use crate::xml::{Token, Xml, XmlError};
use imgfix_model::digest::Digest;
use imgfix_vfs::{Memory, OverBudget, Reserved};

/// A package while it is read.
#[derive(Default)]
struct Current {
    name: String,
    architecture: String,
    epoch: String,
    version: String,
    release: String,
    location: String,
    base: String,
    vendor: Id,
    source: Id,
    digest: Option<Digest>,
    size: Option<u64>,
    header_end: u32,
    built: i64,
    relations: [Vec<Relation>; RelationKind::ALL.len()],
}

struct Builder<'a> {
    file: PrimaryFile,
    reserved: Reserved,
    wanted: &'a dyn Fn(&str) -> bool,
}

impl PrimaryFile {
    /// Reads the unpacked text to its end. Packages of architectures that `wanted` is false of
    /// are passed over.
    ///
    /// # Errors
    /// Not the XML that it should be, or more than `memory` has room for.
    pub fn read(
        text: impl BufRead,
        wanted: &dyn Fn(&str) -> bool,
        memory: &Memory,
    ) -> Result<Self, PrimaryError> {
        let file = Self {
            strings: Strings::new(memory.share()),
            packages: Vec::new(),
            relations: Vec::new(),
            by_name: Vec::new(),
            by_provide: Vec::new(),
            by_file: Vec::new(),
            by_obsolete: Vec::new(),
            by_supplement: Vec::new(),
            left_out: 0,
            first_left_out: None,
            _reserved: memory.share(),
        };
        let mut builder = Builder { file, reserved: memory.share(), wanted };
        let mut xml = Xml::new(text, MAX_UNPACKED);
        builder.document(&mut xml)?;
        builder.finish()
    }
}

impl Builder<'_> {
    fn document<R: BufRead>(&mut self, xml: &mut Xml<R>) -> Result<(), PrimaryError> {
        let mut rooted = false;
        loop {
            let name = match xml.next()? {
                Token::Eof if rooted => return Ok(()),
                Token::Eof => return Err(xml.error("no element").into()),
                Token::Start(element) => element.name().to_owned(),
                Token::End(_) | Token::Text(_) => continue,
            };
            if !rooted {
                if name != "metadata" {
                    return Err(xml
                        .error(format!("the document is a {name:?}, not metadata"))
                        .into());
                }
                rooted = true;
            } else if name == "package" {
                let current = self.package(xml)?;
                self.add(xml, current)?;
            } else {
                xml.content()?;
            }
        }
    }

    /// One `<package>`, to its end.
    fn package<R: BufRead>(&mut self, xml: &mut Xml<R>) -> Result<Current, PrimaryError> {
        let mut current = Current::default();
        let mut kind: Option<RelationKind> = None;
        let mut count = 0_usize;
        loop {
            // What the element's own text is kept for.
            let kept: Kept;
            match xml.next()? {
                Token::Eof => return Err(xml.error("it ends in the middle").into()),
                Token::Text(_) => continue,
                Token::End("package") => return Ok(current),
                Token::End(name) => {
                    if RelationKind::of_element(name).is_some() {
                        kind = None;
                    }
                    continue;
                }
                Token::Start(element) => match (element.name(), kind) {
                    ("entry", Some(kind)) => {
                        let relation = self.relation(&element)?;
                        count += 1;
                        if let Some(list) = current.relations.get_mut(kind as usize) {
                            list.push(relation);
                        }
                        kept = Kept::Nothing;
                    }
                    ("name", _) => kept = Kept::Name,
                    ("arch", _) => kept = Kept::Architecture,
                    ("version", _) => {
                        current.epoch = element.text("epoch")?.into_owned();
                        current.version = element.text("ver")?.into_owned();
                        current.release = element.text("rel")?.into_owned();
                        kept = Kept::Nothing;
                    }
                    ("checksum", _) => {
                        kept = match &*element.text("type")? {
                            "sha256" => Kept::Checksum,
                            _ => Kept::Nothing,
                        };
                    }
                    ("time", _) => {
                        current.built = element.text("build")?.parse().unwrap_or_default();
                        kept = Kept::Nothing;
                    }
                    ("size", _) => {
                        current.size = element.text("package")?.parse().ok();
                        kept = Kept::Nothing;
                    }
                    ("location", _) => {
                        current.location = element.text("href")?.into_owned();
                        current.base = element.text("base")?.into_owned();
                        kept = Kept::Nothing;
                    }
                    ("header-range", _) => {
                        current.header_end = element.text("end")?.parse().unwrap_or_default();
                        kept = Kept::Nothing;
                    }
                    ("vendor", _) => kept = Kept::Vendor,
                    ("sourcerpm", _) => kept = Kept::Source,
                    ("file", _) => {
                        kept = match &*element.text("type")? {
                            "ghost" => Kept::Ghost,
                            _ => Kept::File,
                        };
                    }
                    ("format", _) => kept = Kept::Nothing,
                    (name, _) => {
                        if let Some(found) = RelationKind::of_element(name) {
                            kind = Some(found);
                        }
                        kept = Kept::Nothing;
                    }
                },
            }
            if count > MAX_RELATIONS {
                return Err(xml.error("more relations than any real package has").into());
            }
            match kept {
                Kept::Nothing => {}
                Kept::Name => current.name = xml.content()?,
                Kept::Architecture => current.architecture = xml.content()?,
                Kept::Checksum => current.digest = Digest::from_hex(&xml.content()?).ok(),
                Kept::Vendor => current.vendor = self.file.strings.add(&xml.content()?)?,
                Kept::Source => current.source = self.file.strings.add(&xml.content()?)?,
                // rpm's dependencies on files are met by ghosts, too
                Kept::File | Kept::Ghost => {
                    count += 1;
                    let name = self.file.strings.add(&xml.content()?)?;
                    if let Some(list) = current.relations.last_mut() {
                        list.push(Relation { name, ..Relation::default() });
                    }
                }
            }
        }
    }

    fn relation(&mut self, element: &crate::xml::Element<'_>) -> Result<Relation, PrimaryError> {
        let name = self.file.strings.add(&element.text("name")?)?;
        let flag = Flag::from_word(&element.text("flags")?);
        if flag == Flag::Any {
            return Ok(Relation { name, ..Relation::default() });
        }
        let mut evr = element.text("ver")?.into_owned();
        match &*element.text("epoch")? {
            "" | "0" => {}
            epoch => evr = format!("{epoch}:{evr}"),
        }
        match &*element.text("rel")? {
            "" => {}
            release => evr = format!("{evr}-{release}"),
        }
        Ok(Relation { name, flag, evr: self.file.strings.add(&evr)? })
    }

    fn add<R: BufRead>(&mut self, xml: &Xml<R>, current: Current) -> Result<(), PrimaryError> {
        if !(self.wanted)(&current.architecture) {
            return Ok(());
        }
        let (digest, size) = match usable(&current) {
            Ok(known) => known,
            Err(why) => {
                self.file.left_out = self.file.left_out.saturating_add(1);
                let name: String = current.name.chars().take(60).collect();
                self.file.first_left_out.get_or_insert_with(|| format!("{name}: {why}"));
                return Ok(());
            }
        };
        if self.file.packages.len() >= MAX_PACKAGES {
            return Err(xml.error("more packages than in any real repository").into());
        }
        let counted = |relations: &[Relation]| relations.len();
        let count: usize = current.relations.iter().map(|list| counted(list)).sum();
        // twice, as growing vectors have as much in reserve; and a row of a table for most
        let bytes = size_of::<Entry>() + count * (size_of::<Relation>() + size_of::<Row>());
        self.reserved.grow(bytes as u64 * 2)?;
        let full = || XmlError { at: 0, why: "more relations than can be counted".to_owned() };
        let position = |at: usize| u32::try_from(at).map_err(|_| full());
        let number = PackageNumber(position(self.file.packages.len())?);
        let mut starts = [0_u32; RelationKind::ALL.len() + 1];
        for (list, kind) in current.relations.iter().zip(RelationKind::ALL) {
            if let Some(start) = starts.get_mut(kind as usize) {
                *start = position(self.file.relations.len())?;
            }
            self.file.relations.extend_from_slice(list);
            let table = match kind {
                RelationKind::Provides => &mut self.file.by_provide,
                RelationKind::Files => &mut self.file.by_file,
                RelationKind::Obsoletes => &mut self.file.by_obsolete,
                RelationKind::Supplements => &mut self.file.by_supplement,
                _ => continue,
            };
            table.extend(list.iter().map(|relation| (relation.name, number)));
        }
        if let Some(end) = starts.last_mut() {
            *end = position(self.file.relations.len())?;
        }
        let mut id = |text: &str| -> Result<Id, OverBudget> { self.file.strings.add(text) };
        let entry = Entry {
            name: id(&current.name)?,
            architecture: id(&current.architecture)?,
            epoch: id(match current.epoch.as_str() {
                "0" => "",
                epoch => epoch,
            })?,
            version: id(&current.version)?,
            release: id(&current.release)?,
            location: id(&current.location)?,
            base: id(&current.base)?,
            vendor: current.vendor,
            source: current.source,
            digest,
            size,
            header_end: current.header_end,
            built: current.built,
            relations: starts,
        };
        self.file.by_name.push((entry.name, number));
        self.file.packages.push(entry);
        Ok(())
    }

    fn finish(mut self) -> Result<PrimaryFile, PrimaryError> {
        let file = &mut self.file;
        for table in [
            &mut file.by_name,
            &mut file.by_provide,
            &mut file.by_file,
            &mut file.by_obsolete,
            &mut file.by_supplement,
        ] {
            table.sort_unstable();
            table.dedup();
            table.shrink_to_fit();
        }
        file.relations.shrink_to_fit();
        file.packages.shrink_to_fit();
        file._reserved = self.reserved;
        Ok(self.file)
    }
}

/// What an element's text is kept for.
enum Kept {
    Nothing,
    Name,
    Architecture,
    Checksum,
    Vendor,
    Source,
    File,
    Ghost,
}

/// Digest and size of a package that can be fetched, or why it cannot.
fn usable(current: &Current) -> Result<(Digest, u64), &'static str> {
    let plain = |text: &str| {
        !text.is_empty()
            && text.len() <= 255
            && !text.contains(|c: char| c.is_control() || c == '/')
    };
    if !plain(&current.name) || current.name.contains(char::is_whitespace) {
        return Err("its name is none");
    }
    if !plain(&current.architecture) || !plain(&current.version) || !plain(&current.release) {
        return Err("its version or architecture is none");
    }
    if !current.epoch.bytes().all(|b| b.is_ascii_digit()) {
        return Err("its epoch is no number");
    }
    if !is_below(&current.location) {
        return Err("its location is not below the repository");
    }
    let digest = current.digest.ok_or("the repository has no SHA-256 of it")?;
    let size = current.size.ok_or("the repository has no size of it")?;
    Ok((digest, size))
}
