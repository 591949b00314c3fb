//! The provenance of a file (PEP 740, <https://docs.pypi.org/api/integrity/>): attestations of who
//! published it, signed by Sigstore's certificates.
//!
//! In come the document, the file's name and hash, and a trust root; out comes who is attested to
//! have published the file. Each attestation has to hold: one that does not makes the document
//! wrong, whatever the others say. What is of a newer form than the ones that are known is said to
//! be unknown.

use imgfix_sigstore::{
    Base64, Bundle, Envelope, IN_TOTO, LogEntry, Statement, Subject, TrustRoot, verify,
};
use serde::Deserialize;

use crate::names::same_name;
use crate::publisher::Publisher;
use crate::specifiers::Version;
use crate::tags::WheelName;

/// The largest document that is read, in bytes.
pub const MAX_PROVENANCE: u64 = 8 << 20;

/// The most attestations of one file.
const MAX_ATTESTATIONS: usize = 64;

/// That the index let somebody publish the file; and how it was built.
const PREDICATES: [&str; 2] =
    ["https://docs.pypi.org/attestations/publish/v1", "https://slsa.dev/provenance/v1"];

/// What a provenance is worth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judged {
    /// This publisher published the file, for people: `GitHub urllib3/urllib3 publish.yml`.
    Attested(String),
    /// Nothing of it can be judged: half a sentence.
    Unknown(String),
    /// It does not hold: half a sentence.
    Wrong(String),
}

#[derive(Deserialize)]
struct Form {
    #[serde(default = "first")]
    version: u64,
}

fn first() -> u64 {
    1
}

#[derive(Deserialize)]
struct Document {
    attestation_bundles: Vec<Published>,
}

#[derive(Deserialize)]
struct Published {
    publisher: Option<Publisher>,
    attestations: Vec<Attestation>,
}

#[derive(Deserialize)]
struct Attestation {
    #[serde(default = "first")]
    version: u64,
    verification_material: Material,
    envelope: Signed,
}

#[derive(Deserialize)]
struct Material {
    certificate: Base64,
    transparency_entries: Vec<LogEntry>,
}

#[derive(Deserialize)]
struct Signed {
    statement: Base64,
    signature: Base64,
}

/// Judges the provenance of a file with a SHA-256, in hexadecimal digits.
#[must_use]
pub fn judge(document: &[u8], file: &str, sha256: &str, root: &TrustRoot) -> Judged {
    let form: Result<Form, _> = imgfix_json::read(document);
    if let Ok(Form { version }) = form
        && version != 1
    {
        return Judged::Unknown(format!("its provenance is of version {version}"));
    }
    let document: Document = match imgfix_json::read(document) {
        Ok(document) => document,
        Err(error) => return Judged::Wrong(format!("its provenance cannot be read: {error}")),
    };
    let bundles = document.attestation_bundles;
    if bundles.iter().map(|one| one.attestations.len()).sum::<usize>() > MAX_ATTESTATIONS {
        return Judged::Wrong(format!("it has more than {MAX_ATTESTATIONS} attestations"));
    }
    let mut found = Judged::Unknown("its provenance has no attestation".to_owned());
    for Published { publisher, attestations } in bundles {
        for attestation in attestations {
            match one(attestation, publisher.as_ref(), file, sha256, root) {
                wrong @ Judged::Wrong(_) => return wrong,
                other if !matches!(found, Judged::Attested(_)) => found = other,
                _ => {}
            }
        }
    }
    found
}

fn one(
    attestation: Attestation,
    publisher: Option<&Publisher>,
    file: &str,
    sha256: &str,
    root: &TrustRoot,
) -> Judged {
    let Attestation { version, verification_material, envelope } = attestation;
    if version != 1 {
        return Judged::Unknown(format!("an attestation is of version {version}"));
    }
    let Some(entry) = verification_material.transparency_entries.into_iter().next() else {
        return Judged::Wrong("no log has an attestation".to_owned());
    };
    let bundle = Bundle {
        envelope: Envelope {
            payload_type: IN_TOTO.to_owned(),
            payload: envelope.statement.0,
            signature: envelope.signature.0,
        },
        certificate: verification_material.certificate.0,
        entry,
    };
    let wrong = |why: String| Judged::Wrong(format!("its attestation: {why}"));
    let signed = match verify(&bundle, root) {
        Ok(signed) => signed,
        Err(error) => return wrong(error.to_string()),
    };
    let statement = match Statement::read(&bundle.envelope) {
        Ok(statement) => statement,
        Err(error) => return wrong(error.to_string()),
    };
    let [subject] = statement.subjects.as_slice() else {
        return wrong(format!("it is about {} files", statement.subjects.len()));
    };
    let Subject { name, digest } = subject;
    if !is_name_of(name, file) {
        return wrong(format!("it is about {name}"));
    }
    if !digest.get("sha256").is_some_and(|own| own.eq_ignore_ascii_case(sha256)) {
        return wrong("it is about a file with another SHA-256".to_owned());
    }
    let by = match publisher.and_then(|publisher| publisher.holds(&signed.by)) {
        None => return Judged::Unknown("its publisher is of a kind that is not known".to_owned()),
        Some(Err(why)) => return wrong(why),
        Some(Ok(by)) => by,
    };
    match PREDICATES.contains(&statement.predicate_type.as_str()) {
        true => Judged::Attested(by),
        false => Judged::Unknown(format!("it is attested {:?}", statement.predicate_type)),
    }
}

/// Whether a statement's file is the index's, which may write name and version otherwise.
fn is_name_of(subject: &str, file: &str) -> bool {
    if subject == file {
        return true;
    }
    let (Some(mut a), Some(b)) = (WheelName::parse(subject), WheelName::parse(file)) else {
        return false;
    };
    let version = |wheel: &WheelName| wheel.version.parse::<Version>().ok();
    if !same_name(&a.name, &b.name) || version(&a).is_none_or(|a| version(&b) != Some(a)) {
        return false;
    }
    a.name.clone_from(&b.name);
    a.version.clone_from(&b.version);
    a == b
}

#[cfg(test)]
mod tests {
    use imgfix_sigstore::testing::{AT, Holder, IN_FORCE, Instance};
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    const REAL: &[u8] = include_bytes!("../sigstore/samples/github.provenance.json");
    const FILE: &str = "pypi_attestations-0.0.19.tar.gz";
    const SHA: &str = "9bb1add04b1b4e182be6b0b80931593f7a291eb49d69b4fd728a5d4cbcdc4bd3";

    /// The real one, changed.
    fn real(change: impl FnOnce(&mut Value)) -> Judged {
        let mut document: Value = imgfix_json::read(REAL).unwrap();
        change(&mut document);
        judge(document.to_string().as_bytes(), FILE, SHA, TrustRoot::public_good())
    }

    fn why(judged: Judged) -> String {
        match judged {
            Judged::Attested(by) => format!("attested {by}"),
            Judged::Unknown(why) => format!("unknown {why}"),
            Judged::Wrong(why) => format!("wrong {why}"),
        }
    }

    #[test]
    fn a_real_one_says_who_published_the_file() {
        let want = "attested GitHub trailofbits/pypi-attestations release.yml";
        assert_eq!(why(real(|_| {})), want);
        let root = TrustRoot::public_good();
        for (file, sha, said) in [
            ("pypi_attestations-0.0.18.tar.gz", SHA, "wrong its attestation: it is about pypi_att"),
            (
                FILE,
                &SHA.replace('9', "8"),
                "wrong its attestation: it is about a file with another",
            ),
        ] {
            let said_now = why(judge(REAL, file, sha, root));
            assert!(said_now.starts_with(said), "{said_now}");
        }
        let other = TrustRoot::read(Instance::new(3).trust_root().as_bytes()).unwrap();
        assert!(matches!(judge(REAL, FILE, SHA, &other), Judged::Wrong(_)));
    }

    #[test]
    fn a_publisher_that_did_not_sign_is_refused() {
        for (key, value) in [
            ("repository", "trailofbits/other"),
            ("repository", "trailofbits/pypi-attestations/"),
            ("repository", "Trailofbits/pypi-attestations"),
            ("workflow", "release.yaml"),
            ("workflow", "release.yml@refs/tags/v0.0.19"),
            ("workflow", ""),
        ] {
            let said = why(real(|document| {
                document["attestation_bundles"][0]["publisher"][key] = value.into();
            }));
            assert!(said.starts_with("wrong its attestation: the index names"), "{key}: {said}");
        }
        for (publisher, want) in [
            (json!({"kind": "Other", "repository": "a/b"}), "unknown its publisher is of a kind"),
            (json!({"kind": "GitHub", "repository": "a/b"}), "unknown its publisher is of a kind"),
            (Value::Null, "unknown its publisher is of a kind"),
            (
                json!({"kind": "GitLab", "repository": "trailofbits/pypi-attestations",
                    "workflow_filepath": "release.yml"}),
                "wrong its attestation: the index names GitLab",
            ),
            (json!({"kind": "Google", "email": "a@b.example"}), "wrong its attestation: the index"),
        ] {
            let said =
                why(real(|document| document["attestation_bundles"][0]["publisher"] = publisher));
            assert!(said.starts_with(want), "{said}");
        }
    }

    #[test]
    fn a_form_that_is_not_known_is_no_fault() {
        let said = |change: fn(&mut Value)| why(real(change));
        assert_eq!(
            said(|document| document["version"] = 2.into()),
            "unknown its provenance is of version 2"
        );
        let of = "attestation_bundles";
        assert_eq!(
            why(real(|document| document[of][0]["attestations"][0]["version"] = 2.into())),
            "unknown an attestation is of version 2"
        );
        let none = "unknown its provenance has no attestation";
        assert_eq!(why(real(|document| document[of] = json!([]))), none);
        assert_eq!(why(real(|document| document[of][0]["attestations"] = json!([]))), none);
    }

    #[test]
    fn what_cannot_be_read_is_wrong() {
        for (document, want) in [
            ("<html>", "wrong its provenance cannot be read"),
            ("{}", "wrong its provenance cannot be read"),
            (r#"{"attestation_bundles": [], "attestation_bundles": []}"#, "wrong its provenance"),
        ] {
            let said = why(judge(document.as_bytes(), FILE, SHA, TrustRoot::public_good()));
            assert!(said.starts_with(want), "{said}");
        }
        let of = "attestation_bundles";
        let said = why(real(|document| {
            document[of][0]["attestations"][0]["verification_material"]["transparency_entries"] =
                json!([]);
        }));
        assert_eq!(said, "wrong no log has an attestation");
        let said = why(real(|document| {
            let one = document[of][0]["attestations"][0].clone();
            document[of][0]["attestations"] = vec![one; 65].into();
        }));
        assert_eq!(said, "wrong it has more than 64 attestations");
    }

    /// A provenance of an instance of our own, for a wheel with the hash `00`.
    fn own(publisher: &Value, holder: &Holder<'_>, statements: &[&str], at: i64) -> Judged {
        let instance = Instance::new(3);
        let root = TrustRoot::read(instance.trust_root().as_bytes()).unwrap();
        let all: Vec<Value> =
            statements.iter().map(|one| instance.attestation(one, holder, at)).collect();
        let document = json!({"version": 1,
            "attestation_bundles": [{"publisher": publisher, "attestations": all}]});
        judge(document.to_string().as_bytes(), "A_b-1.0-py3-none-any.whl", "00", &root)
    }

    fn statement(name: &str, kind: &str) -> String {
        json!({"_type": "https://in-toto.io/Statement/v1", "predicate": null,
            "predicateType": kind, "subject": [{"name": name, "digest": {"sha256": "00"}}]})
        .to_string()
    }

    const WHEEL: &str = "a.b-1.0.0-py3-none-any.whl";

    #[test]
    fn each_kind_of_publisher_has_claims_of_its_own() {
        let claims = |list: &[(u32, &str)]| -> Vec<(u32, String)> {
            list.iter().map(|(number, text)| (*number, (*text).to_owned())).collect()
        };
        let lab = "https://gitlab.com/g/s/p";
        let config = format!("{lab}//ci/a.yml@refs/heads/main");
        let gitlab = claims(&[
            (8, "https://gitlab.com"),
            (12, lab),
            (13, "abc"),
            (14, "refs/heads/main"),
            (18, &config),
        ]);
        let circle = claims(&[
            (8, "https://oidc.circleci.com"),
            (9, "https://circleci.com/api/v2/projects/P/pipeline-definitions/D"),
            (12, "github.com/o/r"),
        ]);
        let google = claims(&[(8, "https://accounts.google.com")]);
        let stated = statement(WHEEL, PREDICATES[0]);
        let said = |publisher: Value, name: &str, claims: &[(u32, String)]| {
            why(own(&publisher, &Holder { name, claims }, &[&stated], AT))
        };
        let lab = json!({"kind": "GitLab", "repository": "g/s/p", "workflow_filepath": "ci/a.yml"});
        assert_eq!(said(lab.clone(), &config, &gitlab), "attested GitLab g/s/p ci/a.yml");
        let unversioned = &gitlab[..2];
        assert!(said(lab, &config, unversioned).contains("the workflow of"));
        let mail = json!({"kind": "Google", "email": "a@b.example"});
        assert_eq!(said(mail.clone(), "a@b.example", &google), "attested Google a@b.example");
        assert!(said(mail.clone(), "c@b.example", &google).contains("the holder of c@b.example"));
        assert!(said(mail, "a@b.example", &circle).starts_with("wrong"));
        let pipeline = |origin: &str| {
            json!({"kind": "CircleCI", "project_id": "P", "pipeline_definition_id": "D",
                "vcs_origin": origin, "vcs_ref": null})
        };
        let name = "https://circleci.com/x";
        assert_eq!(
            said(pipeline("github.com/o/r"), name, &circle),
            "attested CircleCI github.com/o/r D"
        );
        assert!(said(pipeline("github.com/o/s"), name, &circle).starts_with("wrong"));
    }

    #[test]
    fn every_attestation_has_to_hold() {
        let claims = [(8, "https://accounts.google.com".to_owned())];
        let holder = Holder { name: "a@b.example", claims: &claims };
        let publisher = json!({"kind": "Google", "email": "a@b.example"});
        let said = |all: &[&str], at| why(own(&publisher, &holder, all, at));
        let [published, built] = PREDICATES.map(|kind| statement(WHEEL, kind));
        let good = "attested Google a@b.example";
        assert_eq!(said(&[&published, &built], AT), good);
        assert_eq!(said(&[&built], AT), good);
        let later = statement(WHEEL, "https://example.org/v9");
        assert_eq!(said(&[&published, &later], AT), good);
        assert_eq!(said(&[&later], AT), "unknown it is attested \"https://example.org/v9\"");
        let other = statement("a_b-1.1-py3-none-any.whl", PREDICATES[0]);
        assert!(said(&[&published, &other], AT).starts_with("wrong"));
        for name in ["a_b-1.0-1-py3-none-any.whl", "a_b-1.0-py2-none-any.whl", "a_b-1.0.tar.gz", ""]
        {
            assert!(said(&[&statement(name, PREDICATES[0])], AT).starts_with("wrong"), "{name}");
        }
        let mut two: Value = imgfix_json::read(published.as_bytes()).unwrap();
        two["subject"] = vec![two["subject"][0].clone(); 2].into();
        assert_eq!(said(&[&two.to_string()], AT), "wrong its attestation: it is about 2 files");
        assert!(said(&[&published], AT + IN_FORCE + 1).contains("was not in force"));
    }

    proptest! {
        #[test]
        fn no_document_makes_a_panic(bytes: Vec<u8>, at: usize, to: u8) {
            let root = TrustRoot::public_good();
            let _ = judge(&bytes, FILE, SHA, root);
            let mut real = REAL.to_vec();
            let at = at % real.len();
            real[at] = to;
            let _ = judge(&real, FILE, SHA, root);
        }
    }
}
