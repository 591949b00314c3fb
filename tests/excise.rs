//! Images with something cut out of a lower layer, published over every transport: nothing that is
//! served holds it any more, and layers without a hit are the same blobs. skopeo is the judge.
#![allow(clippy::expect_used, clippy::unwrap_used)]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{Read, Seek};
use std::path::Path;
use std::sync::Arc;

use common::images::{gzip, index_layout, layer, layout};
use common::registry::{Registry, run};
use imgfix_excise::config::{ConfigCut, scrub, with_layers};
use imgfix_excise::{Cut, NewLayer as Outcome, excise};
use imgfix_host::progress::Silent;
use imgfix_host::unfinished::Unfinished;
use imgfix_model::digest::{DiffId, Digest};
use imgfix_model::path::ImagePath;
use imgfix_oci::publish::{
    Excised, Fidelity, NewImage, NewLayer, PatchLayer, Provenance, Publication, Published, excised,
    manifest_descriptor, mark, original_of, publish, rebuild, rebuild_index,
};
use imgfix_oci::{
    BlobReader, Document, PlatformImage, RawManifest, Reference, RegistryOptions, Source,
    compression_of, descriptor, load, open_sink, open_source,
};
use imgfix_vfs::compression::Unpacked;
use imgfix_vfs::layer_reader::LayerSpec;
use imgfix_vfs::{Compression, LayerLimits};
use oci_spec::image::Descriptor;

/// What must be nowhere afterwards.
const MARKER: &[u8] = b"-----MARKER-OF-A-KEY-----";

/// What was written for one platform.
struct Rewritten {
    manifest: RawManifest,
    config: bytes::Bytes,
    layers: Vec<(Descriptor, Vec<u8>)>,
}

fn provenance(
    source: &dyn Source,
    original: Digest,
    layers: BTreeMap<usize, Digest>,
) -> Provenance {
    Provenance {
        base_name: source.reference().base_name(),
        original_digest: source.root().expect("root").digest,
        plan_digest: Digest::of(b"plan"),
        newest: BTreeMap::new(),
        version: "0.0.0".into(),
        excised: Some(Excised { original_manifest: original, layers }),
        source_date_epoch: None,
    }
}

/// Cuts the key out of one platform; `patch`: with a layer on top, too.
fn cut_out(source: &dyn Source, image: &PlatformImage, patch: bool) -> Rewritten {
    let (manifest, config) = (&image.manifest, &image.config);
    let spec = |(layer, id): (&Descriptor, &DiffId)| LayerSpec {
        name: "layer".into(),
        compression: compression_of(layer.media_type().as_ref()),
        diff_id: Some(*id),
    };
    let specs: Vec<_> = manifest.layers().iter().zip(config.diff_ids()).map(spec).collect();
    let open = |at: usize| source.blob(&manifest.layers()[at]).map_err(std::io::Error::other);
    let cut = Cut { paths: [ImagePath::literal("/key")].into(), ..Cut::default() };
    let mut files: BTreeMap<usize, File> = BTreeMap::new();
    let done = excise(&specs, open, &cut, LayerLimits::default(), |at| {
        let file = tempfile::tempfile()?;
        files.insert(at, file.try_clone()?);
        Ok(file)
    })
    .expect("excision");
    let mut new = BTreeMap::new();
    let mut old = BTreeMap::new();
    let mut layers = Vec::new();
    for (at, outcome) in done.layers.iter().enumerate() {
        let Outcome::Rewritten { written, compression } = *outcome else { continue };
        let (digest, diff_id, size) = (written.digest, written.diff_id, written.size);
        new.insert(at, PatchLayer { digest, diff_id, size, compression });
        let before = &manifest.layers()[at];
        old.insert(at, before.digest().as_ref().parse().expect("digest"));
        let mut bytes = Vec::new();
        let file = files.get_mut(&at).expect("written");
        file.rewind().and_then(|()| file.read_to_end(&mut bytes)).expect("read");
        layers.push((descriptor(before.media_type().as_ref(), &digest, size), bytes));
    }
    let ids = new.iter().map(|(at, layer)| (*at, layer.diff_id)).collect();
    let texts = ConfigCut {
        texts: [String::from_utf8_lossy(MARKER).into_owned()].into(),
        ..ConfigCut::default()
    };
    let edit = |value: &serde_json::Value| with_layers(&scrub(value, &texts).0, &ids, &done.survey);
    let (lower, lower_config) = excised(manifest, config, &new, &edit).expect("excised");
    let provenance = provenance(source, manifest.digest(), old);
    if !patch {
        let marked = mark(&lower, &lower_config, &provenance).expect("marked");
        return Rewritten { manifest: marked.manifest, config: marked.config, layers };
    }
    let tar = layer("repaired", b"patch");
    let packed = gzip(&tar);
    let top = PatchLayer {
        digest: Digest::of(&packed),
        diff_id: DiffId(Digest::of(&tar)),
        size: packed.len() as u64,
        compression: Compression::Gzip,
    };
    let new = rebuild(&lower, &lower_config, &top, &provenance).expect("rebuilt");
    layers.push((new.layer_descriptor, packed));
    Rewritten { manifest: new.manifest, config: new.config, layers }
}

/// Cuts the key out of every platform, and publishes.
fn cut_and_publish(source: &dyn Source, output: &str, patch: bool) -> (Published, Vec<Rewritten>) {
    let set = load(source, None).expect("image");
    let all: Vec<_> = set.images.iter().map(|image| cut_out(source, image, patch)).collect();
    let index = match &set.root {
        Document::Manifest(_) => None,
        Document::Index(index) => {
            let old = set.images.iter().map(|image| image.manifest.digest());
            let replaced =
                old.zip(all.iter().map(|new| manifest_descriptor(&new.manifest))).collect();
            let facts = provenance(source, set.images[0].manifest.digest(), BTreeMap::new());
            Some(rebuild_index(index, &set.inner, &replaced, &facts).expect("index"))
        }
    };
    type Open<'a> = Box<dyn Fn() -> Result<BlobReader, imgfix_oci::ImageError> + Sync + 'a>;
    let open = |bytes: &Vec<u8>| -> Open<'_> {
        let bytes = bytes.clone();
        Box::new(move || Ok(Box::new(std::io::Cursor::new(bytes.clone())) as BlobReader))
    };
    let opens: Vec<Vec<Open<'_>>> =
        all.iter().map(|one| one.layers.iter().map(|(_, bytes)| open(bytes)).collect()).collect();
    let images = all
        .iter()
        .zip(&opens)
        .map(|(one, opens)| NewImage {
            manifest: one.manifest.clone(),
            config: one.config.clone(),
            layers: one
                .layers
                .iter()
                .zip(opens)
                .map(|((descriptor, _), open)| NewLayer { descriptor, content: &**open })
                .collect(),
        })
        .collect();
    let kept = index.as_ref().map(|index| index.kept.clone()).unwrap_or_default();
    let indexes = index.into_iter().map(|one| one.index).collect();
    let publication = Publication { images, indexes, kept };
    let output: Reference = output.parse().expect("reference");
    let options = RegistryOptions::default();
    let sink = open_sink(&output, None, &options, &Unfinished::default()).expect("sink");
    (publish(&*sink, source, &publication, &Silent).expect("publish"), all)
}

fn open(name: &str) -> Arc<dyn Source> {
    open_source(&name.parse().expect("reference"), &RegistryOptions::default()).expect("source")
}

fn holds(bytes: &[u8]) -> bool {
    bytes.windows(MARKER.len()).any(|part| part == MARKER)
}

/// Reads all that is served; gives the digests of each platform's layers.
#[track_caller]
fn clean(name: &str, layers: usize) -> Vec<Vec<String>> {
    let source = open(name);
    let set = load(&*source, None).expect("image");
    let mut all = Vec::new();
    for image in &set.images {
        assert!(!holds(&image.manifest.raw().bytes) && !holds(image.config.bytes()), "{name}");
        image.config.check_layers(&image.manifest, name).expect("layers");
        assert_eq!(image.manifest.layers().len(), layers, "{name}");
        for (layer, id) in image.manifest.layers().iter().zip(image.config.diff_ids()) {
            let mut plain = Vec::new();
            let blob = source.blob(layer).expect("blob");
            Unpacked::new(blob).and_then(|mut blob| blob.read_to_end(&mut plain)).expect("read");
            assert_eq!(DiffId(Digest::of(&plain)), *id);
            assert!(!holds(&plain), "{name}: {}", layer.digest());
        }
        let digest = |layer: &Descriptor| layer.digest().to_string();
        all.push(image.manifest.layers().iter().map(digest).collect());
        let parts = original_of(&image.manifest, &image.config).expect("a repaired image");
        assert_eq!(parts.fidelity, Fidelity::Excised);
        assert_eq!(parts.excised.expect("said").layers.len(), 1, "one layer was rewritten");
        let annotations = &image.manifest.value()["annotations"];
        assert!(annotations["org.opencontainers.image.base.digest"].is_null(), "{annotations}");
    }
    all
}

/// A base, a layer with the key, and one that hides it.
fn sample(dir: &Path) -> impl Source + use<> {
    let mut secret = tar::Builder::new(Vec::new());
    for (name, content) in [("key", MARKER), ("app", b"app")] {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o600);
        secret.append_data(&mut header, name, content).expect("tar");
    }
    let secret = secret.into_inner().expect("tar");
    layout(dir, "1", &[layer("base", b"base"), secret, layer(".wh.key", b"")])
}

fn layers_of(name: &str) -> Vec<String> {
    let source = open(name);
    let set = load(&*source, None).expect("image");
    set.images[0].manifest.layers().iter().map(|layer| layer.digest().to_string()).collect()
}

#[test]
fn a_layout_has_one_new_layer_and_the_old_image_stays() {
    let dir = tempfile::tempdir().expect("dir");
    let source = sample(dir.path());
    let name = format!("oci:{}:1", dir.path().display());
    let fixed = format!("oci:{}:1_fix", dir.path().display());
    let before = layers_of(&name);
    for (patch, layers) in [(false, 3), (true, 4)] {
        let (published, _) = cut_and_publish(&source, &fixed, patch);
        // the layer and the config; then the patch and the config, and the layer is there
        assert_eq!((published.blobs_sent, published.blobs_linked), (2, 2 + u64::from(patch)));
        let after = clean(&fixed, layers).remove(0);
        assert_eq!((&after[0], &after[2]), (&before[0], &before[2]));
        assert_ne!(after[1], before[1]);
        assert_eq!(layers_of(&name), before, "the original is as it was");
        let copy = dir.path().join(format!("copy{patch}"));
        run("skopeo", &["copy", "-q", &fixed, &format!("dir:{}", copy.display())]);
        // the same image from the same cut
        assert_eq!(cut_and_publish(&source, &fixed, patch).0.digest, published.digest);
    }
}

#[test]
fn a_docker_archive_has_nothing_of_the_old_image() {
    let dir = tempfile::tempdir().expect("dir");
    let layout = sample(&dir.path().join("layout"));
    // as docker saves it, with v1's files for each layer, which skopeo writes, too
    let saved = format!("docker-archive:{}:app:1", dir.path().join("saved.tar").display());
    let oci = format!("oci:{}:1", dir.path().join("layout").display());
    run("skopeo", &["copy", "-q", &oci, &saved]);
    drop(layout);
    let file = dir.path().join("fixed.tar");
    let fixed = format!("docker-archive:{}:app:fixed", file.display());
    cut_and_publish(&*open(&saved), &fixed, true);
    let mut archive = tar::Archive::new(File::open(&file).expect("archive"));
    let mut names = BTreeSet::new();
    for entry in archive.entries().expect("entries") {
        let mut entry = entry.expect("entry");
        names.insert(entry.path().expect("path").to_string_lossy().into_owned());
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).expect("content");
        assert!(!holds(&bytes));
        let mut plain = Vec::new();
        Unpacked::new(&bytes[..]).and_then(|mut all| all.read_to_end(&mut plain)).expect("blob");
        assert!(!holds(&plain));
    }
    assert!(names.contains("manifest.json") && !names.contains("repositories"), "{names:?}");
    assert!(!names.iter().any(|name| name.ends_with("/json")), "{names:?}");
    let copy = dir.path().join("copy");
    run("skopeo", &["copy", "-q", &fixed, &format!("dir:{}", copy.display())]);
}

#[test]
fn a_registry_gets_one_layer_in_both_formats() {
    let registry = Registry::start();
    let dir = tempfile::tempdir().expect("dir");
    drop(sample(dir.path()));
    let oci = format!("oci:{}:1", dir.path().display());
    for (name, format) in [("team/oci:1", "oci"), ("team/docker:1", "v2s2")] {
        let original = registry.reference(name);
        let format = format!("--format={format}");
        run("skopeo", &["copy", "-q", "--dest-tls-verify=false", &format, &oci, &original]);
        let fixed = registry.reference(&format!("{name}_fix"));
        let (published, _) = cut_and_publish(&*open(&original), &fixed, true);
        assert_eq!((published.blobs_sent, published.blobs_linked), (3, 2), "{name}");
        let (before, after) = (layers_of(&original), clean(&fixed, 4).remove(0));
        assert_eq!((&after[0], &after[2]), (&before[0], &before[2]));
        let copy = format!("dir:{}", dir.path().join(format.trim_start_matches('-')).display());
        run("skopeo", &["copy", "-q", "--src-tls-verify=false", &fixed, &copy]);
    }
}

#[test]
fn a_layer_that_platforms_share_is_rewritten_once() {
    let dir = tempfile::tempdir().expect("dir");
    let source = index_layout(dir.path(), "1", &layer("key", MARKER));
    let fixed = format!("oci:{}:1_fix", dir.path().display());
    let (published, all) = cut_and_publish(&source, &fixed, false);
    assert_eq!(published.blobs_sent, 3, "one layer and two configs");
    assert_eq!(all[0].layers[0].1, all[1].layers[0].1);
    let after = clean(&fixed, 2);
    assert_eq!(after[0][0], after[1][0]);
    let source = open(&fixed);
    let root = source.root().expect("root");
    assert!(!String::from_utf8_lossy(&root.bytes).contains("image.base.digest"));
}
