//! An in-toto statement (<https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md>):
//! which files something is said of, and what kind of thing. In comes the payload of a verified
//! envelope; what the predicate says is the caller's to read.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::bundle::{Envelope, IN_TOTO};
use crate::error::SigstoreError;

const V1: &str = "https://in-toto.io/Statement/v1";

/// The most files of a statement.
const MAX_SUBJECTS: usize = 4096;

/// A statement about files.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Statement {
    #[serde(rename = "_type")]
    form: String,
    /// The files.
    #[serde(rename = "subject")]
    pub subjects: Vec<Subject>,
    /// What is said of them: a URL.
    pub predicate_type: String,
}

/// A file of a statement.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Subject {
    /// Its name.
    #[serde(default)]
    pub name: String,
    /// Its hashes in hexadecimal digits, by algorithm: `sha256`.
    #[serde(default)]
    pub digest: BTreeMap<String, String>,
}

impl Statement {
    /// Reads the payload of an envelope.
    ///
    /// # Errors
    /// It is no statement of version 1.
    pub fn read(envelope: &Envelope) -> Result<Self, SigstoreError> {
        let wrong = SigstoreError::Statement;
        if envelope.payload_type != IN_TOTO {
            return Err(wrong(format!("it is of type {:?}", envelope.payload_type)));
        }
        let statement: Self =
            imgfix_json::read(&envelope.payload).map_err(|error| wrong(error.to_string()))?;
        if statement.form != V1 {
            return Err(wrong(format!("it is of type {:?}", statement.form)));
        }
        if statement.subjects.len() > MAX_SUBJECTS {
            return Err(wrong(format!("it is about more than {MAX_SUBJECTS} files")));
        }
        Ok(statement)
    }
}
