//! How layers are compressed, in the original and in the patch, and what a docker-archive must
//! have so that others load it. skopeo and umoci are the judges.
#![allow(clippy::expect_used, clippy::unwrap_used)]

mod common;

use std::io::Read;
use std::path::Path;
use std::process::Command;

use common::cli::{self, Place, blob, manifest, ran, read_json};
use common::registry::run;
use imgfix_model::digest::Digest;
use serde_json::{Value, json};

const PACKAGE: &str = "imagemagick-6-common";
const REPAIRED: &str = "8:6.9.11.60+dfsg-1.6+deb12u15";

/// The image must unpack to one with the repaired package: by umoci, which checks every diff ID
/// and knows no zstd, with layers that skopeo has turned to gzip.
#[track_caller]
fn is_repaired(place: &Place, image: &str) {
    let work = tempfile::tempdir_in(place.dir.path()).expect("dir");
    let layout = format!("{}:1", work.path().join("layout").display());
    run("skopeo", &["copy", "-q", "--dest-compress-format=gzip", image, &format!("oci:{layout}")]);
    let mut command = Command::new("umoci");
    command.args(["unpack", "--image", &layout]);
    if !cli::is_root() {
        command.arg("--rootless");
    }
    ran(command.arg(work.path().join("bundle"))).expect(0);
    let status = work.path().join("bundle/rootfs/var/lib/dpkg/status");
    let status = std::fs::read_to_string(status).expect("status");
    assert_eq!(cli::version_in(&status, PACKAGE).as_deref(), Some(REPAIRED), "{image}");
}

fn top_layer(place: &Place, tag: &str) -> Value {
    let layers = manifest(&place.path("image"), tag)["layers"].clone();
    layers.as_array().expect("layers").last().expect("a layer").clone()
}

fn content(place: &Place, layer: &Value) -> Vec<u8> {
    let path = blob(&place.path("image"), layer["digest"].as_str().expect("digest"));
    std::fs::read(path).expect("blob")
}

// --- the patch ----------------------------------------------------------------------------

#[test]
fn the_patch_has_the_compression_and_level_that_were_asked_for() {
    let place = Place::debian();
    let mut diff_ids = Vec::new();
    let mut size = |compression: &str, level: Option<&str>| {
        let suffix = format!("-{compression}{}", level.unwrap_or_default());
        let mut command = place.repair(&place.image("12"));
        command.args(["--compression", compression, &format!("--tag-suffix={suffix}")]);
        command.args(level.map(|level| format!("--compression-level={level}")));
        let json = ran(&mut command).expect(0).json();
        let tag = format!("12{suffix}");
        let layer = top_layer(&place, &tag);
        let ending = match compression {
            "none" => "tar",
            "gzip" => "tar+gzip",
            _ => "tar+zstd",
        };
        let media_type = format!("application/vnd.oci.image.layer.v1.{ending}");
        assert_eq!(layer["mediaType"], media_type);
        let bytes = content(&place, &layer);
        let starts: &[u8] = match compression {
            "none" => b"",
            "gzip" => &[0x1f, 0x8b],
            _ => &[0x28, 0xb5, 0x2f, 0xfd],
        };
        assert!(bytes.starts_with(starts));
        assert_eq!(layer["size"], bytes.len());
        diff_ids.push(json["platforms"][0]["layer"]["diff_id"].clone());
        bytes.len()
    };
    let plain = size("none", None);
    let gzip: Vec<_> = ["1", "5", "9"].map(|level| size("gzip", Some(level))).into();
    let zstd: Vec<_> = ["1", "10", "19"].map(|level| size("zstd", Some(level))).into();
    for sizes in [&gzip, &zstd] {
        assert!(sizes[0] < plain, "{sizes:?} of {plain}");
        assert!(sizes.is_sorted_by(|fast, small| fast > small), "{sizes:?}");
    }
    assert_eq!(size("gzip", Some("3")), size("gzip", None), "the documented default");
    assert_eq!(size("zstd", Some("3")), size("zstd", None), "the documented default");
    assert!(size("gzip", Some("0")) >= plain, "stored");
    assert!(diff_ids.iter().all(|id| *id == diff_ids[0]), "{diff_ids:?}");
    for tag in ["12-none", "12-gzip9", "12-zstd19"] {
        is_repaired(&place, &place.image(tag));
    }
}

#[test]
fn a_level_that_there_is_not_is_a_usage_error() {
    let place = Place::debian();
    for (compression, level) in [("gzip", "10"), ("zstd", "0"), ("zstd", "20"), ("none", "1")] {
        let mut command = place.repair(&place.image("12"));
        command.args(["--compression", compression, "--compression-level", level]);
        let refused = ran(&mut command).expect(2);
        assert!(refused.stderr.contains("--compression-level"), "{}", refused.stderr);
        assert_eq!(place.tagged("12_fix"), None);
    }
}

// --- the original -------------------------------------------------------------------------

/// Gives the image's layers another compression; its diff IDs stay.
fn recompress(place: &Place, ending: &str, pack: impl Fn(&[u8]) -> Vec<u8>) {
    let image = place.path("image");
    let mut new = manifest(&image, "12");
    let store = |bytes: &[u8]| {
        let digest = Digest::of(bytes).to_string();
        std::fs::write(blob(&image, &digest), bytes).expect("blob");
        digest
    };
    for layer in new["layers"].as_array_mut().expect("layers") {
        let packed = content(place, layer);
        std::fs::remove_file(blob(&image, layer["digest"].as_str().expect("digest"))).expect("old");
        let mut plain = Vec::new();
        flate2::read::MultiGzDecoder::new(&packed[..]).read_to_end(&mut plain).expect("gzip");
        let packed = pack(&plain);
        *layer = json!({"mediaType": format!("application/vnd.oci.image.layer.v1.{ending}"),
            "digest": store(&packed), "size": packed.len()});
    }
    let bytes = new.to_string().into_bytes();
    let mut index = read_json(&image.join("index.json"));
    index["manifests"][0]["digest"] = json!(store(&bytes));
    index["manifests"][0]["size"] = json!(bytes.len());
    std::fs::write(image.join("index.json"), index.to_string()).expect("index");
}

#[test]
fn zstd_and_plain_layers_are_read_and_stay() {
    let diff_id = |place: &Place| {
        let json = ran(&mut place.repair(&place.image("12"))).expect(0).json();
        is_repaired(place, &place.image("12_fix"));
        json["platforms"][0]["layer"]["diff_id"].clone()
    };
    let wanted = diff_id(&Place::debian());
    let zstd = |plain: &[u8]| zstd::encode_all(plain, 3).expect("zstd");
    for (ending, pack) in
        [("tar+zstd", &zstd as &dyn Fn(&[u8]) -> Vec<u8>), ("tar", &|plain| plain.to_vec())]
    {
        let place = Place::debian();
        recompress(&place, ending, pack);
        let before = manifest(&place.path("image"), "12")["layers"].clone();
        assert_eq!(diff_id(&place), wanted, "{ending}");
        let after = manifest(&place.path("image"), "12_fix")["layers"].clone();
        let before = before.as_array().expect("layers");
        assert_eq!(after.as_array().expect("layers")[..before.len()], before[..]);
        assert!(top_layer(&place, "12_fix")["mediaType"].as_str().expect("type").ends_with("gzip"));
    }
}

#[test]
fn a_layer_that_is_not_compressed_as_announced() {
    let place = Place::debian();
    recompress(&place, "tar+gzip", |_| b"BZh91AY&SY not a layer".to_vec());
    let refused = ran(&mut place.repair(&place.image("12"))).expect(1);
    assert!(refused.stderr.contains("layer 1"), "{}", refused.stderr);
    assert_eq!(refused.stderr.lines().count(), 1, "{}", refused.stderr);
}

// --- docker-archive -----------------------------------------------------------------------

fn member(archive: &Path, name: &str) -> Option<Vec<u8>> {
    let mut archive = tar::Archive::new(std::fs::File::open(archive).expect("archive"));
    for entry in archive.entries().expect("entries") {
        let mut entry = entry.expect("entry");
        if entry.path().expect("path").to_string_lossy() == name {
            let mut content = Vec::new();
            entry.read_to_end(&mut content).expect("content");
            return Some(content);
        }
    }
    None
}

/// What `docker load` and containers/image go by
/// (<https://github.com/moby/moby/blob/master/image/spec/spec.md>): `manifest.json` names a
/// config and layers that are members, in the order of the config's diff IDs, and names with a
/// tag; what it says is what skopeo writes for the same image.
#[test]
fn a_docker_archive_has_what_loaders_go_by() {
    let place = Place::debian();
    let file = place.path("out.tar");
    let output = format!("docker-archive:{}:app:fixed", file.display());
    ran(place.repair(&place.image("12")).args(["-o", &output])).expect(0);
    is_repaired(&place, &output);

    let theirs = place.path("skopeo.tar");
    run(
        "skopeo",
        &["copy", "-q", &output, &format!("docker-archive:{}:app:fixed", theirs.display())],
    );
    let saved = |file: &Path| -> Value {
        serde_json::from_slice(&member(file, "manifest.json").expect("manifest.json"))
            .expect("JSON")
    };
    let (ours, skopeos) = (saved(&file), saved(&theirs));
    assert_eq!(ours.as_array().map(Vec::len), Some(1));
    assert_eq!(ours[0]["RepoTags"], skopeos[0]["RepoTags"]);
    let config = |file: &Path, saved: &Value| {
        let name = saved[0]["Config"].as_str().expect("a config").to_owned();
        let bytes = member(file, &name).expect("the config is there");
        assert!(name.contains(Digest::of(&bytes).hex().as_str()), "{name}");
        bytes
    };
    assert!(config(&file, &ours) == config(&theirs, &skopeos), "the image has another id");
    let config: Value = serde_json::from_slice(&config(&file, &ours)).expect("JSON");
    let ids = config["rootfs"]["diff_ids"].as_array().expect("ids");
    let layers = ours[0]["Layers"].as_array().expect("layers");
    assert_eq!(layers.len(), ids.len());
    for (layer, id) in layers.iter().zip(ids) {
        let bytes = member(&file, layer.as_str().expect("a path")).expect("the layer is there");
        let mut plain = Vec::new();
        flate2::read::MultiGzDecoder::new(&bytes[..]).read_to_end(&mut plain).expect("gzip");
        assert_eq!(*id, Digest::of(&plain).to_string());
    }
    // the OCI layout in the same file, which newer engines go by, names the same image
    let inside =
        run("skopeo", &["inspect", "--raw", &format!("oci-archive:{}:fixed", file.display())]);
    let inside: Value = serde_json::from_str(&inside).expect("JSON");
    assert_eq!(
        inside["config"]["digest"].as_str().and_then(|digest| digest.strip_prefix("sha256:")),
        ours[0]["Config"].as_str().and_then(|path| path.rsplit('/').next())
    );
}
