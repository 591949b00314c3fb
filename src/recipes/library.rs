//! [`LibraryRule`]: what puts problems of a library out of use while its version stays, as data.
//!
//! ```toml
//! [library]
//! kind = "java"                     # the kind of store
//! library = "com.alibaba:fastjson"
//! from = "1.2.68"                   # the first version that it is for; without it, all
//! below = "2"                       # the first one that it is not for; without it, none
//! ids = ["CVE-2022-25845"]          # the problems
//! how = "fastjson.properties puts it in safe mode"   # half a sentence, once it is done
//! # one of the two: entries that go, by the ends of their names
//! remove = "lookup/JndiLookup.class"
//! # or a line of a file of properties on the class path
//! file = "fastjson.properties"
//! line = "fastjson.parser.safeMode=true"
//! folders = ["BOOT-INF/classes"]    # where an application's archive has its own; else the root
//! ```

use serde::Deserialize;

/// What puts problems of a library out of use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LibraryRule {
    /// The recipe's name.
    pub recipe: String,
    /// The kind of store: `java`.
    pub kind: String,
    /// The library's name, as its store has it.
    pub library: String,
    /// The first version that it is for; `None`: all before `below`.
    pub from: Option<String>,
    /// The first version that it is not for any more.
    pub below: Option<String>,
    /// The problems' ids. Never empty.
    pub ids: Vec<String>,
    /// What it does.
    pub means: Means,
    /// Half a sentence: how a copy is, once it is done.
    pub how: String,
}

/// What is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Means {
    /// Entries of the library's archive go.
    Removed {
        /// How their names end.
        end: String,
    },
    /// A property is set, in a file on the class path.
    Property {
        /// The file's name.
        file: String,
        /// The property.
        key: String,
        /// What it is to be.
        value: String,
        /// Folders of an application's archive that come first on its class path.
        folders: Vec<String>,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LibraryTable {
    kind: String,
    library: String,
    from: Option<String>,
    below: Option<String>,
    ids: Vec<String>,
    remove: Option<String>,
    file: Option<String>,
    line: Option<String>,
    #[serde(default)]
    folders: Vec<String>,
    how: String,
}

impl LibraryTable {
    /// The rule; else what is wrong, half a sentence.
    pub(super) fn check(self, recipe: &str) -> Result<LibraryRule, &'static str> {
        if self.ids.is_empty() {
            return Err("it names no problem");
        }
        let means = match (self.remove, self.file, self.line) {
            (Some(end), None, None) if self.folders.is_empty() => Means::Removed { end },
            (None, Some(file), Some(line)) => {
                let (key, value) =
                    line.split_once('=').ok_or("its line is not a property KEY=VALUE")?;
                let (key, value) = (key.to_owned(), value.to_owned());
                Means::Property { file, key, value, folders: self.folders }
            }
            _ => return Err("it has either 'remove' or 'file' and 'line'"),
        };
        Ok(LibraryRule {
            recipe: recipe.to_owned(),
            kind: self.kind,
            library: self.library,
            from: self.from,
            below: self.below,
            ids: self.ids,
            means,
            how: self.how,
        })
    }
}
