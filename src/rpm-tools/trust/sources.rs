//! [`Object`]s of the files that are sources of trust, in p11-kit's order (p11-kit's
//! `trust/token.c`, `trust/parser.c`, `trust/builder.c`).
//!
//! Files of one folder come by their names. p11-kit before 0.26 takes them as the disk has them,
//! which no image says; distributions have one file in a folder.

use bytes::Bytes;
use imgfix_shell::{Process, Stop};
use imgfix_tools::files::{is_directory, names_in, read_optional};

use super::certificate::{Certificate, Extension, is_authority, oid};
use super::module::Places;
use super::{names, pem, persist, trusted};

/// What an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    Certificate,
    /// An extension that is attached to the certificates of a key.
    Extension,
}

/// A certificate, or an extension that is attached to those of a key.
#[derive(Debug, Clone, Default)]
pub struct Object {
    pub class: Option<Class>,
    pub is_x509: bool,
    pub label: Option<Vec<u8>>,
    pub trusted: Option<bool>,
    pub distrusted: Option<bool>,
    /// Whether it can issue certificates.
    pub is_authority: Option<bool>,
    /// In DER.
    pub value: Option<Vec<u8>>,
    pub public_key: Option<Vec<u8>>,
    pub issuer: Option<Vec<u8>>,
    pub subject: Option<Vec<u8>>,
    pub serial: Option<Vec<u8>>,
}

impl Object {
    /// A certificate of which nothing else is known.
    #[must_use]
    pub fn certificate(der: &[u8]) -> Self {
        let value = Some(der.to_vec());
        Self { class: Some(Class::Certificate), is_x509: true, value, ..Self::default() }
    }

    /// Whether it is a certificate with a value.
    #[must_use]
    pub fn is_certificate(&self) -> bool {
        self.class == Some(Class::Certificate) && self.has_value()
    }

    fn has_value(&self) -> bool {
        self.value.as_ref().is_some_and(|value| !value.is_empty())
    }
}

/// The objects of one path.
pub type Token = Vec<Object>;

/// What the folder of a file says of its certificates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Anchors,
    Blocklist,
    Neutral,
}

/// All sources of the image.
///
/// # Errors
/// What p11-kit might read otherwise than it is read here.
pub fn load(process: &mut Process<'_>, places: &Places) -> Result<Vec<Token>, Stop> {
    let mut tokens = Vec::new();
    for path in &places.paths {
        let mut token = Token::new();
        if is_directory(process, path)? {
            load_folder(process, path, Place::Neutral, &mut token)?;
            load_folder(process, &[path, &b"/anchors"[..]].concat(), Place::Anchors, &mut token)?;
            for name in &places.blocklists {
                let folder = [path, &b"/"[..], name.as_bytes()].concat();
                load_folder(process, &folder, Place::Blocklist, &mut token)?;
            }
        } else {
            load_file(process, path, Place::Anchors, &mut token)?;
        }
        categorize(process, &mut token)?;
        tokens.push(token);
    }
    Ok(tokens)
}

fn load_folder(
    process: &mut Process<'_>,
    folder: &[u8],
    place: Place,
    token: &mut Token,
) -> Result<(), Stop> {
    for name in names_in(process, folder)? {
        let path = [folder, b"/", &name].concat();
        if !is_directory(process, &path)? {
            load_file(process, &path, place, token)?;
        }
    }
    Ok(())
}

fn load_file(
    process: &mut Process<'_>,
    path: &[u8],
    place: Place,
    token: &mut Token,
) -> Result<(), Stop> {
    let Some(text) = read_optional(process, path)? else { return Ok(()) };
    let name = String::from_utf8_lossy(path).into_owned();
    let objects = objects(process, &name, &text)?;
    process.machine.spend_items(objects.len())?;
    for mut object in objects {
        if object.class == Some(Class::Certificate) {
            place_certificate(process, &name, &mut object, place)?;
        }
        if !fill(process, &name, &mut object)? {
            break;
        }
        token.push(object);
    }
    Ok(())
}

/// What a file has, by the first format that fits.
fn objects(process: &mut Process<'_>, name: &str, text: &Bytes) -> Result<Vec<Object>, Stop> {
    if persist::is_one(text) {
        if let Some(objects) = persist::read(name, text)? {
            return Ok(objects);
        }
        process.complain(format!("{name}: not in p11-kit's format"))?;
    }
    if text.starts_with(&[0x30]) {
        return match Certificate::read(text) {
            Ok(_) => Ok(vec![Object::certificate(text)]),
            Err(_) => Err(no_der(process, name)),
        };
    }
    let mut objects = Vec::new();
    for block in pem::read(text) {
        match &block.label[..] {
            b"CERTIFICATE" => match Certificate::read(&block.content) {
                Ok(_) => objects.push(Object::certificate(&block.content)),
                Err(_) => return Err(no_der(process, name)),
            },
            b"TRUSTED CERTIFICATE" => match trusted::read(&block.content) {
                Ok(more) => objects.extend(more),
                Err(_) => return Err(no_der(process, name)),
            },
            _ => {}
        }
    }
    Ok(objects)
}

/// p11-kit reads some certificates that are not quite in DER.
fn no_der(process: &Process<'_>, name: &str) -> Stop {
    process.unsupported(format!("{name}: a certificate that is not in DER"))
}

/// The folder's word on a certificate.
fn place_certificate(
    process: &mut Process<'_>,
    name: &str,
    object: &mut Object,
    place: Place,
) -> Result<(), Stop> {
    match place {
        Place::Anchors if object.distrusted == Some(true) => {
            process.complain(format!("certificate with distrust in location for anchors: {name}"))
        }
        Place::Anchors => {
            object.trusted = Some(true);
            object.distrusted = Some(false);
            Ok(())
        }
        Place::Blocklist => {
            object.trusted = Some(false);
            object.distrusted = Some(true);
            Ok(())
        }
        Place::Neutral => Ok(()),
    }
}

/// Fills in what the file leaves to the certificate itself. Whether p11-kit takes the object: with
/// one that it does not take, it ends the file.
fn fill(process: &mut Process<'_>, name: &str, object: &mut Object) -> Result<bool, Stop> {
    let problem = match object.class {
        None => Some("no class"),
        Some(Class::Certificate) if !object.is_x509 => Some("a certificate without type"),
        Some(Class::Extension) if !object.has_value() => Some("an extension without value"),
        Some(Class::Extension) if object.public_key.is_none() => Some("an extension without key"),
        Some(_) => None,
    };
    if let Some(problem) = problem {
        process.complain(format!("couldn't load file into objects: {name} has {problem}"))?;
        return Ok(false);
    }
    let Some(value) = object.value.clone().filter(|value| !value.is_empty()) else {
        return Ok(true);
    };
    if object.class == Some(Class::Extension) {
        return match Extension::read(&value) {
            Ok(_) => Ok(true),
            Err(_) => Err(process.unsupported(format!("{name}: an extension that is not in DER"))),
        };
    }
    let Ok(certificate) = Certificate::read(&value) else { return Err(no_der(process, name)) };
    for (field, own) in [
        (&mut object.public_key, certificate.public_key),
        (&mut object.issuer, certificate.issuer),
        (&mut object.subject, certificate.subject),
        (&mut object.serial, certificate.serial),
    ] {
        field.get_or_insert_with(|| own.to_vec());
    }
    if object.label.is_none() {
        object.label = names::title(certificate.subject).map_err(|_| no_der(process, name))?;
    }
    Ok(true)
}

/// Which certificates are authorities: basic constraints say so, attached ones before their own.
fn categorize(process: &Process<'_>, token: &mut Token) -> Result<(), Stop> {
    let mut attached = Vec::new();
    for object in token.iter().filter(|object| object.class == Some(Class::Extension)) {
        let value = object.value.as_deref().unwrap_or_default();
        if let Ok(extension) = Extension::read(value)
            && extension.oid == oid::BASIC_CONSTRAINTS
        {
            let word = is_authority(extension.content).ok();
            let word = word.ok_or_else(|| process.unsupported("damaged basic constraints"))?;
            attached.push((object.public_key.clone(), word));
        }
    }
    for object in token.iter_mut().filter(|object| object.is_certificate()) {
        let word = attached.iter().find(|(key, _)| *key == object.public_key);
        if let Some((_, word)) = word {
            object.is_authority = Some(*word);
        } else if object.is_authority.is_none() {
            let value = object.value.as_deref().unwrap_or_default();
            object.is_authority =
                Certificate::read(value).ok().map(|certificate| {
                    match certificate.extension(oid::BASIC_CONSTRAINTS) {
                        Some(content) => is_authority(content).unwrap_or(false),
                        None => certificate.is_old_root(),
                    }
                });
        }
    }
    Ok(())
}
