//! Where a parameter of the model lies in a checkpoint.
//!
//! The models' paths are the official names but for a few rules: SAM's `nn.Sequential`s have numbers
//! where ours have names (`neck.0` is `neck.conv1`), DINOv2's Hugging Face layout keeps query, key and
//! value apart and calls things differently.

use fastersam_pausing_encoder::is_backbone;

use super::architecture::Architecture;
use super::transform::Transform;

/// Where a parameter's values come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// From tensors of the file, by way of a transformation.
    File { keys: Vec<String>, transform: Transform },
    /// From nowhere: it is new in this project and keeps its initial values.
    New,
    /// The model's backbone has it, but this architecture never does.
    Lacking,
}

/// A parameter of the model.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// Its path in the assembled model.
    pub path: String,
    pub shape: Vec<usize>,
    /// Whether it is the weight of a linear layer, which PyTorch stores transposed.
    pub is_linear_weight: bool,
}

impl Target {
    /// From PyTorch's layout to ours. Transposing is its own inverse.
    pub fn layout(&self) -> Transform {
        if self.is_linear_weight { Transform::Transpose } else { Transform::Copy }
    }

    /// From one tensor, stored as PyTorch stores such a parameter.
    fn from(&self, key: String) -> Origin {
        Origin::File { keys: vec![key], transform: self.layout() }
    }
}

/// The parts of the mask decoder whose size is the number of masks; they start new in a model with one
/// mask a class.
const DECODER_HEADS: [&str; 3] = ["mask_tokens.", "output_hypernetworks_mlps.", "iou_prediction_head."];

/// The layers of SAM's neck, a `nn.Sequential`.
const NECK: [(&str, &str); 4] = [
    ("neck.conv1.", "neck.0."),
    ("neck.norm1.", "neck.1."),
    ("neck.conv2.", "neck.2."),
    ("neck.norm2.", "neck.3."),
];

/// Where `target` comes from.
pub(crate) fn origin(architecture: &Architecture, target: &Target, decoder_heads: bool) -> Origin {
    let path = target.path.as_str();
    if let Some(rest) = path.strip_prefix("encoder.") {
        return match architecture {
            Architecture::Sam { .. } => sam_encoder(target, rest),
            Architecture::DinoV2 { .. } => dinov2_encoder(target, rest),
            Architecture::SamDecoder { .. } => Origin::New,
        };
    }
    let has_decoder = match architecture {
        Architecture::Sam { has_decoder, .. } => *has_decoder,
        Architecture::DinoV2 { .. } => false,
        Architecture::SamDecoder { .. } => true,
    };
    match path.strip_prefix("decoder.") {
        Some(rest) if has_decoder => sam_decoder(target, rest, decoder_heads),
        _ => Origin::New,
    }
}

/// The layers of SAM's upscaling, a `nn.Sequential`.
const UPSCALING: [(&str, &str); 3] = [
    ("mask_decoder.output_upscaling.conv1.", "mask_decoder.output_upscaling.0."),
    ("mask_decoder.output_upscaling.norm.", "mask_decoder.output_upscaling.1."),
    ("mask_decoder.output_upscaling.conv2.", "mask_decoder.output_upscaling.3."),
];

/// A path of the encoder or the decoder with the numbers that a `nn.Sequential` has for our names.
fn numbered(path: &str, layers: &[(&str, &str)]) -> Option<String> {
    layers.iter().find_map(|(ours, theirs)| Some(format!("{theirs}{}", path.strip_prefix(ours)?)))
}

/// The name of a parameter in a file that this project writes: SAM's official one where SAM has the parameter, else its
/// path in the model under the same roots (`image_encoder`, `mask_decoder`, `prompt_encoder`, `conv_branch`).
pub(crate) fn official_key(path: &str) -> String {
    let key = if let Some(rest) = path.strip_prefix("encoder.") {
        format!("image_encoder.{}", numbered(rest, &NECK).unwrap_or_else(|| rest.to_owned()))
    } else if let Some(rest) = path.strip_prefix("decoder.") {
        numbered(rest, &UPSCALING).unwrap_or_else(|| rest.to_owned())
    } else {
        path.to_owned()
    };
    // Burn's names in its own `BatchNorm`.
    [(".batch_norm.gamma", ".batch_norm.weight"), (".batch_norm.beta", ".batch_norm.bias")]
        .iter()
        .find_map(|(ours, theirs)| Some(format!("{}{theirs}", key.strip_suffix(ours)?)))
        .unwrap_or(key)
}

fn sam_encoder(target: &Target, rest: &str) -> Origin {
    let by = |transform| Origin::File { keys: vec![format!("image_encoder.{rest}")], transform };
    if let Some(name) = numbered(rest, &NECK) {
        return target.from(format!("image_encoder.{name}"));
    }
    if !is_backbone(rest) {
        return Origin::New;
    }
    match rest.split('.').collect::<Vec<_>>()[..] {
        ["pos_embed"] => by(Transform::AbsolutePositions),
        [.., "rel_pos_h" | "rel_pos_w"] => by(Transform::RelativePositions),
        // Of plain ViTs only.
        ["cls_token" | "cls_pos_embed" | "norm", ..] | [.., "layer_scale1" | "layer_scale2"] => Origin::Lacking,
        _ => target.from(format!("image_encoder.{rest}")),
    }
}

fn sam_decoder(target: &Target, rest: &str, heads: bool) -> Origin {
    if rest.split('.').any(|name| name.starts_with("lora")) {
        return Origin::New;
    }
    let Some(name) = rest.strip_prefix("mask_decoder.") else {
        return target.from(rest.to_owned());
    };
    if !heads && DECODER_HEADS.iter().any(|part| name.starts_with(part)) {
        return Origin::New;
    }
    if let Some(key) = numbered(rest, &UPSCALING) {
        return target.from(key);
    }
    // The skips from the CNN branch.
    if name.starts_with("output_upscaling.") { Origin::New } else { target.from(rest.to_owned()) }
}

fn dinov2_encoder(target: &Target, rest: &str) -> Origin {
    let embeddings = |name: &str, transform| Origin::File { keys: vec![format!("embeddings.{name}")], transform };
    // A plain ViT has no neck: ours is new.
    if !is_backbone(rest) {
        return Origin::New;
    }
    match rest {
        "pos_embed" => return embeddings("position_embeddings", Transform::PatchPositions),
        "cls_token" => return embeddings("cls_token", Transform::Copy),
        "cls_pos_embed" => return embeddings("position_embeddings", Transform::ClassPosition),
        _ => {}
    }
    if let Some(name) = rest.strip_prefix("patch_embed.proj.") {
        return target.from(format!("embeddings.patch_embeddings.projection.{name}"));
    }
    if let Some(name) = rest.strip_prefix("norm.") {
        return target.from(format!("layernorm.{name}"));
    }
    let Some((block, name)) = rest.strip_prefix("blocks.").and_then(|rest| rest.split_once('.')) else {
        return Origin::Lacking;
    };
    let layer = |name: &str| format!("encoder.layer.{block}.{name}");
    if let Some(name) = name.strip_prefix("attn.qkv.") {
        let keys = ["query", "key", "value"].map(|part| layer(&format!("attention.attention.{part}.{name}")));
        let transform = if target.is_linear_weight { Transform::StackTransposed } else { Transform::Stack };
        return Origin::File { keys: keys.into(), transform };
    }
    for (ours, theirs) in [
        ("norm1.", "norm1."),
        ("norm2.", "norm2."),
        ("attn.proj.", "attention.output.dense."),
        ("mlp.lin1.", "mlp.fc1."),
        ("mlp.lin2.", "mlp.fc2."),
    ] {
        if let Some(name) = name.strip_prefix(ours) {
            return target.from(layer(&format!("{theirs}{name}")));
        }
    }
    match name {
        "layer_scale1" | "layer_scale2" => target.from(layer(&format!("{name}.lambda1"))),
        _ => Origin::Lacking,
    }
}

/// Whether a key belongs to the architecture, but to a part of it that a model like ours may do
/// without: prompts, the masks' heads, DINOv2's class and mask tokens.
pub(crate) fn is_dispensable(architecture: &Architecture, key: &str) -> bool {
    let prefixes: &[&str] = match architecture {
        Architecture::Sam { .. } | Architecture::SamDecoder { .. } => &[
            "prompt_encoder.point_embeddings.",
            "prompt_encoder.not_a_point_embed.",
            "prompt_encoder.mask_downscaling.",
            "mask_decoder.mask_tokens.",
            "mask_decoder.output_hypernetworks_mlps.",
            "mask_decoder.iou_prediction_head.",
        ],
        Architecture::DinoV2 { .. } => &["embeddings.cls_token", "embeddings.mask_token"],
    };
    prefixes.iter().any(|prefix| key.starts_with(prefix))
}
