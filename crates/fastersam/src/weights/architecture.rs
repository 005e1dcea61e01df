//! Telling what a weight file is from its keys and shapes.

use std::fmt;

use super::error::{WeightError, some};
use super::file::WeightFile;
use crate::config::Preset;

/// What a [`WeightFile`] holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Architecture {
    /// SAM's image encoder (`ImageEncoderViT`), with or without prompt encoder and mask decoder.
    Sam {
        /// Width of the tokens: 768 for ViT-B, 1024 for L, 1280 for H.
        embed_dim: usize,
        /// Number of blocks: 12, 24, 32.
        depth: usize,
        /// Side of the grid of absolute positions: 64.
        grid: usize,
        /// Whether the mask decoder is there.
        has_decoder: bool,
    },
    /// DINOv2 in the Hugging Face layout.
    DinoV2 {
        /// Width of the tokens: 384 for ViT-S.
        embed_dim: usize,
        /// Number of blocks: 12.
        depth: usize,
        /// Side of a patch, pixels: 14.
        patch_size: usize,
        /// Side of the grid of absolute positions: 37.
        grid: usize,
    },
    /// SAM's prompt encoder and mask decoder, alone or with an encoder that is not a plain ViT
    /// (LiteMedSAM's).
    SamDecoder {
        /// Channels of the image embedding: 256.
        transformer_dim: usize,
        /// Number of mask tokens: 4.
        n_mask_tokens: usize,
    },
}

impl Architecture {
    /// The preset that these weights are for: the one whose backbone has their size, or for a decoder alone
    /// one whose decoder has.
    #[must_use]
    pub fn preset(&self) -> Option<Preset> {
        match *self {
            Self::Sam { embed_dim: 768, depth: 12, .. } => Some(Preset::VitB),
            Self::Sam { embed_dim: 1024, depth: 24, .. } => Some(Preset::VitL),
            Self::Sam { embed_dim: 1280, depth: 32, .. } => Some(Preset::VitH),
            Self::DinoV2 { embed_dim: 384, depth: 12, patch_size: 14, .. }
            | Self::SamDecoder { transformer_dim: 256, .. } => Some(Preset::VitS),
            _ => None,
        }
    }
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Sam { embed_dim, depth, has_decoder, .. } => {
                let name = match (embed_dim, depth) {
                    (768, 12) => "SAM ViT-B",
                    (1024, 24) => "SAM ViT-L",
                    (1280, 32) => "SAM ViT-H",
                    _ => "SAM",
                };
                let parts = if has_decoder { "" } else { " (image encoder alone)" };
                write!(f, "{name}, {embed_dim} wide, {depth} blocks{parts}")
            }
            Self::DinoV2 { embed_dim, depth, patch_size, .. } => {
                write!(f, "DINOv2 ViT/{patch_size}, {embed_dim} wide, {depth} blocks")
            }
            Self::SamDecoder { transformer_dim, .. } => {
                write!(f, "SAM mask decoder, {transformer_dim} wide")
            }
        }
    }
}

/// Tells the architecture.
///
/// # Errors
/// Where the keys are of no architecture that this crate knows.
pub fn recognise(file: &WeightFile) -> Result<Architecture, WeightError> {
    sam(file).or_else(|| dinov2(file)).or_else(|| sam_decoder(file)).ok_or_else(|| {
        let keys: Vec<String> = file.tensors.keys().cloned().collect();
        WeightError::Unrecognised { path: file.path().to_owned(), n_tensors: keys.len(), examples: some(&keys) }
    })
}

fn sam(file: &WeightFile) -> Option<Architecture> {
    let &[1, grid, width, embed_dim] = file.shape("image_encoder.pos_embed")? else { return None };
    let depth = n_blocks(file, "image_encoder.blocks.");
    let is_vit = file.tensors.contains_key("image_encoder.blocks.0.attn.qkv.weight");
    (grid == width && is_vit).then(|| Architecture::Sam {
        embed_dim,
        depth,
        grid,
        has_decoder: file.has_prefix("mask_decoder."),
    })
}

fn dinov2(file: &WeightFile) -> Option<Architecture> {
    let &[1, n_positions, embed_dim] = file.shape("embeddings.position_embeddings")? else {
        return None;
    };
    let &[_, _, patch_size, _] = file.shape("embeddings.patch_embeddings.projection.weight")? else {
        return None;
    };
    let grid = n_positions.checked_sub(1)?.isqrt();
    (grid > 0 && file.has_prefix("encoder.layer.0.layer_scale1.")).then(|| Architecture::DinoV2 {
        embed_dim,
        depth: n_blocks(file, "encoder.layer."),
        patch_size,
        grid,
    })
}

fn sam_decoder(file: &WeightFile) -> Option<Architecture> {
    let &[n_mask_tokens, transformer_dim] = file.shape("mask_decoder.mask_tokens.weight")? else {
        return None;
    };
    Some(Architecture::SamDecoder { transformer_dim, n_mask_tokens })
}

/// One more than the largest block number after `prefix`.
fn n_blocks(file: &WeightFile, prefix: &str) -> usize {
    file.tensors
        .keys()
        .filter_map(|key| key.strip_prefix(prefix)?.split('.').next()?.parse::<usize>().ok())
        .max()
        .map_or(0, |last| last.saturating_add(1))
}
