//! The program of ca-certificates-java (`org.debian.security.UpdateCertificates`): adds and
//! removes certificates of the key store of Java's certificate authorities.
//!
//! Standard input has a line `+FILE` or `-FILE` for each. A certificate that is there already
//! is replaced, so that every certificate named has the time of the run.

use super::certificate;
use super::keystore::{self, Entries, Trusted};
use crate::files::{read_optional, unusable};
use imgfix_shell::{Process, Status, Stop};

const STORE: &[u8] = b"/etc/ssl/certs/java/cacerts";
const PASSWORD: &str = "changeit";

/// `[-storepass PASSWORD]`.
///
/// # Errors
/// A store or a certificate of which it is not sure what Java makes of it.
pub fn run(process: &mut Process<'_>, arguments: &[Vec<u8>]) -> Status {
    let password = match arguments {
        [] => PASSWORD.to_owned(),
        [option, password] if option == b"-storepass" => {
            String::from_utf8_lossy(password).into_owned()
        }
        _ => return Err(process.unsupported("arguments of ca-certificates-java's program")),
    };
    let mut entries = load(process, &password)?;
    let input = process.input()?;
    let Ok(input) = std::str::from_utf8(&input) else {
        return Err(process.unsupported("names that are not in UTF-8"));
    };
    for line in input.lines().filter(|line| !line.is_empty()) {
        change(process, &mut entries, line)?;
    }
    save(process, &entries, &password)?;
    Ok(0)
}

fn load(process: &mut Process<'_>, password: &str) -> Result<Entries, Stop> {
    match read_optional(process, STORE)? {
        None => Ok(Entries::default()),
        Some(file) => keystore::read(&file, password)
            .map_err(|error| process.unsupported(format!("a key store: {error}"))),
    }
}

/// Writes into the file that is there: its owner and mode stay.
fn save(process: &mut Process<'_>, entries: &Entries, password: &str) -> Result<(), Stop> {
    let Some(file) = keystore::write(entries, password) else {
        return Err(process.unsupported("a name that is too long for a key store"));
    };
    let directory = process.call.directory.clone();
    let mode = 0o666 & !process.call.umask;
    let written = process.machine.write_file(&directory, STORE, file, mode)?;
    written.map_err(|errno| unusable(process, STORE, errno))
}

fn change(process: &mut Process<'_>, entries: &mut Entries, line: &str) -> Result<(), Stop> {
    let split = line.chars().next().map(|sign| (sign, line.get(sign.len_utf8()..)));
    let Some((sign, Some(path))) = split else { return Ok(()) };
    let name = path.rsplit('/').next().unwrap_or_default();
    let Some(alias) = keystore::alias(&format!("debian:{name}")) else {
        return Err(process.unsupported(format!("the name {name}")));
    };
    let known = entries.contains(&alias);
    match sign {
        '+' => {
            let der = certificate(process, path)?;
            let word = if known { "Replacing" } else { "Adding" };
            process.print(format!("{word} debian:{name}\n"))?;
            let added = process.machine.settings.now.saturating_mul(1000);
            entries.remove(&alias);
            entries.put(alias, Trusted { added, der });
        }
        '-' if known => {
            process.print(format!("Removing debian:{name}\n"))?;
            entries.remove(&alias);
        }
        '-' => {}
        _ => return Err(process.unsupported(format!("the line {line}"))),
    }
    Ok(())
}

fn certificate(process: &mut Process<'_>, path: &str) -> Result<Vec<u8>, Stop> {
    let file = read_optional(process, path.as_bytes())?;
    file.and_then(|file| certificate::read(&file))
        .ok_or_else(|| process.unsupported(format!("the certificate {path}")))
}

#[cfg(test)]
mod tests {
    use super::super::{COMMANDS, certificate};
    use imgfix_tools::testing::Image;

    const CALL: [&str; 6] = [
        "java",
        "-Xmx64m",
        "-jar",
        "/usr/share/ca-certificates-java/ca-certificates-java.jar",
        "-storepass",
        "changeit",
    ];

    fn image() -> Image {
        let pem = certificate::tests::P256;
        Image::with(
            &[
                &format!("/etc/ssl/certs/B.pem={pem}"),
                &format!("/etc/ssl/certs/a.pem={pem}"),
                "/etc/ssl/certs/odd.pem=-----BEGIN CERTIFICATE-----\n",
                "/etc/ssl/certs/java/",
            ],
            COMMANDS,
        )
    }

    #[test]
    fn certificates_are_added_replaced_and_removed() {
        let mut image = image();
        let input = "+/etc/ssl/certs/a.pem\n+/etc/ssl/certs/B.pem\n";
        assert_eq!(image.call(&CALL, input), Ok(0));
        assert_eq!(image.output(), "Adding debian:a.pem\nAdding debian:B.pem\n");
        let input = "-B.pem\n\n+/etc/ssl/certs/a.pem\n-other.pem\n";
        assert_eq!(image.call(&CALL, input), Ok(0));
        assert_eq!(image.output(), "Removing debian:B.pem\nReplacing debian:a.pem\n");
        let list =
            ["keytool", "-keystore", "/etc/ssl/certs/java/cacerts", "-storepass", "changeit"];
        assert_eq!(image.call(&[&list[..], &["-list", "-rfc"]].concat(), ""), Ok(0));
        let text = image.output();
        assert!(text.starts_with("Keystore type: JKS\n"), "{text}");
        assert!(
            text.contains("\nAlias name: debian:a.pem\nCreation date: Sep 9, 2001\n"),
            "{text}"
        );
        let lines = text.replace("\r\n", "\n");
        assert!(lines.contains(certificate::tests::P256), "{text}");
    }

    #[test]
    fn what_java_might_refuse_is_a_stop() {
        let mut image = image();
        for (input, want) in [
            ("+/etc/ssl/certs/odd.pem\n", "java with the certificate /etc/ssl/certs/odd.pem"),
            ("+/etc/ssl/certs/none.pem\n", "java with the certificate /etc/ssl/certs/none.pem"),
            ("?x\n", "java with the line ?x"),
        ] {
            assert_eq!(image.call(&CALL, input).unwrap_err().detail, want);
        }
    }
}
