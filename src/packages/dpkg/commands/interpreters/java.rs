//! `java -Xshare:dump`, as OpenJDK's postinst calls it.

use crate::scripts::{Process, Status};

/// Dumps nothing, and succeeds: what it would write is a cache that the virtual machine does
/// without, and that only the real one can make.
///
/// # Errors
/// Another call.
pub fn run(process: &mut Process<'_>) -> Status {
    let known = |word: &[u8]| matches!(word, b"-client" | b"-server" | b"-Xshare:dump");
    let is_dump = process.arguments().iter().any(|word| word == "-Xshare:dump");
    let tuning = |word: &[u8]| word.starts_with(b"-XX:");
    match is_dump && process.arguments().iter().all(|word| known(word) || tuning(word)) {
        true => Ok(0),
        false => Err(process.unsupported("a Java program")),
    }
}

#[cfg(test)]
mod tests {
    use crate::scripts::commands::testing::{Image, run};

    #[test]
    fn only_the_dump_is_known() {
        let mut image = Image::with(&["/x/"], super::super::COMMANDS);
        assert_eq!(run(&mut image, "java -server -Xshare:dump"), 0);
        assert_eq!(image.stop("java -jar /x.jar"), "java with a Java program");
        assert_eq!(image.stop("java -server"), "java with a Java program");
    }
}
