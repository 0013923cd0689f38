//! A connector as an artifact in a registry, in the layout that the tools of the component world share: an image manifest whose
//! config has the type `application/vnd.wasm.config.v0+json` and whose one layer is the component.
//! <https://tag-runtime.cncf.io/wgs/wasm/deliverables/wasm-oci-artifact/>

use std::collections::BTreeMap;

use oci_client::manifest::{OciDescriptor, OciImageManifest};
use serde::{Deserialize as _, Serialize};

use crate::digest::Digest;

pub(crate) const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";
/// What Docker called the same before it was a standard.
pub(crate) const DOCKER_MANIFEST_TYPE: &str = "application/vnd.docker.distribution.manifest.v2+json";
const CONFIG_TYPE: &str = "application/vnd.wasm.config.v0+json";
const LAYER_TYPE: &str = "application/wasm";
const SIGNATURE_LAYER_TYPE: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
const SIGNATURE_CONFIG_TYPE: &str = "application/vnd.oci.image.config.v1+json";
const SIGNATURE_ANNOTATION: &str = "dev.cosignproject.cosign/signature";

/// What stands in the config, beside the digest of the layer.
#[derive(Clone, Debug)]
pub(crate) struct Facts<'a> {
    pub(crate) connector: &'a str,
    pub(crate) version: &'a str,
    /// RFC 3339.
    pub(crate) created: &'a str,
    pub(crate) author: Option<&'a str>,
    pub(crate) exports: &'a [String],
    pub(crate) imports: &'a [String],
    pub(crate) world: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Config<'a> {
    created: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    author: Option<&'a str>,
    architecture: &'static str,
    os: &'static str,
    layer_digests: [String; 1],
    component: Component<'a>,
}

#[derive(Serialize)]
struct Component<'a> {
    exports: &'a [String],
    imports: &'a [String],
    target: &'a str,
}

/// What is pushed: a manifest and the blobs that it names.
#[derive(Clone, Debug)]
pub(crate) struct Artifact {
    pub(crate) manifest: Vec<u8>,
    pub(crate) blobs: Vec<(Digest, Vec<u8>)>,
}

impl Artifact {
    fn new(manifest: &OciImageManifest, blobs: Vec<Vec<u8>>) -> serde_json::Result<Self> {
        let blobs = blobs.into_iter().map(|blob| (Digest::of(&blob), blob)).collect();
        Ok(Self { manifest: serde_json::to_vec(manifest)?, blobs })
    }

    /// A component.
    pub(crate) fn of_component(wasm: Vec<u8>, facts: &Facts<'_>) -> serde_json::Result<Self> {
        let layer = Digest::of(&wasm);
        let config = serde_json::to_vec(&Config {
            created: facts.created,
            author: facts.author,
            architecture: "wasm",
            os: "wasip2",
            layer_digests: [layer.to_string()],
            component: Component { exports: facts.exports, imports: facts.imports, target: facts.world },
        })?;
        let title = "org.opencontainers.image.title";
        let text = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        let manifest = OciImageManifest {
            media_type: Some(MANIFEST_TYPE.to_owned()),
            config: descriptor(CONFIG_TYPE, &config, None),
            layers: vec![descriptor(
                LAYER_TYPE,
                &wasm,
                // The name of the file that tools which unpack artifacts write.
                Some(text(title, &format!("{}-{}.wasm", facts.connector, facts.version))),
            )],
            annotations: Some(BTreeMap::from([
                text("org.opencontainers.image.created", facts.created),
                text(title, facts.connector),
                text("org.opencontainers.image.version", facts.version),
            ])),
            ..OciImageManifest::default()
        };
        Self::new(&manifest, vec![config, wasm])
    }

    /// cosign's signature over a payload, behind those that the image has: `others` is the manifest that holds them.
    pub(crate) fn of_signature(payload: &str, signature: &str, others: Option<&[u8]>) -> Result<Self, String> {
        let annotation = (SIGNATURE_ANNOTATION.to_owned(), signature.to_owned());
        let layer = descriptor(SIGNATURE_LAYER_TYPE, payload.as_bytes(), Some(annotation));
        let mut layers = others.map_or(Ok(Vec::new()), |others| parse(others).map(|manifest| manifest.layers))?;
        layers.push(layer);
        let diff_ids: Vec<&str> = layers.iter().map(|layer| layer.digest.as_str()).collect();
        let config = serde_json::json!({
            "architecture": "",
            "created": "0001-01-01T00:00:00Z",
            "history": vec![serde_json::json!({ "created": "0001-01-01T00:00:00Z" }); layers.len()],
            "os": "",
            "rootfs": { "type": "layers", "diff_ids": diff_ids },
            "config": {},
        });
        let config = config.to_string().into_bytes();
        let manifest = OciImageManifest {
            media_type: Some(MANIFEST_TYPE.to_owned()),
            config: descriptor(SIGNATURE_CONFIG_TYPE, &config, None),
            layers,
            ..OciImageManifest::default()
        };
        Self::new(&manifest, vec![config, payload.as_bytes().to_vec()]).map_err(|error| error.to_string())
    }
}

fn descriptor(media_type: &str, content: &[u8], annotation: Option<(String, String)>) -> OciDescriptor {
    OciDescriptor {
        media_type: media_type.to_owned(),
        digest: Digest::of(content).to_string(),
        size: i64::try_from(content.len()).unwrap_or(i64::MAX),
        annotations: annotation.map(|annotation| BTreeMap::from([annotation])),
        ..OciDescriptor::default()
    }
}

/// Reads a manifest.
fn parse(manifest: &[u8]) -> Result<OciImageManifest, String> {
    let value: serde_json::Value =
        serde_json::from_slice(manifest).map_err(|error| format!("its manifest is no JSON: {error}"))?;
    if value.get("manifests").is_some() {
        return Err("it is an index of several images: name one of them by its digest".to_owned());
    }
    OciImageManifest::deserialize(value).map_err(|error| format!("its manifest is not understood: {error}"))
}

/// The layer that is the component. Tools write different configs; what counts is that there is one layer, and that it is Wasm.
pub(crate) fn component_layer(manifest: &[u8]) -> Result<OciDescriptor, String> {
    match parse(manifest)?.layers.as_slice() {
        [layer] if layer.media_type == LAYER_TYPE => Ok(layer.clone()),
        [layer] => Err(format!("its layer has the type {}, not {LAYER_TYPE}", layer.media_type)),
        layers => Err(format!("it has {} layers; a component is one", layers.len())),
    }
}

/// The payloads that signatures of an image stand for, each with its signature.
pub(crate) fn signature_layers(manifest: &[u8]) -> Result<Vec<(OciDescriptor, String)>, String> {
    let signature = |layer: OciDescriptor| {
        let signature = layer.annotations.as_ref()?.get(SIGNATURE_ANNOTATION)?.clone();
        (layer.media_type == SIGNATURE_LAYER_TYPE).then_some((layer, signature))
    };
    Ok(parse(manifest)?.layers.into_iter().filter_map(signature).collect())
}

/// The tag under which the signatures of a manifest are found.
pub(crate) fn signature_tag(manifest: &Digest) -> String {
    format!("sha256-{}.sig", manifest.hex())
}
