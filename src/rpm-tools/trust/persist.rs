//! p11-kit's own format for objects, `*.p11-kit` (p11-kit's `doc/internal/persist-format.txt`):
//! sections of fields, in which a PEM block is a value.
//!
//! In comes a file; out come its objects, or nothing when p11-kit would not take it for one. A field
//! whose meaning is not known here is a stop.

use bstr::ByteSlice as _;
use imgfix_shell::Stop;

use super::pem;
use super::sources::{Class, Object};

const HEADER: &[u8] = b"p11-kit-object-v1";

/// Fields that change nothing of what is extracted.
const WITHOUT_EFFECT: &[&[u8]] = &[
    b"application",
    b"check-value",
    b"end-date",
    b"hash-of-issuer-public-key",
    b"hash-of-subject-public-key",
    b"id",
    b"java-midp-security-domain",
    b"modifiable",
    b"nss-email-distrust-after",
    b"nss-mozilla-ca-policy",
    b"nss-server-distrust-after",
    b"private",
    b"start-date",
    b"url",
];

/// What is wrong with a file.
enum Trouble {
    /// p11-kit takes it for something else.
    Damaged,
    Unknown(String),
}

/// Whether a file is one, as p11-kit decides it.
#[must_use]
pub fn is_one(text: &[u8]) -> bool {
    text.contains_str(b"[p11-kit-object-v1]")
}

/// Its objects; `None` when it is damaged.
///
/// # Errors
/// A field or a value that is not evaluated.
pub fn read(name: &str, text: &[u8]) -> Result<Option<Vec<Object>>, Stop> {
    match objects(text) {
        Ok(objects) => Ok(Some(objects)),
        Err(Trouble::Damaged) => Ok(None),
        Err(Trouble::Unknown(what)) => {
            Err(Stop::new(format!("{name} has {what}, which is not evaluated")))
        }
    }
}

fn objects(mut text: &[u8]) -> Result<Vec<Object>, Trouble> {
    let mut objects = Vec::new();
    let mut current: Option<Object> = None;
    let mut is_skipped = false;
    while !text.is_empty() {
        if text.starts_with(b"-----BEGIN ") {
            let end = text.find(b"\n-----END ").ok_or(Trouble::Damaged)? + 1;
            let (block, rest) = line_at(text, end);
            text = rest;
            match (&mut current, is_skipped) {
                (_, true) => {}
                (None, false) => return Err(Trouble::Damaged),
                (Some(object), false) => add_block(object, block)?,
            }
            continue;
        }
        let (line, rest) = line_at(text, 0);
        text = rest;
        let line = trim(line);
        if line.is_empty() || line.starts_with(b"#") {
            continue;
        }
        if let Some(section) = line.strip_prefix(b"[") {
            let section = section.strip_suffix(b"]").ok_or(Trouble::Damaged)?;
            objects.extend(current.take());
            is_skipped = section != HEADER;
            current = (!is_skipped).then(Object::default);
            continue;
        }
        let colon = line.find_byte(b':').ok_or(Trouble::Damaged)?;
        let (field, value) = line.split_at(colon);
        match (&mut current, is_skipped) {
            (_, true) => {}
            (None, false) => return Err(Trouble::Damaged),
            (Some(object), false) => {
                add_field(object, trim(field), trim(value.get(1..).unwrap_or_default()))?;
            }
        }
    }
    objects.extend(current);
    Ok(objects)
}

/// Everything up to the end of the line that has the byte at `start`, and what is behind it.
fn line_at(text: &[u8], start: usize) -> (&[u8], &[u8]) {
    let tail = text.get(start..).unwrap_or_default();
    let end = tail.find_byte(b'\n').map_or(text.len(), |at| start + at);
    let (line, rest) = text.split_at(end);
    (line, rest.get(1..).unwrap_or_default())
}

fn trim(text: &[u8]) -> &[u8] {
    let start = text.iter().position(|byte| !pem::is_space(*byte)).unwrap_or(text.len());
    let end = text.iter().rposition(|byte| !pem::is_space(*byte)).map_or(start, |at| at + 1);
    text.get(start..end).unwrap_or_default()
}

fn add_block(object: &mut Object, block: &[u8]) -> Result<(), Trouble> {
    let [block] = &pem::read(block)[..] else { return Err(Trouble::Damaged) };
    match &block.label[..] {
        b"CERTIFICATE" => {
            object.class.get_or_insert(Class::Certificate);
            object.is_x509 = true;
            object.value.get_or_insert(block.content.clone());
        }
        b"PUBLIC KEY" => {
            object.public_key.get_or_insert(block.content.clone());
        }
        _ => return Err(Trouble::Damaged),
    }
    Ok(())
}

fn add_field(object: &mut Object, name: &[u8], value: &[u8]) -> Result<(), Trouble> {
    let unknown = || Trouble::Unknown(format!("{}: {}", name.as_bstr(), value.as_bstr()));
    let bytes = || match string(value) {
        Some(bytes) => bytes.map(Some),
        None => Err(unknown()),
    };
    match name {
        b"class" => {
            object.class = Some(match value {
                b"certificate" => Class::Certificate,
                b"x-certificate-extension" => Class::Extension,
                _ => return Err(unknown()),
            });
        }
        b"certificate-type" if value == b"x-509" => object.is_x509 = true,
        b"trusted" => object.trusted = Some(boolean(value).ok_or_else(unknown)?),
        b"x-distrusted" => object.distrusted = Some(boolean(value).ok_or_else(unknown)?),
        b"certificate-category" => {
            object.is_authority = Some(match value {
                b"authority" | b"2" => true,
                b"unspecified" | b"token-user" | b"other-entity" | b"0" | b"1" | b"3" => false,
                _ => return Err(unknown()),
            });
        }
        b"label" => object.label = bytes()?,
        b"value" => object.value = bytes()?,
        b"issuer" => object.issuer = bytes()?,
        b"subject" => object.subject = bytes()?,
        b"serial-number" => object.serial = bytes()?,
        b"public-key-info" | b"x-public-key-info" => object.public_key = bytes()?,
        // The value of an extension says the same.
        b"object-id" => {}
        b"token" if value == b"true" => {}
        name if WITHOUT_EFFECT.contains(&name) => {
            string(value).transpose()?;
        }
        _ => return Err(unknown()),
    }
    Ok(())
}

fn boolean(value: &[u8]) -> Option<bool> {
    match value {
        b"true" => Some(true),
        b"false" => Some(false),
        _ => None,
    }
}

/// A value in quotes, in which `%` and two digits are a byte; `None` when it is another kind of value.
fn string(value: &[u8]) -> Option<Result<Vec<u8>, Trouble>> {
    let inside = value.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    let mut bytes = Vec::with_capacity(inside.len());
    let mut rest = inside;
    while let Some((&byte, behind)) = rest.split_first() {
        if byte != b'%' {
            bytes.push(byte);
            rest = behind;
            continue;
        }
        let digit = |at: usize| {
            behind.get(at).and_then(|&byte| char::from(byte).to_digit(16)).map(|digit| digit as u8)
        };
        let (Some(high), Some(low)) = (digit(0), digit(1)) else {
            return Some(Err(Trouble::Damaged));
        };
        bytes.push(high << 4 | low);
        rest = behind.get(2..).unwrap_or_default();
    }
    Some(Ok(bytes))
}
