//! Texts that came from outside, in documents of formats that take so much of them and no more.

/// The text, or its beginning and three dots: at most `most` characters.
#[must_use]
pub fn cut(text: &str, most: usize) -> String {
    match text.chars().count() > most {
        true => text.chars().take(most.saturating_sub(3)).chain("...".chars()).collect(),
        false => text.to_owned(),
    }
}
