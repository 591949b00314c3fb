//! What maintainer scripts call of OpenJDK: `java` and `keytool`.
//!
//! - `java -Xshare:dump`: dumps class data, which is left out: a virtual machine without it
//!   starts a little slower (the scripts and the recipe `java-class-data` remove what is stale)
//! - `java -version`
//! - [`update_certificates`]: ca-certificates-java's program, which keeps the key store of
//!   certificate authorities
//! - [`keytool`]: lists a key store
//! - [`keystore`], [`hashtable`], [`certificate`]: what a key store holds, in which order
//!
//! Every other call is a stop.

mod certificate;
mod hashtable;
mod keystore;
mod keytool;
mod update_certificates;

use bstr::ByteSlice as _;

use super::files::read_optional;
use imgfix_model::path::ImagePath;
use imgfix_shell::{Command, Process, Status, Stop};

/// The programs by name.
pub const COMMANDS: &[(&str, Command)] = &[("java", run), ("keytool", keytool::run)];

/// The program of the package ca-certificates-java.
const CERTIFICATES_JAR: &[u8] = b"/usr/share/ca-certificates-java/ca-certificates-java.jar";

/// Starts the virtual machine.
///
/// # Errors
/// A call that is not known.
fn run(process: &mut Process<'_>) -> Status {
    let words: Vec<Vec<u8>> = process.arguments().iter().map(|word| word.to_vec()).collect();
    let tuning = |word: &&[u8]| {
        word.starts_with(b"-XX:")
            || word.starts_with(b"-Xmx")
            || word.starts_with(b"-Xms")
            || matches!(*word, b"-client" | b"-server")
    };
    let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).filter(|word| !tuning(word)).collect();
    match words[..] {
        // What it would write is a cache that only the real one can make.
        [b"-Xshare:dump"] => Ok(0),
        [b"-version"] => version(process),
        [b"-jar", CERTIFICATES_JAR, ref arguments @ ..] => {
            let arguments = arguments.iter().map(|word| word.to_vec()).collect::<Vec<_>>();
            update_certificates::run(process, &arguments)
        }
        _ => Err(process.unsupported("a Java program")),
    }
}

/// `-version`, on standard error: by the file `release` of the runtime's folder. That class
/// data is shared is what it says once the package is configured.
fn version(process: &mut Process<'_>) -> Status {
    let path = [home(process)?.as_bytes(), b"/release"].concat();
    let release = read_optional(process, &path)?.unwrap_or_default();
    let field = |name: &str| {
        let line = release.lines().find_map(|line| line.strip_prefix(name.as_bytes()))?;
        line.strip_prefix(b"=\"")?.strip_suffix(b"\"")?.to_str().ok()
    };
    let known = field("IMPLEMENTOR") == Some("Debian") && field("LIBC") == Some("gnu");
    let fields = (field("JAVA_VERSION"), field("JAVA_VERSION_DATE"), field("JAVA_RUNTIME_VERSION"));
    let (true, (Some(version), Some(date), Some(build))) = (known, fields) else {
        return Err(process.unsupported("-version of a runtime that does not say which it is"));
    };
    let text = format!(
        "openjdk version \"{version}\" {date}\nOpenJDK Runtime Environment (build {build})\n\
         OpenJDK 64-Bit Server VM (build {build}, mixed mode, sharing)\n"
    );
    if let Some(stream) = process.call.descriptors.get(2).cloned() {
        let _unusable = process.machine.write(&stream, text.as_bytes())?;
    }
    Ok(0)
}

/// The folder of the runtime whose program is called: `/usr/lib/jvm/java-17-openjdk-amd64`.
fn home(process: &Process<'_>) -> Result<ImagePath, Stop> {
    let called = process.call.argv.first().map(|name| name.to_vec()).unwrap_or_default();
    let path = match called.contains(&b'/') {
        true => Some(called),
        false => process.machine.which(&process.call, &called)?,
    };
    let real = match path {
        Some(path) => process.follow(&path)?.ok(),
        None => None,
    };
    let home = real.as_ref().and_then(ImagePath::parent).and_then(|folder| folder.parent());
    home.ok_or_else(|| process.unsupported("a runtime that is not in a folder of its own"))
}

#[cfg(test)]
mod tests {
    use super::COMMANDS;
    use imgfix_tools::testing::{Image, run};

    const RELEASE: &str = "/usr/release=IMPLEMENTOR=\"Debian\"\n\
                           JAVA_RUNTIME_VERSION=\"17.0.19+10-1-deb12u2-Debian\"\n\
                           JAVA_VERSION=\"17.0.19\"\nJAVA_VERSION_DATE=\"2026-04-21\"\n\
                           LIBC=\"gnu\"\n";

    #[test]
    fn class_data_is_not_dumped_and_other_programs_stop() {
        let mut image = Image::with(&["/x/"], COMMANDS);
        assert_eq!(run(&mut image, "java -server -Xshare:dump"), 0);
        assert_eq!(image.stop("java -jar /x.jar"), "java with a Java program");
        assert_eq!(image.stop("java -server"), "java with a Java program");
        assert!(image.stop("java -version").contains("does not say which it is"));
    }

    #[test]
    fn the_version_is_what_the_runtimes_folder_says() {
        let mut image = Image::with(&[RELEASE], COMMANDS);
        assert_eq!(run(&mut image, "java -version"), 0);
        assert_eq!(
            image.errors(),
            "openjdk version \"17.0.19\" 2026-04-21\n\
             OpenJDK Runtime Environment (build 17.0.19+10-1-deb12u2-Debian)\n\
             OpenJDK 64-Bit Server VM (build 17.0.19+10-1-deb12u2-Debian, mixed mode, sharing)\n"
        );
    }
}
