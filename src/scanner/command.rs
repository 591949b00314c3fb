//! The template of a scanner's command line.

use std::time::Duration;

use super::ScannerError;

/// How long a scanner may take when the user does not say.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(600);

/// A command line with placeholders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScannerCommand {
    text: String,
    words: Vec<String>,
    timeout: Duration,
}

/// What an image must be made available as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImageForm {
    /// Only its name: `{image}`.
    Name,
    /// A copy as an OCI layout directory: `{layout}`.
    Layout,
    /// A copy as an archive file: `{archive}`.
    Archive,
}

/// What the placeholders stand for; those that the command does not use may be empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Placeholders {
    /// For `{image}`: the image's name without its transport.
    pub image: String,
    /// For `{layout}`: the path of a folder.
    pub layout: String,
    /// For `{archive}`: the path of a file.
    pub archive: String,
}

const NAMES: [(&str, ImageForm); 3] = [
    ("{image}", ImageForm::Name),
    ("{layout}", ImageForm::Layout),
    ("{archive}", ImageForm::Archive),
];

impl ScannerCommand {
    /// Takes a template apart.
    ///
    /// # Errors
    /// A quote is not closed, no program or no placeholder is named, or two different ones.
    pub fn parse(text: &str) -> Result<Self, ScannerError> {
        let error = |why: String| ScannerError::Command { why };
        let words = shlex::split(text)
            .ok_or_else(|| error(format!("a quote is not closed in {text:?}")))?;
        let Some(program) = words.first() else {
            return Err(error("the command is empty".to_owned()));
        };
        if program.contains('{') {
            return Err(error(format!("the program cannot be a placeholder: {program:?}")));
        }
        let used = NAMES.iter().filter(|(name, _)| words.iter().any(|word| word.contains(name)));
        if used.count() != 1 {
            return Err(error(format!(
                "{text:?} must name the image with one of {{image}}, {{layout}} and {{archive}}, \
                 as in 'trivy image --format json --input {{archive}}'"
            )));
        }
        Ok(Self { text: text.to_owned(), words, timeout: DEFAULT_TIMEOUT })
    }

    /// The same command, which may take this long.
    #[must_use]
    pub fn with_timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// How long one run may take.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// As the user wrote it.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What must be made available.
    #[must_use]
    pub fn image_form(&self) -> ImageForm {
        let used = |name: &str| self.words.iter().any(|word| word.contains(name));
        NAMES.iter().find(|(name, _)| used(name)).map_or(ImageForm::Name, |(_, form)| *form)
    }

    /// The words to run.
    #[must_use]
    pub fn words(&self, values: &Placeholders) -> Vec<String> {
        let filled = |word: &String| {
            word.replace("{image}", &values.image)
                .replace("{layout}", &values.layout)
                .replace("{archive}", &values.archive)
        };
        self.words.iter().map(filled).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_is_split_as_a_shell_does_and_filled() {
        let command =
            ScannerCommand::parse("trivy image --format json '--input={archive}' \"a b\"").unwrap();
        assert_eq!(command.image_form(), ImageForm::Archive);
        let values = Placeholders { archive: "/tmp/x y.tar".into(), ..Placeholders::default() };
        assert_eq!(
            command.words(&values),
            ["trivy", "image", "--format", "json", "--input=/tmp/x y.tar", "a b"]
        );
    }

    #[test]
    fn a_template_that_cannot_work_is_refused() {
        for (text, want) in [
            ("", "the command is empty"),
            ("trivy 'x", "a quote is not closed"),
            ("trivy image", "must name the image"),
            ("trivy {image} {archive}", "must name the image"),
            ("{image} x", "the program cannot be a placeholder"),
        ] {
            let error = ScannerCommand::parse(text).unwrap_err().to_string();
            assert!(error.contains(want), "{text}: {error}");
        }
    }
}
