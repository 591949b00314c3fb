//! `keytool -list -rfc`: what is in a key store of certificate authorities.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use time::OffsetDateTime;

use super::keystore::{self, Trusted};
use crate::files::read_optional;
use imgfix_shell::{Process, Status, Stop};

/// Lists all entries, by alias.
///
/// # Errors
/// Another call; a store that is not read.
pub fn run(process: &mut Process<'_>) -> Status {
    let words: Vec<String> = process.arguments().iter().map(ToString::to_string).collect();
    let (mut file, mut password, mut list, mut rfc) = (None, None, false, false);
    let mut rest = words.iter();
    while let Some(word) = rest.next() {
        match word.as_str() {
            "-list" => list = true,
            "-rfc" => rfc = true,
            "-cacerts" => {
                let home = super::home(process)?;
                file = Some([home.as_bytes(), b"/lib/security/cacerts"].concat());
            }
            "-keystore" => file = rest.next().map(|word| word.clone().into_bytes()),
            "-storepass" => password = rest.next().cloned(),
            other => return Err(process.unsupported(other)),
        }
    }
    let (true, true, Some(file), Some(password)) = (list, rfc, file, password) else {
        return Err(process.unsupported("another call than -list -rfc of a store"));
    };
    let Some(content) = read_optional(process, &file)? else {
        return Err(process.unsupported("a key store that is missing"));
    };
    let entries = keystore::read(&content, &password)
        .map_err(|error| process.unsupported(format!("a key store: {error}")))?;
    let mut sorted: Vec<(&str, &Trusted)> = entries.iter().collect();
    sorted.sort_by_key(|(alias, _)| *alias);
    let plural = if sorted.len() == 1 { "entry" } else { "entries" };
    let mut text = format!(
        "Keystore type: JKS\nKeystore provider: SUN\n\nYour keystore contains {} {plural}\n\n",
        sorted.len()
    );
    for (alias, trusted) in sorted {
        text += &entry(process, alias, trusted)?;
    }
    process.print(text)?;
    Ok(0)
}

fn entry(process: &Process<'_>, alias: &str, trusted: &Trusted) -> Result<String, Stop> {
    let date = OffsetDateTime::from_unix_timestamp(trusted.added.div_euclid(1000));
    let date = date.map_err(|_| process.unsupported(format!("the date of {alias}")))?;
    let month = date.month().to_string();
    let month = month.get(..3).unwrap_or_default();
    let encoded = STANDARD.encode(&trusted.der).into_bytes();
    let lines: Vec<_> = encoded.chunks(64).map(String::from_utf8_lossy).collect();
    let stars = "*******************************************\n".repeat(2);
    Ok(format!(
        "Alias name: {alias}\nCreation date: {month} {}, {}\nEntry type: trustedCertEntry\n\n\
         -----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n\n\n{stars}\n\n",
        date.day(),
        date.year(),
        lines.join("\r\n")
    ))
}
