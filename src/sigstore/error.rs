//! Why a signature is not believed: each half a sentence.

/// Why a signature is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SigstoreError {
    /// The certificate is none, or is not of the form that Sigstore's have.
    #[error("its certificate cannot be read: {0}")]
    Certificate(String),
    /// No authority of the trust root issued it for signing, at that time.
    #[error("no authority that is trusted issued its certificate: {0}")]
    Authority(String),
    /// The certificate was not in force when the log took the entry.
    #[error("its certificate was not in force when the log took the signature ({0})")]
    OutOfForce(String),
    /// No known log of certificates promised to show it.
    #[error("no log of certificates that is trusted has its certificate: {0}")]
    CertificateLog(String),
    /// The statement was changed, or somebody else signed it.
    #[error("its signature is not by the key of its certificate")]
    Signature,
    /// The entry is of a log that the trust root does not have.
    #[error("its entry is of a log that is not trusted ({0})")]
    UnknownLog(String),
    /// The log did not promise this entry, at this time.
    #[error("the log's promise of its entry is not good")]
    Promise,
    /// The log's tree does not have this entry.
    #[error("the log does not prove its entry: {0}")]
    Proof(String),
    /// The log's entry is about another signature.
    #[error("the log's entry is about something else: {0}")]
    Entry(String),
    /// What is signed is no statement about files.
    #[error("its statement cannot be read: {0}")]
    Statement(String),
}
