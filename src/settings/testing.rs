//! Small images for tests, and what holds for every format on any text.

use std::sync::Arc;

use imgfix_model::path::ImagePath;
use imgfix_vfs::{Entry, NoLayers, Tree};
use proptest::prelude::*;

use crate::{Format, Found, SettingsError};

pub(crate) struct Image(pub Tree);

fn path(text: &str) -> ImagePath {
    ImagePath::new(text).unwrap()
}

fn texts(changed: Vec<(ImagePath, Vec<u8>)>) -> Vec<(String, String)> {
    let text =
        |(path, bytes): (ImagePath, Vec<u8>)| (path.to_string(), String::from_utf8(bytes).unwrap());
    changed.into_iter().map(text).collect()
}

impl Image {
    pub fn new(files: &[(&str, &str)]) -> Self {
        let entry = |text: &str| match text.strip_prefix("-> ") {
            Some(target) => Entry::symlink(target.to_owned().into_bytes(), 0),
            None => Entry::file(text.to_owned(), 0o644, 0),
        };
        let entries = files.iter().map(|(name, text)| (path(name), entry(text)));
        Self(Tree::from_entries(entries, Arc::new(NoLayers)))
    }

    pub fn effective(&self, format: Format, file: &str, key: &str) -> Option<String> {
        crate::effective(&self.0, format, &path(file), key).unwrap().map(|found| found.value)
    }

    pub fn all(&self, format: Format, file: &str, key: &str) -> Vec<Found> {
        crate::all(&self.0, format, &path(file), key).unwrap()
    }

    pub fn set(&self, format: Format, file: &str, key: &str, value: &str) -> Vec<(String, String)> {
        texts(crate::set(&self.0, format, &path(file), key, value).unwrap())
    }

    pub fn everywhere(
        &self,
        format: Format,
        file: &str,
        key: &str,
        value: &str,
    ) -> Vec<(String, String)> {
        texts(crate::set_everywhere(&self.0, format, &path(file), key, value).unwrap())
    }

    pub fn removed(&self, format: Format, file: &str, key: &str) -> Vec<(String, String)> {
        texts(crate::remove(&self.0, format, &path(file), key).unwrap())
    }

    pub fn refused(&self, format: Format, file: &str, key: &str, value: &str) -> String {
        crate::set(&self.0, format, &path(file), key, value).unwrap_err().to_string()
    }
}

/// What strangers may write: pieces that mean something to some format, and anything.
fn hostile() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "[ -~]{0,12}",
        "\\PC{0,4}",
        Just("\n".to_owned()),
        Just("\r\n".to_owned()),
        prop::sample::select(PIECES).prop_map(str::to_owned),
    ];
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

const PIECES: &[&str] = &[
    "key value\n",
    "key=value\n",
    "Key  \"v a\"\n",
    "key: value\n",
    "[group]\n",
    "key = 'v'\n",
    "# key\n",
    "Match all\n",
    "include /etc/b\n",
    "Include b\n",
    "key {\n",
    "}\n",
    ";",
    "<A>",
    "</A>",
    "<a k='v'/>",
    "\\\n",
    "\"",
    "'",
    "\t",
    "  ",
    "- ",
    "{\"key\": ",
    "}",
    ",",
    "[",
    "]",
    "key:\n  key: v\n",
    "|\n",
    "&a ",
];

/// Keys and values that each format takes.
pub(crate) const KEYS: &[(Format, &str, &str)] =
    &[(Format::Sshd, "key", "new"), (Format::Redis, "key", "new")];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6000))]

    #[test]
    fn any_text_is_read_or_refused_and_what_is_set_holds(
        first in hostile(), second in hostile(), which in 0..KEYS.len()
    ) {
        let (format, key, value) = KEYS[which];
        let image = Image::new(&[("/etc/a", &first), ("/etc/b", &second)]);
        let file = path("/etc/a");
        let _ = crate::all(&image.0, format, &file, key);
        let _ = crate::remove_everywhere(&image.0, format, &file, key);
        let before = crate::effective(&image.0, format, &file, key);
        match crate::set(&image.0, format, &file, key, value) {
            Ok(changed) => {
                let same = before.unwrap().is_some_and(|found| found.value == value);
                prop_assert_eq!(changed.is_empty(), same);
                let mut files = [("/etc/a".to_owned(), first), ("/etc/b".to_owned(), second)];
                for (name, bytes) in changed {
                    let new = String::from_utf8(bytes).unwrap();
                    let old = files.iter_mut().find(|(old, _)| *old == name.to_string()).unwrap();
                    one_edit(&old.1, &new)?;
                    old.1 = new;
                }
                let files: Vec<_> = files.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
                let image = Image::new(&files);
                let after = crate::effective(&image.0, format, &file, key).unwrap();
                prop_assert_eq!(after.map(|found| found.value), Some(value.to_owned()));
                let again = crate::set(&image.0, format, &file, key, value).unwrap();
                prop_assert!(again.is_empty());
            }
            Err(SettingsError::Broken { why, .. }) => prop_assert!(false, "{}", why),
            Err(_) => {}
        }
    }
}

/// Lines before and after what changed are the same; the change is short.
fn one_edit(old: &str, new: &str) -> Result<(), TestCaseError> {
    let head = old.bytes().zip(new.bytes()).take_while(|(a, b)| a == b).count();
    let tail = old.bytes().rev().zip(new.bytes().rev()).take_while(|(a, b)| a == b).count();
    let tail = tail.min(old.len() - head).min(new.len() - head);
    prop_assert!(new.len() - head - tail < 120, "{new:?} of {old:?}");
    Ok(())
}
