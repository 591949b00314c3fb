//! Real signatures of both of Sigstore's instances, and every one of their parts changed.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::bytes::{decoded, encoded, hex};
use crate::testing::{AT, Holder, IN_FORCE, Instance};

const GITHUB: &str = include_str!("samples/github.provenance.json");
const GITLAB: &str = include_str!("samples/gitlab.attestation.json");
const STAGING: &str = include_str!("samples/staging.attestation.json");
const STAGING_ROOT: &[u8] = include_bytes!("samples/staging_root.json");

fn read(document: &str) -> Value {
    imgfix_json::read(document.as_bytes()).unwrap()
}

fn github() -> Value {
    read(GITHUB)["attestation_bundles"][0]["attestations"][0].clone()
}

fn bytes(value: &Value) -> Vec<u8> {
    decoded(value.as_str().unwrap()).unwrap()
}

/// An attestation of PEP 740 as a bundle.
fn bundle(of: &Value) -> Bundle {
    let material = &of["verification_material"];
    let entry = material["transparency_entries"][0].to_string();
    Bundle {
        envelope: Envelope {
            payload_type: IN_TOTO.to_owned(),
            payload: bytes(&of["envelope"]["statement"]),
            signature: bytes(&of["envelope"]["signature"]),
        },
        certificate: bytes(&material["certificate"]),
        entry: imgfix_json::read(entry.as_bytes()).unwrap(),
    }
}

fn judged(of: &Value, root: &TrustRoot) -> Result<Signed, String> {
    verify(&bundle(of), root).map_err(|error| error.to_string())
}

#[test]
fn real_signatures_say_who_made_them() {
    let public = TrustRoot::public_good();
    let signed = judged(&github(), public).unwrap();
    let workflow = "https://github.com/trailofbits/pypi-attestations/.github/workflows/release.yml";
    assert_eq!(signed.by.name, format!("{workflow}@refs/tags/v0.0.19"));
    assert_eq!(signed.at, 1_733_354_041);
    for (claim, want) in [
        (Claim::ISSUER, "https://token.actions.githubusercontent.com"),
        (Claim::SOURCE_REPOSITORY, "https://github.com/trailofbits/pypi-attestations"),
        (Claim::SOURCE_REF, "refs/tags/v0.0.19"),
        (Claim::SOURCE_DIGEST, "08802efe1f8e5fec4ad842d6b8ce97656092ee72"),
        (Claim::BUILD_CONFIG, signed.by.name.as_str()),
    ] {
        assert_eq!(signed.by.claim(claim), Some(want));
    }
    let signed = judged(&read(GITLAB), public).unwrap();
    assert_eq!(signed.by.claim(Claim::ISSUER), Some("https://gitlab.com"));
    let staging = TrustRoot::read(STAGING_ROOT).unwrap();
    assert_eq!(judged(&read(STAGING), &staging).unwrap().by.name, "william@yossarian.net");
}

#[test]
fn statements_name_files() {
    let statement = Statement::read(&bundle(&github()).envelope).unwrap();
    assert_eq!(statement.predicate_type, "https://docs.pypi.org/attestations/publish/v1");
    assert_eq!(statement.subjects[0].name, "pypi_attestations-0.0.19.tar.gz");
    assert!(statement.subjects[0].digest["sha256"].starts_with("9bb1add04b1b"));
    let mut other = bundle(&github()).envelope;
    other.payload_type = "text/plain".to_owned();
    assert!(Statement::read(&other).is_err());
    for payload in [
        "{}",
        r#"{"_type": "https://in-toto.io/Statement/v2", "subject": [], "predicateType": ""}"#,
    ] {
        let payload = payload.as_bytes().to_vec();
        assert!(Statement::read(&Envelope { payload, ..bundle(&github()).envelope }).is_err());
    }
}

#[test]
fn roots_of_others_are_not_believed() {
    let staging = TrustRoot::read(STAGING_ROOT).unwrap();
    for (of, root) in [(github(), &staging), (read(STAGING), TrustRoot::public_good())] {
        let error = judged(&of, root).unwrap_err();
        assert!(error.starts_with("its entry is of a log that is not trusted"), "{error}");
    }
    // the right logs, and other authorities
    let mut mixed = staging.clone();
    mixed.logs.clone_from(&TrustRoot::public_good().logs);
    let error = judged(&github(), &mixed).unwrap_err();
    assert!(error.starts_with("no authority that is trusted issued"), "{error}");
    let mut mixed = TrustRoot::public_good().clone();
    mixed.certificate_logs.clone_from(&staging.certificate_logs);
    let error = judged(&github(), &mixed).unwrap_err();
    assert!(error.starts_with("no log of certificates that is trusted"), "{error}");
    assert!(judged(&github(), &TrustRoot::default()).is_err());
}

/// An attestation with a bit of one part turned.
fn turned(of: &Value, pointer: &str, at: usize) -> Value {
    let mut of = of.clone();
    let part = of.pointer_mut(pointer).unwrap();
    let mut bytes = bytes(part);
    let at = at % bytes.len();
    bytes[at] ^= 1;
    *part = Value::from(encoded(&bytes));
    of
}

#[test]
fn no_part_can_be_changed() {
    const ENTRY: &str = "/verification_material/transparency_entries/0";
    let root = TrustRoot::public_good();
    let certificate = "/verification_material/certificate";
    let whole = |pointer: &str| bytes(github().pointer(pointer).unwrap()).len();
    for (pointer, want) in [
        ("/envelope/statement", "its signature is not by the key"),
        ("/envelope/signature", "its signature is not by the key"),
        (&format!("{ENTRY}/canonicalizedBody"), "the log's promise"),
        (&format!("{ENTRY}/inclusionPromise/signedEntryTimestamp"), "the log's promise"),
        (&format!("{ENTRY}/logId/keyId"), "its entry is of a log"),
        (&format!("{ENTRY}/inclusionProof/rootHash"), "the log does not prove"),
        (&format!("{ENTRY}/inclusionProof/hashes/3"), "the log does not prove"),
    ] {
        for at in [0, 5, whole(pointer) / 2, whole(pointer) - 1] {
            let error = judged(&turned(&github(), pointer, at), root).unwrap_err();
            assert!(error.starts_with(want), "{pointer} {at}: {error}");
        }
    }
    // each byte of the certificate counts
    for at in (0..whole(certificate)).step_by(7) {
        assert!(judged(&turned(&github(), certificate, at), root).is_err(), "{at}");
    }
    for (pointer, value, want) in [
        ("integratedTime", json!("1733354042"), "the log's promise"),
        ("logIndex", json!("153454664"), "the log's promise"),
        ("inclusionPromise", Value::Null, "the log's promise"),
        ("inclusionProof", Value::Null, "the log does not prove its entry: it gives none"),
        ("inclusionProof/logIndex", json!("31550400"), "the log does not prove"),
        ("inclusionProof/treeSize", json!("31550403"), "the log does not prove"),
        (
            "inclusionProof/checkpoint",
            Value::Null,
            "the log does not prove its entry: it has no ch",
        ),
        ("kindVersion/version", json!("0.0.2"), "the log's entry is about something else"),
    ] {
        let mut of = github();
        *of.pointer_mut(&format!("{ENTRY}/{pointer}")).unwrap() = value;
        let error = judged(&of, root).unwrap_err();
        assert!(error.starts_with(want), "{pointer}: {error}");
    }
    // a checkpoint of another tree, and one that nobody signed
    let other = read(GITLAB)[&ENTRY[1..22]]["transparency_entries"][0]["inclusionProof"]
        ["checkpoint"]["envelope"]
        .clone();
    let own = github();
    let pointer = format!("{ENTRY}/inclusionProof/checkpoint/envelope");
    let text = own.pointer(&pointer).unwrap().as_str().unwrap();
    for envelope in [other, json!(text.replace("31550402", "31550403")), json!("a\n1\nb\n\n")] {
        let mut of = github();
        *of.pointer_mut(&pointer).unwrap() = envelope;
        let error = judged(&of, root).unwrap_err();
        assert!(error.starts_with("the log does not prove its entry: its checkpoint"), "{error}");
    }
}

#[test]
fn parts_of_two_signatures_do_not_go_together() {
    let root = TrustRoot::public_good();
    let gitlab = read(GITLAB);
    for (pointer, want) in [
        ("/envelope", "its signature is not by the key"),
        ("/envelope/signature", "its signature is not by the key"),
        ("/verification_material/certificate", "its certificate was not in force"),
        ("/verification_material/transparency_entries/0", "its certificate was not in force"),
    ] {
        let mut of = github();
        *of.pointer_mut(pointer).unwrap() = gitlab.pointer(pointer).unwrap().clone();
        let error = judged(&of, root).unwrap_err();
        assert!(error.starts_with(want), "{pointer}: {error}");
    }
}

const HOLDER: Holder<'_> = Holder { name: "https://ci.example/a", claims: &[] };

#[test]
fn an_instance_of_ones_own_is_judged_alike() {
    let own = Instance::new(1);
    let root = TrustRoot::read(own.trust_root().as_bytes()).unwrap();
    let claims = [(8, "https://issuer.example".to_owned())];
    let holder = Holder { claims: &claims, ..HOLDER };
    let signed = judged(&own.attestation("{}", &holder, AT + 5), &root).unwrap();
    assert_eq!((signed.by.name.as_str(), signed.at), (HOLDER.name, AT + 5));
    assert_eq!(signed.by.claim(Claim::ISSUER), Some("https://issuer.example"));
    let other = TrustRoot::read(Instance::new(2).trust_root().as_bytes()).unwrap();
    let of = own.attestation("{}", &HOLDER, AT);
    assert!(judged(&of, &other).is_err());
    // a log of certificates that signed something else
    let mut mixed = root;
    mixed.certificate_logs[0].key = other.certificate_logs[0].key;
    assert_eq!(
        judged(&of, &mixed).unwrap_err(),
        "no log of certificates that is trusted has its certificate: the promise is of another \
         certificate"
    );
}

#[test]
fn a_certificate_counts_while_it_is_in_force() {
    let own = Instance::new(1);
    let root = TrustRoot::read(own.trust_root().as_bytes()).unwrap();
    for (at, is_good) in
        [(AT - 1, false), (AT, true), (AT + IN_FORCE, true), (AT + IN_FORCE + 1, false)]
    {
        let judged = judged(&own.attestation("{}", &HOLDER, at), &root);
        assert_eq!(judged.is_ok(), is_good, "{at}: {judged:?}");
        if let Err(error) = judged {
            assert!(error.starts_with("its certificate was not in force"), "{error}");
        }
    }
}

#[test]
fn an_entry_is_about_one_envelope() {
    // promised and proved, by a log that took what it should not have
    let own = Instance::new(1);
    let root = TrustRoot::read(own.trust_root().as_bytes()).unwrap();
    let entry = |of: &Value| of["verification_material"]["transparency_entries"][0].clone();
    let other = entry(&own.attestation("[]", &HOLDER, AT));
    let mut of = own.attestation("{}", &HOLDER, AT);
    of["verification_material"]["transparency_entries"][0] = other;
    assert_eq!(
        judged(&of, &root).unwrap_err(),
        "the log's entry is about something else: its statement is another"
    );
    let holder = Holder { name: "https://ci.example/b", ..HOLDER };
    let other = entry(&own.attestation("{}", &holder, AT));
    of["verification_material"]["transparency_entries"][0] = other;
    assert_eq!(
        judged(&of, &root).unwrap_err(),
        "the log's entry is about something else: its certificate is another"
    );
}

proptest! {
    #[test]
    fn no_bytes_make_a_panic(bytes: Vec<u8>, pointer in 0..4_usize, at: usize, to: u8) {
        let root = TrustRoot::public_good();
        let mut of = bundle(&github());
        let part = match pointer {
            0 => &mut of.certificate,
            1 => &mut of.envelope.payload,
            _ => &mut of.envelope.signature,
        };
        let at = at % part.len();
        let is_other = part[at] != to;
        part[at] = to;
        prop_assert_eq!(verify(&of, root).is_err(), is_other);
        of.certificate = bytes.clone();
        prop_assert!(verify(&of, root).is_err());
        prop_assert!(TrustRoot::read(&bytes).is_err());
        let _ = imgfix_json::read::<LogEntry>(&bytes);
    }
}

#[test]
fn certificates_name_one_holder() {
    assert!(Statement::read(&bundle(&read(STAGING)).envelope).is_ok());
    assert_eq!(hex(&[0, 255]), "00ff");
    let own = Instance::new(1);
    let root = TrustRoot::read(own.trust_root().as_bytes()).unwrap();
    let holder = Holder { name: "a@example.org", claims: &[] };
    let signed = judged(&own.attestation("{}", &holder, AT), &root).unwrap();
    assert_eq!(signed.by.name, "a@example.org");
}
