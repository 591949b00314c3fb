//! Images in tar files as [`Source`]: `oci-archive:` and `docker-archive:`.
//!
//! An OCI archive is an OCI layout and is read as one. What `docker save` writes
//! (<https://github.com/moby/moby/blob/master/image/spec/spec.md>) names a config and layers
//! in `manifest.json` but has no manifest; one is made here, deterministically: an OCI
//! manifest over the config and layers as they are in the archive. An uncompressed layer's
//! digest is the diff ID in the config, so that every byte is checked against the config
//! while it is read; a compressed layer is read once for its digest, and its diff ID is
//! checked when it is unpacked. Archives of newer Docker versions, and imgfix's own, have an
//! OCI layout in the same file; its manifest is used when it is about the same config.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::Path;

use bytes::Bytes;
use oci_spec::image::Descriptor;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::Reference;
use super::image_config::ImageConfig;
use super::layout::{Files, LayoutSource, blob_path, read_file};
use super::layout_index::{entries, parse_index};
use super::manifest::{
    Document, ImageManifest, MAX_CONFIG, MAX_LAYERS, MAX_MANIFEST, counted, descriptor, digest_of,
    read_descriptor,
};
use super::media_type;
use super::reference::parse_name;
use super::tar_index::{Packed, TarIndex};
use super::transport::{BlobReader, ImageError, RawManifest, Source};
use super::verified::{BUFFER, verified_blob};
use imgfix_json as json;
use imgfix_model::digest::{DiffId, Digest};
use imgfix_vfs::Compression;
use imgfix_vfs::limits::LayerLimits;

/// Opens `oci-archive:FILE[:TAG]`.
///
/// # Errors
/// No such file, not an OCI archive, no such tag, or several images and no tag.
pub fn open_oci(
    file: &Path,
    tag: Option<&str>,
    limits: &LayerLimits,
) -> Result<LayoutSource, ImageError> {
    let with_tag = |tag| Reference::OciArchive { file: file.to_owned(), tag };
    let reference = with_tag(tag.map(str::to_owned));
    let place = reference.to_string();
    let index = TarIndex::open(file, &place, limits)?;
    let missing = |name: &str| index.open(name).is_ok_and(|found| found.is_none());
    if missing("oci-layout") && !missing("manifest.json") {
        let why = "it was written by 'docker save'; write docker-archive:FILE";
        return Err(ImageError::invalid(place, why));
    }
    LayoutSource::over(Box::new(index), tag, &reference, with_tag)
}

/// What kind of image a tar file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArchiveKind {
    /// `docker-archive:`
    Docker,
    /// `oci-archive:`
    Oci,
}

/// What a file holds, by its content; `None` when it is no image.
#[must_use]
pub fn kind(file: &Path) -> Option<ArchiveKind> {
    let limits = LayerLimits::default();
    let index = TarIndex::open(file, &file.display().to_string(), &limits).ok()?;
    let has = |name: &str| index.open(name).is_ok_and(|found| found.is_some());
    // newer versions of docker write both
    if has("manifest.json") {
        return Some(ArchiveKind::Docker);
    }
    has("index.json").then_some(ArchiveKind::Oci)
}

/// An image that `docker save` wrote.
pub struct DockerArchiveSource {
    index: TarIndex,
    reference: Reference,
    place: String,
    root: RawManifest,
    /// Where the blobs of the manifest are.
    members: BTreeMap<Digest, String>,
}

/// One image of `manifest.json`.
#[derive(Debug, serde::Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SavedImage {
    config: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    #[serde(default)]
    layers: Option<Vec<String>>,
}

/// Largest `manifest.json`, in bytes.
const MAX_SAVED: u64 = 16 << 20;

impl DockerArchiveSource {
    /// Opens `docker-archive:FILE[:REF]`.
    ///
    /// # Errors
    /// No such file, not written by `docker save`, no such image, several images and no name,
    /// or a config that does not fit the layers.
    pub fn open(file: &Path, name: Option<&str>, limits: &LayerLimits) -> Result<Self, ImageError> {
        let named = |name| Reference::DockerArchive { file: file.to_owned(), reference: name };
        let place = named(name.map(str::to_owned)).to_string();
        let index = TarIndex::open(file, &place, limits)?;
        let Some(saved) = read_file(&index, "manifest.json", MAX_SAVED, &place)? else {
            let why = match index.open("index.json") {
                Ok(Some(_)) => "it is an OCI archive; write oci-archive:FILE",
                _ => "it has no manifest.json: it was not written by 'docker save'",
            };
            return Err(ImageError::invalid(place, why));
        };
        let saved: Vec<SavedImage> = json::read_of_image(&saved)
            .map_err(|error| ImageError::json(format!("{place}: manifest.json"), error))?;
        let (image, repo_tag) = choose(&saved, name, &place)?;
        let reference = named(repo_tag);
        let place = reference.to_string();
        let config = read_config(&index, &image.config, &place)?;
        let (root, members) = match stored_manifest(&index, &config, &place) {
            Some(stored) => stored,
            None => made_manifest(&index, image, &config, &place)?,
        };
        Ok(Self { index, reference, place, root, members })
    }
}

impl Source for DockerArchiveSource {
    fn reference(&self) -> &Reference {
        &self.reference
    }

    fn root(&self) -> Result<RawManifest, ImageError> {
        Ok(self.root.clone())
    }

    fn manifest(&self, descriptor: &Descriptor) -> Result<RawManifest, ImageError> {
        let digest = digest_of(descriptor, &self.place)?;
        if digest == self.root.digest {
            return Ok(self.root.clone());
        }
        let place = format!("{}: manifest {digest}", self.place);
        Err(ImageError::NotFound { place, hint: String::new() })
    }

    fn blob(&self, descriptor: &Descriptor) -> Result<BlobReader, ImageError> {
        let digest = digest_of(descriptor, &self.place)?;
        let fail = |error| ImageError::io(self.place.as_str(), error);
        let opened = match self.members.get(&digest) {
            Some(member) => self.index.open(member).map_err(fail)?,
            None => None,
        };
        let Some((reader, _)) = opened else {
            let place = format!("{}: blob {digest}", self.place);
            return Err(ImageError::NotFound { place, hint: "; it is not in the archive".into() });
        };
        verified_blob(reader, descriptor, &self.place)
    }
}

/// The image that is meant, and the name it has in the archive.
fn choose<'s>(
    saved: &'s [SavedImage],
    name: Option<&str>,
    place: &str,
) -> Result<(&'s SavedImage, Option<String>), ImageError> {
    fn tags(image: &SavedImage) -> &[String] {
        image.repo_tags.as_deref().unwrap_or_default()
    }
    let names = || {
        let names: Vec<&str> = saved.iter().flat_map(tags).map(String::as_str).collect();
        match names.is_empty() {
            true => format!("its images have no names; use @0 to @{}", saved.len().max(1) - 1),
            false => format!("its images are: {}", names.join(", ")),
        }
    };
    let not_found =
        || ImageError::NotFound { place: place.to_owned(), hint: format!("; {}", names()) };
    let Some(name) = name else {
        return match saved {
            [image] => Ok((image, tags(image).first().cloned())),
            [] => Err(ImageError::invalid(place, "it has no images")),
            _ => {
                let why = format!("it has {} images; name one ({})", saved.len(), names());
                Err(ImageError::invalid(place, why))
            }
        };
    };
    if let Some(position) = name.strip_prefix('@') {
        let image =
            position.parse().ok().and_then(|n: usize| saved.get(n)).ok_or_else(not_found)?;
        let shown = tags(image).first().cloned().unwrap_or_else(|| name.to_owned());
        return Ok((image, Some(shown)));
    }
    let full = |name: &str| parse_name(name).map(|parsed| parsed.to_string()).ok();
    let wanted = full(name);
    let found = saved.iter().find(|image| tags(image).iter().any(|tag| full(tag) == wanted));
    found.map(|image| (image, Some(name.to_owned()))).ok_or_else(not_found)
}

fn read_config(index: &TarIndex, member: &str, place: &str) -> Result<ImageConfig, ImageError> {
    let Some(bytes) = read_file(index, member, MAX_CONFIG, place)? else {
        let place = format!("{place}: config {member}");
        return Err(ImageError::NotFound { place, hint: "; the archive is incomplete".into() });
    };
    // it is named after its digest: '<hex>.json', or 'blobs/sha256/<hex>'
    let name = member.rsplit('/').next().unwrap_or_default();
    let name = name.strip_suffix(".json").unwrap_or(name);
    if let Ok(digest) = Digest::from_hex(name)
        && digest != Digest::of(&bytes)
    {
        let why =
            "its content has another digest than its name: it is damaged or was tampered with";
        return Err(ImageError::invalid(format!("{place}: config {member}"), why));
    }
    ImageConfig::parse(bytes, place)
}

type Stored = (RawManifest, BTreeMap<Digest, String>);

/// The manifest of the archive's own OCI layout for this config, if all its blobs are there.
fn stored_manifest(index: &TarIndex, config: &ImageConfig, place: &str) -> Option<Stored> {
    let listed =
        parse_index(&read_file(index, "index.json", MAX_MANIFEST, place).ok()??, place).ok()?;
    let mut candidates: Vec<Value> = entries(&listed).to_vec();
    let wanted = Digest::of(config.bytes());
    let mut looked_at = 0;
    while let Some(candidate) = candidates.pop() {
        looked_at += 1;
        if looked_at > 1000 {
            return None;
        }
        let Some(document) = stored_document(index, &candidate, place) else { continue };
        let manifest = match document {
            Document::Index(nested) => {
                candidates.extend(entries(nested.value()).iter().cloned());
                continue;
            }
            Document::Manifest(manifest) => manifest,
        };
        if digest_of(manifest.config(), place).ok() == Some(wanted)
            && config.check_layers(&manifest, place).is_ok()
            && let Some(members) = stored_members(index, &manifest, place)
        {
            return Some((manifest.raw().clone(), members));
        }
    }
    None
}

fn stored_document(index: &TarIndex, entry: &Value, place: &str) -> Option<Document> {
    let descriptor = read_descriptor(Some(entry), place).ok()?;
    let digest = digest_of(&descriptor, place).ok()?;
    let bytes = read_file(index, &blob_path(&digest), MAX_MANIFEST, place).ok()??;
    if Digest::of(&bytes) != digest {
        return None;
    }
    let media_type = descriptor.media_type().to_string();
    Document::parse(RawManifest { media_type, digest, bytes }, place).ok()
}

fn stored_members(
    index: &TarIndex,
    manifest: &ImageManifest,
    place: &str,
) -> Option<BTreeMap<Digest, String>> {
    let mut members = BTreeMap::new();
    for blob in manifest.layers().iter().chain([manifest.config()]) {
        let digest = digest_of(blob, place).ok()?;
        let path = blob_path(&digest);
        let (_, size) = index.open(&path).ok()??;
        if size != blob.size() {
            return None;
        }
        members.insert(digest, path);
    }
    Some(members)
}

/// An OCI manifest over the config and layers of `manifest.json`.
fn made_manifest(
    index: &TarIndex,
    image: &SavedImage,
    config: &ImageConfig,
    place: &str,
) -> Result<Stored, ImageError> {
    let layers = image.layers.as_deref().unwrap_or_default();
    if layers.len() != config.diff_ids().len() || layers.len() > MAX_LAYERS {
        let layers = counted(layers.len(), "layer");
        let ids = counted(config.diff_ids().len(), "diff ID");
        let why = format!("manifest.json names {layers}, its config {ids}");
        return Err(ImageError::invalid(place, why));
    }
    let mut members = BTreeMap::new();
    let mut descriptors = Vec::new();
    for (member, diff_id) in layers.iter().zip(config.diff_ids()) {
        let layer = layer_descriptor(index, member, diff_id, place)?;
        members.insert(digest_of(&layer, place)?, member.clone());
        descriptors.push(layer);
    }
    let digest = Digest::of(config.bytes());
    let size = config.bytes().len() as u64;
    members.insert(digest, image.config.clone());
    let value = json!({
        "schemaVersion": 2,
        "mediaType": media_type::OCI_MANIFEST,
        "config": descriptor(media_type::OCI_CONFIG, &digest, size),
        "layers": descriptors,
    });
    let bytes = Bytes::from(value.to_string());
    let media_type = media_type::OCI_MANIFEST.to_owned();
    Ok((RawManifest { media_type, digest: Digest::of(&bytes), bytes }, members))
}

fn layer_descriptor(
    index: &TarIndex,
    member: &str,
    diff_id: &DiffId,
    place: &str,
) -> Result<Descriptor, ImageError> {
    let place = format!("{place}: layer {member}");
    let fail = |error: io::Error| ImageError::io(place.as_str(), error);
    let open = || -> Result<(Box<dyn Read + Send>, u64), ImageError> {
        index.open(member).map_err(fail)?.ok_or_else(|| ImageError::NotFound {
            place: place.clone(),
            hint: "; the archive is incomplete".into(),
        })
    };
    let (reader, size) = open()?;
    let mut start = Vec::new();
    reader.take(6).read_to_end(&mut start).map_err(fail)?;
    let media_type = match Packed::of(&start) {
        Packed::As(Compression::None) => {
            return Ok(descriptor(media_type::OCI_LAYER, &diff_id.0, size));
        }
        Packed::As(Compression::Gzip) => media_type::OCI_LAYER_GZIP,
        Packed::As(Compression::Zstd) => media_type::OCI_LAYER_ZSTD,
        Packed::Xz => {
            let why = "layers may be compressed with gzip or zstd only";
            let media_type = "application/x-xz".into();
            return Err(ImageError::MediaType { place, media_type, why: why.into() });
        }
    };
    let mut reader = open()?.0;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; BUFFER];
    loop {
        let read = reader.read(&mut buffer).map_err(fail)?;
        if read == 0 {
            break;
        }
        hash.update(buffer.get(..read).unwrap_or_default());
    }
    Ok(descriptor(media_type, &Digest::from_sha256(hash.finalize().into()), size))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::load;

    struct Saved {
        file: tempfile::NamedTempFile,
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).expect("gzip");
        encoder.finish().expect("gzip")
    }

    fn config(layers: &[&[u8]]) -> Vec<u8> {
        let ids: Vec<_> = layers.iter().map(|layer| Digest::of(layer).to_string()).collect();
        json!({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": ids}})
            .to_string()
            .into_bytes()
    }

    fn save(members: &[(&str, &[u8])], links: &[(&str, &str)]) -> Saved {
        let file = tempfile::NamedTempFile::new().expect("temp");
        let mut builder = tar::Builder::new(file.reopen().expect("file"));
        for (name, content) in members {
            let mut header = tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            builder.append_data(&mut header, name, *content).expect("append");
        }
        for (name, target) in links {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(tar::EntryType::Symlink);
            header.set_size(0);
            builder.append_link(&mut header, name, target).expect("append");
        }
        builder.finish().expect("tar");
        Saved { file }
    }

    impl Saved {
        fn open(&self, name: Option<&str>) -> Result<DockerArchiveSource, ImageError> {
            DockerArchiveSource::open(self.file.path(), name, &LayerLimits::default())
        }
    }

    fn old_style(plain: &[u8], packed: &[u8]) -> Saved {
        let config = config(&[plain, packed, plain]);
        let config_name = format!("{}.json", Digest::of(&config).hex());
        let manifest = json!([{"Config": config_name, "RepoTags": ["app:1.0", "other:2"],
            "Layers": ["a/layer.tar", "b/layer.tar", "c/layer.tar"]}]);
        let packed = gzip(packed);
        save(
            &[
                ("a/layer.tar", plain),
                ("b/layer.tar", &packed),
                (&config_name, &config),
                ("manifest.json", manifest.to_string().as_bytes()),
            ],
            &[("c/layer.tar", "../a/layer.tar")],
        )
    }

    #[test]
    fn plain_gzip_and_linked_layers_are_read() {
        let saved = old_style(b"plain layer", b"packed layer");
        let source = saved.open(None).expect("source");
        assert!(source.reference().to_string().ends_with(":app:1.0"), "{}", source.reference());
        let set = load(&source, None).expect("set");
        let layers = set.images[0].manifest.layers();
        let types: Vec<_> = layers.iter().map(|l| l.media_type().to_string()).collect();
        assert_eq!(
            types,
            [media_type::OCI_LAYER, media_type::OCI_LAYER_GZIP, media_type::OCI_LAYER]
        );
        let mut content = String::new();
        source.blob(&layers[2]).expect("blob").read_to_string(&mut content).expect("read");
        assert_eq!(content, "plain layer");
        let mut packed = Vec::new();
        source.blob(&layers[1]).expect("blob").read_to_end(&mut packed).expect("read");
        assert_eq!(packed, gzip(b"packed layer"));
        let again = old_style(b"plain layer", b"packed layer");
        let again = again.open(Some("docker.io/library/other:2")).expect("source");
        assert_eq!(again.root().expect("root").digest, source.root().expect("root").digest);
    }

    #[test]
    fn a_plain_layer_that_is_not_its_diff_id_is_an_error_while_reading() {
        let config = config(&[b"right layer"]);
        let manifest = json!([{"Config": "c.json", "RepoTags": null, "Layers": ["l.tar"]}]);
        let manifest = manifest.to_string();
        let members: [(&str, &[u8]); 3] = [
            ("l.tar", b"wrong layer"),
            ("c.json", &config),
            ("manifest.json", manifest.as_bytes()),
        ];
        let source = save(&members, &[]).open(None).expect("source");
        let set = load(&source, None).expect("set");
        let mut blob = source.blob(&set.images[0].manifest.layers()[0]).expect("blob");
        let error = blob.read_to_end(&mut Vec::new()).expect_err("tampered").to_string();
        assert!(error.contains("tampered"), "{error}");
    }

    #[test]
    fn what_is_missing_or_ambiguous_is_named() {
        let config = config(&[]);
        let wrong_name = format!("{}.json", Digest::of(b"other").hex());
        let two =
            json!([{"Config": "c", "RepoTags": ["a:1"]}, {"Config": "c", "RepoTags": ["b:1"]}]);
        let gone = json!([{"Config": "gone.json"}]);
        let layer = json!([{"Config": "c", "Layers": ["x/layer.tar"]}]);
        let renamed = json!([{"Config": wrong_name}]);
        let table: [(Value, Option<&str>, &str); 8] = [
            (two.clone(), None, "a:1, b:1"),
            (two.clone(), Some("c:1"), "a:1, b:1"),
            (two, Some("@7"), "not found"),
            (gone, None, "gone.json"),
            (layer, None, "1 layer, its config 0 diff IDs"),
            (renamed, None, "tampered"),
            (json!([]), None, "no images"),
            (json!({}), None, "manifest.json"),
        ];
        for (manifest, name, why) in table {
            let manifest = manifest.to_string();
            let members: [(&str, &[u8]); 3] =
                [("c", &config), (&wrong_name, &config), ("manifest.json", manifest.as_bytes())];
            let error = save(&members, &[]).open(name).err().expect(why).to_string();
            assert!(error.contains(why), "want {why:?}: {error}");
        }
        let error = save(&[("x", b"")], &[]).open(None).err().expect("none").to_string();
        assert!(error.contains("docker save"), "{error}");
        let oci = save(&[("index.json", b"{}")], &[]);
        let error = oci.open(None).err().expect("oci").to_string();
        assert!(error.contains("oci-archive:"), "{error}");
        let docker = save(&[("manifest.json", b"[]")], &[]);
        let error = open_oci(docker.file.path(), None, &LayerLimits::default())
            .err()
            .expect("docker")
            .to_string();
        assert!(error.contains("docker-archive:"), "{error}");
    }
}
